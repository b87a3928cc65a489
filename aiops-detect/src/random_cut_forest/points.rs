//! The last rows of a stream, and the points that they make: a row and those before it.

/// Farthest that a value can lie from the centre, in units of the stream.
const FARTHEST: f64 = 1e6;

/// Rows by which the ring grows until it is full.
const GROWTH: usize = 512;

/// A ring of rows. A point is named by the slot of its last row and lies in one piece: the first
/// rows of the ring are repeated after its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Points {
    shingle: usize,
    dimensions: usize,
    /// Rows that the ring holds, at most 65535.
    capacity: usize,
    rows: Vec<f32>,
    pushed: u64,
}

impl Points {
    pub(super) fn new(shingle: usize, dimensions: usize, capacity: usize) -> Self {
        Self {
            shingle,
            dimensions,
            capacity,
            rows: Vec::new(),
            pushed: 0,
        }
    }

    /// Values of a point.
    pub(super) fn width(&self) -> usize {
        self.shingle * self.dimensions
    }

    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Whether the last row has enough rows before it to make a point.
    pub(super) fn has_point(&self) -> bool {
        self.pushed >= self.shingle as u64
    }

    fn slot_of(&self, row: u64) -> usize {
        (row % self.capacity as u64) as usize
    }

    /// The slot of the last row.
    pub(super) fn last(&self) -> u16 {
        self.slot_of(self.pushed.saturating_sub(1)) as u16
    }

    /// Rows that came after the one in this slot.
    pub(super) fn age(&self, slot: u16) -> usize {
        (usize::from(self.last()) + self.capacity - usize::from(slot)) % self.capacity
    }

    pub(super) fn push(&mut self, row: &[f32]) {
        let slot = self.slot_of(self.pushed);
        self.put(slot, row);
        if slot + 1 < self.shingle && self.pushed >= self.capacity as u64 {
            self.put(self.capacity + slot, row);
        }
        self.pushed += 1;
    }

    fn put(&mut self, slot: usize, row: &[f32]) {
        let start = slot * self.dimensions;
        if start == self.rows.len() {
            if start == self.rows.capacity() {
                self.rows.reserve_exact(GROWTH * row.len());
            }
            self.rows.extend_from_slice(row);
        } else {
            self.rows[start..start + row.len()].copy_from_slice(row);
        }
    }

    /// The point that ends in a slot, its oldest row first.
    pub(super) fn at(&self, slot: u16) -> &[f32] {
        let slot = usize::from(slot);
        let end = if slot + 1 >= self.shingle {
            slot
        } else {
            self.capacity + slot
        };
        let start = (end + 1 - self.shingle) * self.dimensions;
        &self.rows[start..start + self.width()]
    }

    /// The point that `row` would make; the oldest row first.
    pub(super) fn with(&self, row: &[f32]) -> Vec<f32> {
        let before = self.width() - self.dimensions;
        let mut point = Vec::with_capacity(self.width());
        let held = (self.pushed as usize).min(self.shingle - 1);
        point.resize(before - held * self.dimensions, 0.0);
        for back in (1..=held as u64).rev() {
            let start = self.slot_of(self.pushed - back) * self.dimensions;
            point.extend_from_slice(&self.rows[start..start + self.dimensions]);
        }
        point.extend_from_slice(row);
        point
    }

    /// Whether there is a point that ends in this slot.
    #[cfg(feature = "serde")]
    pub(super) fn holds(&self, slot: u16) -> bool {
        let rows = self.pushed.min(self.capacity as u64) as usize;
        usize::from(slot) < self.capacity && self.age(slot) + self.shingle <= rows
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<f32>()
    }

    /// The rows by slot, those that are repeated left out.
    #[cfg(feature = "serde")]
    pub(super) fn rows(&self) -> &[f32] {
        let held = self.pushed.min(self.capacity as u64) as usize;
        &self.rows[..held * self.dimensions]
    }

    /// The ring after so many rows; `rows` as [`rows`](Self::rows) gives them. `None` where they
    /// are not as many as must be.
    #[cfg(feature = "serde")]
    pub(super) fn restore(mut self, rows: Vec<f32>, pushed: u64) -> Option<Self> {
        let held = pushed.min(self.capacity as u64) as usize;
        if rows.len() != held * self.dimensions {
            return None;
        }
        let around = pushed.saturating_sub(self.capacity as u64);
        let repeated = around.min(self.shingle as u64 - 1) as usize * self.dimensions;
        self.rows = rows;
        self.rows.extend_from_within(..repeated);
        self.pushed = pushed;
        Some(self)
    }
}

/// Zero and unit of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    pub(super) center: f64,
    pub(super) scale: f64,
}

impl Unit {
    pub(super) fn apply(self, value: f64) -> f32 {
        let away = value / self.scale - self.center / self.scale;
        let away = if away.is_nan() { 0.0 } else { away };
        away.clamp(-FARTHEST, FARTHEST) as f32
    }

    pub(super) fn back(self, value: f32) -> f64 {
        (self.center + f64::from(value) * self.scale).clamp(f64::MIN, f64::MAX)
    }
}
