//! Metrics, logs and spans as OpenTelemetry sends them, InfluxDB's lines, and log lines.

use std::io::Read as _;

use aiops_core::ingest::otlp::{self, Encoding, MetricsDecoder};
use aiops_core::ingest::{Batch, Report, influx};
use aiops_core::logs::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::ingest::{blocking, count, header, keep, limits, storage_refusal, take_body};
use super::{Refusal, Shared};
use crate::clock;
use crate::record::{self, Origin, Signal};

/// Log lines of one body, each of which takes some hundreds of bytes once it is read.
const MAX_LINES: usize = 100_000;
/// Bytes that are decompressed before the bound on all bodies is asked for more.
const STEP: usize = 64 << 10;
/// Templates that one answer holds unless asked for more.
const TEMPLATES: usize = 500;

/// The paths of this module.
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/v1/metrics", post(metrics))
        .route("/v1/logs", post(logs))
        .route("/v1/traces", post(traces))
        .route("/api/v2/write", post(influx_lines))
        .route("/write", post(influx_lines))
        .route("/api/v1/logs", post(log_lines))
        .route("/api/v1/templates", get(templates))
}

/// `POST /v1/metrics`
async fn metrics(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    export(shared, headers, body, Signal::Metrics).await
}

/// `POST /v1/logs`
async fn logs(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    export(shared, headers, body, Signal::Logs).await
}

/// `POST /v1/traces`
async fn traces(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    export(shared, headers, body, Signal::Spans).await
}

/// What the protocol calls them, how they are counted, and where they come from.
fn names(signal: Signal) -> (&'static str, &'static str, &'static str) {
    match signal {
        Signal::Metrics => ("DataPoints", "points", "otlp-metrics"),
        Signal::Logs => ("LogRecords", "logs", "otlp-logs"),
        Signal::Spans => ("Spans", "spans", "otlp-traces"),
    }
}

/// An export request; the answer, good or bad, has the encoding of the request.
async fn export(shared: Shared, headers: HeaderMap, body: Body, signal: Signal) -> Response {
    let kind = header(&headers, &CONTENT_TYPE);
    let (encoding, answered) = match media_type(kind) {
        "application/x-protobuf" => (Encoding::Protobuf, "application/x-protobuf"),
        "application/json" => (Encoding::Json, "application/json"),
        _ => {
            let what = format!("expected application/x-protobuf or application/json, got `{kind}`");
            return unsupported(&shared, what).into_response();
        }
    };
    let received = receive(shared, &headers, body, signal, encoding).await;
    let (mut response, body) = match received {
        Ok(report) => {
            let body = otlp::accepted(&report, names(signal).0, encoding);
            (StatusCode::OK.into_response(), body)
        }
        Err(refusal) => {
            let body = otlp::rejected(&refusal.what, encoding);
            (refusal.into_response(), body)
        }
    };
    *response.body_mut() = Body::from(body);
    let answered = HeaderValue::from_static(answered);
    response.headers_mut().insert(CONTENT_TYPE, answered);
    response
}

