//! What is known, and how each entry of the audit changes it.
//!
//! Everything changes here and nowhere else, so that playing the entries again gives the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_core::Timestamp;

use super::audit::{self, Entry, Event};
use super::config::{ActionConfig, RateConfig, RemediationConfig};
use super::plan::{Bucket, Order, OrderKind, Outcome, Plan, PlanId, Refusal, RunId};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct State {
    pub(super) clock: Option<Timestamp>,
    pub(super) stopped_by: Option<String>,
    pub(super) plans: BTreeMap<PlanId, Kept>,
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) next_run: u64,
    /// When each token bucket is full again; those that are full are not here.
    action_full_at: BTreeMap<String, Timestamp>,
    target_full_at: BTreeMap<String, Timestamp>,
    overall_full_at: Option<Timestamp>,
    /// When an action last began, by action and target.
    begun_at: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// Actions that have failed lately.
    breakers: BTreeMap<String, Breaker>,
}

/// A plan and what has become of its steps.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Kept {
    pub(super) plan: Plan,
    pub(super) steps: Vec<StepState>,
}

#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct StepState {
    pub(super) approved_until: Option<Timestamp>,
    pub(super) run: Option<RunId>,
    /// Why it was refused last.
    pub(super) refused: Option<Refusal>,
}

