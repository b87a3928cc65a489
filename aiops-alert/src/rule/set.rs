//! Many rules over many series.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::{
    Alert, Fingerprint, Labels, METRIC_NAME, MatchOp, Outcome, Sample, Timestamp, Verdict,
};

use super::instance::{AlertState, Instance, Phase};
use super::series::{Known, SeriesIndex, Watch, Watched};
use super::{ALERT_NAME, Condition, Rule};

/// A series without a sample for this long no longer says anything, as in Prometheus.
const LOOKBACK: Duration = Duration::from_mins(5);

/// How often a firing alert is sent again.
pub(super) const RESEND: Duration = Duration::from_mins(1);

/// A series without a sample for this long is forgotten, and its absence alert ends.
const FORGET_AFTER: Duration = Duration::from_hours(24);

/// How often forgotten series are looked for.
const SWEEP: Duration = Duration::from_mins(10);

/// Counts of a rule set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RuleStats {
    /// Rules.
    pub rules: usize,
    /// Series that a rule looks at.
    pub watched: usize,
    /// Series known that no rule looks at.
    pub unwatched: usize,
    /// Alerts that are pending.
    pub pending: usize,
    /// Alerts that fire.
    pub firing: usize,
    /// Samples and verdicts that were not later than one before them; not looked at.
    pub late: u64,
    /// Samples of a label set with the fingerprint of another one; not looked at.
    pub collisions: u64,
}

/// A rule that gives no alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// Its name.
    pub rule: String,
    /// Most alerts it may have.
    pub limit: usize,
    /// Alerts it would have.
    pub found: usize,
}

/// An alert of a rule that is pending, firing or resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// Its identity.
    pub labels: Labels,
    /// Where it stands; not inactive.
    pub state: AlertState,
    /// When it began to be pending, or to fire.
    pub since: Timestamp,
    /// The last value with which the condition held.
    pub value: f64,
}

/// Rules over all the series of a system.
///
/// Each series is matched against the selectors once; after that a sample costs one look-up in a
/// hash table, and one comparison for each rule that looks at the series. [`tick`](Self::tick)
/// costs in proportion to what is pending, firing, resolved or absent, not to the series.
/// Memory: about 40 bytes for a series without rules, about 400 for one with a rule.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | a missing value (`NaN`) | the condition stays as it was |
/// | a staleness marker | the condition no longer holds |
/// | no sample for 5 minutes | the condition no longer holds, absence apart |
/// | no sample for 24 hours | the series is forgotten |
/// | a sample not later than one before it | not looked at, counted as late |
/// | verdict `Missing` | the condition stays as it was |
/// | verdict `Warming` or `Suppressed` | the condition does not hold |
/// | several series with the same identity | one alert, which holds while it holds for any |
/// | restart within an hour | goes on; a rule that holds for 10 minutes or more waits 10 minutes at least |
/// | restart after more than an hour | pending alerts begin anew, firing ones go on |
#[derive(Clone, Debug)]
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) index: SeriesIndex,
    pub(super) instances: Vec<Option<Instance>>,
    free: Vec<u32>,
    by_identity: HashMap<(u32, Fingerprint), u32>,
    /// Instances that a tick has to look at.
    active: BTreeSet<u32>,
    absences: Vec<Absence>,
    faults: Vec<RuleFault>,
    pub(super) started: Option<Timestamp>,
    /// Time of the last tick of the state that was restored.
    pub(super) restored_at: Option<Timestamp>,
    pub(super) last_tick: Timestamp,
    next_sweep: Timestamp,
    late: u64,
    collisions: u64,
}

/// An absence rule, as far as it speaks for a selector that nothing has ever passed.
#[derive(Clone, Debug)]
struct Absence {
    rule: u32,
    after: Duration,
    seen: bool,
    instance: Option<u32>,
}

