//! Samples and changes in.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::ingest::remote_write::Version;
use aiops_core::ingest::{Batch, Limits, Report, prometheus_text, remote_write};
use aiops_core::{ChangeEvent, ChangeKind, Labels, StorageError, Timestamp};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{Refusal, Shared};
use crate::clock;

/// How long the body of a request may take to arrive; its share of the memory is held meanwhile.
const BODY_TIME: Duration = Duration::from_secs(30);

/// `POST /api/v1/write`
pub(super) async fn remote_write(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = header(&headers, &CONTENT_TYPE);
    let encoding = header(&headers, &CONTENT_ENCODING);
    // Old senders leave the type out.
    let version = match kind {
        "" => Some(Version::V1),
        kind => Version::from_content_type(kind),
    };
    let Some(version) = version.filter(|_| matches!(encoding, "" | "snappy")) else {
        let what = format!(
            "expected remote-write 1.0 or 2.0: application/x-protobuf with snappy, got `{kind}` \
             with `{encoding}`"
        );
        return Err(count(
            &shared,
            "body.protocol",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            what,
        ));
    };
    let (bytes, permit) = take_body(&shared, &headers, body).await?;
    blocking(move || {
        let _held_until_stored = permit;
        let (report, outcome) = store_remote_write(&shared, version, &bytes);
        let mut response = outcome.into_response();
        if version == Version::V2 {
            for (name, value) in remote_write::written_headers(report.as_ref()) {
                response.headers_mut().insert(name, value.into());
            }
        }
        Ok(response)
    })
    .await
}

/// What was written, unless that is nothing, and the answer.
fn store_remote_write(
    shared: &Shared,
    version: Version,
    bytes: &[u8],
) -> (Option<Report>, Result<StatusCode, Refusal>) {
    let mut batch = Batch::default();
    let decoded = {
        let mut interner = shared
            .interner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let decode = match version {
            Version::V1 => remote_write::decode,
            Version::V2 => remote_write::decode_v2,
        };
        decode(bytes, &limits(shared), &mut interner, &mut batch)
    };
    let report = match decoded {
        Ok(report) => report,
        Err(error) => {
            let reason = format!("body.{}", error.reason());
            let refusal = count(shared, &reason, StatusCode::BAD_REQUEST, error.to_string());
            return (None, Err(refusal));
        }
    };
    for (reason, refused) in &report.refused {
        shared
            .intake
            .counters()
            .refuse(&format!("series.{reason}"), refused.count);
    }
    for (what, ignored) in report.ignored() {
        shared
            .intake
            .counters()
            .refuse(&format!("ignored.{what}"), ignored);
    }
    if let Err(refusal) = keep(shared, "remote-write", &batch) {
        return (None, Err(refusal));
    }
    let outcome = match report.first_refusal() {
        None => Ok(StatusCode::NO_CONTENT),
        Some(first) => Err(Refusal::bad(format!(
            "{} series refused, the first: {first}; the other {} were kept",
            report.refused_series(),
            batch.series_count(),
        ))),
    };
    (Some(report), outcome)
}

