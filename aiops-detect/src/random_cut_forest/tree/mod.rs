//! One random cut tree over a sample of points that changes.

#[cfg(feature = "serde")]
mod parts;
mod passed;

use aiops_core::Rng;

use super::points::Points;
pub(super) use passed::Passed;
use passed::{cut_at, extend};

/// No node.
const NONE: u16 = u16::MAX;
/// In place of a dimension: everything below is equal.
const EQUAL: u16 = u16::MAX;
/// Nodes over fewer points have no box of their own; it is found from the points.
const BOXED: u16 = 8;

/// Room for one way through a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Nodes from the root down to the parent of the last one.
    path: Vec<u16>,
    low: Vec<f32>,
    high: Vec<f32>,
}

/// Nodes from 0 on are splits, those from `size - 1` on leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    size: usize,
    root: u16,
    count: usize,
    cut: Vec<f32>,
    dimension: Vec<u16>,
    children: Vec<[u16; 2]>,
    mass: Vec<u16>,
    /// Number of the box of each split.
    box_of: Vec<u16>,
    /// Least values, then greatest values, of each box.
    boxes: Vec<f32>,
    /// The point of each leaf.
    slots: Vec<u16>,
    /// How soon each leaf leaves the sample: the largest goes first.
    keys: Vec<f32>,
    /// The leaf with the largest key, while that is known.
    first: Option<(usize, f32)>,
    free_splits: Vec<u16>,
    free_leaves: Vec<u16>,
    free_boxes: Vec<u16>,
}

impl Tree {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            root: NONE,
            count: 0,
            cut: Vec::new(),
            dimension: Vec::new(),
            children: Vec::new(),
            mass: Vec::new(),
            box_of: Vec::new(),
            boxes: Vec::new(),
            slots: Vec::new(),
            keys: Vec::new(),
            first: None,
            free_splits: Vec::new(),
            free_leaves: Vec::new(),
            free_boxes: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn heap_bytes(&self) -> usize {
        (self.boxes.capacity() + self.keys.capacity() + self.cut.capacity()) * size_of::<f32>()
            + self.children.capacity() * size_of::<[u16; 2]>()
            + [
                &self.dimension,
                &self.mass,
                &self.box_of,
                &self.slots,
                &self.free_splits,
                &self.free_leaves,
                &self.free_boxes,
            ]
            .iter()
            .map(|list| list.capacity() * size_of::<u16>())
            .sum::<usize>()
    }

    /// The leaf behind a node, unless that is a split.
    fn leaf(&self, node: u16) -> Option<usize> {
        usize::from(node).checked_sub(self.size - 1)
    }

    fn leaf_node(&self, leaf: usize) -> u16 {
        (leaf + self.size - 1) as u16
    }

    fn mass(&self, node: u16) -> u16 {
        match self.leaf(node) {
            Some(_) => 1,
            None => self.mass[usize::from(node)],
        }
    }

    /// Takes the point that ends in `slot` into the sample if its key lets it.
    pub(super) fn offer(
        &mut self,
        points: &Points,
        slot: u16,
        key: f32,
        rng: &mut Rng,
        scratch: &mut Scratch,
    ) {
        if self.count == self.size {
            let (first, largest) = self.first.unwrap_or_else(|| self.first_to_go());
            self.first = Some((first, largest));
            if key >= largest {
                return;
            }
            self.remove(points, first, scratch);
        }
        self.insert(points, slot, key, rng, scratch);
    }

    fn first_to_go(&self) -> (usize, f32) {
        let mut first = (0, self.keys[0]);
        for (leaf, &key) in self.keys.iter().enumerate() {
            if key > first.1 {
                first = (leaf, key);
            }
        }
        first
    }

    /// Removes the points that are older than `oldest` rows and moves all keys.
    pub(super) fn age(&mut self, points: &Points, oldest: usize, by: f32, scratch: &mut Scratch) {
        self.first = None;
        for leaf in 0..self.slots.len() {
            if self.keys[leaf] == f32::NEG_INFINITY {
                continue; // free
            }
            self.keys[leaf] += by;
            if points.age(self.slots[leaf]) > oldest {
                self.remove(points, leaf, scratch);
            }
        }
    }

    /// Where a point ends: a leaf, or the top of equal points. The way there is left in `path`.
    fn descend(&self, point: &[f32], path: &mut Vec<u16>) -> u16 {
        path.clear();
        let mut node = self.root;
        while self.leaf(node).is_none() {
            let split = usize::from(node);
            if self.dimension[split] == EQUAL {
                break;
            }
            path.push(node);
            let value = point[usize::from(self.dimension[split])];
            node = self.children[split][usize::from(value > self.cut[split])];
        }
        node
    }

