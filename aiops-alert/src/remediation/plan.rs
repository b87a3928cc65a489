//! From an incident to what could be done, and why it may not be.

use std::fmt::{self, Write as _};

use aiops_core::{Fingerprint, IncidentId, Timestamp};
use thiserror::Error;

use super::digest::Digest;

/// Identity of a plan: the same for the same steps against the same alerts of an incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct PlanId(String);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of something that is carried out; counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RUN-{}", self.0)
    }
}

/// What could be done about an incident.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Plan {
    /// Identity.
    pub id: PlanId,
    /// The incident.
    pub incident: IncidentId,
    /// When it was made.
    pub made_at: Timestamp,
    /// In order of actions, then of alerts.
    pub steps: Vec<PlanStep>,
    /// Steps beyond the hundredth, which are not in it.
    pub left_out: usize,
}

/// One action on one target.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PlanStep {
    /// Name of the action.
    pub action: String,
    /// To what.
    pub target: String,
    /// The alert that it is for; it must still fire when the step begins.
    pub alert: Fingerprint,
    /// When that alert began.
    pub alert_since: Timestamp,
    /// Why it could not begin when the plan was made, as far as that was known then.
    pub obstacle: Option<Refusal>,
}

impl Plan {
    pub(super) fn new(
        incident: IncidentId,
        made_at: Timestamp,
        steps: Vec<PlanStep>,
        left_out: usize,
    ) -> Self {
        let mut text = incident.to_string();
        for step in &steps {
            // Lengths keep the parts apart.
            for part in [&step.action, &step.target] {
                let _ = write!(text, "|{}:{part}", part.len()); // writing to a String cannot fail
            }
            let _ = write!(text, "|{}@{}", step.alert, step.alert_since.as_nanos());
        }
        let digest = Digest::of(text.as_bytes()).to_string();
        Self {
            id: PlanId(digest[..16].to_owned()),
            incident,
            made_at,
            steps,
            left_out,
        }
    }
}

/// Which token bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Bucket {
    /// That of the action.
    Action,
    /// That of the target.
    Target,
    /// The one over everything.
    Overall,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Action => "action",
            Self::Target => "target",
            Self::Overall => "overall",
        })
    }
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "why", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody has pulled the kill switch.
    #[error("stopped by {by}")]
    Stopped {
        /// Who.
        by: String,
    },
    /// The action is not configured, or denied.
    #[error("the action is not permitted")]
    NotPermitted,
    /// A person has to approve it.
    #[error("needs an approval")]
    NeedsApproval,
    /// The approval is too old.
    #[error("the approval ended at {at}")]
    ApprovalOver {
        /// When.
        at: Timestamp,
    },
    /// There is no such plan, or none any more.
    #[error("no such plan")]
    UnknownPlan,
    /// The plan has no such step.
    #[error("no such step")]
    UnknownStep,
    /// The plan is too old.
    #[error("the plan ended at {at}")]
    PlanOver {
        /// When.
        at: Timestamp,
    },
    /// There is no room for another plan.
    #[error("there are {limit} plans already")]
    TooManyPlans {
        /// The bound.
        limit: usize,
    },
    /// The step has begun before.
    #[error("began as {run}")]
    Begun {
        /// As which run.
        run: RunId,
    },
    /// Another action on the target is in work.
    #[error("{run} works on the target")]
    Busy {
        /// Which.
        run: RunId,
    },
    /// The alert is an effect of an action.
    #[error("the alert is an effect of {run}")]
    OwnEffect {
        /// Of which.
        run: RunId,
    },
    /// The same was done to the target a short time ago.
    #[error("cools down until {until}")]
    Cooldown {
        /// Until when.
        until: Timestamp,
    },
    /// It would be too often.
    #[error("rate limit ({bucket}) until {until}")]
    Rate {
        /// By which bucket.
        bucket: Bucket,
        /// Until when.
        until: Timestamp,
    },
    /// It has failed too often in a row.
    #[error("circuit breaker is open until {until}")]
    BreakerOpen {
        /// Until when.
        until: Timestamp,
    },
    /// After failures one is tried at a time, and one is.
    #[error("circuit breaker waits for {run}")]
    BreakerTrial {
        /// Which.
        run: RunId,
    },
    /// Too much would be touched at once.
    #[error("{touched} targets are touched, at most {limit} of {healthy} healthy ones may be")]
    BlastRadius {
        /// Targets in work or a short time ago, without this one.
        touched: usize,
        /// How many there may be.
        limit: usize,
        /// Healthy targets when it was to begin.
        healthy: usize,
    },
    /// It is not known how many targets are healthy.
    #[error("the number of healthy targets is not known")]
    HealthUnknown,
    /// The alert no longer fires, or began anew.
    #[error("the alert fires no more")]
    AlertOver,
    /// What is known is too old, or from the future.
    #[error("what is known is of {at}")]
    NotFresh {
        /// When it was true.
        at: Timestamp,
    },
    /// An approval, a stop or a release needs a name.
    #[error("a name is needed")]
    Nameless,
    /// There is no such run, or it is past that.
    #[error("{run} is not in work, or past that")]
    UnknownRun {
        /// Its number.
        run: RunId,
    },
}

/// Something for the program to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// As which run.
    pub run: RunId,
    /// What.
    pub kind: OrderKind,
    /// Name of the action.
    pub action: String,
    /// To what.
    pub target: String,
    /// Idempotency key: the same when the order is given again after a restart. An executor that
    /// has seen it drops the repetition.
    pub key: String,
}

/// What an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OrderKind {
    /// Carry the action out.
    Execute,
    /// Take it back.
    RollBack,
    /// Call a person: it failed and cannot be taken back, or nobody knows what became of it.
    CallPerson,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// It was carried out, or taken back.
    Done,
    /// It was not, and is not in work any more.
    Failed,
    /// The success shows: the alert is over, the target is healthy.
    Recovered,
    /// It made things worse: it is not waited for.
    Worse,
}
