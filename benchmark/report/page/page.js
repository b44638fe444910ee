"use strict";
// Learning curves: one chart a dataset, drawn from the JSON of the page. Nothing is loaded.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const AXES = { step: "generator updates", seconds: "seconds of training" };
  const MARGIN = { top: 8, right: 12, bottom: 36, left: 54 };
  const FENCE = 3; // interquartile ranges beyond which a value is cut off

  function add(parent, name, attributes = {}, text = "") {
    const svg = name === "svg" || parent.namespaceURI === NS;
    const element = svg ? document.createElementNS(NS, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  }

  function show(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    const text = size >= 1000 ? Math.round(value).toLocaleString("en") :
      size && size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
    return text.replace("-", "−");
  }

  function ticks(low, high, count, log) {
    const found = [];
    if (log) {
      const first = Math.ceil(low - 1e-9), last = Math.floor(high + 1e-9);
      const stride = Math.max(1, Math.ceil((last - first + 1) / count));
      for (let e = first; e <= last; e += stride) found.push(e);
      if (found.length > 1) return found;
      return ticks(10 ** low, 10 ** high, count, false).filter((v) => v > 0).map(Math.log10);
    }
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) {
      found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    }
    return found;
  }

  // Mean and range at every step that all runs of a series reached.
  function summarise(series, metric) {
    const seeds = series.values[metric] || [];
    return series.steps.map((step, i) => {
      const values = seeds.map((seed) => seed[i]);
      if (!values.length || values.some((v) => v === null)) return null;
      const mean = values.reduce((a, b) => a + b) / values.length;
      return { step, seconds: series.seconds[i], mean, n: values.length,
               low: Math.min(...values), high: Math.max(...values) };
    }).filter(Boolean);
  }

  function chart(box, data) {
    const state = { metric: data.metrics[0].id, x: "step", log: data.metrics[0].log, seeds: false,
                    all: false, hidden: new Set(), view: null, at: null, drag: null };
    const controls = add(box, "div", { class: "controls" });
    const svg = add(box, "svg", { tabindex: "0", role: "group" });
    const moment = add(box, "p", { class: "moment", "aria-live": "polite" });
    const readout = add(box, "ul", { class: "readout" });
    let shown = [], frame = null;

    function select(label, options, change) {
      const element = add(add(controls, "label", {}, label), "select");
      for (const [value, text] of options) add(element, "option", { value }, text);
      element.addEventListener("change", () => { change(element.value); draw(); });
    }
    function check(label, read, change) {
      const element = document.createElement("input");
      element.type = "checkbox";
      element.addEventListener("change", () => { change(element.checked); draw(); });
      const box = add(controls, "label", {}, label);
      box.prepend(element);
      return (useful = true) => { element.checked = read(); box.hidden = !useful; };
    }
    function button(text, label, act) {
      const element = add(controls, "button", { type: "button", "aria-label": label }, text);
      element.addEventListener("click", act);
    }
    select("", data.metrics.map((m) => [m.id, m.label]), (value) => {
      state.metric = value;
      state.log = data.metrics.find((m) => m.id === value).log;
      state.all = false;
      sync();
    });
    select("against", Object.entries(AXES), (value) => {
      Object.assign(state, { x: value, view: null, at: null });
    });
    const sync = check("log", () => state.log, (on) => { state.log = on; });
    check("each seed", () => state.seeds, (on) => { state.seeds = on; });
    const syncAll = check("outliers too", () => state.all, (on) => { state.all = on; });
    button("−", "Zoom out", () => zoom(2));
    button("+", "Zoom in", () => zoom(0.5));
    button("all", "Show all", reset);
    for (const element of controls.querySelectorAll("select")) {
      if (!element.parentElement.textContent.startsWith("against")) element.setAttribute("aria-label", "Metric");
    }

    const place = (point) => state.x === "step" ? point.step : Math.log10(point.seconds);
    const height = (value) => state.log ? Math.log10(value) : value;
    const usable = (p) => (state.x === "step" || p.seconds > 0) && (!state.log || p.low > 0);

    function extent() {
      const places = shown.flatMap((s) => s.points.map(place));
      const low = Math.min(...places), high = Math.max(...places);
      return places.length ? [low, high > low ? high : low + 1] : [0, 1];
    }

    function heights(view) {
      const inside = shown.filter((s) => !state.hidden.has(s.series.id)).flatMap((s) =>
        s.points.filter((p) => place(p) >= view[0] && place(p) <= view[1]));
      const sorted = inside.flatMap((p) => [height(p.low), height(p.high)]).sort((a, b) => a - b);
      if (!sorted.length) return { low: 0, high: 1, cut: false };
      let low = sorted[0], high = sorted[sorted.length - 1];
      const q1 = sorted[Math.floor(sorted.length / 4)], q3 = sorted[Math.floor(sorted.length * 3 / 4)];
      const fence = FENCE * (q3 - q1);
      const cut = !state.log && fence > 0 && (low < q1 - fence || high > q3 + fence);
      if (cut && !state.all) {
        low = Math.min(...sorted.filter((v) => v >= q1 - fence));
        high = Math.max(...sorted.filter((v) => v <= q3 + fence));
      }
      if (high === low) { high += 0.5; low -= 0.5; }
      const room = 0.04 * (high - low);
      const floor = !state.log && low >= 0 && low < 0.4 * high ? 0 : low - room;
      return { low: floor, high: high + room, cut };
    }

    function line(points, x, y, value) {
      return points.map((p, i) => `${i ? "L" : "M"}${x(place(p)).toFixed(1)} ${y(height(value(p))).toFixed(1)}`).join("");
    }

    function draw() {
      if (!box.clientWidth) return;
      shown = data.series.filter((s) => s.values[state.metric])
        .map((series) => ({ series, points: summarise(series, state.metric).filter(usable) }))
        .filter((s) => s.points.length);
      const width = box.clientWidth, tall = Math.round(Math.min(360, Math.max(230, width * 0.48)));
      const view = state.view || extent(), range = heights(view);
      const right = width - MARGIN.right, bottom = tall - MARGIN.bottom;
      const x = (v) => MARGIN.left + (v - view[0]) / (view[1] - view[0]) * (right - MARGIN.left);
      const y = (v) => bottom - (v - range.low) / (range.high - range.low) * (bottom - MARGIN.top);
      const label = data.metrics.find((m) => m.id === state.metric).label;
      frame = { x, y, view, width, right, bottom };
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${width} ${tall}`);
      svg.setAttribute("height", tall);
      svg.setAttribute("aria-label", `${box.dataset.name}: ${label} against ${AXES[state.x]}; arrow keys read values`);
      const clip = `clip-${box.dataset.curves}`;
      add(add(svg, "clipPath", { id: clip }), "rect",
          { x: MARGIN.left, y: MARGIN.top, width: right - MARGIN.left, height: bottom - MARGIN.top });
      for (const v of ticks(range.low, range.high, 5, state.log)) {
        add(svg, "line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(v), y2: y(v) });
        add(svg, "text", { x: MARGIN.left - 6, y: y(v) + 4, "text-anchor": "end" }, show(state.log ? 10 ** v : v, 3));
      }
      for (const v of ticks(view[0], view[1], Math.max(2, Math.round(width / 110)), state.x === "seconds")) {
        add(svg, "text", { x: x(v), y: bottom + 16, "text-anchor": "middle" }, show(state.x === "step" ? v : 10 ** v, 3));
      }
      add(svg, "text", { x: right, y: tall - 4, "text-anchor": "end" }, AXES[state.x]);
      const plot = add(svg, "g", { "clip-path": `url(#${clip})` });
      for (const { series, points } of shown) {
        if (state.hidden.has(series.id)) continue;
        const look = { style: `--c:${series.color};--d:${series.dark};--w:${series.width}px`, "stroke-dasharray": series.dash };
        if (state.seeds) {
          for (const values of series.values[state.metric]) {
            const own = series.steps.map((step, i) => ({ step, seconds: series.seconds[i], low: values[i], mean: values[i] }))
              .filter((p) => p.mean !== null && usable(p));
            add(plot, "path", { class: "series seed", d: line(own, x, y, (p) => p.mean), ...look });
          }
          continue;
        }
        const around = line(points, x, y, (p) => p.high) + line([...points].reverse(), x, y, (p) => p.low).replace("M", "L") + "Z";
        if (points.length > 1) add(plot, "path", { class: "series band", d: around, style: look.style });
        add(plot, "path", { class: "series", d: line(points, x, y, (p) => p.mean), ...look });
      }
      add(svg, "g", { class: "over" });
      syncAll(range.cut);
      svg.dataset.cut = range.cut && !state.all;
      mark();
    }

    // The cursor, and what every method has measured by then.
    function mark() {
      const over = svg.querySelector(".over"), places = moments();
      over.replaceChildren();
      readout.replaceChildren();
      if (!places.length) { moment.textContent = "No values to show."; return; }
      const at = state.at === null ? places[places.length - 1] : state.at;
      if (state.at !== null) {
        add(over, "line", { class: "cursor", x1: frame.x(at), x2: frame.x(at), y1: MARGIN.top, y2: frame.bottom });
      }
      if (state.drag) {
        const [a, b] = [state.drag.from, state.drag.to].sort((p, q) => p - q);
        add(over, "rect", { class: "drag", x: a, y: MARGIN.top, width: b - a, height: frame.bottom - MARGIN.top });
      }
      const when = state.x === "step" ? `${show(at)} updates` : `${show(10 ** at, 3)} s`;
      const cut = svg.dataset.cut === "true" ? " Outliers are cut off." : "";
      moment.textContent = `At ${when}: mean over seeds [lowest, highest].${cut}`;
      for (const { series, points } of shown) {
        const item = add(readout, "li"), hidden = state.hidden.has(series.id);
        const toggle = add(item, "button", { type: "button", "aria-pressed": String(!hidden) });
        const swatch = add(toggle, "svg", { viewBox: "0 0 24 10", "aria-hidden": "true" });
        const style = `--c:${series.color};--d:${series.dark};--w:${series.width}px`;
        add(swatch, "path", { class: "series", d: "M0 5H24", style, "stroke-dasharray": series.dash });
        add(toggle, "span", {}, series.name);
        const point = points.filter((p) => place(p) <= at + 1e-9).pop();
        const value = add(toggle, "span", {}, point ? show(point.mean, 3) : "–");
        if (point && point.n > 1) add(value, "span", { class: "range" }, ` [${show(point.low, 3)}, ${show(point.high, 3)}]`);
        toggle.addEventListener("click", () => {
          hidden ? state.hidden.delete(series.id) : state.hidden.add(series.id);
          const index = [...readout.children].indexOf(item);
          draw();
          readout.children[index].firstChild.focus();
        });
        if (state.at !== null && point && !hidden && !state.seeds) {
          add(over, "circle", { class: "series", cx: frame.x(place(point)), cy: frame.y(height(point.mean)), r: 3.5, style });
        }
      }
    }

    function moments() {
      const [low, high] = frame.view;
      const visible = shown.filter((s) => !state.hidden.has(s.series.id));
      const found = new Set(visible.flatMap((s) => s.points.map(place)));
      return [...found].filter((v) => v >= low - 1e-9 && v <= high + 1e-9).sort((a, b) => a - b);
    }

    function read(pixel) {
      const places = moments();
      if (!places.length) return;
      state.at = places.reduce((a, b) => Math.abs(frame.x(b) - pixel) < Math.abs(frame.x(a) - pixel) ? b : a);
      mark();
    }

    function zoom(factor) {
      const [low, high] = frame.view, full = extent();
      const middle = state.at === null ? (low + high) / 2 : state.at, half = (high - low) / 2 * factor;
      const view = [Math.max(full[0], middle - half), Math.min(full[1], middle + half)];
      state.view = view[0] <= full[0] && view[1] >= full[1] ? null : view;
      draw();
    }
    function reset() { Object.assign(state, { view: null, at: null, drag: null }); draw(); }

    const pixel = (event) => event.clientX - svg.getBoundingClientRect().left;
    const value = (p) => frame.view[0] + (p - MARGIN.left) / (frame.right - MARGIN.left) * (frame.view[1] - frame.view[0]);
    svg.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) state.drag = { from: pixel(event), to: pixel(event) };
      read(pixel(event));
    });
    svg.addEventListener("pointermove", (event) => {
      if (state.drag) state.drag.to = Math.min(frame.right, Math.max(MARGIN.left, pixel(event)));
      read(pixel(event));
    });
    window.addEventListener("pointerup", () => {
      if (!state.drag) return;
      const [a, b] = [state.drag.from, state.drag.to].sort((p, q) => p - q);
      state.drag = null;
      if (b - a > 12) { state.view = [value(a), value(b)]; state.at = null; }
      draw();
    });
    svg.addEventListener("pointerleave", () => { if (!state.drag && document.activeElement !== svg) { state.at = null; mark(); } });
    svg.addEventListener("dblclick", reset);
    svg.addEventListener("keydown", (event) => {
      const places = moments(), now = state.at === null ? places.length : places.indexOf(state.at);
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: places.length - 1 }[event.key];
      const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": reset, Escape: reset }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || (next === undefined && !act)) return;
      event.preventDefault();
      if (act) { act(); return; }
      state.at = places[Math.min(places.length - 1, Math.max(0, next))] ?? null;
      mark();
    });
    new ResizeObserver(draw).observe(box);
    sync();
    draw();
  }

  // What a link points at must be open.
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  if (matchMedia("(max-width: 74.99rem)").matches) document.querySelector(".contents").open = false;
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".verdicts, .claim:not(.not-run)")) details.open = true;
  });

  const data = JSON.parse(document.getElementById("curves").textContent);
  for (const box of document.querySelectorAll(".chart")) chart(box, data[box.dataset.curves]);
  reveal();
})();
