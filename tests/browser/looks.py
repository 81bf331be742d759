"""How a page looks, measured inside it: what sticks out sideways, and the contrast of its text."""

from __future__ import annotations

from typing import Any, Literal

from playwright.sync_api import Page

LEAST_CONTRAST = 4.5
Scheme = Literal["light", "dark"]
WAYS: tuple[tuple[int, Scheme], ...] = (
    (1280, "light"),
    (1280, "dark"),
    (390, "dark"),
    (390, "light"),
)
"""Width and scheme. One thing changes at a time, and the width, which costs more, once."""
OPPOSITES: tuple[tuple[int, Scheme], ...] = ((1280, "light"), (390, "dark"))
"""Half of them: each width and each scheme once."""
BETWEEN = (1100, 800)
"""Widths at which the rules for wide and for narrow windows meet."""

STICKING_OUT = """() => {
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const wide = [...document.body.querySelectorAll("*")].filter(
      (one) => one.getBoundingClientRect().right > innerWidth + 1);
    return wide.slice(0, 5).map((one) => `${one.tagName} ${one.className}`.slice(0, 120));
  }
  const scrolls = (one) => /auto|scroll/.test(getComputedStyle(one).overflowX)
    && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0;
  return [...document.querySelectorAll("#content *")].filter(scrolls)
    .map((one) => `scrolls inside: ${one.tagName} ${one.className}`.slice(0, 120));
}"""

FAINT = """(least) => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = colour;
      paint.fillRect(0, 0, 1, 1);
      known.set(colour, [...paint.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const over = (top, below) => {
    const part = top[3] / 255;
    return [0, 1, 2].map((i) => top[i] * part + below[i] * (1 - part)).concat(255);
  };
  const behind = (one) => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3]) layers.push(colour);
      if (colour[3] === 255) break;
    }
    return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => {
      const part = v / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const visible = (one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && one.getClientRects().length
    && !one.closest("[disabled], progress, .material-symbols-outlined");
  const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const words = walk.currentNode.textContent.trim();
    const one = walk.currentNode.parentElement;
    if (!words || !visible(one)) continue;
    const back = behind(one);
    const front = over(rgba(getComputedStyle(one).color), back);
    const [high, low] = [light(front), light(back)].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < least) found.add(`${contrast.toFixed(2)}: ${words.slice(0, 40)}`);
  }
  return [...found];
}"""

SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
DRESS = "(dark) => document.documentElement.classList.toggle('dark', dark)"


def too_wide(page: Page, widths: tuple[int, ...] = BETWEEN) -> dict[int, Any]:
    """What sticks out sideways, for each width at which something does."""
    found = {}
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(SETTLED)
        found[width] = page.evaluate(STICKING_OUT)
    return {width: wrong for width, wrong in found.items() if wrong}


def faults(page: Page, ways: tuple[tuple[int, Scheme], ...] = WAYS) -> dict[str, Any]:
    """What is wrong with a page, for each width and scheme in which something is."""
    found = {}
    for width, scheme in ways:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(DRESS, scheme == "dark")
        page.evaluate(SETTLED)
        wrong = page.evaluate(STICKING_OUT) + page.evaluate(FAINT, LEAST_CONTRAST)
        if wrong:
            found[f"{scheme} {width}"] = wrong
    return found
