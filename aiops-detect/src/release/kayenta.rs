//! Kayenta's judge, for those who come from it: the same classes, the same score.
//!
//! Follows the judge `NetflixACAJudge-v1.0` of [Kayenta](https://github.com/spinnaker/kayenta): outliers
//! beyond three interquartile ranges are dropped, a metric is high or low where the interval of the
//! Mann-Whitney test at 98 percent confidence is beyond a quarter of the Hodges-Lehmann shift, groups are
//! scored by the share of metrics that pass.
//!
//! Values are taken as independent, metrics are not corrected for their number, and any change that
//! is certain counts unless [`allowed_increase`](JudgedMetric::allowed_increase) says otherwise: one of fifty metrics without
//! change fails. [`Release`](super::Release) does better.

use std::collections::BTreeMap;

use aiops_core::ParamError;
use aiops_core::numerics::{mean, normal};

use super::rank::{pairs_above, sorted, untied};
use crate::monitor::Direction;

/// Share of metrics without data from which on a release fails.
const TOO_MANY_WITHOUT_DATA: f64 = 0.5;

/// Parameters of [`Judge`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct JudgeConfig {
    /// Share of the shift that its interval must be beyond; 0.25.
    pub tolerance: f64,
    /// Confidence of the interval, between 0 and 1; 0.98.
    pub confidence: f64,
    /// Score from which on a release passes, of 100; 95.
    pub pass: f64,
    /// Score from which on it is marginal, at most `pass`; 75.
    pub marginal: f64,
    /// Weights of groups, of 100 together; groups without one share the rest.
    pub weights: BTreeMap<String, f64>,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self {
            tolerance: 0.25,
            confidence: 0.98,
            pass: 95.0,
            marginal: 75.0,
            weights: BTreeMap::new(),
        }
    }
}

/// A metric, with what Kayenta's configuration calls `analysisConfigurations.canary`.
#[derive(Clone, Debug)]
pub struct JudgedMetric<'a> {
    /// Its name.
    pub name: &'a str,
    /// Groups it counts in.
    pub groups: Vec<&'a str>,
    /// Values of the baseline; `NaN` is missing.
    pub baseline: &'a [f64],
    /// Values of the candidate.
    pub candidate: &'a [f64],
    /// On which side a change is a failure (`direction`).
    pub direction: Direction,
    /// Missing values are 0 instead of dropped (`nanStrategy: replace`).
    pub missing_is_zero: bool,
    /// Fails the release by itself (`critical`).
    pub critical: bool,
    /// Fails when there are no data (`mustHaveData`).
    pub must_have_data: bool,
    /// Ratio of the means from which on high is a failure; 1.
    pub allowed_increase: f64,
    /// Ratio of the means down from which low is a failure; 1.
    pub allowed_decrease: f64,
    /// The same for a failure of the release, where `critical`; 1.
    pub critical_increase: f64,
    /// The same; 1.
    pub critical_decrease: f64,
}

impl<'a> JudgedMetric<'a> {
    /// With Kayenta's defaults.
    pub fn new(name: &'a str, group: &'a str, baseline: &'a [f64], candidate: &'a [f64]) -> Self {
        Self {
            name,
            groups: vec![group],
            baseline,
            candidate,
            direction: Direction::Both,
            missing_is_zero: false,
            critical: false,
            must_have_data: false,
            allowed_increase: 1.0,
            allowed_decrease: 1.0,
            critical_increase: 1.0,
            critical_decrease: 1.0,
        }
    }
}

/// Class of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Class {
    /// No difference that counts.
    Pass,
    /// The candidate is higher.
    High,
    /// The candidate is lower.
    Low,
    /// A side has no values.
    Nodata,
    /// A side has no values, and must have some.
    NodataFailMetric,
}

/// Class of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ScoreClass {
    /// The score reaches `pass`.
    Pass,
    /// The score reaches `marginal`.
    Marginal,
    /// The score is lower.
    Fail,
}

/// A metric that was judged.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Mean of the candidate divided by the baseline's, without outliers; 1 where the latter is 0.
    pub ratio: f64,
    /// Whether it fails the release by itself.
    pub fails_release: bool,
}

/// What the judge says.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Judgement {
    /// The class of the release.
    pub class: ScoreClass,
    /// 0 to 100, with two decimals.
    pub score: f64,
    /// Score of each group; `None` without data.
    pub groups: BTreeMap<String, Option<f64>>,
    /// In the order they were given.
    pub metrics: Vec<Judged>,
}

