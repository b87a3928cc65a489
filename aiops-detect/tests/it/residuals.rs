//! Errors of forecasters as scores.

use std::time::Duration;

use aiops_core::ndarray::Array2;
use aiops_core::{
    FittedForecaster, Forecast, ForecastError, OnlineForecaster, Outcome, Sample,
    StreamingDetector, TimeAxis, Timestamp,
};
use aiops_detect::monitor::{Monitor, MonitorConfig};
use aiops_detect::residuals::{Residuals, ResidualsConfig};
use aiops_detect::threshold::FixedThreshold;

use crate::streaming::holds_up;
use crate::support::{at, noise};

/// The value of one season ago; a missing one leaves what is there. With a season of 1 the last value.
#[derive(Clone, Debug, PartialEq)]
struct SeasonalNaive {
    season: Vec<f64>,
    place: usize,
}

impl SeasonalNaive {
    fn of(season: Vec<f64>) -> Self {
        Self { season, place: 0 }
    }
}

impl FittedForecaster for SeasonalNaive {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(1), horizon)?;
        let mean = (0..horizon)
            .map(|step| self.season[(self.place + step) % self.season.len()])
            .collect();
        let none = Array2::zeros((horizon, levels.len()));
        Ok(Forecast::new(axis, mean, levels.to_vec(), none)?)
    }
}

impl OnlineForecaster for SeasonalNaive {
    fn update(&mut self, sample: Sample) {
        if !sample.value.is_nan() {
            self.season[self.place] = sample.value;
        }
        self.place = (self.place + 1) % self.season.len();
    }
}

fn fresh(season: Vec<f64>) -> Residuals<SeasonalNaive> {
    Residuals::new(ResidualsConfig::default(), SeasonalNaive::of(season)).unwrap()
}

#[test]
fn holds_up_as_all_streaming_detectors() {
    holds_up(|| fresh(vec![0.0]), 2_800);
}

#[test]
fn scores_are_errors_in_robust_deviations() {
    let mut detector = fresh(vec![10.0]);
    let mut errors = Vec::new();
    let mut last = 10.0;
    for second in 0..40 {
        let value = 10.0 + noise(second);
        errors.push(value - last);
        last = value;
        detector.learn_one(at(second, value));
    }
    let (median, mad) = aiops_core::numerics::median_and_mad(&mut errors);
    let scale = 1.482_602_218_505_602 * mad;
    let score = detector.score_one(at(40, last + 9.0)).unwrap();
    assert!((score - (9.0 - median) / scale).abs() < 1e-9, "{score}");
    assert_eq!(detector.next().to_bits(), last.to_bits());
}

/// An ordinary value at an unusual time of the season, in a monitor with all its fields.
#[test]
fn the_unexpected_is_found_within_a_season() {
    let season: Vec<f64> = (0..60)
        .map(|place| if place < 30 { 20.0 } else { 80.0 })
        .collect();
    let threshold = FixedThreshold::new(6.0).unwrap();
    let mut policy = MonitorConfig::default();
    (policy.learn_clipped, policy.adapt_after) = (0, u32::MAX);
    let mut monitor = Monitor::new(policy, fresh(season.clone()), threshold).unwrap();
    let mut found = Vec::new();
    for second in 0..600 {
        let odd = (485..495).contains(&second); // the busy level in the quiet half
        let value = if odd { 80.0 } else { season[second % 60] } + noise(second);
        let verdict = monitor.update(at(second, value));
        if verdict.is_anomalous() {
            found.push(second);
            let band = verdict.band.unwrap();
            assert!(
                (15.0..25.0).contains(&band.center) && band.upper < 40.0,
                "{band:?}"
            );
            assert_eq!(verdict.model, "detect.residuals");
            assert!(verdict.floor > 0.0 && verdict.votes.is_some());
        } else if second < 32 {
            assert!(
                matches!(verdict.outcome, Outcome::Warming { .. }),
                "{verdict}"
            );
        }
    }
    // What is not learned is a missing sample to the forecaster: it keeps its place.
    assert_eq!(found, (487..495).collect::<Vec<_>>());
}

#[test]
fn a_gap_moves_the_forecaster_on() {
    let season: Vec<f64> = (0..10).map(|place| 100.0 * f64::from(place)).collect();
    let mut detector = fresh(season);
    for second in 0..95 {
        let gone = (50..57).contains(&second);
        let value = if gone {
            f64::NAN
        } else {
            100.0 * (second % 10) as f64 + noise(second)
        };
        let score = detector.update(at(second, value));
        assert!(
            score.is_none_or(|score| score < 10.0),
            "{second}: {score:?}"
        );
    }
}

#[test]
fn a_forecaster_without_a_finite_forecast_is_refused() {
    for bad in [f64::NAN, f64::INFINITY] {
        let forecaster = SeasonalNaive::of(vec![bad]);
        let refused = Residuals::new(ResidualsConfig::default(), forecaster);
        assert!(refused.is_err(), "{bad}");
    }
    let mut config = ResidualsConfig::default();
    config.errors.window = 1;
    assert!(Residuals::new(config, SeasonalNaive::of(vec![1.0])).is_err());
}
