//! What a score is made of, and what is missing.

use aiops_core::numerics::median;
use aiops_core::{ScoreError, StreamingDetector, Warmup};

use super::tree::Scratch;
use super::{RandomCutForest, normal, seen};

/// Parts of a score; they add up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    dimensions: usize,
    /// For being above what is usual; the oldest row first.
    above: Vec<f64>,
    below: Vec<f64>,
}

impl Attribution {
    /// The parts of a dimension `lag` rows ago, 0 being the last row: for lying above what is
    /// usual, and below it.
    ///
    /// # Panics
    ///
    /// When there is no such dimension or lag.
    pub fn of(&self, dimension: usize, lag: usize) -> (f64, f64) {
        assert!(dimension < self.dimensions, "no such dimension");
        let index = self.above.len() - (lag + 1) * self.dimensions + dimension;
        (self.above[index], self.below[index])
    }

    /// The part of each dimension, over all lags.
    pub fn by_dimension(&self) -> Vec<f64> {
        let part = |dimension: usize| {
            let lags = 0..self.above.len() / self.dimensions;
            lags.map(|lag| self.of(dimension, lag))
                .map(|(a, b)| a + b)
                .sum()
        };
        (0..self.dimensions).map(part).collect()
    }

    /// The part of each lag, over all dimensions; the last row first.
    pub fn by_lag(&self) -> Vec<f64> {
        let rows = self.above.chunks_exact(self.dimensions);
        let rows = rows.zip(self.below.chunks_exact(self.dimensions)).rev();
        rows.map(|(above, below)| above.iter().chain(below).sum())
            .collect()
    }
}

impl RandomCutForest {
    /// The parts of the score of a row; `None` where there is no score.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn attribution(&self, row: &[f64]) -> Result<Option<Attribution>, ScoreError> {
        let Some(point) = self.point(row)? else {
            return Ok(None);
        };
        let width = point.len();
        let (mut above, mut below) = (vec![0.0; width], vec![0.0; width]);
        let (mut one_above, mut one_below) = (above.clone(), below.clone());
        let mut scratch = Scratch::default();
        let trees = self.trees.iter().filter(|tree| tree.len() > 0);
        let weight = 1.0 / trees.clone().count().max(1) as f64;
        for tree in trees {
            tree.rise(&self.points, &point, &mut scratch, |passed| {
                let apart = passed.separation();
                if passed.last {
                    // What a point has in common with the trees belongs to no dimension.
                    let share = 0.5 * seen(passed, tree.len()) / width as f64;
                    one_above.fill(share);
                    one_below.fill(share);
                }
                let (outside, _) = passed.extents();
                let each =
                    apart / (passed.depth + 1) as f64 / f64::from(outside.max(f32::MIN_POSITIVE));
                for dimension in 0..width {
                    let away = f64::from(passed.outside(dimension));
                    let (one_above, one_below) =
                        (&mut one_above[dimension], &mut one_below[dimension]);
                    *one_above = (1.0 - apart) * *one_above + each * away.max(0.0);
                    *one_below = (1.0 - apart) * *one_below + each * (-away).max(0.0);
                }
                apart > 0.0
            });
            let weight = weight * normal(tree.len());
            for dimension in 0..width {
                above[dimension] += weight * one_above[dimension];
                below[dimension] += weight * one_below[dimension];
            }
        }
        let dimensions = self.config.dimensions;
        Ok(Some(Attribution {
            dimensions,
            above,
            below,
        }))
    }

    /// The row with its missing values filled in; `None` while warming up.
    ///
    /// # Errors
    ///
    /// [`ScoreError::Data`] as for [`score_row`](Self::score_row).
    pub fn impute(&self, row: &[f64]) -> Result<Option<Vec<f64>>, ScoreError> {
        self.check(row)?;
        if self.warmup() != Warmup::Ready {
            return Ok(None);
        }
        let filled = self.imputed(&self.scaled(row));
        let values = row.iter().zip(filled).zip(&self.units);
        let values = values.map(|((&value, filled), unit)| {
            if value.is_nan() {
                unit.back(filled)
            } else {
                value
            }
        });
        Ok(Some(values.collect()))
    }

    /// The row that would be usual next; `None` while warming up.
    pub fn expected(&self) -> Option<Vec<f64>> {
        let missing = vec![f64::NAN; self.config.dimensions];
        self.impute(&missing).ok().flatten()
    }

    /// A scaled row with its missing values filled in; 0, the centre, where no tree knows better.
    pub(super) fn imputed(&self, row: &[f32]) -> Vec<f32> {
        let mut filled = row.to_vec();
        if row.iter().all(|value| !value.is_nan()) {
            return filled;
        }
        let point = self.points.with(row);
        let nearest = self
            .trees
            .iter()
            .filter_map(|tree| tree.nearest(&self.points, &point));
        let nearest: Vec<u16> = nearest.collect();
        let start = point.len() - row.len();
        for (dimension, value) in filled.iter_mut().enumerate() {
            if value.is_nan() {
                let values = nearest
                    .iter()
                    .map(|&slot| self.points.at(slot)[start + dimension]);
                let mut values: Vec<f64> = values.map(f64::from).collect();
                let middle = median(&mut values);
                *value = if middle.is_nan() { 0.0 } else { middle as f32 };
            }
        }
        filled
    }
}
