//! Anomalies of logs: over counts of templates, and over sessions of lines.
//!
//! What comes in are identities of templates, as the
//! [`TemplateMiner`](aiops_core::logs::TemplateMiner) of the core gives them for each line.
//!
//! # Which detector?
//!
//! | module | input | finds | misses |
//! |---|---|---|---|
//! | [`rates`] | lines counted by interval, a stream | new templates, changed rates, templates that stay away | odd order, odd combinations |
//! | [`counts`] | sessions, as counts of templates | combinations of counts that are not usual | order |
//! | [`invariants`] | the same | relations between counts that no longer hold, in words: "opened as often as closed" | what follows no relation |
//! | [`sequence`] | sessions, in order | lines that do not usually come after those before them; sessions that end early | counts in the long run |
//!
//! A session is what belongs together: the lines of one request, one block, one job. The three
//! detectors of sessions share the traits [`SessionDetector`] and [`FittedSessionDetector`].
//!
//! # Example: a block whose last step is missing
//!
//! ```
//! use aiops_core::logs::{TemplateId, TemplateMiner, TemplateMinerConfig};
//! use aiops_detect::logs::sequence::{NextTemplate, NextTemplateConfig};
//! use aiops_detect::logs::{FittedSessionDetector, SessionDetector};
//!
//! let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?;
//! let mut block = |number: u32, steps: usize| -> Vec<TemplateId> {
//!     let lines = [
//!         format!("Receiving block blk_{number} src: 10.0.0.1:50010 dest: 10.0.0.2:50010"),
//!         format!("Received block blk_{number} of size 67108864 from 10.0.0.1"),
//!         format!("PacketResponder 1 for block blk_{number} terminating"),
//!     ];
//!     lines[..steps].iter().map(|line| miner.observe(line)).collect()
//! };
//! let usual: Vec<_> = (0..200).map(|number| block(number, 3)).collect();
//!
//! let model = NextTemplate::try_from(NextTemplateConfig::default())?.fit(&usual)?;
//! assert!(model.score(&block(900, 3)) < 0.1);
//! assert!(model.score(&block(901, 2)) > 2.0); // less than one in a hundred ends here
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod counts;
pub mod invariants;
pub mod rates;
pub mod sequence;
mod tail;
mod vocabulary;

use aiops_core::FitError;
use aiops_core::logs::TemplateId;

/// An algorithm that learns usual sessions, not yet fitted. A session is a list of templates in
/// the order of their lines.
pub trait SessionDetector: Send + Sync {
    /// What [`fit`](Self::fit) returns.
    type Model: FittedSessionDetector + 'static;

    /// Learns what usual sessions are like. Few odd ones among them do no harm.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when there are too few sessions.
    fn fit(&self, sessions: &[Vec<TemplateId>]) -> Result<Self::Model, FitError>;
}

/// What a [`SessionDetector`] learned. A larger score is more anomalous; all are finite.
pub trait FittedSessionDetector: Send + Sync {
    /// How odd a session is. The empty session has a score, too.
    fn score(&self, session: &[TemplateId]) -> f64;

    /// Which of its templates, or of those that are missing in it, are to blame, the worst first;
    /// the scale is the algorithm's own. Empty for a session in which nothing is odd.
    fn explain(&self, session: &[TemplateId]) -> Vec<(TemplateId, f64)>;
}

/// Parts of an explanation by template, in order of blame; what is not to blame is left out.
fn blame(parts: impl IntoIterator<Item = (TemplateId, f64)>) -> Vec<(TemplateId, f64)> {
    let mut sums = std::collections::BTreeMap::new();
    for (template, part) in parts {
        *sums.entry(template).or_insert(0.0) += part;
    }
    let mut parts: Vec<_> = sums.into_iter().filter(|(_, part)| *part > 0.0).collect();
    parts.sort_by(|(_, a), (_, b)| b.total_cmp(a)); // stable: equal ones in the order of templates
    parts
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::logs::TemplateId;
    use aiops_core::stored::LoadError;

    /// Identities as text: hexadecimal, separated by spaces.
    pub(super) fn write(templates: &[TemplateId]) -> String {
        let texts: Vec<_> = templates.iter().map(TemplateId::to_string).collect();
        texts.join(" ")
    }

    pub(super) fn read(text: &str) -> Result<Vec<TemplateId>, LoadError> {
        text.split_ascii_whitespace()
            .map(|id| u64::from_str_radix(id, 16).map(TemplateId))
            .collect::<Result<_, _>>()
            .map_err(|error| LoadError::payload(format!("not a template: {error}")))
    }
}
