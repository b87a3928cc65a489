//! Configuration files of others.

use std::time::Duration;

use aiops_alert::expr::{LocalExpressions, SeriesSource};
use aiops_alert::files::{alertmanager, prometheus};
use aiops_alert::rule::{ExpressionRule, ExpressionRuleConfig, ExpressionRules};
use aiops_core::{Labels, Sample, Selector, Timestamp};

use crate::conformance::data;
use crate::support::at;

#[track_caller]
fn refused(text: &str, line: u64, words: &str) {
    let error = alertmanager::parse(text).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.line(), line, "{error}");
}

#[test]
fn errors_of_an_alertmanager_file_have_their_line() {
    refused("route: {receiver: x}\n", 1, "`x`");
    refused(
        "route:\n  receiver: a\n  nonsense: 1\nreceivers:\n- name: a\n",
        3,
        "nonsense",
    );
    refused(
        "route:\n  receiver: a\n  group_wait: soon\nreceivers:\n- name: a\n",
        3,
        "`soon`",
    );
    refused(
        "route:\n  receiver: a\nreceivers:\n- name: a\n- name: a\n",
        5,
        "two receivers",
    );
    refused(
        "route:\n  receiver: a\nreceivers:\n- name: a\n  pigeon_configs: []\n",
        4,
        "pigeon",
    );
    refused(
        "route:\n  receiver: a\n  routes:\n  - matchers: ['a=~\"(\"']\nreceivers:\n- name: a\n",
        4,
        "regular expression",
    );
    refused(
        "route:\n  receiver: a\n  routes:\n  - mute_time_intervals: [night]\nreceivers:\n- name: a\n",
        4,
        "`night`",
    );
    refused(
        "route:\n  receiver: a\n  match: {a: b}\nreceivers:\n- name: a\n",
        2,
        "every alert",
    );
    refused("route: [\n", 1, "");
    refused("", 1, "");
}

#[test]
fn an_alertmanager_file_is_read() {
    let file = alertmanager::parse(
        "global:\n  resolve_timeout: 3m\n  smtp_from: a@b\nroute:\n  receiver: a\n  \
         group_by: [alertname]\n  repeat_interval: 1d12h\n  routes:\n  - matchers: [ 'a =~ \"x|y\"', b!=c ]\n    \
         match: {severity: page}\n    continue: true\n    receiver: b\nreceivers:\n- name: a\n  slack_configs:\n  \
         - api_url: https://secret\n    channel: '#c'\n  webhook_configs:\n  - url: http://x\n- name: b\n\
         inhibit_rules:\n- source_matchers: [a=b]\n  target_match_re: {c: d.*}\n  equal: [e]\n\
         time_intervals:\n- name: night\n  time_intervals:\n  - times: [{start_time: '00:00', end_time: '06:00'}]\n    \
         days_of_month: ['1:5', -1]\n    months: [january, 3]\n    years: [2020, '2021:2022']\ntemplates: [x.tmpl]\n",
    )
    .unwrap();
    let engine = &file.engine;
    assert_eq!(engine.resolve_timeout, Duration::from_mins(3));
    assert_eq!(engine.repeat_interval, Duration::from_hours(36));
    assert_eq!(engine.routes[0].matchers.matchers().len(), 3);
    assert!(engine.routes[0].continues);
    let ends: Vec<bool> = engine.receivers[0]
        .integrations
        .iter()
        .map(|integration| integration.send_resolved)
        .collect();
    assert_eq!(ends, [false, true]); // slack, webhook
    assert_eq!(file.settings[0].text("channel"), Some("#c"));
    assert!(!format!("{file:?}").contains("secret"), "{file:?}");
    assert_eq!(file.ignored, ["template x.tmpl"]);
    assert_eq!(engine.inhibit.len(), 1);
}

#[test]
fn public_files_load_or_are_refused_as_their_names_say() {
    let Some(folder) = data("alerts/configs/alertmanager") else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("openapi") {
            continue;
        }
        seen += 1;
        let result = alertmanager::parse(&std::fs::read_to_string(&path).unwrap());
        if name.contains("nil-") {
            assert!(result.unwrap_err().line() > 0, "{name}");
        } else {
            assert!(result.is_ok(), "{name}: {}", result.unwrap_err());
        }
    }
    assert!(seen > 0);
}

#[test]
fn errors_of_a_rule_file_have_their_line() {
    for (text, line, words) in [
        ("groups:\n- name: a\n  rulez: []\n", 3, "rulez"),
        ("groups:\n- name: a\n- name: a\n", 3, "two groups"),
        (
            "groups:\n- name: a\n  rules:\n  - expr: up\n",
            4,
            "`alert` or `record`",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - record: x\n    alert: y\n    expr: up\n",
            4,
            "`alert` or `record`",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    for: never\n",
            6,
            "`never`",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: [up]\n",
            5,
            "`expr`",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - record: a-b\n    expr: up\n",
            4,
            "name of a metric",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - record: r\n    expr: up\n    for: 1m\n",
            4,
            "neither `for`",
        ),
    ] {
        let error = prometheus::parse(text).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.line(), line, "{error}");
    }
    let text = "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: nosuch(up)\n  - record: r\n    expr: up\n  \
                - alert: y\n    expr: up == 0\n    annotations:\n      a: '{{ range query \"x\" }}'\n";
    let file = prometheus::parse(text).unwrap();
    let listed: Vec<_> = file
        .unsupported
        .iter()
        .map(|one| (one.line, one.rule.as_str(), one.left_out))
        .collect();
    assert_eq!(listed, [(4, "x", true), (8, "y", false)]);
    assert_eq!(file.groups[0].recording[0].config().name, "r");
    assert_eq!(file.groups[0].rules.len(), 1);
}

