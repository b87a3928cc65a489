//! From conditions on labels to series.

use std::collections::HashMap;

use crate::{Labels, MatchOp, Matcher, Selector};

/// Series by name and value of their labels.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: HashMap<Box<str>, HashMap<Box<str>, Postings>>,
    postings_bytes: usize,
}

/// Identifiers of series in increasing order. Most values of some labels belong to one series.
#[derive(Clone, Debug)]
enum Postings {
    One(u32),
    Many(Vec<u32>),
}

impl Postings {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    fn insert(&mut self, id: u32) {
        match self {
            Self::One(other) => *self = Self::Many(vec![(*other).min(id), (*other).max(id)]),
            Self::Many(ids) => {
                let place = ids.partition_point(|other| *other < id);
                ids.insert(place, id);
            }
        }
    }
}

/// Bytes of a slot of the hash tables beside the text: key, postings, and the share that is free.
const VALUE_BYTES: usize = 64;

impl Index {
    /// Adds a series that is not in it.
    pub(super) fn insert(&mut self, id: u32, labels: &Labels) {
        for (name, value) in labels.iter() {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), HashMap::new());
                self.postings_bytes += VALUE_BYTES + name.len();
            }
            let Some(values) = self.names.get_mut(name) else {
                continue;
            };
            if let Some(postings) = values.get_mut(value) {
                postings.insert(id);
                self.postings_bytes += size_of::<u32>();
            } else {
                values.insert(value.into(), Postings::One(id));
                self.postings_bytes += VALUE_BYTES + value.len();
            }
        }
    }

    /// Removes all series for which `is_dead` holds.
    pub(super) fn remove(&mut self, is_dead: impl Fn(u32) -> bool) {
        let mut bytes = 0;
        self.names.retain(|name, values| {
            values.retain(|value, postings| {
                if let Postings::Many(ids) = postings {
                    ids.retain(|id| !is_dead(*id));
                    ids.shrink_to_fit();
                    if let [only] = ids[..] {
                        *postings = Postings::One(only);
                    }
                }
                let alive = match postings {
                    Postings::One(id) => !is_dead(*id),
                    Postings::Many(ids) => !ids.is_empty(),
                };
                if alive {
                    bytes += VALUE_BYTES + value.len();
                    bytes += (postings.as_slice().len() - 1) * size_of::<u32>();
                }
                alive
            });
            let alive = !values.is_empty();
            bytes += if alive { VALUE_BYTES + name.len() } else { 0 };
            alive
        });
        self.postings_bytes = bytes;
    }

    /// Series that may match, in order of identifier, or `None` when all may. The conditions that
    /// the answer does not take into account are to be checked.
    pub(super) fn candidates(&self, selector: &Selector) -> Option<Vec<u32>> {
        let (mut equal, mut others): (Vec<_>, Vec<_>) = selector
            .matchers()
            .iter()
            .filter(|matcher| !matcher.matches_value(""))
            .partition(|matcher| matcher.op() == MatchOp::Equal);
        equal.sort_by_key(|matcher| self.equal(matcher).len());
        let mut found: Option<Vec<u32>> = None;
        for matcher in equal {
            let ids = self.equal(matcher);
            found = Some(match found {
                None => ids.to_vec(),
                Some(found) => intersection(&found, ids),
            });
        }
        // Looking at all values of a label pays only while there are more series than values.
        others.sort_by_key(|matcher| self.values(matcher).map_or(0, HashMap::len));
        for matcher in others {
            let values = self.values(matcher).map_or(0, HashMap::len);
            if found.as_ref().is_some_and(|found| found.len() <= values) {
                break;
            }
            let ids = self.union(matcher);
            found = Some(match found {
                None => ids,
                Some(found) => intersection(&found, &ids),
            });
        }
        found
    }

    fn values(&self, matcher: &Matcher) -> Option<&HashMap<Box<str>, Postings>> {
        self.names.get(matcher.name())
    }

    fn equal(&self, matcher: &Matcher) -> &[u32] {
        self.values(matcher)
            .and_then(|values| values.get(matcher.value()))
            .map_or(&[], Postings::as_slice)
    }

    /// Series with some value that passes; the matcher does not pass the empty value.
    fn union(&self, matcher: &Matcher) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .values(matcher)
            .into_iter()
            .flatten()
            .filter(|(value, _)| matcher.matches_value(value))
            .flat_map(|(_, postings)| postings.as_slice())
            .copied()
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Memory in use.
    pub(super) fn size_bytes(&self) -> usize {
        self.postings_bytes
    }
}

/// Those in both; `few` should be the shorter one.
fn intersection(few: &[u32], many: &[u32]) -> Vec<u32> {
    if many.len() / 16 > few.len() {
        let is_in = |id: &&u32| many.binary_search(id).is_ok();
        return few.iter().filter(is_in).copied().collect();
    }
    let mut many = many.iter().peekable();
    let mut both = Vec::new();
    for &id in few {
        while many.next_if(|&&other| other < id).is_some() {}
        if many.peek() == Some(&&id) {
            both.push(id);
        }
    }
    both
}
