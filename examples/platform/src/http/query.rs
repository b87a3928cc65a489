//! What is known, out.

use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::store::SeriesStore as _;
use aiops_core::{
    AlertStatus, Cause, ChangeEvent, Fingerprint, Incident, IncidentStatus, Outcome, Sample,
    Selector, Stance, TimeRange, Timestamp,
};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Shared};
use crate::chart::{self, ChartRequest};
use crate::clock;
use crate::pipeline::Pipeline;
use crate::watch::Watch;

/// Samples that one answer may hold.
const MAX_SAMPLES: usize = 2_000_000;

type Answer = Result<Json<Value>, Refusal>;

/// `GET /api/v1/status`
pub(super) async fn status(State(shared): State<Shared>) -> Json<Value> {
    let queue = shared.intake.queue().stats();
    let pipeline = shared.pipeline();
    let (overview, store) = (pipeline.overview(), pipeline.store().stats());
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": clock::now().as_millis(),
        "started": shared.started.as_millis(),
        "hosts": overview.hosts,
        "series": store.series,
        "samples": store.samples,
        "anomalous_series": overview.anomalous,
        "warming_series": overview.warming,
        "open_incidents": overview.open_incidents,
        "data_dir": shared.config.data_dir.display().to_string(),
        "memory_bytes": store.memory_bytes + overview.detector_bytes,
        "disk_bytes": store.disk_bytes,
        "queue_bytes": queue.bytes,
        "queue_limit_bytes": queue.limit_bytes,
    }))
}

