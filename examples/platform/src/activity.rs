//! Log lines and spans as series: how many came in the last ten seconds, by service and level, by
//! service and template, by service and operation. From there on they are watched as any series.
//!
//! | series | labels | value |
//! |---|---|---|
//! | `log_lines` | `service`, `level` | lines in ten seconds |
//! | `log_template_lines` | `service`, `template` | the same; `GET /api/v1/templates` says what the template is |
//! | `span_calls`, `span_errors` | `service`, `operation` | spans in ten seconds, and those that failed |
//! | `span_duration_seconds` | `service`, `operation` | mean duration of these spans; nothing without a span |
//!
//! A series that was there stays for an hour with zeros. Times are those of receipt: a line counts
//! when it comes.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::logs::{Template, TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_core::{Labels, LogRecord, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::text_of;

const WINDOW: Duration = Duration::from_secs(10);
/// Windows in a row without anything after which a series ends.
const IDLE: u32 = 360;
/// Series of all services; what would need more is counted, and not watched.
const MAX_ROWS: usize = 20_000;
/// Bytes of a service's or operation's name that are told apart.
const MAX_NAME: usize = 200;
/// Where records say which service they are of, the first that is there wins.
const SERVICE: [&str; 5] = ["service.name", "service", "app", "host.name", "host"];
/// In the order of the numbers of severities, by four.
const LEVELS: [&str; 7] = [
    "unknown", "trace", "debug", "info", "warn", "error", "fatal",
];

#[rustfmt::skip]
const ABOUT: [(&str, &str, &str); 5] = [
    ("log_lines", "Log lines in ten seconds, by level.", ""),
    ("log_template_lines", "Log lines in ten seconds, by template.", ""),
    ("span_calls", "Spans in ten seconds, by operation.", ""),
    ("span_errors", "Failed spans in ten seconds, by operation.", ""),
    ("span_duration_seconds", "Mean duration of spans in ten seconds.", "seconds"),
];

/// How often something was seen in the open window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    count: u64,
    /// Windows in a row without anything.
    idle: u32,
}

/// The spans of one operation in the open window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Calls {
    spans: Tally,
    errors: u64,
    seconds: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Service {
    levels: BTreeMap<usize, Tally>,
    templates: BTreeMap<TemplateId, Tally>,
    operations: BTreeMap<String, Calls>,
}

/// What was seen in the open window, and in those before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When the open window ends; `None` before the first record.
    end: Option<Timestamp>,
    rows: usize,
    services: BTreeMap<String, Service>,
}

/// Counts records as they come.
#[derive(Clone, Debug)]
pub struct Activity {
    pub(crate) miner: TemplateMiner,
    /// Lines that the miner has learned.
    pub(crate) learned: u64,
    pub(crate) seen: Seen,
}

impl Default for Activity {
    fn default() -> Self {
        let miner = TemplateMiner::try_from(TemplateMinerConfig::default());
        Self {
            miner: miner.unwrap_or_else(|error| panic!("the defaults are good: {error}")),
            learned: 0,
            seen: Seen::default(),
        }
    }
}

impl Activity {
    /// All templates of log lines.
    pub fn templates(&self) -> Vec<&Template> {
        self.miner.templates()
    }

    /// Counts log records that came at `at`, and gives each its template; answers how many are not
    /// watched because there are too many services, levels and templates.
    pub fn logs(&mut self, at: Timestamp, records: &mut [LogRecord]) -> u64 {
        self.seen.open(at);
        let mut left_out = 0;
        for record in records {
            self.miner.annotate(record);
            self.learned += 1;
            let level = usize::from(record.severity.number()).div_ceil(4);
            let template = record.template.map(TemplateId);
            let template = template.map(|id| self.miner.current(id));
            let rows = &mut self.seen.rows;
            let counted = service(&mut self.seen.services, service_of(record)).is_some_and(|of| {
                tally(&mut of.levels, rows, level)
                    && template.is_none_or(|id| tally(&mut of.templates, rows, id))
            });
            left_out += u64::from(!counted);
        }
        left_out
    }

    /// Counts spans that came at `at`; answers how many are not watched because there are too many
    /// operations.
    pub fn spans(&mut self, at: Timestamp, spans: &[Span]) -> u64 {
        self.seen.open(at);
        let mut left_out = 0;
        for span in spans {
            let Seen { rows, services, .. } = &mut self.seen;
            let calls = service(services, &span.service)
                .and_then(|of| operation(&mut of.operations, rows, cut(&span.name)));
            let Some(calls) = calls else {
                left_out += 1;
                continue;
            };
            calls.spans.count += 1;
            calls.errors += u64::from(span.is_error());
            calls.seconds += span.duration().as_secs_f64();
        }
        left_out
    }

