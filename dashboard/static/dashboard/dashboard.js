// What every page does: tells the server the time zone, keeps the address complete, closes menus,
// and says so when the next page takes long.
"use strict";

(() => {
  const { body } = document;
  // Of this gateway, which may be hosted below a path.
  const root = new URL("../../", document.currentScript.src).pathname;
  const SKELETON_AFTER = 300;
  const WORDS_AFTER = 5000;

  const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  const cookie = (name) =>
    document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);

  // The page was made without knowing where its visitor is: once more, now that it can be known.
  const tellZone = () => {
    const zone = browserZone();
    if (!zone || cookie("zone") === zone) return false;
    document.cookie = `zone=${zone}; path=${root}; max-age=31536000; samesite=lax`;
    const known = cookie("zone") === zone;
    return known && !("zoneAsked" in body.dataset) && body.dataset.zone !== zone;
  };

  const fillZones = () => {
    const list = document.getElementById("zones");
    if (!list || list.children.length || !Intl.supportedValuesOf) return;
    for (const name of Intl.supportedValuesOf("timeZone")) {
      list.append(Object.assign(document.createElement("option"), { value: name }));
    }
  };

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  };

  const waitVisibly = () => {
    const main = document.getElementById("main");
    const timers = [
      setTimeout(() => main.classList.add("loading"), SKELETON_AFTER),
      setTimeout(() => main.dataset.waiting = "Still adding up: a long time takes longer to read.", WORDS_AFTER),
    ];
    addEventListener("pageshow", () => {
      timers.forEach(clearTimeout);
      main.classList.remove("loading");
      delete main.dataset.waiting;
    }, { once: true });
  };

  const leaves = (link, event) =>
    link.origin === location.origin && !link.target && !link.hasAttribute("download") &&
    !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0 &&
    !(link.hash && link.pathname === location.pathname && link.search === location.search);

  if (body.dataset.zone !== undefined && tellZone()) {
    location.reload();
    return;
  }
  if (body.dataset.address) {
    history.replaceState(null, "", body.dataset.address + location.hash);
  }
  document.addEventListener("toggle", (event) => {
    if (event.target.matches(".zone[open]")) fillZones();
  }, true);
  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const link = event.target.closest("a[href]");
    if (link && leaves(link, event)) waitVisibly();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    closeMenus(null);
    open?.querySelector("summary").focus();
  });
})();
