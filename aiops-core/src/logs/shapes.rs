//! The masked forms of lines, and the families of those that differ in one word.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::hash::{self, HOLE, WILD};

/// What a word in a shape looks like, which decides how much it takes to call its place variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Class {
    /// Without a letter or digit.
    Punctuation,
    /// Letters in lower case, one capital at the start, or capitals only: language.
    Plain,
    /// Anything else: names that programs give.
    Name,
    /// A variable part.
    Wild,
}

impl Class {
    pub(super) fn of(word: &str) -> Self {
        let bytes = word.as_bytes();
        if !word.chars().any(char::is_alphanumeric) {
            return Self::Punctuation;
        }
        let lower = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_lowercase);
        let is_plain = bytes[0].is_ascii_alphabetic() && lower(&bytes[1..])
            || bytes.iter().all(u8::is_ascii_uppercase);
        if is_plain { Self::Plain } else { Self::Name }
    }

    fn is_word(self) -> bool {
        matches!(self, Self::Plain | Self::Name)
    }
}

/// A masked form: hash and class of each word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) words: Box<[(u64, Class)]>,
    /// Index of the template.
    pub(super) template: u32,
    /// How many of its places have been put into families.
    pub(super) filed: u32,
    /// Whether a line had it since the hand last came by.
    pub(super) used: bool,
}

impl Shape {
    pub(super) fn hash(&self) -> u64 {
        let words = self.words.iter().enumerate();
        words.fold(0, |sum, (place, (word, _))| {
            sum.wrapping_add(hash::at(place, *word))
        })
    }

    /// Words other than variable parts.
    fn constants(&self) -> usize {
        self.words
            .iter()
            .filter(|(_, class)| class.is_word())
            .count()
    }
}

/// Shapes that differ in one place only.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    /// The one that is variable there.
    pub(super) wild: Option<u32>,
    /// The others, a few of each class.
    pub(super) members: Vec<(u64, Class, u32)>,
}

/// Hashes are hashed already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash::word(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(super) type Table<V> = HashMap<u64, V, BuildHasherDefault<Same>>;

/// How many different words make a place variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct FanOut {
    pub(super) names: usize,
    pub(super) words: usize,
    pub(super) words_beside_variable: usize,
    pub(super) min_context: usize,
}

/// Members of a family that no line changes any more.
const MAX_MEMBERS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    pub(super) list: Vec<Shape>,
    pub(super) by_hash: Table<u32>,
    families: Table<Family>,
    /// Where the search for a shape to give up goes on.
    pub(super) hand: usize,
}

impl Shapes {
    pub(super) fn find(&self, hash: u64) -> Option<u32> {
        self.by_hash.get(&hash).copied()
    }

    /// Adds a shape; it must be new, and there must be room.
    pub(super) fn add(&mut self, shape: Shape) -> u32 {
        let index = self.list.len() as u32;
        self.by_hash.insert(shape.hash(), index);
        self.list.push(shape);
        index
    }

    /// Puts `new` in the place of a shape that no line had for long, which is answered.
    pub(super) fn replace_oldest(&mut self, new: Shape) -> (u32, Shape) {
        let index = loop {
            let index = self.hand % self.list.len();
            self.hand = index + 1;
            if !std::mem::take(&mut self.list[index].used) {
                break index;
            }
        };
        self.unfile(index as u32);
        self.by_hash.remove(&self.list[index].hash());
        self.by_hash.insert(new.hash(), index as u32);
        let old = std::mem::replace(&mut self.list[index], new);
        (index as u32, old)
    }

    /// The key of the family of `shape` at `place`, or `None` where that does not vary.
    fn family_key(&self, shape: u32, whole: u64, place: usize) -> Option<u64> {
        let (word, class) = self.list[shape as usize].words[place];
        if class == Class::Punctuation {
            return None;
        }
        let without = whole.wrapping_sub(hash::at(place, word));
        Some(without.wrapping_add(hash::at(place, HOLE)))
    }

