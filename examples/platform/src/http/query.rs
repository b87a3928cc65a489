//! What is known, out.

use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::{
    AlertStatus, Cause, Fingerprint, Incident, IncidentStatus, Labels, METRIC_NAME, Outcome,
    Selector, Stance, StorageError, TimeRange, Timestamp,
};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Shared};
use crate::chart::{self, ChartRequest};
use crate::clock;
use crate::component;
use crate::outlook::Exhaustion;
use crate::patience::Patience;
use crate::pipeline::Pipeline;
use crate::watch::Watch;

/// Samples that one answer may hold.
const MAX_SAMPLES: usize = 2_000_000;
/// Series or incidents that one answer may hold.
const MAX_ROWS: usize = 20_000;

type Answer = Result<Response, Refusal>;

/// `GET /api/v1/status`
pub(super) async fn status(State(shared): State<Shared>) -> Answer {
    let answers = shared.answers.clone();
    answers
        .get("status".to_owned(), move |_| {
            let queue = shared.intake.queue().stats();
            let (overview, store) = (shared.overview(), shared.store().stats());
            Ok(json!({
                "version": env!("CARGO_PKG_VERSION"),
                "now": clock::now().as_millis(),
                "started": shared.started.as_millis(),
                "hosts": overview.hosts.len(),
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
        })
        .await
}

/// `GET /api/v1/hosts`
pub(super) async fn hosts(State(shared): State<Shared>) -> Answer {
    let answers = shared.answers.clone();
    let work = move |_: &Patience| {
        let overview = shared.overview();
        let rows = overview.hosts.iter().map(|(host, row)| {
            json!({
                "host": host,
                "series": row.series,
                "anomalous": row.anomalous,
                "warming": row.warming,
                "last_sample": row.last_sample.as_millis(),
            })
        });
        Ok(rows.collect())
    };
    answers.get("hosts".to_owned(), work).await
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
    let limit = query.limit.unwrap_or(500).min(MAX_ROWS);
    let question = format!("series {limit} {selector} {:?}", query.host);
    let answers = shared.answers.clone();
    let work = move |_: &Patience| {
        let pipeline = shared.pipeline();
        let host = query.host.as_deref();
        let mut found: Vec<&Watch> = pipeline
            .watches()
            .iter()
            .filter(|watch| selector.matches(&watch.labels))
            .filter(|watch| host.is_none_or(|host| component::host(&watch.labels) == host))
            .collect();
        let total = found.len();
        let by_labels = |a: &&Watch, b: &&Watch| a.labels.cmp(&b.labels);
        if limit < total {
            found.select_nth_unstable_by(limit, by_labels);
            found.truncate(limit);
        }
        found.sort_unstable_by(by_labels);
        let rows = found.into_iter().map(|watch| series_row(&pipeline, watch));
        let rows: Vec<_> = rows.collect();
        Ok(json!({ "total": total, "series": rows }))
    };
    answers.get(question, work).await
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
        "labels": watch.labels.without(&[METRIC_NAME]),
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
    let question = format!("chart {id} {range:?} {points}");
    let answers = shared.answers.clone();
    let work = move |patience: &Patience| {
        let request = chart_request(&shared, id, range, points)?;
        match chart::draw(&request, patience) {
            Ok(Some(drawn)) => Ok(drawn),
            Ok(None) => Err(given_up()),
            Err(error) => Err(unreadable(&error)),
        }
    };
    answers.get(question, work).await
}

fn chart_request(
    shared: &Shared,
    id: Fingerprint,
    range: TimeRange,
    points: usize,
) -> Result<ChartRequest, Refusal> {
    let pipeline = shared.pipeline();
    let watch = pipeline
        .watches()
        .get(id)
        .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("there is no series {id}")))?;
    let about = pipeline.metadata(watch.labels.metric());
    Ok(ChartRequest {
        labels: watch.labels.clone(),
        fresh: pipeline.new_watch(&watch.labels),
        window: shared.config.detection.window,
        unit: unit(watch, about.map(|about| about.unit.as_str())),
        help: about.map(|about| about.help.clone()).unwrap_or_default(),
        changes: pipeline.changes().cloned().collect(),
        store: pipeline.store().clone(),
        range,
        points,
    })
}

/// The work took too long, or whoever asked has gone.
fn given_up() -> Refusal {
    let what = "this takes too long; ask for fewer series or less time";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what)
}