/// `POST /api/v1/import/prometheus`
pub(super) async fn import(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let format = prometheus_text::Format::from_content_type(header(&headers, &CONTENT_TYPE));
    let (bytes, permit) = take_body(&shared, &headers, body).await?;
    blocking(move || {
        let _held_until_stored = permit;
        let mut batch = Batch::default();
        let now = clock::now();
        prometheus_text::parse(&bytes, format, now, &limits(&shared), &mut batch).map_err(
            |error| {
                let reason = format!("body.{}", error.reason());
                count(&shared, &reason, StatusCode::BAD_REQUEST, error.to_string())
            },
        )?;
        keep(&shared, "import", &batch)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    id: String,
    time: Option<Time>,
    kind: String,
    component: String,
    summary: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Millis(i64),
    Text(String),
}

/// `POST /api/v1/changes`
pub(super) async fn change(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (bytes, _permit) = take_body(&shared, &headers, body).await?;
    let bad = |what: String| count(&shared, "body.change", StatusCode::BAD_REQUEST, what);
    let body: ChangeBody =
        serde_json::from_slice(&bytes).map_err(|error| bad(format!("change event: {error}")))?;
    let change = read_change(body).map_err(bad)?;
    blocking(move || {
        if shared.pipeline().knows_change(&change.id) {
            return Ok((StatusCode::OK, axum::Json(change)).into_response());
        }
        shared
            .intake
            .change(clock::now(), &change)
            .map_err(|error| storage_refusal(&error))?;
        Ok((StatusCode::CREATED, axum::Json(change)).into_response())
    })
    .await
}

fn read_change(body: ChangeBody) -> Result<ChangeEvent, String> {
    const MAX_TEXT: usize = 4_096;
    let texts = [
        ("id", &body.id),
        ("component", &body.component),
        ("summary", &body.summary),
    ];
    for (name, text) in texts {
        if text.len() > MAX_TEXT || (text.is_empty() && name != "summary") {
            return Err(format!(
                "`{name}` must have 1 to {MAX_TEXT} bytes, has {}",
                text.len()
            ));
        }
    }
    let time = match body.time {
        None => clock::now(),
        Some(Time::Millis(millis)) => Timestamp::from_millis(millis)
            .ok_or_else(|| format!("`time` {millis} is out of range; it is in milliseconds"))?,
        Some(Time::Text(text)) => text.parse().map_err(|error| format!("`time`: {error}"))?,
    };
    let kind = match body.kind.as_str() {
        "deploy" => ChangeKind::Deploy,
        "config" => ChangeKind::Config,
        "scale" => ChangeKind::Scale,
        "restart" => ChangeKind::Restart,
        other => ChangeKind::Other(other.chars().take(64).collect()),
    };
    let labels = Labels::of(&body.labels).map_err(|error| format!("`labels`: {error}"))?;
    let (id, component, summary) = (body.id, body.component, body.summary);
    Ok(ChangeEvent {
        id,
        time,
        kind,
        component,
        summary,
        labels,
    })
}

pub(super) fn keep(shared: &Shared, source: &str, batch: &Batch) -> Result<(), Refusal> {
    if batch.is_empty() {
        return Ok(());
    }
    shared
        .intake
        .samples(source, clock::now(), batch)
        .map_err(|error| storage_refusal(&error))
}

/// Every failure to keep is answered 503: the sender should try again.
pub(super) fn storage_refusal(error: &StorageError) -> Refusal {
    let what = crate::ingest::describe(error);
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not kept, try again: {what}"),
    )
}

pub(super) fn count(shared: &Shared, reason: &str, status: StatusCode, what: String) -> Refusal {
    shared.intake.counters().refuse(reason, 1);
    Refusal::new(status, what)
}

pub(super) fn limits(shared: &Shared) -> Limits {
    let mut limits = Limits::default();
    limits.max_body_bytes = shared.config.limits.body_bytes;
    limits
}

/// Reads the body within the bounds of one body and of all bodies together.
pub(super) async fn take_body(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<(axum::body::Bytes, OwnedSemaphorePermit), Refusal> {
    let limit = shared.config.limits.body_bytes;
    let declared: Option<usize> = header(headers, &CONTENT_LENGTH).parse().ok();
    let too_large = || {
        let what = format!("the body is larger than {limit} bytes");
        count(
            shared,
            "body.too-large",
            StatusCode::PAYLOAD_TOO_LARGE,
            what,
        )
    };
    if declared.is_some_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    // A body that does not say its length is taken for the largest.
    let kilobytes = (declared.unwrap_or(limit) / 1024 + 1) as u32;
    let permit = shared
        .in_flight
        .clone()
        .try_acquire_many_owned(kilobytes)
        .map_err(|_| {
            let what = "too many requests at one time, try again";
            count(
                shared,
                "http.in-flight",
                StatusCode::SERVICE_UNAVAILABLE,
                what.to_owned(),
            )
        })?;
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, limit));
    let slow = || {
        let what = format!("the body took longer than {} s", BODY_TIME.as_secs());
        count(shared, "body.slow", StatusCode::REQUEST_TIMEOUT, what)
    };
    match read.await.map_err(|_| slow())? {
        Ok(bytes) => Ok((bytes, permit)),
        Err(error) if error.to_string().contains("length limit") => Err(too_large()),
        Err(error) => {
            let what = format!("the body ended early: {error}");
            Err(count(
                shared,
                "body.broken-off",
                StatusCode::BAD_REQUEST,
                what,
            ))
        }
    }
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a request handler failed");
            Err(Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal error, see the log",
            ))
        })
}