/// The judge. Build it from a [`JudgeConfig`].
///
/// ```
/// use aiops_detect::release::kayenta::{Judge, JudgeConfig, JudgedMetric, ScoreClass};
///
/// let baseline: Vec<f64> = (0..60).map(|i| 100.0 + f64::from(i * 7 % 11)).collect();
/// let candidate: Vec<f64> = baseline.iter().map(|value| value + 20.0).collect();
/// let judge = Judge::try_from(JudgeConfig::default())?;
/// let said = judge.judge(&[JudgedMetric::new("latency", "http", &baseline, &candidate)]);
/// assert_eq!((said.class, said.score), (ScoreClass::Fail, 0.0));
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    config: JudgeConfig,
}

impl TryFrom<JudgeConfig> for Judge {
    type Error = ParamError;

    fn try_from(config: JudgeConfig) -> Result<Self, ParamError> {
        crate::spread::check_not_negative("tolerance", config.tolerance)?;
        if !(config.confidence > 0.0 && config.confidence < 1.0) {
            let expected = "between 0 and 1, exclusive";
            return Err(ParamError::new("confidence", expected, config.confidence));
        }
        if !(config.pass <= 100.0 && (0.0..=config.pass).contains(&config.marginal)) {
            let got = format!("{} and {}", config.marginal, config.pass);
            let expected = "at least 0 and at most pass, which is at most 100";
            return Err(ParamError::new("marginal", expected, got));
        }
        let sum: f64 = config.weights.values().sum();
        if config.weights.values().all(|weight| *weight >= 0.0) && sum <= 100.0 {
            Ok(Self { config })
        } else {
            let expected = "not negative and at most 100 together";
            Err(ParamError::new("weights", expected, sum))
        }
    }
}

impl Judge {
    /// Its parameters.
    pub fn config(&self) -> &JudgeConfig {
        &self.config
    }

