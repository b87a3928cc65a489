//! The traits that the leaves implement and that programs compose.

mod detector;
mod forecaster;
mod ranker;
mod threshold;

pub use detector::{
    Detector, DynDetector, DynMultivariateDetector, FittedDetector, FittedMultivariateDetector,
    MultivariateDetector, Refit, Replay, StreamingDetector, Warmup, check_scores,
};
pub use forecaster::{
    DynForecaster, FittedForecaster, Forecast, Forecaster, OnlineForecaster, check_request,
};
pub use ranker::{Case, ComponentMetric, RootCauseRanker};
pub use threshold::{Decision, Threshold};
