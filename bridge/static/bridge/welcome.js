// The page at /: the list of models for a key.
"use strict";

const form = document.getElementById("model-form");
const hint = document.getElementById("model-hint");
const list = document.getElementById("model-list");

function choose(model) {
  for (const place of document.querySelectorAll("[data-model]")) place.textContent = model.id;
  const window = document.querySelector("[data-window]");
  window.textContent = model.max_input_tokens ?? "ITS_CONTEXT_WINDOW";
  hint.textContent = `${model.id} now stands in the lines above.`;
}

function row(model) {
  const item = document.createElement("li");
  const pick = document.createElement("button");
  pick.type = "button";
  pick.textContent = model.id;
  pick.addEventListener("click", () => choose(model));
  item.append(pick);
  if (model.max_input_tokens) {
    const fact = document.createElement("span");
    fact.className = "fact";
    fact.textContent = `${model.max_input_tokens.toLocaleString("en").replaceAll(",", "\u2009")} tokens`;
    item.append(fact);
  }
  return item;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  list.replaceChildren();
  hint.textContent = "Reading the list …";
  try {
    const answer = await fetch("/v1/models?limit=1000", {
      headers: { "x-api-key": document.getElementById("model-key").value },
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${body.error.message} (${body.request_id})`);
    list.replaceChildren(...body.data.map(row));
    hint.textContent = body.data.length
      ? `${body.data.length} ${body.data.length === 1 ? "model" : "models"}. Choose one to put it into the lines above.`
      : "No model is known yet: any name is passed on to the backend.";
  } catch (error) {
    hint.textContent = `No list: ${error.message}`;
  }
});
