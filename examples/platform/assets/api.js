// Requests: one at a time per path, none while the page is hidden, fewer while the server is away.

const TIMEOUT_MS = 20_000;
const SLOWEST_RETRY_MS = 30_000;

/** `#token=T&series=ID&range=SECONDS`. The token leaves the address at once, links stay harmless. */
export const address = new URLSearchParams(location.hash.slice(1));
if (address.has("token")) {
  sessionStorage.setItem("token", address.get("token"));
  address.delete("token");
  keepAddress({});
}

export const hasToken = () => sessionStorage.getItem("token") !== null;

export function keepAddress(changes) {
  for (const [name, value] of Object.entries(changes)) address.set(name, value);
  history.replaceState(null, "", `#${address}`);
}

/** Whether the server answers, since when, and what it said when it refused. */
export const link = { up: false, everUp: false, lastAnswer: Date.now(), failures: 0, retryAt: 0, refusal: "", changed: () => {} };

export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined));
  const token = sessionStorage.getItem("token");
  const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]),
  });
  if (answer.ok) return answer.json();
  const body = await answer.json().catch(() => ({}));
  const error = new Error(`${path}: ${body.error ?? "no reason given"} (HTTP ${answer.status})`);
  error.status = answer.status;
  throw error;
}

const polls = [];

/** Asks again and again, each time `every()` milliseconds after the answer before. */
export class Poll {
  /** `ask(signal)` gives a promise, or null when there is nothing to ask; `leads` finds out whether the server is there. */
  constructor({ ask, show, failed = () => {}, every, leads = false }) {
    Object.assign(this, { ask, show, failed, every, leads });
    polls.push(this);
    this.run();
  }

  /** Gives up what is under way and asks anew. */
  now() {
    this.renewed = true;
    this.abort?.abort();
    this.wake?.();
  }

  async run() {
    for (;;) {
      this.renewed = false;
      if (!document.hidden && (this.leads || link.up)) await this.once();
      if (!this.renewed) await this.pause();
    }
  }

  async once() {
    this.abort = new AbortController();
    let answer;
    try {
      answer = await this.ask(this.abort.signal);
    } catch (error) {
      if (!this.renewed) this.refused(error);
      return;
    }
    if (this.renewed || answer === null) return;
    if (this.leads) connected();
    try {
      this.show(answer);
    } catch (error) {
      console.error(error); // A fault of this page must not end the asking.
    }
  }

  refused(error) {
    if (this.leads) disconnected(error);
    else if (error.status || error.name === "TimeoutError") this.failed(error);
    else polls.find((poll) => poll.leads).now();
  }

  pause() {
    const retry = this.leads && !link.up ? link.retryAt - Date.now() : this.every();
    return new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, Math.max(500, retry));
    });
  }
}

function connected() {
  const back = !link.up;
  Object.assign(link, { up: true, everUp: true, lastAnswer: Date.now(), failures: 0, refusal: "" });
  if (back) polls.filter((poll) => !poll.leads).forEach((poll) => poll.now());
  link.changed();
}

function disconnected(error) {
  link.up = false;
  link.failures += 1;
  link.refusal = error.status ? error.message : "";
  link.retryAt = Date.now() + Math.min(SLOWEST_RETRY_MS, 750 * 2 ** link.failures);
  link.changed();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) polls.forEach((poll) => poll.now());
});
