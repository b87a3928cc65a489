//! The life of one alert of a rule.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::{Alert, Labels, Timestamp, Verdict};

use super::state::InstanceState;

/// How long a resolved alert is remembered and sent again.
const RESOLVED_RETENTION: Duration = Duration::from_mins(15);

/// How many times the resend interval a firing alert lives without being sent again.
const LIFE_IN_RESENDS: u32 = 4;

/// A restart within this time goes on with what was pending.
const OUTAGE_TOLERANCE: Duration = Duration::from_hours(1);

/// After a restart a pending alert stays pending for at least this long, if its rule holds that
/// long at all.
const GRACE: Duration = Duration::from_mins(10);

/// Annotation with the detector's own words, unless the rule has one of this name.
const REASON: &str = "reason";

/// Where an alert of a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, but not for long enough yet.
    Pending,
    /// Going on.
    Firing,
    /// Over, and still remembered.
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Phase {
    Inactive,
    Pending {
        /// Sample with which the condition began to hold; another one begins anew.
        since: Timestamp,
        active_at: Timestamp,
    },
    Firing {
        active_at: Timestamp,
        fired_at: Timestamp,
        failing_since: Option<Timestamp>,
    },
    Resolved {
        fired_at: Timestamp,
        resolved_at: Timestamp,
    },
}

impl Phase {
    /// Where it stands at `now`, when nothing was looked at since `stopped`; as in Prometheus.
    pub(super) fn after_restart(self, stopped: Timestamp, now: Timestamp, hold: Duration) -> Self {
        match self {
            Self::Pending { .. } if now.since(stopped) > OUTAGE_TOLERANCE => Self::Inactive,
            Self::Pending { since, active_at } if hold >= GRACE => {
                let latest = now.saturating_add(GRACE).saturating_sub(hold);
                Self::Pending {
                    since,
                    active_at: active_at.max(latest),
                }
            }
            other => other,
        }
    }
}

/// One alert of one rule: the series whose label sets become the same identity share it, and it
/// holds while it holds for any of them.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) rule: u32,
    pub(super) identity: Labels,
    /// Of the series that was last seen to hold; for the templates.
    pub(super) series: Labels,
    /// Series for which the condition holds.
    pub(super) holding: u32,
    /// Series that share it.
    pub(super) members: u32,
    /// Time of the sample with which the first of them began.
    pub(super) since: Timestamp,
    pub(super) value: f64,
    pub(super) verdict: Option<Box<Verdict>>,
    /// The words of the last verdict before a restart.
    pub(super) stored_reason: Option<String>,
    pub(super) phase: Phase,
    pub(super) last_sent: Timestamp,
}

impl Instance {
    pub(super) fn new(rule: u32, identity: Labels, series: Labels) -> Self {
        Self {
            rule,
            identity,
            series,
            holding: 0,
            members: 0,
            since: Timestamp::MIN,
            value: f64::NAN,
            verdict: None,
            stored_reason: None,
            phase: Phase::Inactive,
            last_sent: Timestamp::MIN,
        }
    }

    pub(super) fn state(&self) -> AlertState {
        match self.phase {
            Phase::Inactive => AlertState::Inactive,
            Phase::Pending { .. } => AlertState::Pending,
            Phase::Firing { .. } => AlertState::Firing,
            Phase::Resolved { .. } => AlertState::Resolved,
        }
    }

