// Draws each figure with data-chart from the JSON that the page carries beside it.
// The numbers are ready: this only chooses colours, hatches what is not over yet, and labels.
"use strict";

(() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = new Map();

  const mixed = (colour, shade) => (shade ? `color-mix(in oklab, ${colour}, ${style("--card")} ${Math.min(25 + shade * 20, 70)}%)` : colour);
  const colourOf = (series) => mixed(style(`--${series.tone}`), series.shade);

  // A canvas understands color-mix only as what a browser has computed from it.
  const probe = document.createElement("i");
  const computed = (colour) => {
    probe.style.color = colour;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };

  const hatched = (colour) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    for (const x of [-8, 0, 8]) {
      pen.moveTo(x - 1, 9);
      pen.lineTo(x + 9, -1);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  };

  const PREFIXES = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
  const short = (value) => {
    const [unit, name] = PREFIXES.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
    return `${+(value / unit).toPrecision(3)}${name && `\u202f${name}`}`;
  };
  const TICKS = {
    count: short,
    tokens: short,
    bytes: short,
    rate: (value) => `${short(value)}\u202f/s`,
    usd: (value) => `$${+value.toPrecision(3)}`,
    share: (value) => `${+value.toPrecision(3)}\u202f%`,
    ms: (value) => (value && value < 1 ? `${+(value * 1000).toPrecision(3)}\u202fms` : `${+value.toPrecision(3)}\u202fs`),
  };

  const bars = (series, colour, data) => ({
    backgroundColor: data.labels.map((_, n) => (data.incomplete.includes(n) ? hatched(colour) : colour)),
    borderColor: colour,
    borderWidth: data.labels.map((_, n) => (data.incomplete.includes(n) ? 1 : 0)),
    stack: "all",
    categoryPercentage: 0.92,
    barPercentage: 0.94,
    maxBarThickness: 48,
  });

  // The part of a line that leads into an unfinished hour or day is dashed.
  const lines = (series, colour, data) => ({
    borderColor: colour,
    backgroundColor: colour,
    borderWidth: 2,
    pointRadius: (point) => (data.labels.length === 1 || alone(series.values, point.dataIndex) ? 3 : 0),
    pointHoverRadius: 4,
    tension: 0,
    spanGaps: false,
    segment: { borderDash: (part) => (data.incomplete.includes(part.p1DataIndex) ? [4, 4] : undefined) },
  });
  const alone = (values, n) => values[n] != null && values[n - 1] == null && values[n + 1] == null;

  const dataset = (data) => (series) => {
    const colour = computed(colourOf(series));
    const drawn = data.kind === "bars" ? bars(series, colour, data) : lines(series, colour, data);
    const { href, query } = series;
    return { label: series.name, data: series.values, texts: series.texts, colour, href, query, ...drawn };
  };

  // Names stand at the ends of lines where they fit, which is more than a legend can say.
  const names = {
    id: "names",
    afterDatasetsDraw(chart) {
      if (chart.config.type !== "line" || !chart.options.named) return;
      const pen = chart.ctx;
      const taken = [];
      pen.save();
      pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      pen.textBaseline = "middle";
      chart.data.datasets.forEach((set, number) => {
        const points = chart.getDatasetMeta(number).data;
        const last = set.data.findLastIndex((value) => value != null);
        if (last < 0) return;
        let { y } = points[last];
        while (taken.some((other) => Math.abs(other - y) < 14)) y -= 14;
        taken.push(y);
        pen.fillStyle = set.colour;
        pen.fillRect(chart.chartArea.right + 7, y - 1, 8, 2);
        pen.fillStyle = style("--soft");
        pen.fillText(set.label, chart.chartArea.right + 20, y);
      });
      pen.restore();
    },
  };

  // Dashed lines where something happened, each with its word.
  const marks = {
    id: "marks",
    afterDatasetsDraw(chart) {
      const pen = chart.ctx;
      pen.save();
      pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      pen.strokeStyle = pen.fillStyle = style("--ink");
      pen.setLineDash([3, 3]);
      for (const { slot, text } of chart.options.marks) {
        const x = chart.scales.x.getPixelForValue(slot);
        const fits = x + pen.measureText(text).width + 8 < chart.chartArea.right;
        pen.beginPath();
        pen.moveTo(x, chart.chartArea.top);
        pen.lineTo(x, chart.chartArea.bottom);
        pen.stroke();
        pen.textAlign = fits ? "left" : "right";
        pen.fillText(text, fits ? x + 5 : x - 5, chart.chartArea.top + 10);
      }
      pen.restore();
    },
  };

  const legend = (figure, data, sets) => {
    const keys = figure.querySelector("[data-keys]");
    keys.replaceChildren();
    if (data.kind === "lines" && roomForNames(figure, data)) return;
    if (sets.length < 2) return;
    for (const set of sets) {
      const mark = document.createElement("i");
      mark.style.background = set.colour;
      const name = Object.assign(document.createElement("b"), { textContent: set.label, title: set.label });
      const key = document.createElement(set.href ? "a" : "span");
      if (set.href) key.href = set.href;
      key.append(mark, name);
      keys.append(key);
    }
  };
  const longest = (data) => Math.max(...data.series.map(({ name }) => name.length));
  const roomForNames = (figure, data) => data.series.length > 1 && figure.clientWidth > 480 && longest(data) <= 18;

  // A bar leads to its requests: those of its layer where one was hit, of its time otherwise.
  const target = (event, chart, data) => {
    if (!data.hrefs.length) return "";
    const at = (mode, intersect) => chart.getElementsAtEventForMode(event, mode, { intersect }, true)[0];
    const [hit, near] = [at("nearest", true), at("index", false)];
    if (!near) return "";
    const { query } = hit ? chart.data.datasets[hit.datasetIndex] : {};
    return data.hrefs[(hit ?? near).index] + (query ? `&${query}` : "");
  };
  const go = (href, { ctrlKey, metaKey, shiftKey }) =>
    ctrlKey || metaKey || shiftKey ? open(href, "_blank", "noopener") : location.assign(href);

  const options = (figure, data) => {
    const named = data.kind === "lines" && roomForNames(figure, data);
    const ink = style("--soft");
    return {
      named,
      marks: data.marks ?? [],
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      onHover: (event, _, chart) => { chart.canvas.style.cursor = target(event, chart, data) ? "pointer" : ""; },
      onClick: (event, _, chart) => {
        const href = target(event, chart, data);
        if (href) go(href, event.native);
      },
      layout: { padding: { right: named ? 28 + longest(data) * 7 : 0 } },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: style("--ink"), titleColor: style("--card"), bodyColor: style("--card"),
          itemSort: (one, other) => other.datasetIndex - one.datasetIndex,
          filter: (item) => item.raw != null && (data.kind === "lines" || item.raw !== 0),
          callbacks: {
            title: ([item]) => item && data.titles[item.dataIndex] + (data.incomplete.includes(item.dataIndex) ? " (not over yet)" : ""),
            label: (item) => ` ${item.dataset.label}: ${item.dataset.texts[item.dataIndex]}`,
          },
        },
      },
      scales: {
        x: {
          stacked: data.kind === "bars", border: { color: style("--grid") }, grid: { display: false },
          ticks: { color: ink, maxRotation: 0, autoSkipPadding: 14 },
        },
        y: {
          stacked: data.kind === "bars", beginAtZero: true, border: { display: false }, grid: { color: style("--grid") },
          ticks: {
            color: ink, maxTicksLimit: 5, callback: TICKS[data.unit],
            precision: data.unit === "count" ? 0 : undefined,
          },
        },
      },
    };
  };

  const draw = (figure) => {
    const source = document.getElementById(figure.dataset.chart);
    const canvas = figure.querySelector("canvas");
    if (!source || !canvas) return;
    const data = JSON.parse(source.textContent);
    const sets = data.series.map(dataset(data));
    charts.get(figure)?.destroy();
    legend(figure, data, sets);
    charts.set(figure, new Chart(canvas, {
      type: data.kind === "bars" ? "bar" : "line",
      data: { labels: data.labels, datasets: sets },
      options: options(figure, data),
      plugins: [names, marks],
    }));
  };

  const drawAll = () => document.querySelectorAll("figure[data-chart]").forEach(draw);
  drawAll();
  document.addEventListener("themechange", drawAll);
})();
