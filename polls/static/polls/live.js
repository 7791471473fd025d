// Refreshes the results on a page. Without this script, people reload it.
(() => {
  "use strict";
  const FIRST = 5, LONGEST_AFTER_ERRORS = 300, QUIET = 30; // seconds
  const announcement = document.getElementById("announcement");
  let live = document.getElementById("live");
  let wait = FIRST, timer = 0, asking = false, announced = 0, led = leaders();

  function plan() {
    clearTimeout(timer);
    if (!document.hidden && live.dataset.etag) {
      // Up to a tenth more or less, so that a thousand watchers do not ask at the same time.
      timer = setTimeout(refresh, wait * (900 + 200 * Math.random()));
    }
  }

  async function refresh() {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch("?live", { cache: "no-store", headers: { "If-None-Match": live.dataset.etag } });
      if (answer.ok) {
        show(await answer.text());
        wait = FIRST;
      } else if (answer.status === 304) {
        wait = Math.min(wait * 1.5, live.dataset.longest);
      } else {
        wait = Math.min(Math.max(wait * 2, answer.headers.get("Retry-After") || 0), LONGEST_AFTER_ERRORS);
      }
    } catch {
      wait = Math.min(wait * 2, LONGEST_AFTER_ERRORS);
    }
    asking = false;
    plan();
  }

  function show(html) {
    live.insertAdjacentHTML("afterend", html);
    live.remove();
    live = document.getElementById("live");
    // Screen readers announce a new leader or the closing, and not every vote.
    const now = leaders();
    const news = now !== led || !live.dataset.etag;
    if (announcement && news && Date.now() - announced > QUIET * 1000) {
      announcement.textContent = (live.querySelector(".lead") || live).textContent.trim();
      announced = Date.now();
      led = now;
    }
  }

  function leaders() {
    return Array.from(live.querySelectorAll(".lead strong"), (leader) => leader.textContent).join();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (live.dataset.etag) { wait = FIRST; refresh(); }
  });
  plan();
})();
