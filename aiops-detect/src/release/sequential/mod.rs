//! A comparison that may be looked at after every interval, and stopped at any look.
//!
//! Ville's inequality (*Etude critique de la notion de collectif*, 1939): a non-negative process that is not
//! expected to grow, and begins at 1, ever reaches `1 / alpha` with probability at most `alpha`. Such a
//! process for each bound that is in doubt gives p-values and intervals that hold at all looks at once
//! (Robbins, *Statistical Methods Related to the Law of the Iterated Logarithm*, 1970; Howard et al., *Time-uniform, Nonparametric,
//! Nonasymptotic Confidence Sequences*, Annals of Statistics, 2021).

mod ratios;
mod signs;

use aiops_core::numerics::median;

use super::answer::{Answer, Aspect, MetricAnswer, Report};
use super::test::{Margin, Test};
use super::{BadMetric, Count, Data, Metric, Policy, Release, ReleaseError};
use ratios::Ratios;
use signs::{Pair, Signs};

/// A release that is watched interval by interval.
///
/// ```
/// use aiops_core::Seed;
/// use aiops_detect::release::sequential::Sequential;
/// use aiops_detect::release::{Answer, Policy, Release, ReleaseConfig};
///
/// let mut watch = Sequential::new(Release::try_from(ReleaseConfig::default())?);
/// let latency = watch.values("latency_ms", Policy::default(), 1)?;
/// let mut rng = Seed(1).rng();
/// let mut looks = 0;
/// while watch.report().answer == Answer::Inconclusive {
///     looks += 1;
///     watch.update_values(latency, 100.0 + rng.normal(), 112.0 + rng.normal());
/// }
/// assert_eq!(watch.report().answer, Answer::Fail);
/// assert!(looks < 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What holds, and when
///
/// At all looks together, a report fails without a change beyond a margin with
/// probability at most `alpha` (with Holm's correction, whatever the metrics have to do with each other), and
/// passes in spite of one with probability at most `alpha`. Intervals hold the truth at all looks with probability `1 - alpha`.
///
/// - *Values*: the pairs' differences (with [`absolute_floor`](Policy::absolute_floor)) or ratios (without) have the same
///   median whatever came before. Nothing is assumed of their distribution: signs against each bound are counted,
///   and mixed over all shares above one half. Where pairs resemble their neighbours, take means of
///   `block` pairs, long enough to have little to do with each other.
/// - *Counts*: given the intervals before and the sum of both sides, the candidate's events are binomial with the share
///   that the exposures and a constant ratio of rates give. So it is for Poisson events, also when
///   both rates move together; for hits among trials (as events over an exposure of trials) it is cautious (Hoeffding 1963).
///   Events that come in bursts on one side are not Poisson: give their rates as values.
///
/// # Cost
///
/// 257 logarithms an interval of counts and 5 KB; for values a place in a sorted list, 8 bytes a block.
///
/// # Not good for
///
/// The last bit of power: the same data looked at once, at a time fixed before, decide with about half as much.
#[derive(Clone, Debug)]
pub struct Sequential {
    release: Release,
    metrics: Vec<Watched>,
}

/// A metric of a [`Sequential`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetricId(usize);

#[derive(Clone, Debug)]
struct Watched {
    name: String,
    policy: Policy,
    margin: Margin,
    seen: u64,
    missing: u64,
    process: Process,
    /// Logarithm of the largest evidence so far; see [`Bound`].
    best: [f64; 4],
}

/// Which end of the margin evidence excludes, and whether the effect is above or below it.
#[derive(Clone, Copy, Debug)]
enum Bound {
    LowerFromAbove,
    UpperFromAbove,
    LowerFromBelow,
    UpperFromBelow,
}

const BOUNDS: [Bound; 4] = [
    Bound::LowerFromAbove,
    Bound::UpperFromAbove,
    Bound::LowerFromBelow,
    Bound::UpperFromBelow,
];

#[derive(Clone, Debug)]
enum Process {
    Signs(Signs),
    Ratios(Box<Ratios>),
}

impl Sequential {
    /// Nothing is watched yet.
    pub fn new(release: Release) -> Self {
        Self {
            release,
            metrics: Vec::new(),
        }
    }

    /// Watches the values of a metric, one of each side an interval, of which `block` are averaged.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when the policy is out of its range; `block` 0 is 1.
    pub fn values(
        &mut self,
        name: &str,
        policy: Policy,
        block: usize,
    ) -> Result<MetricId, ReleaseError> {
        let relative = policy.absolute_floor == 0.0;
        let margin = if relative {
            Margin::around_one(policy.relative_floor)
        } else {
            Margin::around_zero(policy.absolute_floor)
        };
        let process = Process::Signs(Signs::new(relative, block.max(1)));
        self.add(name, policy, margin, process)
    }

