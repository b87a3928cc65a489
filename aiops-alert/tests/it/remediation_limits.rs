//! No interleaving of plans, reports, clocks and restarts goes beyond a limit.
//!
//! What was carried out is kept apart from the library, as the world would see it: an order counts
//! from the moment at which its entry was stored. The limits are then counted over that list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_alert::remediation::{
    Entry, Head, OrderKind, Outcome, Permission, PlanId, RateConfig, Refusal, Remediation,
    RemediationConfig, RunId, Situation, verify,
};
use aiops_core::{Alert, Timestamp};
use proptest::prelude::*;

use crate::remediation::{generous, incident};
use crate::support::{alert, at};

const TARGETS: [&str; 4] = ["a", "b", "c", "d"];
const COOLDOWN: f64 = 90.0;
const PAUSE: f64 = 400.0;
const WINDOW: f64 = 100.0;
const SETTLE: f64 = 30.0;

fn rate(burst: u32, seconds: u64) -> RateConfig {
    let every = Duration::from_secs(seconds);
    RateConfig { burst, every }
}

fn config() -> RemediationConfig {
    let mut config = RemediationConfig::default();
    for (name, alerts, permission) in [
        ("restart", "A", Permission::Allow),
        ("drain", "B", Permission::Ask),
        ("wipe", "C", Permission::Deny),
    ] {
        let mut action = generous();
        action.permission = permission;
        action.when = format!("{{alertname=\"{alerts}\"}}").parse().unwrap();
        action.rate = rate(3, 120);
        action.cooldown = Duration::from_secs_f64(COOLDOWN);
        (action.max_targets, action.max_share) = (2, 0.5);
        action.blast_window = Duration::from_secs_f64(WINDOW);
        action.settle = Duration::from_secs_f64(SETTLE);
        (action.max_failures, action.pause) = (2, Duration::from_secs_f64(PAUSE));
        action.execute_within = Duration::from_secs(20);
        action.verify_within = Duration::from_secs(40);
        action.can_roll_back = name == "restart";
        config.actions.insert(name.into(), action);
    }
    config.target_rate = rate(2, 150);
    config.overall_rate = rate(4, 60);
    config.plan_valid_for = Duration::from_mins(10);
    config.approval_valid_for = Duration::from_secs(50);
    config
}

/// What happens next; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Op {
    Wait(u16),
    Fires(u8, u8),
    Ends(u8, u8),
    Propose(u8),
    Approve(u8),
    Begin(u8, u8),
    /// It is decided, and the program ends before that is stored: nothing is carried out.
    BeginAndCrash(u8, u8),
    Report(u8, u8),
    Release(u8),
    Stop,
    Resume,
    /// All that was decided is on the disk.
    Store,
    /// What was not stored is lost. From a snapshot, or from the entries alone.
    Crash(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let byte = any::<u8>;
    prop_oneof![
        6 => (0_u16..120).prop_map(Op::Wait),
        4 => (0_u8..3, byte()).prop_map(|(name, target)| Op::Fires(name, target)),
        3 => (0_u8..3, byte()).prop_map(|(name, target)| Op::Ends(name, target)),
        4 => byte().prop_map(Op::Propose),
        3 => byte().prop_map(Op::Approve),
        16 => (byte(), 0_u8..9).prop_map(|(step, healthy)| Op::Begin(step, healthy)),
        2 => (byte(), 0_u8..7).prop_map(|(step, healthy)| Op::BeginAndCrash(step, healthy)),
        6 => (byte(), byte()).prop_map(|(run, outcome)| Op::Report(run, outcome)),
        1 => byte().prop_map(Op::Release),
        1 => Just(Op::Stop),
        2 => Just(Op::Resume),
        2 => Just(Op::Store),
        2 => any::<bool>().prop_map(Op::Crash),
    ]
}

/// Something that was really carried out.
#[derive(Clone, Debug)]
struct Act {
    run: RunId,
    action: String,
    target: String,
    begun: f64,
    /// When nothing of it was in work any more.
    over: Option<f64>,
    limit: usize,
    alert_since: f64,
}

