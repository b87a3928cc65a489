//! Who may ask, and what browsers may do with the answers.

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Refusal, Shared};

const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Lets a request through, or says why not.
pub(super) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // The page holds no data; it must load before it can send the token.
    let open = matches!(path, "/healthz" | "/readyz") || super::assets::is_asset(path);
    let token = shared
        .config
        .token
        .as_ref()
        .map(crate::config::Secret::expose);
    let mut response = match check(request.headers(), token, open) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            shared.intake.counters().refuse("http.unauthorized", 1);
            refusal.into_response()
        }
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(headers: &HeaderMap, token: Option<&str>, open: bool) -> Result<(), Refusal> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let host = text(HOST).unwrap_or_default();
    if let Some(origin) = text(ORIGIN)
        && origin.split_once("://").map(|(_, rest)| rest) != Some(host)
    {
        let what = format!("pages of {origin} may not ask; open http://{host}/ instead");
        return Err(Refusal::new(StatusCode::FORBIDDEN, what));
    }
    match token {
        // Without a token only this machine can connect. The host name is checked, so that a page
        // from elsewhere whose name points at the loopback address cannot ask either.
        None if is_loopback_name(host) => Ok(()),
        None => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("`{host}` is not a loopback name; use 127.0.0.1, or configure a token"),
        )),
        Some(_) if open => Ok(()),
        Some(token) => {
            // InfluxDB's clients say `Token`.
            let schemes = ["Bearer ", "Token "];
            let sent = text(AUTHORIZATION)
                .and_then(|value| schemes.iter().find_map(|scheme| value.strip_prefix(scheme)));
            let equal = sent.is_some_and(|sent| sent.as_bytes().ct_eq(token.as_bytes()).into());
            let what = "send `Authorization: Bearer TOKEN` with the configured token";
            if equal {
                Ok(())
            } else {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, what))
            }
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || is_loopback_v4(name)
}

fn is_loopback_v4(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn status(pairs: &[(&'static str, &'static str)], token: Option<&str>) -> u16 {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        match check(&headers, token, false) {
            Ok(()) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    #[test]
    fn without_a_token_only_loopback_names_may_ask() {
        assert_eq!(status(&[("host", "127.0.0.1:9797")], None), 200);
        assert_eq!(status(&[("host", "localhost:9797")], None), 200);
        assert_eq!(status(&[("host", "[::1]:9797")], None), 200);
        assert_eq!(status(&[("host", "evil.example:9797")], None), 403);
        assert_eq!(status(&[("host", "127.0.0.1.evil.example")], None), 403);
        assert_eq!(status(&[], None), 403);
    }

    #[test]
    fn pages_from_elsewhere_may_not_ask() {
        let host = ("host", "127.0.0.1:9797");
        assert_eq!(
            status(&[host, ("origin", "http://evil.example")], None),
            403
        );
        assert_eq!(status(&[host, ("origin", "null")], None), 403);
        assert_eq!(
            status(&[host, ("origin", "http://127.0.0.1:9797")], None),
            200
        );
    }

    #[test]
    fn a_token_must_be_sent_whole() {
        let token = Some("0123456789abcdef");
        let host = ("host", "metrics.example");
        assert_eq!(status(&[host], token), 401);
        assert_eq!(
            status(&[host, ("authorization", "Bearer 0123456789abcde")], token),
            401
        );
        assert_eq!(
            status(&[host, ("authorization", "Basic 0123456789abcdef")], token),
            401
        );
        assert_eq!(
            status(&[host, ("authorization", "Bearer 0123456789abcdef")], token),
            200
        );
    }
}
