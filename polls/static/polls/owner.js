// Small helpers for the pages of owners, which work without them.
"use strict";

// Typing a date selects "At this time".
for (const part of document.querySelectorAll(".inside input")) {
  part.addEventListener("input", () => {
    part.parentElement.previousElementSibling.querySelector("[type=radio]").checked = true;
  });
}

// Browsers send a half-typed date as none: point it out before it is lost.
document.querySelector("form.fields")?.addEventListener("submit", (event) => {
  const half = Array.from(event.target.elements).find((field) => field.validity.badInput);
  if (half) {
    event.preventDefault();
    half.reportValidity();
  }
});

// The form of a first poll begins with the time zone of the browser.
const zones = document.querySelector("select[data-guess]");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zones && Array.from(zones.options).some((option) => option.value === zone)) zones.value = zone;

// A click copies a link to share. Browsers allow it over HTTPS and on localhost.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied;
  });
}