fn unreadable(error: &StorageError) -> Refusal {
    let what = crate::ingest::describe(error);
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, what)
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
    let question = format!("samples {selector} {range:?}");
    let answers = shared.answers.clone();
    let work = move |patience: &Patience| {
        let (mut rows, mut count) = (Vec::new(), 0);
        let mut show = |labels: &Labels, times: &[Timestamp], values: &[f64]| {
            count += values.len();
            if count > MAX_SAMPLES || patience.is_over() {
                return ControlFlow::Break(());
            }
            let times: Vec<_> = times.iter().map(|time| time.as_millis()).collect();
            let values: Vec<_> = values.iter().map(|value| exact_number(*value)).collect();
            rows.push(json!({ "labels": labels, "times": times, "values": values }));
            ControlFlow::Continue(())
        };
        shared
            .store()
            .select(&selector, range, &mut show)
            .map_err(|error| unreadable(&error))?;
        if count > MAX_SAMPLES {
            let what =
                format!("more than {MAX_SAMPLES} samples; ask for fewer series or less time");
            return Err(Refusal::bad(what));
        }
        if patience.is_over() {
            return Err(given_up());
        }
        Ok(json!({ "series": rows }))
    };
    answers.get(question, work).await
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
) -> Answer {
    let limit = query.limit.unwrap_or(100).min(MAX_ROWS);
    let answers = shared.answers.clone();
    let work = move |_: &Patience| {
        let pipeline = shared.pipeline();
        let mut found: Vec<&Incident> = pipeline.incidents().collect();
        found.sort_by_key(|incident| std::cmp::Reverse(incident.id));
        found.truncate(limit);
        let now = clock::now();
        let rows = found
            .into_iter()
            .map(|incident| incident_row(incident, now));
        Ok(rows.collect())
    };
    answers.get(format!("incidents {limit}"), work).await
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
pub(super) async fn forecasts(State(shared): State<Shared>) -> Answer {
    let answers = shared.answers.clone();
    let work = move |_: &Patience| {
        let found = shared
            .outlooks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let pipeline = shared.pipeline();
        let rows = found.iter().map(|one| forecast_row(&pipeline, one));
        Ok(rows.collect())
    };
    answers.get("forecasts".to_owned(), work).await
}

fn forecast_row(pipeline: &Pipeline, one: &Exhaustion) -> Value {
    let (metric, outlook) = (one.labels.metric(), &one.outlook);
    let about = pipeline.metadata(metric);
    json!({
        "id": one.id().to_string(),
        "metric": metric,
        "labels": one.labels.without(&[METRIC_NAME]),
        "unit": about.map(|about| about.unit.as_str()).unwrap_or_default(),
        "limit": one.limit,
        "current": one.current,
        "probability": outlook.probability,
        "earliest": outlook.earliest.map(Timestamp::as_millis),
        "median": outlook.median.map(Timestamp::as_millis),
        "latest": outlook.latest.map(Timestamp::as_millis),
        "horizon_s": one.horizon.as_secs(),
        "text": outlook.to_string(),
    })
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
pub(super) async fn ledger(State(shared): State<Shared>) -> Answer {
    let answers = shared.answers.clone();
    answers
        .get("ledger".to_owned(), move |_| Ok(shared.pipeline().ledger()))
        .await
}

/// `GET /api/v1/changes`
pub(super) async fn changes(State(shared): State<Shared>) -> Answer {
    let answers = shared.answers.clone();
    let work = move |_: &Patience| {
        let mut changes: Vec<_> = shared.pipeline().changes().cloned().collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.time));
        Ok(json!(changes))
    };
    answers.get("changes".to_owned(), work).await
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
    let quarter = Duration::from_mins(15);
    let start = start.map_or(Ok(end.saturating_sub(quarter)), instant)?;
    if start > end {
        return Err(Refusal::bad("`start` is after `end`"));
    }
    Ok(TimeRange::new(
        start,
        end.saturating_add(Duration::from_nanos(1)),
    ))
}
