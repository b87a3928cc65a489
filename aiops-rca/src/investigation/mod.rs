//! One answer from everything that is known about an incident.
//!
//! Deviation, regression residuals, the call graph, the symptom, traffic and changes each say
//! something; this puts it together, with the facts for and against, and says nothing where nothing
//! passes.

mod layout;
mod output;
mod svg;
mod weigh;

use std::time::Duration;

use aiops_core::{Case, Cause, ParamError, RankError, RootCauseRanker, Timestamp};

use crate::deviation::DeviationConfig;
use crate::reading::Measure;
use crate::traces::{LogLine, Span, TraceShift, TraceShiftConfig};

/// Parameters of [`Investigation`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct InvestigationConfig {
    /// Score, in spreads that no window of normal samples left by more than three, that one
    /// component must reach for anything to be named; positive.
    pub min_score: f64,
    /// Smallest spread assumed, as a share of the absolute value of the median. Not negative.
    pub relative_min_scale: f64,
    /// Samples of the reference below which samples before the onset count as normal too, at
    /// least 2.
    pub min_reference: usize,
    /// How long before the onset a change may be and still be a suspect.
    pub change_window: Duration,
}

impl Default for InvestigationConfig {
    fn default() -> Self {
        Self {
            min_score: 5.0,
            relative_min_scale: 0.02,
            min_reference: 10,
            change_window: Duration::from_mins(15),
        }
    }
}

/// What an investigation looks at; a plain [`Case`] becomes one by `into`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Metrics, topology, symptom, changes and, if known, the onset.
    pub case: Case<'a>,
    /// The metric of the symptom on which it was noticed, where it is known.
    pub symptom_metric: Option<&'a str>,
    /// Spans of requests around the incident, some from before it; may be empty.
    pub spans: &'a [Span<'a>],
    /// Log lines of those requests; may be empty.
    pub logs: &'a [LogLine<'a>],
}

impl<'a> From<Case<'a>> for Request<'a> {
    fn from(case: Case<'a>) -> Self {
        Self {
            case,
            symptom_metric: None,
            spans: &[],
            logs: &[],
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// When it began; `None` when nothing left its normal values.
    pub onset: Option<Timestamp>,
    /// First failures, the likeliest first; empty when nothing was found.
    pub causes: Vec<Suspect>,
    /// Components in trouble that others explain, the worst first.
    pub following: Vec<Suspect>,
    /// Components in trouble on which nothing else in trouble depends: where users notice.
    pub impact: Vec<String>,
}

/// A component in trouble.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Suspect {
    /// The component, with the facts.
    pub cause: Cause,
    /// The way the trouble takes to the symptom, both ends included; empty when there is none.
    pub path: Vec<String>,
    /// The change that is held responsible, where one is.
    pub change: Option<String>,
}

/// Investigates incidents: one answer in three lists.
///
/// ```
/// use aiops_core::{Case, ComponentMetric, Series, TimeAxis, Timestamp, Topology};
/// use aiops_rca::investigation::{Investigation, InvestigationConfig, Request};
/// use std::time::Duration;
///
/// let mut topology = Topology::default();
/// topology.add_call("web", "db");
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let slower = |by: i32| (0..60).map(|i| f64::from(10 + i % 4 + by * (i / 50))).collect();
/// let (web, db) = (Series::new(axis.clone(), slower(60))?, Series::new(axis, slower(60))?);
/// let metrics = [("web", &web), ("db", &db)].map(|(component, series)| ComponentMetric {
///     component,
///     metric: "latency_ms",
///     reference: None,
///     observed: series.view(),
/// });
/// let case = Case {
///     metrics: &metrics,
///     onset: None,
///     symptom: Some("web"),
///     topology: &topology,
///     changes: &[],
/// };
/// let investigation = Investigation::try_from(InvestigationConfig::default())?;
/// let mut request = Request::from(case);
/// request.symptom_metric = Some("latency_ms");
/// let report = investigation.investigate(&request)?;
/// assert_eq!(report.causes[0].cause.component, "db");
/// assert_eq!(report.causes[0].path, ["db", "web"]);
/// assert_eq!(report.following[0].cause.component, "web");
/// assert_eq!(report.impact, ["web"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How it weighs
///
/// Each metric is measured as in [`deviation`](crate::deviation); one that strayed is asked whether
/// its causes explain it, as in [`regression_test`](crate::regression_test). The logarithm of what
/// is left is the component's own trouble. It is lowered by troubled dependencies, and raised by
/// troubled dependents. A metric other than the one on which the symptom was noticed counts less.
/// A component on which the symptom does not depend keeps a tenth. Where traffic rose, a component
/// whose callers surge as well keeps a fifth, and the one where the surge came in is credited. A
/// change shortly before adds up to a third.
///
/// Where spans and log lines are given and say something, as in [`traces`](crate::traces), that
/// leads, and metrics keep a fifth of their weight: requests are compared with their like.
///
/// `confidence` is the component's share of the odds that the scores stand for; it adds up to 1 over
/// the report. First failures are those with at least 0.6 of the best score, so that several causes
/// at once are several.
///
/// # Cost
///
/// That of the three methods; regressions are done for metrics that strayed, only.
///
/// # Degenerate cases
///
/// As those of [`deviation`](crate::deviation) and
/// [`regression_test`](crate::regression_test), and
///
/// | input | result |
/// |---|---|
/// | nothing reaches `min_score` | three empty lists: nothing found |
/// | no symptom, or one that is not in the topology | every component is a candidate |
/// | a symptom metric that a component does not have | all its metrics count fully |
/// | changes after the onset | innocent, but for a fifteenth of the window: clocks differ |
///
/// # Not good for
///
/// Faults that leave no trace in metrics, such as wrong answers given in time. Loads that grow past
/// everything seen in the normal samples, which can look like a fault.
#[derive(Clone, Copy, Debug)]
pub struct Investigation {
    config: InvestigationConfig,
    measure: Measure,
    traces: TraceShift,
}

impl TryFrom<InvestigationConfig> for Investigation {
    type Error = ParamError;

    fn try_from(config: InvestigationConfig) -> Result<Self, ParamError> {
        let deviation = DeviationConfig {
            min_score: config.min_score,
            relative_min_scale: config.relative_min_scale,
            min_reference: config.min_reference,
            change_window: config.change_window,
        };
        Ok(Self {
            config,
            measure: deviation.measure()?,
            traces: TraceShift::try_from(TraceShiftConfig::default())?,
        })
    }
}

impl Investigation {
    /// Its parameters.
    pub fn config(&self) -> &InvestigationConfig {
        &self.config
    }

    /// Investigates.
    ///
    /// # Errors
    ///
    /// [`RankError`] is reserved; nothing fails today.
    pub fn investigate(&self, request: &Request<'_>) -> Result<Report, RankError> {
        let report = weigh::report(&self.config, &self.measure, request);
        if request.spans.is_empty() {
            return Ok(report);
        }
        let onset = request.case.onset;
        let traces = self.traces.rank(request.spans, request.logs, onset);
        Ok(weigh::with_traces(report, traces, request))
    }
}

impl RootCauseRanker for Investigation {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let report = self.investigate(&(*case).into())?;
        Ok(report.ranking())
    }
}

impl Report {
    /// All components in trouble in one ranking: the first failures, then what followed.
    pub fn ranking(self) -> Vec<Cause> {
        let all = self.causes.into_iter().chain(self.following);
        all.map(|suspect| suspect.cause).collect()
    }
}
