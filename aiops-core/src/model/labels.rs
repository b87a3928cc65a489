//! Label sets.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use thiserror::Error;

use crate::numerics::Fnv1a64;

/// The label that holds the name of a metric.
pub const METRIC_NAME: &str = "__name__";

/// Label sets that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A label without a name.
    #[error("label with an empty name")]
    EmptyName,
    /// A name that occurs twice.
    #[error("label `{name}` occurs more than once")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// More text than a label set can hold.
    #[error("label set of {bytes} bytes, at most {} are possible", u32::MAX)]
    TooLong {
        /// Bytes in all names and values.
        bytes: usize,
    },
}

/// A 64-bit hash of a label set that is the same on every machine and in every release:
/// FNV-1a over the sorted names and values, each followed by the byte `0xff`. Equal to the
/// fingerprint that Alertmanager shows for an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An immutable set of named values, sorted by name.
///
/// A clone costs one atomic increment. A label with an empty value is the same as no label, and
/// is left out. Displays in Prometheus's form.
///
/// ```
/// use aiops_core::Labels;
///
/// let labels = Labels::of([("__name__", "http_requests_total"), ("job", "api")])?;
/// assert_eq!(labels.to_string(), r#"http_requests_total{job="api"}"#);
/// assert_eq!(labels.get("job"), Some("api"));
/// # Ok::<(), aiops_core::LabelError>(())
/// ```
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

/// All names and values in one allocation, so that a series of ten labels costs two, not twenty.
struct Inner {
    fingerprint: Fingerprint,
    /// name, value, name, value ... without separators.
    text: Box<str>,
    /// Where each of them ends in `text`.
    ends: Box<[u32]>,
}

impl Labels {
    /// No label.
    pub fn empty() -> Self {
        Self::from_sorted(&[])
    }

    /// From pairs of name and value in any order.
    ///
    /// # Errors
    ///
    /// [`LabelError`] for an empty name, a repeated name, or text over 4 GiB.
    pub fn of<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, LabelError> {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder = builder.label(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// As [`of`](Self::of), but borrows: `pairs` are sorted in place, and only the set itself is
    /// allocated.
    pub(crate) fn from_pairs(pairs: &mut Vec<(&str, &str)>) -> Result<Self, LabelError> {
        pairs.sort_unstable();
        if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
            return Err(LabelError::EmptyName);
        }
        if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = twice[0].0.to_owned();
            return Err(LabelError::Duplicate { name });
        }
        let bytes = pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if u32::try_from(bytes).is_err() {
            return Err(LabelError::TooLong { bytes });
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self::from_sorted(pairs))
    }

    /// A builder, for labels that are not at hand all at once.
    pub fn builder() -> LabelsBuilder {
        LabelsBuilder::default()
    }

    /// `pairs` must be sorted, without repetition and without empty values.
    fn from_sorted(pairs: &[(&str, &str)]) -> Self {
        let bytes = pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(2 * pairs.len());
        let mut hash = Fnv1a64::default();
        for part in pairs.iter().flat_map(|&(name, value)| [name, value]) {
            text.push_str(part);
            ends.push(text.len() as u32);
            hash.write(part.as_bytes());
            hash.write(&[0xff]);
        }
        Self(Arc::new(Inner {
            fingerprint: Fingerprint(hash.finish()),
            text: text.into_boxed_str(),
            ends: ends.into_boxed_slice(),
        }))
    }

    /// The value of label `name`, or `None`. Linear in the number of labels.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| *candidate == name)
            .map(|(_, value)| value)
    }

    /// The metric's name, or the empty text.
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.len()).map(|index| (self.part(2 * index), self.part(2 * index + 1)))
    }

    fn part(&self, index: usize) -> &str {
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.0.ends[before] as usize);
        &self.0.text[start..self.0.ends[index] as usize]
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// The stable hash. Computed once, when the set is made.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// This set with label `name` set to `value`, or removed when `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self.iter().filter(|(other, _)| *other != name).collect();
        if !value.is_empty() && !name.is_empty() {
            let at = pairs.partition_point(|(other, _)| *other < name);
            pairs.insert(at, (name, value));
        }
        Self::from_sorted(&pairs)
    }

    /// Only the labels that are named in `names`.
    #[must_use]
    pub fn only(&self, names: &[impl AsRef<str>]) -> Self {
        self.filtered(|name| names.iter().any(|wanted| wanted.as_ref() == name))
    }

    /// All labels but those named in `names`.
    #[must_use]
    pub fn without(&self, names: &[impl AsRef<str>]) -> Self {
        self.filtered(|name| names.iter().all(|unwanted| unwanted.as_ref() != name))
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let pairs: Vec<_> = self.iter().filter(|(name, _)| keep(name)).collect();
        Self::from_sorted(&pairs)
    }

    /// Memory behind this set, shared by all its clones.
    pub fn size_bytes(&self) -> usize {
        size_of::<Inner>() + 2 * size_of::<usize>() + self.0.text.len() + 4 * self.0.ends.len()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.fingerprint == other.0.fingerprint
                && self.0.ends == other.0.ends
                && self.0.text == other.0.text)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    /// By names and values in order, as text.
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        let mut rest = self
            .iter()
            .filter(|(name, _)| *name != METRIC_NAME)
            .peekable();
        if rest.peek().is_none() && !self.metric().is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (name, value)) in rest.enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Collects labels for a [`Labels`].
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.pairs.push((name.into(), value.into()));
        self
    }

    /// The finished set.
    ///
    /// # Errors
    ///
    /// As [`Labels::of`].
    pub fn build(self) -> Result<Labels, LabelError> {
        let mut pairs: Vec<_> = self
            .pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Labels::from_pairs(&mut pairs)
    }
}

#[cfg(feature = "serde")]
mod wire {
    //! Labels are written as a map from name to value.

    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Labels, LabelsBuilder};

    impl Serialize for Labels {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.iter())
        }
    }

    impl<'de> Deserialize<'de> for Labels {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(LabelsVisitor)
        }
    }

    struct LabelsVisitor;

    impl<'de> Visitor<'de> for LabelsVisitor {
        type Value = Labels;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map from label name to value")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
            let mut builder = LabelsBuilder::default();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                builder = builder.label(name, value);
            }
            builder.build().map_err(A::Error::custom)
        }
    }
}
