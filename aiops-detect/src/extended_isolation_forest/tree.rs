//! One tree of splits by hyperplanes.

use aiops_core::Rng;

use crate::isolation_forest::{average_path_length, height_limit};

/// Hyperplanes through the box that are tried before one is made to divide the rows.
const TRIES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node {
    /// Rows whose product with normal `plane` is at most `offset` go to the next node, the others
    /// to node `right`.
    Split {
        plane: u32,
        right: u32,
        offset: f64,
        rows: u32,
    },
    Leaf {
        rows: u32,
        /// How much earlier than expected a row is apart here: `(c(sample) - path) / c(sample)`.
        gain: f64,
    },
}

impl Node {
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Split { rows, .. } | Self::Leaf { rows, .. } => rows as usize,
        }
    }
}

/// Nodes in pre-order, and the normals of the planes one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) normals: Vec<f64>,
}

/// A leaf at a depth, in a tree over `sample` rows.
pub(super) fn leaf(rows: usize, depth: u32, sample: usize) -> Node {
    let expected = average_path_length(sample);
    let path = f64::from(depth) + average_path_length(rows);
    let gain = if expected > 0.0 {
        (expected - path) / expected
    } else {
        0.0
    };
    Node::Leaf {
        rows: rows as u32,
        gain,
    }
}

/// One step of a row from a node to its child.
pub(super) struct Step<'a> {
    pub(super) normal: &'a [f64],
    pub(super) parent_rows: usize,
    pub(super) child_rows: usize,
}

impl Tree {
    /// The way of a row down to its leaf, and its gain there.
    pub(super) fn walk(&self, row: &[f64], mut visit: impl FnMut(Step<'_>)) -> f64 {
        let mut place = 0;
        loop {
            match self.nodes[place] {
                Node::Leaf { gain, .. } => return gain,
                Node::Split {
                    plane,
                    right,
                    offset,
                    rows,
                } => {
                    let normal = &self.normals[plane as usize * row.len()..][..row.len()];
                    place = if product(normal, row) <= offset {
                        place + 1
                    } else {
                        right as usize
                    };
                    visit(Step {
                        normal,
                        parent_rows: rows as usize,
                        child_rows: self.nodes[place].rows(),
                    });
                }
            }
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.nodes.len() * size_of::<Node>()
            + self.normals.len() * size_of::<f64>()
    }
}

fn product(normal: &[f64], row: &[f64]) -> f64 {
    normal.iter().zip(row).map(|(a, b)| a * b).sum()
}

/// Grows a tree over a sample of scaled rows.
pub(super) struct Grower<'a> {
    /// Row by row.
    rows: &'a [f64],
    width: usize,
    sample: usize,
    /// Columns that take part in a plane.
    active: usize,
    rng: Rng,
    order: Vec<u32>,
    tree: Tree,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rows: &'a [f64], width: usize, active: usize, rng: Rng) -> Self {
        let sample = rows.len() / width;
        Self {
            rows,
            width,
            sample,
            active,
            rng,
            order: (0..sample as u32).collect(),
            tree: Tree::default(),
        }
    }

    pub(super) fn grow(mut self) -> Tree {
        self.grow_node(0..self.sample, 0);
        self.tree
    }

    fn grow_node(&mut self, range: std::ops::Range<usize>, depth: u32) {
        let rows = range.len();
        let split = (rows > 1 && depth < height_limit(self.sample))
            .then(|| self.divide(range.clone()))
            .flatten();
        let Some((offset, left)) = split else {
            self.tree.nodes.push(leaf(rows, depth, self.sample));
            return;
        };
        let node = self.tree.nodes.len();
        let plane = (self.tree.normals.len() / self.width - 1) as u32;
        self.tree.nodes.push(Node::Split {
            plane,
            right: 0,
            offset,
            rows: rows as u32,
        });
        let middle = range.start + left;
        self.grow_node(range.start..middle, depth + 1);
        let next = self.tree.nodes.len() as u32;
        if let Node::Split { right, .. } = &mut self.tree.nodes[node] {
            *right = next;
        }
        self.grow_node(middle..range.end, depth + 1);
    }

    /// Appends the normal of a plane, puts the rows before it first, and answers its offset and
    /// how many they are; `None`, and no normal, when the rows cannot be told apart.
    fn divide(&mut self, range: std::ops::Range<usize>) -> Option<(f64, usize)> {
        let (low, high) = self.bounds(range.clone());
        if low == high {
            return None;
        }
        let mut products = Vec::new();
        for attempt in 0..=TRIES {
            let normal = self.normal();
            products.clear();
            products.extend(
                self.order[range.clone()]
                    .iter()
                    .map(|&id| product(&normal, self.row(id))),
            );
            let (least, most) = crate::scaling::extremes(&products);
            let offset = if attempt < TRIES {
                let through = low.iter().zip(&high).map(|(low, high)| {
                    let share = self.rng.uniform();
                    low * (1.0 - share) + high * share
                });
                let through: Vec<f64> = through.collect();
                product(&normal, &through)
            } else {
                let share = self.rng.uniform();
                least * (1.0 - share) + most * share
            };
            if least <= offset && offset < most {
                self.tree.normals.extend_from_slice(&normal);
                return Some((offset, self.partition(range, &products, offset)));
            }
        }
        None
    }

    fn row(&self, id: u32) -> &'a [f64] {
        &self.rows[id as usize * self.width..][..self.width]
    }

    fn bounds(&self, range: std::ops::Range<usize>) -> (Vec<f64>, Vec<f64>) {
        let mut low = self.row(self.order[range.start]).to_vec();
        let mut high = low.clone();
        for &id in &self.order[range] {
            for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(self.row(id)) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        (low, high)
    }

    /// A random direction among the columns that take part.
    fn normal(&mut self) -> Vec<f64> {
        let mut normal = vec![0.0; self.width];
        if self.active == self.width {
            normal.fill_with(|| self.rng.normal());
        } else {
            for column in self.rng.sample_indices(self.width, self.active) {
                normal[column] = self.rng.normal();
            }
        }
        normal
    }

    fn partition(&mut self, range: std::ops::Range<usize>, products: &[f64], offset: f64) -> usize {
        let order = &mut self.order[range];
        let before = order.to_vec();
        let (left, right): (Vec<usize>, Vec<usize>) =
            (0..before.len()).partition(|&index| products[index] <= offset);
        for (place, index) in order.iter_mut().zip(left.iter().chain(&right)) {
            *place = before[*index];
        }
        left.len()
    }
}
