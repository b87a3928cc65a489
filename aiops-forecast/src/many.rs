//! The same forecaster over many series.

use std::sync::atomic::{AtomicUsize, Ordering};

use aiops_core::{FitError, Forecaster, SeriesView};

/// Fits each series on its own. One that does not suit keeps its place with its error, so that nothing
/// is dropped. With the feature `rayon` the work spreads over the caller's pool; models are the same to
/// the bit and in the same order. Beside the models, memory is that of as many fits as there are threads.
///
/// `progress` is told after each fit how many are done; with several threads it may be called from any
/// of them, at the same time, and a larger number before a smaller one.
///
/// ```
/// use aiops_core::{FittedForecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::many::fit_many;
/// use aiops_forecast::theta::{Theta, ThetaConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 20)?;
/// let hosts: Vec<Series> = (1..=3)
///     .map(|host| Series::new(axis.clone(), (0..20).map(|t| f64::from(host * t)).collect()))
///     .collect::<Result<_, _>>()?;
/// let views: Vec<_> = hosts.iter().map(Series::view).collect();
/// let models = fit_many(&Theta::try_from(ThetaConfig::default())?, &views, |_done| {});
/// for (model, host) in models.into_iter().zip(1..) {
///     let next = model?.forecast(1, &[])?.mean()[0];
///     assert!((next - 20.0 * f64::from(host)).abs() < 0.1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fit_many<F: Forecaster>(
    forecaster: &F,
    series: &[SeriesView<'_>],
    progress: impl Fn(usize) + Send + Sync,
) -> Vec<Result<F::Model, FitError>> {
    let done = AtomicUsize::new(0);
    let fit = |one: &SeriesView<'_>| {
        let model = forecaster.fit(*one);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        model
    };
    each(series, fit)
}

#[cfg(feature = "rayon")]
fn each<T: Send>(
    series: &[SeriesView<'_>],
    fit: impl Fn(&SeriesView<'_>) -> T + Send + Sync,
) -> Vec<T> {
    use rayon::prelude::*;
    series.par_iter().map(fit).collect()
}

#[cfg(not(feature = "rayon"))]
fn each<T>(series: &[SeriesView<'_>], fit: impl Fn(&SeriesView<'_>) -> T) -> Vec<T> {
    series.iter().map(fit).collect()
}
