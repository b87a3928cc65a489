//! Half-space trees: how many rows of the last window fell into the small box in which a row lies.
//!
//! Tan, Ting and Liu, *Fast Anomaly Detection for Streaming Data*, IJCAI 2011.

use aiops_core::{DataError, ParamError, ScoreError, Seed, Warmup};

use crate::rows::{check_columns, check_finite};
use crate::scaling::extremes;

/// Nodes of all trees together, at most: 16 bytes each, so that memory stays below 1 GB.
const MAX_NODES: usize = 1 << 26;

/// Parameters of [`HalfSpaceTrees`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HalfSpaceTreesConfig {
    /// Values in a row, at least 1.
    pub dimensions: usize,
    /// Number of trees, at least 1.
    pub trees: usize,
    /// Cuts from the root to a leaf, from 1 to 20. Each halves one column.
    pub height: usize,
    /// Rows of a window, at least 8: what was usual in the last full window is usual.
    pub window: usize,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for HalfSpaceTreesConfig {
    fn default() -> Self {
        Self {
            dimensions: 1,
            trees: 25,
            height: 10,
            window: 256,
            seed: Seed::default(),
        }
    }
}

/// A stream of rows. Build it from a [`HalfSpaceTreesConfig`].
///
/// ```
/// use aiops_detect::half_space_trees::{HalfSpaceTrees, HalfSpaceTreesConfig};
///
/// let mut config = HalfSpaceTreesConfig::default();
/// config.dimensions = 2;
/// let mut trees = HalfSpaceTrees::try_from(config)?;
/// // CPU share and requests a second go together.
/// for minute in 0..600 {
///     let load = f64::from(minute % 60) / 60.0;
///     trees.update_row(&[0.1 + 0.7 * load, 400.0 * load])?;
/// }
/// let usual = trees.score_row(&[0.45, 200.0])?.ok_or("warming up")?;
/// let odd = trees.score_row(&[0.75, 20.0])?.ok_or("warming up")?;
/// assert!(odd > usual + 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mass(tree) = rows of the last full window in the node * 2^depth
///              of the first node on the way with at most a tenth of the window, or the leaf
/// score      = -log2((mean of mass + 1 / trees) / window)
/// ```
///
/// In bits: 0 where rows are as dense as if spread evenly over the work space, more where they are
/// sparser; at most `log2(trees * window)`. The work space of a column reaches beyond what the first
/// window had in it, by a random margin on each side; a node is cut in the middle of a random column.
/// The trees never change, only the counts in their nodes.
///
/// # Cost
///
/// `O(trees * height)` a row, some 2 us; 16 bytes a node, by default 820 KB. Half of it with a height
/// one lower.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer rows than a window | no score |
/// | missing value (`NaN`) | both sides of its cuts: the way with more rows is taken; not learned |
/// | row without any value | no score; not learned |
/// | infinite value | [`DataError::Infinite`] |
/// | constant column in the first window | 1 is taken as its extent |
/// | values outside the work space | lie in its outermost boxes |
///
/// # Not good for
///
/// Units that change after the first window; clumps of anomalies that fill a box of their own for a
/// whole window; single values, for which [`random_cut_forest`](crate::random_cut_forest) or a detector
/// for series is better.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpaceTrees {
    config: HalfSpaceTreesConfig,
    /// Rows until the work space is taken from them, one after the other.
    first: Vec<f64>,
    /// Of all trees, each in the order of a heap; empty until then.
    nodes: Vec<Node>,
    /// Rows in the window that is being filled.
    filled: usize,
}

/// A node; in a leaf the cut has no meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    cut: f32,
    column: u32,
    /// Rows of the last full window.
    usual: u32,
    /// Rows of the one that is being filled.
    latest: u32,
}

impl TryFrom<HalfSpaceTreesConfig> for HalfSpaceTrees {
    type Error = ParamError;

    fn try_from(config: HalfSpaceTreesConfig) -> Result<Self, ParamError> {
        let least = [
            ("dimensions", config.dimensions, 1, "at least 1"),
            ("trees", config.trees, 1, "at least 1"),
            ("window", config.window, 8, "from 8 to 4294967295"),
        ];
        if let Some((name, value, _, expected)) =
            least.iter().find(|(_, value, least, _)| value < least)
        {
            return Err(ParamError::new(name, expected, value));
        }
        if u32::try_from(config.window).is_err() {
            return Err(ParamError::new(
                "window",
                "from 8 to 4294967295",
                config.window,
            ));
        }
        if u32::try_from(config.dimensions).is_err() {
            let expected = "at most 4294967295";
            return Err(ParamError::new("dimensions", expected, config.dimensions));
        }
        if !(1..=20).contains(&config.height) {
            return Err(ParamError::new("height", "from 1 to 20", config.height));
        }
        if config.trees > MAX_NODES >> (config.height + 1) {
            let expected = "at most 67108864 / 2^(height + 1)";
            return Err(ParamError::new("trees", expected, config.trees));
        }
        Ok(Self {
            config,
            first: Vec::new(),
            nodes: Vec::new(),
            filled: 0,
        })
    }
}

