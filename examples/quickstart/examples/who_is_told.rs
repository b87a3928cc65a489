//! Who is told what, and when? Forty alerts on two hosts within a minute become two messages; a
//! third one says that it is over.

use std::error::Error;
use std::time::Duration;

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
use aiops_core::{AlertStatus, Labels, METRIC_NAME, Sample, Selector, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    let condition = Condition::Above {
        limit: 90.0,
        resolve: Some(80.0),
    };
    let mut rule = RuleConfig::new("DiskFull", Selector::metric("disk_used_percent"), condition);
    rule.hold = Duration::from_secs(10); // shorter peaks are nobody's business
    rule.annotations.insert(
        "summary".into(),
        "{{ $labels.disk }} is {{ $value }} % full".into(),
    );
    let mut rules = RuleSet::new([Rule::try_from(rule)?]); // aiops-alert

    let mut config = EngineConfig::default();
    config.group_by = vec!["host".into()]; // one incident for each host
    config.group_wait = Duration::from_secs(30);
    config.group_interval = Duration::from_mins(1);
    let mut engine = AlertEngine::try_from(config)?;

    let start: Timestamp = "2026-03-02T10:00:00Z".parse()?;
    for second in 0..900 {
        let now = start.saturating_add(Duration::from_secs(second));
        for (host, over_at) in [("db-1", 300), ("db-2", 2_000)] {
            for disk in 0..20 {
                let full = (20 + disk..over_at).contains(&second);
                let value = if full { 95.0 } else { 50.0 };
                let disk = format!("disk-{disk}");
                let pairs = [
                    (METRIC_NAME, "disk_used_percent"),
                    ("host", host),
                    ("disk", &disk),
                ];
                rules.observe_sample(&Labels::of(pairs)?, Sample::new(now, value));
            }
        }
        for alert in rules.tick(now) {
            engine.receive(now, alert);
        }
        for notification in engine.tick(now) {
            let word = match notification.status {
                AlertStatus::Firing => "FIRING  ",
                AlertStatus::Resolved => "RESOLVED",
            };
            let (incident, alerts) = (notification.incident, notification.alerts.len());
            println!(
                "{now}  {word}  {incident} {} with {alerts} alerts",
                notification.group_labels
            );
            engine.report_delivery(now, &notification.key, Delivery::Delivered);
        }
    }
    let ledger = engine.ledger();
    println!(
        "{} alerts opened, {} notifications delivered",
        ledger.opened, ledger.delivered
    );
    Ok(())
}
