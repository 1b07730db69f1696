// Follows a trial, shows both sides, and moves severities: the process of the trial answers with the periods that they
// open, by the code that opens periods in earnest.
"use strict";
(() => {
  const root = document.getElementById("result"), of = (name) => root.querySelector(`[data-${name}]`);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // The last value: whether a row says something only where people have given feedback.
  const ROWS = [
    ["Model", (side) => side.model],
    ["Windows scored", (side) => (side.windows["scored windows"] || 0).toLocaleString("en")],
    ["Anomalous periods", (side) => String(side.periods.filter((each) => each.verdict !== "no data").length)],
    ["Known faults found", (side) => side.labelled ? `${side.found} of ${side.labelled}` : "–", true],
    ["Share of their time covered", (side) => number(side.coverage, 2), true],
    ["Median delay in windows", (side) => number(side.delay_windows, 1), true],
    ["Known false alarms raised again", (side) => side.known_false ? `${side.repeated} of ${side.known_false}` : "–", true],
    ["Periods a day that nobody has judged", (side) => number(side.unjudged_per_day, 2)],
  ];
  const MOST_PERIODS = 50, DAY = 86400;
  const TIMES = [[DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    [1, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1]];
  let result = null, then = null, chart = null, waiting = 0, asked = 0;

  function number(value, digits) { return value == null ? "–" : value.toFixed(digits); }
  function element(name, text, kind) {
    const made = document.createElement(name);
    if (text != null) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }
  async function get(address) {
    const answer = await fetch(address, { credentials: "same-origin" }), found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }
  function fail(text) { of("error").textContent = text; of("error").hidden = !text; }

  async function follow() {
    let state;
    try { state = await get("/api/what-if"); } catch (error) {
      setTimeout(follow, 3000);
      return;
    }
    const running = state.status === "running";
    of("running").hidden = !running;
    of("progress").textContent = state.progress || "";
    root.querySelector("progress").value = state.share || 0;
    fail(state.error || "");
    if (running) setTimeout(follow, 500);
    else if (state.result) show(state.result);
  }

  function show(found) {
    result = found; then = found.then;
    const notes = [];
    if (found.without_model) notes.push(`There is nothing to compare with: ${found.without_model}.`);
    if (found.seen) notes.push("A model was trained on a part of this range, so it looks better than it is.");
    for (const note of found.notes) notes.push(`The training for the change warns: ${note}.`);
    of("note").textContent = notes.join(" ");
    of("note").hidden = !notes.length;
    const worst = then.severities[0];
    of("series").textContent = `of ${worst ? name(worst.series) : "no series"}, the highest of all`;
    for (const [which, value] of [["open", then.open], ["close", then.close]]) {
      const slider = document.getElementById(`move-${which}`);
      slider.value = value;
      slider.addEventListener("input", moved);
    }
    of("result").hidden = false;
    of("yaml").textContent = found.yaml;
    fill();
    draw();
    root.dataset.trial = "shown";
  }
  function name(series) { return Object.entries(series).map(([tag, value]) => `${tag}=${value}`).join(", ") || "the only series"; }

  function fill() {
    of("open").textContent = number(Number(document.getElementById("move-open").value), 1);
    of("close").textContent = number(Number(document.getElementById("move-close").value), 1);
    const known = [then, result.now].some((side) => side && (side.labelled || side.known_false));
    of("figures").replaceChildren(...ROWS.filter((row) => known || !row[2]).map(([label, read]) => {
      const row = element("tr"), head = element("th", label);
      head.scope = "row";
      row.append(head, element("td", result.now ? read(result.now) : "–", "number"), element("td", read(then), "number"));
      return row;
    }));
    list("now", result.now ? result.now.periods : []);
    list("then", then.periods);
  }
  function list(which, periods) {
    const rows = periods.filter((each) => each.verdict !== "no data").slice(-MOST_PERIODS).reverse().map((period) => {
      const row = element("tr"), begin = period.from.replace("T", " ").replace("Z", "");
      const lasted = (Date.parse(period.to) - Date.parse(period.from)) / 1000;
      row.append(element("td", begin, "nowrap"), element("td", name(period.tags), "wrap"),
        element("td", lasted < 120 ? `${lasted} s` : `${Math.round(lasted / 60)} min`, "number"), element("td", period.reason, "wrap"));
      return row;
    });
    if (!rows.length) {
      const row = element("tr"), cell = element("td", "none", "soft");
      cell.colSpan = 4;
      row.append(cell);
      rows.push(row);
    }
    root.querySelector(`[data-periods=${which}]`).replaceChildren(...rows);
  }

  function moved() {
    fill();
    if (chart) chart.redraw(false);
    clearTimeout(waiting);
    waiting = setTimeout(move, 150);
  }
  async function move() {
    const open = document.getElementById("move-open").value, close = document.getElementById("move-close").value;
    const mine = ++asked;
    try {
      const found = await get(`/api/what-if/move?open=${open}&close=${close}`);
      if (mine !== asked) return;
      then = { ...then, ...found.then };
      of("yaml").textContent = found.yaml;
      fail("");
      fill();
      if (chart) chart.redraw(false);
      root.dataset.moved = `${open} ${close}`;
    } catch (error) {
      if (mine === asked) fail(error.message);
    }
  }

  function colours() {
    const style = getComputedStyle(document.documentElement), one = (name) => style.getPropertyValue(name).trim();
    return { soft: one("--soft"), line: one("--line"), band: one("--plot-band"), severity: one("--plot-severity"),
      period: one("--plot-period"), edge: one("--plot-edge"), font: one("--plot-font") };
  }
  // Periods of the series that is shown, and the two severities.
  function shading(colour, series) {
    return (own) => {
      const { ctx, bbox } = own;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      for (const period of then.periods) {
        if (JSON.stringify(period.tags) !== JSON.stringify(series)) continue;
        const from = own.valToPos(Date.parse(period.from) / 1000, "x", true), to = own.valToPos(Date.parse(period.to) / 1000, "x", true);
        ctx.fillStyle = colour.period;
        ctx.fillRect(from, bbox.top, Math.max(to - from, 2), bbox.height);
        ctx.fillStyle = colour.edge;
        ctx.fillRect(from, bbox.top, 1.5, bbox.height);
      }
      ctx.strokeStyle = colour.edge;
      ctx.lineWidth = devicePixelRatio;
      for (const [id, dash] of [["move-open", []], ["move-close", [4, 4]]]) {
        const y = own.valToPos(Number(document.getElementById(id).value), "y", true);
        ctx.setLineDash(dash);
        ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      }
      ctx.restore();
    };
  }
  function draw() {
    if (chart) chart.destroy();
    const worst = then.severities[0], place = of("chart"), colour = colours(), grid = { stroke: colour.line, width: 1 };
    if (!worst) return;
    const font = `12px ${colour.font}`, axis = { stroke: colour.soft, grid, ticks: grid, font };
    chart = new uPlot({
      width: place.clientWidth, height: 220, legend: { show: false }, cursor: { show: false },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      scales: { x: { time: true, range: () => [Date.parse(result.from) / 1000, Date.parse(result.to) / 1000] }, y: { range: [0, 100] } },
      axes: [{ ...axis, values: TIMES }, { ...axis, size: 50, splits: () => [0, 25, 50, 75, 100] }],
      series: [{}, { stroke: colour.severity, width: 1.25, fill: colour.band, points: { show: false } }],
      hooks: { draw: [shading(colour, worst.series)] },
    }, [worst.steps.map(([at]) => at / 1000), worst.steps.map(([, severity]) => severity)], place);
    chart.root.setAttribute("aria-hidden", "true");
  }
  new ResizeObserver(() => { if (chart && chart.width !== of("chart").clientWidth) draw(); }).observe(root);
  dark.addEventListener("change", () => { if (chart) draw(); });

  of("copy").addEventListener("click", async () => {
    const text = of("yaml").textContent;
    try {
      await navigator.clipboard.writeText(text);
      of("copied").textContent = "Copied.";
    } catch (error) {
      // Browsers let pages of plain http copy nothing.
      getSelection().selectAllChildren(of("yaml"));
      of("copied").textContent = "It is selected: copy it with Ctrl-C.";
    }
  });
  if (root.dataset.trial !== "cancelled") follow();
})();
