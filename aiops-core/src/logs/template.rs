//! What the lines of a group have in common.

use std::fmt;
use std::ops::Range;

use super::mask::{Item, Kind};
use crate::numerics::Fnv1a64;

/// Identity of a template: a hash of the masked form of the first line that had it. The same line
/// gives the same identity on every machine and in every release; joins leave the identity of the
/// group that was there first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct TemplateId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What stands for a variable part.
pub(super) const VARIABLE: &str = "<*>";

/// One place of a template.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Place {
    /// The text, where all lines had the same; `None` where they varied.
    pub(super) text: Option<String>,
    /// Whether another text may come, and make the place variable.
    pub(super) may_vary: bool,
    /// Unit that all numbers here had.
    pub(super) unit: Option<String>,
    /// Variable words in a row; 1 where their number varied.
    pub(super) repeat: u32,
    pub(super) space: bool,
}

impl Place {
    pub(super) fn of(line: &str, item: &Item) -> Self {
        let unit = item.unit(line);
        Self {
            text: (item.kind != Kind::Variable).then(|| item.text(line).to_owned()),
            may_vary: item.kind == Kind::Value,
            unit: (!unit.is_empty()).then(|| unit.to_owned()),
            repeat: item.repeat,
            space: item.space,
        }
    }

    /// Whether a line can still change it.
    pub(super) fn is_open(&self) -> bool {
        (self.may_vary && self.text.is_some()) || self.unit.is_some() || self.repeat > 1
    }

    pub(super) fn absorb(&mut self, text: Option<&str>, unit: &str, repeat: u32) {
        if self.may_vary && self.text.as_deref() != text {
            self.text = None;
        }
        if self.unit.as_deref().is_some_and(|own| own != unit) {
            self.unit = None;
        }
        if self.repeat != repeat {
            self.repeat = 1;
        }
    }
}

/// A message with its variable parts replaced.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) id: TemplateId,
    pub(super) count: u64,
    pub(super) places: Vec<Place>,
    /// Indices of the places that a line can still change.
    pub(super) open: Vec<u32>,
    /// Shapes that lead here, as indices.
    pub(super) shapes: Vec<u32>,
}

impl Template {
    pub(super) fn new(id: TemplateId, places: Vec<Place>) -> Self {
        let mut new = Self {
            id,
            count: 0,
            places,
            open: Vec::new(),
            shapes: Vec::new(),
        };
        new.find_open();
        new
    }

    pub(super) fn find_open(&mut self) {
        let places = self.places.iter().enumerate();
        let open = places.filter(|(_, place)| place.is_open());
        self.open = open.map(|(index, _)| index as u32).collect();
    }

    /// Its identity.
    pub fn id(&self) -> TemplateId {
        self.id
    }

    /// Lines that had it, those of templates joined to it included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The message, with `<*>` for each part that varies. Variable parts between which nothing but
    /// a point or colon stands are one.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for place in &self.places {
            if place.space && !text.is_empty() {
                text.push(' ');
            }
            match &place.text {
                Some(constant) => text.push_str(constant),
                None => push_variable(&mut text, place.repeat),
            }
            if let Some(unit) = &place.unit {
                text.push(' ');
                text.push_str(unit);
            }
        }
        text
    }

    /// Where the variable parts of a line are, whose items are `items`.
    pub(super) fn variable_parts(&self, items: &[Item], spans: &mut Vec<Range<usize>>) {
        spans.clear();
        if items.len() != self.places.len() {
            return;
        }
        for (place, item) in self.places.iter().zip(items) {
            if place.text.is_none() {
                let with_unit = place.unit.is_none() && item.unit.end > 0;
                let end = if with_unit {
                    item.unit.end
                } else {
                    item.span.end
                };
                spans.push(item.span.start as usize..end as usize);
            }
        }
    }

    /// Takes in what another template knows about the same places.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (own, other) in self.places.iter_mut().zip(&other.places) {
            let unit = other.unit.as_deref().unwrap_or_default();
            own.absorb(other.text.as_deref(), unit, other.repeat);
        }
        self.count += other.count;
        self.find_open();
    }

    /// Makes a place one that may vary.
    pub(super) fn soften(&mut self, place: usize) {
        self.places[place].may_vary = true;
    }

    pub(super) fn size_bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let places = self.places.iter();
        let texts: usize = places.map(|p| text(&p.text) + text(&p.unit)).sum();
        size_of::<Self>()
            + texts
            + self.places.capacity() * size_of::<Place>()
            + 4 * (self.open.capacity() + self.shapes.capacity())
    }
}

fn push_variable(text: &mut String, repeat: u32) {
    let joined = [VARIABLE, "<*>.", "<*>:"];
    if let Some(end) = joined.iter().find(|end| text.ends_with(*end)) {
        text.truncate(text.len() - end.len());
    }
    text.push_str(VARIABLE);
    for _ in 1..repeat {
        text.push(' ');
        text.push_str(VARIABLE);
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The identity of a template whose first line is `line`.
pub(super) fn identity(line: &str, items: &[Item]) -> TemplateId {
    let mut hash = Fnv1a64::default();
    for item in items {
        match item.kind {
            Kind::Constant => hash.write(item.text(line).as_bytes()),
            Kind::Value | Kind::Variable => hash.write(VARIABLE.as_bytes()),
        }
        hash.write(&[0xff]);
    }
    TemplateId(hash.finish())
}