impl RuleSet {
    /// Rules that have seen nothing yet. The names need not differ.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let absences = rules.iter().enumerate();
        let absences = absences.filter_map(|(number, rule)| match rule.config.condition {
            Condition::Absent { after } => Some(Absence {
                rule: number as u32,
                after,
                seen: false,
                instance: None,
            }),
            _ => None,
        });
        Self {
            index: SeriesIndex::new(&rules),
            absences: absences.collect(),
            rules,
            instances: Vec::new(),
            free: Vec::new(),
            by_identity: HashMap::new(),
            active: BTreeSet::new(),
            faults: Vec::new(),
            started: None,
            restored_at: None,
            last_tick: Timestamp::MIN,
            next_sweep: Timestamp::MIN,
            late: 0,
            collisions: 0,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Takes in a sample of a series. Samples of a series come in order of time.
    pub fn observe_sample(&mut self, labels: &Labels, sample: Sample) {
        let Some((slot, is_new)) = self.slot(labels) else {
            return;
        };
        let Some(series) = self.index.get_mut(slot) else {
            return;
        };
        if !is_new && sample.time <= series.last {
            self.late += 1;
            return;
        }
        series.last = sample.time;
        let stale = is_stale(sample.value);
        let mut holding = false;
        for watch in &mut series.watches {
            let rule = &self.rules[watch.rule as usize];
            let holds = match rule.config.condition {
                Condition::Absent { .. } => Some(false),
                Condition::Anomalous { .. } if !stale => None,
                _ if stale => Some(false),
                _ => rule.holds(sample.value, watch.holds),
            };
            let instance = self.instances[watch.instance as usize].as_mut();
            if let (Some(holds), Some(instance)) = (holds, instance) {
                if holds {
                    instance.value = sample.value;
                }
                turn(watch, instance, holds, sample.time, &series.labels);
            }
            if watch.holds {
                holding = true;
                self.active.insert(watch.instance);
            }
        }
        self.hold(slot, holding);
    }

    /// Takes in what a monitor says about a sample of a series.
    pub fn observe_verdict(&mut self, labels: &Labels, verdict: &Verdict) {
        let Some((slot, is_new)) = self.slot(labels) else {
            return;
        };
        let Some(series) = self.index.get_mut(slot) else {
            return;
        };
        if !is_new && verdict.time < series.last {
            self.late += 1;
            return;
        }
        series.last = verdict.time;
        let mut holding = false;
        for watch in &mut series.watches {
            let condition = &self.rules[watch.rule as usize].config.condition;
            let instance = self.instances[watch.instance as usize].as_mut();
            if let (Some(holds), Some(instance)) = (says(condition, verdict), instance) {
                if holds {
                    instance.value = verdict.value;
                    instance.verdict = Some(Box::new(verdict.clone()));
                }
                turn(watch, instance, holds, verdict.time, &series.labels);
            }
            if watch.holds {
                holding = true;
                self.active.insert(watch.instance);
            }
        }
        self.hold(slot, holding);
    }

    /// Lets time pass up to `now`; answers the alerts that are news or due again, in order of
    /// rules and labels. Time does not go back: an earlier `now` counts as the latest one.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Alert> {
        let now = now.max(self.last_tick);
        self.last_tick = now;
        self.start(now);
        self.let_go_of_silent_series(now);
        self.find_absent_series(now);
        self.find_absent_selectors(now);
        if now >= self.next_sweep {
            self.next_sweep = now.saturating_add(SWEEP);
            self.forget(now);
        }
        self.advance(now)
    }

    /// Goes on where `earlier` stands, as far as the rules are the same: a rule is the same when
    /// its name is (and it is the same one in order among those of that name), an alert when its
    /// labels are. For a restart with another configuration.
    ///
    /// What was known of a rule that is no longer there is dropped; its alerts end by themselves
    /// four minutes after they were last sent.
    pub fn adopt(&mut self, earlier: &Self) {
        self.apply(earlier.state());
    }

    /// Alerts that are pending, firing or resolved, in order of rules and labels.
    pub fn active(&self) -> Vec<ActiveAlert> {
        let mut found: Vec<_> = self
            .active
            .iter()
            .filter_map(|&id| self.instances[id as usize].as_ref())
            .filter_map(|one| Some((one, one.began()?)))
            .collect();
        found.sort_by(|(a, _), (b, _)| (a.rule, &a.identity).cmp(&(b.rule, &b.identity)));
        let alert = |(one, since): (&Instance, Timestamp)| ActiveAlert {
            labels: one.identity.clone(),
            state: one.state(),
            since,
            value: one.value,
        };
        found.into_iter().map(alert).collect()
    }

