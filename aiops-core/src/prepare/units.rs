//! Values in the units that metrics are compared in: seconds, bytes, ratios.

use std::collections::{BTreeMap, HashMap};

use crate::ingest::Batch;
use crate::{Labels, METRIC_NAME};

/// A unit: its names, the base unit, and how many of it a base unit is made of (`over`) or how
/// many base units it is (`times`).
struct Unit {
    /// As the end of a metric's name, or as UCUM or OpenMetrics write it.
    names: &'static [&'static str],
    base: &'static str,
    times: f64,
    over: f64,
}

const fn unit(names: &'static [&'static str], base: &'static str, times: f64, over: f64) -> Unit {
    Unit {
        names,
        base,
        times,
        over,
    }
}

/// *The Unified Code for Units of Measure*, as OpenTelemetry uses it, and the words that
/// Prometheus's naming conventions know. Names of one letter are only taken from metadata.
static UNITS: [Unit; 16] = [
    unit(&["s", "seconds"], "seconds", 1.0, 1.0),
    unit(&["ns", "nanoseconds"], "seconds", 1.0, 1e9),
    unit(&["us", "microseconds"], "seconds", 1.0, 1e6),
    unit(&["ms", "milliseconds"], "seconds", 1.0, 1e3),
    unit(&["min", "minutes"], "seconds", 60.0, 1.0),
    unit(&["h", "hours"], "seconds", 3_600.0, 1.0),
    unit(&["d", "days"], "seconds", 86_400.0, 1.0),
    unit(&["By", "bytes"], "bytes", 1.0, 1.0),
    unit(&["kBy", "kilobytes"], "bytes", 1e3, 1.0),
    unit(&["MBy", "megabytes"], "bytes", 1e6, 1.0),
    unit(&["GBy", "gigabytes"], "bytes", 1e9, 1.0),
    unit(&["KiBy", "kibibytes"], "bytes", 1_024.0, 1.0),
    unit(&["MiBy", "mebibytes"], "bytes", 1_048_576.0, 1.0),
    unit(&["GiBy", "gibibytes"], "bytes", 1_073_741_824.0, 1.0),
    unit(&["ratio"], "ratio", 1.0, 1.0),
    unit(&["%", "percent"], "ratio", 1.0, 100.0),
];

/// Endings behind the unit in a metric's name.
const ENDINGS: [&str; 5] = ["_total", "_bucket", "_sum", "_count", "_created"];

/// What was done to a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scaling {
    /// Its name now.
    pub metric: String,
    /// What its values were multiplied with.
    pub times: f64,
    /// What they were then divided by. One of the two is 1, so that a value is rounded once.
    pub over: f64,
    /// Samples of it.
    pub samples: u64,
}

/// Brings values to seconds, bytes and ratios, by the end of the metric's name or by the unit that
/// its sender has declared.
///
/// A series whose values change gets another name, so that no series has values in two units:
/// `disk_read_ms_total` becomes `disk_read_seconds_total`, and `rpc.duration` that was declared
/// with the unit `ms` becomes `rpc.duration_seconds`. A declared unit that is a base unit already
/// is written behind the name too, so that senders with different units end in one metric.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::prepare::BaseUnits;
/// use aiops_core::{Labels, Timestamp};
///
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "wait_milliseconds")])?);
/// batch.push(Timestamp::EPOCH, 7.0);
/// let (batch, scalings) = BaseUnits::new(1_000).apply(&batch);
/// let series = batch.iter().next().expect("one series");
/// assert_eq!((series.labels.metric(), series.values), ("wait_seconds", &[0.007][..]));
/// assert_eq!(scalings["wait_milliseconds"].over, 1_000.0);
/// # Ok::<(), aiops_core::LabelError>(())
/// ```
///
/// | case | outcome |
/// |---|---|
/// | `_bucket` | the label `le` changes, the counts do not |
/// | `_count`, `_created` | the values do not change |
/// | `NaN`, staleness markers, infinite | as they are, bit for bit |
/// | unknown unit, none, `1`, `{requests}` | as it is |
/// | unit in the name and another one declared | that in the name counts |
/// | more declared metrics than `max_metrics` | those of further ones are not known: as it is |
///
/// Not for names in which a word at the end only looks like a unit (`working_hours` as a count).
#[derive(Clone, Debug)]
pub struct BaseUnits {
    max_metrics: usize,
    /// Place of the declared unit in the table.
    declared: HashMap<String, usize>,
}

