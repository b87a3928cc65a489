//! Root causes.

use crate::{Cause, ChangeEvent, RankError, SeriesView, Timestamp, Topology};

/// One metric of one component.
#[derive(Clone, Copy, Debug)]
pub struct ComponentMetric<'a> {
    /// Name of the component, as in the topology.
    pub component: &'a str,
    /// Name of the metric.
    pub metric: &'a str,
    /// Fault-free samples from another time, where there are any.
    pub reference: Option<SeriesView<'a>>,
    /// Samples around the incident.
    pub observed: SeriesView<'a>,
}

/// What is known about an incident.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The metrics. They need not share a time axis.
    pub metrics: &'a [ComponentMetric<'a>],
    /// When it began, where that is known; methods find it themselves otherwise.
    pub onset: Option<Timestamp>,
    /// The component whose users noticed, where one did.
    pub symptom: Option<&'a str>,
    /// Who depends on whom; may be empty.
    pub topology: &'a Topology,
    /// What was changed.
    pub changes: &'a [ChangeEvent],
}

/// Ranks the components of a case by how likely they caused it.
pub trait RootCauseRanker: Send + Sync {
    /// Causes, the likeliest first, each component at most once; empty when nothing was found.
    /// Equal scores are in order of name.
    ///
    /// # Errors
    ///
    /// [`RankError`] when the case lacks what the method needs.
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError>;
}

impl<R: RootCauseRanker + ?Sized> RootCauseRanker for Box<R> {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        (**self).rank(case)
    }
}
