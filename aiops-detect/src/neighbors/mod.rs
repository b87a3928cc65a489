//! The nearest of a set of points: a kd-tree in few dimensions, blocked brute force in many.
//!
//! Bentley, *Multidimensional Binary Search Trees Used for Associative Searching*, CACM 1975.
//! Points lie in tiles of [`LANES`], each dimension by dimension, so that the distances of a whole
//! tile come out of one vectorised loop; a leaf of the tree is a tile.

mod space;
mod tree;

#[cfg(feature = "serde")]
pub(crate) use space::wire::SpaceV1;
pub(crate) use space::{Space, check_sizes};

use crate::rows::in_parallel;
use tree::Tree;

/// Points of a tile.
pub(crate) const LANES: usize = 16;

/// Most dimensions in which boxes still set points apart.
const MAX_TREE_DIMENSIONS: usize = 15;

/// Queries that share a pass over the tiles in brute force.
const BLOCK: usize = 8;

/// Dimensions after which a tile is given up when all its points are too far already.
const STRIDE: usize = 32;

/// No place is to be passed over.
pub(crate) const NONE: u32 = u32::MAX;

/// Points to search among.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    dimensions: usize,
    count: usize,
    /// For each tile, for each dimension, the coordinates of its points. Zero where it is not
    /// full.
    tiles: Vec<[f64; LANES]>,
    /// The number of the point in each place, from 0 on in the order in which they were given.
    ids: Vec<u32>,
    tree: Option<Tree>,
}

/// One neighbour: squared distance, at most the largest finite number, and its place.
pub(crate) type Neighbor = (f64, u32);

/// The nearest points found so far, nearest first. Of points at one distance the one found first
/// stays, which is the same in every run.
#[derive(Clone, Debug)]
struct Nearest {
    wanted: usize,
    found: Vec<Neighbor>,
    /// From this squared distance on a point is of no interest.
    worst: f64,
}

impl Nearest {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            found: Vec::with_capacity(wanted + 1),
            worst: if wanted == 0 { 0.0 } else { f64::INFINITY },
        }
    }

    fn offer(&mut self, distance: f64, place: u32) {
        if self.found.len() == self.wanted {
            self.found.pop();
        }
        let nearer = self
            .found
            .iter()
            .rev()
            .position(|&(known, _)| known <= distance);
        let rank = self.found.len() - nearer.unwrap_or(self.found.len());
        self.found.insert(rank, (distance, place));
        if self.found.len() == self.wanted {
            self.worst = self.found[self.wanted - 1].0;
        }
    }

    fn clear(&mut self) {
        self.found.clear();
        self.worst = if self.wanted == 0 { 0.0 } else { f64::INFINITY };
    }
}

