// The last five minutes, and what runs: filled by a socket, a beat each second from each process.
// Without news it says so; without a connection it tries again, less and less often.
"use strict";

(() => {
  const section = document.querySelector("[data-live]");
  if (!section || !section.dataset.live) return;
  section.hidden = false;

  const BUCKET = 5;
  const BUCKETS = 60;
  const SILENT_AFTER = 6;
  const FORGOTTEN_AFTER = 4;
  const MOST_LISTED = matchMedia("(max-width: 48rem)").matches ? 15 : 50;
  const MOST_PAUSED = 500;
  const HIDDEN_AFTER = 60_000;
  const LONGEST_PAUSE = 30;
  const NOT_ALLOWED = 4403;
  const OUTCOMES = [["answered", "answered"], ["refused", "refused"], ["abandoned", "refused"], ["error", "error"]];
  const TONES = { answered: "good", refused: "warn", abandoned: "quiet", error: "bad" };

  const all = (name) => document.querySelectorAll(`[data-live-${name}]`);
  const one = (name) => document.querySelector(`[data-live-${name}]`);
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // --- what is known ---------------------------------------------------------------------------

  const buckets = new Map();
  const processes = new Map();
  const finished = new Map();
  let ahead = 0;
  let lastBeat = 0;
  let paused = false;
  let missed = 0;

  const now = () => Date.now() / 1000 + ahead;
  const slot = (at) => Math.floor(at / BUCKET) * BUCKET;
  const bucket = (start) => {
    if (!buckets.has(start)) buckets.set(start, {});
    return buckets.get(start);
  };

  const forget = () => {
    const oldest = slot(now()) - BUCKET * BUCKETS;
    for (const start of buckets.keys()) if (start < oldest) buckets.delete(start);
    for (const [id, message] of processes) if (now() - message.at > FORGOTTEN_AFTER) processes.delete(id);
    const most = paused ? MOST_PAUSED : MOST_LISTED;
    const ids = [...finished.values()].sort((a, b) => b.at - a.at).slice(most).map(({ id }) => id);
    ids.forEach((id) => finished.delete(id));
  };

  // The ledger is right about what is over for a while; of the last moments the greater counts.
  const recent = (message) => {
    ahead = message.now - Date.now() / 1000;
    const settled = slot(message.now - BUCKET);
    for (let start = slot(message.now) - BUCKET * BUCKETS; start <= slot(message.now); start += BUCKET) {
      const known = message.buckets[start] ?? {};
      const mine = bucket(start);
      if (start < settled) buckets.set(start, known);
      else for (const name of Object.keys(known)) mine[name] = Math.max(mine[name] ?? 0, known[name]);
    }
    message.finished.forEach((ended) => { if (!finished.has(ended.id)) finished.set(ended.id, ended); });
  };

  const beat = (message) => {
    ahead = message.at - Date.now() / 1000;
    lastBeat = now();
    processes.set(message.process, message);
    const mine = bucket(slot(message.at));
    for (const [name, count] of Object.entries(message.ended)) mine[name] = (mine[name] ?? 0) + count;
    mine.tokens = (mine.tokens ?? 0) + message.tokens;
    for (const ended of message.finished) {
      if (!finished.has(ended.id)) finished.set(ended.id, { ...ended, fresh: true });
      if (paused) missed += 1;
    }
  };

  // --- as people read it -----------------------------------------------------------------------

  const THIN = "\u202f";
  const whole = (number) => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, THIN);
  const tokens = (number) => {
    if (number < 9999.5) return whole(number);
    const [unit, name] = [[1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([least]) => number >= 0.9995 * least);
    const value = number / unit;
    return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}${THIN}${name}`;
  };
  const duration = (seconds) => {
    if (seconds < 0.9995) return `${Math.round(seconds * 1000)}${THIN}ms`;
    if (seconds < 99.95) return `${seconds.toFixed(1)}${THIN}s`;
    return `${Math.floor(seconds / 60)}${THIN}min ${Math.round(seconds % 60)}${THIN}s`;
  };
  const money = (nano) => {
    if (nano == null) return "–";
    if (!nano) return "$0";
    const dollars = nano / 1e9;
    return `$${dollars.toFixed(dollars >= 1 ? 2 : Math.max(2, 1 - Math.floor(Math.log10(dollars))))}`;
  };
  const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: section.dataset.zone });
  const time = (at) => clock.format(new Date(at * 1000));
  const model = (name) => element("span", { title: name }, name.slice(name.lastIndexOf("/") + 1) || "–");
  const session = (name) => element("span", { title: name }, name ? `${name.slice(0, 8)}…` : "–");
  const state = (word, tone) =>
    element("span", { class: `state ${tone}` }, element("span", { class: "dot", "aria-hidden": "true" }), word);
  const link = (kind, id, ...text) => element("a", { href: section.dataset[kind].replace("ID", encodeURIComponent(id)) }, ...text);
  const dot = (content) => element("span", {}, content);

  // --- lists -----------------------------------------------------------------------------------

  const RUNNING = [
    ["Age", "number", (r) => dot(duration(r.age + Math.max(0, now() - r.seen)))],
    ["Key", "", (r) => link("key", r.owner, r.key)],
    ["Model", "k-model", (r) => model(r.model)],
    ["Session", "", (r) => session(r.session)],
    ["State", "", (r) => (r.waiting ? state("waiting", "quiet") : state("answering", "good"))],
    ["Prompt", "number", (r) => dot(tokens(r.input_tokens))],
    ["Answer so far", "number", (r) => dot(r.waiting ? "–" : tokens(r.output_tokens))],
  ];
  const FINISHED = [
    ["Time", "number", (r) => link("request", r.id, time(r.at))],
    ["Outcome", "", (r) => state(r.error_type ? `${r.outcome} ${r.status}` : r.outcome, TONES[r.outcome])],
    ["Key", "", (r) => link("key", r.owner, r.key)],
    ["Model", "k-model", (r) => model(r.model)],
    ["Session", "", (r) => session(r.session)],
    ["Prompt", "number", (r) => dot(tokens(r.input_tokens))],
    ["Answer", "number", (r) => dot(tokens(r.output_tokens))],
    ["Cost", "number", (r) => dot(money(r.cost_nano_usd))],
    ["In all", "number", (r) => dot(duration(r.seconds))],
  ];

  // What is below the running requests shall not jump each time one of them ends.
  let height = 0;
  const keepHeight = (box, name) => {
    if (name !== "running") return;
    height = Math.min(Math.max(height, box.offsetHeight), innerHeight / 2);
    box.style.minHeight = `${height}px`;
  };

  // Rows stay where they are and only what changed is written, so that a reader can follow.
  const list = (name, columns, rows) => {
    const body = document.querySelector(`[data-live-list="${name}"]`);
    if (!body) return;
    const known = new Map([...body.rows].map((row) => [row.dataset.id, row]));
    rows.forEach((message, place) => {
      let row = known.get(message.id);
      known.delete(message.id);
      if (!row) {
        row = element("tr", { "data-id": message.id, ...(message.fresh ? { class: "arriving" } : {}) });
        for (const [title, kind] of columns) row.append(element("td", { "data-label": title, ...(kind ? { class: kind } : {}) }));
      }
      columns.forEach(([, , write], number) => {
        const cell = row.cells[number];
        const made = write(message);
        if (cell.firstChild?.textContent !== made.textContent) cell.replaceChildren(made);
      });
      if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
    });
    known.forEach((row) => row.remove());
    body.closest("table").hidden = !rows.length;
    keepHeight(body.closest("section"), name);
    document.querySelector(`[data-live-empty="${name}"]`).hidden = Boolean(rows.length);
  };

  // --- the chart -------------------------------------------------------------------------------

  const NAMESPACE = "http://www.w3.org/2000/svg";
  const chart = one("chart");
  const bars = Array.from({ length: BUCKETS }, () => OUTCOMES.map(([, tone]) => {
    const bar = document.createElementNS(NAMESPACE, "rect");
    bar.setAttribute("class", tone);
    chart.append(bar);
    return bar;
  }));
  const starts = () => Array.from({ length: BUCKETS }, (_, n) => slot(now()) - BUCKET * (BUCKETS - 1 - n));
  const ended = (message) => OUTCOMES.reduce((sum, [name]) => sum + (message[name] ?? 0), 0);

  const draw = () => {
    const message = starts().map((start) => buckets.get(start) ?? {});
    const most = Math.max(...message.map(ended));
    const width = 600 / BUCKETS;
    message.forEach((counts, n) => {
      let top = 100;
      OUTCOMES.forEach(([name], layer) => {
        const height = most ? (96 * (counts[name] ?? 0)) / most : 0;
        top -= height;
        const bar = bars[n][layer];
        bar.setAttribute("x", n * width + 1);
        bar.setAttribute("y", top);
        bar.setAttribute("width", width - 2);
        bar.setAttribute("height", height);
      });
    });
    one("scale").textContent = most ? `The highest bar: ${whole(most)} in five seconds.` : "";
  };

  const table = () => {
    const body = one("table");
    if (!body.closest("details").open) return;
    const rows = starts().reverse().filter((start) => ended(buckets.get(start) ?? {}));
    body.replaceChildren(...rows.map((start) => {
      const message = buckets.get(start);
      const counts = [...OUTCOMES.map(([name]) => whole(message[name] ?? 0)), tokens(message.tokens ?? 0)];
      return element("tr", {}, element("th", { scope: "row" }, time(start)), ...counts.map((text) => element("td", { class: "number" }, text)));
    }));
  };

  // --- the page --------------------------------------------------------------------------------

  const running = () => {
    const message = [...processes.values()];
    const rows = message.flatMap((process) => process.running.map((r) => ({ ...r, seen: process.at, fresh: true })));
    const count = message.reduce((sum, process) => sum + process.running_count, 0);
    return [rows.sort((a, b) => b.age - a.age), count];
  };
  const total = (name) => [...buckets.values()].reduce((sum, message) => sum + (name === "requests" ? ended(message) : message[name] ?? 0), 0);

  const render = () => {
    forget();
    if (paused) return;
    const [rows, count] = running();
    all("running").forEach((place) => { place.textContent = lastBeat ? whole(count) : "–"; });
    all("lag").forEach((place) => { place.textContent = lag(); });
    all("total").forEach((place) => {
      const value = total(place.dataset.liveTotal);
      place.textContent = tokens(value);
      place.classList.toggle("bad", place.dataset.liveTotal === "error" && value > 0);
    });
    list("running", RUNNING, rows);
    list("finished", FINISHED, [...finished.values()].sort((a, b) => b.at - a.at));
    const more = one("more");
    if (more) more.textContent = count > rows.length ? `the ${rows.length} oldest of ${whole(count)}` : "";
    draw();
    table();
  };

  // Of all processes: what waits, and the one that is furthest behind.
  const lag = () => {
    const message = [...processes.values()];
    if (!message.length) return "";
    const waiting = message.reduce((sum, { waiting = 0 }) => sum + waiting, 0);
    if (!waiting) return "up to date";
    const behind = Math.max(...message.map(({ lag = 0 }) => lag));
    return `${whole(waiting)} request${waiting === 1 ? "" : "s"} to be entered, ${duration(behind)} behind`;
  };

  const show = (word, tone) => {
    const place = one("state");
    if (place.lastElementChild.textContent === word) return;
    place.className = `state ${tone}`;
    place.lastElementChild.textContent = word;
    section.classList.toggle("stale", tone === "bad");
  };

  // --- the connection --------------------------------------------------------------------------

  let socket = null;
  let failures = 0;
  let retryAt = 0;
  let refused = false;

  const tell = () => {
    if (refused) show("you may not watch any more: log in again", "bad");
    else if (!socket) show(`disconnected, trying again in ${Math.max(0, Math.ceil(retryAt - Date.now() / 1000))} s`, "bad");
    else if (socket.readyState !== WebSocket.OPEN) show(failures ? "disconnected, trying again now" : "connecting", failures ? "bad" : "quiet");
    else if (paused) show(missed ? `paused, ${whole(missed)} ended meanwhile` : "paused", "warn");
    else if (!lastBeat) show("connected, waiting for the first beat", "quiet");
    else if (now() - lastBeat > SILENT_AFTER) show(`connected, but no news for ${Math.round(now() - lastBeat)} s`, "warn");
    else show("live", "good");
  };

  const connect = () => {
    const address = new URL(section.dataset.live, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    socket.addEventListener("open", () => {
      one("pause").disabled = false;
      tell();
    });
    socket.addEventListener("message", ({ data }) => {
      failures = 0;
      const message = JSON.parse(data);
      (message.type === "beat" ? beat : recent)(message);
      render();
      tell();
    });
    socket.addEventListener("close", ({ code }) => {
      socket = null;
      processes.clear();
      refused = code === NOT_ALLOWED;
      if (!refused && !document.hidden) later();
      render();
      tell();
    });
  };

  // Twice as long each time, and not all pages at the same moment.
  const later = () => {
    const pause = Math.min(2 ** failures, LONGEST_PAUSE) * (0.75 + Math.random() / 2);
    failures += 1;
    retryAt = Date.now() / 1000 + pause;
    setTimeout(() => { if (!socket && !refused) connect(); }, pause * 1000);
  };

  // A page that nobody sees does not watch.
  let hiding = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(() => socket?.close(), HIDDEN_AFTER);
    else if (!socket && !refused) connect();
  });

  one("pause").addEventListener("click", ({ currentTarget }) => {
    paused = !paused;
    missed = 0;
    currentTarget.textContent = paused ? "Go on" : "Pause";
    currentTarget.setAttribute("aria-pressed", paused);
    render();
    tell();
  });
  one("table").closest("details").addEventListener("toggle", table);

  connect();
  setInterval(() => {
    render();
    tell();
  }, 1000);
})();