/// `GET /api/v1/hosts`
pub(super) async fn hosts(State(shared): State<Shared>) -> Json<Value> {
    let hosts = shared.pipeline().hosts();
    let rows = hosts.into_iter().map(|(host, row)| {
        json!({
            "host": host,
            "series": row.series,
            "anomalous": row.anomalous,
            "warming": row.warming,
            "last_sample": row.last_sample.as_millis(),
        })
    });
    Json(rows.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeriesQuery {
    r#match: Option<String>,
    host: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/series`
pub(super) async fn series(
    State(shared): State<Shared>,
    Query(query): Query<SeriesQuery>,
) -> Answer {
    let selector = selector(query.r#match.as_deref())?;
    let pipeline = shared.pipeline();
    let mut found: Vec<&Watch> = pipeline
        .watches()
        .filter(|watch| selector.matches(&watch.labels))
        .filter(|watch| {
            query
                .host
                .as_deref()
                .is_none_or(|host| crate::component::host(&watch.labels) == host)
        })
        .collect();
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    let total = found.len();
    found.truncate(query.limit.unwrap_or(500));
    let rows: Vec<_> = found
        .into_iter()
        .map(|watch| series_row(&pipeline, watch))
        .collect();
    Ok(Json(json!({ "total": total, "series": rows })))
}

fn series_row(pipeline: &Pipeline, watch: &Watch) -> Value {
    let about = pipeline.metadata(watch.labels.metric());
    let verdict = watch.verdict.as_ref();
    let warming = match verdict.map(|verdict| verdict.outcome) {
        Some(Outcome::Warming { seen, needed }) => json!({ "seen": seen, "needed": needed }),
        _ => Value::Null,
    };
    let shown = verdict
        .map(|verdict| verdict.value)
        .or(watch.last.map(|last| last.value));
    json!({
        "id": watch.labels.fingerprint().to_string(),
        "metric": watch.labels.metric(),
        "labels": watch.labels.without(&[aiops_core::METRIC_NAME]),
        "unit": unit(watch, about.map(|about| about.unit.as_str())),
        "help": about.map(|about| about.help.as_str()).unwrap_or_default(),
        "last": shown.filter(|value| value.is_finite()),
        "last_time": watch.last.map(|last| last.time.as_millis()),
        "state": verdict.map_or("missing", |verdict| state(verdict.outcome)),
        "score": verdict.and_then(|verdict| verdict.score),
        "warming": warming,
    })
}

/// A counter is shown as a rate.
fn unit(watch: &Watch, unit: Option<&str>) -> String {
    let unit = unit.unwrap_or_default();
    match (&watch.rate, unit) {
        (Some(_), "") => "per second".to_owned(),
        (Some(_), unit) => format!("{unit} per second"),
        (None, unit) => unit.to_owned(),
    }
}

fn state(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Normal => "normal",
        Outcome::Anomalous => "anomalous",
        Outcome::Suppressed(_) => "suppressed",
        Outcome::Warming { .. } => "warming",
        _ => "missing",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChartQuery {
    id: String,
    start: Option<i64>,
    end: Option<i64>,
    points: Option<usize>,
}

/// `GET /api/v1/chart`
pub(super) async fn chart(State(shared): State<Shared>, Query(query): Query<ChartQuery>) -> Answer {
    let now = clock::now();
    let range = range(query.start, query.end, now)?;
    let id = u64::from_str_radix(&query.id, 16)
        .map(Fingerprint)
        .map_err(|_| Refusal::bad(format!("`id` {} is not 16 hexadecimal digits", query.id)))?;
    let points = query.points.unwrap_or(600).clamp(10, 5_000);
    let request = {
        let pipeline = shared.pipeline();
        let watch = pipeline.watch(id).ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, format!("there is no series {id}"))
        })?;
        let about = pipeline.metadata(watch.labels.metric());
        ChartRequest {
            labels: watch.labels.clone(),
            fresh: pipeline.new_watch(&watch.labels),
            unit: unit(watch, about.map(|about| about.unit.as_str())),
            help: about.map(|about| about.help.clone()).unwrap_or_default(),
            changes: pipeline.changes().cloned().collect(),
            store: pipeline.store().clone(),
            range,
            points,
        }
    };
    let drawn = tokio::task::spawn_blocking(move || chart::draw(&request))
        .await
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "drawing failed"))?;
    drawn.map(Json).map_err(|error| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            crate::ingest::describe(&error),
        )
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SamplesQuery {
    r#match: String,
    start: Option<i64>,
    end: Option<i64>,
}

/// `GET /api/v1/samples`
pub(super) async fn samples(
    State(shared): State<Shared>,
    Query(query): Query<SamplesQuery>,
) -> Answer {
    let selector = selector(Some(&query.r#match))?;
    let range = range(query.start, query.end, clock::now())?;
    let store = shared.pipeline().store().clone();
    let read = move || {
        let (mut rows, mut count) = (Vec::new(), 0);
        store.select(&selector, range, &mut |labels, times, values| {
            count += values.len();
            let times: Vec<_> = times.iter().map(|time| time.as_millis()).collect();
            let values: Vec<_> = values.iter().map(|value| exact_number(*value)).collect();
            rows.push(json!({ "labels": labels, "times": times, "values": values }));
            if count > MAX_SAMPLES {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok::<_, aiops_core::StorageError>((rows, count))
    };
    let failed = |what: String| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, what);
    let (rows, count) = tokio::task::spawn_blocking(read)
        .await
        .map_err(|_| failed("reading failed".to_owned()))?
        .map_err(|error| failed(crate::ingest::describe(&error)))?;
    if count > MAX_SAMPLES {
        let what = format!("more than {MAX_SAMPLES} samples; ask for fewer series or less time");
        return Err(Refusal::bad(what));
    }
    Ok(Json(json!({ "series": rows })))
}

/// A number, or the word for what JSON has no number for.
fn exact_number(value: f64) -> Value {
    match value {
        value if is_stale(value) => json!("stale"),
        f64::INFINITY => json!("+Inf"),
        f64::NEG_INFINITY => json!("-Inf"),
        value if value.is_nan() => json!("NaN"),
        value => json!(value),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limited {
    limit: Option<usize>,
}

/// `GET /api/v1/incidents`
pub(super) async fn incidents(
    State(shared): State<Shared>,
    Query(query): Query<Limited>,
) -> Json<Value> {
    let pipeline = shared.pipeline();
    let mut found: Vec<&Incident> = pipeline.incidents().collect();
    found.sort_by_key(|incident| std::cmp::Reverse(incident.id));
    found.truncate(query.limit.unwrap_or(100));
    let now = clock::now();
    Json(
        found
            .into_iter()
            .map(|incident| incident_row(incident, now))
            .collect(),
    )
}

fn incident_row(incident: &Incident, now: Timestamp) -> Value {
    let alerts: Vec<_> = incident
        .alerts
        .iter()
        .map(|alert| {
            let firing = alert.status(now) == AlertStatus::Firing;
            json!({
                "labels": alert.labels,
                "annotations": alert.annotations,
                "status": if firing { "firing" } else { "resolved" },
                "starts": alert.starts_at.as_millis(),
                "ends": alert.ends_at.filter(|_| !firing).map(Timestamp::as_millis),
            })
        })
        .collect();
    let open = incident.status() == IncidentStatus::Open;
    json!({
        "id": incident.id.to_string(),
        "status": if open { "open" } else { "resolved" },
        "opened": incident.opened_at.as_millis(),
        "resolved": incident.resolved_at.map(Timestamp::as_millis),
        "summary": incident.summary,
        "group": incident.group,
        "alerts": alerts,
        "causes": incident.causes.iter().map(cause_row).collect::<Vec<_>>(),
    })
}

fn cause_row(cause: &Cause) -> Value {
    let evidence: Vec<_> = cause
        .evidence
        .iter()
        .map(|one| {
            let stance = if one.stance == Stance::For {
                "for"
            } else {
                "against"
            };
            json!({ "stance": stance, "text": one.fact.to_string() })
        })
        .collect();
    json!({
        "component": cause.component,
        "metric": cause.metric,
        "score": cause.score,
        "confidence": cause.confidence,
        "evidence": evidence,
    })
}

/// `GET /api/v1/forecasts`
pub(super) async fn forecasts(State(shared): State<Shared>) -> Json<Value> {
    let found = shared
        .outlooks
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    let pipeline = shared.pipeline();
    let rows = found.iter().map(|one| {
        let metric = one.labels.metric();
        let outlook = &one.outlook;
        json!({
            "id": one.id().to_string(),
            "metric": metric,
            "labels": one.labels.without(&[aiops_core::METRIC_NAME]),
            "unit": pipeline.metadata(metric).map(|about| about.unit.as_str()).unwrap_or_default(),
            "limit": one.limit,
            "current": one.current,
            "probability": outlook.probability,
            "earliest": outlook.earliest.map(Timestamp::as_millis),
            "median": outlook.median.map(Timestamp::as_millis),
            "latest": outlook.latest.map(Timestamp::as_millis),
            "horizon_s": one.horizon.as_secs(),
            "text": outlook.to_string(),
        })
    });
    Json(rows.collect())
}

/// `GET /api/v1/ingest`
pub(super) async fn ingest(State(shared): State<Shared>) -> Json<Value> {
    let counts = shared.intake.counters().snapshot();
    let sources: Vec<_> = counts
        .sources
        .iter()
        .map(|(source, count)| {
            json!({
                "source": source,
                "requests": count.requests,
                "samples": count.samples,
                "last": count.last,
            })
        })
        .collect();
    Json(json!({
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "late": counts.late,
        "refused": counts.refused,
        "sources": sources,
    }))
}

/// `GET /api/v1/ledger`
pub(super) async fn ledger(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.pipeline().ledger())
}

/// `GET /api/v1/changes`
pub(super) async fn changes(State(shared): State<Shared>) -> Json<Vec<ChangeEvent>> {
    let mut changes: Vec<_> = shared.pipeline().changes().cloned().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.time));
    Json(changes)
}

fn selector(text: Option<&str>) -> Result<Selector, Refusal> {
    match text {
        None => Ok(Selector::all()),
        Some(text) => text
            .parse()
            .map_err(|error| Refusal::bad(format!("`match` {text}: {error}"))),
    }
}

/// By default the last 15 minutes; `end` is inside.
fn range(start: Option<i64>, end: Option<i64>, now: Timestamp) -> Result<TimeRange, Refusal> {
    let instant = |millis| {
        Timestamp::from_millis(millis)
            .ok_or_else(|| Refusal::bad(format!("{millis} is out of range; it is in milliseconds")))
    };
    let end = end.map_or(Ok(now), instant)?;
    let quarter = Duration::from_secs(15 * 60);
    let start = start.map_or(Ok(end.saturating_sub(quarter)), instant)?;
    if start > end {
        return Err(Refusal::bad("`start` is after `end`"));
    }
    Ok(TimeRange::new(
        start,
        end.saturating_add(Duration::from_nanos(1)),
    ))
}

/// The value that a chart shows for a sample: `None` where JSON has no number.
pub(crate) fn drawable(sample: Sample) -> Option<f64> {
    Some(sample.value).filter(|value| value.is_finite())
}
