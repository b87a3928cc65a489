//! Tables of leaves: one row for each combination of attribute values.

use std::collections::BTreeMap;

use thiserror::Error;

/// Attributes of a table, at most: the number of their combinations doubles with each.
pub const MAX_ATTRIBUTES: usize = 12;

/// A table that cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// No attribute, or too many.
    #[error("a table has 1 to {MAX_ATTRIBUTES} attributes, not {found}")]
    Attributes {
        /// Attributes given.
        found: usize,
    },
    /// A row with another number of values than attributes.
    #[error("row {row} has {found} values for {expected} attributes")]
    Values {
        /// The row, counted from 0.
        row: usize,
        /// Attributes of the table.
        expected: usize,
        /// Values of the row.
        found: usize,
    },
    /// A number that is negative or not finite.
    #[error("row {row}: {what} is {value}, not a finite number from 0 on")]
    Number {
        /// The row, counted from 0.
        row: usize,
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// A combination that names what the table does not have.
    #[error("no row has {attribute}={value}")]
    Unknown {
        /// The attribute.
        attribute: String,
        /// Its value.
        value: String,
    },
    /// A row that measures a sum in a table of ratios, or the other way round.
    #[error("row {row} is of another kind than the rows before it")]
    Mixed {
        /// The row, counted from 0.
        row: usize,
    },
}

/// What is measured at a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Leaf {
    /// Something that adds up over leaves, such as requests or revenue.
    Sum {
        /// What it is.
        actual: f64,
        /// What it was expected to be.
        expected: f64,
    },
    /// Bad events among all, such as errors among requests; more is worse.
    Ratio {
        /// Bad events.
        bad: f64,
        /// All events.
        all: f64,
        /// Bad events in normal times.
        normal_bad: f64,
        /// All events in normal times; need not be as many.
        normal_all: f64,
    },
}

impl Leaf {
    fn numbers(&self) -> [(&'static str, f64); 4] {
        match *self {
            Self::Sum { actual, expected } => [
                ("actual", actual),
                ("expected", expected),
                ("actual", actual),
                ("actual", actual),
            ],
            Self::Ratio {
                bad,
                all,
                normal_bad,
                normal_all,
            } => [
                ("bad", bad),
                ("all", all),
                ("normal_bad", normal_bad),
                ("normal_all", normal_all),
            ],
        }
    }
}

/// Leaves of several attributes. Rows with equal values are allowed and are leaves of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafTable {
    pub(super) attributes: Vec<String>,
    /// The values of each attribute, in the order in which they came.
    pub(super) values: Vec<Vec<String>>,
    lookup: Vec<BTreeMap<String, u32>>,
    /// Values of each row, row-major.
    pub(super) codes: Vec<u32>,
    pub(super) leaves: Vec<Leaf>,
}

impl LeafTable {
    /// An empty table.
    ///
    /// # Errors
    ///
    /// [`TableError::Attributes`].
    pub fn new<S: Into<String>>(
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Self, TableError> {
        let attributes: Vec<String> = attributes.into_iter().map(Into::into).collect();
        let found = attributes.len();
        if !(1..=MAX_ATTRIBUTES).contains(&found) {
            return Err(TableError::Attributes { found });
        }
        Ok(Self {
            values: vec![Vec::new(); found],
            lookup: vec![BTreeMap::new(); found],
            attributes,
            codes: Vec::new(),
            leaves: Vec::new(),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// [`TableError`] with the number of the row, which is then not added.
    pub fn push(&mut self, values: &[&str], leaf: Leaf) -> Result<(), TableError> {
        let row = self.leaves.len();
        let expected = self.attributes.len();
        if values.len() != expected {
            return Err(TableError::Values {
                row,
                expected,
                found: values.len(),
            });
        }
        if let Some(&(what, value)) = leaf
            .numbers()
            .iter()
            .find(|(_, x)| !(*x >= 0.0 && x.is_finite()))
        {
            return Err(TableError::Number { row, what, value });
        }
        let first = self.leaves.first().unwrap_or(&leaf);
        if std::mem::discriminant(first) != std::mem::discriminant(&leaf) {
            return Err(TableError::Mixed { row });
        }
        for (attribute, value) in values.iter().enumerate() {
            let next = self.values[attribute].len() as u32;
            let code = if let Some(code) = self.lookup[attribute].get(*value) {
                *code
            } else {
                self.lookup[attribute].insert((*value).to_owned(), next);
                self.values[attribute].push((*value).to_owned());
                next
            };
            self.codes.push(code);
        }
        self.leaves.push(leaf);
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    pub(super) fn code(&self, row: usize, attribute: usize) -> u32 {
        self.codes[row * self.attributes.len() + attribute]
    }

    /// The attributes and codes that an element names.
    pub(super) fn codes_of(&self, element: &Element) -> Result<Vec<(usize, u32)>, TableError> {
        let code = |(attribute, value): (&String, &String)| {
            let at = self.attributes.iter().position(|name| name == attribute)?;
            Some((at, *self.lookup[at].get(value)?))
        };
        let unknown = |(attribute, value): (&String, &String)| TableError::Unknown {
            attribute: attribute.clone(),
            value: value.clone(),
        };
        let pairs = element.0.iter();
        pairs
            .map(|pair| code(pair).ok_or_else(|| unknown(pair)))
            .collect()
    }

    pub(super) fn element(&self, row: usize, cuboid: &[usize]) -> Element {
        let pairs = cuboid.iter().map(|&attribute| {
            let value = &self.values[attribute][self.code(row, attribute) as usize];
            (self.attributes[attribute].clone(), value.clone())
        });
        Element(pairs.collect())
    }
}

/// A combination of attribute values: all leaves that have them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Element(pub BTreeMap<String, String>);

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (attribute, value)) in self.0.iter().enumerate() {
            let and = if index > 0 { " and " } else { "" };
            write!(f, "{and}{attribute}={value}")?;
        }
        Ok(())
    }
}