impl BaseUnits {
    /// Remembers the declared units of at most `max_metrics` metrics: senders declare them once in
    /// a while, and not beside every sample.
    pub fn new(max_metrics: usize) -> Self {
        Self {
            max_metrics,
            declared: HashMap::new(),
        }
    }

    /// The batch in base units, and what was done, by the name that the metric had.
    pub fn apply(&mut self, batch: &Batch) -> (Batch, BTreeMap<String, Scaling>) {
        let mut scaled = Batch::default();
        for entry in &batch.metadata {
            let mut entry = entry.clone();
            if let Some(place) = place_of(&entry.unit) {
                let is_known = self.declared.contains_key(&entry.metric);
                if is_known || self.declared.len() < self.max_metrics {
                    self.declared.insert(entry.metric.clone(), place);
                }
            }
            if let Some((name, unit)) = self.renamed(&entry.metric) {
                entry.metric = name;
                unit.base.clone_into(&mut entry.unit);
            }
            scaled.metadata.push(entry);
        }
        let mut scalings = BTreeMap::new();
        for series in batch.iter() {
            let metric = series.labels.metric();
            let Some((name, unit)) = self.renamed(metric) else {
                scaled.start_series(series.labels.clone());
                for (time, value) in series.times.iter().zip(series.values) {
                    scaled.push(*time, *value);
                }
                continue;
            };
            let ending = ENDINGS.into_iter().find(|ending| metric.ends_with(ending));
            let is_value = !matches!(ending, Some("_bucket" | "_count" | "_created"));
            scaled.start_series(relabelled(series.labels, &name, unit));
            for (time, value) in series.times.iter().zip(series.values) {
                let value = if is_value && value.is_finite() {
                    unit.convert(*value)
                } else {
                    *value
                };
                scaled.push(*time, value);
            }
            let scaling = scalings.entry(metric.to_owned()).or_insert(Scaling {
                metric: name,
                times: unit.times,
                over: unit.over,
                samples: 0,
            });
            scaling.samples += series.values.len() as u64;
        }
        (scaled, scalings)
    }

    /// The name that a metric gets, and the unit that it has; `None` when nothing changes.
    fn renamed(&self, metric: &str) -> Option<(String, &'static Unit)> {
        let ending = ENDINGS.into_iter().find(|ending| metric.ends_with(ending));
        let stem = &metric[..metric.len() - ending.map_or(0, str::len)];
        let ending = ending.unwrap_or_default();
        if let Some((start, word)) = stem.rsplit_once('_')
            && word.len() > 1
            && let Some(place) = place_of(word)
        {
            let unit = &UNITS[place];
            let name = format!("{start}_{}{ending}", unit.base);
            return (word != unit.base).then_some((name, unit));
        }
        let declared = self
            .declared
            .get(metric)
            .or_else(|| self.declared.get(stem));
        let unit = &UNITS[*declared?];
        Some((format!("{stem}_{}{ending}", unit.base), unit))
    }
}

impl Unit {
    fn convert(&self, value: f64) -> f64 {
        value * self.times / self.over
    }
}

fn place_of(name: &str) -> Option<usize> {
    UNITS.iter().position(|unit| unit.names.contains(&name))
}

/// With the new name, and bounds of buckets in the new unit.
fn relabelled(labels: &Labels, name: &str, unit: &Unit) -> Labels {
    let renamed = labels.with(METRIC_NAME, name);
    let bound = labels.get("le").and_then(|le| le.parse::<f64>().ok());
    match bound.filter(|bound| name.ends_with("_bucket") && bound.is_finite()) {
        Some(bound) => renamed.with("le", &unit.convert(bound).to_string()),
        None => renamed,
    }
}
