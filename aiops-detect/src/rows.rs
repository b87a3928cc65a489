//! Rows of numbers: the checks that every multivariate detector makes, and work spread over rows.

use aiops_core::DataError;
use aiops_core::ndarray::ArrayView2;

/// Fails at the first infinite value.
pub(crate) fn check_finite<'a>(values: impl IntoIterator<Item = &'a f64>) -> Result<(), DataError> {
    let mut values = values.into_iter().enumerate();
    match values.find(|(_, value)| value.is_infinite()) {
        Some((index, &value)) => Err(DataError::Infinite { index, value }),
        None => Ok(()),
    }
}

/// Fails unless there are as many columns as in training.
pub(crate) fn check_columns(expected: usize, found: usize) -> Result<(), DataError> {
    if found == expected {
        Ok(())
    } else {
        Err(DataError::Length {
            what: "columns",
            expected,
            found,
        })
    }
}

/// Fails unless there are `needed` rows, a column, and no infinite value.
pub(crate) fn check_train(train: &ArrayView2<'_, f64>, needed: usize) -> Result<(), DataError> {
    let found = if train.ncols() == 0 { 0 } else { train.nrows() };
    if found < needed {
        return Err(DataError::TooShort { needed, found });
    }
    check_finite(train)
}

/// `make(0), make(1), ...`, in this order.
#[cfg(feature = "rayon")]
pub(crate) fn in_parallel<T: Send>(
    count: usize,
    make: impl Fn(usize) -> T + Send + Sync,
) -> Vec<T> {
    use rayon::prelude::*;
    (0..count).into_par_iter().map(make).collect()
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn in_parallel<T>(count: usize, make: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(make).collect()
}

/// Calls `work(index of the first, items)` for each `block` items.
#[cfg(feature = "rayon")]
pub(crate) fn each_block<T: Send>(
    items: &mut [T],
    block: usize,
    work: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    use rayon::prelude::*;
    let blocks = items.par_chunks_mut(block).enumerate();
    blocks.for_each(|(index, items)| work(index * block, items));
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn each_block<T>(items: &mut [T], block: usize, work: impl Fn(usize, &mut [T])) {
    let blocks = items.chunks_mut(block).enumerate();
    blocks.for_each(|(index, items)| work(index * block, items));
}
