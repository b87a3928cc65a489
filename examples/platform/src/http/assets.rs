//! The page and its parts, inside the program; no build step, no request to any other host.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::Shared;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, type, contents.
const ASSETS: [(&str, &str, &str); 10] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../../assets/index.html"),
    ),
    ("/app.js", SCRIPT, include_str!("../../assets/app.js")),
    ("/api.js", SCRIPT, include_str!("../../assets/api.js")),
    ("/chart.js", SCRIPT, include_str!("../../assets/chart.js")),
    ("/dom.js", SCRIPT, include_str!("../../assets/dom.js")),
    ("/format.js", SCRIPT, include_str!("../../assets/format.js")),
    ("/panels.js", SCRIPT, include_str!("../../assets/panels.js")),
    ("/series.js", SCRIPT, include_str!("../../assets/series.js")),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/style.css"),
    ),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../../assets/icon.svg"),
    ),
];

pub(super) fn is_asset(path: &str) -> bool {
    ASSETS.iter().any(|(known, _, _)| *known == path)
}

pub(super) fn router() -> Router<Shared> {
    ASSETS
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(
                path,
                get(move || async move { ([(CONTENT_TYPE, kind)], text) }),
            )
        })
}
