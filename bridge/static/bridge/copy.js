// Buttons with `data-copy`: the text of the <pre> beside them goes to the clipboard. A module, so
// that a page may name it twice. Over plain HTTP from another machine browsers hide the clipboard:
// there the older way is tried, and else the text is left selected.
const PAUSE = 1500;

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    return true;
  } catch {
    select(pre);
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const copied = await copy(button.parentElement.querySelector("pre"));
  button.textContent = copied ? "Copied" : "Selected";
  setTimeout(() => { button.textContent = "Copy"; }, PAUSE);
});
