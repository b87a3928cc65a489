//! The timeline as SVG.

use std::fmt::Write as _;

use aiops_core::{Alert, Labels, Timestamp};

use super::{IncidentReport, action};
use crate::html::escape;

const WIDTH: f64 = 960.0;
/// Where the bars begin; the names stand left of it.
const LEFT: f64 = 260.0;
const RIGHT: f64 = WIDTH - 16.0;
/// Characters of a name that fit left of the bars.
const NAME: usize = 40;
/// Characters of an action that fit on a line.
const ACTION: usize = 140;
const TOP: usize = 46;
const ROW: usize = 18;
const MAX_ROWS: usize = 40;
const MAX_ACTIONS: usize = 20;
/// Most marks on the axis.
const MARKS: i64 = 8;
/// Distances of marks, in seconds.
const STEPS: [i64; 15] = [
    1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000,
];

const STYLE: &str = "\
.tl{--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--critical:#cf222e;--warning:#bf8700;--info:#0969da;--done:#1a7f37;font:11px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.tl{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--critical:#f85149;--warning:#d29922;--info:#4493f8;--done:#3fb950}}\
.tl text{fill:var(--ink)}.tl .soft{fill:var(--soft)}.tl .grid{stroke:var(--line)}.tl .critical{fill:var(--critical)}\
.tl .warning{fill:var(--warning)}.tl .info{fill:var(--info)}.tl .done{fill:none;stroke:var(--done);stroke-dasharray:3 2}\
.tl .dot{fill:var(--done)}.tl .number{fill:#fff;font-weight:600}\
@media(prefers-color-scheme:dark){.tl .number{fill:#0d1117}}";

/// From times to places.
struct Axis {
    start: Timestamp,
    seconds: f64,
}

impl Axis {
    fn x(&self, at: Timestamp) -> f64 {
        let since = at.since(self.start).as_secs_f64(); // 0 before the start
        LEFT + (RIGHT - LEFT) * (since / self.seconds).min(1.0)
    }
}

pub(super) fn draw(report: &IncidentReport<'_>) -> String {
    let mut alerts: Vec<&Alert> = report.incident.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.starts_at); // those that begin together keep their order
    let first = alerts.first().map(|alert| alert.starts_at);
    let start = first.map_or(report.incident.opened_at, |first| {
        first.min(report.incident.opened_at)
    });
    let last_action = report.actions.iter().map(|entry| entry.at).max();
    let end = last_action.map_or(report.ends_at(), |last| last.max(report.ends_at()));
    let axis = Axis {
        start,
        seconds: end.since(start).as_secs_f64().max(1.0),
    };
    let rows = alerts.len().min(MAX_ROWS) + usize::from(alerts.len() > MAX_ROWS);
    let bottom = TOP + ROW * rows.max(1);
    let actions =
        report.actions.len().min(MAX_ACTIONS) + usize::from(report.actions.len() > MAX_ACTIONS);
    let height = bottom + ROW * actions + 12;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tl\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"timeline of {}\"><style>{STYLE}</style>",
        report.incident.id
    );
    marks(&mut svg, &axis, bottom);
    let shared = shared(&alerts);
    for (row, alert) in alerts.iter().take(MAX_ROWS).enumerate() {
        bar(&mut svg, report, &axis, alert, TOP + row * ROW, &shared);
    }
    if alerts.len() > MAX_ROWS {
        let more = alerts.len() - MAX_ROWS;
        let y = TOP + MAX_ROWS * ROW + 13;
        let _ = write!(
            svg,
            "<text class=\"soft\" x=\"0\" y=\"{y}\">and {more} more</text>"
        );
    }
    done(&mut svg, report, &axis, bottom);
    svg + "</svg>"
}

/// Lines and words of the axis, at round times.
fn marks(svg: &mut String, axis: &Axis, bottom: usize) {
    let begin = axis.start.as_nanos().div_euclid(1_000_000_000);
    let end = begin + axis.seconds as i64;
    let fits = |step: &&i64| (end - begin) / **step <= MARKS;
    let step = STEPS.iter().find(fits).copied();
    let step = step.unwrap_or_else(|| (end - begin) / MARKS + 1);
    let day = axis.start.to_string();
    let day = day.get(..10).unwrap_or_default();
    let _ = write!(
        svg,
        "<text class=\"soft\" x=\"0\" y=\"12\">{day} UTC</text>"
    );
    let mut at = begin.div_euclid(step) * step;
    while at <= end {
        if at >= begin
            && let Some(time) = Timestamp::from_secs(at)
        {
            let x = axis.x(time);
            let text = time.to_string();
            let shown = match step {
                86_400.. => text.get(5..10),
                60.. => text.get(11..16),
                _ => text.get(11..19),
            };
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"soft\" x=\"{x:.1}\" y=\"12\" text-anchor=\"middle\">{}</text>",
                shown.unwrap_or_default()
            );
        }
        at += step;
    }
}

