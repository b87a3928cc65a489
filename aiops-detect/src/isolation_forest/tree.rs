//! One isolation tree: a complete binary tree in flat arrays, so that a row finds its way by
//! arithmetic instead of pointers.

use aiops_core::Rng;

/// Rows that go down a tree side by side, so that the processor need not wait for each step.
pub(super) const LANES: usize = 8;

/// Expected number of edges to an unsuccessful search in a binary search tree of `rows` keys,
/// which estimates the path length below a leaf (equation 1 of the paper).
///
/// `2 (ln(n - 1) + gamma) - 2 (n - 1) / n` above 2 rows; 1 of 2 rows, where the logarithm would
/// not do; 0 of fewer.
pub fn average_path_length(rows: usize) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = rows as f64;
            2.0 * ((n - 1.0).ln() + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// Smallest height at which `rows` rows can all be apart: ceil(log2(rows)).
pub(crate) fn height_limit(rows: usize) -> u32 {
    rows.next_power_of_two().trailing_zeros()
}

/// Rows go left when their value is at most the threshold. Below a leaf, and at a leaf itself,
/// the threshold is infinite and every row goes left, to the bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) threshold: f64,
    pub(super) feature: u32,
}

const PADDING: Node = Node {
    threshold: f64::INFINITY,
    feature: 0,
};

/// Children of node `i` are `2 i + 1` and `2 i + 2`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    height: u32,
    /// The `2^height - 1` nodes above the bottom.
    nodes: Vec<Node>,
    /// For each of the `2^height` places at the bottom, how much earlier than expected a row is
    /// apart there: `(c(sample) - path length) / c(sample)`.
    gains: Vec<f64>,
    /// Training rows in each node, bottom included; 0 below a leaf.
    rows: Vec<u32>,
}

/// One step of a row from a node to its child.
pub(super) struct Step {
    pub(super) feature: usize,
    pub(super) parent_rows: usize,
    pub(super) child_rows: usize,
}

impl Tree {
    /// A tree for a sample of so many rows, whose leaves and splits are to be set.
    pub(super) fn empty(sample: usize) -> Self {
        let height = height_limit(sample);
        let bottom = 1_usize << height;
        Self {
            height,
            nodes: vec![PADDING; bottom - 1],
            gains: vec![0.0; bottom],
            rows: vec![0; 2 * bottom - 1],
        }
    }

    pub(super) fn set_leaf(&mut self, node: usize, depth: u32, rows: usize, sample: usize) {
        self.rows[node] = rows as u32;
        let bottom = (depth..self.height).fold(node, |place, _| 2 * place + 1);
        let expected = average_path_length(sample);
        if expected > 0.0 {
            let path = f64::from(depth) + average_path_length(rows);
            self.gains[bottom - self.nodes.len()] = (expected - path) / expected;
        }
    }

    pub(super) fn set_split(&mut self, node: usize, rows: usize, split: Node) {
        self.rows[node] = rows as u32;
        self.nodes[node] = split;
    }

    #[cfg(feature = "serde")]
    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// The split at `node`, or `None` at a leaf.
    pub(super) fn split(&self, node: usize) -> Option<Node> {
        let split = self.nodes.get(node).copied();
        split.filter(|split| split.threshold.is_finite())
    }

    pub(super) fn rows(&self, node: usize) -> usize {
        self.rows[node] as usize
    }

    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.nodes.len() * size_of::<Node>()
            + self.gains.len() * size_of::<f64>()
            + self.rows.len() * size_of::<u32>()
    }

    /// Gains of a group of rows without missing values; one element of `group` for each column.
    pub(super) fn gains(&self, group: &[[f64; LANES]]) -> [f64; LANES] {
        let mut places = [0_usize; LANES];
        for _ in 0..self.height {
            for (lane, place) in places.iter_mut().enumerate() {
                let node = self.nodes[*place];
                let value = group[node.feature as usize][lane];
                *place = 2 * *place + 1 + usize::from(value > node.threshold);
            }
        }
        places.map(|place| self.gains[place - self.nodes.len()])
    }

    /// Gains of one row without missing values in at most [`LANES`] trees of one height, which it
    /// goes down side by side.
    pub(super) fn gains_of_row(trees: &[Self], row: &[f64]) -> [f64; LANES] {
        let mut places = [0_usize; LANES];
        let height = trees.first().map_or(0, |tree| tree.height);
        for _ in 0..height {
            for (place, tree) in places.iter_mut().zip(trees) {
                let node = tree.nodes[*place];
                let value = row[node.feature as usize];
                *place = 2 * *place + 1 + usize::from(value > node.threshold);
            }
        }
        let mut gains = [0.0; LANES];
        for ((gain, place), tree) in gains.iter_mut().zip(places).zip(trees) {
            *gain = tree.gains[place - tree.nodes.len()];
        }
        gains
    }

    /// The way of one row down to its leaf, and its gain there. A missing value goes to the side
    /// with more training rows, left where they are equal.
    pub(super) fn walk(&self, row: &[f64], mut visit: impl FnMut(Step)) -> f64 {
        let (mut node, mut depth) = (0, 0);
        while let Some(split) = self.split(node) {
            let value = row[split.feature as usize];
            let (left, right) = (2 * node + 1, 2 * node + 2);
            let goes_left = if value.is_nan() {
                self.rows[left] >= self.rows[right]
            } else {
                value <= split.threshold
            };
            let child = if goes_left { left } else { right };
            visit(Step {
                feature: split.feature as usize,
                parent_rows: self.rows(node),
                child_rows: self.rows(child),
            });
            (node, depth) = (child, depth + 1);
        }
        let bottom = (depth..self.height).fold(node, |place, _| 2 * place + 1);
        self.gains[bottom - self.nodes.len()]
    }
}

