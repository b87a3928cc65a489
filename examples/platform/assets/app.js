// The page: asks for everything, keeps what is chosen, and says how things stand.

import { Poll, address, get, keepAddress, link } from "./api.js";
import { Chart } from "./chart.js";
import { breakable, byId, el, keyed, refill, setText } from "./dom.js";
import { clock, count, duration, labelText, plural, quantity, unitOf, when } from "./format.js";
import { showForecasts, showHowTo, showIncidents, showIngest, tick } from "./panels.js";
import { SeriesList, findSeries, hostOf } from "./series.js";

const RANGES = [["5 min", 300], ["15 min", 900], ["1 h", 3_600], ["6 h", 21_600], ["24 h", 86_400], ["7 d", 604_800]];
const SERIES_LIMIT = 5_000;
const CHART_POINTS = 600;
/** So many points must have a band before a test may look. */
const READY_BAND = 5;

const state = {
  status: null, hosts: [], series: [], total: 0, id: address.get("series"),
  range: RANGES.find(([, seconds]) => String(seconds) === address.get("range"))?.[1] ?? 900,
  /** Where the chart ends; null while it follows the present. */
  end: null,
  /** How far the clock of the server is ahead of this one. */
  ahead: 0,
  chart: null,
};
const now = () => Date.now() + state.ahead;
const chart = new Chart(byId("plot"), byId("readout"));
const list = new SeriesList(select, () => polls.series.now());
const problems = new Map();

const failed = (name) => (error) => problem(name, error.message);
const solved = (name, show) => (answer) => { problem(name, ""); show(answer); };
const poll = (name, every, show, ask = (signal) => get(name, {}, signal), leads = false) =>
  new Poll({ ask, every, leads, show: solved(name, show), failed: failed(name) });

const polls = {
  status: poll("status", () => 1_500, showStatus, undefined, true),
  hosts: poll("hosts", () => 3_000, (hosts) => {
    state.hosts = hosts;
    list.showHosts(hosts, now());
  }),
  series: poll("series", () => (state.series.length > 1_000 ? 10_000 : 3_000), showSeries, (signal) =>
    // The host narrows the question only where one answer cannot hold all series.
    get("series", { limit: SERIES_LIMIT, host: state.total > SERIES_LIMIT ? list.host ?? undefined : undefined }, signal)),
  chart: poll("chart", () => Math.min(60_000, Math.max(2_000, (state.range / CHART_POINTS) * 1_000)), showChart, askChart),
  incidents: poll("incidents", () => 2_000, (incidents) => {
    showIncidents(incidents, showTarget);
    tick(now());
  }, (signal) => get("incidents", { limit: 100 }, signal)),
  forecasts: poll("forecasts", () => 10_000, (forecasts) => {
    showForecasts(forecasts, select);
    tick(now());
  }),
  ingest: poll("ingest", () => 3_000, (ingest) => {
    showIngest(ingest, state.status, now());
    tick(now());
  }),
};

function problem(name, text) {
  if (text) problems.set(name, text);
  else problems.delete(name);
  byId("problem").hidden = problems.size === 0;
  setText(byId("problem"), [...problems.values()].join(" — "));
}

function showStatus(status) {
  state.status = status;
  state.ahead = status.now - Date.now();
  setText(byId("version"), status.version);
  const figures = [
    ["up", duration(status.now - status.started)], ["hosts", count(status.hosts)], ["series", count(status.series)],
    ["anomalous", count(status.anomalous_series)], ["warming", count(status.warming_series)],
    ["samples", quantity(status.samples, "")],
    ["memory", quantity(status.memory_bytes, "bytes")], ["disk", quantity(status.disk_bytes, "bytes")],
  ];
  keyed(byId("counts"), figures, ([name]) => name, ([name]) => el("div", {}, el("dt", {}, name), el("dd")),
    (node, [, text]) => setText(node.lastChild, text));
  overall();
}

/** How things stand: the kind of mark, the headline, and what else is worth saying. */
function standing() {
  const status = state.status;
  if (!link.up && link.refusal) return ["bad", "Refused", `${link.refusal}. With a token, open this page as ${location.origin}/#token=TOKEN`];
  if (!link.up && link.failures > 0) {
    const seconds = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
    return ["bad", `No connection since ${clock(link.lastAnswer)} — retrying`, seconds ? `in ${seconds} s` : "now"];
  }
  if (!status) return ["", "Connecting", ""];
  const anomalous = status.anomalous_series ? `${plural(status.anomalous_series, "series", "series")} anomalous` : "";
  if (status.open_incidents) return ["bad", `${plural(status.open_incidents, "incident")} open`, anomalous];
  if (status.series === 0) return ["warm", "No data yet", "waiting for the first samples"];
  if (anomalous) return ["warn", anomalous, "no incident open"];
  if (status.warming_series * 2 >= status.series) return ["warm", "Warming up", warmingText(status.warming_series)];
  return ["good", "All normal", status.warming_series ? `${plural(status.warming_series, "series", "series")} warming up` : ""];
}

function warmingText(number) {
  const missing = Math.max(0, ...state.series.map(({ warming }) => (warming ? warming.needed - warming.seen : 0)));
  return `${plural(number, "series", "series")} need ${missing ? plural(missing, "more sample") : "more samples"}`;
}

function overall() {
  const [kind, headline, detail] = standing();
  byId("overall").className = `overall ${kind}`;
  setText(byId("headline"), headline + (headline === "Warming up" ? ":" : ""));
  setText(byId("detail"), detail);
  document.body.classList.toggle("stale", !link.up && link.everUp);
  document.title = `${headline} – aiops-platform`;
}
link.changed = overall;

