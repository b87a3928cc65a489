// The hosts and their series: filtered, grouped, and at most some hundred of them drawn.

import { breakable, byId, el, keyed, setText } from "./dom.js";
import { count, labelText, plural, quantity, unitOf } from "./format.js";

const MOST_ROWS = 300;
const MOST_HOSTS = 200;
/** A host that sent nothing for so long is called silent. */
const SILENT_MS = 120_000;
const PLACES = ["host", "instance", "node", "hostname"];
const RANK = { anomalous: 0, missing: 1 };

export const hostOf = (labels) => labels[PLACES.find((name) => labels[name])] ?? "";

/** `name{label="value"}` in its parts. */
function parseSeries(text) {
  const pairs = [...text.matchAll(/([\w:.]+)="((?:[^"\\]|\\.)*)"/g)];
  return { metric: text.split("{")[0].trim(), labels: Object.fromEntries(pairs.map(([, name, value]) => [name, value])) };
}

/** What an alert says about its series. */
export function targetOfAlert({ labels, annotations }) {
  const named = parseSeries(labels.__name__ ?? labels.metric ?? annotations.metric ?? annotations.series ?? "");
  return { metric: named.metric, labels: { ...labels, ...named.labels }, host: hostOf(labels) };
}

/** What a cause says about its series; components are named `HOST/PART` or `JOB@HOST`. */
export function targetOfCause({ component, metric }, group) {
  const host = /@(.+)$/.exec(component)?.[1] ?? (component.split("/")[0] || hostOf(group));
  return { ...parseSeries(metric ?? ""), host };
}

/** The series that agrees most with `target`; no label that both have may differ. */
export function findSeries(list, { metric, labels, host }) {
  let [best, most] = [null, 0];
  for (const series of list) {
    if (metric && series.metric !== metric) continue;
    const shared = Object.keys(labels).filter((name) => name in series.labels);
    if (shared.some((name) => series.labels[name] !== labels[name])) continue;
    const agree = (metric ? 4 : 0) + 2 * shared.length + (host && hostOf(series.labels) === host ? 3 : 0);
    const score = agree && agree + (series.state === "anomalous" ? 1 : 0);
    if (score > most) [best, most] = [series, score];
  }
  return best;
}

export class SeriesList {
  #series = []; #total = 0; #hidden = new Map(); #text = new Map(); #choose; #chooseHost;
  host = null; selected = null;

  constructor(choose, chooseHost) {
    this.#choose = choose;
    this.#chooseHost = chooseHost;
    byId("filter").addEventListener("input", () => this.draw());
    byId("only-anomalous").addEventListener("change", () => this.draw());
    for (const list of [byId("series"), byId("hosts")]) list.addEventListener("keydown", moveFocus);
  }

  show(series, total) {
    this.#series = series;
    this.#total = total;
    this.#hidden = common(series);
    this.#text = new Map(series.map((one) => [one.id, `${one.metric} ${labelText(one.labels)} ${one.state}`.toLowerCase()]));
    this.draw();
  }