    /// The samples of the open window, when it is over at `now`; until [`next`](Self::next), they
    /// are the same each time.
    pub fn due(&self, now: Timestamp) -> Option<Batch> {
        let end = self.seen.end.filter(|end| *end <= now)?;
        let mut batch = Batch::default();
        batch.metadata = ABOUT.iter().map(|about| describe(*about)).collect();
        for (name, service) in &self.seen.services {
            let levels = service.levels.iter();
            for (level, tally) in levels {
                let level = ("level", LEVELS[(*level).min(LEVELS.len() - 1)]);
                add(
                    &mut batch,
                    end,
                    "log_lines",
                    name,
                    level,
                    tally.count as f64,
                );
            }
            for (id, tally) in &service.templates {
                let id = id.to_string();
                let (metric, label) = ("log_template_lines", ("template", id.as_str()));
                add(&mut batch, end, metric, name, label, tally.count as f64);
            }
            for (operation, of) in &service.operations {
                let (label, calls) = (("operation", operation.as_str()), of.spans.count);
                add(&mut batch, end, "span_calls", name, label, calls as f64);
                add(
                    &mut batch,
                    end,
                    "span_errors",
                    name,
                    label,
                    of.errors as f64,
                );
                if calls > 0 {
                    let mean = of.seconds / calls as f64;
                    add(&mut batch, end, "span_duration_seconds", name, label, mean);
                }
            }
        }
        Some(batch)
    }

    /// Opens the window that `now` falls into.
    pub fn next(&mut self, now: Timestamp) {
        let Seen {
            end,
            rows,
            services,
        } = &mut self.seen;
        for service in services.values_mut() {
            service.levels.retain(|_, tally| tally.next());
            service.templates.retain(|_, tally| tally.next());
            service.operations.retain(|_, of| {
                let stays = of.spans.next();
                (of.errors, of.seconds) = (0, 0.0);
                stays
            });
        }
        services.retain(|_, service| service.rows() > 0);
        *rows = services.values().map(Service::rows).sum();
        *end = (*rows > 0).then(|| end_of_window(now));
    }
}

impl Seen {
    fn open(&mut self, at: Timestamp) {
        self.end.get_or_insert_with(|| end_of_window(at));
    }
}

impl Service {
    fn rows(&self) -> usize {
        self.levels.len() + self.templates.len() + self.operations.len()
    }
}

impl Tally {
    /// Begins a new window; answers whether the series goes on.
    fn next(&mut self) -> bool {
        self.idle = if self.count == 0 { self.idle + 1 } else { 0 };
        self.count = 0;
        self.idle < IDLE
    }
}

fn end_of_window(at: Timestamp) -> Timestamp {
    let width = WINDOW.as_nanos() as i64;
    let start = at.as_nanos().div_euclid(width) * width;
    Timestamp::from_nanos(start.saturating_add(width))
}

fn service<'a>(all: &'a mut BTreeMap<String, Service>, name: &str) -> Option<&'a mut Service> {
    let name = cut(name);
    if !all.contains_key(name) {
        if all.len() >= MAX_ROWS {
            return None;
        }
        all.insert(name.to_owned(), Service::default());
    }
    all.get_mut(name)
}

/// Counts one more under `key`; answers false when there is no room for it.
fn tally<K: Ord>(all: &mut BTreeMap<K, Tally>, rows: &mut usize, key: K) -> bool {
    if let Some(known) = all.get_mut(&key) {
        known.count += 1;
        return true;
    }
    let room = *rows < MAX_ROWS;
    if room {
        *rows += 1;
        all.insert(key, Tally { count: 1, idle: 0 });
    }
    room
}

fn operation<'a>(
    all: &'a mut BTreeMap<String, Calls>,
    rows: &mut usize,
    name: &str,
) -> Option<&'a mut Calls> {
    if !all.contains_key(name) {
        if *rows >= MAX_ROWS {
            return None;
        }
        *rows += 1;
        all.insert(name.to_owned(), Calls::default());
    }
    all.get_mut(name)
}

/// The service that wrote a record, or else its host.
pub fn service_of(record: &LogRecord) -> &str {
    SERVICE
        .iter()
        .find_map(|name| text_of(&record.resource, name).or(text_of(&record.attributes, name)))
        .unwrap_or("unknown")
}

/// As much of a name as is told apart.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

fn describe((metric, help, unit): (&str, &str, &str)) -> MetricMetadata {
    MetricMetadata {
        metric: metric.to_owned(),
        kind: "gauge".to_owned(),
        help: help.to_owned(),
        unit: unit.to_owned(),
    }
}

fn add(
    batch: &mut Batch,
    at: Timestamp,
    metric: &str,
    service: &str,
    label: (&str, &str),
    value: f64,
) {
    let labels = Labels::of([("__name__", metric), ("service", service), label])
        .unwrap_or_else(|error| panic!("three names that differ: {error}"));
    batch.start_series(labels);
    batch.push(at, value);
}
