//! Stored form: the real nodes of each tree in pre-order; padding and gains follow from them.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::tree::{Node, Tree};
use super::{FittedIsolationForest, MAX_SAMPLE, fits};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    columns: usize,
    sample: usize,
    #[serde(with = "exact")]
    offset: f64,
    trees: Vec<TreeV1>,
}

/// `nodes` holds for a split its column, for a leaf the negative count of its training rows.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeV1 {
    nodes: Vec<i64>,
    #[serde(with = "exact_vec")]
    thresholds: Vec<f64>,
}

impl From<&Tree> for TreeV1 {
    fn from(tree: &Tree) -> Self {
        let (mut nodes, mut thresholds) = (Vec::new(), Vec::new());
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if let Some(split) = tree.split(node) {
                nodes.push(i64::from(split.feature));
                thresholds.push(split.threshold);
                open.extend([2 * node + 2, 2 * node + 1]); // the left one is taken first
            } else {
                nodes.push(-(tree.rows(node) as i64));
            }
        }
        Self { nodes, thresholds }
    }
}

/// Reads one tree.
struct Reader {
    nodes: std::vec::IntoIter<i64>,
    thresholds: std::vec::IntoIter<f64>,
    columns: usize,
    sample: usize,
    tree: Tree,
}

impl Reader {
    fn read(wire: TreeV1, columns: usize, sample: usize) -> Result<Tree, LoadError> {
        let mut reader = Self {
            nodes: wire.nodes.into_iter(),
            thresholds: wire.thresholds.into_iter(),
            columns,
            sample,
            tree: Tree::empty(sample),
        };
        let rows = reader.node(0, 0)?;
        let left_over = reader.nodes.len() + reader.thresholds.len();
        if rows != sample || left_over > 0 {
            return Err(LoadError::payload("a tree has not the rows of its sample"));
        }
        Ok(reader.tree)
    }

    /// Reads the node and all below it; answers its training rows.
    fn node(&mut self, node: usize, depth: u32) -> Result<usize, LoadError> {
        let bad = || LoadError::payload(format!("node {node} of a tree cannot be"));
        let code = self.nodes.next().ok_or_else(bad)?;
        if code < 0 {
            let rows = usize::try_from(code.unsigned_abs()).map_err(|_| bad())?;
            if rows > self.sample {
                return Err(bad());
            }
            self.tree.set_leaf(node, depth, rows, self.sample);
            return Ok(rows);
        }
        let feature = u32::try_from(code).map_err(|_| bad())?;
        let threshold = self
            .thresholds
            .next()
            .filter(|value| value.is_finite())
            .ok_or_else(bad)?;
        if feature as usize >= self.columns || depth >= self.tree.height() {
            return Err(bad());
        }
        let rows = self.node(2 * node + 1, depth + 1)? + self.node(2 * node + 2, depth + 1)?;
        self.tree.set_split(node, rows, Node { threshold, feature });
        Ok(rows)
    }
}

impl StoredModel for FittedIsolationForest {
    const KIND: &'static str = "detect.isolation-forest";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            columns: self.columns,
            sample: self.sample,
            offset: self.offset,
            trees: self.trees.iter().map(TreeV1::from).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        payload.read::<V1>()?.try_into()
    }
}

impl TryFrom<V1> for FittedIsolationForest {
    type Error = LoadError;

    fn try_from(wire: V1) -> Result<Self, LoadError> {
        let sample_fits =
            (1..=MAX_SAMPLE).contains(&wire.sample) && fits(wire.trees.len(), wire.sample);
        if wire.columns == 0 || !sample_fits || wire.trees.is_empty() || wire.offset.is_nan() {
            return Err(LoadError::payload("not the sizes of a forest"));
        }
        let trees = wire.trees.into_iter();
        let trees = trees.map(|tree| Reader::read(tree, wire.columns, wire.sample));
        Ok(Self {
            trees: trees.collect::<Result<_, _>>()?,
            columns: wire.columns,
            sample: wire.sample,
            offset: wire.offset,
        })
    }
}
