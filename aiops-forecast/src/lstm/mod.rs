//! A recurrent network trained on many series at once.
//!
//! Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997; trained globally, with
//! quantiles of all steps ahead at once, as in Wen, Torkkola, Narayanaswamy and Madeka, *A Multi-Horizon
//! Quantile Recurrent Forecaster*, 2017. The network corrects a seasonal naive forecast and starts at
//! a correction of 0; beside the layer a straight way leads from the seasonal differences of the window to
//! the forecast (Zeng, Chen, Zhang and Xu, *Are Transformers Effective for Time Series Forecasting?*,
//! AAAI 2023, say how far that alone goes).

mod kernels;
mod model;
mod network;
mod train;
mod window;
#[cfg(feature = "serde")]
mod wire;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use aiops_core::{DataError, FitError, ParamError, Seed, SeriesView, check_request};

pub use model::{FittedLstm, GlobalLstm, Report};

use crate::grid::{Grid, filled};
use crate::mstl::check_seasons;
use model::Trained;
use train::{HeldOut, Train};
use window::{Frame, Scale, last};

/// Floating-point operations in a nanosecond, on an ordinary core: a table, not a clock, so that
/// training does not depend on the machine.
const OPERATIONS_PER_NANOSECOND: f64 = 30.0;

/// Parameters of [`Lstm`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct LstmConfig {
    /// Samples in each season, at least 2, increasing; empty for none. The default is a day and a
    /// week of hours.
    pub seasons: Vec<usize>,
    /// Steps ahead to train for, at least 1.
    pub horizon: usize,
    /// Samples that a window looks back; two of the longest season, and 1.25 horizons, at least when
    /// not given.
    pub window: Option<usize>,
    /// Width of the layer, from 1 to 1,024.
    pub hidden: usize,
    /// Nets that are trained from different seeds and averaged, from 1 to 64.
    pub nets: usize,
    /// Steps of each net, 256 windows each, at least 1; fewer where the budget says so.
    pub steps: usize,
    /// Time on an ordinary core for all nets together, estimated from the size of the network
    /// rather than measured, so that the result does not depend on the machine. A progress callback
    /// that looks at a clock may stop earlier.
    pub budget: Duration,
    /// Step size at the beginning, above 0 and at most 0.1; it falls to 0 along half a cosine.
    pub learning_rate: f64,
    /// Start of all random numbers.
    pub seed: Seed,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            seasons: vec![24, 168],
            horizon: 24,
            window: None,
            hidden: 64,
            nets: 3,
            steps: 1_500,
            budget: Duration::from_mins(2),
            learning_rate: 4e-3,
            seed: Seed::default(),
        }
    }
}

/// A global recurrent network, not yet trained.
///
/// Training takes many series of one kind, a step and seasons that they share, and gives a
/// [`GlobalLstm`], which is a [`Forecaster`](aiops_core::Forecaster) of any one of them and of others
/// like them.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::lstm::{Lstm, LstmConfig};
/// use std::{ops::ControlFlow, time::Duration};
///
/// let host = |host: u32| -> Result<Series, aiops_core::DataError> {
///     let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 300)?;
///     let load = (0..300).map(|h| f64::from(100 * host + 20 * (h % 24) + h * 7 % 11)).collect();
///     Series::new(axis, load)
/// };
/// let hosts = (1..8).map(host).collect::<Result<Vec<_>, _>>()?;
/// let views: Vec<_> = hosts.iter().map(Series::view).collect();
///
/// let mut config = LstmConfig::default();
/// (config.seasons, config.horizon) = (vec![24], 12);
/// (config.nets, config.steps) = (1, 20); // a few hundred at least in earnest
/// let network = Lstm::try_from(config)?.train(&views, |progress| {
///     println!("step {} of {}: loss {:.3}", progress.step, progress.steps, progress.loss);
///     ControlFlow::Continue(())
/// })?;
/// let ahead = network.fit(hosts[2].view())?.forecast(12, &[0.1, 0.9])?;
/// assert!((ahead.mean()[0] - 545.0).abs() < 30.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Data
///
/// A window is made free of level and scale by itself: the network sees its standardised values and
/// its seasonal differences in units of their mean size, one patch (a season, or some 48 values of a longer
/// one) at a step; logarithms where the values stay away from 0. The last horizon of every series is
/// held out: it chooses among the states of training (early stopping) and calibrates the quantiles.
/// Quantiles are learned at 2.5, 10, 25, 50, 75, 90 and 97.5 %; others lie on straight lines between them, as
/// quantiles of a normal distribution do. The mean of a forecast is its median.
///
/// # Cost
///
/// Some 11 ms a step of 256 windows of two weeks of hours, so 50 seconds for three nets of 1,500 steps; 0.25 ms
/// for a forecast of 48 steps; an update moves the window on by one value. 67,000 weights a net at that size. With the feature
/// `rayon` nets are trained side by side, with the same result.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no series, or none long enough: the longest season, one more, and two horizons | [`DataError::TooShort`] |
/// | a series that is too short among others | left out and counted in [`Report::skipped`] |
/// | a past shorter than the window | continued backwards with its own seasons |
/// | a past shorter than the longest season and one more, in a forecast | [`DataError::TooShort`] |
/// | missing values | filled by straight lines; in an update the value one season ago stands in |
/// | constant series | the constant |
/// | more steps ahead than trained for | the network goes on from its own medians, quantiles widen with the root |
///
/// Results are the same for the same series in the same order, for any number of threads; other
/// processors may round otherwise.
///
/// # Not good for
///
/// One short series alone: a recurrent network has to see many windows before it is better than exponential
/// smoothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm {
    config: LstmConfig,
}