    /// Rules that gave no alerts at the last tick because they would have given too many.
    pub fn faults(&self) -> &[RuleFault] {
        &self.faults
    }

    /// Counts.
    pub fn stats(&self) -> RuleStats {
        let in_state = |state| {
            let instances = self.active.iter();
            let instances = instances.filter_map(|&id| self.instances[id as usize].as_ref());
            instances.filter(|one| one.state() == state).count()
        };
        RuleStats {
            rules: self.rules.len(),
            watched: self.index.watched_count(),
            unwatched: self.index.unwatched_count(),
            pending: in_state(AlertState::Pending),
            firing: in_state(AlertState::Firing),
            late: self.late,
            collisions: self.collisions,
        }
    }

    /// The series' slot and whether it is seen for the first time; `None` when no rule looks at
    /// it.
    pub(super) fn slot(&mut self, labels: &Labels) -> Option<(u32, bool)> {
        match self.index.look_up(labels, &self.rules) {
            Known::Unwatched => None,
            Known::Watched(slot) => {
                let same = self
                    .index
                    .get(slot)
                    .is_some_and(|one| &one.labels == labels);
                if !same {
                    self.collisions += 1;
                }
                same.then_some((slot, false))
            }
            Known::New(rules) => Some((self.admit(labels, &rules), true)),
        }
    }

    fn admit(&mut self, labels: &Labels, rules: &[u32]) -> u32 {
        let watches = rules.iter().map(|&rule| {
            let identity = self.rules[rule as usize].identity(labels);
            let instance = self.instance(rule, identity, labels);
            if let Some(one) = &mut self.instances[instance as usize] {
                one.members += 1;
            }
            Watch {
                rule,
                instance,
                holds: false,
            }
        });
        let watches = watches.collect();
        let slot = self.index.insert(Watched {
            labels: labels.clone(),
            last: Timestamp::MIN,
            watches,
        });
        let absences = self.absences.iter_mut();
        for absence in absences.filter(|absence| rules.contains(&absence.rule)) {
            absence.seen = true;
            self.index.deadlines.insert((Timestamp::MIN, slot)); // found out at the next tick
        }
        slot
    }

    /// The instance of this identity; made when there is none.
    pub(super) fn instance(&mut self, rule: u32, identity: Labels, series: &Labels) -> u32 {
        let key = (rule, identity.fingerprint());
        if let Some(&id) = self.by_identity.get(&key) {
            return id;
        }
        let instance = Instance::new(rule, identity, series.clone());
        let id = if let Some(id) = self.free.pop() {
            self.instances[id as usize] = Some(instance);
            id
        } else {
            self.instances.push(Some(instance));
            (self.instances.len() - 1) as u32
        };
        self.by_identity.insert(key, id);
        id
    }

    /// Whether the alert speaks for a selector that nothing has ever passed.
    pub(super) fn speaks_for_selector(&self, instance: u32) -> bool {
        let mut absences = self.absences.iter();
        absences.any(|absence| absence.instance == Some(instance))
    }

    pub(super) fn speak_for_selector(&mut self, rule: u32, instance: u32) {
        let absence = self
            .absences
            .iter_mut()
            .find(|absence| absence.rule == rule);
        if let (Some(absence), Some(one)) = (absence, &mut self.instances[instance as usize])
            && absence.instance.is_none()
        {
            absence.instance = Some(instance);
            one.holding += 1;
        }
    }

    pub(super) fn activate(&mut self, instance: u32) {
        self.active.insert(instance);
    }

    fn hold(&mut self, slot: u32, holding: bool) {
        if holding {
            self.index.holding.insert(slot);
        } else if !self.index.holding.is_empty() {
            self.index.holding.remove(&slot);
        }
    }

    fn start(&mut self, now: Timestamp) {
        if self.started.is_some() {
            return;
        }
        self.started = Some(now);
        let Some(stopped) = self.restored_at else {
            return;
        };
        for instance in self.instances.iter_mut().flatten() {
            let hold = self.rules[instance.rule as usize].config.hold;
            instance.phase = instance.phase.after_restart(stopped, now, hold);
        }
    }

