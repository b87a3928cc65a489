// One series over time: values, the band that was expected, anomalies and changes, on a canvas.

import { el } from "./dom.js";
import { clock, quantity, timeTicks, unitOf, valueTicks, when } from "./format.js";

const TOP = 16, RIGHT = 14, BOTTOM = 24;
/** Points further apart than this many usual distances are not joined. */
const GAP = 3;
/** So far apart in pixels anomalies are marked. */
const APART = 9;
/** So near in pixels the pointer reads out a mark. */
const REACH = 7;
const FLOORED = /percent|bytes|second|processes/;
const COLOURS = ["text", "muted", "grid", "panel", "line", "band", "center", "bad", "flare", "change"];

const finite = (numbers) => numbers.filter(Number.isFinite);

export class Chart {
  #canvas; #readout; #context; #data = null; #from = 0; #to = 1; #left = 50; #pointer = null; #queued = false;

  constructor(canvas, readout) {
    this.#canvas = canvas;
    this.#readout = readout;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#draw()).observe(canvas); // at once, or one frame is stretched
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    canvas.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    canvas.addEventListener("pointerdown", (event) => this.#point(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.#point(null));
    canvas.addEventListener("blur", () => this.#point(null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows an answer of `/api/v1/chart`, or nothing for null, from `from` to `to`. */
  show(data, from, to) {
    this.#from = from;
    this.#to = to;
    this.#data = data && { ...data, unit: unitOf(data), usual: usual(data.times), joined: joined(data.times), domain: domain(data) };
    this.#draw();
  }

  redraw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => this.#draw());
  }

  #x(time) {
    return this.#left + ((time - this.#from) / (this.#to - this.#from)) * (this.#canvas.clientWidth - this.#left - RIGHT);
  }

  #y(value) {
    const { low, high } = this.#data.domain;
    return TOP + ((high - value) / (high - low)) * (this.#canvas.clientHeight - TOP - BOTTOM);
  }

  #draw() {
    this.#queued = false;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = window.devicePixelRatio || 1;
    const [pixelsX, pixelsY] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== pixelsX || this.#canvas.height !== pixelsY) {
      Object.assign(this.#canvas, { width: pixelsX, height: pixelsY });
    }
    const g = this.#context;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    if (!this.#data || width < 100) return this.#read(null);
    const style = getComputedStyle(this.#canvas);
    const colour = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    g.font = `12px ${style.fontFamily}`;
    this.#axes(g, colour, width, height);
    g.save();
    g.beginPath();
    g.rect(this.#left, 0, width - this.#left - RIGHT, height - BOTTOM + 1);
    g.clip();
    this.#flares(g, colour, height);
    this.#band(g, colour);
    this.#values(g, colour);
    this.#changes(g, colour, height);
    g.restore();
    this.#anomalies(g, colour);
    this.#hover(g, colour, height);
  }

  #axes(g, colour, width, height) {
    const { domain: { low, high }, unit } = this.#data;
    const rows = valueTicks(low, high, unit, Math.max(2, (height - TOP - BOTTOM) / 48));
    this.#left = Math.ceil(Math.max(34, ...rows.map(({ text }) => g.measureText(text).width)) + 14);
    const columns = timeTicks(this.#from, this.#to, Math.max(2, (width - this.#left) / 90));
    g.lineWidth = 1;
    g.strokeStyle = colour.grid;
    g.fillStyle = colour.muted;
    const line = (...points) => { g.beginPath(); g.moveTo(points[0], points[1]); g.lineTo(points[2], points[3]); g.stroke(); };
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const { at, text } of rows) {
      const y = Math.round(this.#y(at)) + 0.5;
      line(this.#left, y, width - RIGHT, y);
      g.fillText(text, this.#left - 8, y);
    }
    g.textBaseline = "top";
    for (const { at, text } of columns) {
      const x = Math.round(this.#x(at)) + 0.5;
      line(x, height - BOTTOM, x, height - BOTTOM + 4);
      const half = g.measureText(text).width / 2;
      g.textAlign = "center";
      if (x - half > this.#left - 20 && x + half < width) g.fillText(text, x, height - BOTTOM + 8);
    }
    line(this.#left, height - BOTTOM + 0.5, width - RIGHT, height - BOTTOM + 0.5);
  }

  /** Calls `draw` with the first and last index of each stretch without a gap where `there` holds. */
  #stretches(there, draw) {
    const { times, joined } = this.#data;
    for (let first = 0; first < times.length; first += 1) {
      if (!there(first)) continue;
      let last = first;
      while (last + 1 < times.length && there(last + 1) && joined[last + 1]) last += 1;
      draw(first, last);
      first = last;
    }
  }

  #path(g, numbers, first, last) {
    const step = first <= last ? 1 : -1;
    for (let i = first; i !== last + step; i += step) g.lineTo(this.#x(this.#data.times[i]), this.#y(numbers[i]));
  }

  #area(g, lower, upper, fill) {
    g.fillStyle = fill;
    this.#stretches((i) => Number.isFinite(lower[i]) && Number.isFinite(upper[i]), (first, last) => {
      g.beginPath();
      this.#path(g, upper, first, last);
      this.#path(g, lower, last, first);
      g.fill();
    });
  }

  #line(g, numbers) {
    this.#stretches((i) => Number.isFinite(numbers[i]), (first, last) => {
      g.beginPath();
      if (first === last) g.arc(this.#x(this.#data.times[first]), this.#y(numbers[first]), 1, 0, 7);
      else this.#path(g, numbers, first, last);
      g.stroke();
    });
  }

  #band(g, colour) {
    const { lower, center, upper } = this.#data;
    this.#area(g, lower, upper, colour.band);
    g.strokeStyle = colour.center;
    g.setLineDash([5, 4]);
    this.#line(g, center);
    g.setLineDash([]);
  }

