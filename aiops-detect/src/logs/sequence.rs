//! Lines that do not usually come after those before them.
//!
//! A model of the next template given the last few, with the interpolation of Witten and Bell, *The
//! Zero-Frequency Problem*, IEEE Transactions on Information Theory 1991. Du, Li, Zheng and
//! Srikumar, *`DeepLog`*, CCS 2017, ask the same question of a network.

use std::collections::{BTreeMap, HashMap};

use aiops_core::logs::TemplateId;
use aiops_core::{FitError, ParamError};

use super::vocabulary::check_sessions;
use super::{FittedSessionDetector, SessionDetector};

/// Longest context.
const MAX_ORDER: usize = 8;

/// Parameters of [`NextTemplate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct NextTemplateConfig {
    /// Lines before a line that are looked at, from 1 to 8. 2 by default.
    pub order: usize,
    /// Continuations that are remembered, at least 16: a context and a template after it. When
    /// there are more, all counts are halved, and what came once is forgotten. Some 100 bytes
    /// for each; 100,000 by default.
    pub capacity: usize,
}

impl Default for NextTemplateConfig {
    fn default() -> Self {
        Self {
            order: 2,
            capacity: 100_000,
        }
    }
}

/// The algorithm. Build it from a [`NextTemplateConfig`].
///
/// # Formula
///
/// ```text
/// p(w | context) = (count(context, w) + kinds(context) p(w | shorter context))
///                  / (count(context) + kinds(context))
/// p(w)           = (count(w) + kinds / (kinds + 1)) / (count + kinds)
/// score          = max over the lines of a session, and its end, of -log10 p
/// ```
///
/// `kinds` is the number of different templates seen after a context: where anything may come, a
/// template not seen there before says little.
///
/// # Cost
///
/// `order + 1` look-ups for each line; memory by `capacity`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no session | [`DataError::TooShort`](aiops_core::DataError::TooShort); a fresh [`FittedNextTemplate`] can learn by itself |
/// | empty session | its end is judged |
/// | template that was never seen | what a new one is worth in its place |
/// | all sessions equal, `n` of them | another line scores about `order * log10 n` |
///
/// # Not good for
///
/// Sessions whose lines interleave freely, as of many threads: there
/// [`counts`](super::counts) and [`invariants`](super::invariants) say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextTemplate {
    config: NextTemplateConfig,
}

impl TryFrom<NextTemplateConfig> for NextTemplate {
    type Error = ParamError;

    fn try_from(config: NextTemplateConfig) -> Result<Self, ParamError> {
        if !(1..=MAX_ORDER).contains(&config.order) {
            return Err(ParamError::new("order", "from 1 to 8", config.order));
        }
        if config.capacity < 16 {
            return Err(ParamError::new("capacity", "at least 16", config.capacity));
        }
        Ok(Self { config })
    }
}

impl NextTemplate {
    /// Its parameters.
    pub fn config(&self) -> &NextTemplateConfig {
        &self.config
    }

    /// A model that has learned nothing, for a stream of sessions.
    pub fn empty(&self) -> FittedNextTemplate {
        FittedNextTemplate {
            config: self.config,
            contexts: HashMap::new(),
            continuations: 0,
            halvings: 0,
        }
    }
}

impl SessionDetector for NextTemplate {
    type Model = FittedNextTemplate;

    fn fit(&self, sessions: &[Vec<TemplateId>]) -> Result<FittedNextTemplate, FitError> {
        check_sessions(sessions.len(), 1)?;
        let mut model = self.empty();
        for session in sessions {
            model.learn(session);
        }
        Ok(model)
    }
}

/// What stands in a place of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Symbol {
    Start,
    Line(TemplateId),
    End,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Context {
    count: u64,
    next: BTreeMap<Symbol, u64>,
}

/// One place of a session, as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The template; `None` at the end of the session.
    pub template: Option<TemplateId>,
    /// Zeros of its probability after what came before it.
    pub score: f64,
}

/// What [`NextTemplate`] learned; it can go on learning.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedNextTemplate {
    config: NextTemplateConfig,
    contexts: HashMap<Vec<Symbol>, Context>,
    continuations: usize,
    halvings: u64,
}

