//! Scripts on a virtual clock.

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, Notification};
use aiops_core::{Alert, AlertStatus, Labels, Timestamp};

/// `seconds` after the beginning.
pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(1_700_000_000_000_000_000 + (seconds * 1e9).round() as i64)
}

/// Seconds since the beginning.
pub(crate) fn secs(time: Timestamp) -> f64 {
    (time.as_nanos() - 1_700_000_000_000_000_000) as f64 / 1e9
}

pub(crate) fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    Labels::of(pairs.map(|pair| pair.split_once('=').unwrap())).unwrap()
}

/// An alert by the short form of its labels: `A/a` is `alertname=A,instance=a`.
pub(crate) fn alert(name: &str, starts: f64, ends: Option<f64>) -> Alert {
    let labels = match name.split_once('/') {
        Some((name, instance)) => labels(&format!("alertname={name},instance={instance}")),
        None => labels(&format!("alertname={name}")),
    };
    let mut alert = Alert::new(labels, at(starts));
    alert.ends_at = ends.map(at);
    alert
}

/// `2.0 firing A/a B/b-`: time, status, alerts; those that are over with a minus.
pub(crate) fn line(now: f64, notification: &Notification) -> String {
    let status = match notification.status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    };
    let alerts: Vec<String> = notification
        .alerts
        .iter()
        .map(|alert| {
            let name = alert.labels.get("alertname").unwrap_or("?");
            let instance = alert.labels.get("instance").map(|text| format!("/{text}"));
            let over = if alert.ends_at.is_some() { "-" } else { "" };
            format!("{name}{}{over}", instance.unwrap_or_default())
        })
        .collect();
    format!("{now:.1} {status} {}", alerts.join(" "))
}

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Fires; ends are a minute after the last word.
    Fires(&'static str),
    /// Is over.
    Ends(&'static str),
    /// From now on the receiver answers so.
    Answers(Delivery),
    /// From now on the receiver does not answer at all.
    Hangs,
    /// The program is stopped and started again.
    #[cfg(feature = "serde")]
    Restarts,
}

/// Plays steps on a clock that moves by a tenth of a second, sends what there is to send, and
/// answers what was sent.
pub(crate) fn play(
    config: EngineConfig,
    steps: &[(f64, Step)],
    until: f64,
) -> (AlertEngine, Vec<String>) {
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut answer = Some(Delivery::Delivered);
    let mut sent = Vec::new();
    let mut steps = steps.iter().peekable();
    let mut starts = std::collections::BTreeMap::new();
    for tenth in 0..=(until * 10.0) as i64 {
        let now = tenth as f64 / 10.0;
        while let Some((_, step)) = steps.next_if(|(time, _)| *time <= now) {
            match step {
                Step::Fires(name) => {
                    let start = *starts.entry(*name).or_insert(now);
                    engine.receive(at(now), alert(name, start, Some(now + 600.0)));
                }
                Step::Ends(name) => {
                    let start = starts.remove(name).unwrap_or(now);
                    engine.receive(at(now), alert(name, start, Some(now)));
                }
                Step::Answers(delivery) => answer = Some(*delivery),
                Step::Hangs => answer = None,
                #[cfg(feature = "serde")]
                Step::Restarts => {
                    let bytes = aiops_core::stored::save(&engine);
                    engine = aiops_core::stored::load(&bytes).unwrap();
                }
            }
        }
        for notification in engine.tick(at(now)) {
            sent.push(line(now, &notification));
            if let Some(answer) = answer {
                assert!(engine.report_delivery(at(now), &notification.key, answer));
            }
        }
    }
    assert!(steps.next().is_none(), "a step lies after the end");
    (engine, sent)
}