impl HalfSpaceTrees {
    /// Its parameters.
    pub fn config(&self) -> &HalfSpaceTreesConfig {
        &self.config
    }

    /// Whether it has seen a full window.
    pub fn warmup(&self) -> Warmup {
        if self.nodes.is_empty() {
            Warmup::Warming {
                seen: self.first.len() / self.config.dimensions,
                needed: self.config.window,
            }
        } else {
            Warmup::Ready
        }
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.nodes.len() * size_of::<Node>() + self.first.capacity() * 8
    }

    /// Scores a row by the last full window; `None` while warming up, and for a row without any
    /// value.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] when there are not as many values as dimensions, or one is infinite.
    pub fn score_row(&self, row: &[f64]) -> Result<Option<f64>, ScoreError> {
        self.check(row)?;
        if self.nodes.is_empty() || row.iter().all(|value| value.is_nan()) {
            return Ok(None);
        }
        let few = (self.config.window / 10) as u32;
        let masses = self.trees().map(|tree| {
            let (mut at, mut depth) = (0, 0);
            while depth < self.config.height && tree[at].usual > few {
                at = next(tree, at, row);
                depth += 1;
            }
            f64::from(tree[at].usual) * (1_u64 << depth) as f64
        });
        let trees = self.config.trees as f64;
        let mean = (masses.sum::<f64>() + 1.0) / trees;
        Ok(Some(-(mean / self.config.window as f64).log2()))
    }

    /// Each column's part of the score: the bits that its cuts took off, over all trees. Larger is more
    /// to blame; parts may be negative.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn explain_row(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        self.check(row)?;
        let mut parts = vec![0.0; row.len()];
        let few = (self.config.window / 10) as u32;
        for tree in self.trees() {
            let (mut at, mut depth) = (0, 0);
            while depth < self.config.height && tree[at].usual > few {
                let below = next(tree, at, row);
                let column = tree[at].column as usize;
                let kept = (f64::from(tree[below].usual) + 0.5) / (f64::from(tree[at].usual) + 1.0);
                if !row[column].is_nan() {
                    parts[column] -= (2.0 * kept).log2() / self.config.trees as f64;
                }
                (at, depth) = (below, depth + 1);
            }
        }
        Ok(parts)
    }

    /// Learns a row.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn learn_row(&mut self, row: &[f64]) -> Result<(), ScoreError> {
        self.check(row)?;
        if row.iter().any(|value| value.is_nan()) {
            return Ok(());
        }
        if self.nodes.is_empty() {
            self.first.extend_from_slice(row);
            if self.first.len() == self.config.window * self.config.dimensions {
                let first = std::mem::take(&mut self.first);
                self.plant(&first);
                for row in first.chunks_exact(self.config.dimensions) {
                    self.count(row);
                }
            }
        } else {
            self.count(row);
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

    /// Nodes of one tree.
    fn nodes_each(&self) -> usize {
        (2 << self.config.height) - 1
    }

    fn trees(&self) -> impl Iterator<Item = &[Node]> {
        self.nodes.chunks_exact(self.nodes_each())
    }

    /// Cuts the work space that the rows of the first window span.
    fn plant(&mut self, first: &[f64]) {
        let dimensions = self.config.dimensions;
        let spans: Vec<(f64, f64)> = (0..dimensions)
            .map(|column| {
                let values: Vec<f64> = first[column..]
                    .iter()
                    .step_by(dimensions)
                    .copied()
                    .collect();
                extremes(&values)
            })
            .collect();
        for tree in 0..self.config.trees {
            let mut rng = self.config.seed.child(tree as u64).rng();
            let space: Vec<(f64, f64)> = spans
                .iter()
                .map(|&(low, high)| {
                    let extent = (high / 2.0 - low / 2.0) * 2.0;
                    let extent = if extent > 0.0 {
                        extent.min(f64::MAX)
                    } else {
                        1.0
                    };
                    // A point of the span, and twice as far as its farther end to both sides.
                    let at = rng.uniform();
                    let reach = 2.0 * at.max(1.0 - at) * extent;
                    let middle = low + at * extent;
                    (
                        (middle - reach).max(f64::MIN),
                        (middle + reach).min(f64::MAX),
                    )
                })
                .collect();
            let mut spaces = vec![space];
            for level in 0..=self.config.height {
                let mut below = Vec::with_capacity(2 * spaces.len());
                for space in spaces {
                    let column = rng.below(dimensions);
                    let (low, high) = space[column];
                    let cut = low / 2.0 + high / 2.0;
                    self.nodes.push(Node {
                        cut: cut.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32,
                        column: column as u32,
                        usual: 0,
                        latest: 0,
                    });
                    if level < self.config.height {
                        let mut upper = space.clone();
                        upper[column].0 = cut;
                        let mut lower = space;
                        lower[column].1 = cut;
                        below.extend([lower, upper]);
                    }
                }
                spaces = below;
            }
        }
    }

    /// Counts a row without missing values; a full window becomes what is usual.
    fn count(&mut self, row: &[f64]) {
        let (each, height) = (self.nodes_each(), self.config.height);
        for tree in self.nodes.chunks_exact_mut(each) {
            let mut at = 0;
            for _ in 0..height {
                tree[at].latest += 1;
                at = next(tree, at, row);
            }
            tree[at].latest += 1;
        }
        self.filled += 1;
        if self.filled == self.config.window {
            self.filled = 0;
            for node in &mut self.nodes {
                (node.usual, node.latest) = (node.latest, 0);
            }
        }
    }
}