    /// When a series was last heard of: a restart does not make it silent.
    fn heard(&self, last: Timestamp) -> Timestamp {
        match (self.restored_at, self.started) {
            (Some(_), Some(started)) => last.max(started),
            _ => last,
        }
    }

    fn let_go_of_silent_series(&mut self, now: Timestamp) {
        let silent: Vec<u32> = self
            .index
            .holding
            .iter()
            .copied()
            .filter(|&slot| {
                let series = self.index.get(slot);
                series.is_none_or(|one| self.heard(one.last).saturating_add(LOOKBACK) < now)
            })
            .collect();
        for slot in silent {
            self.release(slot, false);
        }
    }

    /// Nothing holds for the series any more, except its absence unless `all`.
    fn release(&mut self, slot: u32, all: bool) {
        let Some(series) = self.index.get_mut(slot) else {
            return;
        };
        let mut holding = false;
        for watch in &mut series.watches {
            let condition = self.rules[watch.rule as usize].config.condition;
            let stays = !all && matches!(condition, Condition::Absent { .. });
            if let (false, Some(one)) = (stays, &mut self.instances[watch.instance as usize]) {
                turn(watch, one, false, series.last, &series.labels);
            }
            holding |= watch.holds;
        }
        self.hold(slot, holding);
    }

    fn find_absent_series(&mut self, now: Timestamp) {
        while let Some(&(deadline, slot)) = self.index.deadlines.first() {
            if deadline > now {
                return;
            }
            self.index.deadlines.pop_first();
            self.look_for_absence(now, slot);
        }
    }

    fn look_for_absence(&mut self, now: Timestamp, slot: u32) {
        let Some(last) = self.index.get(slot).map(|series| self.heard(series.last)) else {
            return;
        };
        let Some(series) = self.index.get_mut(slot) else {
            return;
        };
        let mut next: Option<Timestamp> = None;
        let mut holding = false;
        for watch in &mut series.watches {
            let condition = self.rules[watch.rule as usize].config.condition;
            if let Condition::Absent { after } = condition {
                let due = last.saturating_add(after);
                let absent = due <= now;
                if let (true, Some(one)) = (absent, &mut self.instances[watch.instance as usize]) {
                    turn(watch, one, true, due, &series.labels);
                    self.active.insert(watch.instance);
                }
                // While it is absent it is looked at again as soon as it may be back.
                let again = if absent {
                    now.saturating_add(after)
                } else {
                    due
                };
                next = Some(next.map_or(again, |earlier| earlier.min(again)));
            }
            holding |= watch.holds;
        }
        self.hold(slot, holding);
        if let Some(next) = next {
            let next = next.max(now.saturating_add(Duration::from_nanos(1)));
            self.index.deadlines.insert((next, slot));
        }
    }

    fn find_absent_selectors(&mut self, now: Timestamp) {
        let started = self.started.unwrap_or(now);
        for number in 0..self.absences.len() {
            let absence = &self.absences[number];
            let (rule, held) = (absence.rule, absence.instance);
            let due = started.saturating_add(absence.after);
            match held {
                Some(id) if absence.seen => {
                    if let Some(one) = &mut self.instances[id as usize] {
                        one.end();
                    }
                    self.absences[number].instance = None;
                }
                None if !absence.seen && due <= now => {
                    let series = demanded(&self.rules[rule as usize]);
                    let identity = self.rules[rule as usize].identity(&series);
                    let id = self.instance(rule, identity, &series);
                    if let Some(one) = &mut self.instances[id as usize] {
                        one.begin(due);
                    }
                    self.active.insert(id);
                    self.absences[number].instance = Some(id);
                }
                _ => {}
            }
        }
    }

    /// Drops series that have long been silent.
    fn forget(&mut self, now: Timestamp) {
        let silent: Vec<u32> = self
            .index
            .iter()
            .filter(|(_, series)| self.heard(series.last).saturating_add(FORGET_AFTER) < now)
            .map(|(slot, _)| slot)
            .collect();
        for slot in silent {
            self.release(slot, true);
            let Some(series) = self.index.remove(slot) else {
                continue;
            };
            for watch in series.watches {
                if let Some(one) = &mut self.instances[watch.instance as usize] {
                    one.members = one.members.saturating_sub(1);
                }
                self.drop_if_unused(watch.instance);
            }
        }
    }

