//! The nearest window of every window: the distance matrix diagonal by diagonal.

use std::ops::Range;

use super::shapes::{LANES, Shapes};
use crate::rows::in_parallel;

/// Sums that are carried along a diagonal are taken anew after so many steps, against drift.
const STEPS: usize = 4096;

/// Work that is shared out to threads; the answer does not depend on it.
const STRIPS: usize = if cfg!(feature = "rayon") { 16 } else { 1 };

/// For each window the most similar other one, by the cosine of their shapes.
#[derive(Clone, Debug)]
pub(super) struct Best {
    cosine: Vec<f64>,
    at: Vec<usize>,
}

impl Best {
    fn new(count: usize) -> Self {
        Self {
            cosine: vec![f64::NEG_INFINITY; count + LANES],
            at: vec![0; count + LANES],
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<(f64, usize)> {
        let cosine = self.cosine[index];
        (cosine > f64::NEG_INFINITY).then(|| (cosine, self.at[index]))
    }

    fn offer(&mut self, index: usize, cosine: f64, at: usize) {
        if cosine > self.cosine[index] {
            (self.cosine[index], self.at[index]) = (cosine, at);
        }
    }

    /// Of equals the nearer one stays, as if all had been seen in order of their distance in time.
    pub(super) fn merge(&mut self, other: &Self) {
        for index in 0..self.at.len() {
            let (cosine, at) = (other.cosine[index], other.at[index]);
            let nearer = at.abs_diff(index) < self.at[index].abs_diff(index);
            if cosine > self.cosine[index] || (cosine == self.cosine[index] && nearer) {
                (self.cosine[index], self.at[index]) = (cosine, at);
            }
        }
    }
}

/// The nearest columns of each row and the nearest rows of each column, among the pairs whose
/// column is at least `first` after the row.
pub(super) fn join(rows: &Shapes, columns: &Shapes, first: usize) -> (Best, Best) {
    let strips = in_parallel(STRIPS, |strip| {
        let mut search = Search {
            rows,
            columns,
            of_rows: Best::new(rows.len()),
            of_columns: Best::new(columns.len()),
        };
        let starts = (first..columns.len()).step_by(LANES);
        starts
            .skip(strip)
            .step_by(STRIPS)
            .for_each(|diagonal| search.go_along(diagonal));
        (search.of_rows, search.of_columns)
    });
    strips
        .into_iter()
        .reduce(|(mut of_rows, mut of_columns), other| {
            of_rows.merge(&other.0);
            of_columns.merge(&other.1);
            (of_rows, of_columns)
        })
        .expect("there is a strip")
}

struct Search<'a> {
    rows: &'a Shapes,
    columns: &'a Shapes,
    of_rows: Best,
    of_columns: Best,
}

impl Search<'_> {
    /// The pairs whose column is `diagonal` to `diagonal + LANES - 1` after the row. Columns after
    /// the last have no shape and are never chosen.
    fn go_along(&mut self, diagonal: usize) {
        let count = self.rows.len().min(self.columns.len() - diagonal);
        let mut row = 0;
        while row < count {
            let sums = std::array::from_fn(|lane| {
                let column = row + diagonal + lane;
                if column < self.columns.len() {
                    self.rows.covariance(row, self.columns, column)
                } else {
                    0.0
                }
            });
            let next = self.next_reset(row + 1, diagonal).min(count);
            self.go_on(row..next, diagonal, sums);
            row = next;
        }
    }

    /// Where sums are to be taken anew, from `row` on.
    fn next_reset(&self, row: usize, diagonal: usize) -> usize {
        let next = |resets: &[usize], from: usize| {
            let index = resets.partition_point(|&reset| reset < from);
            resets.get(index).copied()
        };
        let of_rows = next(&self.rows.resets, row);
        let of_columns = next(&self.columns.resets, row + diagonal)
            .map(|reset| row.max((reset + 1).saturating_sub(diagonal + LANES)));
        let regular = row.next_multiple_of(STEPS);
        [of_rows, of_columns]
            .into_iter()
            .flatten()
            .fold(regular, usize::min)
    }

    /// `sums` are those of the first row.
    fn go_on(&mut self, rows: Range<usize>, diagonal: usize, mut sums: [f64; LANES]) {
        let columns = rows.start + diagonal..rows.end + diagonal + LANES - 1;
        let of_column = self.columns.half[columns.clone()]
            .array_windows::<LANES>()
            .zip(self.columns.sum[columns.clone()].array_windows::<LANES>())
            .zip(self.columns.inverse[columns].array_windows::<LANES>());
        let of_row = self.rows.half[rows.clone()]
            .iter()
            .zip(&self.rows.sum[rows.clone()])
            .zip(&self.rows.inverse[rows.clone()]);
        let mut first = true;
        for ((row, ((half, sum), inverse)), ((halves, added), inverses)) in
            rows.zip(of_row).zip(of_column)
        {
            if !first {
                for lane in 0..LANES {
                    sums[lane] += half * added[lane] + halves[lane] * sum;
                }
            }
            first = false;
            let column = row + diagonal;
            let known = &self.of_columns.cosine[column..column + LANES];
            let of_row = self.of_rows.cosine[row];
            let mut cosines = [0.0; LANES];
            let mut better = [0.0; LANES];
            for lane in 0..LANES {
                cosines[lane] = sums[lane] * (inverse * inverses[lane]);
                let worse = if known[lane] < of_row {
                    known[lane]
                } else {
                    of_row
                };
                better[lane] = if cosines[lane] > worse { 1.0 } else { 0.0 };
            }
            if better.iter().sum::<f64>() > 0.0 {
                self.offer(row, column, &cosines);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn offer(&mut self, row: usize, column: usize, cosines: &[f64; LANES]) {
        for (lane, &cosine) in cosines.iter().enumerate() {
            self.of_rows.offer(row, cosine, column + lane);
            self.of_columns.offer(column + lane, cosine, row);
        }
    }
}
