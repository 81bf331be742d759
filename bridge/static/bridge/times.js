// Shows moments as "2 minutes ago"; hovering shows them exactly, in the zone of the visitor. Tells the
// server that zone, as the reports do; a page that was made for another one is loaded once more.
"use strict";

(() => {
  // Of this gateway, which may be hosted below a path.
  const root = new URL("../../", document.currentScript.src).pathname;
  const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  const cookie = () =>
    document.cookie.split("; ").find((part) => part.startsWith("zone="))?.slice("zone=".length);

  const tellZone = () => {
    if (!browserZone || cookie() === browserZone) return;
    document.cookie = `zone=${browserZone}; path=${root}; max-age=31536000; samesite=lax`;
    // Only pages that were asked for by GET name their zone: what was sent is not sent again.
    const shown = document.querySelector("[data-zone]")?.dataset.zone;
    if (shown && shown !== browserZone && cookie() === browserZone) location.reload();
  };

  document.addEventListener("DOMContentLoaded", () => {
    tellZone();
    const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "long" });
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.title = exact.format(new Date(time.dateTime));
    }
  });
})();
