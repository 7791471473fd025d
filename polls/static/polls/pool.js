// Fetches the page again every few seconds while it is visible, and replaces the figures.
"use strict";

const pool = document.getElementById("pool");
const stale = document.getElementById("pool-stale");
const live = (page) => page.querySelectorAll("[data-live]");

async function refresh() {
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { signal: AbortSignal.timeout(5000) });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = live(page.getElementById("pool"));
      // Only the content is replaced, so that a table keeps its scroll position.
      live(pool).forEach((part, number) => part.replaceChildren(...fresh[number].childNodes));
      stale.hidden = true;
    } catch {
      stale.hidden = false; // the site does not answer, or the session has ended
    }
  }
  setTimeout(refresh, 1000 * pool.dataset.seconds);
}

setTimeout(refresh, 1000 * pool.dataset.seconds);