  #values(g, colour) {
    const { min, max, values } = this.#data;
    g.globalAlpha = 0.3;
    this.#area(g, min, max, colour.line);
    g.globalAlpha = 1;
    g.strokeStyle = colour.line;
    g.lineWidth = 1.5;
    g.lineJoin = "round";
    this.#line(g, values);
    g.lineWidth = 1;
  }

  #changes(g, colour, height) {
    g.strokeStyle = g.fillStyle = colour.change;
    for (const { time } of this.#data.changes) {
      const x = Math.round(this.#x(time)) + 0.5;
      g.setLineDash([2, 3]);
      g.beginPath();
      g.moveTo(x, TOP - 6);
      g.lineTo(x, height - BOTTOM);
      g.stroke();
      g.setLineDash([]);
      polygon(g, [[x - 6, 2], [x + 6, 2], [x, 12]]);
      g.fill();
    }
  }

  /** Shades the stretches in which anomalies lie close together. */
  #flares(g, colour, height) {
    const { anomalies, usual } = this.#data;
    g.fillStyle = colour.flare;
    for (let first = 0; first < anomalies.length; first += 1) {
      let last = first;
      while (last + 1 < anomalies.length && anomalies[last + 1].time - anomalies[last].time <= GAP * usual) last += 1;
      const [from, to] = [this.#x(anomalies[first].time) - 2, this.#x(anomalies[last].time) + 2];
      g.fillRect(from, TOP, to - from, height - BOTTOM - TOP);
      first = last;
    }
  }

  #anomalies(g, colour) {
    g.strokeStyle = colour.panel;
    g.fillStyle = colour.bad;
    let before = -Infinity;
    for (const { time, value } of this.#data.anomalies) {
      const [x, y] = [this.#x(time), this.#y(value)];
      // Those that would lie on each other are shaded, and read out by the pointer.
      if (x < this.#left || x - before < APART || !Number.isFinite(y)) continue;
      before = x;
      polygon(g, [[x, y - 6], [x + 6, y], [x, y + 6], [x - 6, y]]);
      g.fill();
      g.stroke();
    }
  }

  #point(x) {
    this.#pointer = x;
    this.redraw();
  }

  #key(event) {
    const times = this.#data?.times ?? [];
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") return this.#point(null);
    if (!step || times.length === 0) return undefined;
    event.preventDefault();
    const here = this.#pointer === null ? times.length - 1 - Math.sign(step) : this.#nearest(times);
    return this.#point(this.#x(times[Math.min(times.length - 1, Math.max(0, here + step))]));
  }

  /** The index of the time nearest to the pointer. */
  #nearest(times) {
    let [low, high] = [0, times.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#x(times[middle]) < this.#pointer) low = middle;
      else high = middle;
    }
    return Math.abs(this.#x(times[low]) - this.#pointer) <= Math.abs(this.#x(times[high]) - this.#pointer) ? low : high;
  }

  #hover(g, colour, height) {
    const { times, values } = this.#data;
    if (this.#pointer === null || times.length === 0) return this.#read(null);
    const index = this.#nearest(times);
    const x = Math.round(this.#x(times[index])) + 0.5;
    g.strokeStyle = colour.muted;
    g.beginPath();
    g.moveTo(x, TOP);
    g.lineTo(x, height - BOTTOM);
    g.stroke();
    if (Number.isFinite(values[index])) {
      g.fillStyle = colour.text;
      g.beginPath();
      g.arc(x, this.#y(values[index]), 3.5, 0, 7);
      g.fill();
    }
    return this.#read(index, x);
  }

  #read(index, x) {
    this.#readout.hidden = index === null;
    if (index === null) return;
    const { times, values, min, max, lower, center, upper, unit, anomalies, changes } = this.#data;
    const show = (number) => quantity(number, unit, true);
    const near = (marks) => marks.filter(({ time }) => Math.abs(this.#x(time) - x) <= REACH);
    const closest = near(anomalies).sort((a, b) => Math.abs(a.time - times[index]) - Math.abs(b.time - times[index]))[0];
    const row = (name, text, className = "") => [el("dt", { className }, name), el("dd", {}, text)];
    this.#readout.replaceChildren(el("dl", {},
      row("time", when(times[index])),
      row("value", Number.isFinite(values[index]) ? show(values[index]) : "missing", "key-value"),
      max[index] > min[index] ? row("range", `${show(min[index])} to ${show(max[index])}`) : null,
      row("expected", Number.isFinite(lower[index])
        ? `${show(lower[index])} to ${show(upper[index])}, centre ${show(center[index])}` : "not known yet", "key-band"),
      closest ? row("anomaly", closest.reason, "key-anomaly") : null,
      near(changes).map((change) => row("change", `${clock(change.time)} ${change.component}: ${change.summary}`, "key-change"))));
    const wide = this.#canvas.clientWidth;
    const right = x > wide / 2;
    this.#readout.style.left = right ? "auto" : `${x + 12}px`;
    this.#readout.style.right = right ? `${wide - x + 12}px` : "auto";
  }
}

