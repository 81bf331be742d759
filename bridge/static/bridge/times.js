// Moments are told as "2 minutes ago"; hovering tells them exactly, in the visitor's time zone.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "long" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = exact.format(new Date(time.dateTime));
  }
});