/// Where the row goes from an inner node.
fn next(tree: &[Node], at: usize, row: &[f64]) -> usize {
    let node = tree[at];
    let value = row[node.column as usize];
    let lower = 2 * at + 1;
    let upper = if value.is_nan() {
        tree[lower + 1].usual > tree[lower].usual
    } else {
        value >= f64::from(node.cut)
    };
    lower + usize::from(upper)
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{HalfSpaceTrees, HalfSpaceTreesConfig, Node};

    /// What the nodes hold in the order of the trees, each in the order of a heap.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        config: HalfSpaceTreesConfig,
        #[serde(with = "exact_vec")]
        first: Vec<f64>,
        cuts: Vec<f32>,
        columns: Vec<u32>,
        usual: Vec<u32>,
        latest: Vec<u32>,
        filled: usize,
    }

    impl StoredModel for HalfSpaceTrees {
        const KIND: &'static str = "detect.half-space-trees";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let nodes = || self.nodes.iter();
            V1 {
                config: self.config,
                first: self.first.clone(),
                cuts: nodes().map(|node| node.cut).collect(),
                columns: nodes().map(|node| node.column).collect(),
                usual: nodes().map(|node| node.usual).collect(),
                latest: nodes().map(|node| node.latest).collect(),
                filled: self.filled,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let mut model = Self::try_from(wire.config)
                .map_err(|error| LoadError::payload(error.to_string()))?;
            let dimensions = model.config.dimensions;
            let nodes = model.config.trees * model.nodes_each();
            let count = wire.cuts.len();
            let rows = wire.first.len() / dimensions;
            let window = model.config.window as u32;
            let lengths = [wire.columns.len(), wire.usual.len(), wire.latest.len()];
            let fits = lengths.iter().all(|length| *length == count)
                && (count == 0 || (count == nodes && wire.first.is_empty()))
                && wire.first.len().is_multiple_of(dimensions)
                && rows < model.config.window
                && wire.first.iter().all(|value| value.is_finite())
                && wire.cuts.iter().all(|cut| cut.is_finite())
                && wire
                    .columns
                    .iter()
                    .all(|column| (*column as usize) < dimensions)
                && wire.usual.iter().all(|rows| *rows <= window)
                && wire.filled < model.config.window
                && (count > 0 || wire.filled == 0)
                && wire.latest.iter().all(|rows| *rows as usize <= wire.filled);
            if !fits {
                return Err(LoadError::payload("not the nodes of such trees"));
            }
            let counts = wire.usual.into_iter().zip(wire.latest);
            let nodes = wire.cuts.into_iter().zip(wire.columns).zip(counts);
            model.nodes = nodes
                .map(|((cut, column), (usual, latest))| Node {
                    cut,
                    column,
                    usual,
                    latest,
                })
                .collect();
            model.first = wire.first;
            model.filled = wire.filled;
            Ok(model)
        }
    }
}