async fn receive(
    shared: Shared,
    headers: &HeaderMap,
    body: Body,
    signal: Signal,
    encoding: Encoding,
) -> Result<Report, Refusal> {
    let body = Packed::take(&shared, headers, body).await?;
    blocking(move || {
        let (bytes, _held_until_stored) = body.unpack(&shared)?;
        let report = read(&shared, signal, encoding, &bytes).map_err(|error| {
            let status = match error {
                otlp::Error::TooLarge { .. } | otlp::Error::TooMany { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                _ => StatusCode::BAD_REQUEST,
            };
            let reason = format!("body.{}", error.reason());
            count(&shared, &reason, status, chain(&error))
        })?;
        let (_, counted, source) = names(signal);
        count_report(&shared, counted, &report);
        if report.samples > 0 {
            let record = record::otlp(signal, encoding, &bytes);
            shared
                .intake
                .record(source, clock::now(), &record, report.samples)
                .map_err(|error| storage_refusal(&error))?;
        }
        Ok(report)
    })
    .await
}

/// Reads a request to see what is wrong with it; it is kept as it came.
fn read(
    shared: &Shared,
    signal: Signal,
    encoding: Encoding,
    bytes: &[u8],
) -> Result<Report, otlp::Error> {
    let limits = limits(shared);
    match signal {
        Signal::Metrics => {
            let mut decoder = MetricsDecoder::new(shared.config.limits.series);
            decoder.decode(bytes, encoding, &limits, &mut Batch::default())
        }
        Signal::Logs => otlp::decode_logs(bytes, encoding, clock::now(), &limits, &mut Vec::new()),
        Signal::Spans => otlp::decode_spans(bytes, encoding, &limits, &mut Vec::new()),
    }
}

fn count_report(shared: &Shared, counted: &str, report: &Report) {
    let counters = shared.intake.counters();
    for (reason, refused) in &report.refused {
        counters.refuse(&format!("{counted}.{reason}"), refused.count);
    }
    for (what, ignored) in report.ignored() {
        counters.refuse(&format!("ignored.{what}"), ignored);
    }
}

#[derive(Deserialize)]
struct InfluxQuery {
    #[serde(default)]
    precision: String,
}

/// `POST /api/v2/write` and `POST /write`; organisation, bucket and data base are not looked at.
async fn influx_lines(
    State(shared): State<Shared>,
    Query(query): Query<InfluxQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let precision = influx::Precision::from_name(&query.precision).ok_or_else(|| {
        let what = format!(
            "`precision`: expected ns, us, ms or s, got `{}`",
            query.precision
        );
        count(&shared, "body.precision", StatusCode::BAD_REQUEST, what)
    })?;
    let body = Packed::take(&shared, &headers, body).await?;
    blocking(move || {
        let (bytes, _held_until_stored) = body.unpack(&shared)?;
        let (mut batch, now) = (Batch::default(), clock::now());
        let report = influx::parse(&bytes, precision, now, &limits(&shared), &mut batch).map_err(
            |error| {
                let status = match error {
                    influx::Error::Utf8 { .. } => StatusCode::BAD_REQUEST,
                    _ => StatusCode::PAYLOAD_TOO_LARGE,
                };
                let reason = format!("body.{}", error.reason());
                count(&shared, &reason, status, error.to_string())
            },
        )?;
        count_report(&shared, "lines", &report);
        keep(&shared, "influx", &batch)?;
        match report.first_refusal() {
            None => Ok(StatusCode::NO_CONTENT.into_response()),
            Some(first) => Err(Refusal::bad(format!(
                "{} lines refused, the first: {first}; the other lines were kept",
                report.refused_series(),
            ))),
        }
    })
    .await
}

/// `POST /api/v1/logs`
async fn log_lines(
    State(shared): State<Shared>,
    Query(origin): Query<Origin>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let is_json = media_type(header(&headers, &CONTENT_TYPE)) == "application/json";
    let body = Packed::take(&shared, &headers, body).await?;
    blocking(move || {
        let (bytes, _held_until_stored) = body.unpack(&shared)?;
        let bad = |reason: &str, what| count(&shared, reason, StatusCode::BAD_REQUEST, what);
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let what = format!("byte {}: expected UTF-8", error.valid_up_to());
            bad("body.utf8", what)
        })?;
        let listed = if is_json && text.trim_start().starts_with('[') {
            let lines = one_a_line(text);
            Some(lines.map_err(|error| bad("body.json", format!("list of records: {error}")))?)
        } else {
            None
        };
        let text = listed.as_deref().unwrap_or(text);
        let lines = record::non_empty(text).take(MAX_LINES + 1).count();
        if lines > MAX_LINES {
            let what = format!("more than {MAX_LINES} lines in one body");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(count(&shared, "body.too-many", status, what));
        }
        if lines > 0 {
            let record = record::lines(&origin, text);
            shared
                .intake
                .record("logs", clock::now(), &record, lines as u64)
                .map_err(|error| storage_refusal(&error))?;
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// The items of a JSON list, one a line.
fn one_a_line(text: &str) -> Result<String, serde_json::Error> {
    let items: Vec<&RawValue> = serde_json::from_str(text)?;
    let mut lines = String::with_capacity(text.len());
    for item in items {
        // Within JSON, a line can end only where a blank could stand.
        lines.extend(
            item.get()
                .chars()
                .map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }),
        );
        lines.push('\n');
    }
    Ok(lines)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplatesQuery {
    limit: Option<usize>,
}

/// `GET /api/v1/templates`
async fn templates(
    State(shared): State<Shared>,
    Query(query): Query<TemplatesQuery>,
) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(TEMPLATES);
    let answers = shared.answers.clone();
    answers
        .get(format!("templates {limit}"), move |_| {
            let pipeline = shared.pipeline();
            let mut all = pipeline.activity().templates();
            let total = all.len();
            all.sort_by_key(|template| (std::cmp::Reverse(template.count()), template.id()));
            all.truncate(limit);
            let row = |template: &&Template| {
                json!({
                    "template": template.id().to_string(),
                    "text": template.text(),
                    "lines": template.count(),
                })
            };
            let rows: Vec<_> = all.iter().map(row).collect();
            Ok(json!({ "total": total, "templates": rows }))
        })
        .await
}

/// A body as it came, which may be compressed.
struct Packed {
    bytes: axum::body::Bytes,
    permit: OwnedSemaphorePermit,
    gzip: bool,
}

impl Packed {
    async fn take(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let gzip = match header(headers, &CONTENT_ENCODING) {
            "" | "identity" => false,
            "gzip" => true,
            other => {
                let what = format!("expected content encoding gzip or none, got `{other}`");
                return Err(unsupported(shared, what));
            }
        };
        let (bytes, permit) = take_body(shared, headers, body).await?;
        Ok(Self {
            bytes,
            permit,
            gzip,
        })
    }

    /// The body itself, within the bounds of one body and of all bodies together.
    fn unpack(self, shared: &Shared) -> Result<(axum::body::Bytes, OwnedSemaphorePermit), Refusal> {
        let Self {
            bytes,
            mut permit,
            gzip,
        } = self;
        if !gzip {
            return Ok((bytes, permit));
        }
        let limit = shared.config.limits.body_bytes;
        let (mut unpacked, mut packed) = (Vec::new(), MultiGzDecoder::new(&bytes[..]));
        loop {
            let more = shared.in_flight.clone();
            let more = more.try_acquire_many_owned((STEP / 1024) as u32);
            permit.merge(more.map_err(|_| {
                let (status, what) = (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many requests at one time, try again",
                );
                count(shared, "http.in-flight", status, what.to_owned())
            })?);
            let room = STEP.min(limit + 1 - unpacked.len()) as u64;
            let read = packed.by_ref().take(room).read_to_end(&mut unpacked);
            let read = read.map_err(|error| {
                let what = format!("gzip, behind {} bytes: {error}", unpacked.len());
                count(shared, "body.gzip", StatusCode::BAD_REQUEST, what)
            })?;
            if unpacked.len() > limit {
                let what = format!("the body is larger than {limit} bytes, decompressed");
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(count(shared, "body.too-large", status, what));
            }
            if read == 0 {
                return Ok((unpacked.into(), permit));
            }
        }
    }
}

/// A content type without its parameters.
fn media_type(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

fn unsupported(shared: &Shared, what: String) -> Refusal {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    count(shared, "body.protocol", status, what)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(cause) => format!("{error}: {}", chain(cause)),
    }
}