impl FittedNextTemplate {
    /// Learns one more session.
    pub fn learn(&mut self, session: &[TemplateId]) {
        let symbols = self.symbols(session);
        let order = self.config.order;
        for place in order..symbols.len() {
            for length in 0..=order {
                let context = &symbols[place - length..place];
                self.count(context, symbols[place]);
            }
        }
        while self.continuations > self.config.capacity {
            self.halve();
        }
    }

    /// Each line of a session and its end, with its score.
    pub fn steps(&self, session: &[TemplateId]) -> Vec<Step> {
        let symbols = self.symbols(session);
        let order = self.config.order;
        (order..symbols.len())
            .map(|place| Step {
                template: session.get(place - order).copied(),
                score: -self
                    .probability(&symbols[place - order..place], symbols[place])
                    .log10(),
            })
            .collect()
    }

    /// The templates that are to be expected after `before`, the most probable first, with their
    /// probability; `None` is the end of the session. At most `most` of them.
    pub fn expected(&self, before: &[TemplateId], most: usize) -> Vec<(Option<TemplateId>, f64)> {
        let symbols = self.symbols(before);
        let context = &symbols[symbols.len() - 1 - self.config.order..symbols.len() - 1];
        let Some(all) = self.contexts.get(&[][..]) else {
            return Vec::new();
        };
        let mut next: Vec<_> = all
            .next
            .keys()
            .map(|&symbol| {
                let template = match symbol {
                    Symbol::Line(template) => Some(template),
                    Symbol::Start | Symbol::End => None,
                };
                (template, self.probability(context, symbol))
            })
            .collect();
        next.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        next.truncate(most);
        next
    }

    /// How often there was no room, and all counts were halved.
    pub fn halvings(&self) -> u64 {
        self.halvings
    }

    /// Memory in use, about.
    pub fn size_bytes(&self) -> usize {
        let context = size_of::<(Vec<Symbol>, Context)>() + self.config.order * size_of::<Symbol>();
        let next = size_of::<(Symbol, u64)>() * 3 / 2;
        size_of::<Self>() + self.contexts.capacity() * context + self.continuations * next
    }

    fn symbols(&self, session: &[TemplateId]) -> Vec<Symbol> {
        let mut symbols = vec![Symbol::Start; self.config.order];
        symbols.extend(session.iter().map(|&template| Symbol::Line(template)));
        symbols.push(Symbol::End);
        symbols
    }

    fn count(&mut self, context: &[Symbol], symbol: Symbol) {
        if !self.contexts.contains_key(context) {
            self.contexts.insert(context.to_vec(), Context::default());
        }
        let Some(known) = self.contexts.get_mut(context) else {
            return;
        };
        known.count = known.count.saturating_add(1);
        let count = known.next.entry(symbol).or_insert_with(|| {
            self.continuations += 1;
            0
        });
        *count = count.saturating_add(1);
    }

    fn halve(&mut self) {
        self.halvings = self.halvings.saturating_add(1);
        self.continuations = 0;
        self.contexts.retain(|_, context| {
            context.next.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
            context.count = context.next.values().sum();
            self.continuations += context.next.len();
            context.count > 0
        });
    }

    /// Greater than 0.
    fn probability(&self, context: &[Symbol], symbol: Symbol) -> f64 {
        let mut probability = f64::NAN;
        for start in (0..=context.len()).rev() {
            let known = self.contexts.get(&context[start..]);
            let (count, kinds, own) = known.map_or((0.0, 0.0, 0.0), |known| {
                let own = known.next.get(&symbol).copied().unwrap_or(0);
                (known.count as f64, known.next.len() as f64, own as f64)
            });
            if start == context.len() {
                // One kind more than was seen, all alike; a model that saw nothing says 1.
                let kinds = kinds.max(1.0);
                let each = if count > 0.0 {
                    kinds / (kinds + 1.0)
                } else {
                    1.0
                };
                probability = (own + each) / (count + kinds);
            } else if count > 0.0 {
                probability = (own + kinds * probability) / (count + kinds);
            }
        }
        probability
    }
}