    fn unfile(&mut self, shape: u32) {
        let whole = self.list[shape as usize].hash();
        for place in 0..self.list[shape as usize].filed as usize {
            let Some(key) = self.family_key(shape, whole, place) else {
                continue;
            };
            let Some(family) = self.families.get_mut(&key) else {
                continue;
            };
            family.members.retain(|(_, _, member)| *member != shape);
            if family.wild == Some(shape) {
                family.wild = None;
            }
            if family.wild.is_none() && family.members.is_empty() {
                self.families.remove(&key);
            }
        }
    }

    /// Puts `shape` into its families, place by place. Stops at the first family that has become
    /// variable, and answers the place and the members to join.
    pub(super) fn file(&mut self, shape: u32, rule: FanOut) -> Option<(usize, Vec<u32>)> {
        let whole = self.list[shape as usize].hash();
        let constants = self.list[shape as usize].constants();
        let from = self.list[shape as usize].filed as usize;
        for place in from..self.list[shape as usize].words.len() {
            self.list[shape as usize].filed = place as u32 + 1;
            let (_, class) = self.list[shape as usize].words[place];
            let context = constants - usize::from(class.is_word());
            if context < rule.min_context {
                continue;
            }
            let Some(key) = self.family_key(shape, whole, place) else {
                continue;
            };
            let family = self.enter(key, shape, place);
            let join = family.to_join(rule);
            if !join.is_empty() {
                return Some((place, join));
            }
        }
        None
    }

    fn enter(&mut self, key: u64, shape: u32, place: usize) -> &Family {
        let (word, class) = self.list[shape as usize].words[place];
        let family = self.families.entry(key).or_default();
        if class == Class::Wild {
            family.wild = Some(shape);
        } else if family.members.len() < MAX_MEMBERS {
            family.members.push((word, class, shape));
        }
        family
    }

    /// Puts the places of all shapes back into families, after loading.
    #[cfg(feature = "serde")]
    pub(super) fn restore(&mut self, rule: FanOut) {
        for index in 0..self.list.len() as u32 {
            let shape = &self.list[index as usize];
            let (whole, filed, constants) = (shape.hash(), shape.filed, shape.constants());
            self.by_hash.insert(whole, index);
            for place in 0..filed as usize {
                let (_, class) = self.list[index as usize].words[place];
                if constants - usize::from(class.is_word()) < rule.min_context {
                    continue;
                }
                if let Some(key) = self.family_key(index, whole, place) {
                    self.enter(key, index, place);
                }
            }
        }
    }

    /// The shape of `shape` with its `place` variable.
    pub(super) fn softened(&self, shape: u32, place: usize) -> Shape {
        let mut soft = self.list[shape as usize].clone();
        soft.words[place] = (WILD, Class::Wild);
        soft.filed = 0;
        soft.used = true;
        soft
    }

    pub(super) fn size_bytes(&self) -> usize {
        let words = self.list.iter().map(|shape| size_of_val(&*shape.words));
        let members = self
            .families
            .values()
            .map(|family| family.members.capacity());
        self.list.capacity() * size_of::<Shape>()
            + words.sum::<usize>()
            + self.by_hash.capacity() * size_of::<(u64, u32)>()
            + self.families.capacity() * size_of::<(u64, Family)>()
            + members.sum::<usize>() * size_of::<(u64, Class, u32)>()
    }
}

impl Family {
    fn to_join(&self, rule: FanOut) -> Vec<u32> {
        let names = self.members.iter().filter(|m| m.1 == Class::Name).count();
        let is_wild = self.wild.is_some();
        let enough_names = is_wild || names >= rule.names;
        let enough_words = if is_wild {
            rule.words_beside_variable
        } else {
            rule.words
        };
        let members = self.members.iter();
        members
            .filter(|(_, class, _)| match class {
                Class::Name => enough_names || self.members.len() >= enough_words,
                _ => self.members.len() >= enough_words,
            })
            .map(|(_, _, shape)| *shape)
            .collect()
    }
}
