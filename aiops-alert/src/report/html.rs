//! The report as a page.

use std::fmt::Write as _;

use aiops_core::IncidentStatus;

use super::{IncidentReport, MAX_ALERTS};
use crate::html::escape;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--paper:#fff;--line:#d1d9e0;--over:#1a7f37;--open:#cf222e}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#0d1117;--line:#3d444d;--over:#3fb950;--open:#f85149}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem;border-bottom:1px solid var(--line)}\
header p{margin:.2rem 0;overflow-wrap:anywhere}.state{font-weight:600}.over{color:var(--over)}.open{color:var(--open)}\
ul{margin:.3rem 0;padding-left:1.3rem}li{overflow-wrap:anywhere}li.sub{margin-left:1.3rem;list-style:circle;color:var(--soft)}\
.none{color:var(--soft)}figure{margin:1.2rem 0;overflow-x:auto}figure svg{min-width:40rem;width:100%;height:auto}\
table{border-collapse:collapse;width:100%;font-size:13px}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line)}\
td:first-child{white-space:nowrap}td{overflow-wrap:anywhere}code{font-size:12px}\
@media print{body{margin:0;max-width:none}}";

pub(super) fn page(report: &IncidentReport<'_>) -> String {
    let incident = report.incident;
    let id = incident.id;
    let (class, state) = match incident.status() {
        IncidentStatus::Open => ("open", "goes on"),
        IncidentStatus::Resolved => ("over", "over"),
    };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{id}</title><style>{STYLE}</style>\
         <header><h1>{id} <span class=\"state {class}\">{state}</span></h1></header>"
    );
    for (heading, lines) in report.sections() {
        let _ = write!(page, "<h2>{heading}</h2>"); // writing to a String cannot fail
        match heading {
            "Alerts" => alerts(&mut page, report),
            _ => list(&mut page, &lines),
        }
        if heading == "When" {
            let _ = write!(page, "<figure>{}</figure>", report.timeline());
        }
    }
    page + "</html>\n"
}

fn list(page: &mut String, lines: &[String]) {
    if lines.is_empty() {
        page.push_str("<p class=\"none\">Not known.</p>");
        return;
    }
    page.push_str("<ul>");
    for line in lines {
        let text = escape(line.trim_start());
        let class = if line.starts_with(' ') {
            " class=\"sub\""
        } else {
            ""
        };
        let _ = write!(page, "<li{class}>{text}</li>");
    }
    page.push_str("</ul>");
}

fn alerts(page: &mut String, report: &IncidentReport<'_>) {
    let alerts = &report.incident.alerts;
    page.push_str("<table><tr><th>Began, lasted</th><th>Labels</th></tr>");
    for alert in alerts.iter().take(MAX_ALERTS) {
        let times = report.times(alert);
        let labels = escape(&alert.labels.to_string());
        let _ = write!(
            page,
            "<tr><td>{times}</td><td><code>{labels}</code></td></tr>"
        );
    }
    page.push_str("</table>");
    if alerts.len() > MAX_ALERTS {
        let _ = write!(page, "<p>and {} more</p>", alerts.len() - MAX_ALERTS);
    }
}