impl Index {
    /// `points` row-major, all finite.
    pub(crate) fn new(points: &[f64], dimensions: usize) -> Self {
        let count = points.len() / dimensions;
        let mut order: Vec<u32> = (0..count as u32).collect();
        let tree = (dimensions <= MAX_TREE_DIMENSIONS && count > LANES)
            .then(|| Tree::build(points, dimensions, &mut order));
        let mut tiles = vec![[0.0; LANES]; count.div_ceil(LANES) * dimensions];
        for (tile, ids) in tiles.chunks_exact_mut(dimensions).zip(order.chunks(LANES)) {
            for (lane, &id) in ids.iter().enumerate() {
                let point = &points[id as usize * dimensions..][..dimensions];
                for (coordinates, &value) in tile.iter_mut().zip(point) {
                    coordinates[lane] = value;
                }
            }
        }
        Self {
            dimensions,
            count,
            tiles,
            ids: order,
            tree,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.tiles.len() * size_of::<[f64; LANES]>()
            + self.ids.len() * size_of::<u32>()
            + self.tree.as_ref().map_or(0, Tree::size_bytes)
    }

    /// The number of the point in each place.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Coordinates of the point in a place.
    pub(crate) fn point(&self, place: u32) -> impl Iterator<Item = f64> {
        let (tile, lane) = (place as usize / LANES, place as usize % LANES);
        let tile = &self.tiles[tile * self.dimensions..][..self.dimensions];
        tile.iter().map(move |coordinates| coordinates[lane])
    }

    /// The points in the order in which they were given.
    #[cfg(feature = "serde")]
    pub(crate) fn points(&self) -> Vec<f64> {
        let mut points = vec![0.0; self.count * self.dimensions];
        for (place, &id) in self.ids.iter().enumerate() {
            let point = &mut points[id as usize * self.dimensions..][..self.dimensions];
            for (value, coordinate) in point.iter_mut().zip(self.point(place as u32)) {
                *value = coordinate;
            }
        }
        points
    }

    /// Calls `found(query, neighbours)` for each row of `queries`, nearest first; `wanted` of
    /// them, or all points when there are fewer. Query `i` passes over place `skip[i]`.
    pub(crate) fn nearest(
        &self,
        queries: &[f64],
        skip: &[u32],
        wanted: usize,
        mut found: impl FnMut(usize, &[Neighbor]),
    ) {
        let rows = queries.chunks_exact(self.dimensions);
        if let Some(tree) = &self.tree {
            let mut nearest = Nearest::new(wanted);
            for (index, (query, &skip)) in rows.zip(skip).enumerate() {
                nearest.clear();
                tree.search(self, query, skip, &mut nearest);
                found(index, &nearest.found);
            }
            return;
        }
        let mut nearest = vec![Nearest::new(wanted); BLOCK];
        for (block, skip) in skip.chunks(BLOCK).enumerate() {
            nearest.iter_mut().for_each(Nearest::clear);
            let rows = rows.clone().skip(block * BLOCK);
            for tile in 0..self.ids.len().div_ceil(LANES) {
                for ((query, &skip), nearest) in rows.clone().zip(skip).zip(&mut nearest) {
                    self.scan(tile, query, skip, nearest);
                }
            }
            for (index, nearest) in nearest.iter().take(skip.len()).enumerate() {
                found(block * BLOCK + index, &nearest.found);
            }
        }
    }

    /// `make(neighbours)` for each point among the others, in order of the places: `wanted` of
    /// them, or one less than there are points.
    pub(crate) fn each<T: Send>(
        &self,
        wanted: usize,
        make: impl Fn(u32, &[Neighbor]) -> T + Send + Sync,
    ) -> Vec<T> {
        let part_len = 32 * LANES;
        let parts = in_parallel(self.count.div_ceil(part_len), |part| {
            let places: Vec<u32> = (part * part_len..self.count.min((part + 1) * part_len))
                .map(|place| place as u32)
                .collect();
            let queries: Vec<f64> = places.iter().flat_map(|&place| self.point(place)).collect();
            let mut made = Vec::with_capacity(places.len());
            self.nearest(&queries, &places, wanted, |index, found| {
                made.push(make(places[index], found));
            });
            made
        });
        parts.into_iter().flatten().collect()
    }

    /// Offers the points of a tile.
    fn scan(&self, tile: usize, query: &[f64], skip: u32, nearest: &mut Nearest) {
        let mut distances = [0.0; LANES];
        let coordinates = &self.tiles[tile * self.dimensions..][..self.dimensions];
        for (coordinates, query) in coordinates.chunks(STRIDE).zip(query.chunks(STRIDE)) {
            for (coordinates, &at) in coordinates.iter().zip(query) {
                for (distance, &coordinate) in distances.iter_mut().zip(coordinates) {
                    *distance += (coordinate - at) * (coordinate - at);
                }
            }
            if distances
                .iter()
                .all(|distance| distance.min(f64::MAX) >= nearest.worst)
            {
                return;
            }
        }
        let places = (tile * LANES) as u32..self.count as u32;
        for (&distance, place) in distances.iter().zip(places) {
            let distance = distance.min(f64::MAX);
            if distance < nearest.worst && place != skip {
                nearest.offer(distance, place);
            }
        }
    }
}
