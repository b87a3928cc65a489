//! What comes next, and when does it run out? Forecasts of operational time series with calibrated
//! quantiles, and time to exhaustion as a distribution.
//!
//! ```
//! use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
//! use aiops_forecast::auto::{Auto, AutoConfig};
//! use std::time::Duration;
//!
//! let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 336)?;
//! let requests = (0..336).map(|hour| 200.0 + 30.0 * f64::from(hour % 24)).collect();
//! let requests = Series::new(axis, requests)?;
//!
//! let mut config = AutoConfig::default();
//! config.seasons = vec![24, 168]; // a day and a week of hours
//! let model = Auto::try_from(config)?.fit(requests.view())?;
//! let ahead = model.forecast(24, &[0.1, 0.5, 0.9])?;
//! assert!((ahead.mean()[5] - 350.0).abs() < 10.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this sits
//!
//! ```text
//! SeriesStore -> Series on a regular grid
//!             -> Forecaster::fit -> FittedForecaster::forecast -> Forecast   mean and quantiles
//!             -> Capacity::outlook -> Outlook                                when it runs out
//!             -> a rule (aiops-alert), a residual detector (aiops-detect), a page
//! ```
//!
//! The traits are those of `aiops-core`; a program that holds a `Box<dyn FittedForecaster>` does not
//! see which algorithm is inside.
//!
//! # Which forecaster?
//!
//! | module | for | cost of a fit, 1,000 values | online | not for |
//! |---|---|---|---|---|
//! | [`auto`] | when in doubt: tries the others on the series' own past and combines the best | 20 to 50 ms | yes | known future events |
//! | [`direct`] | daily and weekly shapes: the best single one on hourly data | 0.3 ms | yes | series without a season |
//! | [`ets`] | one short season, trends that grow with the level; says its form and components | 5 to 30 ms | yes | seasons above 24 |
//! | [`arima`] | memory that fades, seasons of up to 24 samples, regressors, gaps | 5 to 60 ms, of a given order 1 ms | yes | sudden changes of level |
//! | [`theta`] | short series, trends | 0.2 ms | yes | several seasons |
//! | [`lstm`] | many series of one kind: trained on all of them, forecasts any one | training 1 to 2 minutes, then 0.3 ms | yes | one short series alone |
//! | [`mstl`] | several seasons, with components that a person can look at | 4 ms | yes | shapes that change at once |
//! | [`smoothing`] | simple exponential smoothing, Holt, Holt-Winters by their names | 0.1 to 3 ms | yes | several seasons |
//! | [`intermittent`] | series that are 0 most of the time | 10 us | yes | series that are seldom 0 |
//! | [`moving_average`] | smoothing that everyone understands | 10 us | yes | trends |
//! | [`naive`] | the bar that every other one has to clear | 5 us | yes | |
//! | [`capacity`] | when is a limit reached, with what probability? | 3 ms | | growth that speeds up |
//!
//! [`conformal`] calibrates the quantiles of any of them by its own rolling errors and goes on doing so
//! in updates, tracks the coverage achieved and says when a refit is wanted; [`auto`] does so by itself. [`backtest`] and [`metrics`] say how good a forecaster is, [`naive2`] and
//! [`metrics::owa`] as in the M4 competition. [`stl`] takes a series apart;
//! [`draw`] shows a forecast as a fan, and the parts, as SVG.
//!
//! # Time
//!
//! The axis must be regular; instants that are listed are taken when they are equally spaced to one
//! part in a thousand. Seasons are counted in samples.
//!
//! # Missing values
//!
//! A missing value is `NaN` and keeps its place. Exponential smoothing, ARIMA and the naive forecasts skip
//! it: states move on, nothing is learned. Theta, MSTL and the regression fill gaps by straight
//! lines in training. Each says so in its table of degenerate cases. Counters are to be turned into
//! rates first (`aiops_core::prepare`).
//!
//! # Crate features
//!
//! - `serde`: `Serialize` and `Deserialize` for configurations, and stored models
//!   ([`aiops_core::stored`]) of exponential smoothing, ARIMA, Theta, MSTL, averages, intermittent
//!   series and the naive forecasts.
//! - `rayon`: [`many::fit_many`] fits many series and [`lstm::Lstm::train`] its nets on the caller's rayon
//!   pool; models are the same to the bit.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod arima;
pub mod auto;
pub mod backtest;
pub mod capacity;
pub mod conformal;
pub mod direct;
pub mod draw;
pub mod ets;
mod grid;
pub mod intermittent;
pub mod lstm;
pub mod many;
pub mod metrics;
pub mod moving_average;
pub mod mstl;
pub mod naive;
mod naive2;
mod optimise;
mod products;
pub mod smoothing;
pub mod stl;
pub mod theta;
mod tracking;
#[cfg(feature = "serde")]
mod wire;

pub use naive2::naive2;
