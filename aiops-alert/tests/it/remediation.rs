//! What may be done about an incident: each guard on both of its sides.

use std::time::Duration;

use aiops_alert::remediation::{
    ActionConfig, Bucket, Event, Head, Order, OrderKind, Outcome, Permission, PlanId, Refusal,
    Remediation, RemediationConfig, RunId, Situation, TargetConfig, verify,
};
use aiops_core::{Alert, Cause, Incident, IncidentId, Labels};

use crate::support::{alert, at};

/// Actions that only the guard under test holds back.
pub(crate) fn generous() -> ActionConfig {
    let mut action = ActionConfig::default();
    action.permission = Permission::Allow;
    action.when = r#"{alertname="A"}"#.parse().unwrap();
    action.rate.burst = 100;
    action.cooldown = Duration::ZERO;
    action.max_targets = 100;
    action.max_share = 1.0;
    action.max_failures = 100;
    action.settle = Duration::ZERO;
    action.blast_window = Duration::ZERO;
    action
}

pub(crate) fn config(action: ActionConfig) -> RemediationConfig {
    let mut config = RemediationConfig::default();
    config.actions.insert("restart".into(), action);
    config.target_rate.burst = 100;
    config.overall_rate.burst = 100;
    config
}

fn with(change: impl Fn(&mut ActionConfig)) -> Remediation {
    let mut action = generous();
    change(&mut action);
    Remediation::try_from(config(action)).unwrap()
}

pub(crate) fn incident(id: u64, alerts: &[Alert]) -> Incident {
    Incident {
        id: IncidentId(id),
        group: Labels::empty(),
        opened_at: alerts[0].starts_at,
        resolved_at: None,
        summary: "A".into(),
        alerts: alerts.to_vec(),
        causes: Vec::new(),
    }
}

/// Proposes what is to be done about `name`, which began at `since`, and begins it at `now`.
fn attempt(guard: &mut Remediation, name: &str, since: f64, now: f64) -> Result<Order, Refusal> {
    attempt_among(guard, name, since, now, 100)
}

fn attempt_among(
    guard: &mut Remediation,
    name: &str,
    since: f64,
    now: f64,
    healthy: usize,
) -> Result<Order, Refusal> {
    let firing = [alert(name, since, None)];
    let plan = guard.propose(at(now), &incident(1, &firing))?;
    let situation = Situation {
        firing: &firing,
        known_at: at(now),
        healthy: Some(healthy),
    };
    let before = guard.may_begin(at(now), &plan.id, 0, &situation);
    let result = guard.begin(at(now), &plan.id, 0, &situation);
    assert_eq!(
        before.err(),
        result.clone().err(),
        "the dry run says the same"
    );
    result
}

#[track_caller]
fn succeed(guard: &mut Remediation, order: &Order, now: f64) {
    assert_eq!(order.kind, OrderKind::Execute);
    assert_eq!(guard.report(at(now), order.run, Outcome::Done), Ok(None));
    assert_eq!(
        guard.report(at(now), order.run, Outcome::Recovered),
        Ok(None)
    );
}

#[test]
fn what_is_not_permitted_is_only_proposed() {
    for permission in [Permission::Deny, Permission::Allow] {
        let mut guard = with(|action| action.permission = permission);
        let got = attempt(&mut guard, "A/a", 0.0, 1.0);
        assert_eq!(got.is_ok(), permission == Permission::Allow);
    }
    let mut guard = with(|action| action.permission = Permission::Deny);
    let plan = guard
        .propose(at(0.0), &incident(1, &[alert("A/a", 0.0, None)]))
        .unwrap();
    assert_eq!(plan.steps[0].obstacle, Some(Refusal::NotPermitted));
    // An approval does not help.
    let approval = guard.approve(at(0.0), &plan.id, 0, "kim", Duration::MAX);
    assert_eq!(approval, Err(Refusal::NotPermitted));
    let mut nothing = Remediation::try_from(RemediationConfig::default()).unwrap();
    let plan = nothing
        .propose(at(0.0), &incident(1, &[alert("A/a", 0.0, None)]))
        .unwrap();
    assert_eq!(plan.steps, []);
}

