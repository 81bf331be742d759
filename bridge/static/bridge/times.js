// Shows moments as "2 minutes ago"; hovering shows them exactly, in the zone of the visitor.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "long" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = exact.format(new Date(time.dateTime));
  }
});
