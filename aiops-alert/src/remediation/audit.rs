//! What was decided, as a chain of entries of which none can be changed unseen.

use aiops_core::Timestamp;
use thiserror::Error;

use super::digest::Digest;
use super::plan::{OrderKind, Outcome, Plan, PlanId, Refusal, RunId};
use crate::json::{Json, object};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are called what they are")]
pub enum Event {
    /// A plan was made, and may be begun.
    Proposed { plan: Plan },
    /// A person approved a step.
    Approved {
        plan: PlanId,
        step: usize,
        by: String,
        until: Timestamp,
    },
    /// A step was to begin, and was not let; written once for each reason in a row.
    Refused {
        plan: PlanId,
        step: usize,
        refusal: Refusal,
    },
    /// A step began.
    Begun {
        run: RunId,
        plan: PlanId,
        step: usize,
        healthy: usize,
    },
    /// The program said what became of an order.
    Reported { run: RunId, outcome: Outcome },
    /// Nobody said in time what became of it.
    TimedOut { run: RunId },
    /// A person said that nothing is in work any more.
    Released { run: RunId, by: String },
    /// The kill switch was pulled.
    Stopped { by: String, why: String },
    /// The kill switch was put back.
    Resumed { by: String },
}

impl Event {
    /// The form that is hashed.
    fn json(&self) -> Json {
        let text = |text: &dyn ToString| Json::Text(text.to_string());
        let time = |time: &Timestamp| Json::Integer(time.as_nanos());
        let count = |count: usize| Json::Integer(count as i64);
        let (name, fields): (&str, Vec<(&str, Json)>) = match self {
            Self::Proposed { plan } => ("proposed", vec![("plan", plan_json(plan))]),
            Self::Approved {
                plan,
                step,
                by,
                until,
            } => (
                "approved",
                vec![
                    ("plan", text(plan)),
                    ("step", count(*step)),
                    ("by", text(by)),
                    ("until", time(until)),
                ],
            ),
            Self::Refused {
                plan,
                step,
                refusal,
            } => (
                "refused",
                vec![
                    ("plan", text(plan)),
                    ("step", count(*step)),
                    ("why", text(refusal)),
                ],
            ),
            Self::Begun {
                run,
                plan,
                step,
                healthy,
            } => (
                "begun",
                vec![
                    ("run", text(run)),
                    ("plan", text(plan)),
                    ("step", count(*step)),
                    ("healthy", count(*healthy)),
                ],
            ),
            Self::Reported { run, outcome } => {
                let outcome = match outcome {
                    Outcome::Done => "done",
                    Outcome::Failed => "failed",
                    Outcome::Recovered => "recovered",
                    Outcome::Worse => "worse",
                };
                (
                    "reported",
                    vec![("run", text(run)), ("outcome", Json::text(outcome))],
                )
            }
            Self::TimedOut { run } => ("timed_out", vec![("run", text(run))]),
            Self::Released { run, by } => ("released", vec![("run", text(run)), ("by", text(by))]),
            Self::Stopped { by, why } => ("stopped", vec![("by", text(by)), ("why", text(why))]),
            Self::Resumed { by } => ("resumed", vec![("by", text(by))]),
        };
        let name = std::iter::once(("event", Json::text(name)));
        object(name.chain(fields))
    }
}

fn plan_json(plan: &Plan) -> Json {
    let steps = plan.steps.iter().map(|step| {
        let obstacle = step.obstacle.as_ref();
        object([
            ("action", Json::text(&step.action)),
            ("target", Json::text(&step.target)),
            ("alert", Json::text(step.alert.to_string())),
            ("alert_since", Json::Integer(step.alert_since.as_nanos())),
            (
                "obstacle",
                obstacle.map_or(Json::Null, |why| Json::text(why.to_string())),
            ),
        ])
    });
    object([
        ("id", Json::text(plan.id.to_string())),
        ("incident", Json::text(plan.incident.to_string())),
        ("made_at", Json::Integer(plan.made_at.as_nanos())),
        ("steps", Json::List(steps.collect())),
        ("left_out", Json::Integer(plan.left_out as i64)),
    ])
}

/// One entry of the audit.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Entry {
    /// Counts up from 0, without a gap.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// Digest of the entry before it; zeros before the first.
    pub previous: Digest,
    /// Digest of `previous`, number, time and event.
    pub digest: Digest,
}

impl Entry {
    pub(super) fn after(head: Head, at: Timestamp, event: Event) -> Self {
        let digest = digest(head, at, &event);
        Self {
            number: head.next,
            at,
            event,
            previous: head.digest,
            digest,
        }
    }
}

fn digest(head: Head, at: Timestamp, event: &Event) -> Digest {
    let mut bytes = head.digest.bytes().to_vec();
    let text = object([
        ("number", Json::text(head.next.to_string())),
        ("at", Json::Integer(at.as_nanos())),
        ("entry", event.json()),
    ]);
    bytes.extend(text.to_string().bytes());
    Digest::of(&bytes)
}

/// Where a chain ends. Kept apart from the entries it shows that none was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Head {
    /// Number of the next entry.
    pub next: u64,
    /// Digest of the last one.
    pub digest: Digest,
}

/// An entry that does not belong where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("entry {number} of the audit does not follow from the one before it")]
pub struct AuditError {
    /// The number that it should have had.
    pub number: u64,
}

/// Whether `entries` go on from `head` without a gap or a change; answers the new end. A chain from
/// its beginning starts at [`Head::default`].
///
/// # Errors
///
/// [`AuditError`] at the first entry that was changed, left out, moved or put in.
pub fn verify<'a>(
    head: Head,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<Head, AuditError> {
    entries.into_iter().try_fold(head, |head, entry| {
        let same = entry.number == head.next
            && entry.previous == head.digest
            && entry.digest == digest(head, entry.at, &entry.event);
        if same {
            Ok(Head {
                next: head.next + 1,
                digest: entry.digest,
            })
        } else {
            Err(AuditError { number: head.next })
        }
    })
}

/// The idempotency key of an order.
pub(super) fn key(plan: &PlanId, step: usize, run: RunId, kind: OrderKind) -> String {
    let kind = match kind {
        OrderKind::Execute => "execute",
        OrderKind::RollBack => "roll-back",
        OrderKind::CallPerson => "call",
    };
    format!("{plan}-{step}-{run}-{kind}")
}
