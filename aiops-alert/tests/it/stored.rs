//! Files that were written once: each is still read, means the same, and is written the same.

use std::path::Path;

use aiops_alert::engine::{Acknowledgement, AlertEngine, Delivery, EngineConfig, Silence};
use aiops_alert::expr::{EvaluationError, ExpressionEngine};
use aiops_alert::remediation::{Remediation, Situation};
use aiops_alert::rule::{
    BurnWindow, ExpressionRule, ExpressionRuleConfig, ExpressionRules, RuleSet, SignalCondition,
    SignalRule, SignalRuleConfig, SignalRules,
};
use aiops_core::stored::{StoredModel, load, save};
use aiops_core::{Cause, Evidence, Fact, Labels, Sample, Timestamp};
use std::time::Duration;

use crate::mute::selector;
use crate::remediation::{config, generous, incident};
use crate::rule::{above, seconds, set};
use crate::support::{alert, at, labels};

/// Reads the file; one that is not there is written, to be looked at.
#[track_caller]
fn check<M: StoredModel>(model: &M) -> M {
    let name = format!("{}-{}.json", M::KIND, M::FORMAT);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/stored");
    let path = path.join(name);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, save(model)).unwrap();
        panic!("{} is new: look at it", path.display());
    }
    let bytes = std::fs::read(&path).unwrap();
    let read: M = load(&bytes).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(
        text(save(&read)),
        text(bytes.clone()),
        "it is written otherwise than it was read"
    );
    assert_eq!(
        text(save(model)),
        text(bytes),
        "it is not written as it was"
    );
    read
}

#[test]
fn an_engine() {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into()];
    config.group_wait = Duration::from_secs(1);
    let mut engine = AlertEngine::try_from(config).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, Some(600.0)));
    engine.receive(
        at(0.0),
        alert("B/b", 0.0, None).annotate("summary", "\"x\"\n"),
    );
    let sent = engine.tick(at(1.0));
    engine.report_delivery(at(1.0), &sent[0].key, Delivery::Delivered);
    engine.report_delivery(at(1.0), &sent[1].key, Delivery::failed(false));
    let mut silence = Silence::new(selector(r#"{instance=~"c.*",x!="y"}"#), at(2.0), at(900.0));
    silence.created_by = "me".into();
    engine.add_silence(at(2.0), silence).unwrap();
    engine.receive(at(2.0), alert("C/c", 2.0, Some(3.0)));
    for notification in engine.tick(at(4.0)) {
        engine.report_delivery(at(4.0), &notification.key, Delivery::Delivered);
    }
    let cause = Cause {
        component: "db".into(),
        metric: None,
        score: 0.1,
        confidence: Some(0.7),
        evidence: vec![Evidence::opposing(Fact::Note { text: "n".into() })],
    };
    engine.set_causes(sent[0].incident, vec![cause]);
    let by = Acknowledgement {
        owner: "me".into(),
        until: at(500.0),
    };
    engine.acknowledge(at(4.0), sent[0].incident, by);
    let mut read = check(&engine);
    for time in [5.0, 20.0, 301.0, 700.0] {
        assert_eq!(read.tick(at(time)), engine.tick(at(time)), "{time}");
    }
}

#[test]
fn rules() {
    let mut one = above(5.0);
    one.hold = seconds(10);
    let mut rules: RuleSet = set([one]);
    for second in 0..8 {
        let time = at(f64::from(second));
        rules.observe_sample(&labels("__name__=m,host=a"), Sample::new(time, 6.25));
        rules.tick(time);
    }
    let mut read = check(&rules);
    rules.observe_sample(&labels("__name__=m,host=a"), Sample::new(at(10.0), 6.25));
    read.observe_sample(&labels("__name__=m,host=a"), Sample::new(at(10.0), 6.25));
    let told = rules.tick(at(10.0));
    assert_eq!(told.len(), 1);
    assert_eq!(read.tick(at(10.0)), told);
}

#[test]
fn signal_rules() {
    let burns = SignalCondition::BurnsBudget {
        selector: selector(r#"{slo=~".+"}"#),
        objective: 0.99,
        min_events: 10,
        windows: BurnWindow::standard(),
    };
    let changes = SignalCondition::Changes {
        selector: selector(r#"{__name__="m"}"#),
        over: Duration::from_secs(100),
        above: Some(1.0),
        below: None,
    };
    let rule = |condition| SignalRule::try_from(SignalRuleConfig::new("R", condition)).unwrap();
    let mut rules = SignalRules::new([burns, changes].map(rule));
    for step in 0..12 {
        let time = at(f64::from(step) * 10.0);
        rules.observe_events(&labels("slo=x"), time, 90, 30);
        rules.observe_sample(
            &labels("__name__=m"),
            Sample::new(time, f64::from(step) * 33.3),
        );
        rules.evaluate(time);
    }
    let mut read = check(&rules);
    assert_eq!(read.active(), rules.active());
    for step in 12..40 {
        let time = at(f64::from(step) * 10.0);
        assert_eq!(read.evaluate(time), rules.evaluate(time), "{step}");
    }
}

struct Always;

impl ExpressionEngine for Always {
    fn evaluate(&self, _: &str, _: Timestamp) -> Result<Vec<(Labels, f64)>, EvaluationError> {
        Ok(vec![(labels("i=a"), 1.5)])
    }
}

#[test]
fn expression_rules() {
    let mut config = ExpressionRuleConfig::new("R", "up == 0");
    config.hold = Duration::from_mins(5);
    let mut rules = ExpressionRules::new([ExpressionRule::try_from(config).unwrap()]);
    for minute in 0..3 {
        rules.evaluate(at(60.0 * f64::from(minute)), &Always);
    }
    let mut read = check(&rules);
    for minute in 3..10 {
        let time = at(60.0 * f64::from(minute));
        assert_eq!(
            read.evaluate(time, &Always),
            rules.evaluate(time, &Always),
            "{minute}"
        );
    }
}

#[test]
fn remediation() {
    let mut guard = Remediation::try_from(config(generous())).unwrap();
    let firing = [alert("A/a", 0.0, None)];
    let plan = guard.propose(at(1.0), &incident(1, &firing)).unwrap();
    let situation = Situation {
        firing: &firing,
        known_at: at(1.0),
        healthy: Some(10),
    };
    guard.begin(at(1.0), &plan.id, 0, &situation).unwrap();
    let mut read = check(&guard);
    assert_eq!(read.orders(), guard.orders());
    assert_eq!(read.head(), guard.head());
    for time in [10.0, 1_000.0, 10_000.0] {
        assert_eq!(read.tick(at(time)), guard.tick(at(time)), "{time}");
    }
}
