//! Stored form.

use aiops_core::stored::{LoadError, Payload, StoredModel};

use super::{FittedInvariants, Invariant, MAX_FACTOR, Relation};
use crate::logs::wire::{read, write};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    invariants: Vec<OneV1>,
}

/// One template and its count, two and their factors, or three and nothing.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OneV1 {
    templates: String,
    numbers: Vec<u32>,
    sessions: u64,
    broken: u64,
}

impl StoredModel for FittedInvariants {
    const KIND: &'static str = "detect.log-invariants";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let one = |one: &Invariant| OneV1 {
            templates: write(&one.relation.templates()),
            numbers: match one.relation {
                Relation::Fixed(_, times) => vec![times],
                Relation::Ratio { a, b, .. } => vec![a, b],
                Relation::Sum(..) => Vec::new(),
            },
            sessions: one.sessions,
            broken: one.broken,
        };
        V1 {
            invariants: self.invariants.iter().map(one).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let invariants: Result<Vec<_>, LoadError> = wire
            .invariants
            .into_iter()
            .map(|one| {
                let templates = read(&one.templates)?;
                let factor = |factor| (1..=MAX_FACTOR).contains(&factor);
                let relation = match (templates[..].as_ref(), &one.numbers[..]) {
                    (&[template], &[times]) if times > 0 => Relation::Fixed(template, times),
                    (&[first, second], &[a, b]) if factor(a) && factor(b) => Relation::Ratio {
                        first,
                        second,
                        a,
                        b,
                    },
                    (&[whole, one, other], []) => Relation::Sum(whole, [one, other]),
                    _ => return Err(LoadError::payload("not a relation")),
                };
                if one.broken > one.sessions {
                    return Err(LoadError::payload("broken more often than seen"));
                }
                Ok(Invariant {
                    relation,
                    sessions: one.sessions,
                    broken: one.broken,
                })
            })
            .collect();
        Ok(Self {
            invariants: invariants?,
        })
    }
}
