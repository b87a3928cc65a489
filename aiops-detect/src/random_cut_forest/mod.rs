//! Random cut forest: how much does a point change trees that are cut at random?
//!
//! Guha, Mishra, Roy and Schrijvers, *Robust Random Cut Forest Based Anomaly Detection on
//! Streams*, ICML 2016, with the score, the normalisation and the defaults of Amazon's
//! implementation; the sample by Efraimidis and Spirakis, *Weighted Random Sampling With a
//! Reservoir*, IPL 2006, weights fading with age.

mod explain;
mod points;
mod tree;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::numerics::median;
use aiops_core::{
    Band, DataError, ParamError, Sample, ScoreError, Seed, StreamingDetector, Timestamp, Warmup,
};

use crate::rows::{check_columns, check_finite};
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor, distance, mean_deviation};
pub use explain::Attribution;

use points::{Points, Unit};
use tree::{Passed, Scratch, Tree};

/// Rows from which centre and unit of each dimension are taken.
const UNIT_ROWS: usize = 32;

/// Rows that are remembered, in units of the time in which weights fall to 1/e: what is older has
/// a share of 2 % of a sample.
const REMEMBERED: usize = 4;

/// Old points are looked for so many times while the memory passes once.
const ROUNDS: usize = 16;

/// Parameters of [`RandomCutForest`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RandomCutForestConfig {
    /// Number of trees, from 1 to 1000.
    pub trees: usize,
    /// Points that each tree holds, from 2 to 4096.
    pub sample_size: usize,
    /// Rows that make a point: the last one and those before it. At least 1; more than 1 to see
    /// values that are odd only after those before them. Times `dimensions` at most 1024.
    pub shingle: usize,
    /// Values of a row: 1 for a single series. At least 1.
    pub dimensions: usize,
    /// Rows over which the weight of a point in the samples falls to 1/e; at least `sample_size`
    /// and at most 16000. Nothing older than four times as many is remembered.
    pub memory: usize,
    /// Rows needed before the first score; at least 32 and the shingle.
    pub warmup: usize,
    /// Smallest unit assumed, in the unit of the series. Not negative. A series that was constant
    /// at first has no unit of its own: give the smallest change that matters here.
    pub min_scale: f64,
    /// Smallest unit assumed, as a share of the absolute value of the centre. Not negative.
    pub relative_min_scale: f64,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for RandomCutForestConfig {
    fn default() -> Self {
        Self {
            trees: 50,
            sample_size: 256,
            shingle: 8,
            dimensions: 1,
            memory: 2_560,
            warmup: 64,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
            seed: Seed::default(),
        }
    }
}

impl RandomCutForestConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        let width = self.dimensions.saturating_mul(self.shingle);
        let bounds = [
            ("trees", self.trees, 1, 1_000, "from 1 to 1000"),
            ("sample_size", self.sample_size, 2, 4_096, "from 2 to 4096"),
            ("dimensions", self.dimensions, 1, 1_024, "from 1 to 1024"),
            (
                "shingle",
                self.shingle,
                1,
                1_024,
                "from 1 to 1024 / dimensions",
            ),
            ("shingle", width, 1, 1_024, "from 1 to 1024 / dimensions"),
            (
                "memory",
                self.memory,
                self.sample_size.max(self.shingle),
                16_000,
                "from sample_size and shingle to 16000",
            ),
            (
                "warmup",
                self.warmup,
                UNIT_ROWS.max(self.shingle),
                usize::MAX,
                "at least 32 and the shingle",
            ),
        ];
        for (name, value, least, most, expected) in bounds {
            if !(least..=most).contains(&value) {
                return Err(ParamError::new(name, expected, value));
            }
        }
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }

    fn capacity(&self) -> usize {
        REMEMBERED * self.memory + self.shingle
    }
}

