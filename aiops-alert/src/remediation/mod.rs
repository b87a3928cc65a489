//! Remediation: what could be done about an incident, and whether it may be.
//!
//! The library proposes and guards, the program executes. Without a configuration nothing is
//! permitted. Time comes in as an argument, [orders](Order) come out as values.
//!
//! ```
//! use aiops_alert::remediation::{ActionConfig, Outcome, Permission, Remediation, RemediationConfig, Situation};
//! use aiops_core::{Alert, Incident, IncidentId, Labels, Timestamp};
//!
//! let mut restart = ActionConfig::default();
//! restart.permission = Permission::Ask;
//! restart.when = r#"{alertname="Hangs"}"#.parse()?;
//! let mut config = RemediationConfig::default();
//! config.actions.insert("restart".into(), restart);
//! let mut remediation = Remediation::try_from(config)?;
//!
//! let now = Timestamp::EPOCH;
//! let hangs = Alert::new(Labels::of([("alertname", "Hangs"), ("instance", "web-1")])?, now);
//! let incident = Incident {
//!     id: IncidentId(1), group: Labels::empty(), opened_at: now, resolved_at: None,
//!     summary: "web-1 hangs".into(), alerts: vec![hangs.clone()], causes: Vec::new(),
//! };
//! let plan = remediation.propose(now, &incident)?;
//! let situation = Situation { firing: &[hangs], known_at: now, healthy: Some(20) };
//! assert!(remediation.begin(now, &plan.id, 0, &situation).is_err(), "nobody has approved it");
//! remediation.approve(now, &plan.id, 0, "kim", std::time::Duration::from_mins(5))?;
//! let order = remediation.begin(now, &plan.id, 0, &situation)?;
//! // Now the entries are stored, then the order is carried out.
//! let entries = remediation.take_entries();
//! assert_eq!((order.action.as_str(), order.target.as_str()), ("restart", "web-1"));
//! remediation.report(now, order.run, Outcome::Done)?;
//! remediation.report(now, order.run, Outcome::Recovered)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What stands between a plan and an order
//!
//! | guard | refuses |
//! |---|---|
//! | default deny | actions that are not configured, or not permitted |
//! | kill switch | everything, roll-backs included |
//! | approval | a step that asks for one, without a name, or too late |
//! | loop guard | steps for an alert that an action has raised |
//! | precondition | a step whose alert no longer fires, or began anew, or about which nothing fresh is known |
//! | lock | a second action on a target |
//! | cool-down | the same action on the same target soon again |
//! | token buckets | too many: of the action, on the target, overall |
//! | circuit breaker | an action that has failed several times in a row |
//! | blast radius | more targets than a number, and than a share of those that are healthy now |
//!
//! # The life of a run
//!
//! | phase | goes on with | without a word in time |
//! |---|---|---|
//! | executing | done: verifying; failed: as below | a person is called, the target stays locked |
//! | verifying | recovered: over; worse: as below | failed |
//! | failed | rolled back where that is possible, otherwise a person is called | |
//! | rolling back | done: over; failed: a person is called | a person is called, the target stays locked |
//!
//! A target about which nobody knows whether something is in work stays locked until the program
//! [reports](Remediation::report) or a person [releases](Remediation::release) it.
//!
//! # Restarts
//!
//! Every change is an [`Entry`] of an audit, and the state is nothing but its entries played one
//! after the other. A program stores them ([`take_entries`](Remediation::take_entries)) before it
//! carries an order out, and [replays](Remediation::replay) them when it starts; with the feature
//! `serde`, a stored `Remediation` stands for the entries before it. An order that was not stored
//! was not carried out. [`orders`](Remediation::orders) gives those in work again, with the same
//! keys.
//!
//! # Not good for
//!
//! Several programs that act on the same targets: one `Remediation` has to decide for all of them.
//! A clock that jumps ahead fills buckets and ends cool-downs.

mod audit;
mod config;
mod digest;
mod plan;
mod state;
#[cfg(feature = "serde")]
mod wire;

