//! A threshold from the number of false pages that people accept.
//!
//! Time is cut into blocks, and the highest score of a block is compared with those of the blocks
//! before it: a conformal predictor over blocks (Vovk, Gammerman and Shafer, *Algorithmic Learning
//! in a Random World*, 2005, proposition 2.3).

use aiops_core::{Decision, ParamError, Threshold, Timestamp};

use crate::ordered_window::OrderedWindow;

const WEEK: u32 = 7 * 86_400;
/// Most blocks that are remembered.
const MAX_BLOCKS: f64 = 65_535.0;

/// Parameters of [`PageBudget`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PageBudgetConfig {
    /// False pages accepted in a period: greater than 0, and fewer than there are blocks in it.
    pub pages: f64,
    /// Seconds of the period; a week by default. At least one block.
    pub period_s: u32,
    /// Seconds of a block, at least 1; an hour by default. Longer than an anomaly and than the memory
    /// of the scores: blocks should have little to do with each other.
    pub block_s: u32,
    /// Pages' worth of blocks that are remembered, at least 1: 4 forgets what is older than four
    /// pages by the budget. More is steadier, fewer adapts faster.
    pub depth: u32,
}

impl Default for PageBudgetConfig {
    fn default() -> Self {
        Self {
            pages: 1.0,
            period_s: WEEK,
            block_s: 3_600,
            depth: 4,
        }
    }
}

impl PageBudgetConfig {
    /// The part of each of `series` that share this budget. The expected pages of all together are
    /// the budget, however the series depend on each other.
    #[must_use]
    pub fn shared_by(mut self, series: usize) -> Self {
        self.pages /= series.max(1) as f64;
        self
    }

    /// Pages for each block.
    fn risk(&self) -> f64 {
        self.pages * f64::from(self.block_s) / f64::from(self.period_s)
    }

    fn check(&self) -> Result<usize, ParamError> {
        if self.block_s == 0 || self.block_s > self.period_s {
            let expected = "at least 1 and at most the period";
            return Err(ParamError::new("block_s", expected, self.block_s));
        }
        if self.depth == 0 {
            return Err(ParamError::new("depth", "at least 1", 0));
        }
        let blocks = (f64::from(self.depth) / self.risk()).ceil();
        if !(self.pages > 0.0 && self.risk() < 1.0 && blocks <= MAX_BLOCKS) {
            let expected = "greater than 0, fewer than the blocks of a period, and not so few \
                            that depth pages take more than 65535 blocks";
            return Err(ParamError::new("pages", expected, self.pages));
        }
        Ok(blocks as usize)
    }
}

/// A threshold that keeps the expected number of false pages within a budget, for scores on any
/// scale and of any distribution.
///
/// A page is a block in which a score is called anomalous: alerts within one are to be grouped.
///
/// ```
/// use aiops_core::{Seed, Threshold, Timestamp};
/// use aiops_detect::budget::{PageBudget, PageBudgetConfig};
///
/// // One false page a week, with a score every minute, over a year.
/// let mut budget = PageBudget::try_from(PageBudgetConfig::default())?;
/// let mut rng = Seed(1).rng();
/// let (mut pages, mut last) = (0, None);
/// for minute in 0..60 * 24 * 364 {
///     let at = Timestamp::from_secs(60 * minute).unwrap();
///     if budget.decide(at, rng.normal().abs()).anomalous && last != Some(minute / 60) {
///         pages += 1;
///         last = Some(minute / 60);
///     }
/// }
/// assert!((30..=70).contains(&pages), "{pages} pages, 51 are the budget");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Theorem
///
/// Let the highest scores of the blocks be exchangeable while nothing is wrong: any order of them
/// is as likely as any other. Then the highest score of a block is among the `k` highest of it and
/// the `n` before it with probability at most `k / (n + 1)`, ties counted against it. With `k = floor(risk (n + 1))`
/// a page has a probability of at most `risk = pages * block_s / period_s` in each block, and, expectations being linear,
/// the expected number of pages in a period is at most `pages`. Blocks need not be independent of each
/// other beyond that, nor samples within a block, nor the series that
/// [share](PageBudgetConfig::shared_by) a budget.
///
/// The assumption fails where quiet and busy hours alternate: score by time of day
/// first ([`seasonal`](crate::seasonal), [`auto`](crate::auto)). It fails after a change of the score's
/// distribution too, until the blocks before it are forgotten.
///
/// # Formula
///
/// ```text
/// threshold = the k-th highest of the last n block maxima; a score above it is anomalous
/// n         = as many as were seen, at most depth / risk
/// ```
///
/// Blocks with a page are remembered like all others, or the threshold would fall after each.
///
/// # Cost
///
/// A comparison for each score, `O(log n)` and a small move for each block; 10 bytes for each
/// remembered block, 7 KB by default.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `1 / risk - 1` blocks seen | nothing is anomalous: no score could be so rare; see [`blocks`](PageBudget::blocks) |
/// | `NaN`, infinite | not anomalous, not learned |
/// | all scores equal | nothing is anomalous |
/// | blocks without a score | do not count |
/// | time that goes back | counted to the present block |
///
/// # Not good for
///
/// The first days: the default says nothing for a week. Take a fixed threshold until then.
#[derive(Clone, Debug, PartialEq)]
pub struct PageBudget {
    config: PageBudgetConfig,
    maxima: OrderedWindow,
    needed: usize,
    present: Option<Block>,
    threshold: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    index: i64,
    highest: f64,
}