/// An online detector over a series, or rows of several metrics.
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::random_cut_forest::{RandomCutForest, RandomCutForestConfig};
///
/// let mut forest = RandomCutForest::try_from(RandomCutForestConfig::default())?;
/// let mut largest = (0.0, 0);
/// for second in 0..1_000_u32 {
///     let wave = 10.0 * (f64::from(second) / 8.0).sin() + f64::from(second * 7 % 11) / 20.0;
///     // A usual value at an unusual time.
///     let value = if second == 800 { -wave } else { wave };
///     let sample = Sample::new(Timestamp::from_nanos(second.into()), value);
///     if let Some(score) = forest.update(sample) && score > largest.0 && second > 300 {
///         largest = (score, second);
///     }
/// }
/// assert!((800..808).contains(&largest.1), "{largest:?}");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// score  = log2(n + 1) * mean over the trees of s(root)
/// s(v)   = p / (depth + 1) + (1 - p) s(child of v on the way of the point)
/// p      = distance outside the box of v / (extent of the box with the point + 0.001 a dimension)
/// s(end) = the same with (1 - m / 2n) / (depth + log2(m + 1)) for a point that is there m times
/// ```
///
/// `n` is the number of points in the tree. From 0 to `log2(n + 1)`; 1 is usual, 1.5 to 2 odd. A
/// tree cuts its points by a random dimension, in proportion to the extent of their box, at a
/// random value; a point that lies apart is cut off early.
///
/// Centre and unit of each dimension, its median and spread, are those of the first 32 rows.
///
/// # Attribution, expected and missing values
///
/// [`attribution`](Self::attribution) gives each metric and lag, and each direction, its part of
/// the score. [`impute`](Self::impute) fills in what is missing in a row, [`expected`](Self::expected)
/// a whole row: each tree gives the values of its point that is nearest in the known ones, on the
/// ways that known cuts leave open; the median of the trees is taken.
///
/// # Cost
///
/// By default some 20 us for a sample, half of them for the score, and 560 KB; both in proportion to the number of trees.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` rows | no score |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | row with some missing values | imputed; scored, and not taken into the samples |
/// | row without any value | no score; not learned |
/// | infinite value in a row | [`DataError::Infinite`] |
/// | values farther than 1e6 units from the centre | count as so far |
/// | constant first rows | the floor is the unit; 1 where that is 0 |
///
/// There is no band: what is odd depends on all lags.
///
/// # Not good for
///
/// A new level, which stays odd until the samples have it, for hundreds of rows; series whose
/// spread changes much after the first rows; more than a few metrics without relation, whose
/// cuts are spent on all of them. A spike stays in the shingle: the score is high for as many rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomCutForest {
    config: RandomCutForestConfig,
    floor: ScaleFloor,
    /// Rows until units are taken from them.
    first: Vec<f64>,
    /// Of each dimension; empty until then.
    units: Vec<Unit>,
    points: Points,
    trees: Vec<Tree>,
    /// Rows in the shingle after the last imputed one that are still needed for a clean point.
    unclean: usize,
    /// Row at which keys have no age.
    epoch: u64,
}

impl TryFrom<RandomCutForestConfig> for RandomCutForest {
    type Error = ParamError;

    fn try_from(config: RandomCutForestConfig) -> Result<Self, ParamError> {
        let floor = config.check()?;
        Ok(Self {
            config,
            floor,
            first: Vec::new(),
            units: Vec::new(),
            points: Points::new(config.shingle, config.dimensions, config.capacity()),
            trees: vec![Tree::new(config.sample_size); config.trees],
            unclean: 0,
            epoch: 0,
        })
    }
}

impl RandomCutForest {
    /// Its parameters.
    pub fn config(&self) -> &RandomCutForestConfig {
        &self.config
    }

    /// Scores a row by what was learned so far; `None` while warming up, and for a row without any
    /// value.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] when there are not as many values as dimensions, or one is infinite.
    pub fn score_row(&self, row: &[f64]) -> Result<Option<f64>, ScoreError> {
        let Some(point) = self.point(row)? else {
            return Ok(None);
        };
        let mut scratch = Scratch::default();
        let scores = self.trees.iter().filter(|tree| tree.len() > 0);
        let scores: Vec<f64> = scores
            .map(|tree| {
                let mut score = 0.0;
                tree.rise(&self.points, &point, &mut scratch, |passed| {
                    let apart = passed.separation();
                    let before = if passed.last {
                        seen(passed, tree.len())
                    } else {
                        score
                    };
                    score = apart / (passed.depth + 1) as f64 + (1.0 - apart) * before;
                    apart > 0.0
                });
                score * normal(tree.len())
            })
            .collect();
        let count = scores.len();
        Ok((count > 0).then(|| scores.iter().sum::<f64>() / count as f64))
    }