    fn drop_if_unused(&mut self, id: u32) {
        let Some(one) = &self.instances[id as usize] else {
            return;
        };
        if one.members == 0 && one.is_idle() {
            self.by_identity
                .remove(&(one.rule, one.identity.fingerprint()));
            self.instances[id as usize] = None;
            self.free.push(id);
        }
    }

    fn advance(&mut self, now: Timestamp) -> Vec<Alert> {
        let ids: Vec<u32> = self.active.iter().copied().collect();
        for &id in &ids {
            if let Some(one) = &mut self.instances[id as usize] {
                let config = &self.rules[one.rule as usize].config;
                one.advance(now, config.hold, config.keep_firing_for);
            }
        }
        self.apply_limits(&ids);
        let mut alerts = Vec::new();
        for id in ids {
            let Some(one) = &mut self.instances[id as usize] else {
                continue;
            };
            if one.is_idle() {
                (one.verdict, one.stored_reason) = (None, None);
                self.active.remove(&id);
                self.drop_if_unused(id);
                continue;
            }
            let rule = &self.rules[one.rule as usize];
            if let Some(alert) =
                one.send(now, RESEND, |series, value| rule.annotations(series, value))
            {
                alerts.push((one.rule, alert));
            }
        }
        alerts.sort_by(|(a, one), (b, other)| (a, &one.labels).cmp(&(b, &other.labels)));
        alerts.into_iter().map(|(_, alert)| alert).collect()
    }

    /// As Prometheus does: more than the limit, and the rule has no alert at all.
    fn apply_limits(&mut self, ids: &[u32]) {
        self.faults.clear();
        if self.rules.iter().all(|rule| rule.config.limit == 0) {
            return;
        }
        let mut counts = vec![0_usize; self.rules.len()];
        for one in ids
            .iter()
            .filter_map(|&id| self.instances[id as usize].as_ref())
        {
            let counted = matches!(one.state(), AlertState::Pending | AlertState::Firing);
            counts[one.rule as usize] += usize::from(counted);
        }
        for (rule, found) in self.rules.iter().zip(counts.iter().copied()) {
            let limit = rule.config.limit;
            if limit > 0 && found > limit {
                self.faults.push(RuleFault {
                    rule: rule.config.name.clone(),
                    limit,
                    found,
                });
            }
        }
        for &id in ids {
            if let Some(one) = &mut self.instances[id as usize] {
                let limit = self.rules[one.rule as usize].config.limit;
                if limit > 0 && counts[one.rule as usize] > limit {
                    one.phase = Phase::Inactive;
                }
            }
        }
    }
}

/// What a verdict says about a condition; `None` leaves it as it was.
fn says(condition: &Condition, verdict: &Verdict) -> Option<bool> {
    let Condition::Anomalous { min_score } = condition else {
        return None;
    };
    match verdict.outcome {
        Outcome::Missing => None,
        Outcome::Anomalous => Some(verdict.score.is_none_or(|score| score >= *min_score)),
        _ => Some(false),
    }
}

/// Lets a watch hold or not.
fn turn(watch: &mut Watch, instance: &mut Instance, holds: bool, at: Timestamp, series: &Labels) {
    if holds && instance.series != *series {
        instance.series = series.clone();
    }
    if holds == watch.holds {
        return;
    }
    watch.holds = holds;
    if holds {
        instance.begin(at);
    } else {
        instance.end();
    }
}

/// The labels that a series must have to pass.
fn demanded(rule: &Rule) -> Labels {
    let matchers = rule.config.selector.matchers().iter();
    let equal = matchers.filter(|matcher| {
        matcher.op() == MatchOp::Equal
            && matcher.name() != METRIC_NAME
            && matcher.name() != ALERT_NAME
    });
    equal.fold(Labels::empty(), |labels, matcher| {
        labels.with(matcher.name(), matcher.value())
    })
}