function polygon(g, corners) {
  g.beginPath();
  for (const [x, y] of corners) g.lineTo(x, y);
  g.closePath();
}

/** Whether each point belongs to the same stretch as the one before it. */
function joined(times) {
  const most = GAP * usual(times);
  return times.map((time, i) => i > 0 && time - times[i - 1] <= most);
}

/** The median distance between points. */
function usual(times) {
  const distances = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  return distances[distances.length >> 1] ?? 0;
}

/** The values to show: all samples, and the band but for its few widest places. */
function domain({ values, min, max, lower, upper, anomalies, metric, unit }) {
  const seen = finite([values, min, max, anomalies.map(({ value }) => value)].flat());
  const band = finite([...lower, ...upper]).sort((a, b) => a - b);
  const middle = band.slice(Math.floor(band.length * 0.02), Math.ceil(band.length * 0.98));
  const all = [...seen, ...(middle.length ? [middle[0], middle.at(-1)] : [])];
  if (all.length === 0) return { low: 0, high: 1 };
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = (most - least) * 0.06 || Math.abs(most) * 0.1 || 1;
  const floored = Math.min(...seen) >= 0 && FLOORED.test(unitOf({ metric, unit }));
  return { low: floored ? Math.max(0, least - room) : least - room, high: most + room };
}
