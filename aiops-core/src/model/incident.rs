//! Incidents and their causes.

use std::fmt;

use crate::{Alert, Evidence, Labels, Timestamp};

/// Identity of an incident: a number that counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum IncidentStatus {
    /// Some alert is going on.
    Open,
    /// All alerts are over.
    Resolved,
}

/// Alerts that belong together, as one thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incident {
    /// Identity.
    pub id: IncidentId,
    /// What the alerts have in common.
    pub group: Labels,
    /// When the first alert began.
    pub opened_at: Timestamp,
    /// When the last alert ended; `None` while open.
    pub resolved_at: Option<Timestamp>,
    /// One line for people: what, where, and why it is believed.
    pub summary: String,
    /// The alerts, in the order in which they joined; ended ones stay.
    pub alerts: Vec<Alert>,
    /// Likely causes, the likeliest first; empty when nothing was found.
    pub causes: Vec<Cause>,
}

impl Incident {
    /// Where it stands.
    pub fn status(&self) -> IncidentStatus {
        match self.resolved_at {
            Some(_) => IncidentStatus::Resolved,
            None => IncidentStatus::Open,
        }
    }
}

/// A component that may have caused an incident, with the facts.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cause {
    /// Name of the component.
    pub component: String,
    /// Its metric that points at it most strongly.
    pub metric: Option<String>,
    /// How strongly the facts point at it; larger is more. Comparable within one ranking only.
    pub score: f64,
    /// Probability that it is a cause, where the method is calibrated; in `[0, 1]`.
    pub confidence: Option<f64>,
    /// The facts, for and against.
    pub evidence: Vec<Evidence>,
}