    /// Judges a release. Infinite values count as missing. Costs `O(n log n)` times about 200 for each
    /// metric.
    pub fn judge(&self, metrics: &[JudgedMetric<'_>]) -> Judgement {
        let judged: Vec<Judged> = metrics.iter().map(|metric| self.classify(metric)).collect();
        let mut classes: BTreeMap<&str, Vec<Class>> = BTreeMap::new();
        for (metric, one) in metrics.iter().zip(&judged) {
            for group in &metric.groups {
                classes.entry(group).or_default().push(one.class);
            }
        }
        let groups: BTreeMap<String, Option<f64>> = classes
            .into_iter()
            .map(|(group, classes)| (group.to_owned(), group_score(&classes)))
            .collect();
        let without = judged
            .iter()
            .filter(|one| one.class == Class::Nodata)
            .count();
        let nothing = without as f64 >= TOO_MANY_WITHOUT_DATA * judged.len() as f64;
        let score = if judged.iter().any(|one| one.fails_release) || nothing {
            0.0
        } else {
            self.score(&groups)
        };
        let class = if score >= self.config.pass {
            ScoreClass::Pass
        } else if score >= self.config.marginal {
            ScoreClass::Marginal
        } else {
            ScoreClass::Fail
        };
        Judgement {
            class,
            score,
            groups,
            metrics: judged,
        }
    }

    fn score(&self, groups: &BTreeMap<String, Option<f64>>) -> f64 {
        let weights = &self.config.weights;
        let others = groups.keys().filter(|name| !weights.contains_key(*name));
        let rest = (100.0 - weights.values().sum::<f64>()) / others.count().max(1) as f64;
        let parts = groups.iter().map(|(name, score)| {
            score.unwrap_or(100.0) * weights.get(name).copied().unwrap_or(rest) / 100.0
        });
        (parts.sum::<f64>() * 100.0).round() / 100.0
    }

    fn classify(&self, metric: &JudgedMetric<'_>) -> Judged {
        let prepare = |values: &[f64]| without_outliers(&present(values, metric.missing_is_zero));
        let (own, other) = (prepare(metric.baseline), prepare(metric.candidate));
        let answer = |class: Class, ratio: f64, fails_release: bool| Judged {
            name: metric.name.to_owned(),
            class,
            ratio,
            fails_release,
        };
        if own.is_empty() || other.is_empty() {
            return match (
                metric.missing_is_zero,
                metric.must_have_data,
                metric.critical,
            ) {
                (true, ..) => answer(Class::Pass, 1.0, false),
                (false, true, false) => answer(Class::NodataFailMetric, 1.0, false),
                (false, _, critical) => answer(Class::Nodata, 1.0, critical),
            };
        }
        let one_value = own[0] == own[own.len() - 1] && other[0] == other[other.len() - 1];
        if own == other || (one_value && own[0] == other[0]) {
            return answer(Class::Pass, 1.0, false);
        }
        let shift = if one_value {
            // Kayenta adds noise of a hundred-thousandth here, which changes no class.
            let shift = other[0] - own[0];
            (shift, shift, shift)
        } else {
            interval(&own, &other, self.config.confidence)
        };
        let (lower, estimate, upper) = shift;
        let base = mean(&own);
        let ratio = if base == 0.0 {
            1.0
        } else {
            mean(&other) / base
        };
        let reach = self.config.tolerance * estimate.abs();
        let (up, down) = (
            metric.direction != Direction::Down,
            metric.direction != Direction::Up,
        );
        let critical = metric.critical;
        if up && lower > reach && ratio >= metric.allowed_increase {
            answer(
                Class::High,
                ratio,
                critical && ratio >= metric.critical_increase,
            )
        } else if down && upper < -reach && ratio <= metric.allowed_decrease {
            answer(
                Class::Low,
                ratio,
                critical && ratio <= metric.critical_decrease,
            )
        } else {
            answer(Class::Pass, ratio, false)
        }
    }
}

/// Share of the metrics with data that pass, of 100.
fn group_score(classes: &[Class]) -> Option<f64> {
    let count = |class: Class| classes.iter().filter(|&&one| one == class).count();
    let total = classes.len() - count(Class::Nodata);
    (total > 0).then(|| 100.0 * count(Class::Pass) as f64 / total as f64)
}

fn present(values: &[f64], missing_is_zero: bool) -> Vec<f64> {
    let filled = values.iter().filter_map(|&value| {
        let filling = missing_is_zero.then_some(0.0);
        if value.is_finite() {
            Some(value)
        } else {
            filling
        }
    });
    sorted(&filled.collect::<Vec<f64>>())
}

/// Drops what is beyond three interquartile ranges of the quartiles and beyond the outer percentiles.
fn without_outliers(sorted: &[f64]) -> Vec<f64> {
    let (low, high) = (percentile(sorted, 0.25), percentile(sorted, 0.75));
    let reach = 3.0 * (high - low);
    let lower = percentile(sorted, 0.01).min(low - reach);
    let upper = percentile(sorted, 0.99).max(high + reach);
    let inside = sorted
        .iter()
        .copied()
        .filter(|&value| value >= lower && value <= upper);
    inside.collect()
}

/// Type 6 of Hyndman and Fan 1996, as Commons Math has it; `NaN` of no value.
fn percentile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() + 1) as f64;
    let below = place.floor() as usize;
    match (sorted.first(), sorted.last()) {
        (Some(&first), _) if below < 1 => first,
        (_, Some(&last)) if below >= sorted.len() => last,
        (Some(_), _) => {
            let (a, b) = (sorted[below - 1], sorted[below]);
            a + (place - below as f64) * (b - a)
        }
        _ => f64::NAN,
    }
}

/// Lower end, estimate and upper end of the shift, as R's `wilcox.test` finds them without exactness:
/// where the continuity-corrected score passes the quantiles. The estimate is the middle of the shifts
/// whose score is 0.
fn interval(x: &[f64], y: &[f64], confidence: f64) -> (f64, f64, f64) {
    let pairs = x.len() as f64 * y.len() as f64;
    let score = |shift: f64| {
        let distance = pairs_above(x, y, shift) - 0.5 * pairs;
        let variance = pairs / 12.0 * (x.len() + y.len() + 1) as f64 * untied(x, y, shift);
        let corrected = distance
            - if distance == 0.0 {
                0.0
            } else {
                0.5_f64.copysign(distance)
            };
        if corrected == 0.0 {
            0.0
        } else {
            corrected / variance.sqrt()
        }
    };
    let (first, last) = (y[0] - x[x.len() - 1], y[y.len() - 1] - x[0]);
    // The smallest shift whose score is not above, or is below, a bound; the score falls.
    let passes = |over: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (first, last);
        if !over(score(low)) {
            return low;
        }
        if over(score(high)) {
            return high;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if over(score(middle)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let z = normal::tail_quantile(0.5 * (1.0 - confidence));
    let (left, right) = (passes(&|score| score > 0.0), passes(&|score| score >= 0.0));
    (
        passes(&|score| score > z),
        f64::midpoint(left, right),
        passes(&|score| score > -z),
    )
}