/// Something that is or was carried out.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Run {
    pub(super) plan: PlanId,
    pub(super) step: usize,
    pub(super) action: String,
    pub(super) target: String,
    pub(super) begun_at: Timestamp,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Phase {
    Executing {
        until: Timestamp,
    },
    Verifying {
        until: Timestamp,
    },
    RollingBack {
        until: Timestamp,
    },
    /// Nobody knows whether it is still in work; the target stays locked.
    Stuck,
    Over {
        at: Timestamp,
        failed: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Breaker {
    /// In a row.
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Run {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// When it times out.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Executing { until }
            | Phase::Verifying { until }
            | Phase::RollingBack { until } => Some(until),
            Phase::Stuck | Phase::Over { .. } => None,
        }
    }

    /// What the program has to do about it now.
    pub(super) fn order(&self, id: RunId) -> Option<Order> {
        let kind = match self.phase {
            Phase::Executing { .. } => OrderKind::Execute,
            Phase::RollingBack { .. } => OrderKind::RollBack,
            Phase::Stuck | Phase::Over { failed: true, .. } => OrderKind::CallPerson,
            Phase::Verifying { .. } | Phase::Over { .. } => return None,
        };
        Some(Order {
            run: id,
            kind,
            action: self.action.clone(),
            target: self.target.clone(),
            key: audit::key(&self.plan, self.step, id, kind),
        })
    }

    /// Whether `outcome` can be told of it as it stands.
    pub(super) fn takes(&self, outcome: Outcome) -> bool {
        match self.phase {
            Phase::Executing { .. } => true,
            Phase::Verifying { .. } => outcome != Outcome::Done,
            Phase::RollingBack { .. } | Phase::Stuck => {
                matches!(outcome, Outcome::Done | Outcome::Failed)
            }
            Phase::Over { .. } => false,
        }
    }
}

impl State {
    pub(super) fn apply(&mut self, config: &RemediationConfig, entry: &Entry) {
        let at = entry.at;
        self.clock = self.clock.max(Some(at));
        self.prune(config, at);
        match &entry.event {
            Event::Proposed { plan } => {
                let kept = Kept {
                    plan: plan.clone(),
                    steps: vec![StepState::default(); plan.steps.len()],
                };
                self.plans.insert(plan.id.clone(), kept);
            }
            Event::Approved {
                plan, step, until, ..
            } => {
                if let Some(step) = self.step_mut(plan, *step) {
                    step.approved_until = Some(*until);
                }
            }
            Event::Refused {
                plan,
                step,
                refusal,
            } => {
                if let Some(step) = self.step_mut(plan, *step) {
                    step.refused = Some(refusal.clone());
                }
            }
            Event::Begun {
                run, plan, step, ..
            } => self.begin(config, at, *run, plan, *step),
            Event::Reported { run, outcome } => self.report(config, at, *run, *outcome),
            Event::TimedOut { run } => self.time_out(config, at, *run),
            Event::Released { run, .. } => self.set(*run, Phase::Over { at, failed: false }),
            Event::Stopped { by, .. } => self.stopped_by = Some(by.clone()),
            Event::Resumed { .. } => self.stopped_by = None,
        }
    }

    fn step_mut(&mut self, plan: &PlanId, step: usize) -> Option<&mut StepState> {
        self.plans.get_mut(plan)?.steps.get_mut(step)
    }

    fn set(&mut self, run: RunId, phase: Phase) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.phase = phase;
        }
    }

    fn begin(
        &mut self,
        config: &RemediationConfig,
        at: Timestamp,
        id: RunId,
        plan: &PlanId,
        step: usize,
    ) {
        let Some(kept) = self.plans.get_mut(plan) else {
            return;
        };
        let (Some(what), Some(state)) = (kept.plan.steps.get(step), kept.steps.get_mut(step))
        else {
            return;
        };
        state.run = Some(id);
        let (action, target) = (what.action.clone(), what.target.clone());
        let settings = config.actions.get(&action);
        let within = settings.map_or(Duration::ZERO, |action| action.execute_within);
        if let Some(settings) = settings {
            let full_at = self.action_full_at.entry(action.clone()).or_insert(at);
            take(full_at, settings.rate, at);
        }
        take(
            self.target_full_at.entry(target.clone()).or_insert(at),
            config.target_rate,
            at,
        );
        take(
            self.overall_full_at.get_or_insert(at),
            config.overall_rate,
            at,
        );
        let begun_at = self.begun_at.entry(action.clone()).or_default();
        begun_at.insert(target.clone(), at);
        let run = Run {
            plan: plan.clone(),
            step,
            action,
            target,
            begun_at: at,
            phase: Phase::Executing {
                until: at.saturating_add(within),
            },
        };
        self.runs.insert(id, run);
        self.next_run = self.next_run.max(id.0.saturating_add(1));
    }

    fn report(&mut self, config: &RemediationConfig, at: Timestamp, id: RunId, outcome: Outcome) {
        let Some(run) = self.runs.get(&id).filter(|run| run.takes(outcome)) else {
            return;
        };
        let (phase, action) = (run.phase, run.action.clone());
        match (phase, outcome) {
            (Phase::RollingBack { .. }, Outcome::Done) => {
                self.set(id, Phase::Over { at, failed: false });
            }
            (Phase::RollingBack { .. } | Phase::Stuck, _) => {
                self.set(id, Phase::Over { at, failed: true });
            }
            (_, Outcome::Done) => {
                let within = config.actions.get(&action).map(|one| one.verify_within);
                let until = at.saturating_add(within.unwrap_or_default());
                self.set(id, Phase::Verifying { until });
            }
            (_, Outcome::Recovered) => {
                self.set(id, Phase::Over { at, failed: false });
                // While it is open only time closes it.
                let open = |one: &Breaker| one.open_until.is_some_and(|until| until > at);
                if !self.breakers.get(&action).is_some_and(open) {
                    self.breakers.remove(&action);
                }
            }
            (_, Outcome::Failed | Outcome::Worse) => self.fail(config, at, id),
        }
    }

    fn time_out(&mut self, config: &RemediationConfig, at: Timestamp, id: RunId) {
        let Some(run) = self.runs.get(&id) else {
            return;
        };
        match run.phase {
            Phase::Executing { .. } => {
                let action = run.action.clone();
                self.count_failure(config, at, action);
                self.set(id, Phase::Stuck);
            }
            Phase::RollingBack { .. } => self.set(id, Phase::Stuck),
            Phase::Verifying { .. } => self.fail(config, at, id),
            Phase::Stuck | Phase::Over { .. } => {}
        }
    }

    /// It has failed, and nothing of it is in work.
    fn fail(&mut self, config: &RemediationConfig, at: Timestamp, id: RunId) {
        let Some(run) = self.runs.get(&id) else {
            return;
        };
        let action = run.action.clone();
        let settings = config.actions.get(&action);
        let phase = match settings.filter(|one| one.can_roll_back && self.stopped_by.is_none()) {
            Some(settings) => Phase::RollingBack {
                until: at.saturating_add(settings.execute_within),
            },
            None => Phase::Over { at, failed: true },
        };
        self.set(id, phase);
        self.count_failure(config, at, action);
    }

    fn count_failure(&mut self, config: &RemediationConfig, at: Timestamp, action: String) {
        let Some(settings) = config.actions.get(&action) else {
            return;
        };
        let breaker = self.breakers.entry(action).or_default();
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= settings.max_failures {
            breaker.open_until = Some(at.saturating_add(settings.pause));
        }
    }

    /// Forgets what no longer matters.
    fn prune(&mut self, config: &RemediationConfig, at: Timestamp) {
        let valid = config.plan_valid_for;
        self.plans
            .retain(|_, kept| kept.plan.made_at.saturating_add(valid) > at);
        let memory = config.memory();
        self.runs.retain(|_, run| match run.phase {
            Phase::Over { at: over, .. } => over.saturating_add(memory) > at,
            _ => true,
        });
        self.action_full_at.retain(|_, full_at| *full_at > at);
        self.target_full_at.retain(|_, full_at| *full_at > at);
        self.begun_at.retain(|action, targets| {
            let cooldown = config.actions.get(action).map(|one| one.cooldown);
            targets.retain(|_, begun| begun.saturating_add(cooldown.unwrap_or_default()) > at);
            !targets.is_empty()
        });
    }

    /// The run that works on the target.
    pub(super) fn busy(&self, target: &str) -> Option<RunId> {
        let mut runs = self.runs.iter();
        let found = runs.find(|(_, run)| !run.is_over() && run.target == target);
        found.map(|(id, _)| *id)
    }

    /// Until when an action cools down on a target.
    pub(super) fn cools_until(
        &self,
        action: &str,
        settings: &ActionConfig,
        target: &str,
    ) -> Option<Timestamp> {
        let begun = self.begun_at.get(action)?.get(target)?;
        Some(begun.saturating_add(settings.cooldown))
    }

    /// The first token bucket that is empty at `now`, and until when.
    pub(super) fn empty_bucket(
        &self,
        config: &RemediationConfig,
        (action, settings): (&str, &ActionConfig),
        target: &str,
        now: Timestamp,
    ) -> Option<(Bucket, Timestamp)> {
        let buckets = [
            (
                Bucket::Action,
                self.action_full_at.get(action),
                settings.rate,
            ),
            (
                Bucket::Target,
                self.target_full_at.get(target),
                config.target_rate,
            ),
            (
                Bucket::Overall,
                self.overall_full_at.as_ref(),
                config.overall_rate,
            ),
        ];
        let mut until = buckets
            .into_iter()
            .filter_map(|(bucket, full_at, rate)| Some((bucket, refilled_at(*full_at?, rate))));
        until.find(|(_, until)| *until > now)
    }

    /// Why the circuit breaker of an action holds it back at `now`.
    pub(super) fn breaker(&self, action: &str, now: Timestamp) -> Option<Refusal> {
        let until = self.breakers.get(action)?.open_until?;
        if until > now {
            return Some(Refusal::BreakerOpen { until });
        }
        let mut runs = self.runs.iter();
        let trial = runs.find(|(_, run)| !run.is_over() && run.action == action)?;
        Some(Refusal::BreakerTrial { run: *trial.0 })
    }

    /// Targets of the pool that are in work or began within the action's window, without `target`.
    pub(super) fn touched(
        &self,
        config: &RemediationConfig,
        settings: &ActionConfig,
        target: &str,
        now: Timestamp,
    ) -> usize {
        let runs = self.runs.values().filter(|run| {
            let pool = config.actions.get(&run.action).map(|action| &action.pool);
            let lately = run.begun_at.saturating_add(settings.blast_window) > now;
            pool.is_none_or(|pool| *pool == settings.pool) && (!run.is_over() || lately)
        });
        let targets: BTreeSet<&str> = runs.map(|run| run.target.as_str()).collect();
        targets.len() - usize::from(targets.contains(target))
    }
}

/// A bucket as the time when it is full again (the generic cell rate algorithm of ITU-T I.371): one
/// number, and nothing to be refilled.
fn take(full_at: &mut Timestamp, rate: RateConfig, at: Timestamp) {
    *full_at = (*full_at).max(at).saturating_add(rate.every);
}

/// When a bucket has a token again.
fn refilled_at(full_at: Timestamp, rate: RateConfig) -> Timestamp {
    full_at.saturating_sub(rate.every.saturating_mul(rate.burst - 1))
}
