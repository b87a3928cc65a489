//! Is this normal?

use std::collections::VecDeque;

use ndarray::ArrayView2;

use crate::{Band, DataError, FitError, Sample, ScoreError, Series, SeriesView, Timestamp};

/// An anomaly detection algorithm with its parameters, not yet fitted.
pub trait Detector: Send + Sync {
    /// What [`fit`](Self::fit) returns.
    type Model: FittedDetector + 'static;

    /// Learns what is normal from `train`.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when `train` is too short for the algorithm.
    fn fit(&self, train: SeriesView<'_>) -> Result<Self::Model, FitError>;
}

/// A fitted detector. A larger score is more anomalous, for every algorithm.
pub trait FittedDetector: Send + Sync {
    /// Number of leading samples that get no score.
    fn warmup(&self) -> usize {
        0
    }

    /// Writes one score per sample; `NaN` where there is none: a missing sample, or one of the
    /// first [`warmup`](Self::warmup).
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] when `scores` is not as long as `series`.
    fn score_into(&self, series: SeriesView<'_>, scores: &mut [f64]) -> Result<(), ScoreError>;

    /// One score per sample; see [`score_into`](Self::score_into).
    ///
    /// # Errors
    ///
    /// As [`score_into`](Self::score_into).
    fn score(&self, series: SeriesView<'_>) -> Result<Vec<f64>, ScoreError> {
        let mut scores = vec![f64::NAN; series.len()];
        self.score_into(series, &mut scores)?;
        Ok(scores)
    }
}

impl<M: FittedDetector + ?Sized> FittedDetector for Box<M> {
    fn warmup(&self) -> usize {
        (**self).warmup()
    }

    fn score_into(&self, series: SeriesView<'_>, scores: &mut [f64]) -> Result<(), ScoreError> {
        (**self).score_into(series, scores)
    }
}

/// The boxed form of [`Detector`], for lists of different algorithms.
pub trait DynDetector: Send + Sync {
    /// As [`Detector::fit`].
    ///
    /// # Errors
    ///
    /// As [`Detector::fit`].
    fn fit_boxed(&self, train: SeriesView<'_>) -> Result<Box<dyn FittedDetector>, FitError>;
}

impl<D: Detector> DynDetector for D {
    fn fit_boxed(&self, train: SeriesView<'_>) -> Result<Box<dyn FittedDetector>, FitError> {
        Ok(Box::new(self.fit(train)?))
    }
}

/// Fails unless there is one score for each sample. The check that every detector makes first.
///
/// # Errors
///
/// [`DataError::Length`].
pub fn check_scores(expected: usize, scores: &[f64]) -> Result<(), DataError> {
    if scores.len() == expected {
        Ok(())
    } else {
        Err(DataError::Length {
            what: "scores",
            expected,
            found: scores.len(),
        })
    }
}

/// Whether a streaming detector has seen enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    /// Not yet.
    Warming {
        /// Samples seen.
        seen: usize,
        /// Samples needed.
        needed: usize,
    },
    /// It scores.
    Ready,
}

/// A detector that learns one sample at a time, in bounded memory. Samples arrive in order of
/// time; missing ones as `NaN`, which get no score and are not learned.
pub trait StreamingDetector: Send {
    /// Name of the algorithm, such as `detect.rolling-mad`.
    fn kind(&self) -> &'static str;

    /// Whether it has seen enough to score.
    fn warmup(&self) -> Warmup;

    /// Scores `sample` against what was learned so far, without learning it.
    fn score_one(&self, sample: Sample) -> Option<f64>;

    /// Learns `sample`.
    fn learn_one(&mut self, sample: Sample);

    /// Scores, then learns.
    fn update(&mut self, sample: Sample) -> Option<f64> {
        let score = self.score_one(sample);
        self.learn_one(sample);
        score
    }

    /// The values that would score at most `max_score` at the instant `at`, or `None` while
    /// warming up, and for algorithms whose normal values are no interval.
    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band>;

    /// Memory in use.
    fn size_bytes(&self) -> usize;
}

impl<S: StreamingDetector + ?Sized> StreamingDetector for Box<S> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    fn warmup(&self) -> Warmup {
        (**self).warmup()
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (**self).score_one(sample)
    }

    fn learn_one(&mut self, sample: Sample) {
        (**self).learn_one(sample);
    }

    fn update(&mut self, sample: Sample) -> Option<f64> {
        (**self).update(sample)
    }

    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band> {
        (**self).band(at, max_score)
    }

    fn size_bytes(&self) -> usize {
        (**self).size_bytes()
    }
}

/// A streaming detector as a batch one: each sample is scored by what came before it.
///
/// Fitting plays the training series through the detector; scoring goes on from there, on a copy,
/// so that one model can score several series.
#[derive(Clone, Debug)]
pub struct Replay<S> {
    detector: S,
}

impl<S> Replay<S> {
    /// Starts from `detector` as it is.
    pub fn new(detector: S) -> Self {
        Self { detector }
    }
}

impl<S: StreamingDetector + Clone + Sync + 'static> Detector for Replay<S> {
    type Model = Self;

    fn fit(&self, train: SeriesView<'_>) -> Result<Self, FitError> {
        let mut detector = self.detector.clone();
        train.iter().for_each(|sample| detector.learn_one(sample));
        Ok(Self { detector })
    }
}

