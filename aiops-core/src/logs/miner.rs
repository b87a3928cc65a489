//! Lines to templates, one at a time.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::hash::{self, WILD};
use super::lexer::{Token, lex};
use super::mask::{Item, Kind, mask};
use super::shapes::{Class, FanOut, Shape, Shapes};
use super::template::{Place, Template, TemplateId, identity};
use crate::ingest::Batch;
use crate::{LabelError, Labels, LogRecord, ParamError, Timestamp};

/// Parameters of [`TemplateMiner`]. One configuration is meant to serve all systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct TemplateMinerConfig {
    /// Masked forms of lines that are remembered; the one unused for longest gives way. Bounds
    /// the memory: some 2 KB for each. At least 16.
    pub capacity: usize,
    /// Bytes of a message that are read; the rest is taken as part of its last variable part. At
    /// least 64.
    pub max_message_bytes: usize,
    /// Words and delimiters of a message that are read. At least 8.
    pub max_words: usize,
    /// So many names that programs give (`eth0`, `disk_full`) in one place, all else equal, make
    /// the place variable. At least 2.
    pub names: usize,
    /// The same for words of language. At least 2.
    pub words: usize,
    /// The same for words of language where a variable part has been seen in their place. At least
    /// 1.
    pub words_beside_variable: usize,
    /// Constant words that two messages must share before a difference can be called variable.
    /// At least 1: messages of one word stay apart.
    pub min_context: usize,
}

impl Default for TemplateMinerConfig {
    fn default() -> Self {
        Self {
            capacity: 20_000,
            max_message_bytes: 4096,
            max_words: 256,
            names: 4,
            words: 6,
            words_beside_variable: 2,
            min_context: 2,
        }
    }
}

/// Groups messages by template as they come.
///
/// Each line is split at white space and punctuation, and masked by one built-in set of rules:
/// numbers, addresses, paths, host names, identities and dates vary; values behind `=`, behind `:`
/// and in quotes vary once a second value is seen. Lines that agree in the masked form share a
/// template. Where several masked forms differ in one word only, the word is variable: after few
/// names, after more words of language, and at once where something variable stood in its place.
/// Templates joined later keep the identity of the older one; [`current`](Self::current) leads
/// from an identity given out earlier to it.
///
/// A line of a known form costs one pass and one look-up; memory is bounded by
/// [`capacity`](TemplateMinerConfig::capacity).
///
/// | case | outcome |
/// |---|---|
/// | empty message | a template with empty text |
/// | message of one word | its own template; such words are never joined |
/// | message of numbers only | `<*>` |
/// | longer than the limits | the rest is not looked at |
/// | more forms than `capacity` | the oldest is forgotten; the same line gets the same identity again, unless it was joined to another |
///
/// Not good for: text written by people, and messages of which a part is a message itself; the
/// number of words must be the same within a template, except for lists of variable words.
#[derive(Clone, Debug)]
pub struct TemplateMiner {
    pub(super) config: TemplateMinerConfig,
    pub(super) shapes: Shapes,
    pub(super) templates: Vec<Option<Template>>,
    pub(super) free: Vec<u32>,
    pub(super) by_id: HashMap<TemplateId, u32>,
    /// From identities that were joined to another to that one; the oldest are forgotten.
    pub(super) joined: HashMap<TemplateId, TemplateId>,
    pub(super) joined_order: VecDeque<TemplateId>,
    buffers: Buffers,
}

#[derive(Clone, Debug, Default)]
struct Buffers {
    tokens: Vec<Token>,
    scratch: Vec<Item>,
    items: Vec<Item>,
}

impl TryFrom<TemplateMinerConfig> for TemplateMiner {
    type Error = ParamError;

