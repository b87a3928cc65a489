//! Stored form: the remembered rows, and the trees node by node; boxes follow from the points.

use aiops_core::Seed;
use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::points::{Points, Unit};
use super::tree::Tree;
use super::{RandomCutForest, RandomCutForestConfig, UNIT_ROWS};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    trees: usize,
    sample_size: usize,
    shingle: usize,
    dimensions: usize,
    memory: usize,
    warmup: usize,
    #[serde(with = "exact")]
    min_scale: f64,
    #[serde(with = "exact")]
    relative_min_scale: f64,
    seed: Seed,
    #[serde(with = "exact_vec")]
    first: Vec<f64>,
    #[serde(with = "exact_vec")]
    centers: Vec<f64>,
    #[serde(with = "exact_vec")]
    scales: Vec<f64>,
    pushed: u64,
    /// By slot of the ring.
    #[serde(with = "exact_vec")]
    rows: Vec<f64>,
    unclean: usize,
    epoch: u64,
    forest: Vec<TreeV1>,
}

/// See [`Tree::parts`].
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeV1 {
    nodes: Vec<i32>,
    #[serde(with = "exact_vec")]
    cuts: Vec<f64>,
    #[serde(with = "exact_vec")]
    keys: Vec<f64>,
}

impl V1 {
    fn units(&self) -> Option<Vec<Unit>> {
        let (gathered, dimensions) = (self.first.len() / self.dimensions, self.dimensions);
        let known = !self.centers.is_empty();
        let counts = self.first.len() == gathered * dimensions
            && gathered < UNIT_ROWS
            && self.centers.len() == if known { dimensions } else { 0 }
            && self.scales.len() == self.centers.len()
            && (!known || gathered == 0)
            && (known || self.pushed == 0);
        let numbers = self.first.iter().all(|value| !value.is_infinite())
            && self.centers.iter().all(|center| center.is_finite())
            && self
                .scales
                .iter()
                .all(|&scale| scale > 0.0 && scale.is_finite());
        let each = self.centers.iter().zip(&self.scales);
        let each = each.map(|(&center, &scale)| Unit { center, scale });
        (counts && numbers).then(|| each.collect())
    }
}

impl StoredModel for RandomCutForest {
    const KIND: &'static str = "detect.random-cut-forest";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let tree = |tree: &Tree| {
            let (nodes, cuts, keys) = tree.parts();
            TreeV1 { nodes, cuts, keys }
        };
        V1 {
            trees: self.config.trees,
            sample_size: self.config.sample_size,
            shingle: self.config.shingle,
            dimensions: self.config.dimensions,
            memory: self.config.memory,
            warmup: self.config.warmup,
            min_scale: self.config.min_scale,
            relative_min_scale: self.config.relative_min_scale,
            seed: self.config.seed,
            first: self.first.clone(),
            centers: self.units.iter().map(|unit| unit.center).collect(),
            scales: self.units.iter().map(|unit| unit.scale).collect(),
            pushed: self.points.pushed(),
            rows: self
                .points
                .rows()
                .iter()
                .map(|&value| f64::from(value))
                .collect(),
            unclean: self.unclean,
            epoch: self.epoch,
            forest: self.trees.iter().map(tree).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let config = RandomCutForestConfig {
            trees: wire.trees,
            sample_size: wire.sample_size,
            shingle: wire.shingle,
            dimensions: wire.dimensions,
            memory: wire.memory,
            warmup: wire.warmup,
            min_scale: wire.min_scale,
            relative_min_scale: wire.relative_min_scale,
            seed: wire.seed,
        };
        let floor = config
            .check()
            .map_err(|error| LoadError::payload(error.to_string()))?;
        let bad = || LoadError::payload("rows or units cannot be");
        let units = wire.units().ok_or_else(bad)?;
        let fits = wire.forest.len() == config.trees
            && wire.unclean <= config.shingle
            && wire.epoch <= wire.pushed
            && wire.rows.iter().all(|value| value.abs() <= 1e6);
        if !fits {
            return Err(bad());
        }
        let rows = wire.rows.iter().map(|&value| value as f32).collect();
        let points = Points::new(config.shingle, config.dimensions, config.capacity())
            .restore(rows, wire.pushed)
            .ok_or_else(bad)?;
        let trees = wire.forest.iter().map(|tree| {
            let parts = (&tree.nodes[..], &tree.cuts[..], &tree.keys[..]);
            Tree::from_parts(config.sample_size, &points, parts)
        });
        let trees: Option<Vec<Tree>> = trees.collect();
        Ok(Self {
            config,
            floor,
            trees: trees.ok_or_else(|| LoadError::payload("a tree cannot be"))?,
            first: wire.first,
            units,
            points,
            unclean: wire.unclean,
            epoch: wire.epoch,
        })
    }
}