#[test]
fn a_dry_run_yields_the_same_plan_and_changes_nothing() {
    let mut guard = with(|_| {});
    let alerts = [
        alert("A/b", 0.0, None),
        alert("A/a", 0.0, None),
        alert("A/c", 0.0, Some(1.0)), // over
        alert("B/d", 0.0, None),      // no action
        Alert::new(crate::support::labels("alertname=A"), at(0.0)), // no target
    ];
    let before = format!("{guard:?}");
    let dry = guard.plan(at(2.0), &incident(1, &alerts));
    assert_eq!(format!("{guard:?}"), before);
    assert_eq!(guard.propose(at(2.0), &incident(1, &alerts)).unwrap(), dry);
    let targets: Vec<&str> = dry.steps.iter().map(|step| step.target.as_str()).collect();
    assert_eq!(targets, ["b", "a"]);
    // The same again is the same plan, another start another one.
    let again = guard.propose(at(3.0), &incident(1, &alerts)).unwrap();
    assert_eq!(again.id, dry.id);
    assert_eq!(guard.take_entries().len(), 1);
    let other = guard.plan(at(3.0), &incident(1, &[alert("A/b", 1.0, None)]));
    assert_ne!(other.id, dry.id);
}

#[test]
fn a_cause_is_a_target_when_it_is_sure_enough() {
    let guard = with(|action| action.target = TargetConfig::Cause(0.8));
    for (confidence, steps) in [(None, 0), (Some(0.79), 0), (Some(0.8), 1)] {
        let mut incident = incident(1, &[alert("A/a", 0.0, None), alert("A/b", 0.0, None)]);
        incident.causes.push(Cause {
            component: "db".into(),
            metric: None,
            score: 1.0,
            confidence,
            evidence: Vec::new(),
        });
        let plan = guard.plan(at(0.0), &incident);
        assert_eq!(plan.steps.len(), steps, "{confidence:?}");
        assert!(plan.steps.iter().all(|step| step.target == "db"));
    }
}

#[test]
fn approvals_have_a_name_and_an_end() {
    let mut guard = with(|action| action.permission = Permission::Ask);
    assert_eq!(
        attempt(&mut guard, "A/a", 0.0, 0.0),
        Err(Refusal::NeedsApproval)
    );
    let plan = guard
        .plan(at(0.0), &incident(1, &[alert("A/a", 0.0, None)]))
        .id;
    let approve = |guard: &mut Remediation, by, seconds| {
        guard.approve(at(0.0), &plan, 0, by, Duration::from_secs(seconds))
    };
    assert_eq!(approve(&mut guard, " ", 60), Err(Refusal::Nameless));
    assert_eq!(approve(&mut guard, "kim", 60), Ok(at(60.0)));
    let late = attempt(&mut guard, "A/a", 0.0, 60.0);
    assert_eq!(late, Err(Refusal::ApprovalOver { at: at(60.0) }));
    // No longer than the configuration permits.
    let until = guard
        .approve(at(60.0), &plan, 0, "kim", Duration::MAX)
        .unwrap();
    assert_eq!(until, at(60.0 + 1_800.0));
    let order = attempt(&mut guard, "A/a", 0.0, 61.0).unwrap();
    let used = guard.approve(at(62.0), &plan, 0, "kim", Duration::MAX);
    assert_eq!(used, Err(Refusal::Begun { run: order.run }));
    assert_eq!(
        attempt(&mut guard, "A/a", 0.0, 63.0),
        Err(Refusal::Begun { run: order.run })
    );
    let approvals = guard.take_entries();
    let mut approvals = approvals.iter().filter_map(|entry| match &entry.event {
        Event::Approved { by, .. } => Some(by.as_str()),
        _ => None,
    });
    assert_eq!(approvals.next(), Some("kim"));
}

