//! Root causes of incidents: where did it begin, and which facts say so?
//!
//! ```
//! use aiops_core::{Case, ComponentMetric, RootCauseRanker, Series, TimeAxis, Timestamp, Topology};
//! use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};
//! use std::time::Duration;
//!
//! let mut topology = Topology::default();
//! topology.add_call("web", "db"); // trouble in `db` shows in `web`
//!
//! let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
//! let slower = |by: i32| (0..60).map(|i| f64::from(i % 4 + by * (i / 50))).collect();
//! let (web, db) = (Series::new(axis.clone(), slower(60))?, Series::new(axis, slower(30))?);
//! let metrics = [("web", &web), ("db", &db)].map(|(component, series)| ComponentMetric {
//!     component,
//!     metric: "latency_ms",
//!     reference: None,
//!     observed: series.view(),
//! });
//! let case = Case {
//!     metrics: &metrics,
//!     onset: None, // found from the metrics
//!     symptom: None,
//!     topology: &topology,
//!     changes: &[],
//! };
//!
//! let causes = GraphDeviation::try_from(GraphDeviationConfig::default())?.rank(&case)?;
//! assert_eq!(causes[0].component, "db");
//! for evidence in &causes[0].evidence {
//!     println!("{evidence}"); // latency_ms reached 33.0000, expected -3.17 to 6.17 ... since ...
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this sits
//!
//! ```text
//! aiops-alert      an incident: what people are told
//! aiops-core       Case: the metrics around it, the topology, the changes
//!   -> RootCauseRanker::rank   this crate
//! aiops-core       Cause: component, metric, score, evidence for and against
//! ```
//!
//! # Which method?
//!
//! | method | needs | cost for each case | finds | misses |
//! |---|---|---|---|---|
//! | [`deviation`] | metrics | order statistics of each metric's samples | what strayed furthest from normal | what is cause and what is effect |
//! | [`graph_deviation`] | metrics, topology | the same | the deepest dependency in trouble, and the change before it | trouble that travels with the calls |
//! | [`regression_test`] | metrics, topology | and a regression for each metric | what its causes do not explain, several causes at once | what lies outside the linear range |
//! | [`random_walk`] | metrics, topology | some 150 passes over the edges | what a walk from the symptom comes by most | what is many calls away |
//! | [`change_correlation`] | metrics, topology, changes | order statistics, a walk for each change | what was changed just before, near the trouble | faults that nobody caused |
//! | [`traces`] | spans of requests, log lines | a few passes over the spans | slow calls, errors at their origin, lines that are new or missing | fewer than ten requests, what was off from the first one |
//! | [`investigation`] | any of metrics, topology, symptom, changes, spans, lines | and a regression for each metric that strayed | the first failure, what followed, who noticed, the guilty change | faults that no metric shows |
//!
//! [`drilldown`] is about tables, not components: which combination of attributes changed, such as
//! `region=eu and version=2.3`. [`tree`] learns from incidents whose cause people have named, and says
//! what it learned as rules. [`onset`] answers when it began, for cases that do not say; [`metrics`] measures rankings
//! against known causes.
//!
//! # Nothing found
//!
//! An empty list is an answer. What a metric has to reach is taken from the case itself: the
//! normal samples are cut into windows as long as the incident, and a cause must stray further than
//! all metrics together did in 19 of 20 of those.
//!
//! # Missing values
//!
//! `NaN` is not counted. A metric that stops while others go on has vanished, which is evidence, not
//! a gap. Metrics need not share a time axis.
//!
//! # Order
//!
//! Rankings do not depend on units, on the order in which metrics are given, or on the number of
//! threads. Equal scores are in order of name.
//!
//! # Crate features
//!
//! - `serde`: `Serialize` and `Deserialize` for configurations, and stored trees and forests.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod baseline;
pub mod change_correlation;
mod class;
pub mod deviation;
pub mod drilldown;
mod graph;
pub mod graph_deviation;
pub mod investigation;
mod linear;
pub mod metrics;
pub mod onset;
mod order;
pub mod random_walk;
mod reading;
pub mod regression_test;
mod residual;
pub mod traces;
pub mod tree;

pub use class::MetricClass;