use std::mem::discriminant;
use std::time::Duration;

use aiops_core::{Alert, Incident, ParamError, Timestamp};

pub use audit::{AuditError, Entry, Event, Head, verify};
pub use config::{ActionConfig, Permission, RateConfig, RemediationConfig, TargetConfig};
pub use digest::{Digest, DigestError};
pub use plan::{Bucket, Order, OrderKind, Outcome, Plan, PlanId, PlanStep, Refusal, RunId};

use state::{Kept, Phase, Run, State, StepState};

/// Most steps of a plan.
const MAX_STEPS: usize = 100;

/// What is known just before a step begins.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The alerts that fire.
    pub firing: &'a [Alert],
    /// When that was true.
    pub known_at: Timestamp,
    /// How many targets of the action's pool are healthy; `None` when nobody knows, and then nothing
    /// is begun.
    pub healthy: Option<usize>,
}

/// The state machine. Build it from a [`RemediationConfig`].
///
/// Time does not go back: an earlier `now` counts as the latest one. Each call costs in proportion
/// to what is in work or was a short time ago.
#[derive(Clone, Debug)]
pub struct Remediation {
    config: RemediationConfig,
    state: State,
    head: Head,
    entries: Vec<Entry>,
}

impl TryFrom<RemediationConfig> for Remediation {
    type Error = ParamError;

    fn try_from(config: RemediationConfig) -> Result<Self, ParamError> {
        config.check()?;
        Ok(Self {
            config,
            state: State::default(),
            head: Head::default(),
            entries: Vec::new(),
        })
    }
}

impl Remediation {
    /// The configuration.
    pub fn config(&self) -> &RemediationConfig {
        &self.config
    }

    /// What [`propose`](Self::propose) would answer. Changes nothing.
    pub fn plan(&self, now: Timestamp, incident: &Incident) -> Plan {
        let now = self.at(now);
        let mut steps: Vec<PlanStep> = Vec::new();
        let mut left_out = 0;
        for (action, settings) in &self.config.actions {
            for alert in &incident.alerts {
                let over = alert.ends_at.is_some_and(|end| end <= now);
                if over || !settings.when.matches(&alert.labels) {
                    continue;
                }
                let Some(target) = target(settings, alert, incident) else {
                    continue;
                };
                let mut known = steps.iter();
                if known.any(|step| step.action == *action && step.target == target) {
                    continue;
                }
                if steps.len() == MAX_STEPS {
                    left_out += 1;
                    continue;
                }
                let obstacle = self.obstacle(now, action, &target, alert);
                steps.push(PlanStep {
                    action: action.clone(),
                    target,
                    alert: alert.fingerprint(),
                    alert_since: alert.starts_at,
                    obstacle,
                });
            }
        }
        Plan::new(incident.id, now, steps, left_out)
    }

    /// The steps that the configuration has for what fires in the incident; from now on they may be
    /// begun. A plan that is known goes on as it is.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyPlans`].
    pub fn propose(&mut self, now: Timestamp, incident: &Incident) -> Result<Plan, Refusal> {
        let plan = self.plan(now, incident);
        let now = self.at(now);
        let known = self.kept(now, &plan.id).is_ok();
        if known || plan.steps.is_empty() {
            return Ok(plan);
        }
        let limit = self.config.max_plans;
        let valid = self.state.plans.keys();
        if valid.filter(|id| self.kept(now, id).is_ok()).count() >= limit {
            return Err(Refusal::TooManyPlans { limit });
        }
        self.push(now, Event::Proposed { plan: plan.clone() });
        Ok(plan)
    }

