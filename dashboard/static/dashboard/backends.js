// The clock of open breakers, and probes: one JSON line for each check, shown as it arrives.
"use strict";

(() => {
  const clocks = [...document.querySelectorAll("[data-until]")];
  const tick = () => {
    for (const place of clocks) {
      const left = Math.ceil((new Date(place.dataset.until) - Date.now()) / 1000);
      place.textContent = left > 0 ? `in ${left}\u202fs` : "with the next request";
    }
  };
  if (clocks.length) {
    tick();
    setInterval(tick, 1000);
  }

  const WORKS = new Map([[true, ["works", "good"]], [false, ["does not work", "bad"]], [null, ["unclear", "quiet"]]]);
  const WAIT = 2000;

  const item = (check) => {
    const [word, tone] = WORKS.get(check.works);
    const state = Object.assign(document.createElement("span"), { className: `state ${tone}` });
    state.append(Object.assign(document.createElement("span"), { className: "dot" }), word);
    const line = document.createElement("li");
    line.append(state, ` ${check.title}: ${check.evidence}`);
    return line;
  };

  const show = (line, box) => {
    const [bar, status, list] = [box.querySelector("progress"), box.querySelector("[role=status]"), box.querySelector("ul")];
    if (line.error) status.textContent = line.error;
    else if (line.finished) status.textContent = `Done: ${list.querySelectorAll(".good").length} of ${list.children.length} work. The model’s page keeps what was found.`;
    else {
      Object.assign(bar, { max: line.total, value: line.done });
      status.textContent = `${line.done} of ${line.total}`;
      list.append(item(line));
    }
  };

  const probe = async (form, box) => {
    box.hidden = false;
    box.querySelector("ul").replaceChildren();
    box.querySelector("[role=status]").textContent = "Asking the model …";
    const answer = await fetch(form.elements.model.value, { method: "POST", body: new FormData(form) });
    if (!answer.ok || answer.redirected) throw new Error("refused");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      lines.filter(Boolean).forEach((line) => show(JSON.parse(line), box));
    }
  };

  document.addEventListener("submit", (event) => {
    const { target: form } = event;
    const button = form.querySelector("button:not([type=button])");
    if (form.matches("[data-probe]")) {
      event.preventDefault();
      const box = form.closest("section").querySelector("[data-progress]");
      button.disabled = true;
      probe(form, box)
        .catch(() => { box.querySelector("[role=status]").textContent = "The probe was cut off. Try again."; })
        .finally(() => { button.disabled = false; });
    } else if (form.closest(".buttons")) {
      // A test may take as long as its backend: say that something happens.
      setTimeout(() => { button.disabled = true; }, 0);
      setTimeout(() => { button.textContent = `${button.textContent} …`; }, WAIT);
    }
  });
})();
