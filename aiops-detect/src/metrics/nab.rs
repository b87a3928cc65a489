//! The score of the Numenta Anomaly Benchmark.
//!
//! Lavin and Ahmad, *Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly
//! Benchmark* (ICMLA 2015).

use std::ops::RangeInclusive;

use thiserror::Error;

/// Share of the rows of a file, and most rows, in which a detector may learn without being judged.
const PROBATION: (f64, f64) = (0.15, 750.0);

/// Score of a row that is never an alarm.
const NEVER: f64 = f64::NEG_INFINITY;

/// What hits, false alarms and misses are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NabProfile {
    /// Worth of a window that is detected at its first row.
    pub true_positive: f64,
    /// Cost of a false alarm far from any window.
    pub false_positive: f64,
    /// Cost of a window that is missed.
    pub false_negative: f64,
}

impl NabProfile {
    /// The profile that the benchmark is ranked by.
    pub const STANDARD: Self = Self::of(0.11, 1.0);
    /// False alarms cost twice as much.
    pub const LOW_FP: Self = Self::of(0.22, 1.0);
    /// Missed windows cost twice as much.
    pub const LOW_FN: Self = Self::of(0.11, 2.0);

    const fn of(false_positive: f64, false_negative: f64) -> Self {
        Self {
            true_positive: 1.0,
            false_positive,
            false_negative,
        }
    }
}

/// One file of a corpus: the scores of a detector, and where the anomalies are.
#[derive(Clone, Copy, Debug)]
pub struct NabFile<'a> {
    /// One score per row; larger is more anomalous. `NaN` is never an alarm.
    pub scores: &'a [f64],
    /// Rows of each labelled window, both ends included, in order and apart from each other.
    pub windows: &'a [RangeInclusive<usize>],
}

/// The result of [`nab_score`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NabScore {
    /// 100 for a perfect detector, 0 for one that never alarms; negative when alarms cost more
    /// than they find.
    pub score: f64,
    /// The threshold for all files that gives it: rows that score at least that are alarms.
    /// Infinite when no alarm at all is best.
    pub threshold: f64,
}

/// Labels from which no score can be computed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NabError {
    /// No file has a window, so that nothing could be detected.
    #[error("no file has a labelled window")]
    NoWindow,
    /// A window that is empty, ends after the last row, or does not begin after the one before.
    #[error("window {window} of file {file} is out of order or outside of the {rows} rows")]
    Window {
        /// Position of the file.
        file: usize,
        /// Position of the window in the file.
        window: usize,
        /// Rows of the file.
        rows: usize,
    },
}

/// A row that counts: what an alarm there is worth, and the window it lies in.
#[derive(Clone, Copy, Debug)]
struct Row {
    score: f64,
    worth: f64,
    window: Option<usize>,
}