impl TryFrom<LstmConfig> for Lstm {
    type Error = ParamError;

    fn try_from(config: LstmConfig) -> Result<Self, ParamError> {
        check_seasons(&config.seasons)?;
        check_request(config.horizon, &[])?;
        let longest = config.seasons.last().copied().unwrap_or(1);
        let outside = |value: usize, most: usize| !(1..=most).contains(&value);
        if let Some(window) = config.window.filter(|&window| window < longest) {
            return Err(ParamError::new(
                "window",
                "at least the longest season",
                window,
            ));
        }
        if outside(config.hidden, 1_024) {
            return Err(ParamError::new("hidden", "from 1 to 1,024", config.hidden));
        }
        if outside(config.nets, 64) {
            return Err(ParamError::new("nets", "from 1 to 64", config.nets));
        }
        if config.steps == 0 {
            return Err(ParamError::new("steps", "at least 1", config.steps));
        }
        if !(config.learning_rate > 0.0 && config.learning_rate <= 0.1) {
            let expected = "above 0 and at most 0.1";
            return Err(ParamError::new(
                "learning_rate",
                expected,
                config.learning_rate,
            ));
        }
        Ok(Self { config })
    }
}

/// Where training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The net, from 0.
    pub net: usize,
    /// Nets in all.
    pub nets: usize,
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Mean pinball loss of the last batch, in units of the mean seasonal change.
    pub loss: f64,
    /// The same on the windows held out.
    pub held_out_loss: f64,
}

impl Lstm {
    /// Trains on all series, which should have the same step. Calls `progress` every 50 steps of each
    /// net; when it answers [`ControlFlow::Break`], that net stops there and the best state so far is
    /// kept.
    ///
    /// # Errors
    ///
    /// [`DataError`] when no series is long enough, or one is not regular.
    pub fn train(
        &self,
        series: &[SeriesView<'_>],
        progress: impl Fn(Progress) -> ControlFlow<()> + Sync,
    ) -> Result<GlobalLstm, FitError> {
        let config = &self.config;
        let frame = Frame::new(&config.seasons, config.window, config.horizon);
        let shape = frame.shape(config.hidden);
        let usable = usable(series, &frame)?;
        let work = shape.work() * 256.0 * config.nets as f64 / OPERATIONS_PER_NANOSECOND;
        let affordable = (config.budget.as_nanos() as f64 / work) as usize;
        let steps = config.steps.min(affordable.max(1));
        let held_out = HeldOut::of(&usable, &frame, shape);
        let train = |index| train::net(config, index, steps, &usable, &held_out, &frame, &progress);
        #[cfg(not(feature = "rayon"))]
        let nets: Vec<train::Net> = (0..config.nets).map(train).collect();
        #[cfg(feature = "rayon")]
        let nets: Vec<train::Net> = {
            use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
            (0..config.nets).into_par_iter().map(train).collect()
        };
        let report = Report {
            steps,
            series: usable.len(),
            skipped: series.len() - usable.len(),
            held_out_losses: nets.iter().map(|net| net.loss).collect(),
            stopped: nets.iter().any(|net| net.stopped),
        };
        let nets: Vec<Vec<f32>> = nets.into_iter().map(|net| net.parameters).collect();
        let factors = train::factors(&held_out, shape, &nets);
        Ok(GlobalLstm(Arc::new(Trained {
            frame,
            shape,
            nets,
            factors,
            report,
        })))
    }
}

/// The series that are long enough, filled and scaled, with the places where windows may end.
fn usable(series: &[SeriesView<'_>], frame: &Frame) -> Result<Vec<Train>, DataError> {
    let needed = frame.needed() + 2 * frame.horizon;
    let mut usable = Vec::with_capacity(series.len());
    let mut longest = 0;
    for view in series {
        Grid::after(*view)?;
        let values = filled(view.values());
        longest = longest.max(values.len());
        if values.len() < needed {
            continue;
        }
        let scale = Scale::of(&values);
        let season = frame.seasons[frame.seasons.len() - 1];
        // Room for the first window: the series is continued backwards.
        let before = frame.reach() - frame.needed();
        let mut values = last(&values, values.len() + before, season);
        for value in &mut values {
            *value = scale.apply(*value);
        }
        let first = frame.reach();
        // The last horizon is held out, so the last window ends two of them before the end.
        let last = values.len() - 2 * frame.horizon;
        // Windows without anything made up, where there are enough of them.
        let real = first + before;
        let first = if last >= real + frame.horizon {
            real
        } else {
            first
        };
        usable.push(Train {
            values,
            first,
            last,
        });
    }
    if usable.is_empty() {
        return Err(DataError::TooShort {
            needed,
            found: longest,
        });
    }
    Ok(usable)
}
