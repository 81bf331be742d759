// Light or dark, before anything is drawn: as the system says, or as the visitor last chose.
"use strict";

(() => {
  const KEY = "theme";
  const link = document.getElementById("dark");
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const isDark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

  const show = () => {
    link.media = isDark() ? "all" : "not all";
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    document.dispatchEvent(new Event("themechange"));
  };

  const turn = () => {
    const wanted = isDark() ? "light" : "dark";
    try {
      if (wanted === (system.matches ? "dark" : "light")) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, wanted);
    } catch { return; }
    show();
  };

  show();
  system.addEventListener("change", show);
  link.addEventListener("load", () => document.dispatchEvent(new Event("themechange")));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-switch]")) turn();
  });
})();
