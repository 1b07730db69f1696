// Plots a series with uPlot: each field with its expected range, and the severity. Zoom and pan ask the server for steps
// of the new range, so no range is too long.
"use strict";
(() => {
  const DAY = 86400, LENGTHS = { "1h": 3600, "6h": 6 * 3600, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY };
  const root = document.querySelector("[data-plot]"), start = JSON.parse(root.dataset.plot);
  const canvas = root.querySelector(".canvas"), message = root.querySelector("[data-message]");
  const back = root.querySelector("[data-back]"), spanText = root.querySelector("[data-span]");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let range = { from: start.from, to: start.to }, live = start.live, past = [];
  let charts = [], data = null, request = null, timer = 0, waiting = 0;

  const pad = (number) => String(number).padStart(2, "0");
  function moment(seconds) {
    const at = new Date(seconds * 1000);
    return `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())} ` +
      `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}`;
  }
  const rfc3339 = (seconds) => new Date(seconds * 1000).toISOString();
  function shown(value, spread) {
    if (value == null) return "–";
    if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9)) return value.toPrecision(4);
    const digits = spread > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(spread)), 0), 6) : 3;
    return value.toFixed(digits);
  }

  // Ranges are whole windows, at least ten of them, and not in the future.
  function bounded(from, to) {
    const least = 10 * start.window, now = Math.ceil(Date.now() / 1000 / start.window) * start.window;
    let length = Math.max(to - from, least);
    if (to > now) { from = now - length; to = now; }
    return { from: Math.max(Math.floor(from / start.window) * start.window, 0), to: Math.ceil((from + length) / start.window) * start.window };
  }
  function look(from, to, keep = true) {
    if (keep) past.push(range);
    range = bounded(from, to);
    live = Date.now() / 1000 - range.to < 2 * start.window + 5;
    show();
    clearTimeout(waiting);
    waiting = setTimeout(load, 120);
  }
  function show() {
    back.disabled = past.length === 0;
    spanText.textContent = `${moment(range.from)} to ${moment(range.to)} UTC`;
    const length = range.to - range.from;
    for (const button of root.querySelectorAll("[data-range]")) {
      const is = live && Math.abs(LENGTHS[button.dataset.range] - length) <= 2 * start.window;
      button.setAttribute("aria-pressed", String(is));
    }
    for (const chart of charts) chart.setScale("x", { min: range.from, max: range.to });
  }
  function say(text) { message.textContent = text; message.hidden = !text; }

  async function load() {
    clearTimeout(timer);
    if (request) request.abort();
    const mine = request = new AbortController();
    const steps = Math.min(Math.max(Math.round(canvas.clientWidth / 2), 120), 1000);
    const query = `&from=${encodeURIComponent(rfc3339(range.from))}&to=${encodeURIComponent(rfc3339(range.to))}&steps=${steps}`;
    canvas.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(start.address + query, { signal: mine.signal, credentials: "same-origin" });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error);
      data = found;
      draw();
      say(data.severity.some((each) => each != null) ? "" : "There are no scores in this range.");
      remember();
    } catch (error) {
      if (mine.signal.aborted) return;
      say(error instanceof TypeError ? "The console does not answer." : error.message);
    }
    canvas.removeAttribute("aria-busy");
    if (live && start.live !== null) timer = setTimeout(follow, 10000);
  }
  function follow() {
    if (document.hidden) { timer = setTimeout(follow, 10000); return; }
    range = bounded(range.from + 1e9, range.to + 1e9);
    show();
    load();
  }
  function remember() {
    if (start.keep) return;
    const address = new URL(location.href);
    address.searchParams.set("from", live ? `${Math.round(range.to - range.from)}s` : rfc3339(range.from));
    if (live) address.searchParams.delete("to"); else address.searchParams.set("to", rfc3339(range.to));
    history.replaceState(null, "", address);
  }

  function colours() {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--plot-ink"), soft: of("--soft"), line: of("--line"), band: of("--plot-band"), value: of("--plot-value"),
      severity: of("--plot-severity"), period: of("--plot-period"), edge: of("--plot-edge"), share: of("--plot-share"), font: of("--plot-font") };
  }
  function shading(colour) {
    return (chart) => {
      const { ctx, bbox } = chart;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      for (const period of data.periods) {
        const from = chart.valToPos(Date.parse(period.begin) / 1000, "x", true);
        const to = period.open ? bbox.left + bbox.width : chart.valToPos(Date.parse(period.end) / 1000, "x", true);
        ctx.fillStyle = colour.period;
        ctx.fillRect(from, bbox.top, Math.max(to - from, 2), bbox.height);
        ctx.fillStyle = colour.edge;
        ctx.fillRect(from, bbox.top, 1.5, bbox.height);
      }
      ctx.restore();
    };
  }
  // Where the severity is high, a strip below a field shows how much of it is due to the field.
  function strip(colour, field) {
    return (chart) => {
      const { ctx, bbox } = chart, height = 5 * devicePixelRatio, top = bbox.top + bbox.height - height;
      ctx.save();
      ctx.fillStyle = colour.share;
      data.times.forEach((at, number) => {
        const share = field.contribution[number], severity = data.severity[number];
        if (share == null || severity == null || severity < 55) return;
        const end = data.times[number + 1] ?? at + data.step_s;
        const from = chart.valToPos(at, "x", true), to = chart.valToPos(end, "x", true);
        if (to < bbox.left || from > bbox.left + bbox.width) return;
        ctx.globalAlpha = share * Math.min((severity - 55) / 35, 1);
        ctx.fillRect(Math.max(from, bbox.left), top, Math.max(Math.min(to, bbox.left + bbox.width) - Math.max(from, bbox.left), 1), height);
      });
      ctx.restore();
    };
  }
  function make(title, height, lines, columns, more) {
    const colour = colours(), figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const name = document.createElement("b"), readout = document.createElement("span");
    name.textContent = title; readout.className = "readout";
    caption.append(name, " ", readout); figure.append(caption); canvas.append(figure);
    const grid = { stroke: colour.line, width: 1 }, font = `12px ${colour.font}`;
    const chart = new uPlot({
      width: canvas.clientWidth, height,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      legend: { show: false }, padding: [6, 8, 0, 0],
      cursor: { sync: { key: "series" }, drag: { x: true, y: false, setScale: false }, points: { show: false } },
      scales: { x: { time: true, auto: false, min: range.from, max: range.to, range: () => [range.from, range.to] }, y: more.scale || {} },
      axes: [
        { stroke: colour.soft, grid, ticks: grid, font, size: more.times ? 42 : 4,
          values: !more.times ? (_, splits) => splits.map(() => null) : [[DAY * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 0], [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
            [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
            [1, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1]] },
        { stroke: colour.soft, grid, ticks: grid, font, size: 58, ...more.axis },
      ],
      series: [{}, ...lines], bands: more.bands || [],
      hooks: {
        drawClear: [shading(colour)], draw: more.draw ? [more.draw(colour)] : [],
        setSelect: [(own) => {
          if (own.select.width > 3) {
            const from = own.posToVal(own.select.left, "x"), to = own.posToVal(own.select.left + own.select.width, "x");
            own.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            look(from, to);
          }
        }],
        setCursor: [(own) => { readout.textContent = more.read(own.cursor.idx); }],
      },
    }, [data.times, ...columns], figure);
    chart.root.setAttribute("aria-hidden", "true");
    figure.setAttribute("aria-label", `${title}: ${more.about}`);
    readout.textContent = more.read(null);
    charts.push(chart);
  }
  function extent(columns) {
    let low = Infinity, high = -Infinity;
    for (const column of columns) for (const each of column) if (each != null) { low = Math.min(low, each); high = Math.max(high, each); }
    return low <= high ? [low, high] : [0, 1];
  }
  function at(number) { return number == null ? "" : `${moment(data.times[number])}  `; }

  function draw() {
    const height = canvas.offsetHeight;
    if (height) canvas.style.minHeight = `${height}px`;
    for (const chart of charts) chart.destroy();
    charts = []; canvas.replaceChildren();
    const colour = colours();
    for (const field of data.fields) {
      const columns = [field.expected_high, field.expected_low, field.high, field.low];
      const [low, high] = extent(columns), spread = high - low, unit = field.unit ? ` ${field.unit}` : "";
      const edge = (stroke, width) => ({ stroke, width, points: { show: false }, spanGaps: false });
      make(field.name, 150, [edge("transparent", 0), edge("transparent", 0), edge(colour.value, 1.25), edge(colour.value, 1.25)], columns, {
        bands: [{ series: [1, 2], fill: colour.band }, { series: [3, 4], fill: colour.value }],
        draw: (own) => strip(own, field),
        scale: { range: (_, least, most) => least == null ? [0, 1] : uPlot.rangeNum(least, most, 0.12, true) },
        about: `from ${shown(low, spread)} to ${shown(high, spread)}${unit}`,
        read: (number) => {
          if (number == null || field.high[number] == null) return unit.trim();
          const one = shown(field.low[number], spread), other = shown(field.high[number], spread);
          const share = field.contribution[number];
          return `${at(number)}${one === other ? one : `${one} to ${other}`}${unit}, expected ` +
            `${shown(field.expected_low[number], spread)} to ${shown(field.expected_high[number], spread)}` +
            (share == null ? "" : `, share ${Math.round(100 * share)} %`);
        },
      });
    }
    const worst = extent([data.severity])[1];
    make("Severity", 130, [{ stroke: colour.severity, width: 1.25, fill: colour.band, points: { show: false } }, { stroke: colour.edge, width: 1, dash: [4, 4], points: { show: false } }],
      [data.severity, data.times.map(() => data.open_severity)], {
        times: true, scale: { range: [0, 100] }, axis: { splits: () => [0, 25, 50, 75, 100] },
        about: `at most ${Math.round(worst)}`,
        read: (number) => number == null || data.severity[number] == null ? `a period opens at ${Math.round(data.open_severity)}`
          : `${at(number)}${data.severity[number].toFixed(1)}, a period opens at ${Math.round(data.open_severity)}`,
      });
    canvas.style.minHeight = "";
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  }

  function zoom(factor, middle = (range.from + range.to) / 2) {
    const share = (middle - range.from) / (range.to - range.from), length = (range.to - range.from) * factor;
    look(middle - share * length, middle + (1 - share) * length);
  }
  function move(share) { const by = share * (range.to - range.from); look(range.from + by, range.to + by); }
  function goBack() { const before = past.pop(); if (before) look(before.from, before.to, false); }
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.range) { const now = Date.now() / 1000; look(now - LENGTHS[button.dataset.range], now); }
    if (button.dataset.zoom) zoom(Number(button.dataset.zoom));
    if (button.dataset.move) move(Number(button.dataset.move));
    if (button === back) goBack();
  });
  canvas.addEventListener("keydown", (event) => {
    const does = { ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), "+": () => zoom(0.5), "=": () => zoom(0.5),
      "-": () => zoom(2), 0: goBack, Escape: goBack }[event.key];
    if (does && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); does(); }
  });
  canvas.addEventListener("dblclick", goBack);
  canvas.addEventListener("wheel", (event) => {
    // A wheel alone scrolls the page.
    if (!event.ctrlKey && !event.shiftKey || !charts.length) return;
    event.preventDefault();
    const box = charts[0].over.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
    if (event.shiftKey) move(Math.sign(event.deltaX || event.deltaY) * 0.15);
    else zoom(event.deltaY > 0 ? 1.4 : 0.7, range.from + Math.min(Math.max(share, 0), 1) * (range.to - range.from));
  }, { passive: false });
  let width = 0;
  new ResizeObserver(() => {
    if (canvas.clientWidth === width) return;
    width = canvas.clientWidth;
    for (const chart of charts) chart.setSize({ width, height: chart.height });
  }).observe(canvas);
  // Paper is light.
  for (const each of [dark, matchMedia("print")]) each.addEventListener("change", () => { if (data) draw(); });
  show();
  load();
})();
