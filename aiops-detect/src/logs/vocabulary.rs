//! Templates as columns.

use std::collections::BTreeMap;

use aiops_core::logs::TemplateId;
use aiops_core::{DataError, FitError};

/// The templates that sessions are counted by, in increasing order; the rest is one more column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vocabulary {
    pub(super) templates: Vec<TemplateId>,
}

impl Vocabulary {
    /// The `most` templates that are in most sessions; the smaller identity where two are in as
    /// many.
    pub(super) fn of(sessions: &[Vec<TemplateId>], most: usize) -> Self {
        let mut held: BTreeMap<TemplateId, usize> = BTreeMap::new();
        for session in sessions {
            let mut own = session.clone();
            own.sort_unstable();
            own.dedup();
            for template in own {
                *held.entry(template).or_default() += 1;
            }
        }
        let mut all: Vec<_> = held.into_iter().collect();
        all.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
        let mut templates: Vec<_> = all.into_iter().take(most).map(|(id, _)| id).collect();
        templates.sort_unstable();
        Self { templates }
    }

    /// Number of columns, the one for everything else included.
    pub(super) fn width(&self) -> usize {
        self.templates.len() + 1
    }

    pub(super) fn column(&self, template: TemplateId) -> usize {
        self.templates
            .binary_search(&template)
            .unwrap_or(self.templates.len())
    }

    /// Lines of a session in each column.
    pub(super) fn count(&self, session: &[TemplateId]) -> Vec<u32> {
        let mut counts = vec![0_u32; self.width()];
        for &template in session {
            let count = &mut counts[self.column(template)];
            *count = count.saturating_add(1);
        }
        counts
    }

    /// The templates that stand behind a part for each column: those of the last column are the
    /// session's that are in no other.
    pub(super) fn explain(&self, session: &[TemplateId], parts: &[f64]) -> Vec<(TemplateId, f64)> {
        let other = parts.last().copied().unwrap_or(0.0);
        let mut strange: Vec<_> = session
            .iter()
            .copied()
            .filter(|&template| self.column(template) == self.templates.len())
            .collect();
        strange.sort_unstable();
        strange.dedup();
        let share = other / strange.len().max(1) as f64;
        let known = self.templates.iter().copied().zip(parts.iter().copied());
        super::blame(known.chain(strange.into_iter().map(|template| (template, share))))
    }
}

/// Fails unless there are `needed` sessions.
pub(super) fn check_sessions(found: usize, needed: usize) -> Result<(), FitError> {
    if found < needed {
        Err(DataError::TooShort { needed, found }.into())
    } else {
        Ok(())
    }
}
