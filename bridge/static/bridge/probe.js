// The probe's progress: one JSON line for each check, shown as it arrives.
"use strict";
{
  const form = document.querySelector("[data-probe]");
  const box = document.querySelector("[data-progress]");
  const table = document.querySelector("[data-evidence]");
  const words = new Map([[true, ["yes", "gw-success"]], [false, ["no", "gw-danger"]], [null, ["unclear", "gw-default"]]]);

  const cell = (text, label) => {
    const td = document.createElement("td");
    td.dataset.label = label;
    td.append(text);
    return td;
  };

  const row = (check) => {
    const [word, colour] = words.get(check.works);
    const tr = document.createElement("tr");
    const th = document.createElement("th");
    th.scope = "row";
    th.append(check.title);
    const state = document.createElement("span");
    const dot = document.createElement("span");
    state.className = `gw-state ${colour}`;
    dot.className = "gw-dot";
    state.append(dot, word);
    tr.append(th, cell(state, "Works"), cell(check.evidence, "What showed it"));
    return tr;
  };

  const show = (line, status, bar) => {
    if (line.error) {
      status.textContent = line.error;
    } else if (line.finished) {
      status.textContent = "Done. The page shows what was found.";
      location.reload();
    } else {
      bar.max = line.total;
      bar.value = line.done;
      status.textContent = `${line.done} of ${line.total}: ${line.title}`;
      table.hidden = false;
      table.tBodies[0].append(row(line));
    }
  };

  const run = async () => {
    const [bar, status] = [box.querySelector("progress"), box.querySelector("[role=status]")];
    box.hidden = false;
    status.textContent = "Asking the model ...";
    table.tBodies[0].replaceChildren();
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (!answer.ok || answer.redirected) throw new Error("Your session has ended, or you may not probe. Reload the page.");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      lines.filter(Boolean).forEach((line) => show(JSON.parse(line), status, bar));
    }
  };

  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    run()
      .catch((error) => { box.querySelector("[role=status]").textContent = error instanceof TypeError ? "The probe was cut off. Try again." : error.message; })
      .finally(() => { button.disabled = false; });
  });
}