struct Nothing;

impl SeriesSource for Nothing {
    fn range(&self, _: &Selector, _: Timestamp, _: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
        Vec::new()
    }
}

#[test]
fn public_rules_load_and_evaluate() {
    let Some(folder) = data("alerts/configs/prometheus_rules_awesome") else {
        return;
    };
    let (mut alerts, mut loaded, mut evaluated, mut texts) = (0, 0, 0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let file = prometheus::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for group in file.groups {
            let count = group.rules.len();
            let mut rules = ExpressionRules::new(group.rules);
            rules.evaluate(at(0.0), &LocalExpressions(&Nothing));
            for fault in rules.faults() {
                eprintln!("{}: {}: {}", path.display(), fault.rule, fault.error);
            }
            loaded += count;
            evaluated += count - rules.faults().len();
        }
        for one in &file.unsupported {
            eprintln!(
                "{}:{}: {}: {}",
                path.display(),
                one.line,
                one.rule,
                one.what
            );
            texts += usize::from(!one.left_out);
        }
        alerts += text.matches("- alert:").count();
    }
    eprintln!("{alerts} alerts: {loaded} loaded, {evaluated} evaluated, {texts} texts as written");
    assert!(alerts > 900, "{alerts}");
    assert_eq!(alerts, 954);
    assert!(loaded * 100 >= alerts * 98, "{loaded} of {alerts}");
    assert_eq!(evaluated, loaded);
}

#[test]
fn public_test_files_of_prometheus_load_or_are_refused_as_they_should() {
    let Some(folder) = data("alerts/configs/prometheus_rules") else {
        return;
    };
    for (name, is_good) in [
        ("rules.yml", true),
        ("prometheus-rules.lint.yml", true),
        ("rules_duplicates.yml", true),
        ("rules_extrafields.yml", false),
    ] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let result = prometheus::parse(&text);
        assert_eq!(result.is_ok(), is_good, "{name}: {result:?}");
    }
}

struct Up(f64);
impl SeriesSource for Up {
    fn range(&self, _: &Selector, _: Timestamp, to: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
        let labels = crate::support::labels("__name__=up,job=a");
        vec![(labels, vec![Sample::new(to, self.0)])]
    }
}

#[test]
fn an_expression_rule_has_prometheus_states() {
    let mut config = ExpressionRuleConfig::new("Down", "up == 0");
    config.hold = Duration::from_mins(1);
    config.labels.insert("severity".into(), "page".into());
    config
        .annotations
        .insert("summary".into(), "{{ $labels.job }} is {{ $value }}".into());
    let mut rules = ExpressionRules::new([ExpressionRule::try_from(config).unwrap()]);
    let mut told = Vec::new();
    for (time, up) in [
        (0.0, 1.0),
        (15.0, 0.0),
        (60.0, 0.0),
        (75.0, 0.0),
        (90.0, 1.0),
    ] {
        let source = Up(up);
        for alert in rules.evaluate(at(time), &LocalExpressions(&source)) {
            assert_eq!(
                alert.labels,
                crate::support::labels("alertname=Down,job=a,severity=page")
            );
            assert_eq!(alert.annotations["summary"], "a is 0");
            told.push((time, alert.ends_at <= Some(at(time))));
        }
    }
    assert_eq!(told, [(75.0, false), (90.0, true)]);
}

struct Two;
impl SeriesSource for Two {
    fn range(&self, _: &Selector, _: Timestamp, to: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
        let one = |job| {
            let labels = crate::support::labels(&format!("__name__=up,job={job}"));
            (labels, vec![Sample::new(to, 1.0)])
        };
        vec![one("a"), one("b")]
    }
}

struct Asked(std::cell::Cell<Option<Timestamp>>);
impl SeriesSource for Asked {
    fn range(&self, _: &Selector, _: Timestamp, to: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
        self.0.set(Some(to));
        vec![(
            crate::support::labels("__name__=up"),
            vec![Sample::new(to, 0.0)],
        )]
    }
}

#[test]
fn recorded_series_have_their_name_labels_and_time() {
    let text = "groups:\n- name: g\n  query_offset: 30s\n  limit: 1\n  labels: {team: x}\n  rules:\n  \
                - record: job:up:sum\n    expr: sum by (job) (up)\n    labels: {job: '', kind: y}\n  \
                - alert: Down\n    expr: up == 0\n";
    let file = prometheus::parse(text).unwrap();
    assert_eq!(file.unsupported, []);
    let group = &file.groups[0];
    assert_eq!(
        group.rules[0].config().query_offset,
        Duration::from_secs(30)
    );
    let recorded = group.recording[0].evaluate(at(60.0), &LocalExpressions(&Up(3.0)));
    let series = crate::support::labels("__name__=job:up:sum,kind=y,team=x");
    assert_eq!(recorded, Ok(vec![(series, Sample::new(at(30.0), 3.0))]));

    // More than the limit, and without it the same series twice.
    assert!(
        group.recording[0]
            .evaluate(at(0.0), &LocalExpressions(&Two))
            .is_err()
    );
    let file = prometheus::parse(&text.replace("limit: 1", "limit: 0")).unwrap();
    let twice = file.groups[0].recording[0].evaluate(at(0.0), &LocalExpressions(&Two));
    assert!(twice.unwrap_err().to_string().contains("twice"));
    // The offset moves the question, not the state.
    let mut rules = ExpressionRules::new(group.rules.clone());
    let asked = Asked(std::cell::Cell::new(None));
    let told = rules.evaluate(at(90.0), &LocalExpressions(&asked));
    assert_eq!(asked.0.get(), Some(at(60.0)));
    assert_eq!(told[0].starts_at, at(90.0));
}
