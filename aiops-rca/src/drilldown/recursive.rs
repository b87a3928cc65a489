//! Adtributor, again and again under what it found.
//!
//! Persson and Rudenius, *Anomaly Detection and Fault Localization: An Automated Process for
//! Advertising Systems* (Chalmers, 2018).

use std::collections::BTreeMap;

use aiops_core::{DataError, ParamError};

use super::adtributor::{Sums, change, power, surprise};
use super::{Adtributor, AdtributorConfig, Element, Finding, LeafTable};

/// Parameters of [`RecursiveAdtributor`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RecursiveAdtributorConfig {
    /// What explains one level.
    pub level: AdtributorConfig,
    /// Surprise with which a further attribute must explain what lies under a value; not negative.
    /// Where all its values changed alike, there is hardly any.
    pub min_surprise: f64,
    /// Attributes of one combination, at most; at least 1.
    pub max_attributes: usize,
}

impl Default for RecursiveAdtributorConfig {
    fn default() -> Self {
        Self {
            level: AdtributorConfig::default(),
            min_surprise: 1e-3,
            max_attributes: 6,
        }
    }
}

/// Explains a change by the attribute that surprises most, then what lies under each of its values
/// by another, as long as that surprises.
///
/// ```
/// use aiops_rca::drilldown::{Leaf, LeafTable, RecursiveAdtributor, RecursiveAdtributorConfig};
///
/// let mut table = LeafTable::new(["region", "device"])?;
/// for region in ["eu", "us", "asia", "africa"] {
///     for device in ["tv", "pc", "phone"] {
///         let lost = (region, device) == ("eu", "tv");
///         let actual = if lost { 20.0 } else { 100.0 };
///         table.push(&[region, device], Leaf::Sum { actual, expected: 100.0 })?;
///     }
/// }
/// let found = RecursiveAdtributor::try_from(RecursiveAdtributorConfig::default())?.explain(&table)?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].element.to_string(), "device=tv and region=eu");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The score of an answer is its surprise in the whole table, and its share that of the whole change.
///
/// # Degenerate cases
///
/// Those of [`Adtributor`]; a level that explains nothing ends the way down.
///
/// # Not good for
///
/// Causes whose first attribute has many values that changed a little: the way down begins at single
/// attributes, and what no single attribute explains is not found.
#[derive(Clone, Copy, Debug)]
pub struct RecursiveAdtributor {
    config: RecursiveAdtributorConfig,
    level: Adtributor,
}

impl TryFrom<RecursiveAdtributorConfig> for RecursiveAdtributor {
    type Error = ParamError;

    fn try_from(config: RecursiveAdtributorConfig) -> Result<Self, ParamError> {
        let least = config.min_surprise;
        if !(least >= 0.0 && least.is_finite()) {
            return Err(ParamError::new(
                "min_surprise",
                "not negative and finite",
                least,
            ));
        }
        if config.max_attributes == 0 {
            return Err(ParamError::new("max_attributes", "at least 1", 0));
        }
        let level = Adtributor::try_from(config.level)?;
        Ok(Self { config, level })
    }
}

impl RecursiveAdtributor {
    /// Its parameters.
    pub fn config(&self) -> &RecursiveAdtributorConfig {
        &self.config
    }

    /// The combinations that explain the change, the most surprising first.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`] for an empty table.
    pub fn explain(&self, table: &LeafTable) -> Result<Vec<Finding>, DataError> {
        if table.is_empty() {
            let (needed, found) = (1, 0);
            return Err(DataError::TooShort { needed, found });
        }
        let mut total = Sums::default();
        table.leaves.iter().for_each(|leaf| total.add(leaf));
        let mut findings = Vec::new();
        let rows: Vec<u32> = (0..table.len() as u32).collect();
        let all: f64 = power(&total, &total);
        let mut open = vec![(Vec::new(), rows)];
        while let Some((path, rows)) = open.pop() {
            let deeper = self.narrow(table, &path, &rows);
            if deeper.is_empty() && !path.is_empty() {
                findings.push(found(table, &path, &rows, &total, all));
            }
            open.extend(deeper);
        }
        findings.sort_by(|a, b| {
            let by_score = b.score.total_cmp(&a.score);
            by_score.then_with(|| a.element.cmp(&b.element))
        });
        Ok(findings)
    }

    /// The values of one more attribute that explain what lies under a path.
    fn narrow(&self, table: &LeafTable, path: &Path, rows: &[u32]) -> Vec<(Path, Vec<u32>)> {
        if path.len() >= self.config.max_attributes {
            return Vec::new();
        }
        let free: Vec<usize> = (0..table.attributes.len())
            .filter(|attribute| path.iter().all(|(known, _)| known != attribute))
            .collect();
        let Some(best) = self.level.attributes(table, rows, &free).into_iter().next() else {
            return Vec::new();
        };
        if !path.is_empty() && best.surprise < self.config.min_surprise {
            return Vec::new();
        }
        let values = best.values.iter().map(|value| {
            let mut path = path.clone();
            path.push((best.attribute, value.code));
            let under = |row: &&u32| table.code(**row as usize, best.attribute) == value.code;
            (path, rows.iter().filter(under).copied().collect())
        });
        values.collect()
    }
}

/// Attributes with the codes of their values.
type Path = Vec<(usize, u32)>;

fn found(table: &LeafTable, path: &Path, rows: &[u32], total: &Sums, all: f64) -> Finding {
    let mut sums = Sums::default();
    for row in rows {
        sums.add(&table.leaves[*row as usize]);
    }
    let pairs = path.iter().map(|(attribute, code)| {
        let value = &table.values[*attribute][*code as usize];
        (table.attributes[*attribute].clone(), value.clone())
    });
    let share = power(&sums, total) / all;
    Finding {
        element: Element(pairs.collect::<BTreeMap<_, _>>()),
        score: surprise(&sums, total),
        share: if share.is_finite() { share } else { 0.0 },
        change: change(&sums),
        leaves: rows.len(),
    }
}
