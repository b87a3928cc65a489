//! Anomaly detectors for operational time series: scores, thresholds, monitors, evaluation.
//!
//! ```
//! use aiops_core::{Detector, FittedDetector, Series, TimeAxis, Timestamp};
//! use aiops_detect::robust_z::{RobustZ, RobustZConfig};
//! use std::time::Duration;
//!
//! let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 6)?;
//! let latency_ms = Series::new(axis, vec![10.0, 11.0, 9.0, 10.0, 10.5, 95.0])?;
//!
//! let detector = RobustZ::try_from(RobustZConfig::default())?;
//! let scores = detector.fit(latency_ms.view())?.score(latency_ms.view())?;
//! assert!(scores[5] > 10.0 && scores[0] < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this sits
//!
//! ```text
//! Sample -> SeriesStore::append             aiops-core
//!        -> StreamingDetector::update       this crate   score against what was learned so far
//!           (or fit + score over a series, or over rows of several metrics)
//!        -> Threshold -> Monitor -> Verdict this crate   threshold, floor, direction, votes, reason
//!        -> rule -> Alert                   aiops-alert
//! ```
//!
//! A detector only scores; a larger score is more anomalous, for every algorithm. A
//! [`threshold`] decides, and a [`monitor`] adds what keeps people's trust. The
//! traits ([`Detector`](aiops_core::Detector), [`StreamingDetector`](aiops_core::StreamingDetector),
//! [`MultivariateDetector`](aiops_core::MultivariateDetector)) are in `aiops-core`.
//!
//! # Which detector?
//!
//! One series:
//!
//! | module | data | cost of a sample | memory | finds | misses |
//! |---|---|---|---|---|---|
//! | [`robust_z`] | a whole series | 1 ns | 16 B | values far from the usual one | seasons, shapes |
//! | [`auto`] | a stream, any metric | 0.5 us | 5 KB | onsets of incidents, oddness by level, day and week; no parameters | seasons other than day and week |
//! | [`rolling_mad`] | a stream | 0.1 us | 10 B a sample of the window | sudden spikes and shifts | seasons longer than the window, slow drift |
//! | [`seasonal`] | a stream | 50 ns | 4 KB | values odd for their time of day or week | other seasons, holidays |
//! | [`rolling_quantile`] | a stream | 0.1 us | 10 B a sample of the window | the same, on skewed series | the same; more anomalies than its quantiles allow |
//! | [`ewma`] | a stream | 10 ns | 80 B | spikes | runs of odd values |
//! | [`welford`] | a stream | 10 ns | 80 B | values far from the mean of a well-behaved series | anything on series with outliers |
//! | [`bocpd`] | a stream | 3 us | 5 KB | changes of level or spread, not spikes | seasons are changes to it |
//! | [`random_cut_forest`] | a stream, or rows of several metrics | 20 us | 560 KB | odd values, and usual ones at an unusual time; imputes, expects, blames | new levels, until they are learned |
//! | [`residuals`] | a stream, with a forecaster | 0.1 us and the forecaster's | as the forecaster's, and 2.7 KB | what the forecaster did not expect | what it expects too readily: last values follow any step |
//! | [`absence`] | arrivals of a stream | 0.1 us | 2.8 KB | a series that stops, a job that does not run | series that come irregularly |
//! | [`stuck`] | a stream | 10 ns | 80 B | a value that does not move any more | everything else |
//! | [`cusum`], [`page_hinkley`] | a stream | 10 ns | 150 B | small shifts that last | spikes; seasons are shifts to them |
//! | [`esd`] | a whole series | 5 us at 10,000 samples | 60 B a sample | outliers after season and level, how many of them is a test | level shifts, skewed noise |
//! | [`spectral_residual`] | a whole series | 0.5 us | 100 B a sample | sudden changes on smooth or periodic series | slow ones, noise |
//! | [`matrix_profile`] | a whole series, or a stream | 19 us at 32,000 samples; 3 us | 100 B a sample | windows of an odd shape, on any season | single values, size, what happens twice |
//! | [`pelt`] | a whole series | 1 to 10 us | 40 B a sample | every lasting change of level, at once | spikes; cuts drift into steps |
//!
//! Rows of several numbers (hosts and their metrics, or the metrics of one host over time):
//!
//! | module | cost of a row | memory | finds | misses |
//! |---|---|---|---|---|
//! | [`auto_metrics`] | 50 us with 38 columns | 40 KB a column | metrics of one machine over time: the one to begin with | single spikes, drift |
//! | [`auto_table`] | 10 us with 8 columns | 2 MB | tables: the one to begin with | rows odd only among their neighbours |
//! | [`copod`] | 30 ns a value | 32 B a distinct value | values in the tails, the long ones first | as ecod |
//! | [`ecod`] | 30 ns a value | 32 B a distinct value | values in the tails of their columns; no parameters | odd combinations, odd values in the middle |
//! | [`extended_isolation_forest`] | 5 us with 8 columns | 6 KB and 1.5 KB a column a tree | odd combinations, without ghosts beside groups | local anomalies in dense regions |
//! | [`hbos`] | 5 ns a value | 16 B a bin | rare values, also between others | odd combinations |
//! | [`half_space_trees`] | 2 us, a stream | 820 KB | rows where the last window had few; follows what changes | fine structure, clumps that fill a window |
//! | [`isolation_forest`] | 0.5 us | 9 KB a tree | rows that are odd in any few columns | rows odd only among their neighbours |
//! | [`knn`] | 5 us up to 15 columns | 8 B a remembered value | rows far from all others, odd combinations | dense clumps of anomalies |
//! | [`lof`] | 15 us up to 15 columns | 8 B a remembered value | rows less dense than their neighbours | equal rows, large groups of anomalies |
//! | [`sampled_neighbors`] | 5 us with 8 columns | 8 B a sampled value | rows far from most others, clumps of them too | local anomalies |
//! | [`robust_mahalanobis`] | 0.1 us with 8 columns | 8 B for each pair of columns | rows off the relations of the dense half, however many they are | curved relations, clusters |
//! | [`pca`] | 1 ns a column and component | 8 B a column and component | relations between columns that no longer hold | curved relations, clusters |
//!
//! Logs, by their templates: [`logs`].
//!
//! [`calibrate`] puts any score on the scale of probabilities by its own past, [`spot`] sets a
//! threshold for a wanted risk from the tail of the scores, [`budget`] one for a number of false
//! pages a week, with a proof.
//! [`exclusion`] keeps windows in which nobody is to be woken: maintenance, nightly jobs.
//! [`draw`] makes pictures of a series with its band and scores as text.
//! [`release`] compares two releases, metric by metric.
//! [`metrics`] measures detectors on labelled data, and [`threshold`] and [`monitor`] turn scores
//! into verdicts.
//!
//! # Missing values
//!
//! A missing value is `NaN` and keeps its place. A missing sample of a series gets the score `NaN`
//! and is not learned. What a row with missing values gets is said in each detector's table of
//! degenerate cases; a row without any value gets `NaN`. Infinite values are refused with their
//! index.
//!
//! # Crate features
//!
//! - `serde`: `Serialize` and `Deserialize` for configurations, and stored models.
//! - `rayon`: fits and scores on the caller's rayon pool; results are the same to the bit.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod absence;
pub mod auto;
pub mod auto_metrics;
pub mod auto_table;
pub mod bocpd;
pub mod budget;
pub mod calibrate;
mod columns;
pub mod copod;
pub mod cusum;
pub mod draw;
pub mod ecod;
pub mod esd;
pub mod ewma;
pub mod exclusion;
pub mod extended_isolation_forest;
mod fourier;
pub mod half_space_trees;
pub mod hbos;
pub mod isolation_forest;
pub mod knn;
pub mod lof;
pub mod logs;
pub mod matrix_profile;
pub mod metrics;
pub mod monitor;
mod neighbors;
mod ordered_window;
pub mod page_hinkley;
pub mod pca;
pub mod pelt;
pub mod random_cut_forest;
pub mod release;
pub mod residuals;
pub mod robust_mahalanobis;
pub mod robust_z;
pub mod rolling_mad;
pub mod rolling_quantile;
mod rows;
mod running;
pub mod sampled_neighbors;
pub mod scaling;
pub mod seasonal;
pub mod spectral_residual;
pub mod spot;
mod spread;
pub mod stuck;
mod symmetric;
mod tails;
pub mod threshold;
pub mod welford;

pub use spread::MAX_SCORE;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
