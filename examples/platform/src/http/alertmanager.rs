//! Alertmanager's API, version 2, for Prometheus, `amtool` and pages that know it.

use std::time::Duration;

use aiops_alert::api::{Answer, Call, Request, Server};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::ingest::{blocking, limits, storage_refusal, take_body};
use super::{Refusal, Shared};
use crate::clock;

/// How long a change may wait behind what is in the queue already.
const PATIENCE: Duration = Duration::from_secs(5);

/// All paths of the API.
pub(super) fn router() -> Router<Shared> {
    Router::new().route("/api/v2/{*path}", any(handle))
}

async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (bytes, permit) = take_body(&shared, &headers, body).await?;
    blocking(move || {
        let _held_until_stored = permit;
        let request = Request {
            method: method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            body: &bytes,
        };
        answer(&shared, &request)
    })
    .await
}

fn answer(shared: &Shared, request: &Request<'_>) -> Result<Response, Refusal> {
    let now = clock::now();
    let answer = match Call::read(request, now, &limits(shared)) {
        Err(refused) => {
            shared.intake.counters().refuse("api.request", 1);
            refused
        }
        Ok(Call::Question(question)) => {
            let mut server = Server::default();
            server.started = shared.started;
            question.answer(now, shared.pipeline().engine(), &server)
        }
        Ok(Call::Change(change)) if change.is_empty() => {
            shared.pipeline().take_in(now, change) // there is nothing to keep
        }
        Ok(Call::Change(change)) => {
            let place = shared
                .intake
                .alerting(now, &change)
                .map_err(|error| storage_refusal(&error))?;
            shared.alerting.wait(place, PATIENCE).ok_or_else(|| {
                let what = "kept, but not applied yet: the queue is long";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what)
            })?
        }
    };
    Ok(respond(answer))
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], answer.body).into_response()
}
