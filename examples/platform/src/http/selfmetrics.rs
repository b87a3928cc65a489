//! The platform's own counters.

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
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text(&shared),
    )
        .into_response()
}

fn text(shared: &Shared) -> String {
    let counts = shared.intake.counters().snapshot();
    let queue = shared.intake.queue().stats();
    let (store, overview) = {
        let pipeline = shared.pipeline();
        (pipeline.store().stats(), pipeline.overview())
    };
    let mut out = String::new();
    let mut single = |name: &str, kind: &str, help: &str, value: u64| {
        family(&mut out, name, kind, help);
        let _ = writeln!(out, "aiops_{name} {value}"); // writing to a String cannot fail
    };
    single(
        "samples_accepted_total",
        "counter",
        "Samples kept.",
        counts.accepted,
    );
    single(
        "samples_duplicate_total",
        "counter",
        "Samples known already.",
        counts.duplicates,
    );
    single(
        "samples_late_total",
        "counter",
        "Samples too old to be kept.",
        counts.late,
    );
    single("series", "gauge", "Series in the store.", store.series);
    single(
        "store_samples",
        "gauge",
        "Samples in the store.",
        store.samples,
    );
    single(
        "store_memory_bytes",
        "gauge",
        "Memory of the store.",
        store.memory_bytes,
    );
    single(
        "store_disk_bytes",
        "gauge",
        "Disk of the store.",
        store.disk_bytes,
    );
    single(
        "detector_memory_bytes",
        "gauge",
        "Memory of detectors.",
        overview.detector_bytes,
    );
    single(
        "queue_bytes",
        "gauge",
        "Bytes that wait on disk.",
        queue.bytes,
    );
    single(
        "anomalous_series",
        "gauge",
        "Series with an anomaly now.",
        overview.anomalous,
    );
    single(
        "open_incidents",
        "gauge",
        "Incidents that are open.",
        overview.open_incidents,
    );
    single(
        "webhooks_delivered_total",
        "counter",
        "Deliveries.",
        counts.delivered,
    );
    single(
        "webhook_failures_total",
        "counter",
        "Failed tries.",
        counts.delivery_failures,
    );
    family(
        &mut out,
        "refused_total",
        "counter",
        "What was refused, by reason.",
    );
    for (reason, count) in &counts.refused {
        let _ = writeln!(out, "aiops_refused_total{{reason={reason:?}}} {count}");
    }
    family(
        &mut out,
        "received_samples_total",
        "counter",
        "Samples received, by source.",
    );
    for (source, count) in &counts.sources {
        let samples = count.samples;
        let _ = writeln!(
            out,
            "aiops_received_samples_total{{source={source:?}}} {samples}"
        );
    }
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(
        out,
        "# HELP aiops_{name} {help}\n# TYPE aiops_{name} {kind}\n"
    );
}