#[test]
fn plans_end_and_their_number_is_bounded() {
    let mut small = config(generous());
    small.max_plans = 1;
    let mut guard = Remediation::try_from(small).unwrap();
    let first = incident(1, &[alert("A/a", 0.0, None)]);
    let plan = guard.propose(at(0.0), &first).unwrap();
    let second = incident(2, &[alert("A/b", 0.0, None)]);
    assert_eq!(
        guard.propose(at(0.0), &second),
        Err(Refusal::TooManyPlans { limit: 1 })
    );
    let situation = Situation {
        firing: &first.alerts,
        known_at: at(3_600.0),
        healthy: Some(9),
    };
    let begin = |guard: &mut Remediation, plan: &PlanId, step| {
        guard.begin(at(3_600.0), plan, step, &situation)
    };
    let over = begin(&mut guard, &plan.id, 0);
    assert_eq!(over, Err(Refusal::PlanOver { at: at(3_600.0) }));
    let plan = guard.propose(at(3_600.0), &second).unwrap();
    assert_eq!(begin(&mut guard, &plan.id, 1), Err(Refusal::UnknownStep));
    assert_eq!(begin(&mut guard, &plan.id, 0), Err(Refusal::AlertOver));
}

#[test]
fn preconditions_are_checked_again_just_before() {
    let mut guard = with(|_| {});
    let firing = [alert("A/a", 0.0, None)];
    let plan = guard.propose(at(0.0), &incident(1, &firing)).unwrap().id;
    let over = [alert("A/a", 0.0, Some(9.0))];
    let anew = [alert("A/a", 5.0, None)];
    let mut begin = |firing: &[Alert], known: f64, healthy| {
        let known_at = at(known);
        guard
            .begin(
                at(10.0),
                &plan,
                0,
                &Situation {
                    firing,
                    known_at,
                    healthy,
                },
            )
            .err()
    };
    assert_eq!(begin(&[], 10.0, Some(9)), Some(Refusal::AlertOver));
    assert_eq!(begin(&over, 10.0, Some(9)), Some(Refusal::AlertOver));
    assert_eq!(begin(&anew, 10.0, Some(9)), Some(Refusal::AlertOver));
    for known in [-51.0, 71.0] {
        assert_eq!(
            begin(&firing, known, Some(9)),
            Some(Refusal::NotFresh { at: at(known) })
        );
    }
    assert_eq!(begin(&firing, 10.0, None), Some(Refusal::HealthUnknown));
    assert_eq!(begin(&firing, -50.0, Some(9)), None);
}

#[test]
fn one_action_on_a_target_at_a_time() {
    let mut guard = with(|_| {});
    let order = attempt(&mut guard, "A/a", 0.0, 0.0).unwrap();
    assert_eq!(
        attempt(&mut guard, "A/a", -1.0, 1.0),
        Err(Refusal::Busy { run: order.run })
    );
    guard.report(at(2.0), order.run, Outcome::Done).unwrap();
    assert_eq!(
        attempt(&mut guard, "A/a", -1.0, 3.0),
        Err(Refusal::Busy { run: order.run })
    );
    assert!(attempt(&mut guard, "A/b", 1.0, 3.0).is_ok());
    guard
        .report(at(4.0), order.run, Outcome::Recovered)
        .unwrap();
    assert!(attempt(&mut guard, "A/a", 4.0, 4.0).is_ok());
}

#[test]
fn the_same_again_has_to_cool_down() {
    let mut guard = with(|action| action.cooldown = Duration::from_mins(2));
    let order = attempt(&mut guard, "A/a", 0.0, 0.0).unwrap();
    succeed(&mut guard, &order, 1.0);
    let soon = attempt(&mut guard, "A/a", 119.0, 119.9);
    assert_eq!(soon, Err(Refusal::Cooldown { until: at(120.0) }));
    assert!(attempt(&mut guard, "A/b", 119.0, 119.9).is_ok());
    assert!(attempt(&mut guard, "A/a", 119.0, 120.0).is_ok());
}