    /// A person approves a step, for at most as long as the configuration permits; answers until
    /// when.
    ///
    /// # Errors
    ///
    /// [`Refusal`] without a name, and for a step that is not there, has begun, or is not permitted
    /// at all.
    pub fn approve(
        &mut self,
        now: Timestamp,
        plan: &PlanId,
        step: usize,
        by: &str,
        valid_for: Duration,
    ) -> Result<Timestamp, Refusal> {
        let now = self.at(now);
        let (what, state) = self.step(now, plan, step)?;
        if let Some(run) = state.run {
            return Err(Refusal::Begun { run });
        }
        self.settings(&what.action)?;
        let valid_for = valid_for.min(self.config.approval_valid_for);
        let until = now.saturating_add(valid_for);
        let (plan, by) = (plan.clone(), named(by)?);
        self.push(
            now,
            Event::Approved {
                plan,
                step,
                by,
                until,
            },
        );
        Ok(until)
    }

    /// Whether [`begin`](Self::begin) would. Changes nothing.
    ///
    /// # Errors
    ///
    /// As `begin`.
    pub fn may_begin(
        &self,
        now: Timestamp,
        plan: &PlanId,
        step: usize,
        situation: &Situation<'_>,
    ) -> Result<(), Refusal> {
        let now = self.at(now);
        let (what, state) = self.step(now, plan, step)?;
        if let Some(run) = state.run {
            return Err(Refusal::Begun { run });
        }
        let distance = situation
            .known_at
            .since(now)
            .max(now.since(situation.known_at));
        if distance > self.config.fresh_within {
            let at = situation.known_at;
            return Err(Refusal::NotFresh { at });
        }
        let mut firing = situation.firing.iter();
        let alert = firing.find(|alert| {
            let same = alert.fingerprint() == what.alert && alert.starts_at == what.alert_since;
            same && alert.ends_at.is_none_or(|end| end > now)
        });
        let alert = alert.ok_or(Refusal::AlertOver)?;
        match self.obstacle(now, &what.action, &what.target, alert) {
            Some(Refusal::NeedsApproval) => match state.approved_until {
                Some(until) if until > now => {}
                Some(at) => return Err(Refusal::ApprovalOver { at }),
                None => return Err(Refusal::NeedsApproval),
            },
            Some(refusal) => return Err(refusal),
            None => {}
        }
        let settings = self.settings(&what.action)?;
        let healthy = situation.healthy.ok_or(Refusal::HealthUnknown)?;
        let touched = self
            .state
            .touched(&self.config, settings, &what.target, now);
        let limit = blast_limit(settings, healthy);
        if touched >= limit {
            return Err(Refusal::BlastRadius {
                touched,
                limit,
                healthy,
            });
        }
        Ok(())
    }

    /// Begins a step, if nothing stands against it at this moment. The order is carried out only
    /// after the [entries](Self::take_entries) are stored.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: the first guard that stands against it.
    pub fn begin(
        &mut self,
        now: Timestamp,
        plan: &PlanId,
        step: usize,
        situation: &Situation<'_>,
    ) -> Result<Order, Refusal> {
        let now = self.at(now);
        if let Err(refusal) = self.may_begin(now, plan, step, situation) {
            let known = self.step(now, plan, step);
            let same_kind = |last: &Refusal| discriminant(last) == discriminant(&refusal);
            if known.is_ok_and(|(_, state)| !state.refused.as_ref().is_some_and(same_kind)) {
                let (plan, refusal) = (plan.clone(), refusal.clone());
                self.push(
                    now,
                    Event::Refused {
                        plan,
                        step,
                        refusal,
                    },
                );
            }
            return Err(refusal);
        }
        let run = RunId(self.state.next_run);
        let (plan, healthy) = (plan.clone(), situation.healthy.unwrap_or_default());
        self.push(
            now,
            Event::Begun {
                run,
                plan,
                step,
                healthy,
            },
        );
        self.order(run).ok_or(Refusal::UnknownRun { run })
    }

    /// What became of an order, or of its success; answers what has to be done now.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownRun`] for a run that is not in work, or past that.
    pub fn report(
        &mut self,
        now: Timestamp,
        run: RunId,
        outcome: Outcome,
    ) -> Result<Option<Order>, Refusal> {
        let known = self.state.runs.get(&run);
        if !known.is_some_and(|known| known.takes(outcome)) {
            return Err(Refusal::UnknownRun { run });
        }
        let now = self.at(now);
        self.push(now, Event::Reported { run, outcome });
        Ok(self.order(run))
    }

