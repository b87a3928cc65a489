//! The kd-tree.

use super::{Index, LANES, Nearest};

/// A part of the points.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// The right child; the left one follows the node. 0 at a leaf.
    right: u32,
    /// The tile of a leaf.
    tile: u32,
}

/// A tree whose leaves are the tiles of an [`Index`], in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// For each node the smallest box around its points: all lower ends, then all upper ones.
    boxes: Vec<f64>,
}

impl Tree {
    /// Puts `order` so that each leaf is [`LANES`] of it, the last one what is left.
    pub(super) fn build(points: &[f64], dimensions: usize, order: &mut [u32]) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            boxes: Vec::new(),
        };
        tree.grow(points, dimensions, order, 0);
        tree
    }

    fn grow(&mut self, points: &[f64], dimensions: usize, order: &mut [u32], tile: u32) {
        let node = self.nodes.len();
        self.nodes.push(Node { right: 0, tile });
        let widest = self.push_box(points, dimensions, order);
        let tiles = order.len().div_ceil(LANES);
        if tiles < 2 {
            order.sort_unstable();
            return;
        }
        // By rank, not by value, so equal points need no special case; whole tiles to the left.
        // With the number as the last word, the tree does not depend on how they are selected.
        let middle = tiles / 2 * LANES;
        order.select_nth_unstable_by(middle, |&a, &b| {
            let at = |id: u32| points[id as usize * dimensions + widest];
            at(a).total_cmp(&at(b)).then(a.cmp(&b))
        });
        let (left, right) = order.split_at_mut(middle);
        self.grow(points, dimensions, left, tile);
        self.nodes[node].right = self.nodes.len() as u32;
        self.grow(points, dimensions, right, tile + (tiles / 2) as u32);
    }

    /// Appends the box around the points; answers the dimension in which it is widest.
    fn push_box(&mut self, points: &[f64], dimensions: usize, order: &[u32]) -> usize {
        let start = self.boxes.len();
        self.boxes.resize(start + dimensions, f64::INFINITY);
        self.boxes.resize(start + 2 * dimensions, f64::NEG_INFINITY);
        let (low, high) = self.boxes[start..].split_at_mut(dimensions);
        for &id in order {
            let point = &points[id as usize * dimensions..][..dimensions];
            for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(point) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        let mut widest = 0;
        for dimension in 1..dimensions {
            // Halves, so that the width is finite.
            let width = |at: usize| high[at] * 0.5 - low[at] * 0.5;
            if width(dimension) > width(widest) {
                widest = dimension;
            }
        }
        widest
    }

    pub(super) fn search(&self, index: &Index, query: &[f64], skip: u32, nearest: &mut Nearest) {
        self.descend(index, 0, query, skip, nearest);
    }

    fn descend(&self, index: &Index, node: usize, query: &[f64], skip: u32, nearest: &mut Nearest) {
        let Node { right, tile } = self.nodes[node];
        if right == 0 {
            index.scan(tile as usize, query, skip, nearest);
            return;
        }
        let (left, right) = (node + 1, right as usize);
        let (to_left, to_right) = (self.distance(left, query), self.distance(right, query));
        let ordered = if to_left <= to_right {
            [(to_left, left), (to_right, right)]
        } else {
            [(to_right, right), (to_left, left)]
        };
        for (distance, child) in ordered {
            if distance < nearest.worst {
                self.descend(index, child, query, skip, nearest);
            }
        }
    }

    /// Squared distance to the box of a node.
    fn distance(&self, node: usize, query: &[f64]) -> f64 {
        let ends = &self.boxes[node * 2 * query.len()..][..2 * query.len()];
        let (low, high) = ends.split_at(query.len());
        let mut sum = 0.0;
        for ((&low, &high), &at) in low.iter().zip(high).zip(query) {
            let outside = (low - at).max(at - high).max(0.0);
            sum += outside * outside;
        }
        sum.min(f64::MAX)
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>() + self.boxes.len() * size_of::<f64>()
    }
}