#[test]
fn each_token_bucket_holds_back() {
    for bucket in [Bucket::Action, Bucket::Target, Bucket::Overall] {
        let mut limits = config(generous());
        let rate = match bucket {
            Bucket::Action => &mut limits.actions.get_mut("restart").unwrap().rate,
            Bucket::Target => &mut limits.target_rate,
            Bucket::Overall => &mut limits.overall_rate,
        };
        (rate.burst, rate.every) = (2, Duration::from_mins(1));
        let mut guard = Remediation::try_from(limits).unwrap();
        for now in [0.0, 10.0] {
            let order = attempt(&mut guard, "A/a", now, now).unwrap();
            succeed(&mut guard, &order, now);
        }
        let third = attempt(&mut guard, "A/a", 11.0, 59.0);
        let until = at(60.0);
        assert_eq!(third, Err(Refusal::Rate { bucket, until }));
        let other = attempt(&mut guard, "A/b", 11.0, 59.0);
        assert_eq!(other.is_ok(), bucket == Bucket::Target);
        let order = attempt(&mut guard, "A/a", 11.0, 60.0).unwrap();
        succeed(&mut guard, &order, 60.0);
        assert!(attempt(&mut guard, "A/a", 61.0, 61.0).is_err());
    }
}

#[test]
fn the_blast_radius_is_the_smaller_of_a_number_and_a_share() {
    // Most targets, share, healthy ones when it begins, how many may be in work.
    for (most, share, healthy, allowed) in [
        (3, 0.1, 100, 3),
        (3, 0.1, 25, 2),
        (3, 0.1, 9, 0),
        (30, 0.29, 100, 29),
        (1, 1.0, 0, 0),
    ] {
        let mut guard = with(|action| (action.max_targets, action.max_share) = (most, share));
        for number in 0..allowed {
            let name = format!("A/{number}");
            assert!(
                attempt_among(&mut guard, &name, 0.0, 0.0, healthy).is_ok(),
                "{number}"
            );
        }
        let one_more = attempt_among(&mut guard, "A/more", 0.0, 0.0, healthy);
        let (touched, limit) = (allowed, allowed);
        let refusal = Refusal::BlastRadius {
            touched,
            limit,
            healthy,
        };
        assert_eq!(one_more, Err(refusal), "{most} {share} {healthy}");
    }
    // Those that are done count for a while, and the healthy ones are counted anew each time.
    let mut guard = with(|action| {
        (action.max_targets, action.max_share) = (2, 0.1);
        action.blast_window = Duration::from_mins(1);
    });
    let order = attempt_among(&mut guard, "A/a", 0.0, 0.0, 20).unwrap();
    succeed(&mut guard, &order, 1.0);
    assert!(attempt_among(&mut guard, "A/b", 0.0, 2.0, 19).is_err());
    assert!(attempt_among(&mut guard, "A/b", 0.0, 3.0, 20).is_ok());
    assert!(attempt_among(&mut guard, "A/c", 0.0, 4.0, 20).is_err());
    assert!(attempt_among(&mut guard, "A/c", 0.0, 60.0, 20).is_ok());
}