    /// Learns a row.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn learn_row(&mut self, row: &[f64]) -> Result<(), ScoreError> {
        self.check(row)?;
        if row.iter().all(|value| value.is_nan()) {
            return Ok(());
        }
        if !self.units.is_empty() {
            let scaled = self.imputed(&self.scaled(row));
            self.learn_scaled(&scaled, row.iter().any(|value| value.is_nan()));
            return Ok(());
        }
        self.first.extend_from_slice(row);
        let dimensions = self.config.dimensions;
        if self.first.len() == UNIT_ROWS * dimensions {
            let first = std::mem::take(&mut self.first);
            self.units = (0..dimensions)
                .map(|dimension| {
                    let column = first[dimension..].iter().step_by(dimensions);
                    self.unit(column.copied().filter(|value| !value.is_nan()).collect())
                })
                .collect();
            for row in first.chunks_exact(dimensions) {
                let scaled = self.imputed(&self.scaled(row));
                self.learn_scaled(&scaled, row.iter().any(|value| value.is_nan()));
            }
        }
        Ok(())
    }

    /// Scores a row, then learns it.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn update_row(&mut self, row: &[f64]) -> Result<Option<f64>, ScoreError> {
        let score = self.score_row(row)?;
        self.learn_row(row)?;
        Ok(score)
    }

    fn check(&self, row: &[f64]) -> Result<(), DataError> {
        check_columns(self.config.dimensions, row.len())?;
        check_finite(row)
    }

    /// The point that the row would make, missing values filled in.
    fn point(&self, row: &[f64]) -> Result<Option<Vec<f32>>, ScoreError> {
        self.check(row)?;
        let missing = row.iter().all(|value| value.is_nan());
        if missing || self.warmup() != Warmup::Ready {
            return Ok(None);
        }
        let row = self.imputed(&self.scaled(row));
        Ok(Some(self.points.with(&row)))
    }

    fn unit(&self, mut values: Vec<f64>) -> Unit {
        if values.is_empty() {
            return Unit {
                center: 0.0,
                scale: 1.0,
            };
        }
        let center = median(&mut values);
        let mut away: Vec<f64> = values
            .iter()
            .map(|&value| distance(value, center))
            .collect();
        let mad = median(&mut away);
        let scale = self
            .floor
            .scale(center, mad, || mean_deviation(&values, center));
        Unit {
            center,
            scale: if scale > 0.0 { scale } else { 1.0 },
        }
    }

    fn scaled(&self, row: &[f64]) -> Vec<f32> {
        let scaled = row.iter().zip(&self.units).map(|(&value, unit)| {
            if value.is_nan() {
                f32::NAN
            } else {
                unit.apply(value)
            }
        });
        scaled.collect()
    }

    fn learn_scaled(&mut self, row: &[f32], imputed: bool) {
        self.points.push(row);
        self.unclean = if imputed {
            self.config.shingle
        } else {
            self.unclean.saturating_sub(1)
        };
        let mut scratch = Scratch::default();
        let now = self.points.pushed();
        if self.points.has_point() && self.unclean == 0 {
            let mut rng = self.config.seed.child(now).rng();
            let slot = self.points.last();
            let age = (now - self.epoch) as f64 / self.config.memory as f64;
            for tree in &mut self.trees {
                // The key of a point with weight exp(age): the smaller, the longer it stays.
                let uniform = 1.0 - rng.uniform();
                let key = (-uniform.ln()).max(f64::MIN_POSITIVE).ln() - age;
                tree.offer(&self.points, slot, key as f32, &mut rng, &mut scratch);
            }
        }
        let round = (self.config.memory * REMEMBERED / ROUNDS).max(1) as u64;
        if now.is_multiple_of(round) {
            let by = ((now - self.epoch) as f64 / self.config.memory as f64) as f32;
            self.epoch = now;
            // What would be overwritten before the next round.
            let oldest = self.config.capacity() - self.config.shingle - round as usize;
            for tree in &mut self.trees {
                tree.age(&self.points, oldest, by, &mut scratch);
            }
        }
    }
}

/// Score of a point at the node where it ends, if it is no other than the points there.
fn seen(passed: &Passed<'_>, count: usize) -> f64 {
    let mass = passed.mass as f64;
    let damped = 1.0 - mass / (2.0 * count as f64);
    damped / (passed.depth as f64 + (mass + 1.0).log2())
}

/// Makes scores of trees of different sizes comparable.
fn normal(count: usize) -> f64 {
    ((count + 1) as f64).log2()
}

impl StreamingDetector for RandomCutForest {
    fn kind(&self) -> &'static str {
        "detect.random-cut-forest"
    }

    fn warmup(&self) -> Warmup {
        let gathered = (self.first.len() / self.config.dimensions) as u64;
        let seen = (gathered + self.points.pushed()).min(usize::MAX as u64) as usize;
        spread::warmup(seen, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        self.score_row(&[sample.value]).ok().flatten()
    }

    fn learn_one(&mut self, sample: Sample) {
        // An infinite sample is not learned, nor anything where rows have several values.
        let _ = self.learn_row(&[sample.value]);
    }

    fn band(&self, _at: Timestamp, _max_score: f64) -> Option<Band> {
        None
    }

    fn size_bytes(&self) -> usize {
        let trees = self.trees.iter();
        let trees = trees.map(|tree| size_of::<Tree>() + tree.heap_bytes());
        size_of::<Self>()
            + self.first.capacity() * size_of::<f64>()
            + self.units.capacity() * size_of::<Unit>()
            + self.points.heap_bytes()
            + trees.sum::<usize>()
    }
}