/// A program with a disk, and what the world saw.
struct World {
    guard: Remediation,
    now: f64,
    firing: BTreeMap<(u8, usize), f64>,
    plans: Vec<(PlanId, usize)>,
    /// The disk: entries, and a snapshot with how many of them it stands for.
    entries: Vec<Entry>,
    snapshot: Option<(Vec<u8>, usize)>,
    acts: Vec<Act>,
    /// Until when each step was approved, by a stored approval.
    approved: BTreeMap<(PlanId, usize), f64>,
    stopped: bool,
    /// When an action failed twice in a row: nothing of it may begin for a while.
    failures: BTreeMap<String, (u32, f64)>,
}

impl World {
    fn new() -> Self {
        Self {
            guard: Remediation::try_from(config()).unwrap(),
            now: 0.0,
            firing: BTreeMap::new(),
            plans: Vec::new(),
            entries: Vec::new(),
            snapshot: None,
            acts: Vec::new(),
            approved: BTreeMap::new(),
            stopped: false,
            failures: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    fn alerts(&self) -> Vec<Alert> {
        let firing = self.firing.iter();
        let alert_of = |((name, target), since): (&(u8, usize), &f64)| {
            let name = ["A", "B", "C"][usize::from(*name)];
            alert(&format!("{name}/{}", TARGETS[*target]), *since, None)
        };
        firing.map(alert_of).collect()
    }

    fn store(&mut self) {
        self.entries.extend(self.guard.take_entries());
    }

    fn crash(&mut self, from_snapshot: bool) {
        let (mut guard, stored) = match &self.snapshot {
            Some((bytes, count)) if from_snapshot => (load(bytes), *count),
            _ => (Remediation::try_from(config()).unwrap(), 0),
        };
        guard.replay(&self.entries[stored..]).unwrap();
        self.guard = guard;
    }

    fn fail(&mut self, action: &str) {
        let row = self.failures.entry(action.to_owned()).or_default();
        *row = (row.0 + 1, self.now);
    }

    fn begin(&mut self, number: u8, healthy: u8, stored: bool) {
        let count = self.plans.len().max(1);
        let Some((plan, step)) = self.plans.get(usize::from(number) % count).cloned() else {
            return;
        };
        let firing = self.alerts();
        let situation = Situation {
            firing: &firing,
            known_at: self.now(),
            healthy: Some(usize::from(healthy)),
        };
        let Ok(order) = self.guard.begin(self.now(), &plan, step, &situation) else {
            return;
        };
        // Entries first, then the deed.
        if !stored {
            return self.crash(number.is_multiple_of(2));
        }
        self.store();
        assert!(!self.stopped, "stopped, and {order:?}");
        if order.action == "drain" {
            assert!(
                self.approved[&(plan, step)] > self.now,
                "not approved: {order:?}"
            );
        }
        let name = u8::from(order.action == "drain");
        let target = TARGETS
            .iter()
            .position(|name| *name == order.target)
            .unwrap();
        self.acts.push(Act {
            run: order.run,
            action: order.action,
            target: order.target,
            begun: self.now,
            over: None,
            limit: usize::from(healthy / 2).min(2),
            alert_since: self.firing[&(name, target)],
        });
        self.check();
    }

    fn report(&mut self, number: u8, outcome: u8) {
        let working = self.acts.iter().filter(|act| act.over.is_none());
        let working: Vec<RunId> = working.map(|act| act.run).collect();
        let Some(run) = working
            .get(usize::from(number) % working.len().max(1))
            .copied()
        else {
            return;
        };
        let outcomes = [
            Outcome::Done,
            Outcome::Failed,
            Outcome::Recovered,
            Outcome::Worse,
        ];
        let outcome = outcomes[usize::from(outcome) % 4];
        let before = self.guard.orders();
        let was_rolling = before
            .iter()
            .any(|order| order.run == run && order.kind != OrderKind::Execute);
        let Ok(order) = self.guard.report(self.now(), run, outcome) else {
            return;
        };
        self.store();
        let now = self.now;
        let act = self.acts.iter_mut().find(|act| act.run == run).unwrap();
        let action = act.action.clone();
        let rolls_back = order.is_some_and(|order| order.kind == OrderKind::RollBack);
        if outcome != Outcome::Done && !rolls_back || was_rolling {
            act.over = Some(now);
        }
        match outcome {
            Outcome::Failed | Outcome::Worse if !was_rolling => self.fail(&action),
            Outcome::Recovered => {
                let row = self.failures.get(&action).copied().unwrap_or_default();
                if row.0 < 2 || row.1 + PAUSE <= now {
                    self.failures.remove(&action);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        let before = self.guard.orders();
        for order in self.guard.tick(at(self.now)) {
            // A roll-back that takes too long is no second failure.
            let mut earlier = before.iter().filter(|one| one.run == order.run);
            if !earlier.any(|one| one.kind == OrderKind::RollBack) {
                self.fail(&order.action);
            }
            let act = self
                .acts
                .iter_mut()
                .find(|act| act.run == order.run)
                .unwrap();
            // After a call about something that was executed, nobody knows whether it is in work.
            let knows = order.kind == OrderKind::CallPerson
                && !before.iter().any(|one| one.run == order.run);
            if knows {
                act.over = Some(self.now);
            }
        }
        self.store();
    }

    fn play(&mut self, op: &Op) {
        match *op {
            Op::Wait(seconds) => {
                self.now += f64::from(seconds);
                self.tick();
            }
            Op::Fires(name, target) => {
                let key = (name, usize::from(target) % TARGETS.len());
                let now = self.now;
                self.firing.entry(key).or_insert(now);
            }
            Op::Ends(name, target) => {
                self.firing
                    .remove(&(name, usize::from(target) % TARGETS.len()));
            }
            Op::Propose(id) => {
                let alerts = self.alerts();
                if alerts.is_empty() {
                    return;
                }
                let incident = incident(u64::from(id % 3), &alerts);
                let dry = self.guard.plan(self.now(), &incident);
                let plan = self.guard.propose(self.now(), &incident).unwrap();
                assert_eq!(plan, dry);
                let steps = 0..plan.steps.len();
                self.plans.extend(steps.map(|step| (plan.id.clone(), step)));
            }
            Op::Approve(number) => {
                let count = self.plans.len().max(1);
                if let Some((plan, step)) = self.plans.get(usize::from(number) % count).cloned() {
                    let now = self.now();
                    let valid = Duration::from_secs(u64::from(number));
                    if let Ok(until) = self.guard.approve(now, &plan, step, "kim", valid) {
                        self.store();
                        self.approved
                            .insert((plan, step), crate::support::secs(until));
                    }
                }
            }
            Op::Begin(number, healthy) => self.begin(number, healthy, true),
            Op::BeginAndCrash(number, healthy) => self.begin(number, healthy, false),
            Op::Report(number, outcome) => self.report(number, outcome),
            Op::Release(number) => {
                let runs: Vec<RunId> = self.acts.iter().map(|act| act.run).collect();
                let run = runs.get(usize::from(number) % runs.len().max(1));
                if let Some(run) = run.copied()
                    && self.guard.release(self.now(), run, "kim").is_ok()
                {
                    self.store();
                    let act = self.acts.iter_mut().find(|act| act.run == run).unwrap();
                    act.over = Some(self.now);
                }
            }
            Op::Stop => {
                self.guard.stop(self.now(), "kim", "test").unwrap();
                self.store();
                self.stopped = true;
            }
            Op::Resume => {
                self.guard.resume(self.now(), "kim").unwrap();
                self.store();
                self.stopped = false;
            }
            Op::Store => {
                self.store();
                self.snapshot = Some((save(&self.guard), self.entries.len()));
            }
            Op::Crash(from_snapshot) => self.crash(from_snapshot),
        }
    }

    /// The newest act against all before it.
    fn check(&self) {
        let (new, earlier) = self.acts.split_last().unwrap();
        let all: Vec<&Act> = self.acts.iter().collect();
        let of = |keep: &dyn Fn(&Act) -> bool| -> Vec<f64> {
            all.iter()
                .filter(|act| keep(act))
                .map(|act| act.begun)
                .collect()
        };
        bucket(&of(&|act| act.action == new.action), 3, 120.0);
        bucket(&of(&|act| act.target == new.target), 2, 150.0);
        bucket(&of(&|_| true), 4, 60.0);
        assert_ne!(new.action, "wipe", "denied");
        let mut touched = BTreeSet::from([new.target.as_str()]);
        for act in earlier {
            let same_target = act.target == new.target;
            let over = act.over.unwrap_or(f64::INFINITY);
            assert!(
                !same_target || over <= new.begun,
                "two at a time: {act:?} {new:?}"
            );
            let same = same_target && act.action == new.action;
            assert!(
                !same || new.begun - act.begun >= COOLDOWN,
                "{act:?} {new:?}"
            );
            if over > new.begun || act.begun + WINDOW > new.begun {
                touched.insert(&act.target);
            }
            let caused = act.begun < new.alert_since && new.alert_since < over + SETTLE;
            assert!(!same_target || !caused, "its own effect: {act:?} {new:?}");
        }
        assert!(touched.len() <= new.limit, "{touched:?} {new:?}");
        if let Some((failures, last)) = self.failures.get(&new.action) {
            assert!(*failures < 2 || last + PAUSE <= new.begun, "{new:?}");
            let working = earlier.iter().filter(|act| act.over.is_none());
            let others = working.filter(|act| act.action == new.action).count();
            assert!(*failures < 2 || others == 0, "one trial at a time");
        }
    }
}

/// At most `burst` and one more each `every` seconds, in any window.
fn bucket(begun: &[f64], burst: usize, every: f64) {
    for from in 0..begun.len() {
        for to in from..begun.len() {
            let most = burst + ((begun[to] - begun[from]) / every).floor() as usize;
            assert!(to - from < most, "{:?}", &begun[from..=to]);
        }
    }
}

fn save(guard: &Remediation) -> Vec<u8> {
    aiops_core::stored::save(guard)
}

fn load(bytes: &[u8]) -> Remediation {
    aiops_core::stored::load(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_interleaving_goes_beyond_a_limit(ops in prop::collection::vec(op(), 1..250)) {
        let mut world = World::new();
        for op in &ops {
            world.play(op);
        }
        world.store();
        prop_assert_eq!(verify(Head::default(), &world.entries), Ok(world.guard.head()));
        // The entries alone give the same state, and so does a snapshot.
        let mut again = Remediation::try_from(config()).unwrap();
        again.replay(&world.entries).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{:?}", world.guard));
        prop_assert_eq!(format!("{:?}", load(&save(&again))), format!("{again:?}"));
    }
}

/// The property above is worth something only while things are really carried out.
#[test]
fn the_interleavings_carry_things_out() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut acts, mut most) = (0, 0);
    for _ in 0..100 {
        let ops = prop::collection::vec(op(), 200..300)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut world = World::new();
        for op in &ops {
            world.play(op);
        }
        acts += world.acts.len();
        most = most.max(world.acts.len());
    }
    assert!(acts > 200 && most > 5, "{acts} acts, at most {most}");
}

#[test]
fn cool_downs_and_the_kill_switch_survive_a_restart() {
    let mut world = World::new();
    world.firing.insert((0, 0), 0.0);
    world.play(&Op::Propose(0));
    world.play(&Op::Begin(0, 6));
    assert_eq!(world.acts.len(), 1);
    // Carried out, and the word of it was lost: the order is given again with the same key.
    let before = world.guard.orders();
    world.crash(false);
    assert_eq!(world.guard.orders(), before);
    world.play(&Op::Report(0, 2));
    world.crash(true);
    world.firing.insert((0, 0), 60.0);
    world.now = 61.0;
    let plan = world.guard.plan(world.now(), &incident(1, &world.alerts()));
    let until = at(COOLDOWN);
    assert_eq!(plan.steps[0].obstacle, Some(Refusal::Cooldown { until }));
    world.play(&Op::Stop);
    world.crash(false);
    let plan = world.guard.plan(world.now(), &incident(1, &world.alerts()));
    let by = "kim".to_owned();
    assert_eq!(plan.steps[0].obstacle, Some(Refusal::Stopped { by }));
    // Entries go through JSON and stay a chain.
    let lines: Vec<String> = world
        .entries
        .iter()
        .map(|one| serde_json::to_string(one).unwrap())
        .collect();
    let read: Vec<Entry> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(verify(Head::default(), &read), Ok(world.guard.head()));
}
