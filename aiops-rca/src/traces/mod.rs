//! Ranking by what requests did: spans and log lines before and after the onset.
//!
//! Metrics average over requests; a fault in code often moves none of them. Here each call and each
//! piece of work is compared with those of its own kind before the onset:
//!
//! - **waiting**: the time of a client's span that the server's span does not account for. A slow
//!   network or a starved process delays the calls all around its component, and only one kind of
//!   call of each neighbour;
//! - **doing**: which log templates and failed operations a component shows, given what it was asked
//!   to do. Given that, a component whose callees stop answering differs itself only where it reacts,
//!   so the first to differ is told from those that are never reached. Events conditional on the
//!   request are the idea of Yu et al., *Nezha: Interpretable Fine-Grained Root Causes Analysis for
//!   Microservices on Multi-modal Observability Data* (FSE 2023).

mod requests;
mod split;

use std::time::Duration;

use aiops_core::{Cause, Evidence, Fact, ParamError, Severity, SpanId, Timestamp, TraceId};

use crate::deviation;
use requests::Requests;

/// Parts of the requests between which the onset is looked for.
const CANDIDATES: usize = 16;
/// Pieces of evidence for one component, at most.
const MAX_FACTS: usize = 4;

/// One operation of one request: of a [`aiops_core::Span`] what is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// The request.
    pub trace: TraceId,
    /// Its own name within the request.
    pub id: SpanId,
    /// The span that caused it; `None` for the first.
    pub parent: Option<SpanId>,
    /// The component that did the work, by the name it has in the topology.
    pub component: &'a str,
    /// What was done, without what varies from request to request.
    pub operation: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Whether it ended in an error.
    pub failed: bool,
}

impl<'a> From<&'a aiops_core::Span> for Span<'a> {
    /// The service as the component, the name as the operation.
    fn from(span: &'a aiops_core::Span) -> Self {
        Self {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            component: &span.service,
            operation: &span.name,
            start: span.start,
            duration: span.duration(),
            failed: span.is_error(),
        }
    }
}

/// One log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The component that wrote it.
    pub component: &'a str,
    /// The request it belongs to. Lines that belong to none are counted, and not looked at.
    pub trace: Option<TraceId>,
    /// How serious it is.
    pub severity: Severity,
    /// What it says.
    pub message: &'a str,
}

/// Parameters of [`TraceShift`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct TraceShiftConfig {
    /// Smallest score of a cause; positive. 1 is one kind of call that takes e times as long, or a
    /// log template that changed with some e<sup>4</sup> to 1 for it.
    pub min_score: f64,
    /// What is added to each time before logarithms are taken, so that microseconds do not count.
    pub resolution: Duration,
    /// Share of a component's score that its callees' scores can explain, in `[0, 1]`.
    pub explained: f64,
}

impl Default for TraceShiftConfig {
    fn default() -> Self {
        Self {
            min_score: 1.0,
            resolution: Duration::from_millis(1),
            explained: 0.5,
        }
    }
}

