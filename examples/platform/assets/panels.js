// Incidents, forecasts and ingestion.

import { hasToken } from "./api.js";
import { breakable, byId, el, refill, setText } from "./dom.js";
import { count, duration, labelText, plural, quantity, unitOf, when } from "./format.js";
import { targetOfAlert, targetOfCause } from "./series.js";

const MOST_ALERTS = 8;
const MOST_FORECASTS = 50;

/** A time that `tick` keeps up to date: how long ago, or how long until then. */
export const age = (ms, before = "", after = "") => el("span", { data: { since: ms, before, after } });

export function tick(now) {
  for (const node of document.querySelectorAll("[data-since]")) {
    const { since, before, after } = node.dataset;
    setText(node, before + duration(Math.abs(now - Number(since))) + after);
  }
}

/** `choose(target, time)` shows the series that an alert or cause speaks of. */
export function showIncidents(incidents, choose) {
  const open = incidents.filter(({ status }) => status === "open");
  const resolved = incidents.filter(({ status }) => status !== "open");
  byId("no-incident").hidden = open.length > 0;
  refill(byId("open-incidents"), open, () => open.map((one) => incident(one, true, choose)));
  byId("resolved").hidden = resolved.length === 0;
  setText(byId("resolved").firstElementChild, `${count(resolved.length)} resolved`);
  refill(byId("resolved-incidents"), resolved, () => resolved.map((one) => incident(one, false, choose)));
  document.body.dataset.openIncidents = String(open.length);
}

function incident(one, open, choose) {
  const length = open ? age(one.opened, ", for ") : `, for ${duration((one.resolved ?? one.opened) - one.opened)}`;
  const name = [one.id, labelText(one.group), `since ${when(one.opened)}`].filter(Boolean).join(" · ");
  return el("details", { className: `incident ${one.status}`, open, data: { key: one.id } },
    el("summary", { data: { key: `${one.id}/summary` } },
      el("span", { className: `state ${open ? "anomalous" : "normal"}` }, one.status), " ",
      ...told(one.summary), el("small", {}, name, length)),
    causes(one, choose), alerts(one, choose));
}

/** What happened and why in large, the reason of the detector in small. */
function told(summary) {
  const [, what, reason, why] = /^(.*?) \((value .*)\)(; .*|)$/.exec(summary) ?? [null, summary, "", ""];
  return [el("strong", {}, what + why), reason ? el("small", {}, reason) : ""];
}

function alerts(one, choose) {
  const sorted = [...one.alerts].sort((a, b) => (b.status === "firing") - (a.status === "firing") || a.starts - b.starts);
  const items = sorted.map((alert, i) => el("li", {}, alertButton(alert, `${one.id}/alert/${i}`, Object.keys(one.group), choose)));
  const rest = items.splice(MOST_ALERTS);
  return [
    el("h3", {}, plural(one.alerts.length, "alert")),
    el("ul", { className: "alerts" }, items),
    rest.length ? el("details", { data: { key: `${one.id}/alerts` } },
      el("summary", {}, `${count(rest.length)} more`), el("ul", { className: "alerts" }, rest)) : null,
  ];
}

function alertButton(alert, key, known, choose) {
  const { alertname, __name__: metric, ...others } = alert.labels;
  const title = alert.annotations.summary ?? ([alertname, metric].filter(Boolean).join(": ") || labelText(others));
  const span = alert.status === "firing" ? age(alert.starts, "firing for ")
    : `resolved after ${duration((alert.ends ?? alert.starts) - alert.starts)}`;
  return el("button", { type: "button", className: "link", data: { key }, title: "Show its series",
    onclick: () => choose(targetOfAlert(alert), alert.starts) },
    el("span", {}, title), el("small", {}, span, [title.startsWith(alertname) ? "" : alertname, labelText(others, known)]
      .filter(Boolean).map((text) => ` · ${text}`).join("")));
}

function causes(one, choose) {
  if (one.causes.length === 0) return [el("h3", {}, "Causes"), el("p", { className: "empty" }, "Not enough evidence to name one.")];
  return [el("h3", {}, "Likely causes, the best supported first"),
    el("ol", { className: "causes" }, one.causes.map((cause, i) => {
      const key = `${one.id}/cause/${i}`;
      const weight = Number.isFinite(cause.confidence) ? `confidence ${quantity(cause.confidence * 100, "percent")}` : `score ${quantity(cause.score, "")}`;
      return el("li", {},
        el("button", { type: "button", className: "link", data: { key }, title: "Show its series",
          onclick: () => choose(targetOfCause(cause, one.group), one.opened) },
          el("b", {}, cause.component), " ", breakable(cause.metric ?? ""), " ", el("small", {}, weight)),
        el("details", { open: i === 0, data: { key: `${key}/evidence` } },
          el("summary", {}, evidenceCount(cause.evidence)),
          el("ul", { className: "evidence" }, cause.evidence.map(({ stance, text }) =>
            el("li", { className: stance }, el("b", {}, stance), el("span", {}, text))))));
    }))];
}