    fn try_from(config: TemplateMinerConfig) -> Result<Self, ParamError> {
        let bounds = [
            ("capacity", config.capacity, 16, "at least 16"),
            (
                "max_message_bytes",
                config.max_message_bytes,
                64,
                "at least 64",
            ),
            ("max_words", config.max_words, 8, "at least 8"),
            ("names", config.names, 2, "at least 2"),
            ("words", config.words, 2, "at least 2"),
            (
                "words_beside_variable",
                config.words_beside_variable,
                1,
                "at least 1",
            ),
            ("min_context", config.min_context, 1, "at least 1"),
        ];
        for (name, got, least, expected) in bounds {
            if got < least {
                return Err(ParamError::new(name, expected, got));
            }
        }
        Ok(Self {
            config,
            shapes: Shapes::default(),
            templates: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            joined: HashMap::new(),
            joined_order: VecDeque::new(),
            buffers: Buffers::default(),
        })
    }
}

impl TemplateMiner {
    /// Learns a message, and answers its template.
    pub fn observe(&mut self, message: &str) -> TemplateId {
        let mut buffers = std::mem::take(&mut self.buffers);
        let index = self.mine(message, &mut buffers);
        self.buffers = buffers;
        self.template_mut(index).id
    }

    /// As [`observe`](Self::observe), and finds the variable parts of the message, as ranges of its
    /// bytes in order; `spans` is replaced. What has not varied yet is not among them.
    pub fn observe_into(&mut self, message: &str, spans: &mut Vec<Range<usize>>) -> TemplateId {
        let mut buffers = std::mem::take(&mut self.buffers);
        let index = self.mine(message, &mut buffers);
        let template = self.template_mut(index);
        template.variable_parts(&buffers.items, spans);
        let id = template.id;
        self.buffers = buffers;
        id
    }

    fn mine(&mut self, message: &str, buffers: &mut Buffers) -> u32 {
        let line = self.cut(message);
        let hash = self.read(line, buffers);
        let index = if let Some(shape) = self.shapes.find(hash) {
            let shape = &mut self.shapes.list[shape as usize];
            shape.used = true;
            let index = shape.template;
            self.absorb(index, line, &buffers.items);
            index
        } else {
            self.learn(line, &buffers.items)
        };
        self.template_mut(index).count += 1;
        index
    }

    /// Learns the text of a record's body, and notes the template in the record. A body that is
    /// not text is left alone.
    pub fn annotate(&mut self, record: &mut LogRecord) {
        let id = record.body.as_text().map(|text| self.observe(text));
        record.template = id.map(|id| id.0);
    }

    /// The template of a message, without learning it; `None` when its masked form is not known.
    pub fn look_up(&self, message: &str) -> Option<TemplateId> {
        let mut buffers = Buffers::default();
        let hash = self.read(self.cut(message), &mut buffers);
        self.template_of(hash).map(|found| found.id)
    }