/// The score of a detector on a corpus, with the best single threshold for all of its files.
///
/// In each window only the alarm that is worth most counts, which is the earliest. Alarms
/// outside cost the more the farther behind a window they are. The first 15 percent of each file, at
/// most 750 rows, are not judged. Costs a sort of all rows.
///
/// # Formula
///
/// ```text
/// worth(row) = sigma(-(last - row + 1) / width) * A_TP / sigma(-1)     inside a window
///              sigma((row - last) / (width - 1)) * A_FP                behind one
///              -A_FP                                                   before the first
/// sigma(y)   = 2 / (1 + exp(5 y)) - 1, and -1 for y > 3
/// score      = 100 (S - S_none) / (S_perfect - S_none)
/// ```
///
/// # Errors
///
/// [`NabError`] when there is no window, or one is out of order.
///
/// # Examples
///
/// ```
/// use aiops_detect::metrics::nab::{NabFile, NabProfile, nab_score};
///
/// let mut scores = vec![0.0; 100];
/// scores[60] = 1.0;
/// let file = NabFile { scores: &scores, windows: &[60..=69] };
/// let perfect = nab_score(&[file], NabProfile::STANDARD)?;
/// assert!((perfect.score - 100.0).abs() < 1e-9 && perfect.threshold == 1.0);
/// # Ok::<(), aiops_detect::metrics::nab::NabError>(())
/// ```
///
/// # Not good for
///
/// Ranking detectors by how well they order all samples: one early alarm in a window is
/// everything. Windows begin well before the anomaly, so that some luck is rewarded.
pub fn nab_score(files: &[NabFile<'_>], profile: NabProfile) -> Result<NabScore, NabError> {
    let (mut rows, mut windows) = (Vec::new(), 0);
    for (index, file) in files.iter().enumerate() {
        check(index, file)?;
        judge(file, profile, windows, &mut rows);
        windows += file.windows.len();
    }
    if windows == 0 {
        return Err(NabError::NoWindow);
    }
    rows.sort_by(|a, b| b.score.total_cmp(&a.score));
    let none = -profile.false_negative * windows as f64;
    let (best, threshold) = sweep(&rows, windows, profile);
    let perfect = profile.true_positive * windows as f64;
    Ok(NabScore {
        score: 100.0 * (best - none) / (perfect - none),
        threshold,
    })
}

fn check(index: usize, file: &NabFile<'_>) -> Result<(), NabError> {
    let mut free = 0;
    for (window, range) in file.windows.iter().enumerate() {
        let inside = range.start() <= range.end() && *range.end() < file.scores.len();
        if *range.start() < free || !inside {
            return Err(NabError::Window {
                file: index,
                window,
                rows: file.scores.len(),
            });
        }
        free = range.end() + 1;
    }
    Ok(())
}

/// Adds the rows of `file` that count; its windows are numbered from `first_window` on.
fn judge(file: &NabFile<'_>, profile: NabProfile, first_window: usize, rows: &mut Vec<Row>) {
    let len = file.scores.len();
    let probation = (PROBATION.0 * len as f64).floor().min(PROBATION.1) as usize;
    let mut next = 0; // the window that has not ended yet
    for row in 0..len {
        if file
            .windows
            .get(next)
            .is_some_and(|window| *window.end() < row)
        {
            next += 1;
        }
        let inside = file
            .windows
            .get(next)
            .filter(|window| window.contains(&row));
        let before = next.checked_sub(1).map(|index| &file.windows[index]);
        let worth = match (inside, before) {
            (Some(window), _) => inside_worth(row, window) * profile.true_positive,
            (None, Some(window)) => behind_worth(row, window) * profile.false_positive,
            (None, None) => -profile.false_positive,
        };
        if row >= probation {
            let score = file.scores[row] + 0.0; // one zero, not two
            rows.push(Row {
                score: if score.is_nan() { NEVER } else { score },
                worth,
                window: inside.map(|_| first_window + next),
            });
        }
    }
}

fn inside_worth(row: usize, window: &RangeInclusive<usize>) -> f64 {
    let left = (window.end() - row + 1) as f64;
    sigma(-left / width(window)) / sigma(-1.0)
}

fn behind_worth(row: usize, window: &RangeInclusive<usize>) -> f64 {
    sigma((row - window.end()) as f64 / (width(window) - 1.0))
}

fn width(window: &RangeInclusive<usize>) -> f64 {
    (window.end() - window.start() + 1) as f64
}

fn sigma(y: f64) -> f64 {
    if y > 3.0 {
        -1.0
    } else {
        2.0 / (1.0 + (5.0 * y).exp()) - 1.0
    }
}

/// The best sum over all thresholds, with its threshold. Rows come by decreasing score.
fn sweep(rows: &[Row], windows: usize, profile: NabProfile) -> (f64, f64) {
    let mut found = vec![-profile.false_negative; windows];
    let mut judged = vec![false; windows];
    rows.iter()
        .filter_map(|row| row.window)
        .for_each(|window| judged[window] = true);
    // A window inside the probation of its file can be neither found nor missed.
    let missed = judged.iter().filter(|&&judged| judged).count();
    let mut sum = -profile.false_negative * missed as f64;
    let mut best = (sum, f64::INFINITY);
    for (index, row) in rows.iter().enumerate() {
        match row.window {
            None => sum += row.worth,
            Some(window) if row.worth > found[window] => {
                sum += row.worth - found[window];
                found[window] = row.worth;
            }
            Some(_) => {}
        }
        let last_of_ties = rows
            .get(index + 1)
            .is_none_or(|next| next.score != row.score);
        if last_of_ties && sum > best.0 && row.score > NEVER {
            best = (sum, row.score);
        }
    }
    best
}