/// Grows a tree over a sample of rows.
pub(super) struct Grower<'a> {
    /// The sample, column by column.
    columns: &'a [f64],
    sample: usize,
    rng: Rng,
    /// Rows of the sample; each node owns a range.
    order: Vec<u32>,
    /// Features; those that are constant in a node, and so in all below it, are kept at the end.
    features: Vec<u32>,
    tree: Tree,
}

impl<'a> Grower<'a> {
    pub(super) fn new(columns: &'a [f64], sample: usize, rng: Rng) -> Self {
        Self {
            columns,
            sample,
            rng,
            order: (0..sample as u32).collect(),
            features: (0..(columns.len() / sample) as u32).collect(),
            tree: Tree::empty(sample),
        }
    }

    pub(super) fn grow(mut self) -> Tree {
        self.grow_node(0, 0, 0..self.sample, self.features.len());
        self.tree
    }

    fn grow_node(&mut self, node: usize, depth: u32, range: std::ops::Range<usize>, live: usize) {
        let rows = range.len();
        let mut live = live;
        let split = (rows > 1 && depth < self.tree.height)
            .then(|| self.choose(range.clone(), &mut live))
            .flatten();
        let Some(split) = split else {
            self.tree.set_leaf(node, depth, rows, self.sample);
            return;
        };
        let middle = range.start + self.partition(range.clone(), split);
        self.tree.set_split(node, rows, split);
        self.grow_node(2 * node + 1, depth + 1, range.start..middle, live);
        self.grow_node(2 * node + 2, depth + 1, middle..range.end, live);
    }

    /// A feature that is not constant among the rows, each as likely, and a threshold uniform
    /// between its extremes; `None` when all are constant. The first `live` features are tried.
    fn choose(&mut self, range: std::ops::Range<usize>, live: &mut usize) -> Option<Node> {
        while *live > 0 {
            let pick = self.rng.below(*live);
            let feature = self.features[pick];
            let (low, high) = self.extremes(range.clone(), feature);
            if low < high {
                let share = self.rng.uniform();
                let threshold = low * (1.0 - share) + high * share; // never overflows
                // Rounding could reach the upper end, and leave the right side empty.
                let threshold = if threshold >= low && threshold < high {
                    threshold
                } else {
                    low
                };
                return Some(Node { threshold, feature });
            }
            *live -= 1;
            self.features.swap(pick, *live);
        }
        None
    }

    fn column(&self, feature: u32) -> &'a [f64] {
        let start = feature as usize * self.sample;
        &self.columns[start..start + self.sample]
    }

    /// Least and greatest present value; the wrong way round when all are missing.
    fn extremes(&self, range: std::ops::Range<usize>, feature: u32) -> (f64, f64) {
        let column = self.column(feature);
        let values = self.order[range].iter().map(|&row| column[row as usize]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value)) // both pass over NaN
        })
    }

    /// Puts the rows that go left first and counts them. Rows without a value join the larger
    /// side.
    fn partition(&mut self, range: std::ops::Range<usize>, split: Node) -> usize {
        let column = self.column(split.feature);
        let order = &mut self.order[range];
        let value = |row: u32| column[row as usize];
        let left = order
            .iter()
            .filter(|&&row| value(row) <= split.threshold)
            .count();
        let right = order
            .iter()
            .filter(|&&row| value(row) > split.threshold)
            .count();
        let missing_left = left >= right;
        let mut taken = 0;
        for index in 0..order.len() {
            let value = value(order[index]);
            if value <= split.threshold || (value.is_nan() && missing_left) {
                order.swap(index, taken);
                taken += 1;
            }
        }
        taken
    }
}
