//! A tree in flat lists, and back.

use super::super::points::Points;
use super::{BOXED, EQUAL, NONE, Tree};

impl Tree {
    /// Splits and leaves in pre-order: for a split its dimension, -1 where all is equal; for a
    /// leaf its slot, as -2 - slot. Then the cuts of the splits, and the keys of the leaves.
    pub(in crate::random_cut_forest) fn parts(&self) -> (Vec<i32>, Vec<f64>, Vec<f64>) {
        let (mut nodes, mut cuts, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut open = Vec::new();
        if self.root != NONE {
            open.push(self.root);
        }
        while let Some(node) = open.pop() {
            if let Some(leaf) = self.leaf(node) {
                nodes.push(-2 - i32::from(self.slots[leaf]));
                keys.push(f64::from(self.keys[leaf]));
                continue;
            }
            let split = usize::from(node);
            let equal = self.dimension[split] == EQUAL;
            nodes.push(if equal {
                -1
            } else {
                i32::from(self.dimension[split])
            });
            cuts.push(f64::from(self.cut[split]));
            open.extend([self.children[split][1], self.children[split][0]]);
        }
        (nodes, cuts, keys)
    }

    /// The tree of such parts; `None` where there is none.
    pub(in crate::random_cut_forest) fn from_parts(
        size: usize,
        points: &Points,
        (nodes, cuts, keys): (&[i32], &[f64], &[f64]),
    ) -> Option<Self> {
        let mut tree = Self::new(size);
        if nodes.is_empty() {
            return (cuts.is_empty() && keys.is_empty()).then_some(tree);
        }
        if keys.len() > size || keys.len() != cuts.len() + 1 || nodes.len() != 2 * keys.len() - 1 {
            return None;
        }
        let (mut cuts, mut keys) = (cuts.iter(), keys.iter());
        // From the back, both children of a split are on the stack before it.
        let mut done: Vec<u16> = Vec::new();
        for &node in nodes.iter().rev() {
            if node <= -2 {
                let slot = u16::try_from(-2 - i64::from(node)).ok()?;
                if !points.holds(slot) {
                    return None;
                }
                let key = *keys.next_back()?;
                tree.slots.push(slot);
                tree.keys.push(key.is_finite().then_some(key as f32)?);
                done.push(tree.leaf_node(tree.slots.len() - 1));
                continue;
            }
            let (left, right) = (done.pop()?, done.pop()?);
            let cut = *cuts.next_back()?;
            let dimension = if node == -1 {
                EQUAL
            } else {
                let inside = (node as usize) < points.width();
                inside.then_some(node as u16)?
            };
            let cut = cut.is_finite().then_some(cut as f32)?;
            let mass = tree.mass(left) + tree.mass(right);
            let split = tree.new_split(dimension, cut, [left, right], mass);
            if mass >= BOXED {
                let (mut low, mut high) = (Vec::new(), Vec::new());
                tree.set_box(points, usize::from(split), &mut low, &mut high);
            }
            done.push(split);
        }
        tree.root = done.pop()?;
        tree.count = tree.slots.len();
        let led = |leaf: usize| {
            let mut path = Vec::new();
            let end = tree.descend(points.at(tree.slots[leaf]), &mut path);
            tree.find(end, tree.leaf_node(leaf), &mut path)
        };
        (done.is_empty() && (0..tree.count).all(led)).then_some(tree)
    }
}
