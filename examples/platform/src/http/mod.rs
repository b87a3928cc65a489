//! The HTTP interface; see `API.md`.

mod alertmanager;
mod answers;
mod assets;
mod guard;
mod ingest;
mod query;
mod selfmetrics;
mod signals;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aiops_core::Timestamp;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::chart::SeriesStoreDebug;
use crate::config::Config;
use crate::ingest::Intake;
use crate::outlook::Exhaustion;
use crate::pipeline::{Overview, Pipeline};

pub use answers::Answers;

/// How long counts over all series are good, at least; and so many times as long as it took to
/// count.
const COUNTS_FRESH: Duration = Duration::from_millis(900);
const COUNTS_PROPORTION: u32 = 20;

/// Counts over all series, and until when they are good.
type Counts = Option<(Instant, Arc<Overview>)>;

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// The way into the queue.
    pub intake: Arc<Intake>,
    /// What was made of it.
    pub pipeline: Arc<Mutex<Pipeline>>,
    /// What runs out.
    pub outlooks: Arc<Mutex<Vec<Exhaustion>>>,
    /// Label sets seen before.
    pub interner: Arc<Mutex<aiops_core::ingest::LabelInterner>>,
    /// Kilobytes of request bodies that may still be taken in.
    pub in_flight: Arc<Semaphore>,
    /// What was answered a moment ago.
    pub answers: Arc<Answers>,
    /// What was counted a moment ago.
    pub counts: Arc<Mutex<Counts>>,
    /// What became of alerts and silences that came in.
    pub alerting: Arc<crate::alerting::Answers>,
    /// When this process started.
    pub started: Timestamp,
}

impl Shared {
    /// The pipeline, for a short look.
    pub fn pipeline(&self) -> std::sync::MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn SeriesStoreDebug> {
        self.pipeline().store().clone()
    }

    /// Counts over all series, as they were a moment ago: counting looks at every series.
    pub fn overview(&self) -> Arc<Overview> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        if let Some((_, known)) = counts.as_ref().filter(|(until, _)| *until > started) {
            return known.clone();
        }
        let overview = Arc::new(self.pipeline().overview());
        let good_for = COUNTS_FRESH.max(started.elapsed() * COUNTS_PROPORTION);
        *counts = Some((Instant::now() + good_for, overview.clone()));
        overview
    }
}

/// All paths.
pub fn router(shared: Shared) -> Router {
    let limit = shared.config.limits.body_bytes;
    Router::new()
        .route("/api/v1/write", post(ingest::remote_write))
        .route("/api/v1/import/prometheus", post(ingest::import))
        .route("/api/v1/changes", post(ingest::change).get(query::changes))
        .route("/api/v1/status", get(query::status))
        .route("/api/v1/hosts", get(query::hosts))
        .route("/api/v1/series", get(query::series))
        .route("/api/v1/chart", get(query::chart))
        .route("/api/v1/samples", get(query::samples))
        .route("/api/v1/incidents", get(query::incidents))
        .route("/api/v1/forecasts", get(query::forecasts))
        .route("/api/v1/ingest", get(query::ingest))
        .route("/api/v1/ledger", get(query::ledger))
        .route("/metrics", get(selfmetrics::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(selfmetrics::ready))
        .merge(alertmanager::router())
        .merge(signals::router())
        .merge(assets::router())
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "no such path; see API.md") })
        .layer(axum::middleware::from_fn_with_state(
            shared.clone(),
            guard::guard,
        ))
        .layer(DefaultBodyLimit::max(limit))
        .with_state(shared)
}

/// An answer that says what was wrong.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    what: String,
}

impl Refusal {
    /// Answers `status` with `what` as the error.
    pub fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self {
            status,
            what: what.into(),
        }
    }

    /// The request will never be good.
    pub fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = axum::Json(serde_json::json!({ "error": self.what }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = axum::http::HeaderValue::from_static("5");
            response
                .headers_mut()
                .insert(axum::http::header::RETRY_AFTER, seconds);
        }
        response
    }
}