    /// Some point of a node.
    fn any_point<'a>(&self, points: &'a Points, mut node: u16) -> &'a [f32] {
        loop {
            match self.leaf(node) {
                Some(leaf) => return points.at(self.slots[leaf]),
                None => node = self.children[usize::from(node)][0],
            }
        }
    }

    /// Extends a box by that of a node.
    fn extend(&self, points: &Points, node: u16, low: &mut [f32], high: &mut [f32]) {
        if let Some(leaf) = self.leaf(node) {
            let point = points.at(self.slots[leaf]);
            extend(low, high, point, point);
            return;
        }
        let split = usize::from(node);
        if self.box_of[split] == NONE {
            let [left, right] = self.children[split];
            self.extend(points, left, low, high);
            self.extend(points, right, low, high);
        } else {
            let (its_low, its_high) = self.box_at(split, points.width());
            extend(low, high, its_low, its_high);
        }
    }

    fn box_at(&self, split: usize, width: usize) -> (&[f32], &[f32]) {
        let start = usize::from(self.box_of[split]) * 2 * width;
        self.boxes[start..start + 2 * width].split_at(width)
    }

    /// Visits the nodes that a point passes, from the last one up to the root, until `visit` has
    /// enough.
    pub(super) fn rise(
        &self,
        points: &Points,
        point: &[f32],
        scratch: &mut Scratch,
        mut visit: impl FnMut(&Passed<'_>) -> bool,
    ) {
        if self.root == NONE {
            return;
        }
        let Scratch { path, low, high } = scratch;
        let mut node = self.descend(point, path);
        low.clear();
        low.extend_from_slice(self.any_point(points, node));
        high.clear();
        high.extend_from_slice(low);
        for depth in (0..=path.len()).rev() {
            let last = depth == path.len();
            if !last {
                let parent = path[depth];
                let split = usize::from(parent);
                if self.box_of[split] == NONE {
                    let [left, right] = self.children[split];
                    let sibling = if left == node { right } else { left };
                    self.extend(points, sibling, low, high);
                } else {
                    let (its_low, its_high) = self.box_at(split, point.len());
                    low.copy_from_slice(its_low);
                    high.copy_from_slice(its_high);
                }
                node = parent;
            }
            let passed = Passed {
                depth,
                mass: usize::from(self.mass(node)),
                last,
                point,
                low,
                high,
            };
            if !visit(&passed) {
                return;
            }
        }
    }

    fn insert(
        &mut self,
        points: &Points,
        slot: u16,
        key: f32,
        rng: &mut Rng,
        scratch: &mut Scratch,
    ) {
        let leaf = self.free_leaves.pop().map_or(self.slots.len(), usize::from);
        put(&mut self.slots, leaf, slot);
        put(&mut self.keys, leaf, key);
        let new = self.leaf_node(leaf);
        self.count += 1;
        self.first = None;
        if self.root == NONE {
            self.root = new;
            return;
        }
        let point = points.at(slot);
        // The highest node at which a random cut of the box and the point sets them apart.
        let mut apart = None;
        self.rise(points, point, scratch, |passed| {
            let (outside, extent) = passed.extents();
            if outside == 0.0 {
                apart = apart.or(passed.last.then_some((passed.depth, EQUAL, 0.0)));
                return false;
            }
            // Where a cut of the whole extent falls; on the last node it always sets apart.
            let all = if passed.last { outside } else { extent };
            let at = rng.uniform() as f32 * all;
            if at < outside || passed.last {
                let (dimension, cut) = cut_at(passed, at);
                apart = Some((passed.depth, dimension, cut));
            }
            true
        });
        let Some((depth, dimension, cut)) = apart else {
            unreachable!("the last node is visited and sets apart or is equal");
        };
        let target = self.descend(point, &mut scratch.path);
        let below = scratch.path.get(depth).copied().unwrap_or(target);
        let left = dimension == EQUAL || point[usize::from(dimension)] > cut;
        let children = if left { [below, new] } else { [new, below] };
        let split = self.new_split(dimension, cut, children, self.mass(below));
        scratch.path.truncate(depth);
        self.replace(scratch.path.last().copied(), below, split);
        scratch.path.push(split);
        self.grow(points, point, scratch);
    }

    fn new_split(&mut self, dimension: u16, cut: f32, children: [u16; 2], mass: u16) -> u16 {
        let split = self.free_splits.pop().map_or(self.cut.len(), usize::from);
        put(&mut self.cut, split, cut);
        put(&mut self.dimension, split, dimension);
        put(&mut self.children, split, children);
        put(&mut self.mass, split, mass);
        put(&mut self.box_of, split, NONE);
        split as u16
    }

    /// Makes `new` the child of `parent`, or the root, in place of `old`.
    fn replace(&mut self, parent: Option<u16>, old: u16, new: u16) {
        match parent {
            None => self.root = new,
            Some(parent) => {
                let children = &mut self.children[usize::from(parent)];
                let side = usize::from(children[0] != old);
                children[side] = new;
            }
        }
    }

    /// The nodes of the path have a point more.
    fn grow(&mut self, points: &Points, point: &[f32], scratch: &mut Scratch) {
        for &node in &scratch.path {
            let split = usize::from(node);
            self.mass[split] += 1;
            if self.box_of[split] != NONE {
                let width = point.len();
                let start = usize::from(self.box_of[split]) * 2 * width;
                let (low, high) = self.boxes[start..start + 2 * width].split_at_mut(width);
                extend(low, high, point, point);
            } else if self.mass[split] >= BOXED {
                self.set_box(points, split, &mut scratch.low, &mut scratch.high);
            }
        }
    }

    /// Finds the box of a split anew.
    fn set_box(&mut self, points: &Points, split: usize, low: &mut Vec<f32>, high: &mut Vec<f32>) {
        let width = points.width();
        low.clear();
        low.resize(width, f32::INFINITY);
        high.clear();
        high.resize(width, f32::NEG_INFINITY);
        for child in self.children[split] {
            self.extend(points, child, low, high);
        }
        if self.box_of[split] == NONE {
            let next = self.boxes.len() / (2 * width);
            self.box_of[split] = self.free_boxes.pop().unwrap_or(next as u16);
            if usize::from(self.box_of[split]) == next {
                self.boxes.reserve_exact(2 * width);
                self.boxes.resize((next + 1) * 2 * width, 0.0);
            }
        }
        let start = usize::from(self.box_of[split]) * 2 * width;
        self.boxes[start..start + width].copy_from_slice(low);
        self.boxes[start + width..start + 2 * width].copy_from_slice(high);
    }

    fn drop_box(&mut self, split: usize) {
        if self.box_of[split] != NONE {
            self.free_boxes.push(self.box_of[split]);
            self.box_of[split] = NONE;
        }
    }

    fn remove(&mut self, points: &Points, leaf: usize, scratch: &mut Scratch) {
        let point = points.at(self.slots[leaf]);
        let node = self.leaf_node(leaf);
        let end = self.descend(point, &mut scratch.path);
        let found = self.find(end, node, &mut scratch.path);
        debug_assert!(found, "every leaf lies where its point leads");
        if let Some(parent) = scratch.path.pop() {
            let split = usize::from(parent);
            let [left, right] = self.children[split];
            let sibling = if left == node { right } else { left };
            self.replace(scratch.path.last().copied(), parent, sibling);
            self.drop_box(split);
            self.free_splits.push(parent);
        } else {
            self.root = NONE;
        }
        self.keys[leaf] = f32::NEG_INFINITY;
        self.free_leaves.push(leaf as u16);
        self.count -= 1;
        self.first = None;
        self.shrink(points, point, scratch);
    }

    /// Goes on from a node among equal points to one of its leaves.
    fn find(&self, node: u16, wanted: u16, path: &mut Vec<u16>) -> bool {
        if node == wanted {
            return true;
        }
        if self.leaf(node).is_some() {
            return false;
        }
        path.push(node);
        let [left, right] = self.children[usize::from(node)];
        if self.find(left, wanted, path) || self.find(right, wanted, path) {
            return true;
        }
        path.pop();
        false
    }

    /// The nodes of the path have a point less.
    fn shrink(&mut self, points: &Points, point: &[f32], scratch: &mut Scratch) {
        for &node in scratch.path.iter().rev() {
            let split = usize::from(node);
            self.mass[split] -= 1;
            if self.mass[split] < BOXED {
                self.drop_box(split);
            } else if self.touches(split, point) {
                self.set_box(points, split, &mut scratch.low, &mut scratch.high);
            }
        }
    }

    /// Whether a point lies on the surface of a box.
    fn touches(&self, split: usize, point: &[f32]) -> bool {
        let (low, high) = self.box_at(split, point.len());
        let surface = point.iter().zip(low.iter().zip(high));
        surface
            .into_iter()
            .any(|(value, (low, high))| value == low || value == high)
    }

    /// The slot of the leaf nearest to a point in the dimensions that are known, among those that
    /// the cuts in these dimensions lead to; distances are sums of absolute differences.
    pub(super) fn nearest(&self, points: &Points, point: &[f32]) -> Option<u16> {
        let mut best = None;
        let mut open = Vec::new();
        if self.root != NONE {
            open.push(self.root);
        }
        while let Some(node) = open.pop() {
            if let Some(leaf) = self.leaf(node) {
                let slot = self.slots[leaf];
                let known = point.iter().zip(points.at(slot));
                let known = known.filter(|(value, _)| !value.is_nan());
                let distance: f32 = known.map(|(a, b)| (a - b).abs()).sum();
                if best.is_none_or(|(least, _)| distance < least) {
                    best = Some((distance, slot));
                }
                continue;
            }
            let split = usize::from(node);
            let [left, right] = self.children[split];
            let dimension = self.dimension[split];
            let value = if dimension == EQUAL {
                f32::NEG_INFINITY
            } else {
                point[usize::from(dimension)]
            };
            if value.is_nan() {
                open.extend([right, left]);
            } else {
                open.push(if value > self.cut[split] { right } else { left });
            }
        }
        best.map(|(_, slot)| slot)
    }
}

/// Sets an item, or adds it at the end.
fn put<T>(list: &mut Vec<T>, index: usize, item: T) {
    if index < list.len() {
        list[index] = item;
    } else {
        list.push(item);
    }
}
