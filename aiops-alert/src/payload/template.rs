//! Requests whose body is JSON by a template, for receivers of any kind.

use aiops_core::Labels;
use serde_json::Value;
use thiserror::Error;

use super::{Message, Request, Secret};
use crate::json::Json;
use crate::template::{Template, TemplateError};

/// JSON that is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonTemplateError {
    /// It is no JSON.
    #[error("line {line}: no JSON: {what}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Why.
        what: String,
    },
    /// A text in it is no template.
    #[error("text `{text}`")]
    Template {
        /// Which.
        text: String,
        /// Where in it, and why.
        source: TemplateError,
    },
}

/// A body, with [templates](Template) as its texts. A text becomes a text whatever is put in: it
/// cannot break the JSON around it.
///
/// | place | text |
/// |---|---|
/// | `{{ $labels.x }}` | label `x` that all alerts share |
/// | `{{ $labels._status }}` | `firing` or `resolved` |
/// | `{{ $labels._severity }}` | `info`, `warning`, `error` or `critical` |
/// | `{{ $labels._summary }}`, `_alerts`, `_causes` | one line; one line each |
/// | `{{ $labels._id }}` | the same for all messages of an incident to a receiver |
/// | `{{ $labels._incident }}`, `_receiver`, `_url`, `_time` | as they are |
/// | `{{ $value }}` | how many alerts there are |
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTemplate(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Fixed(Json),
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl std::str::FromStr for JsonTemplate {
    type Err = JsonTemplateError;

    fn from_str(text: &str) -> Result<Self, JsonTemplateError> {
        let value: Value = serde_json::from_str(text).map_err(|error| JsonTemplateError::Json {
            line: error.line(),
            what: error.to_string(),
        })?;
        node(value).map(Self)
    }
}

fn node(value: Value) -> Result<Node, JsonTemplateError> {
    Ok(match value {
        Value::Null => Node::Fixed(Json::Null),
        Value::Bool(value) => Node::Fixed(Json::Bool(value)),
        Value::Number(number) => Node::Fixed(match number.as_i64() {
            Some(whole) => Json::Integer(whole),
            None => Json::Number(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(text) => match text.parse() {
            Ok(template) => Node::Text(template),
            Err(source) => return Err(JsonTemplateError::Template { text, source }),
        },
        Value::Array(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| Ok((name, node(value)?)));
            Node::Object(fields.collect::<Result<_, _>>()?)
        }
    })
}

impl Node {
    fn render(&self, labels: &Labels, count: f64) -> Json {
        match self {
            Self::Fixed(json) => json.clone(),
            Self::Text(template) => Json::Text(template.render(labels, count)),
            Self::List(items) => Json::List(
                items
                    .iter()
                    .map(|item| item.render(labels, count))
                    .collect(),
            ),
            Self::Object(fields) => {
                let fields = fields.iter();
                let rendered = fields.map(|(name, one)| (name.clone(), one.render(labels, count)));
                Json::Object(rendered.collect())
            }
        }
    }
}

/// A request with the body of a template, and an optional bearer token.
///
/// # Examples
///
/// ```
/// use aiops_alert::payload::JsonTemplate;
/// let template: JsonTemplate = r#"{"title": "{{ $labels._summary }}", "level": 3}"#.parse()?;
/// assert!(r#"{"title": "{{ range }}"}"#.parse::<JsonTemplate>().is_err());
/// # Ok::<(), aiops_alert::payload::JsonTemplateError>(())
/// ```
pub fn json(
    message: &Message<'_>,
    url: &Secret,
    token: Option<&Secret>,
    template: &JsonTemplate,
) -> Request {
    let notification = message.notification;
    let status = if message.is_over() {
        "resolved"
    } else {
        "firing"
    };
    let fields = [
        ("_status", status.to_owned()),
        ("_severity", message.severity().name().to_owned()),
        ("_summary", message.summary()),
        ("_alerts", message.lines().join("\n")),
        ("_causes", message.causes().join("\n")),
        ("_id", message.identity()),
        ("_incident", notification.incident.to_string()),
        ("_receiver", notification.receiver.clone()),
        ("_url", message.external_url.to_owned()),
        ("_time", notification.decided_at.to_string()),
    ];
    let mut labels = notification.common_labels();
    for (name, text) in &fields {
        labels = labels.with(name, text);
    }
    let body = template.0.render(&labels, notification.alerts.len() as f64);
    Request::post(url.clone(), &notification.key, &body).bearer(token)
}
