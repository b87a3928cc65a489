//! Alerts as Prometheus posts them to Alertmanager, and as Alertmanager posts them on.
//!
//! *Alertmanager API v2* (`POST /api/v2/alerts`: a list of alerts) and *webhook, version 4* (an
//! object with the list in `alerts`), prometheus.io. The two are told apart by their shape.
//!
//! ```
//! use aiops_core::ingest::{Limits, alertmanager};
//! use aiops_core::{AlertStatus, Timestamp};
//!
//! let body = br#"[{"labels":{"alertname":"DiskFull","device":"sda"},
//!     "startsAt":"2026-11-22T11:39:27Z","annotations":{"summary":"full"}}]"#;
//! let now = "2026-11-22T11:40:00Z".parse::<Timestamp>()?;
//! let mut alerts = Vec::new();
//! alertmanager::decode(body, now, &Limits::default(), &mut alerts)?;
//! assert_eq!(alerts[0].labels.get("device"), Some("sda"));
//! assert_eq!(alerts[0].status(now), AlertStatus::Firing);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | in the body | becomes |
//! |---|---|
//! | `endsAt` of the year 1, or none | open; over at `now` when the alert's `status` is `resolved` |
//! | `endsAt` ahead of now, which Prometheus sends with an alert that goes on | kept: when nothing more is heard, the alert is over then |
//! | no `startsAt` | now, or `endsAt` when that is earlier |
//! | label with an empty value | no label |
//! | no label, a label or annotation that is no text, a time that is none | the alert is refused, counted by reason; the others are taken |
//! | `truncatedAlerts` | [`Report::truncated`] |

use super::{BodyTooLarge, Limits, Report};
use crate::logs::json;
use crate::{Alert, AnyValue, Attributes, LabelError, Labels, Timestamp};

/// A body of which nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the limit.
    #[error(transparent)]
    TooLarge(#[from] BodyTooLarge),
    /// Neither a list nor an object with a list of alerts.
    #[error("expected a list of alerts, or an object with a list `alerts`, as JSON")]
    Json,
}

impl Error {
    /// A short stable name of the reason, to count by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Json => "json",
        }
    }
}

/// Adds the alerts of a body, received at `now`, to `alerts`.
///
/// # Errors
///
/// [`Error`] when the body is no good; `alerts` then is as it was. Alerts that are no good are
/// counted in the [`Report`], where the place of the first is its number from 0.
pub fn decode(
    body: &[u8],
    now: Timestamp,
    limits: &Limits,
    alerts: &mut Vec<Alert>,
) -> Result<Report, Error> {
    limits.check_body(body.len() as u64)?;
    let text = std::str::from_utf8(body).map_err(|_| Error::Json)?;
    let mut report = Report::default();
    let list = match json::parse(text) {
        Some(AnyValue::Array(list)) => list,
        Some(AnyValue::Map(fields)) => {
            if let Some(AnyValue::Int(left_out)) = find(&fields, "truncatedAlerts") {
                report.truncated = u64::try_from(*left_out).unwrap_or(0);
            }
            let alerts = fields.into_iter().find(|(name, _)| name == "alerts");
            let Some((_, AnyValue::Array(list))) = alerts else {
                return Err(Error::Json);
            };
            list
        }
        _ => return Err(Error::Json),
    };
    for (index, value) in list.iter().enumerate() {
        match alert(value, now, limits) {
            Ok(alert) => {
                report.samples += 1;
                alerts.push(alert);
            }
            Err((reason, what)) => {
                report.refuse(reason, index, 0, || format!("alert {index}: {what}"));
            }
        }
    }
    Ok(report)
}

/// Why an alert is refused: name of the reason, and what is wrong.
type Fault = (&'static str, String);

fn alert(value: &AnyValue, now: Timestamp, limits: &Limits) -> Result<Alert, Fault> {
    let AnyValue::Map(fields) = value else {
        return Err(("shape", "expected an object".to_owned()));
    };
    let labels = labels(fields, limits)?;
    let is_resolved = text(fields, "status")? == "resolved";
    let ends_at = time(fields, "endsAt")?.or(is_resolved.then_some(now));
    let starts_at = time(fields, "startsAt")?;
    let starts_at = starts_at.unwrap_or_else(|| ends_at.map_or(now, |end| end.min(now)));
    let mut alert = Alert::new(labels, starts_at);
    alert.ends_at = ends_at;
    text(fields, "generatorURL")?.clone_into(&mut alert.generator_url);
    for (name, value) in map(fields, "annotations")? {
        let what = || format!("expected annotation `{name}` as text");
        let value = value.as_text().ok_or_else(|| ("annotation", what()))?;
        alert.annotations.insert(name.clone(), value.to_owned());
    }
    Ok(alert)
}

fn labels(fields: &Attributes, limits: &Limits) -> Result<Labels, Fault> {
    let found = map(fields, "labels")?;
    if found.len() > limits.max_labels {
        let what = format!("more than {} labels", limits.max_labels);
        return Err(("too-many-labels", what));
    }
    let mut pairs = Vec::with_capacity(found.len());
    let mut bytes = 0;
    for (name, value) in found {
        let what = || format!("expected label `{name}` as text");
        let value = value.as_text().ok_or_else(|| ("label", what()))?;
        bytes += name.len() + value.len();
        pairs.push((name.as_str(), value));
    }
    if bytes > limits.max_label_bytes {
        let what = format!("more than {} bytes of labels", limits.max_label_bytes);
        return Err(("too-long-labels", what));
    }
    let labels = Labels::from_pairs(&mut pairs).map_err(|error| match error {
        LabelError::EmptyName => ("empty-label-name", error.to_string()),
        _ => ("duplicate-label", error.to_string()),
    })?;
    if labels.is_empty() {
        return Err(("no-labels", "expected at least one label".to_owned()));
    }
    Ok(labels)
}

fn find<'a>(fields: &'a Attributes, name: &str) -> Option<&'a AnyValue> {
    let found = fields.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value)
}

/// A text; the empty one when it is not there.
fn text<'a>(fields: &'a Attributes, name: &str) -> Result<&'a str, Fault> {
    match find(fields, name) {
        None | Some(AnyValue::Empty) => Ok(""),
        Some(AnyValue::Text(text)) => Ok(text),
        Some(_) => Err(("shape", format!("expected `{name}` as text"))),
    }
}

/// Named values; none when they are not there.
fn map<'a>(fields: &'a Attributes, name: &str) -> Result<&'a [(String, AnyValue)], Fault> {
    match find(fields, name) {
        None | Some(AnyValue::Empty) => Ok(&[]),
        Some(AnyValue::Map(fields)) => Ok(fields),
        Some(_) => Err(("shape", format!("expected `{name}` as an object"))),
    }
}

/// A time; Go writes the beginning of the year 1 for none.
fn time(fields: &Attributes, name: &str) -> Result<Option<Timestamp>, Fault> {
    let text = text(fields, name)?;
    if text.is_empty() || text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    let time = text
        .parse()
        .map_err(|error| ("time", format!("`{name}`: {error}")))?;
    Ok(Some(time))
}
