//! Changes to the system under watch.

use std::fmt;

use crate::{Labels, Timestamp};

/// What kind of change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ChangeKind {
    /// A new version.
    Deploy,
    /// A new configuration.
    Config,
    /// More or fewer instances, or other sizes.
    Scale,
    /// A restart.
    Restart,
    /// Something else, by name.
    Other(String),
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::Config => "config change",
            Self::Scale => "scaling",
            Self::Restart => "restart",
            Self::Other(name) => name,
        })
    }
}

/// Something was changed on purpose: a deploy, a configuration, a scaling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChangeEvent {
    /// Identity given by the source; the same id again is the same change.
    pub id: String,
    /// When it took effect.
    pub time: Timestamp,
    /// What kind.
    pub kind: ChangeKind,
    /// The component that was changed, by the name it has in the topology.
    pub component: String,
    /// One line for people.
    pub summary: String,
    /// Anything else: version, commit, link.
    pub labels: Labels,
}
