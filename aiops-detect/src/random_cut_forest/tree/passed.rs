//! A point and the box of a node.

/// Added to the extent of each box before probabilities are taken, in units of the stream: so that
/// a difference that is nothing does not count as much where the box is a point.
const FLOOR: f32 = 1e-3;

/// A node that a point passes on its way up, seen from the point.
pub(in crate::random_cut_forest) struct Passed<'a> {
    /// Edges from the root.
    pub(in crate::random_cut_forest) depth: usize,
    /// Points in the node.
    pub(in crate::random_cut_forest) mass: usize,
    /// Whether it is where the point ended, all of whose points are equal.
    pub(in crate::random_cut_forest) last: bool,
    pub(super) point: &'a [f32],
    pub(super) low: &'a [f32],
    pub(super) high: &'a [f32],
}

impl Passed<'_> {
    /// How far the point lies outside the box in a dimension: above it, or negative below.
    pub(in crate::random_cut_forest) fn outside(&self, dimension: usize) -> f32 {
        let value = self.point[dimension];
        (value - self.high[dimension]).max(0.0) + (value - self.low[dimension]).min(0.0)
    }

    /// Sum of the distances outside the box, and of its extents with the point.
    pub(in crate::random_cut_forest) fn extents(&self) -> (f32, f32) {
        let (mut outside, mut extent) = (0.0, 0.0);
        for ((&value, &low), &high) in self.point.iter().zip(self.low).zip(self.high) {
            let (with_low, with_high) = (least(low, value), greatest(high, value));
            outside += (with_high - high) + (low - with_low);
            extent += with_high - with_low;
        }
        (outside, extent)
    }

    /// Probability that a random cut sets the point apart from the box.
    pub(in crate::random_cut_forest) fn separation(&self) -> f64 {
        let (outside, extent) = self.extents();
        f64::from(outside / (extent + FLOOR * self.point.len() as f32))
    }
}

fn least(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

fn greatest(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// Where a cut of the extent outside a box falls: its dimension and value. Of the box and the
/// point, one has values up to the cut, the other above it.
pub(super) fn cut_at(passed: &Passed<'_>, mut at: f32) -> (u16, f32) {
    let mut last = 0;
    for dimension in 0..passed.point.len() {
        let outside = passed.outside(dimension).abs();
        if outside > 0.0 {
            last = dimension;
            if at < outside {
                break;
            }
            at -= outside;
        }
    }
    let (value, low, high) = (passed.point[last], passed.low[last], passed.high[last]);
    let (from, to) = if value < low {
        (value, low)
    } else {
        (high, value)
    };
    let cut = from + at;
    // Rounding could reach the upper end.
    (
        last as u16,
        if cut >= from && cut < to { cut } else { from },
    )
}

/// Extends a box by another.
pub(super) fn extend(low: &mut [f32], high: &mut [f32], its_low: &[f32], its_high: &[f32]) {
    for (low, &its) in low.iter_mut().zip(its_low) {
        *low = least(*low, its);
    }
    for (high, &its) in high.iter_mut().zip(its_high) {
        *high = greatest(*high, its);
    }
}
