use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::prepare::{RuleAction, RuleConfig, RuleOutcome, SeriesRules, canonical_labels};
use aiops_core::{Labels, Timestamp};

fn rule(action: RuleAction, source: &[&str], regex: &str, target: &str, with: &str) -> RuleConfig {
    let mut rule = RuleConfig::default();
    rule.action = action;
    rule.source_labels = source.iter().map(|name| (*name).to_owned()).collect();
    regex.clone_into(&mut rule.regex);
    target.clone_into(&mut rule.target_label);
    with.clone_into(&mut rule.replacement);
    rule
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let name = [("__name__", "m")];
    Labels::of(pairs.iter().copied().chain(name)).unwrap()
}

#[track_caller]
fn check(rules: Vec<RuleConfig>, pairs: &[(&str, &str)], expected: Result<&str, RuleOutcome>) {
    let mut rules = SeriesRules::try_from(rules).unwrap();
    for _ in 0..2 {
        // The second time from memory.
        let got = rules
            .decide(&labels(pairs))
            .map(|labels| labels.to_string());
        assert_eq!(got, expected.map(str::to_owned));
    }
}

/// Cases after Prometheus's `model/relabel/relabel_test.go`, whose labels and outcomes they have.
#[test]
fn as_prometheus_does_it() {
    use RuleAction::{Drop, Keep, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase};
    let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
    check(
        vec![rule(Replace, &["a"], "f(.*)", "d", "ch${1}-ch${1}")],
        &abc,
        Ok(r#"m{a="foo", b="bar", c="baz", d="choo-choo"}"#),
    );
    check(
        vec![
            rule(Replace, &["a", "b"], "f(.*);(.*)r", "a", "b${1}${2}m"),
            rule(Replace, &["c", "a"], "(b).*b(.*)ba(.*)", "d", "$1$2$2$3"),
        ],
        &abc,
        Ok(r#"m{a="boobam", b="bar", c="baz", d="boooom"}"#),
    );
    // Anchored on both sides.
    check(
        vec![rule(Drop, &["a"], "o", "", "")],
        &abc,
        Ok(r#"m{a="foo", b="bar", c="baz"}"#),
    );
    check(
        vec![rule(Drop, &["a"], ".*o.*", "", "")],
        &abc,
        Err(RuleOutcome::Rule(0)),
    );
    check(
        vec![
            rule(Keep, &["a"], "foo", "", ""),
            rule(Keep, &["a"], "no-match", "", ""),
        ],
        &abc,
        Err(RuleOutcome::Rule(1)),
    );
    check(
        vec![
            rule(LabelMap, &[], "(b)", "", "${1}_x"),
            rule(LabelDrop, &[], "[ac]", "", ""),
        ],
        &abc,
        Ok(r#"m{b="bar", b_x="bar"}"#),
    );
    check(
        vec![rule(LabelKeep, &[], "__name__|a", "", "")],
        &abc,
        Ok(r#"m{a="foo"}"#),
    );
    check(
        vec![
            rule(Uppercase, &["a"], "(.*)", "u", ""),
            rule(Lowercase, &["u"], "(.*)", "l", ""),
        ],
        &abc,
        Ok(r#"m{a="foo", b="bar", c="baz", l="foo", u="FOO"}"#),
    );
    // An empty replacement takes the label away; no match leaves it.
    check(
        vec![rule(Replace, &["a"], "f.*", "b", "")],
        &abc,
        Ok(r#"m{a="foo", c="baz"}"#),
    );
    check(
        vec![rule(Replace, &["a"], "x.*", "b", "y")],
        &abc,
        Ok(r#"m{a="foo", b="bar", c="baz"}"#),
    );
    check(
        vec![rule(Replace, &["none"], "", "d", "new")],
        &[],
        Ok(r#"m{d="new"}"#),
    );
    check(
        vec![rule(Replace, &["a"], "(.*)", "__name__", "$1")],
        &[("a", "n")],
        Ok(r#"n{a="n"}"#),
    );
    check(
        vec![rule(LabelDrop, &[], "__name__", "", "")],
        &abc,
        Err(RuleOutcome::NoName),
    );
}

#[test]
fn labels_do_not_grow_without_end() {
    let double = rule(RuleAction::Replace, &["a"], "(.*)", "a", "$1$1");
    let mut rules = SeriesRules::try_from(vec![double; 40]).unwrap();
    assert_eq!(
        rules.decide(&labels(&[("a", "xx")])),
        Err(RuleOutcome::TooLong)
    );
}

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let drop = rule(RuleAction::Drop, &["a"], "1", "", "");
    let unname = rule(RuleAction::Replace, &["a"], "2", "__name__", "");
    let mut rules = SeriesRules::try_from(vec![drop, unname]).unwrap();
    let mut batch = Batch::default();
    for a in ["1", "2", "3", "1"] {
        batch.start_series(labels(&[("a", a)]));
        batch.push(Timestamp::EPOCH, 1.0);
        batch.push(Timestamp::EPOCH, f64::NAN);
    }
    batch.metadata.push(MetricMetadata {
        metric: "m".to_owned(),
        kind: "gauge".to_owned(),
        help: String::new(),
        unit: String::new(),
    });
    let kept = rules.apply(&batch);
    assert_eq!(
        (
            kept.series_count(),
            kept.sample_count(),
            kept.metadata.len()
        ),
        (1, 2, 1)
    );
    assert_eq!(kept.iter().next().unwrap().labels, &labels(&[("a", "3")]));
    let counted: Vec<_> = rules.left_out().collect();
    assert_eq!(
        counted,
        [(RuleOutcome::Rule(0), 4), (RuleOutcome::NoName, 2)]
    );
}

#[test]
fn bad_rules_are_refused() {
    let refused = |rule| SeriesRules::try_from(vec![rule]).unwrap_err().to_string();
    let error = refused(rule(RuleAction::Keep, &["a"], "(", "", ""));
    assert_eq!(
        error,
        "parameter `regex` must be a regular expression, got `(`"
    );
    let error = refused(rule(RuleAction::Replace, &["a"], "(.*)", "", "$1"));
    assert_eq!(
        error,
        "parameter `target_label` must be the name of a label, got none"
    );
}

#[test]
fn labels_of_one_meaning_get_one_name() {
    check(
        canonical_labels(),
        &[
            ("host.name", "a"),
            ("pod_name", "p"),
            ("job", "j"),
            ("service.name", "s"),
        ],
        Ok(r#"m{host="a", job="j", pod="p", service="s"}"#),
    );
    // What is there already stays, and the first of several synonyms counts.
    check(
        canonical_labels(),
        &[("host", "a"), ("hostname", "b")],
        Ok(r#"m{host="a"}"#),
    );
    check(
        canonical_labels(),
        &[("nodename", "a"), ("host_name", "b")],
        Ok(r#"m{host="b"}"#),
    );
    check(
        canonical_labels(),
        &[("hostXname", "b")],
        Ok(r#"m{hostXname="b"}"#),
    );
}
