//! Stored trees and forests.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

use super::{FittedForest, FittedTree, Node, Split};

/// Nodes in their order; the right child of a node follows its left one.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeV1 {
    classes: usize,
    columns: usize,
    rows: Vec<usize>,
    /// Row-major: nodes, classes.
    #[serde(with = "exact_vec")]
    counts: Vec<f64>,
    /// Place of the left child; 0 for a leaf.
    left: Vec<usize>,
    /// Of the nodes that are split, in their order.
    feature: Vec<usize>,
    #[serde(with = "exact_vec")]
    threshold: Vec<f64>,
    missing_left: Vec<bool>,
}

impl From<&FittedTree> for TreeV1 {
    fn from(tree: &FittedTree) -> Self {
        let splits = || tree.nodes.iter().filter_map(|node| node.split);
        Self {
            classes: tree.classes,
            columns: tree.columns,
            rows: tree.nodes.iter().map(|node| node.rows).collect(),
            counts: tree
                .nodes
                .iter()
                .flat_map(|node| node.counts.iter().copied())
                .collect(),
            left: tree
                .nodes
                .iter()
                .map(|node| node.split.map_or(0, |split| split.left))
                .collect(),
            feature: splits().map(|split| split.feature).collect(),
            threshold: splits().map(|split| split.threshold).collect(),
            missing_left: splits().map(|split| split.missing_left).collect(),
        }
    }
}

impl TryFrom<TreeV1> for FittedTree {
    type Error = LoadError;

    fn try_from(wire: TreeV1) -> Result<Self, LoadError> {
        let bad = |what: &str| LoadError::payload(format!("tree: {what}"));
        let (count, splits) = (wire.left.len(), wire.feature.len());
        if count == 0 || wire.classes == 0 || wire.rows.len() != count {
            return Err(bad("no node, no class, or not as many rows as nodes"));
        }
        if wire.classes.checked_mul(count) != Some(wire.counts.len()) {
            return Err(bad("not as many counts as nodes times classes"));
        }
        if wire.left.iter().filter(|left| **left > 0).count() != splits
            || wire.threshold.len() != splits
            || wire.missing_left.len() != splits
        {
            return Err(bad("not one feature, threshold and side for each split"));
        }
        if wire
            .counts
            .iter()
            .any(|count| !(*count >= 0.0 && count.is_finite()))
        {
            return Err(bad("a count is negative or not finite"));
        }
        let (mut parents, mut split) = (vec![0_usize; count], 0);
        let mut nodes = Vec::with_capacity(count);
        for (at, counts) in wire.counts.chunks(wire.classes).enumerate() {
            let left = wire.left[at];
            let mut node = Node {
                counts: counts.to_vec(),
                rows: wire.rows[at],
                split: None,
            };
            if node.total() <= 0.0 {
                return Err(bad("a node without weight"));
            }
            if left > 0 {
                let (feature, threshold) = (wire.feature[split], wire.threshold[split]);
                // Children come after their parent, so no way down is endless.
                if left <= at || left >= count - 1 {
                    return Err(bad("a child before its parent, or beyond the end"));
                }
                if feature >= wire.columns || !threshold.is_finite() {
                    return Err(bad("a split on what is no feature, or at no number"));
                }
                parents[left] += 1;
                parents[left + 1] += 1;
                node.split = Some(Split {
                    feature,
                    threshold,
                    missing_left: wire.missing_left[split],
                    left,
                    right: left + 1,
                });
                split += 1;
            }
            nodes.push(node);
        }
        if parents[0] != 0 || parents[1..].iter().any(|parents| *parents != 1) {
            return Err(bad("a node has not one parent"));
        }
        Ok(Self {
            nodes,
            classes: wire.classes,
            columns: wire.columns,
        })
    }
}

impl StoredModel for FittedTree {
    const KIND: &'static str = "rca.tree";
    const FORMAT: u32 = 1;
    type Wire = TreeV1;

    fn to_wire(&self) -> TreeV1 {
        self.into()
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        payload.read::<TreeV1>()?.try_into()
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestV1 {
    trees: Vec<TreeV1>,
}

impl StoredModel for FittedForest {
    const KIND: &'static str = "rca.forest";
    const FORMAT: u32 = 1;
    type Wire = ForestV1;

    fn to_wire(&self) -> ForestV1 {
        ForestV1 {
            trees: self.trees.iter().map(Into::into).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: ForestV1 = payload.read()?;
        let trees: Vec<FittedTree> = wire
            .trees
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        let Some(first) = trees.first() else {
            return Err(LoadError::payload("a forest without a tree"));
        };
        let (classes, columns) = (first.classes, first.columns);
        let alike = |tree: &FittedTree| (tree.classes, tree.columns) == (classes, columns);
        if !trees.iter().all(alike) {
            return Err(LoadError::payload("trees of different classes or features"));
        }
        Ok(Self { trees, classes })
    }
}
