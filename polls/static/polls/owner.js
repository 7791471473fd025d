// Small helps on the pages of those who run polls. Without this script all of it is done by hand.
"use strict";

// A date that is typed chooses "At this time" beside it.
for (const part of document.querySelectorAll(".inside input")) {
  part.addEventListener("input", () => {
    part.parentElement.previousElementSibling.querySelector("[type=radio]").checked = true;
  });
}

// A half-typed date is sent as none: say so before it is lost.
document.querySelector("form.fields")?.addEventListener("submit", (event) => {
  const half = Array.from(event.target.elements).find((field) => field.validity.badInput);
  if (half) {
    event.preventDefault();
    half.reportValidity();
  }
});

// Who makes a first poll is asked in the time zone of the browser.
const zones = document.querySelector("select[data-guess]");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zones && Array.from(zones.options).some((option) => option.value === zone)) zones.value = zone;

// Links to share are copied by a click; browsers allow that over HTTPS and on this computer.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied;
  });
}