    /// When it began: to be pending, or to fire.
    pub(super) fn began(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Inactive => None,
            Phase::Pending { active_at, .. } => Some(active_at),
            Phase::Firing { fired_at, .. } | Phase::Resolved { fired_at, .. } => Some(fired_at),
        }
    }

    /// One more series holds.
    pub(super) fn begin(&mut self, at: Timestamp) {
        if self.holding == 0 {
            self.since = at;
        }
        self.holding += 1;
    }

    /// One series less holds.
    pub(super) fn end(&mut self) {
        self.holding = self.holding.saturating_sub(1);
    }

    /// Whether nothing has to be done for it until its condition holds again.
    pub(super) fn is_idle(&self) -> bool {
        self.holding == 0 && self.phase == Phase::Inactive
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Timestamp, hold: Duration, keep: Duration) {
        let holds = self.holding > 0;
        self.phase = match self.phase {
            Phase::Inactive | Phase::Resolved { .. } if holds => begin(now, self.since, hold),
            Phase::Pending { .. } if !holds => Phase::Inactive,
            // It failed and held again between two ticks.
            Phase::Pending { since, .. } if since != self.since => begin(now, self.since, hold),
            Phase::Pending { active_at, .. } if now.since(active_at) >= hold => {
                fire(now, active_at)
            }
            Phase::Firing { active_at, .. } if holds && now.since(active_at) < hold => {
                // A reload has made `hold` longer.
                Phase::Pending {
                    since: self.since,
                    active_at,
                }
            }
            Phase::Firing {
                active_at,
                fired_at,
                failing_since,
            } => firing(now, holds, keep, (active_at, fired_at, failing_since)),
            Phase::Resolved { resolved_at, .. } if now.since(resolved_at) > RESOLVED_RETENTION => {
                Phase::Inactive
            }
            other => other,
        };
    }

    /// The alert, when it has to be told now.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        resend: Duration,
        annotations: impl Fn(&Labels, f64) -> BTreeMap<String, String>,
    ) -> Option<Alert> {
        let (fired_at, ends_at) = match self.phase {
            Phase::Inactive | Phase::Pending { .. } => return None,
            Phase::Firing { fired_at, .. } => {
                (fired_at, now.saturating_add(resend * LIFE_IN_RESENDS))
            }
            Phase::Resolved {
                fired_at,
                resolved_at,
            } => (fired_at, resolved_at),
        };
        let is_news = match self.phase {
            Phase::Resolved { resolved_at, .. } => resolved_at > self.last_sent,
            _ => fired_at > self.last_sent,
        };
        if !is_news && self.last_sent.saturating_add(resend) > now {
            return None;
        }
        self.last_sent = now;
        let mut alert = Alert::new(self.identity.clone(), fired_at);
        alert.ends_at = Some(ends_at);
        alert.annotations = annotations(&self.series, self.value);
        if let Some(reason) = self.reason() {
            let entry = alert.annotations.entry(REASON.to_owned());
            entry.or_insert(reason);
        }
        Some(alert)
    }

    /// What has to survive a restart.
    pub(super) fn state_as(&self, rule: u32, never_seen: bool) -> InstanceState {
        InstanceState {
            rule,
            identity: self.identity.clone(),
            series: self.series.clone(),
            since: self.since,
            value: self.value,
            reason: self.reason(),
            phase: self.phase,
            last_sent: self.last_sent,
            never_seen,
        }
    }

    pub(super) fn restore(&mut self, state: InstanceState) {
        self.series = state.series;
        self.since = state.since;
        self.value = state.value;
        self.stored_reason = state.reason;
        self.phase = state.phase;
        self.last_sent = state.last_sent;
    }

    /// What the detector said last.
    pub(super) fn reason(&self) -> Option<String> {
        match &self.verdict {
            Some(verdict) => Some(verdict.to_string()),
            None => self.stored_reason.clone(),
        }
    }
}

fn begin(now: Timestamp, since: Timestamp, hold: Duration) -> Phase {
    if hold.is_zero() {
        fire(now, now)
    } else {
        Phase::Pending {
            since,
            active_at: now,
        }
    }
}

fn fire(now: Timestamp, active_at: Timestamp) -> Phase {
    Phase::Firing {
        active_at,
        fired_at: now,
        failing_since: None,
    }
}

fn firing(
    now: Timestamp,
    holds: bool,
    keep: Duration,
    (active_at, fired_at, failing_since): (Timestamp, Timestamp, Option<Timestamp>),
) -> Phase {
    let failing_since = if holds {
        None
    } else {
        Some(failing_since.unwrap_or(now))
    };
    match failing_since {
        Some(since) if now.since(since) >= keep => Phase::Resolved {
            fired_at,
            resolved_at: now,
        },
        _ => Phase::Firing {
            active_at,
            fired_at,
            failing_since,
        },
    }
}
