//! Stored form: the nodes of each tree in pre-order.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::FittedExtendedIsolationForest;
use super::tree::{Node, Tree, leaf};
use crate::isolation_forest::{MAX_SAMPLE, fits, height_limit};
use crate::scaling::Scaler;
use crate::scaling::wire::ScalerV1;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    scaler: ScalerV1,
    sample: usize,
    #[serde(with = "exact")]
    offset: f64,
    trees: Vec<TreeV1>,
}

/// `rows` holds 0 for a split, for a leaf the number of its training rows; a split has one offset
/// and one normal, in the same order.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeV1 {
    rows: Vec<u32>,
    #[serde(with = "exact_vec")]
    offsets: Vec<f64>,
    #[serde(with = "exact_vec")]
    normals: Vec<f64>,
}

impl From<&Tree> for TreeV1 {
    fn from(tree: &Tree) -> Self {
        let rows = |node: &Node| match node {
            Node::Split { .. } => 0,
            Node::Leaf { rows, .. } => *rows,
        };
        let offset = |node: &Node| match node {
            Node::Split { offset, .. } => Some(*offset),
            Node::Leaf { .. } => None,
        };
        Self {
            rows: tree.nodes.iter().map(rows).collect(),
            offsets: tree.nodes.iter().filter_map(offset).collect(),
            normals: tree.normals.clone(),
        }
    }
}

struct Reader {
    rows: std::vec::IntoIter<u32>,
    offsets: std::vec::IntoIter<f64>,
    planes: u32,
    sample: usize,
    nodes: Vec<Node>,
}

impl Reader {
    fn read(wire: TreeV1, width: usize, sample: usize) -> Result<Tree, LoadError> {
        let bad = || LoadError::payload("a tree cannot be");
        let planes = wire.offsets.len();
        let finite = wire
            .normals
            .iter()
            .chain(&wire.offsets)
            .all(|value| value.is_finite());
        if !finite || planes.checked_mul(width) != Some(wire.normals.len()) || planes >= sample {
            return Err(bad());
        }
        let mut reader = Self {
            rows: wire.rows.into_iter(),
            offsets: wire.offsets.into_iter(),
            planes: 0,
            sample,
            nodes: Vec::new(),
        };
        let rows = reader.node(0)?;
        if rows != sample || reader.rows.len() + reader.offsets.len() > 0 {
            return Err(bad());
        }
        Ok(Tree {
            nodes: reader.nodes,
            normals: wire.normals,
        })
    }

    /// Reads the node and all below it; answers its training rows.
    fn node(&mut self, depth: u32) -> Result<usize, LoadError> {
        let bad = || LoadError::payload("a node of a tree cannot be");
        let rows = self.rows.next().ok_or_else(bad)? as usize;
        if rows > self.sample || depth > height_limit(self.sample) {
            return Err(bad());
        }
        let node = self.nodes.len();
        if rows > 0 {
            self.nodes.push(leaf(rows, depth, self.sample));
            return Ok(rows);
        }
        let offset = self.offsets.next().ok_or_else(bad)?;
        let plane = self.planes;
        self.planes += 1;
        self.nodes.push(leaf(0, depth, self.sample)); // takes the place of the split
        let left = self.node(depth + 1)?;
        let right = self.nodes.len() as u32;
        let rows = left + self.node(depth + 1)?;
        self.nodes[node] = Node::Split {
            plane,
            right,
            offset,
            rows: rows as u32,
        };
        Ok(rows)
    }
}

impl StoredModel for FittedExtendedIsolationForest {
    const KIND: &'static str = "detect.extended-isolation-forest";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            scaler: (&self.scaler).into(),
            sample: self.sample,
            offset: self.offset,
            trees: self.trees.iter().map(TreeV1::from).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        payload.read::<V1>()?.try_into()
    }
}

impl TryFrom<V1> for FittedExtendedIsolationForest {
    type Error = LoadError;

    fn try_from(wire: V1) -> Result<Self, LoadError> {
        let scaler: Scaler = wire.scaler.try_into()?;
        let sample_fits =
            (1..=MAX_SAMPLE).contains(&wire.sample) && fits(wire.trees.len(), wire.sample);
        if !sample_fits || wire.trees.is_empty() || wire.offset.is_nan() {
            return Err(LoadError::payload("not the sizes of a forest"));
        }
        let trees = wire.trees.into_iter();
        let trees = trees.map(|tree| Reader::read(tree, scaler.width(), wire.sample));
        Ok(Self {
            trees: trees.collect::<Result<_, _>>()?,
            scaler,
            sample: wire.sample,
            offset: wire.offset,
        })
    }
}
