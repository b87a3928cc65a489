//! What waits in the queue, and how it is written there.
//!
//! ```text
//! byte 0    rest of the record
//! 1         samples: a batch in its stored form
//! 2         a change event as JSON
//! 3, 4, 5   metrics, logs, spans: one byte for the encoding (0 protobuf, 1 JSON), then the body
//!           of the OTLP request, decompressed
//! 6         log lines: their origin as a line of JSON, then the lines
//! 16        alerts or a silence, see `alerting.rs`
//! ```
//!
//! OTLP bodies and log lines wait as they came: what adds up over requests (delta sums, templates)
//! is then worked out in the order of the queue, and comes out the same when it is read again.

use std::sync::Arc;

use aiops_alert::api::Change;
use aiops_core::ingest::otlp::{self, Encoding, MetricsDecoder};
use aiops_core::ingest::{Batch, LabelInterner, Limits};
use aiops_core::logs::{LineContext, parse_line};
use aiops_core::{AnyValue, Attributes, ChangeEvent, LogRecord, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alerting;
use crate::counters::Counters;

const SAMPLES: u8 = 1;
const CHANGE: u8 = 2;
const METRICS: u8 = 3;
const LOGS: u8 = 4;
const SPANS: u8 = 5;
const LINES: u8 = 6;

/// What waits in the queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum Record {
    /// Samples.
    Samples(Batch),
    /// A change event.
    Change(ChangeEvent),
    /// Log records.
    Logs(Vec<LogRecord>),
    /// Spans.
    Spans(Vec<Span>),
    /// Alerts or a silence.
    Alerting(Change),
}

/// What an OTLP request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `/v1/metrics`
    Metrics,
    /// `/v1/logs`
    Logs,
    /// `/v1/traces`
    Spans,
}

/// Where lines come from that do not say so themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Becomes `service.name`.
    #[serde(default)]
    pub service: String,
    /// Becomes `host.name`.
    #[serde(default)]
    pub host: String,
}

/// A record of samples.
pub fn samples(batch: &Batch) -> Vec<u8> {
    let mut record = vec![SAMPLES];
    batch.encode(&mut record);
    record
}

/// A record of a change.
pub fn change(change: &ChangeEvent) -> Vec<u8> {
    let mut record = vec![CHANGE];
    record.extend(serde_json::json!(change).to_string().bytes());
    record
}

/// A record of an OTLP request.
pub fn otlp(signal: Signal, encoding: Encoding, body: &[u8]) -> Vec<u8> {
    let kind = match signal {
        Signal::Metrics => METRICS,
        Signal::Logs => LOGS,
        Signal::Spans => SPANS,
    };
    let mut record = Vec::with_capacity(2 + body.len());
    record.extend([kind, u8::from(encoding == Encoding::Json)]);
    record.extend_from_slice(body);
    record
}

/// A record of log lines.
pub fn lines(origin: &Origin, text: &str) -> Vec<u8> {
    let mut record = vec![LINES];
    record.extend(serde_json::json!(origin).to_string().bytes());
    record.push(b'\n');
    record.extend_from_slice(text.as_bytes());
    record
}

/// Reads records back, in the order of the queue.
#[derive(Debug)]
pub struct Reader {
    interner: LabelInterner,
    metrics: MetricsDecoder,
    counters: Arc<Counters>,
}

impl Reader {
    /// Remembers at most `label_sets` label sets and the totals of `delta_series` delta series;
    /// counts into `counters` what is above.
    pub fn new(label_sets: usize, delta_series: usize, counters: Arc<Counters>) -> Self {
        Self {
            interner: LabelInterner::new(label_sets),
            metrics: MetricsDecoder::new(delta_series),
            counters,
        }
    }

    /// Reads a record that was received at `at`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words; only a newer release or a damaged file can cause it.
    pub fn read(&mut self, at: Timestamp, record: &[u8]) -> Result<Record, String> {
        match record.split_first() {
            Some((&SAMPLES, bytes)) => Batch::decode(bytes, &mut self.interner)
                .map(Record::Samples)
                .map_err(|error| error.to_string()),
            Some((&CHANGE, bytes)) => serde_json::from_slice(bytes)
                .map(Record::Change)
                .map_err(|error| error.to_string()),
            Some((&kind @ (METRICS | LOGS | SPANS), bytes)) => self
                .otlp(at, kind, bytes)
                .map_err(|error| error.to_string()),
            Some((&alerting::KIND, bytes)) => alerting::decode(bytes).map(Record::Alerting),
            Some((&LINES, bytes)) => read_lines(at, bytes).map(Record::Logs),
            Some((other, _)) => Err(format!("unknown kind of record {other}")),
            None => Err("empty record".to_owned()),
        }
    }

    fn otlp(&mut self, at: Timestamp, kind: u8, bytes: &[u8]) -> Result<Record, otlp::Error> {
        let (encoding, body) = bytes.split_first().unwrap_or((&0, &[]));
        let encoding = match encoding {
            0 => Encoding::Protobuf,
            _ => Encoding::Json,
        };
        // The body was within the limits when it was received.
        let mut limits = Limits::default();
        limits.max_body_bytes = body.len();
        match kind {
            METRICS => {
                let mut batch = Batch::default();
                let report = self.metrics.decode(body, encoding, &limits, &mut batch)?;
                if let Some(refused) = report.refused.get("delta-capacity") {
                    // Whether there is room is known only here; the rest was counted on receipt.
                    self.counters.refuse("points.delta-capacity", refused.count);
                }
                Ok(Record::Samples(batch))
            }
            LOGS => {
                let mut records = Vec::new();
                otlp::decode_logs(body, encoding, at, &limits, &mut records)?;
                Ok(Record::Logs(records))
            }
            _ => {
                let mut spans = Vec::new();
                otlp::decode_spans(body, encoding, &limits, &mut spans)?;
                Ok(Record::Spans(spans))
            }
        }
    }
}

fn read_lines(at: Timestamp, bytes: &[u8]) -> Result<Vec<LogRecord>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (origin, text) = text.split_once('\n').unwrap_or((text, ""));
    let origin: Origin = serde_json::from_str(origin).map_err(|error| error.to_string())?;
    let context = LineContext::new(at);
    let record = |line: &str| {
        let mut record = parse_line(line, &context);
        for (name, value) in [
            ("service.name", &origin.service),
            ("host.name", &origin.host),
        ] {
            if !value.is_empty() && text_of(&record.resource, name).is_none() {
                let value = AnyValue::Text(value.clone());
                record.resource.push((name.to_owned(), value));
            }
        }
        record
    };
    Ok(non_empty(text).map(record).collect())
}

/// The lines of a text that are not blank.
pub fn non_empty(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

/// The text under one of these names.
pub(crate) fn text_of<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    let mut found = attributes.iter().filter(|(own, _)| own == name);
    found
        .find_map(|(_, value)| value.as_text())
        .filter(|text| !text.is_empty())
}