/// Ranks components by how requests through them changed.
///
/// ```
/// use aiops_core::{SpanId, Timestamp, TraceId};
/// use aiops_rca::traces::{Span, TraceShift, TraceShiftConfig};
/// use std::time::Duration;
///
/// let mut spans = Vec::new();
/// for i in 0..40_u8 {
///     let trace = TraceId([i + 1; 16]);
///     let start = Timestamp::from_secs(i64::from(i)).ok_or("time")?;
///     let wait = if i < 25 { 5 } else { 95 }; // the network of `db` from the 25th request on
///     let of = |id, parent: Option<u8>, component, operation, millis| Span {
///         trace, component, operation, start,
///         id: SpanId([id; 8]), parent: parent.map(|id| SpanId([id; 8])),
///         duration: Duration::from_millis(millis), failed: false,
///     };
///     spans.push(of(1, None, "web", "GET /", 20 + wait));
///     spans.push(of(2, Some(1), "web", "query", 10 + wait));
///     spans.push(of(3, Some(2), "db", "SELECT", 10));
///     spans.push(of(4, Some(1), "cache", "GET", 1));
/// }
/// let report = TraceShift::try_from(TraceShiftConfig::default())?.rank(&spans, &[], None);
/// assert_eq!(report.causes[0].component, "db");
/// println!("{}", report.causes[0].evidence[0]); // calls from web to db waited 96.0 ms, before 6.0 ms
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// shift(g) = max(0, median ln(t + resolution) after - before - its standard error) * min(1, n / 5)
///            g: the calls from one component to another; t: time that the callee does not account
///            for; n: the smaller number of calls
/// wait(c)  = sum of shift over the kinds of calls around c / root of their number
/// G(c, f)  = likelihood ratio of the share of requests with f, times the change of that share,
///            summed over what c was asked to do; f: a log template or a failed operation
/// do(c)    = (largest G - 2 ln(number of all f)) / 8
/// score(c) = max(wait, do) * (1 - explained * min(1, largest score of its callees / own score))
/// ```
///
/// The time at which the highest score is highest is taken as the onset, among 15 quantiles of the
/// requests' begins and the onset that is given: so one that is given wrong does little harm.
///
/// # Cost
///
/// A sort of the spans and some 16 passes over them; the lines are mined for templates once. Memory of some 100 bytes
/// for a span and 50 for a line.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no span | nothing found |
/// | warnings and errors that stop, other lines that are new or back | a recovery: counts for nothing |
/// | lines of unknown severity | count in both directions |
/// | fewer than some four requests | nothing found |
/// | a parent that is not there | the span counts as one that came from outside |
/// | the same id twice in a request | the first is meant by its children |
/// | a child outside its parent's time, clocks that differ | what lies outside is not subtracted |
/// | kinds of calls or requests with fewer than 2 on one side | not looked at |
/// | equal scores | in order of name |
///
/// # Not good for
///
/// Fewer than some ten requests on each side, samples of the slow requests only, and faults that
/// were there from the first request on.
#[derive(Clone, Copy, Debug)]
pub struct TraceShift {
    config: TraceShiftConfig,
}

/// What requests say about an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceReport {
    /// When requests changed; `None` when nothing was found.
    pub onset: Option<Timestamp>,
    /// The components that changed, the likeliest first.
    pub causes: Vec<Cause>,
    /// Log lines that belong to no span's request and component, and were not looked at.
    pub ignored_lines: usize,
}

impl TryFrom<TraceShiftConfig> for TraceShift {
    type Error = ParamError;

    fn try_from(config: TraceShiftConfig) -> Result<Self, ParamError> {
        if !(config.min_score > 0.0 && config.min_score.is_finite()) {
            let expected = "positive and finite";
            return Err(ParamError::new("min_score", expected, config.min_score));
        }
        if !(0.0..=1.0).contains(&config.explained) {
            return Err(ParamError::new(
                "explained",
                "from 0 to 1",
                config.explained,
            ));
        }
        if config.resolution.is_zero() {
            return Err(ParamError::new("resolution", "longer than 0", "0 s"));
        }
        Ok(Self { config })
    }
}

impl TraceShift {
    /// Its parameters.
    pub fn config(&self) -> &TraceShiftConfig {
        &self.config
    }

    /// Ranks. `onset` is when it is thought to have begun; one more time that is tried.
    pub fn rank(
        &self,
        spans: &[Span<'_>],
        logs: &[LogLine<'_>],
        onset: Option<Timestamp>,
    ) -> TraceReport {
        let requests = Requests::new(spans, logs, self.config.resolution);
        let mut candidates = requests.quantiles(CANDIDATES);
        candidates.extend(onset);
        let mut keys = Vec::new();
        let mut best: Option<(f64, Timestamp, Vec<f64>)> = None;
        for at in candidates {
            let scores = requests.scores(at, self.config.explained, &mut keys);
            let highest = scores.iter().copied().fold(0.0, f64::max);
            if highest >= self.config.min_score && best.as_ref().is_none_or(|b| highest > b.0) {
                best = Some((highest, at, scores));
            }
        }
        let ignored_lines = requests.ignored_lines;
        let Some((_, at, scores)) = best else {
            return TraceReport {
                ignored_lines,
                ..TraceReport::default()
            };
        };
        let named = (0..scores.len()).filter(|c| scores[*c] >= self.config.min_score);
        let mut causes: Vec<Cause> = named
            .map(|component| Cause {
                component: requests.components[component].to_owned(),
                metric: None,
                score: scores[component],
                confidence: None,
                evidence: requests
                    .facts(component as u32, at, &mut keys)
                    .into_iter()
                    .take(MAX_FACTS)
                    .map(|text| Evidence::supporting(Fact::Note { text }))
                    .collect(),
            })
            .collect();
        deviation::sort(&mut causes);
        TraceReport {
            onset: Some(at),
            causes,
            ignored_lines,
        }
    }
}