#[test]
fn the_circuit_breaker_opens_and_tries_one_at_a_time() {
    let mut guard = with(|action| {
        action.max_failures = 2;
        action.pause = Duration::from_mins(1);
    });
    let mut fail = |now: f64, outcome| {
        let order = attempt(&mut guard, "A/a", now, now)?;
        guard.report(at(now), order.run, outcome).map(|_| ())
    };
    assert_eq!(fail(0.0, Outcome::Failed), Ok(()));
    assert_eq!(fail(1.0, Outcome::Recovered), Ok(())); // not in a row
    assert_eq!(fail(2.0, Outcome::Failed), Ok(()));
    assert_eq!(fail(3.0, Outcome::Worse), Ok(()));
    assert_eq!(
        fail(62.0, Outcome::Done),
        Err(Refusal::BreakerOpen { until: at(63.0) })
    );
    let trial = attempt(&mut guard, "A/a", 63.0, 63.0).unwrap();
    let second = attempt(&mut guard, "A/b", 63.0, 63.0);
    assert_eq!(second, Err(Refusal::BreakerTrial { run: trial.run }));
    guard.report(at(64.0), trial.run, Outcome::Failed).unwrap();
    let again = attempt(&mut guard, "A/b", 64.0, 64.0);
    assert_eq!(again, Err(Refusal::BreakerOpen { until: at(124.0) }));
    let trial = attempt(&mut guard, "A/b", 124.0, 124.0).unwrap();
    succeed(&mut guard, &trial, 125.0);
    assert!(attempt(&mut guard, "A/a", 126.0, 126.0).is_ok());
    assert!(attempt(&mut guard, "A/b", 126.0, 126.0).is_ok());
}

#[test]
fn a_failure_is_rolled_back_or_a_person_is_called() {
    for (can, kind) in [(true, OrderKind::RollBack), (false, OrderKind::CallPerson)] {
        // Carried out, and the success never shows.
        let mut guard = with(|action| action.can_roll_back = can);
        let order = attempt(&mut guard, "A/a", 0.0, 0.0).unwrap();
        guard.report(at(1.0), order.run, Outcome::Done).unwrap();
        assert_eq!(guard.tick(at(600.0)), []);
        let late = guard.tick(at(601.0));
        assert_eq!((late.len(), late[0].kind), (1, kind));
        assert_eq!(guard.orders(), late);
        assert_eq!(guard.tick(at(602.0)), []);
        assert_eq!(attempt(&mut guard, "A/a", -1.0, 602.0).is_err(), can);
        if can {
            // The roll-back fails in its turn.
            let call = guard
                .report(at(603.0), order.run, Outcome::Failed)
                .unwrap()
                .unwrap();
            assert_eq!(call.kind, OrderKind::CallPerson);
            let over = guard.report(at(604.0), order.run, Outcome::Done);
            assert_eq!(over, Err(Refusal::UnknownRun { run: order.run }));
        }
    }
}

#[test]
fn a_target_stays_locked_while_nobody_knows() {
    let mut guard = with(|action| action.can_roll_back = true);
    let order = attempt(&mut guard, "A/a", 0.0, 0.0).unwrap();
    let calls = guard.tick(at(300.0));
    assert_eq!(calls[0].kind, OrderKind::CallPerson);
    let busy = attempt(&mut guard, "A/a", -1.0, 1e6);
    assert_eq!(busy, Err(Refusal::Busy { run: order.run }));
    assert_eq!(
        guard.release(at(1e6), order.run, ""),
        Err(Refusal::Nameless)
    );
    assert_eq!(guard.release(at(1e6), order.run, "kim"), Ok(()));
    assert!(guard.release(at(1e6), order.run, "kim").is_err());
    assert!(attempt(&mut guard, "A/a", -2.0, 1e6).is_ok());
    let unknown = RunId(77);
    assert_eq!(
        guard.report(at(1e6), unknown, Outcome::Done),
        Err(Refusal::UnknownRun { run: unknown })
    );
}