  showHosts(hosts, now) {
    const sorted = [...hosts].sort((a, b) => (b.anomalous > 0) - (a.anomalous > 0) || a.host.localeCompare(b.host));
    const all = { host: null, series: hosts.reduce((sum, one) => sum + one.series, 0), anomalous: 0, warming: 0, last_sample: now };
    const rows = hosts.length > 1 ? [all, ...sorted.slice(0, MOST_HOSTS)] : sorted;
    keyed(byId("hosts"), rows, ({ host }) => host ?? "\n",
      ({ host }) => el("button", { type: "button", onclick: () => this.#pickHost(host) }, el("b"), el("span")),
      (node, one) => {
        setText(node.firstChild, one.host === null ? "All hosts" : one.host || "(no host)");
        setText(node.lastChild, hostText(one, now));
        node.className = one.anomalous ? "bad" : "";
        node.setAttribute("aria-pressed", String(hosts.length > 1 && one.host === this.host));
      });
  }

  #pickHost(host) {
    this.host = host === this.host ? null : host;
    this.#chooseHost(this.host);
    for (const node of byId("hosts").children) {
      node.setAttribute("aria-pressed", String(node.dataset.key === (this.host ?? "\n")));
    }
    this.draw();
  }

  draw() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = byId("only-anomalous").checked;
    const found = this.#series.filter((one) =>
      (!only || one.state === "anomalous") && (this.host === null || hostOf(one.labels) === this.host)
      && words.every((word) => this.#text.get(one.id).includes(word)));
    this.#rows(grouped(found));
    setText(byId("series-count"), `${count(found.length)} of ${count(this.#total)}`);
    this.#note(found.length, only);
  }

  #rows(found) {
    const rows = [];
    let host = null;
    for (const one of found.slice(0, MOST_ROWS)) {
      const place = hostOf(one.labels);
      if (place !== host) rows.push({ id: `host:${place}`, head: place || "(no host)" });
      host = place;
      rows.push(one);
    }
    const stop = found.some(({ id }) => id === this.selected) ? this.selected : found[0]?.id;
    keyed(byId("series"), rows, ({ id }) => id, (row) => this.#create(row), (node, row) => {
      if (!row.head) this.#update(node, row, stop);
    });
  }

  #create(row) {
    if (row.head) return el("h3", {}, row.head);
    const node = el("button", { type: "button", onclick: () => this.#choose(row.id) },
      el("span", { className: "name" }, breakable(row.metric), el("small")), el("span", { className: "last" }), el("span"));
    node.title = [row.metric, labelText(row.labels), row.help].filter(Boolean).join("\n");
    return node;
  }

  #update(node, row, stop) {
    const [name, last, state] = node.children;
    setText(name.lastChild, labelText(row.labels, this.#hidden.get(row.metric)));
    setText(last, quantity(row.last, unitOf(row)));
    setText(state, row.warming ? `${row.state} ${row.warming.seen}/${row.warming.needed}` : row.state);
    state.className = `state ${row.state}`;
    node.setAttribute("aria-current", String(row.id === this.selected));
    node.tabIndex = row.id === stop ? 0 : -1;
  }

  #note(found, only) {
    const notes = [];
    if (found > MOST_ROWS) notes.push(`${count(found - MOST_ROWS)} more; filter or choose a host to see them.`);
    if (this.#total > this.#series.length) notes.push(`Searched: the first ${count(this.#series.length)} of ${count(this.#total)}. Choose a host to see all of its series.`);
    if (found === 0 && this.#series.length > 0) notes.push(only ? "No series is anomalous here." : "No series matches the filter.");
    if (this.#series.length === 0) notes.push("No series yet. This host's own metrics appear within seconds; “Send metrics here” says how to add others.");
    byId("series-note").hidden = notes.length === 0;
    setText(byId("series-note"), notes.join(" "));
  }
}

function hostText({ series, anomalous, warming, last_sample: last }, now) {
  return [
    anomalous ? `${count(anomalous)} anomalous` : "",
    now - last > SILENT_MS ? `silent ${plural(Math.round((now - last) / 60_000), "minute")}` : "",
    warming ? `${count(warming)} warming` : "",
    plural(series, "series", "series"),
  ].filter(Boolean).join(", ");
}

/** By host, hosts with anomalies first; within a host what is anomalous or missing first. */
function grouped(series) {
  const troubled = new Set(series.filter(({ state }) => state === "anomalous").map(({ labels }) => hostOf(labels)));
  const rank = (one) => RANK[one.state] ?? 2;
  return series
    .map((one, place) => ({ one, place, host: hostOf(one.labels) }))
    .sort((a, b) => troubled.has(b.host) - troubled.has(a.host) || a.host.localeCompare(b.host)
      || rank(a.one) - rank(b.one) || a.place - b.place)
    .map(({ one }) => one);
}

/** For each metric the labels that need not be shown: the same in all its series, or the place, which heads the group. */
function common(series) {
  const first = new Map(), differing = new Map();
  for (const { metric, labels } of series) {
    if (!first.has(metric)) {
      first.set(metric, labels);
      differing.set(metric, new Set());
    }
    const known = first.get(metric);
    for (const name of new Set([...Object.keys(labels), ...Object.keys(known)])) {
      if (labels[name] !== known[name] && !PLACES.includes(name)) differing.get(metric).add(name);
    }
  }
  return new Map([...first].map(([metric, labels]) =>
    [metric, Object.keys(labels).filter((name) => !differing.get(metric).has(name))]));
}

/** One tab stop per list; the arrow keys move within. */
function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!step) return;
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const here = buttons.indexOf(document.activeElement);
  buttons[Math.min(buttons.length - 1, Math.max(0, here + step))]?.focus();
  event.preventDefault();
}
