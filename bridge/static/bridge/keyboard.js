// The theme opens its menus by elements that only a mouse can press. This makes buttons of them:
// reached by Tab, pressed by Enter and Space, closed by Escape, with a name and a state.
"use strict";

(() => {
  const SPOKEN = {
    sidebarDesktopOpen: "Show or hide the menu",
    sidebarMobileOpen: "Menu",
    openUserLinks: "Your account",
    openTheme: "Light or dark",
  };
  const ICONS = { deployed_code: "Overview", more_vert: "More", more_horiz: "More", add: "Add", edit: "Change", delete: "Remove" };
  const PANELS = {
    sidebarMobileOpen: "#nav-sidebar",
    openUserLinks: "[x-show=openUserLinks]",
    openTheme: "[x-show=openTheme]",
    filterOpen: "#changelist-filter",
  };
  const SCROLLING = { "#nav-sidebar": "Menu", "#changelist-filter": "Filters" };
  const PRESSED = "[x-on\\:click]";
  const MUTE = "#changelist-filter-close, a[href], button, input, select, textarea, summary";
  const ICON = ".material-symbols-outlined";
  const REMOVE = `.gw-target-head label:has(.delete) > ${ICON}`;
  const CONTROLS = "a[href], button, [role=button]";
  const FOCUSED = "a[href], button, input, select, [tabindex='0']";
  const BLANKS = /\s+/g;

  const shown = (one) => Boolean(one?.checkVisibility({ visibilityProperty: true }));
  const words = (one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll(`${ICON}, input`).forEach((part) => part.remove());
    return copy.matches(ICON) ? "" : copy.textContent.replace(BLANKS, " ").trim();
  };
  const found = (table, code) => Object.keys(table).find((name) => code.includes(name));

  // The word of an icon is the name of its picture.
  const pictured = (one) => {
    const icon = (one.matches(ICON) ? one : one.querySelector(ICON))?.textContent.trim() ?? "";
    return ICONS[icon] ?? icon.replaceAll("_", " ");
  };
  const name = (one, spoken) => {
    if (spoken && words(one)) one.ariaLabel = `${spoken}: ${words(one)}`;
    if (one.ariaLabel || one.title || words(one) || one.querySelector("img[alt], [aria-label]")) return;
    one.ariaLabel = spoken ?? pictured(one);
  };
  const equip = (one, spoken) => {
    one.tabIndex = 0;
    one.setAttribute("role", "button");
    name(one, spoken);
  };
  const openers = () => [...document.querySelectorAll(PRESSED)].filter((one) => !one.matches(MUTE));
  const opens = (one) => document.querySelector(PANELS[found(PANELS, one.getAttribute("x-on:click"))]);

  const equipAll = () => {
    for (const one of openers()) equip(one, SPOKEN[found(SPOKEN, one.getAttribute("x-on:click"))]);
    for (const one of document.querySelectorAll(REMOVE)) equip(one, "Remove this target");
    document.querySelectorAll(CONTROLS).forEach((one) => name(one));
    for (const icon of document.querySelectorAll(`${ICON}:not([role])`)) icon.ariaHidden = "true";
    for (const [place, name] of Object.entries(SCROLLING)) {
      for (const part of document.querySelectorAll(`${place} [data-simplebar]`)) part.dataset.simplebarAriaLabel = name;
    }
  };

  let opener = null;
  let entering = null;

  // Says of each opener whether its panel is open, and enters the panel that was opened by a key.
  const tell = () => {
    // All are looked at before one is changed: a look after each change lays the page out again.
    const seen = openers().map((one) => [one, opens(one)]).filter(([one, panel]) => panel && !panel.contains(one));
    const states = seen.map(([one, panel]) => [one, panel, shown(panel)]);
    for (const [one, panel, isOpen] of states) {
      if (one.ariaExpanded !== String(isOpen)) one.ariaExpanded = String(isOpen);
      if (one !== entering || !isOpen) continue;
      entering = null;
      [...panel.querySelectorAll(FOCUSED)].find(shown)?.focus();
    }
  };
  // The theme shows and hides panels by their style, or by a class around them, some frames later.
  const watch = () => {
    const watcher = new MutationObserver(tell);
    for (const one of openers()) {
      const panel = opens(one);
      for (const part of panel ? [panel, panel.closest("[x-bind\\:class]")] : []) {
        if (part) watcher.observe(part, { attributes: true, attributeFilter: ["style", "class"] });
      }
    }
  };

  const press = (one) => {
    opener = entering = one;
    one.click();
  };

  const close = () => {
    const panel = opener && opens(opener);
    if (!panel) return;
    if (shown(panel) && !opener.getAttribute("x-on:click").includes("= true")) opener.click();
    opener.focus();
    opener = entering = null;
  };

  document.addEventListener("DOMContentLoaded", () => {
    equipAll();
    watch();
    tell();
  });
  document.addEventListener("formset:added", equipAll);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
    } else if ((event.key === "Enter" || event.key === " ") && event.target.matches?.("[role=button]:not(a[href], button)")) {
      event.preventDefault();
      press(event.target);
    }
  });
})();