impl<S: StreamingDetector + Clone + Sync> FittedDetector for Replay<S> {
    fn warmup(&self) -> usize {
        match self.detector.warmup() {
            Warmup::Warming { seen, needed } => needed.saturating_sub(seen),
            Warmup::Ready => 0,
        }
    }

    fn score_into(&self, series: SeriesView<'_>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(series.len(), scores)?;
        let mut detector = self.detector.clone();
        for (sample, score) in series.iter().zip(scores) {
            *score = detector.update(sample).unwrap_or(f64::NAN);
        }
        Ok(())
    }
}

/// A batch detector as a streaming one: fitted anew on the last `window` samples after every
/// `every` samples. Scoring one sample costs one call of the fitted detector.
#[derive(Debug)]
pub struct Refit<D: Detector> {
    detector: D,
    window: usize,
    every: usize,
    recent: VecDeque<Sample>,
    since_fit: usize,
    model: Option<D::Model>,
}

impl<D: Detector> Refit<D> {
    /// Remembers `window` samples and fits after every `every` of them, both at least 1.
    pub fn new(detector: D, window: usize, every: usize) -> Self {
        let (window, every) = (window.max(1), every.max(1));
        Self {
            detector,
            window,
            every,
            recent: VecDeque::new(),
            since_fit: 0,
            model: None,
        }
    }
}

impl<D: Detector> StreamingDetector for Refit<D>
where
    D::Model: Send,
{
    fn kind(&self) -> &'static str {
        "core.refit"
    }

    fn warmup(&self) -> Warmup {
        match self.model {
            Some(_) => Warmup::Ready,
            None => Warmup::Warming {
                seen: self.recent.len(),
                needed: self.window,
            },
        }
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        let series = Series::from_samples(&[sample]).ok()?;
        let scores = self.model.as_ref()?.score(series.view()).ok()?;
        scores.first().copied().filter(|score| !score.is_nan())
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.recent.len() == self.window {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
        self.since_fit += 1;
        let due = self.since_fit >= self.every || self.model.is_none();
        if self.recent.len() == self.window && due {
            self.since_fit = 0;
            // A window that cannot be fitted keeps the model that there is.
            let fitted = Series::from_samples(self.recent.make_contiguous())
                .ok()
                .and_then(|series| self.detector.fit(series.view()).ok());
            self.model = fitted.or(self.model.take());
        }
    }

    fn band(&self, _at: Timestamp, _max_score: f64) -> Option<Band> {
        None
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.recent.capacity() * size_of::<Sample>()
    }
}

/// An anomaly detection algorithm over rows of numbers, not yet fitted.
pub trait MultivariateDetector: Send + Sync {
    /// What [`fit`](Self::fit) returns.
    type Model: FittedMultivariateDetector + 'static;

    /// Learns what is normal from `train`: rows are observations, columns are features.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when there are too few rows or no column.
    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<Self::Model, FitError>;

    /// One score for each training row: which rows of one table are odd among the others?
    ///
    /// Like fitting and scoring the same rows, but for detectors that look at neighbours, where a
    /// row does not count as its own neighbour.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        Ok(self.fit(train)?.score(train)?)
    }
}

/// A fitted detector over rows of numbers. A larger score is more anomalous.
pub trait FittedMultivariateDetector: Send + Sync {
    /// Writes one score per row; `NaN` where there is none.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] when `scores` is not as long as `rows`, or `rows` has another number
    /// of columns than the training rows.
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError>;

    /// One score per row; see [`score_into`](Self::score_into).
    ///
    /// # Errors
    ///
    /// As [`score_into`](Self::score_into).
    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, ScoreError> {
        let mut scores = vec![f64::NAN; rows.nrows()];
        self.score_into(rows, &mut scores)?;
        Ok(scores)
    }

    /// How much each column contributes to the score of `row`, one number per column; a larger
    /// one is more to blame. The scale is the algorithm's own. A missing value contributes 0.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] when `row` has another length than the training rows, or an infinite
    /// value.
    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError>;
}

impl<M: FittedMultivariateDetector + ?Sized> FittedMultivariateDetector for Box<M> {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        (**self).score_into(rows, scores)
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        (**self).explain(row)
    }
}

/// The boxed form of [`MultivariateDetector`], for lists of different algorithms.
pub trait DynMultivariateDetector: Send + Sync {
    /// As [`MultivariateDetector::fit`].
    ///
    /// # Errors
    ///
    /// As [`MultivariateDetector::fit`].
    fn fit_boxed(
        &self,
        train: ArrayView2<'_, f64>,
    ) -> Result<Box<dyn FittedMultivariateDetector>, FitError>;

    /// As [`MultivariateDetector::fit_score`].
    ///
    /// # Errors
    ///
    /// As [`MultivariateDetector::fit`].
    fn fit_score_boxed(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError>;
}

impl<D: MultivariateDetector> DynMultivariateDetector for D {
    fn fit_boxed(
        &self,
        train: ArrayView2<'_, f64>,
    ) -> Result<Box<dyn FittedMultivariateDetector>, FitError> {
        Ok(Box::new(self.fit(train)?))
    }

    fn fit_score_boxed(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        self.fit_score(train)
    }
}
