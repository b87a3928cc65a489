//! Configuration files of others.

use std::time::Duration;

use aiops_alert::files::alertmanager;

use crate::conformance::data;

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
