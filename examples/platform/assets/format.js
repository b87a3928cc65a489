// Numbers, units and times as people read them. Times are Unix milliseconds, shown in local time.

const MISSING = "–";
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const COUNTS = ["", " k", " M", " G", " T"];
const SECONDS = [[172_800, 86_400, " d"], [7_200, 3_600, " h"], [120, 60, " min"], [1, 1, " s"], [1e-3, 1e-3, " ms"], [0, 1e-6, " µs"]];

/** For series without a unit: what the end of the name says by convention. */
const BY_NAME = [
  [/_percent$/, "percent"],
  [/_bytes_per_second$/, "bytes per second"],
  [/_bytes$/, "bytes"],
  [/_seconds$/, "seconds"],
];

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const time = (options) => new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
const withSeconds = time({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const withMinutes = time({ hour: "2-digit", minute: "2-digit" });
const dayOnly = time({ weekday: "short", day: "numeric", month: "short" });

export const count = (number) => (Number.isFinite(number) ? whole.format(number) : MISSING);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
export const clock = (ms) => withSeconds.format(ms);
export const minutes = (ms) => withMinutes.format(ms);
export const day = (ms) => dayOnly.format(ms).replace(",", "");

/** The time of day, with the date in front when it is not today's. */
export function when(ms) {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return today ? clock(ms) : `${day(ms)} ${minutes(ms)}`;
}

/** Two units at most: `3 h 20 min`. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const part = (big, bigName, small, smallName) => {
    const rest = Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`;
  };
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return part(60, "min", 1, "s");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return part(3_600, "h", 60, "min");
  return part(86_400, "d", 3_600, "h");
}

export function unitOf({ unit, metric }) {
  if (/_time(stamp)?_seconds$/.test(metric)) return "timestamp";
  return unit || (BY_NAME.find(([end]) => end.test(metric))?.[1] ?? "");
}

/** What numbers of `size` are divided by, and what then stands behind them. */
function scale(unit, size) {
  if (unit === "bytes" || unit === "bytes per second") {
    const power = Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log2(size || 1) / 10)));
    return { by: 1024 ** power, suffix: ` ${BYTES[power]}${unit === "bytes" ? "" : "/s"}` };
  }
  if (unit === "seconds") {
    const [, by, suffix] = size === 0 ? SECONDS[3] : SECONDS.find(([from]) => size >= from);
    return { by, suffix };
  }
  if (unit === "percent") return { by: 1, suffix: " %" };
  const power = size < 1e5 ? 0 : Math.min(COUNTS.length - 1, Math.floor(Math.log10(size) / 3));
  return { by: 1000 ** power, suffix: COUNTS[power] + (unit === "per second" ? " /s" : "") };
}

function decimal(number) {
  const size = Math.abs(number);
  if (size >= 1000) return whole.format(number);
  return size > 0 && size < 1e-3 ? number.toExponential(1) : plain.format(number);
}

/** `97.2 %`, `1.5 GiB`, `12 ms`; with `words` also units that have no sign: `412 processes`. */
export function quantity(number, unit, words = false) {
  if (!Number.isFinite(number)) return MISSING;
  if (unit === "timestamp") return number > 1e9 ? when(number * 1000) : decimal(number);
  const { by, suffix } = scale(unit, Math.abs(number));
  const word = words && unit && !/percent|second|bytes/.test(unit) ? ` ${unit}` : "";
  return decimal(number / by) + suffix + word;
}

/** At most about `most` round values between `low` and `high`, with their texts. */
export function valueTicks(low, high, unit, most) {
  const { by, suffix } = scale(unit, Math.max(Math.abs(low), Math.abs(high)));
  const rough = (high - low) / by / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((one) => one * power >= rough) ?? 10);
  const digits = Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const ticks = [];
  for (let n = Math.ceil(low / by / step); n * step * by <= high; n += 1) {
    ticks.push({ at: n * step * by, text: (n * step).toFixed(digits) + suffix });
  }
  return ticks;
}

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800];

/** At most about `most` round local times between `from` and `to`, with their texts. */
export function timeTicks(from, to, most) {
  const seconds = STEPS.find((one) => (to - from) / 1000 / one <= most) ?? 604_800;
  const first = new Date(from);
  const midnight = new Date(first.getFullYear(), first.getMonth(), first.getDate());
  const ticks = [];
  const short = seconds < 3_600;
  for (let n = short ? Math.floor((from - midnight) / 1000 / seconds) : 0; ; n += 1) {
    // Steps of hours and days follow the local clock, also when it is put forward or back.
    const at = short
      ? midnight.getTime() + n * seconds * 1000
      : new Date(midnight).setHours(0, 0, n * seconds);
    if (at > to) return ticks;
    if (at < from) continue;
    const dated = new Date(at).getHours() + new Date(at).getMinutes() === 0 && seconds >= 900;
    ticks.push({ at, text: dated ? day(at) : seconds < 60 ? clock(at) : minutes(at) });
  }
}

/** The labels in one line, without those in `hidden`. */
export const labelText = (labels, hidden = []) =>
  Object.entries(labels).filter(([name]) => !hidden.includes(name) && name !== "__name__")
    .map(([name, value]) => `${name}=${value}`).join("  ");