#[test]
fn nothing_is_done_about_what_was_done() {
    let mut guard = with(|action| {
        action.settle = Duration::from_mins(1);
        action.effects = vec![r#"{alertname="A",instance=~"lb.*"}"#.parse().unwrap()];
    });
    let order = attempt(&mut guard, "A/a", 0.0, 10.0).unwrap();
    succeed(&mut guard, &order, 20.0);
    let refused = Err(Refusal::OwnEffect { run: order.run });
    assert_eq!(attempt(&mut guard, "A/a", 79.9, 80.0), refused); // flapped
    assert_eq!(attempt(&mut guard, "A/lb-1", 15.0, 80.0), refused);
    assert!(attempt(&mut guard, "A/lb-1", 9.9, 80.0).is_ok()); // before it
    assert!(attempt(&mut guard, "A/b", 15.0, 80.0).is_ok()); // another target
    assert!(attempt(&mut guard, "A/a", 80.0, 81.0).is_ok()); // later
}

#[test]
fn the_kill_switch_stops_everything() {
    let mut guard = with(|action| action.can_roll_back = true);
    let order = attempt(&mut guard, "A/a", 0.0, 0.0).unwrap();
    assert_eq!(guard.stop(at(1.0), "", "x"), Err(Refusal::Nameless));
    guard.stop(at(1.0), "kim", "wrong hosts").unwrap();
    let by = "kim".to_owned();
    assert_eq!(
        attempt(&mut guard, "A/b", 0.0, 2.0),
        Err(Refusal::Stopped { by })
    );
    let call = guard
        .report(at(3.0), order.run, Outcome::Failed)
        .unwrap()
        .unwrap();
    assert_eq!(call.kind, OrderKind::CallPerson); // not rolled back
    guard.resume(at(4.0), "kim").unwrap();
    assert!(attempt(&mut guard, "A/b", 0.0, 5.0).is_ok());
}

#[test]
fn the_audit_shows_every_change() {
    let mut guard = with(|action| action.permission = Permission::Ask);
    let _ = attempt(&mut guard, "A/a", 0.0, 0.0);
    let _ = attempt(&mut guard, "A/a", 0.0, 1.0); // the same refusal is written once
    let plan = guard
        .plan(at(0.0), &incident(1, &[alert("A/a", 0.0, None)]))
        .id;
    guard
        .approve(at(2.0), &plan, 0, "kim", Duration::MAX)
        .unwrap();
    let order = attempt(&mut guard, "A/a", 0.0, 3.0).unwrap();
    succeed(&mut guard, &order, 4.0);
    let entries = guard.take_entries();
    assert_eq!(entries.len(), 6);
    assert_eq!(verify(Head::default(), &entries), Ok(guard.head()));
    for number in 0..entries.len() {
        let mut changed = entries.clone();
        changed[number].at = at(7.0);
        assert_eq!(
            verify(Head::default(), &changed).unwrap_err().number,
            number as u64
        );
        let mut missing = entries.clone();
        missing.remove(number);
        let end = verify(Head::default(), &missing);
        assert_ne!(end.ok(), Some(guard.head()));
        let mut twice = entries.clone();
        twice.insert(number, entries[number].clone());
        assert!(verify(Head::default(), &twice).is_err());
    }
    let mut renamed = entries.clone();
    if let Event::Approved { by, .. } = &mut renamed[2].event {
        *by = "lee".into();
    }
    assert_eq!(verify(Head::default(), &renamed).unwrap_err().number, 2);
}

#[test]
fn bounds_of_the_configuration() {
    let good = config(generous());
    assert!(Remediation::try_from(good.clone()).is_ok());
    let bad: [&dyn Fn(&mut ActionConfig); 11] = [
        &|action| action.when = ActionConfig::default().when,
        &|action| action.effects = vec![r#"{a=~".*"}"#.parse().unwrap()],
        &|action| action.pool.clear(),
        &|action| action.target = TargetConfig::Cause(f64::NAN),
        &|action| action.max_share = 0.0,
        &|action| action.max_share = f64::NAN,
        &|action| action.max_targets = 0,
        &|action| action.max_failures = 0,
        &|action| action.rate.burst = 0,
        &|action| action.rate.every = Duration::ZERO,
        &|action| action.verify_within = Duration::ZERO,
    ];
    for (number, change) in bad.iter().enumerate() {
        let mut one = good.clone();
        change(one.actions.get_mut("restart").unwrap());
        assert!(Remediation::try_from(one).is_err(), "{number}");
    }
    let mut nameless = good.clone();
    nameless.actions.insert(String::new(), generous());
    assert!(Remediation::try_from(nameless).is_err());
    let mut without_plans = good;
    without_plans.max_plans = 0;
    assert!(Remediation::try_from(without_plans).is_err());
}
