//! What comes next? Hourly requests with a daily shape; the last day is kept back and compared.

use std::error::Error;
use std::time::Duration;

use aiops_core::{FittedForecaster as _, Forecaster as _, Seed, Series, TimeAxis, Timestamp};
use aiops_forecast::conformal::{Conformal, ConformalConfig};
use aiops_forecast::draw::Fan;
use aiops_forecast::ets::{AutoEts, AutoEtsConfig};
use aiops_forecast::metrics;

const DAY: usize = 24;
const DAYS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut noise = Seed::default().rng();
    let start: Timestamp = "2026-03-02T00:00:00Z".parse()?;
    let axis = TimeAxis::regular(start, Duration::from_hours(1), DAYS * DAY)?;
    let requests = (0..DAYS * DAY).map(|hour| {
        let (day, angle) = (hour / DAY, hour as f64 / DAY as f64 * std::f64::consts::TAU);
        let level = 500.0 + 10.0 * day as f64;
        level * (1.0 - 0.6 * angle.cos()) * (1.0 + 0.05 * noise.normal())
    });
    let requests = Series::new(axis, requests.collect())?;
    let known = requests.view().slice(0, (DAYS - 1) * DAY);
    let kept_back = requests.view().slice((DAYS - 1) * DAY, DAYS * DAY).values();

    let mut config = AutoEtsConfig::default(); // aiops-forecast
    config.season = DAY;
    let calibrated = Conformal::new(AutoEts::try_from(config)?, ConformalConfig::default())?;
    let model = calibrated.fit(known)?;
    let forecast = model.forecast(DAY, &[0.1, 0.9])?;
    let (Some(low), Some(high)) = (forecast.quantile(0.1), forecast.quantile(0.9)) else {
        return Err("the levels that were asked for".into());
    };

    println!("chosen form: {}", model.model().form());
    for hour in (0..DAY).step_by(3) {
        println!(
            "{}  {:5.0} expected, {:5.0} to {:5.0} four times out of five; came {:5.0}",
            forecast.axis().view().at(hour),
            forecast.mean()[hour],
            low[hour],
            high[hour],
            kept_back[hour]
        );
    }
    let error = metrics::smape(kept_back, forecast.mean());
    let inside = metrics::coverage(kept_back, &low.to_vec(), &high.to_vec());
    println!(
        "mean error {error:.1} %, {:.0} % of the hours inside",
        100.0 * inside
    );

    let week = known.slice(known.len() - 7 * DAY, known.len());
    let fan = model.forecast(DAY, &[0.025, 0.1, 0.9, 0.975])?;
    let picture = std::env::temp_dir().join("what_comes_next.svg");
    let svg = Fan::new("requests an hour", week, &fan)
        .limit(1_200.0)
        .svg();
    std::fs::write(&picture, svg)?;
    println!("a picture of it: {}", picture.display());
    Ok(())
}