    /// The variable parts of a message, without learning it; none when its template is not known.
    pub fn parameters<'a>(&self, message: &'a str) -> Vec<&'a str> {
        let (mut buffers, mut spans) = (Buffers::default(), Vec::new());
        let hash = self.read(self.cut(message), &mut buffers);
        if let Some(template) = self.template_of(hash) {
            template.variable_parts(&buffers.items, &mut spans);
        }
        spans.into_iter().map(|span| &message[span]).collect()
    }

    fn template_of(&self, hash: u64) -> Option<&Template> {
        let shape = &self.shapes.list[self.shapes.find(hash)? as usize];
        self.templates[shape.template as usize].as_ref()
    }

    /// What the identity stands for now, when its template was joined to another; otherwise
    /// itself.
    pub fn current(&self, id: TemplateId) -> TemplateId {
        let mut id = id;
        while let Some(next) = self.joined.get(&id) {
            id = *next;
        }
        id
    }

    /// The template that an identity stands for, or `None` when it was forgotten.
    pub fn template(&self, id: TemplateId) -> Option<&Template> {
        let index = self.by_id.get(&self.current(id))?;
        self.templates[*index as usize].as_ref()
    }

    /// All templates, in the order of their identities.
    pub fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<_> = self.templates.iter().flatten().collect();
        all.sort_unstable_by_key(|template| template.id);
        all
    }

    /// Says that two templates are one, where the miner did not see it: `from` becomes part of
    /// `into`, whose text stays. Answers whether both are known and different.
    pub fn join(&mut self, from: TemplateId, into: TemplateId) -> bool {
        let (from, into) = (self.current(from), self.current(into));
        let (Some(&gone), Some(&kept)) = (self.by_id.get(&from), self.by_id.get(&into)) else {
            return false;
        };
        if gone == kept {
            return false;
        }
        let same_places = {
            let len = |index: u32| {
                self.templates[index as usize]
                    .as_ref()
                    .map(|t| t.places.len())
            };
            len(gone) == len(kept)
        };
        self.move_shapes(gone, kept, same_places);
        true
    }

    /// Number of lines of each template so far, as samples at `at` of the counter `metric` with
    /// the label `template`.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when `metric` is empty.
    pub fn counts(&self, metric: &str, at: Timestamp, batch: &mut Batch) -> Result<(), LabelError> {
        if metric.is_empty() {
            return Err(LabelError::EmptyName);
        }
        for template in self.templates() {
            let id = template.id.to_string();
            batch.start_series(Labels::of([("__name__", metric), ("template", &id)])?);
            batch.push(at, template.count as f64);
        }
        Ok(())
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let templates = self.templates.iter().flatten();
        self.shapes.size_bytes()
            + templates.map(Template::size_bytes).sum::<usize>()
            + self.templates.capacity() * size_of::<Option<Template>>()
            + self.by_id.capacity() * size_of::<(TemplateId, u32)>()
            + self.joined.capacity() * 3 * size_of::<TemplateId>()
    }

    /// Whether the joins of `id` come to an end, which those of a damaged file may not.
    #[cfg(feature = "serde")]
    pub(super) fn leads_out(&self, id: TemplateId) -> bool {
        let next = |id: &TemplateId| self.joined.get(id).copied();
        std::iter::successors(Some(id), next)
            .take(self.joined.len() + 2)
            .count()
            <= self.joined.len() + 1
    }

    pub(super) fn rule(&self) -> FanOut {
        FanOut {
            names: self.config.names,
            words: self.config.words,
            words_beside_variable: self.config.words_beside_variable,
            min_context: self.config.min_context,
        }
    }

    /// The part of a message that is read.
    fn cut<'a>(&self, message: &'a str) -> &'a str {
        &message[..message.floor_char_boundary(self.config.max_message_bytes)]
    }

    /// Masks `line` into the buffers, and answers the hash of its shape.
    fn read(&self, line: &str, buffers: &mut Buffers) -> u64 {
        let Buffers {
            tokens,
            scratch,
            items,
        } = buffers;
        lex(line, self.config.max_words, tokens);
        mask(line, tokens, scratch, items);
        let places = items.iter().enumerate();
        places.fold(0, |sum, (place, item)| {
            sum.wrapping_add(hash::at(place, word_hash(line, item)))
        })
    }

    fn template_mut(&mut self, index: u32) -> &mut Template {
        self.templates[index as usize]
            .as_mut()
            .expect("a shape leads to a template")
    }

    fn absorb(&mut self, index: u32, line: &str, items: &[Item]) {
        let template = self.template_mut(index);
        if template.open.is_empty() || template.places.len() != items.len() {
            return;
        }
        let mut closed = false;
        for &open in &template.open {
            let place = &mut template.places[open as usize];
            let item = &items[open as usize];
            let text = (item.kind != Kind::Variable).then(|| item.text(line));
            place.absorb(text, item.unit(line), item.repeat);
            closed |= !place.is_open();
        }
        if closed {
            template.find_open();
        }
    }

    /// Takes in a line of a form that was not seen before; answers the index of its template.
    #[cold]
    fn learn(&mut self, line: &str, items: &[Item]) -> u32 {
        let words = items.iter().map(|item| match item.kind {
            Kind::Constant => (word_hash(line, item), Class::of(item.text(line))),
            Kind::Value | Kind::Variable => (WILD, Class::Wild),
        });
        let places = items.iter().map(|item| Place::of(line, item)).collect();
        let id = self.current(identity(line, items));
        let index = match self.by_id.get(&id) {
            // Its shape was forgotten, but others lead to the template.
            Some(&known) => known,
            None => self.add_template(Template::new(id, places)),
        };
        let shape = self.add_shape(Shape {
            words: words.collect(),
            template: index,
            filed: 0,
            used: true,
        });
        self.generalise(shape).unwrap_or(index)
    }

    fn add_template(&mut self, template: Template) -> u32 {
        let id = template.id;
        let index = if let Some(index) = self.free.pop() {
            self.templates[index as usize] = Some(template);
            index
        } else {
            self.templates.push(Some(template));
            self.templates.len() as u32 - 1
        };
        self.by_id.insert(id, index);
        index
    }

    fn add_shape(&mut self, shape: Shape) -> u32 {
        let template = shape.template;
        let index = if self.shapes.list.len() < self.config.capacity {
            self.shapes.add(shape)
        } else {
            let (index, old) = self.shapes.replace_oldest(shape);
            self.forget(index, old.template, template);
            index
        };
        self.template_mut(template).shapes.push(index);
        index
    }

    /// Takes a shape from its template; a template without shapes goes, unless it is `kept`.
    fn forget(&mut self, shape: u32, template: u32, kept: u32) {
        let own = self.template_mut(template);
        own.shapes.retain(|other| *other != shape);
        if own.shapes.is_empty() && template != kept {
            let id = own.id;
            self.templates[template as usize] = None;
            self.free.push(template);
            self.by_id.remove(&id);
        }
    }

    /// Joins what differs from `shape` in one place that has turned out to vary, and goes on with
    /// the shape that is variable there. Answers the template that all were joined to.
    fn generalise(&mut self, shape: u32) -> Option<u32> {
        let (mut shape, mut joined) = (shape, None);
        while let Some((place, members)) = self.shapes.file(shape, self.rule()) {
            let soft = self.shapes.softened(shape, place);
            let known = self.shapes.find(soft.hash());
            // Where there is none yet, the oldest of the members gives its identity.
            let leader = known.or(members.first().copied()).unwrap_or(shape);
            let target = self.shapes.list[leader as usize].template;
            self.template_mut(target).soften(place);
            for member in members {
                let from = self.shapes.list[member as usize].template;
                if from != target {
                    self.template_mut(from).soften(place);
                    self.move_shapes(from, target, true);
                }
            }
            let template = self.template_mut(target);
            template.find_open();
            joined = Some(target);
            if known.is_some() {
                break;
            }
            shape = self.add_shape(Shape {
                template: target,
                ..soft
            });
        }
        joined
    }

    /// Joins template `from` to `into`.
    fn move_shapes(&mut self, from: u32, into: u32, same_places: bool) {
        let Some(gone) = self.templates[from as usize].take() else {
            return;
        };
        self.free.push(from);
        self.by_id.remove(&gone.id);
        for shape in &gone.shapes {
            self.shapes.list[*shape as usize].template = into;
        }
        let kept = self.template_mut(into);
        kept.shapes.extend(&gone.shapes);
        if same_places {
            kept.absorb(&gone);
        } else {
            kept.count += gone.count;
        }
        let id = kept.id;
        if self.joined_order.len() == self.config.capacity
            && let Some(oldest) = self.joined_order.pop_front()
        {
            self.joined.remove(&oldest);
        }
        if self.joined.insert(gone.id, id).is_none() {
            self.joined_order.push_back(gone.id);
        }
    }
}

/// What an item is in the hash of a shape.
#[inline]
fn word_hash(line: &str, item: &Item) -> u64 {
    match item.kind {
        Kind::Constant => hash::word(item.text(line).as_bytes()),
        Kind::Value | Kind::Variable => WILD,
    }
}