impl TryFrom<PageBudgetConfig> for PageBudget {
    type Error = ParamError;

    fn try_from(config: PageBudgetConfig) -> Result<Self, ParamError> {
        let window = config.check()?;
        Ok(Self {
            config,
            maxima: OrderedWindow::new(window),
            needed: ((1.0 / config.risk()).ceil() as usize).saturating_sub(1),
            present: None,
            threshold: f64::INFINITY,
        })
    }
}

impl PageBudget {
    /// Its parameters.
    pub fn config(&self) -> &PageBudgetConfig {
        &self.config
    }

    /// Blocks seen, as far as they are remembered, and blocks needed before the first page.
    pub fn blocks(&self) -> (usize, usize) {
        (self.maxima.len(), self.needed)
    }

    /// The score above which one is anomalous; infinite at first.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.maxima.heap_bytes()
    }

    /// Takes the block that ended into the comparison.
    fn close(&mut self, block: Block) {
        self.maxima.push(block.highest);
        self.place();
    }

    fn place(&mut self) {
        let seen = self.maxima.len();
        // The product may fall short of a whole number by rounding.
        let rank = (self.config.risk() * (seen + 1) as f64 * (1.0 + 1e-12)).floor() as usize;
        self.threshold = if rank == 0 || seen == 0 {
            f64::INFINITY
        } else {
            self.maxima.nth(seen - rank.min(seen))
        };
    }
}

impl Threshold for PageBudget {
    fn decide(&mut self, at: Timestamp, score: f64) -> Decision {
        let none = Decision {
            anomalous: false,
            threshold: self.threshold.next_up(),
            probability: None,
        };
        if !score.is_finite() {
            return none;
        }
        let index = at
            .as_nanos()
            .div_euclid(i64::from(self.config.block_s) * 1_000_000_000);
        match &mut self.present {
            Some(block) if index <= block.index => block.highest = block.highest.max(score),
            present => {
                let ended = present.replace(Block {
                    index,
                    highest: score,
                });
                if let Some(ended) = ended {
                    self.close(ended);
                }
            }
        }
        Decision {
            anomalous: score > self.threshold,
            threshold: self.threshold.next_up(),
            ..none
        }
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{Block, OrderedWindow, PageBudget, PageBudgetConfig};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        pages: f64,
        period_s: u32,
        block_s: u32,
        depth: u32,
        oldest: usize,
        #[serde(with = "exact_vec")]
        maxima: Vec<f64>,
        present: Option<i64>,
        #[serde(with = "exact")]
        highest: f64,
    }

    impl StoredModel for PageBudget {
        const KIND: &'static str = "detect.page-budget";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                pages: self.config.pages,
                period_s: self.config.period_s,
                block_s: self.config.block_s,
                depth: self.config.depth,
                oldest: self.maxima.oldest(),
                maxima: self.maxima.values().to_vec(),
                present: self.present.map(|block| block.index),
                highest: self.present.map_or(0.0, |block| block.highest),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = PageBudgetConfig {
                pages: wire.pages,
                period_s: wire.period_s,
                block_s: wire.block_s,
                depth: wire.depth,
            };
            let mut budget =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            if !wire.highest.is_finite() {
                return Err(LoadError::payload("a highest score is not finite"));
            }
            let window = config
                .check()
                .map_err(|error| LoadError::payload(error.to_string()))?;
            budget.maxima = OrderedWindow::restore(window, wire.oldest, wire.maxima)?;
            budget.present = wire.present.map(|index| Block {
                index,
                highest: wire.highest,
            });
            budget.place();
            Ok(budget)
        }
    }
}