    /// Lets time pass up to `now`; answers what has to be done about runs of which nobody said in
    /// time what became of them.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Order> {
        let now = self.at(now);
        let runs = self.state.runs.iter();
        let late = runs.filter(|(_, run)| run.deadline().is_some_and(|until| until <= now));
        let late: Vec<RunId> = late.map(|(id, _)| *id).collect();
        let mut orders = Vec::new();
        for run in late {
            self.push(now, Event::TimedOut { run });
            orders.extend(self.order(run));
        }
        orders
    }

    /// A person says that nothing of a run is in work any more: its target is free.
    ///
    /// # Errors
    ///
    /// [`Refusal`] without a name, and for a run of which it is known what became.
    pub fn release(&mut self, now: Timestamp, run: RunId, by: &str) -> Result<(), Refusal> {
        let by = named(by)?;
        let known = self.state.runs.get(&run);
        if !known.is_some_and(|known| known.phase == Phase::Stuck) {
            return Err(Refusal::UnknownRun { run });
        }
        let now = self.at(now);
        self.push(now, Event::Released { run, by });
        Ok(())
    }

    /// Pulls the kill switch: from now on nothing is begun and nothing rolled back. It stays so over
    /// restarts.
    ///
    /// # Errors
    ///
    /// [`Refusal::Nameless`].
    pub fn stop(&mut self, now: Timestamp, by: &str, why: &str) -> Result<(), Refusal> {
        let (by, why, now) = (named(by)?, why.to_owned(), self.at(now));
        self.push(now, Event::Stopped { by, why });
        Ok(())
    }

    /// Puts the kill switch back.
    ///
    /// # Errors
    ///
    /// [`Refusal::Nameless`].
    pub fn resume(&mut self, now: Timestamp, by: &str) -> Result<(), Refusal> {
        let (by, now) = (named(by)?, self.at(now));
        self.push(now, Event::Resumed { by });
        Ok(())
    }

    /// The orders in work, and the calls for a person of late (as long as a plan is valid); after a
    /// restart they are given again.
    pub fn orders(&self) -> Vec<Order> {
        let late = |run: &Run| match run.phase {
            Phase::Over { at, .. } => {
                let until = at.saturating_add(self.config.plan_valid_for);
                self.state.clock.is_some_and(|clock| until <= clock)
            }
            _ => false,
        };
        let runs = self.state.runs.iter().filter(|(_, run)| !late(run));
        runs.filter_map(|(id, run)| run.order(*id)).collect()
    }

    /// The run whose effect an alert is taken to be: it began while the run was in work or shortly
    /// after, and speaks of its target or is among the configured effects. Nothing is done about
    /// such an alert; a program may also silence it.
    pub fn effect_of(&self, alert: &Alert) -> Option<RunId> {
        let mut runs = self.state.runs.iter();
        let found = runs.find(|(_, run)| {
            let Some(settings) = self.config.actions.get(&run.action) else {
                return false;
            };
            let until = match run.phase {
                Phase::Over { at, .. } => at.saturating_add(settings.settle),
                _ => Timestamp::MAX,
            };
            let during = run.begun_at < alert.starts_at && alert.starts_at < until;
            let mut values = alert.labels.iter().map(|(_, value)| value);
            let mut effects = settings.effects.iter();
            during
                && (values.any(|value| value == run.target)
                    || effects.any(|effect| effect.matches(&alert.labels)))
        });
        found.map(|(id, _)| *id)
    }

    /// The entries since the last call, to be stored in order. They are kept in memory until they
    /// are taken.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Where the audit ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Plays stored entries, which go on where this one stands.
    ///
    /// # Errors
    ///
    /// [`AuditError`] at the first entry that was changed, left out or put in; those before it are
    /// played.
    pub fn replay(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        for entry in entries {
            self.head = verify(self.head, [entry])?;
            self.state.apply(&self.config, entry);
        }
        Ok(())
    }

    fn at(&self, now: Timestamp) -> Timestamp {
        self.state.clock.map_or(now, |clock| clock.max(now))
    }

    fn push(&mut self, now: Timestamp, event: Event) {
        let entry = Entry::after(self.head, now, event);
        self.head = Head {
            next: entry.number + 1,
            digest: entry.digest,
        };
        self.state.apply(&self.config, &entry);
        self.entries.push(entry);
    }

    fn order(&self, run: RunId) -> Option<Order> {
        self.state.runs.get(&run)?.order(run)
    }

    fn kept(&self, now: Timestamp, plan: &PlanId) -> Result<&Kept, Refusal> {
        let kept = self.state.plans.get(plan).ok_or(Refusal::UnknownPlan)?;
        let at = kept.plan.made_at.saturating_add(self.config.plan_valid_for);
        if at <= now {
            return Err(Refusal::PlanOver { at });
        }
        Ok(kept)
    }

    fn step(
        &self,
        now: Timestamp,
        plan: &PlanId,
        step: usize,
    ) -> Result<(&PlanStep, &StepState), Refusal> {
        let kept = self.kept(now, plan)?;
        let found = kept.plan.steps.get(step).zip(kept.steps.get(step));
        found.ok_or(Refusal::UnknownStep)
    }

    /// Of an action that is permitted.
    fn settings(&self, action: &str) -> Result<&ActionConfig, Refusal> {
        let settings = self.config.actions.get(action);
        let permitted = settings.filter(|one| one.permission != Permission::Deny);
        permitted.ok_or(Refusal::NotPermitted)
    }

    /// What stands against an action, apart from what is only known when it begins. A missing
    /// approval comes last.
    fn obstacle(
        &self,
        now: Timestamp,
        action: &str,
        target: &str,
        alert: &Alert,
    ) -> Option<Refusal> {
        let state = &self.state;
        if let Some(by) = state.stopped_by.clone() {
            return Some(Refusal::Stopped { by });
        }
        let settings = match self.settings(action) {
            Ok(settings) => settings,
            Err(refusal) => return Some(refusal),
        };
        if let Some(run) = self.effect_of(alert) {
            return Some(Refusal::OwnEffect { run });
        }
        if let Some(run) = state.busy(target) {
            return Some(Refusal::Busy { run });
        }
        let until = state.cools_until(action, settings, target);
        if let Some(until) = until.filter(|until| *until > now) {
            return Some(Refusal::Cooldown { until });
        }
        let empty = state.empty_bucket(&self.config, (action, settings), target, now);
        if let Some((bucket, until)) = empty {
            return Some(Refusal::Rate { bucket, until });
        }
        let asks = settings.permission == Permission::Ask;
        let breaker = state.breaker(action, now);
        breaker.or_else(|| asks.then_some(Refusal::NeedsApproval))
    }
}

fn target(settings: &ActionConfig, alert: &Alert, incident: &Incident) -> Option<String> {
    match &settings.target {
        TargetConfig::Label(name) => alert.labels.get(name).map(str::to_owned),
        TargetConfig::Cause(least) => {
            let cause = incident.causes.first()?;
            let sure = cause.confidence.is_some_and(|share| share >= *least);
            sure.then(|| cause.component.clone())
        }
    }
}

fn blast_limit(settings: &ActionConfig, healthy: usize) -> usize {
    // A share such as 0.29 is a little less in binary: of 100 it is 29.
    let share = (healthy as f64 * settings.max_share + 1e-9).floor() as usize;
    share.min(settings.max_targets as usize)
}

fn named(by: &str) -> Result<String, Refusal> {
    if by.trim().is_empty() {
        Err(Refusal::Nameless)
    } else {
        Ok(by.to_owned())
    }
}
