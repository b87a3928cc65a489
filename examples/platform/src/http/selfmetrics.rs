//! The platform's own counters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::{Refusal, Shared};

/// `GET /readyz`
pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    match shared.intake.counters().snapshot().storage_error {
        None => "ready\n".into_response(),
        Some(why) => {
            let what = format!("the last write to disk failed: {why}");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what).into_response()
        }
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    match tokio::task::spawn_blocking(move || text(&shared)).await {
        Ok(text) => (kind, text).into_response(),
        Err(error) => {
            tracing::error!(%error, "own metrics failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

fn text(shared: &Shared) -> String {
    let counts = shared.intake.counters().snapshot();
    let queue = shared.intake.queue().stats();
    let overview = shared.overview();
    let store = shared.store().stats();
    #[rustfmt::skip]
    let single = [
        ("samples_accepted_total", COUNTER, "Samples kept.", counts.accepted),
        ("samples_duplicate_total", COUNTER, "Samples known already.", counts.duplicates),
        ("samples_late_total", COUNTER, "Samples too old to be kept.", counts.late),
        ("series", GAUGE, "Series in the store.", store.series),
        ("store_samples", GAUGE, "Samples in the store.", store.samples),
        ("store_memory_bytes", GAUGE, "Memory of the store.", store.memory_bytes),
        ("store_disk_bytes", GAUGE, "Disk of the store.", store.disk_bytes),
        ("detector_memory_bytes", GAUGE, "Memory of detectors.", overview.detector_bytes),
        ("queue_bytes", GAUGE, "Bytes that wait on disk.", queue.bytes),
        ("anomalous_series", GAUGE, "Series with an anomaly now.", overview.anomalous),
        ("warming_series", GAUGE, "Series whose detector has not seen enough.", overview.warming),
        ("open_incidents", GAUGE, "Incidents that are open.", overview.open_incidents),
        ("webhooks_delivered_total", COUNTER, "Deliveries.", counts.delivered),
        ("webhook_failures_total", COUNTER, "Failed tries.", counts.delivery_failures),
    ];
    let mut out = String::new();
    for (name, kind, help, value) in single {
        family(&mut out, name, kind, help);
        let _ = writeln!(out, "aiops_{name} {value}"); // writing to a String cannot fail
    }
    let refused = counts.refused.iter();
    labelled(
        &mut out,
        "refused_total",
        "What was refused, by reason.",
        "reason",
        refused,
    );
    let received: BTreeMap<_, _> = counts
        .sources
        .iter()
        .map(|(name, one)| (name, one.samples))
        .collect();
    let received = received.iter().map(|(name, samples)| (*name, samples));
    let help = "Samples, log lines and spans received, by source.";
    labelled(&mut out, "received_samples_total", help, "source", received);
    out
}

fn labelled<'a>(
    out: &mut String,
    name: &str,
    help: &str,
    label: &str,
    rows: impl Iterator<Item = (&'a String, &'a u64)>,
) {
    family(out, name, COUNTER, help);
    for (value, count) in rows {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = writeln!(out, "aiops_{name}{{{label}=\"{value}\"}} {count}");
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(
        out,
        "# HELP aiops_{name} {help}\n# TYPE aiops_{name} {kind}\n"
    );
}
