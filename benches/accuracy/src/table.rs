//! Reading the data folders.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use aiops_core::ndarray::Array2;

use crate::Fallible;

/// A table of text cells with a header.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Reads `.csv` and `.csv.gz`.
    pub(crate) fn read(path: &Path) -> Fallible<Self> {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| at(&error))?;
        let reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "gz") {
            Box::new(flate2::read::GzDecoder::new(BufReader::new(file)))
        } else {
            Box::new(BufReader::new(file))
        };
        let mut csv = csv::Reader::from_reader(reader);
        let header = csv.headers().map_err(|error| at(&error))?;
        let header = header.iter().map(str::to_owned).collect();
        let rows = csv
            .records()
            .collect::<Result<_, _>>()
            .map_err(|error| at(&error))?;
        Ok(Self {
            path: path.to_owned(),
            header,
            rows,
        })
    }

    pub(crate) fn column(&self, name: &str) -> Fallible<usize> {
        let found = self.header.iter().position(|known| known == name);
        found.ok_or_else(|| format!("{}: no column `{name}`", self.path.display()).into())
    }

    /// A cell as a number; `NaN` when it is empty.
    pub(crate) fn number(&self, row: usize, column: usize) -> Fallible<f64> {
        match &self.rows[row][column] {
            "" => Ok(f64::NAN),
            text => text.parse().map_err(|_| {
                format!(
                    "{}, row {}: `{text}` is no number",
                    self.path.display(),
                    row + 2
                )
                .into()
            }),
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Fallible<Vec<f64>> {
        let column = self.column(name)?;
        (0..self.rows.len())
            .map(|row| self.number(row, column))
            .collect()
    }

    /// A column of 0 and 1.
    pub(crate) fn labels(&self) -> Fallible<Vec<bool>> {
        Ok(self
            .numbers("label")?
            .into_iter()
            .map(|label| label > 0.5)
            .collect())
    }

    /// All columns but `label`, as numbers.
    pub(crate) fn features(&self) -> Fallible<Array2<f64>> {
        let columns: Vec<usize> = (0..self.header.len())
            .filter(|&index| self.header[index] != "label")
            .collect();
        let mut values = Vec::with_capacity(self.rows.len() * columns.len());
        for row in 0..self.rows.len() {
            for &column in &columns {
                values.push(self.number(row, column)?);
            }
        }
        Ok(Array2::from_shape_vec(
            (self.rows.len(), columns.len()),
            values,
        )?)
    }
}

/// Files below `folder` whose name ends in `ending`, with their name relative to it and without
/// the ending, in order of name.
pub(crate) fn files(folder: &Path, ending: &str) -> Fallible<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    collect(folder, folder, ending, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(
    top: &Path,
    folder: &Path,
    ending: &str,
    found: &mut Vec<(String, PathBuf)>,
) -> Fallible<()> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(top, &path, ending, found)?;
        } else if let Some(name) = path
            .strip_prefix(top)?
            .to_string_lossy()
            .strip_suffix(ending)
        {
            found.push((name.to_owned(), path.clone()));
        }
    }
    Ok(())
}

/// Applies `work` to all items on `jobs` threads; results in order of items.
pub(crate) fn parallel<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.min(items.len()))
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(item) = items.get(index) else {
                            return mine;
                        };
                        mine.push((index, work(item)));
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a thread failed"))
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
