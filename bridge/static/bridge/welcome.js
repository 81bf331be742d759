// The page at /: the list of models for a key.
"use strict";

const form = document.getElementById("model-form");
const hint = document.getElementById("model-hint");
const list = document.getElementById("model-list");

function row(model) {
  const item = document.createElement("li");
  const pick = document.createElement("a");
  const choice = new URLSearchParams({ model: model.id, window: model.max_input_tokens ?? "" });
  pick.textContent = model.id;
  pick.href = `?${choice}#use`;
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
    const answer = await fetch(`${form.dataset.models}?limit=1000`, {
      headers: { "x-api-key": document.getElementById("model-key").value },
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${body.error.message} (${body.request_id})`);
    list.replaceChildren(...body.data.map(row));
    hint.textContent = body.data.length
      ? `${body.data.length} ${body.data.length === 1 ? "model" : "models"}. Choose one for the settings above.`
      : "No model is known yet: any name is passed on to the backend.";
  } catch (error) {
    hint.textContent = `No list: ${error.message}`;
  }
});