function evidenceCount(evidence) {
  const speaking = (stance) => count(evidence.filter((one) => one.stance === stance).length);
  return `Evidence: ${speaking("for")} for, ${speaking("against")} against`;
}

/** The soonest first, as the server sends them; then what has no date within the horizon. */
export function showForecasts(forecasts, choose) {
  const due = forecasts.filter(dated);
  const rest = forecasts.filter((one) => !dated(one));
  refill(byId("forecasts"), forecasts, () => [
    forecasts.length === 0
      ? el("p", { className: "empty" }, "Nothing to say yet. What fills up towards a limit, such as disks and memory, is looked at once there are some minutes of it.")
      : due.length === 0 ? el("p", { className: "empty" }, "Nothing that is looked at runs out.") : null,
    el("ul", { className: "forecasts" },
      due.slice(0, MOST_FORECASTS).map((one) => el("li", {}, forecast(one, choose))),
      rest.slice(0, MOST_FORECASTS).map((one) => el("li", {}, undated(one, choose)))),
    forecasts.length > MOST_FORECASTS ? el("p", { className: "note" }, `${count(forecasts.length)} are looked at; the most urgent are shown.`) : null,
  ]);
}

const dated = ({ earliest, median }) => earliest !== null || median !== null;

function undated(one, choose) {
  return el("button", { type: "button", className: "link undated", title: one.text, data: { key: one.id }, onclick: () => choose(one.id) },
    el("span", {}, breakable(one.metric), " ", el("small", {}, labelText(one.labels))),
    el("small", {}, `${quantity(one.current, unitOf(one), true)} now, limit ${quantity(one.limit, unitOf(one), true)}: ${one.text}`));
}

function forecast(one, choose) {
  const unit = unitOf(one);
  const horizon = duration(one.horizon_s * 1000);
  const bound = (ms, without) => (ms === null ? without : when(ms));
  return el("button", { type: "button", className: "link", title: one.text, data: { key: one.id }, onclick: () => choose(one.id) },
    el("span", { className: "due" }, el("b", {}, one.median === null ? `perhaps within ${horizon}` : age(one.median, "in ")),
      one.median === null ? "" : when(one.median)),
    el("span", {}, breakable(one.metric), " ", el("small", {}, labelText(one.labels))),
    el("small", {}, `${quantity(one.current, unit, true)} now, limit ${quantity(one.limit, unit, true)}; between `,
      `${bound(one.earliest, "now")} and ${bound(one.latest, `later than in ${horizon}`)}, probability `,
      one.probability > 0.99 ? "over 99 %" : quantity(one.probability * 100, "percent")));
}

const RATE_OVER_MS = 60_000;
let past = [];

/** Samples per second over the last minute; null after the first answer. */
function rate(accepted, now) {
  // A restart of the server makes the count smaller.
  past = past.filter((one) => one.accepted <= accepted && now - one.now < RATE_OVER_MS);
  past.push({ now, accepted });
  return past.length > 1 ? (accepted - past[0].accepted) / ((now - past[0].now) / 1000) : null;
}

export function showIngest(ingest, status, now) {
  const refused = Object.entries(ingest.refused).filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  const total = refused.reduce((sum, [, number]) => sum + number, 0);
  const speed = rate(ingest.accepted, now);
  setText(byId("ingest-rate"), speed === null ? "" : `${quantity(speed, "")} samples/s`);
  refill(byId("ingest"), [ingest, status?.queue_bytes], () => [
    el("dl", { className: "figures" },
      figure("accepted", ingest.accepted), figure("duplicates", ingest.duplicates),
      figure("late", ingest.late), figure("refused", total, total > 0)),
    status ? queue(status.queue_bytes, status.queue_limit_bytes) : null,
    table(["Source", "Requests", "Samples", "Last"], ingest.sources.map(({ source, requests, samples, last }) =>
      [source, count(requests), count(samples), last ? age(last, "", " ago") : "never"])),
    refused.length ? table(["Refused for", "Count"], refused.map(([reason, number]) => [reason, count(number)])) : null,
  ]);
}

const figure = (name, number, bad = false) =>
  el("div", {}, el("dt", {}, name), el("dd", { className: bad ? "bad" : "" }, count(number)));

function queue(used, limit) {
  const text = `Queue ${quantity(used, "bytes")} of ${quantity(limit, "bytes")} (${quantity((100 * used) / limit, "percent")})`;
  return el("p", { className: "queue" }, text, el("progress", { max: limit, value: used, "aria-label": text }));
}

function table(heads, rows) {
  return el("table", {}, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))))));
}

export function showHowTo() {
  const credentials = hasToken() ? "    authorization:\n      credentials: YOUR-TOKEN\n" : "";
  const header = hasToken() ? " -H 'Authorization: Bearer YOUR-TOKEN'" : "";
  setText(byId("howto-prometheus"), `remote_write:\n  - url: ${location.origin}/api/v1/write\n${credentials}`);
  setText(byId("howto-import"), `curl --data-binary @metrics.txt -H 'Content-Type: text/plain'${header} ${location.origin}/api/v1/import/prometheus`);
}
