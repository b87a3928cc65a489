//! Attributes to labels.

use crate::{AnyValue, Attributes};

/// Attributes of a resource that become labels under their own name.
const PROMOTED: [&str; 7] = [
    "host.name",
    "deployment.environment",
    "deployment.environment.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.node.name",
    "container.name",
];

/// The labels that a resource gives to all its points.
pub(super) fn resource_labels(attributes: &Attributes) -> Vec<(String, String)> {
    let of = |name: &str| {
        let found = attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| text_of(value)).unwrap_or_default()
    };
    let job = match of("service.namespace") {
        namespace if namespace.is_empty() => of("service.name"),
        namespace => format!("{namespace}/{}", of("service.name")),
    };
    let mut labels = vec![
        ("job".to_owned(), job),
        ("instance".to_owned(), of("service.instance.id")),
    ];
    labels.extend(PROMOTED.map(|name| (name.to_owned(), of(name))));
    labels.retain(|(_, value)| !value.is_empty());
    labels
}

pub(super) fn labels_of(attributes: &Attributes) -> Vec<(String, String)> {
    let pairs = attributes.iter();
    pairs
        .map(|(name, value)| (name.clone(), text_of(value)))
        .collect()
}

/// A value as the text of a label.
fn text_of(value: &AnyValue) -> String {
    match value {
        AnyValue::Empty => String::new(),
        AnyValue::Text(text) => text.clone(),
        AnyValue::Bool(value) => value.to_string(),
        AnyValue::Int(value) => value.to_string(),
        AnyValue::Double(value) => value.to_string(),
        AnyValue::Bytes(bytes) => {
            let mut text = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                text.extend(
                    [byte >> 4, byte & 15]
                        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default()),
                );
            }
            text
        }
        AnyValue::Array(values) => {
            let texts: Vec<_> = values.iter().map(text_of).collect();
            format!("[{}]", texts.join(","))
        }
        AnyValue::Map(fields) => {
            let fields = fields.iter();
            let texts: Vec<_> = fields
                .map(|(name, value)| format!("{name}={}", text_of(value)))
                .collect();
            format!("{{{}}}", texts.join(","))
        }
    }
}
