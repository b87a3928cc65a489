//! Competition files in pairs, and long hourly files cut into windows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::Fallible;
use crate::args::Args;
use crate::table::{self, Table};

/// What the name of a file says about its series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Samples in the season that scales errors and that models are given; 1 for none.
    pub(super) season: usize,
    /// Samples in all seasons that models may use, ascending.
    pub(super) seasons: &'static [usize],
    /// From sample to sample.
    pub(super) step: Duration,
}

impl Kind {
    fn of(name: &str) -> Self {
        const HOUR: u64 = 3_600;
        const DAY: u64 = 24 * HOUR;
        let kinds: [(&str, usize, &[usize], u64); 5] = [
            ("hourly", 24, &[24, 168], HOUR),
            ("daily", 7, &[7], DAY),
            ("weekly", 1, &[52], 7 * DAY),
            ("monthly", 12, &[12], 30 * DAY),
            ("quarterly", 4, &[4], 91 * DAY),
        ];
        let found = kinds.iter().find(|(word, ..)| name.contains(word));
        let &(_, season, seasons, step) = found.unwrap_or(&("", 1, &[], 365 * DAY));
        Self {
            season,
            seasons,
            step: Duration::from_secs(step),
        }
    }
}

/// One forecast to make.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// Without gaps.
    pub(super) past: Vec<f64>,
    /// `NaN` where missing.
    pub(super) ahead: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) cases: Vec<Case>,
}

impl Set {
    /// Samples of the shortest past.
    pub(super) fn shortest(&self) -> usize {
        self.cases
            .iter()
            .map(|case| case.past.len())
            .min()
            .unwrap_or(0)
    }

    /// The longest horizon.
    pub(super) fn horizon(&self) -> usize {
        self.cases
            .iter()
            .map(|case| case.ahead.len())
            .max()
            .unwrap_or(1)
    }
}

/// How a long series is cut.
struct Windows {
    horizon: usize,
    origins: usize,
    step: usize,
    /// Samples before an origin, at most and at least.
    past: (usize, usize),
}

/// Four windows of a week, four weeks apart, where every series is long enough; else five of a day.
const WEEKS: Windows = Windows {
    horizon: 168,
    origins: 4,
    step: 672,
    past: (1_344, 1_344),
};
const DAYS: Windows = Windows {
    horizon: 24,
    origins: 5,
    step: 24,
    past: (1_344, 168),
};

pub(super) fn all(args: &Args) -> Fallible<Vec<Set>> {
    let mut sets = Vec::new();
    for (name, train) in table::files(&args.data, "_train.csv.gz")? {
        if args.wants_set(&name) {
            sets.push(pair(&name, &train, &args.data)?);
        }
    }
    for (stem, path) in table::files(&args.data, "_hourly.csv.gz")? {
        let name = format!("{stem}_hourly");
        if args.wants_set(&name) {
            sets.extend(rolling(&name, &path)?);
        }
    }
    for set in &mut sets {
        set.cases.truncate(args.limit);
    }
    Ok(sets)
}

/// Series by name, in order of the file.
fn series(table: &Table) -> Fallible<Vec<(String, Vec<f64>)>> {
    let (id, values) = (table.column("unique_id")?, table.numbers("y")?);
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for (row, value) in table.rows.iter().zip(values) {
        match all.last_mut() {
            Some((name, values)) if *name == row[id] => values.push(value),
            _ => all.push((row[id].to_owned(), vec![value])),
        }
    }
    Ok(all)
}

fn pair(name: &str, train: &Path, data: &Path) -> Fallible<Set> {
    let test = Table::read(&data.join(format!("{name}_test.csv.gz")))?;
    let mut ahead: BTreeMap<String, Vec<f64>> = series(&test)?.into_iter().collect();
    let cases = series(&Table::read(train)?)?
        .into_iter()
        .map(|(id, past)| {
            let ahead = ahead
                .remove(&id)
                .ok_or_else(|| format!("{name}: no test of {id}"))?;
            Ok(Case {
                name: id,
                past: filled(&past),
                ahead,
            })
        })
        .collect::<Fallible<_>>()?;
    Ok(Set {
        name: name.to_owned(),
        kind: Kind::of(name),
        cases,
    })
}

/// `None` for a file of something else.
fn rolling(name: &str, path: &Path) -> Fallible<Option<Set>> {
    let table = Table::read(path)?;
    if !["unique_id", "ds", "y"]
        .iter()
        .all(|column| table.column(column).is_ok())
    {
        return Ok(None);
    }
    let (mut cases, all) = (Vec::new(), series(&table)?);
    let shortest = all
        .iter()
        .map(|(_, values)| values.len())
        .min()
        .unwrap_or(0);
    let long = shortest >= WEEKS.origins * WEEKS.step + WEEKS.past.1;
    for (id, values) in all {
        let windows = if long { WEEKS } else { DAYS };
        let Windows {
            horizon,
            origins,
            step,
            past,
        } = windows;
        for origin in 0..origins {
            let Some(end) = values.len().checked_sub(origin * step + horizon) else {
                break;
            };
            let before = &values[end.saturating_sub(past.0)..end];
            let ahead = &values[end..end + horizon];
            let known = |part: &[f64]| part.iter().filter(|v| !v.is_nan()).count();
            let enough = |part: &[f64]| 10 * known(part) > 8 * part.len();
            if before.len() >= past.1 && enough(before) && enough(ahead) {
                cases.push(Case {
                    name: format!("{id}@{origin}"),
                    past: filled(before),
                    ahead: ahead.to_vec(),
                });
            }
        }
    }
    Ok(Some(Set {
        name: name.to_owned(),
        kind: Kind::of(name),
        cases,
    }))
}

/// Gaps filled by straight lines, and by the nearest value at the ends.
fn filled(values: &[f64]) -> Vec<f64> {
    let known: Vec<usize> = (0..values.len()).filter(|&i| !values[i].is_nan()).collect();
    let at = |index: usize| {
        let next = known.partition_point(|&place| place < index);
        match (next.checked_sub(1).map(|i| known[i]), known.get(next)) {
            (_, Some(&after)) if after == index => values[index],
            (Some(before), Some(&after)) => {
                let share = (index - before) as f64 / (after - before) as f64;
                values[before] + share * (values[after] - values[before])
            }
            (Some(only), None) | (None, Some(&only)) => values[only],
            (None, None) => f64::NAN,
        }
    };
    (0..values.len()).map(at).collect()
}
