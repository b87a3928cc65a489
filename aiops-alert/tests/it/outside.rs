//! Outside bytes: errors, never a panic.

use aiops_alert::engine::AlertEngine;
use aiops_alert::expr::Expression;
use aiops_alert::files::{alertmanager, prometheus};
use aiops_alert::rule::RuleSet;
use aiops_alert::template::Template;
use aiops_core::stored::{load, save};
use proptest::prelude::*;

use crate::engine::quick;
use crate::rule::{above, set};
use crate::support::{alert, at};

const ROUTES: &str = "global:\n  resolve_timeout: 3m\nroute:\n  receiver: a\n  routes:\n  - matchers: ['a=~\"x|y\"']\n    \
    mute_time_intervals: [n]\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://x\ntime_intervals:\n- name: n\n  \
    time_intervals:\n  - times: [{start_time: '00:00', end_time: '06:00'}]\n    days_of_month: ['-3:-1']\n";

const RULES: &str = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: A\n    \
    expr: sum by (a) (rate(x{b=~\"c.*\"}[5m])) / on(a) group_left y > 0.5\n    for: 5m\n    annotations:\n      \
    s: '{{ $labels.a | humanize }} {{ printf \"%.2f\" $value }}'\n";

const EXPRESSION: &str = "histogram_quantile(0.9, sum without (le) (rate(x{a=\"b\"}[1h:5m] offset 1d))) >= bool 1e3 or -y ^ 2";

const TEMPLATE: &str = "a {{- reReplaceAll \"(.*)\" `$1` $labels.x | printf \"%05.1f\" -}} b {{/* c */}} {{ (index .Labels \"y\") }}";

/// Bytes are put in, taken out and changed.
fn mutated(text: &str, changes: &[(usize, u8, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        let place = place % (bytes.len() + 1);
        match kind % 3 {
            0 => bytes.insert(place, *byte),
            1 if place < bytes.len() => {
                bytes.remove(place);
            }
            _ if place < bytes.len() => bytes[place] = *byte,
            _ => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_all(text: &str) {
    let _ = alertmanager::parse(text);
    let _ = prometheus::parse(text);
    let _ = text.parse::<Expression>();
    let _ = text.parse::<Template>();
    let _ = load::<AlertEngine>(text.as_bytes());
    let _ = load::<RuleSet>(text.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_files_are_read_or_refused(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        for text in [ROUTES, RULES, EXPRESSION, TEMPLATE] {
            read_all(&mutated(text, &changes));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        read_all(&text);
    }

    #[test]
    fn changed_states_are_read_or_refused(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let mut engine = AlertEngine::try_from(quick()).unwrap();
        engine.receive(at(0.0), alert("A/a", 0.0, None));
        engine.tick(at(1.0));
        for bytes in [save(&engine), save(&set([above(1.0)]))] {
            read_all(&mutated(&String::from_utf8(bytes).unwrap(), &changes));
        }
    }
}

#[test]
fn what_is_changed_here_is_good_as_it_is() {
    assert!(alertmanager::parse(ROUTES).is_ok());
    assert_eq!(prometheus::parse(RULES).unwrap().unsupported, []);
    assert!(EXPRESSION.parse::<Expression>().is_ok());
    assert!(TEMPLATE.parse::<Template>().is_ok());
}