    /// Watches the events of a metric. The margin is the [`relative_floor`](Policy::relative_floor).
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when the policy is out of its range.
    pub fn counts(&mut self, name: &str, policy: Policy) -> Result<MetricId, ReleaseError> {
        let margin = Margin::around_one(policy.relative_floor);
        let process = Process::Ratios(Box::new(Ratios::new(margin)));
        self.add(name, policy, margin, process)
    }

    fn add(
        &mut self,
        name: &str,
        policy: Policy,
        margin: Margin,
        process: Process,
    ) -> Result<MetricId, ReleaseError> {
        policy.check().map_err(|error| ReleaseError {
            metric: name.to_owned(),
            source: BadMetric::Policy(error),
        })?;
        self.metrics.push(Watched {
            name: name.to_owned(),
            policy,
            margin,
            seen: 0,
            missing: 0,
            process,
            best: [0.0; 4],
        });
        Ok(MetricId(self.metrics.len() - 1))
    }

    /// Takes in the values of one interval. A pair with a missing or infinite one is counted as
    /// missing, and so is one whose ratio is not positive where ratios are compared.
    ///
    /// # Panics
    ///
    /// When `metric` is not one of the values of this watch.
    pub fn update_values(&mut self, metric: MetricId, baseline: f64, candidate: f64) {
        let watched = &mut self.metrics[metric.0];
        let Process::Signs(signs) = &mut watched.process else {
            panic!("metric `{}` has counts", watched.name);
        };
        match signs.add(baseline, candidate) {
            Pair::Missing => watched.missing += 1,
            Pair::Waits => {}
            Pair::Block => watched.look(),
        }
    }

    /// Takes in the events of one interval. An interval with a number that is missing, infinite or
    /// negative is counted as missing.
    ///
    /// # Panics
    ///
    /// When `metric` is not one of the counts of this watch.
    pub fn update_counts(&mut self, metric: MetricId, baseline: Count, candidate: Count) {
        let watched = &mut self.metrics[metric.0];
        let Process::Ratios(ratios) = &mut watched.process else {
            panic!("metric `{}` has values", watched.name);
        };
        let good = |one: Count| {
            one.events >= 0.0
                && one.events.is_finite()
                && one.exposure > 0.0
                && one.exposure.is_finite()
        };
        if good(baseline) && good(candidate) {
            ratios.add(baseline, candidate);
            watched.look();
        } else {
            watched.missing += 1;
        }
    }

    /// What is known now. How much more data it takes is not said: it depends on the looks.
    pub fn report(&self) -> Report {
        let answers = self.metrics.iter().map(|watched| {
            let nothing = Data::Values {
                baseline: &[],
                candidate: &[],
            };
            let metric = Metric::new(&watched.name, watched.policy, nothing);
            let seen = watched.seen as usize;
            let mut answer = MetricAnswer::new(&metric, seen, seen, watched.missing as usize);
            if seen > 0 {
                let aspect = watched.process.aspect();
                self.release.add(
                    &mut answer,
                    aspect,
                    watched,
                    watched.margin,
                    &watched.policy,
                );
                answer.more = None;
            }
            answer
        });
        self.release.report(answers.collect())
    }

    /// Whether there is nothing more to wait for: it passes or fails.
    pub fn is_decided(&self) -> bool {
        self.report().answer != Answer::Inconclusive
    }
}

impl Watched {
    fn look(&mut self) {
        self.seen += 1;
        for (best, bound) in self.best.iter_mut().zip(BOUNDS) {
            let log = match &self.process {
                Process::Signs(signs) => signs.evidence(bound, self.margin),
                Process::Ratios(ratios) => ratios.evidence(bound),
            };
            *best = best.max(log);
        }
    }

    fn p(&self, bound: Bound) -> f64 {
        (-self.best[bound as usize]).exp().min(1.0)
    }
}

impl Test for Watched {
    fn estimate(&self) -> f64 {
        match &self.process {
            Process::Signs(signs) => signs.effect(median(&mut signs.sorted.clone())),
            Process::Ratios(ratios) => ratios.estimate(),
        }
    }

    fn p_above(&self, bound: f64) -> f64 {
        let lower = bound == self.margin.lower && bound < self.margin.upper;
        self.p(if lower {
            Bound::LowerFromAbove
        } else {
            Bound::UpperFromAbove
        })
    }

    fn p_below(&self, bound: f64) -> f64 {
        let upper = bound == self.margin.upper && bound > self.margin.lower;
        self.p(if upper {
            Bound::UpperFromBelow
        } else {
            Bound::LowerFromBelow
        })
    }

    fn interval(&self, alpha: f64) -> (f64, f64) {
        match &self.process {
            Process::Signs(signs) => signs.interval(alpha),
            Process::Ratios(ratios) => ratios.interval(alpha),
        }
    }

    fn deviation(&self, _bound: f64) -> f64 {
        f64::NAN
    }
}

impl Process {
    fn aspect(&self) -> Aspect {
        match self {
            Self::Signs(signs) if signs.relative => Aspect::Level,
            Self::Signs(_) => Aspect::Location,
            Self::Ratios(_) => Aspect::Rate,
        }
    }
}