fn bar(
    svg: &mut String,
    report: &IncidentReport<'_>,
    axis: &Axis,
    alert: &Alert,
    y: usize,
    shared: &Labels,
) {
    let ended = alert.ends_at.filter(|end| *end <= report.now);
    let end = ended.unwrap_or_else(|| report.ends_at());
    let (from, to) = (axis.x(alert.starts_at), axis.x(end));
    let class = match alert.labels.get("severity") {
        Some("warning" | "ticket") => "warning",
        Some("info" | "none") => "info",
        _ => "critical",
    };
    let _ = write!(
        svg,
        "<g><title>{}</title><text x=\"0\" y=\"{}\">{}</text>\
         <rect class=\"{class}\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"/>",
        escape(&format!("{}: {}", report.times(alert), alert.labels)),
        y + 13,
        escape(&shorten(&name(alert, shared), NAME)),
        y + 3,
        (to - from).max(2.0),
        ROW - 6,
    );
    if ended.is_none() {
        // An arrow: it goes on.
        let (middle, tip) = (y + ROW / 2, to.max(from + 2.0) + 8.0);
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{:.1} {} L{tip:.1} {middle} L{:.1} {} Z\"/>",
            tip - 8.0,
            y + 3,
            tip - 8.0,
            y + ROW - 3,
        );
    }
    svg.push_str("</g>");
}

/// What was done: lines through the bars with numbers, and below them what the numbers mean.
fn done(svg: &mut String, report: &IncidentReport<'_>, axis: &Axis, bottom: usize) {
    let mut actions: Vec<_> = report.actions.iter().collect();
    actions.sort_by_key(|entry| entry.at);
    let more = actions.len().saturating_sub(MAX_ACTIONS);
    actions.truncate(MAX_ACTIONS);
    let times: Vec<f64> = actions.iter().map(|entry| axis.x(entry.at)).collect();
    let numbers = apart(&times);
    for (index, entry) in actions.iter().enumerate() {
        let (x, dot, number) = (times[index], numbers[index], index + 1);
        let y = bottom + ROW * index + 18;
        let text = action(entry);
        let _ = write!(
            svg,
            "<g><title>{}</title><path class=\"done\" d=\"M{dot:.1} 32 L{x:.1} 42 V{bottom}\"/>\
             <circle class=\"dot\" cx=\"{dot:.1}\" cy=\"28\" r=\"8\"/>\
             <text class=\"number\" x=\"{dot:.1}\" y=\"32\" text-anchor=\"middle\">{number}</text>\
             <circle class=\"dot\" cx=\"8\" cy=\"{}\" r=\"8\"/>\
             <text class=\"number\" x=\"8\" y=\"{y}\" text-anchor=\"middle\">{number}</text>\
             <text x=\"22\" y=\"{y}\">{}</text></g>",
            escape(&text),
            y - 4,
            escape(&shorten(&text, ACTION)),
        );
    }
    if more > 0 {
        let y = bottom + ROW * MAX_ACTIONS + 18;
        let _ = write!(
            svg,
            "<text class=\"soft\" x=\"22\" y=\"{y}\">and {more} more</text>"
        );
    }
}

/// Places in ascending order moved as far as it takes to stand beside each other.
fn apart(places: &[f64]) -> Vec<f64> {
    const WIDE: f64 = 17.0;
    let mut moved = places.to_vec();
    for index in 1..moved.len() {
        moved[index] = moved[index].max(moved[index - 1] + WIDE);
    }
    for (from_right, place) in moved.iter_mut().rev().enumerate() {
        *place = place.min(RIGHT - WIDE * from_right as f64);
    }
    moved
}

/// The labels that all alerts have.
fn shared(alerts: &[&Alert]) -> Labels {
    let Some((first, others)) = alerts.split_first() else {
        return Labels::empty();
    };
    let in_all = |(name, value): &(&str, &str)| {
        let mut others = others.iter();
        others.all(|other| other.labels.get(name) == Some(value))
    };
    let names: Vec<&str> = first
        .labels
        .iter()
        .filter(in_all)
        .map(|(name, _)| name)
        .collect();
    first.labels.only(&names)
}

/// Its name, and what tells it from the others.
fn name(alert: &Alert, shared: &Labels) -> String {
    let name = alert.labels.get("alertname").unwrap_or_default();
    let own = alert.labels.iter().filter(|(label, _)| {
        !matches!(*label, "alertname" | "severity") && shared.get(label).is_none()
    });
    let own: Vec<&str> = own.map(|(_, value)| value).collect();
    format!("{name} {}", own.join(" ")).trim().to_owned()
}

/// Cut in the middle: names are told apart by both ends.
fn shorten(text: &str, most: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= most {
        return text.to_owned();
    }
    let head = most / 2;
    let tail = most - head - 1;
    let head: String = chars[..head].iter().collect();
    let tail: String = chars[chars.len() - tail..].iter().collect();
    format!("{head}…{tail}")
}