impl FittedSessionDetector for FittedNextTemplate {
    fn score(&self, session: &[TemplateId]) -> f64 {
        let steps = self.steps(session);
        steps.iter().fold(0.0, |worst, step| step.score.max(worst))
    }

    /// Scores of lines less probable than one in ten; of an end too early, those that were to be
    /// expected instead.
    fn explain(&self, session: &[TemplateId]) -> Vec<(TemplateId, f64)> {
        let odd = self
            .steps(session)
            .into_iter()
            .filter(|step| step.score > 1.0);
        super::blame(odd.flat_map(|step| {
            match step.template {
                Some(template) => vec![(template, step.score)],
                None => self
                    .expected(session, 1)
                    .into_iter()
                    .filter_map(|(template, _)| Some((template?, step.score)))
                    .collect(),
            }
        }))
    }
}

#[cfg(feature = "serde")]
mod wire {
    use std::collections::{BTreeMap, HashMap};

    use aiops_core::logs::TemplateId;
    use aiops_core::stored::{LoadError, Payload, StoredModel};

    use super::{Context, FittedNextTemplate, NextTemplate, NextTemplateConfig, Symbol};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        order: usize,
        capacity: usize,
        halvings: u64,
        contexts: Vec<ContextV1>,
    }

    /// Symbols are `start`, `end` and identities in hexadecimal, separated by spaces.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ContextV1 {
        before: String,
        next: String,
        counts: Vec<u64>,
    }

    fn write<'a>(symbols: impl IntoIterator<Item = &'a Symbol>) -> String {
        let texts: Vec<_> = symbols
            .into_iter()
            .map(|symbol| match symbol {
                Symbol::Start => "start".to_owned(),
                Symbol::Line(template) => template.to_string(),
                Symbol::End => "end".to_owned(),
            })
            .collect();
        texts.join(" ")
    }

    fn read(text: &str) -> Result<Vec<Symbol>, LoadError> {
        text.split_ascii_whitespace()
            .map(|word| match word {
                "start" => Ok(Symbol::Start),
                "end" => Ok(Symbol::End),
                id => u64::from_str_radix(id, 16).map(|id| Symbol::Line(TemplateId(id))),
            })
            .collect::<Result<_, _>>()
            .map_err(|error| LoadError::payload(format!("not a symbol: {error}")))
    }

    impl StoredModel for FittedNextTemplate {
        const KIND: &'static str = "detect.next-template";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let mut contexts: Vec<_> = self.contexts.iter().collect();
            contexts.sort_unstable_by_key(|(before, _)| *before);
            let context = |(before, context): (&Vec<Symbol>, &Context)| ContextV1 {
                before: write(before),
                next: write(context.next.keys()),
                counts: context.next.values().copied().collect(),
            };
            V1 {
                order: self.config.order,
                capacity: self.config.capacity,
                halvings: self.halvings,
                contexts: contexts.into_iter().map(context).collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = NextTemplateConfig {
                order: wire.order,
                capacity: wire.capacity,
            };
            let mut model = NextTemplate::try_from(config)
                .map_err(|error| LoadError::payload(error.to_string()))?
                .empty();
            let bad = || LoadError::payload("a context cannot be");
            let mut contexts = HashMap::new();
            for one in wire.contexts {
                let (before, next) = (read(&one.before)?, read(&one.next)?);
                let kinds = next.len();
                if before.len() > config.order || kinds != one.counts.len() || kinds == 0 {
                    return Err(bad());
                }
                let sum = |sum: u64, &count: &u64| sum.checked_add(count).filter(|_| count > 0);
                let count = one.counts.iter().try_fold(0, sum).ok_or_else(bad)?;
                let next: BTreeMap<_, _> = next.into_iter().zip(one.counts).collect();
                if next.len() != kinds || next.contains_key(&Symbol::Start) {
                    return Err(bad());
                }
                model.continuations += kinds;
                if contexts.insert(before, Context { count, next }).is_some() {
                    return Err(bad());
                }
            }
            if model.continuations > config.capacity {
                return Err(LoadError::payload("more continuations than may be"));
            }
            (model.contexts, model.halvings) = (contexts, wire.halvings);
            Ok(model)
        }
    }
}