function showSeries({ total, series }) {
  state.series = series;
  state.total = list.host !== null && state.total > SERIES_LIMIT ? state.total : total;
  const gone = state.id !== null && total <= series.length && !known();
  if (series.length > 0 && (state.id === null || gone)) select(telling(series));
  list.show(series, state.total);
  chartHead();
}

/** The series that is worth a first look. */
function telling(series) {
  const busy = series.filter(({ metric }) => metric === "host_cpu_busy_percent");
  const first = state.hosts[0]?.host;
  return (busy.find((one) => one.state === "anomalous") ?? busy.find(({ labels }) => hostOf(labels) === first) ?? busy[0]
    ?? series.find((one) => one.state === "anomalous") ?? series[0]).id;
}

function select(id) {
  if (state.id !== id) state.chart = null;
  state.id = list.selected = id;
  keepAddress({ series: id });
  list.draw();
  chartHead();
  polls.chart.now();
}
list.selected = state.id;

/** Shows the series that an alert or cause speaks of, at the time of which it speaks. */
async function showTarget(target, time) {
  let found = findSeries(state.series, target);
  if (!found && target.metric) {
    const answer = await get("series", { match: target.metric, host: target.host || undefined }).catch(() => ({ series: [] }));
    found = findSeries(answer.series, target);
    if (found) state.series.push(found);
  }
  problem("target", found ? "" : `No series is stored that matches ${target.metric || labelText(target.labels)}.`);
  if (!found) return;
  const span = state.range * 1000;
  state.end = time < now() - span * 0.9 ? time + span / 2 : null;
  select(found.id);
  if (matchMedia("(max-width: 999px)").matches) byId("chart").scrollIntoView();
}

function askChart(signal) {
  drawControls();
  if (state.id === null) return Promise.resolve(null);
  // Whole seconds, so that several open pages ask the same question.
  const end = Math.ceil((state.end ?? now()) / 1000) * 1000;
  const start = end - state.range * 1000;
  return get("chart", { id: state.id, start, end, points: CHART_POINTS }, signal).then((data) => ({ data, start, end }));
}

function showChart({ data, start, end }) {
  state.chart = data;
  chart.show(data, start, end);
  chartHead();
  const points = data.values.filter(Number.isFinite).length;
  const band = data.lower.filter((low, i) => Number.isFinite(low) && Number.isFinite(data.upper[i])).length;
  Object.assign(document.body.dataset, { chartPoints: points, chartBand: band });
  if (band >= READY_BAND) document.body.dataset.ready = "true";
  const warming = known()?.warming;
  const note = points === 0 ? `No samples between ${when(start)} and ${when(end)}. Choose a longer range, or another series.`
    : band === 0 ? `No expected band yet${warming ? `: ${warming.seen} of ${warming.needed} samples seen` : " in this range"}.` : "";
  byId("plot-note").hidden = note === "";
  setText(byId("plot-note"), note);
  setText(byId("chart-span"), state.end === null ? "" : `${when(start)} to ${when(end)}`);
  byId("plot").setAttribute("aria-label", `Chart of ${data.metric}, ${plural(points, "point")}, ${plural(data.anomalies.length, "anomaly", "anomalies")} `
    + `between ${when(start)} and ${when(end)}. Arrow keys read out points.`);
  showEvents(data);
}

function showEvents({ anomalies, changes, id }) {
  const events = [
    ...anomalies.map(({ time, reason }) => ({ time, text: reason, kind: "key-anomaly" })),
    ...changes.map(({ time, component, summary }) => ({ time, text: `${component}: ${summary}`, kind: "key-change" })),
  ].sort((a, b) => b.time - a.time);
  const [title, rows] = byId("events").children;
  setText(title, events.length === 0 ? "Nothing marked in view"
    : `In view: ${plural(anomalies.length, "anomaly", "anomalies")}, ${plural(changes.length, "change")}`);
  refill(rows, [id, events.slice(0, 50)], () => events.slice(0, 50).map(({ time, text, kind }) =>
    el("li", { className: kind }, el("b", {}, when(time)), " ", text)));
}

const known = () => state.series.find(({ id }) => id === state.id);

function chartHead() {
  const series = known() ?? state.chart;
  if (!series) return;
  const { metric, labels, help, unit } = series;
  refill(byId("chart-title"), metric, () => breakable(metric));
  setText(byId("chart-labels"), [labelText(labels), help, unit && `in ${unit}`].filter(Boolean).join(" · "));
  refill(byId("chart-now"), [series.last, series.state, series.score, series.warming], () => [
    el("strong", {}, quantity(series.last, unitOf(series))), " ",
    el("span", { className: `state ${series.state ?? ""}` },
      series.warming ? `${series.state} ${series.warming.seen} of ${series.warming.needed}` : series.state ?? ""),
    Number.isFinite(series.score) ? el("small", {}, `score ${quantity(series.score, "")}`) : null,
  ]);
}

function drawControls() {
  for (const button of byId("ranges").children) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.seconds) === state.range));
  }
  byId("live").setAttribute("aria-pressed", String(state.end === null));
  byId("later").disabled = state.end === null;
}

function move(end) {
  state.end = end !== null && end < now() ? end : null;
  polls.chart.now();
  drawControls();
}

byId("ranges").append(...RANGES.map(([text, seconds]) => el("button", {
  type: "button", data: { seconds }, onclick: () => {
    state.range = seconds;
    keepAddress({ range: seconds });
    move(state.end);
  },
}, text)));
byId("earlier").addEventListener("click", () => move((state.end ?? now()) - state.range * 500));
byId("later").addEventListener("click", () => move(state.end + state.range * 500));
byId("live").addEventListener("click", () => move(state.end === null ? now() - 1 : null));
drawControls();
showHowTo();
setInterval(() => {
  tick(now());
  if (!link.up) overall();
}, 1000);
