//! Metrics.

use std::collections::HashMap;

use super::logs::time;
use super::node::Node;
use super::{Encoding, Error, STALE, read, schema};
use crate::ingest::{Batch, Limits, MetricMetadata, Report};
use crate::{AnyValue, Attributes, LabelError, Labels, METRIC_NAME, Timestamp};

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

const DELTA: u64 = 1;
/// Flag of a point that says that it has no value.
const NO_VALUE: u64 = 1;

/// Reads requests for metrics, and adds delta values up to cumulative ones.
///
/// What delta series have reached is kept as long as the decoder; a restart starts them at zero
/// again, which reads as a counter reset.
#[derive(Clone, Debug)]
pub struct MetricsDecoder {
    capacity: usize,
    totals: HashMap<Labels, f64>,
}

impl MetricsDecoder {
    /// Keeps the totals of at most `capacity` delta series; points of further ones are refused.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            totals: HashMap::new(),
        }
    }

    /// Adds the samples and metadata of a request to `batch`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the body is no good; `batch` then is as it was. Points that are no good are
    /// counted in the [`Report`], and the others are taken.
    pub fn decode(
        &mut self,
        body: &[u8],
        encoding: Encoding,
        limits: &Limits,
        batch: &mut Batch,
    ) -> Result<Report, Error> {
        let request = read(body, encoding, &schema::METRICS_REQUEST, limits)?;
        let mark = batch.mark();
        let mut request_reader = Request {
            decoder: self,
            limits,
            max_samples: mark.samples.saturating_add(limits.max_samples),
            batch,
            report: Report::default(),
            point: 0,
            label_bytes: 0,
        };
        let read = request_reader.resources(&request);
        let mut report = request_reader.report;
        read.inspect_err(|_| batch.roll_back(mark))?;
        report.samples = (batch.sample_count() - mark.samples) as u64;
        Ok(report)
    }
}

struct Request<'a> {
    decoder: &'a mut MetricsDecoder,
    limits: &'a Limits,
    max_samples: usize,
    batch: &'a mut Batch,
    report: Report,
    /// Number of the point, to say which one was refused.
    point: usize,
    /// In all label sets made so far.
    label_bytes: usize,
}

/// Why a point is refused: name of the reason, and what is wrong.
type Fault = (&'static str, String);

/// What all points of a metric share.
struct Metric<'a> {
    name: &'a str,
    resource: &'a [(String, String)],
    is_delta: bool,
}

/// One point: its labels but the metric's name, and its time.
struct Point<'a> {
    labels: Vec<(String, String)>,
    time: Timestamp,
    node: &'a Node<'a>,
    has_value: bool,
}

impl Request<'_> {
    fn resources(&mut self, request: &Node<'_>) -> Result<(), Error> {
        for resource in request.list("resourceMetrics") {
            let attributes = resource.get("resource");
            let attributes = attributes.map(|resource| resource.attributes("attributes"));
            let labels = resource_labels(&attributes.unwrap_or_default());
            for scope in resource.list("scopeMetrics") {
                for metric in scope.list("metrics") {
                    self.metric(metric, &labels)?;
                }
            }
        }
        Ok(())
    }

    fn metric(&mut self, metric: &Node<'_>, resource: &[(String, String)]) -> Result<(), Error> {
        let kinds = [
            "gauge",
            "sum",
            "histogram",
            "exponentialHistogram",
            "summary",
        ];
        let found = kinds
            .into_iter()
            .find_map(|kind| Some((kind, metric.get(kind)?)));
        let Some((kind, data)) = found else {
            return Ok(());
        };
        self.describe(metric, kind, data)?;
        let shared = Metric {
            name: metric.text("name"),
            resource,
            is_delta: data.whole("aggregationTemporality") == DELTA,
        };
        for node in data.list("dataPoints") {
            self.point += 1;
            self.report.exemplars += node.list("exemplars").len() as u64;
            let mark = self.batch.mark();
            if let Err((reason, what)) = self.point(&shared, kind, node) {
                self.batch.roll_back(mark);
                let point = self.point;
                let what = || format!("point {point}, of metric `{}`: {what}", shared.name);
                self.report.refuse(reason, point, 1, what);
            }
            let full = if self.batch.sample_count() > self.max_samples {
                Some(("samples", self.limits.max_samples))
            } else if self.label_bytes > self.limits.max_copied_bytes {
                Some(("bytes of labels", self.limits.max_copied_bytes))
            } else {
                None
            };
            if let Some((what, limit)) = full {
                return Err(Error::TooMany { what, limit });
            }
        }
        Ok(())
    }

    fn describe(&mut self, metric: &Node<'_>, kind: &str, data: &Node<'_>) -> Result<(), Error> {
        let kind = match kind {
            "sum" if data.flag("isMonotonic") => "counter",
            "sum" => "gauge",
            "exponentialHistogram" => "histogram",
            other => other,
        };
        if self.batch.metadata.len() >= self.limits.max_metadata {
            let limit = self.limits.max_metadata;
            return Err(Error::TooMany {
                what: "metrics",
                limit,
            });
        }
        self.batch.metadata.push(MetricMetadata {
            metric: metric.text("name").to_owned(),
            kind: kind.to_owned(),
            help: metric.text("description").to_owned(),
            unit: metric.text("unit").to_owned(),
        });
        Ok(())
    }

    fn point(&mut self, metric: &Metric<'_>, kind: &str, node: &Node<'_>) -> Result<(), Fault> {
        if metric.name.is_empty() {
            return Err(("no-name", "expected the name of a metric".to_owned()));
        }
        let no_time = || ("time", "expected a time before the year 2262".to_owned());
        let point = Point {
            labels: labels_of(&node.attributes("attributes")),
            time: time(node, "timeUnixNano").ok_or_else(no_time)?,
            has_value: node.whole("flags") & NO_VALUE == 0,
            node,
        };
        match kind {
            "histogram" => self.histogram(metric, &point),
            "exponentialHistogram" => {
                self.report.histograms += 1;
                self.sum_and_count(metric, &point)
            }
            "summary" => self.summary(metric, &point),
            _ => {
                let value = node.number("asDouble").or_else(|| node.number("asInt"));
                self.sample(metric, &point, "", None, value.unwrap_or(0.0))
            }
        }
    }

    fn histogram(&mut self, metric: &Metric<'_>, point: &Point<'_>) -> Result<(), Fault> {
        let counts = point.node.list("bucketCounts");
        let bounds = point.node.list("explicitBounds");
        if !counts.is_empty() && counts.len() != bounds.len() + 1 {
            let (counts, bounds) = (counts.len(), bounds.len());
            let what = format!("expected one count more than bounds, found {counts} and {bounds}");
            return Err(("buckets", what));
        }
        let mut total = 0.0;
        let bounds = bounds.iter().map(Node::as_number);
        for (count, bound) in counts.iter().zip(bounds.chain([Some(f64::INFINITY)])) {
            total += count.as_number().unwrap_or(0.0);
            let le = match bound.unwrap_or(f64::NAN) {
                f64::INFINITY => "+Inf".to_owned(),
                bound => bound.to_string(),
            };
            self.sample(metric, point, "_bucket", Some(("le", &le)), total)?;
        }
        self.sum_and_count(metric, point)
    }

    fn summary(&mut self, metric: &Metric<'_>, point: &Point<'_>) -> Result<(), Fault> {
        for quantile in point.node.list("quantileValues") {
            let level = quantile.number("quantile").unwrap_or(0.0).to_string();
            let value = quantile.number("value").unwrap_or(0.0);
            self.sample(metric, point, "", Some(("quantile", &level)), value)?;
        }
        self.sum_and_count(metric, point)
    }

    fn sum_and_count(&mut self, metric: &Metric<'_>, point: &Point<'_>) -> Result<(), Fault> {
        if let Some(sum) = point.node.number("sum") {
            self.sample(metric, point, "_sum", None, sum)?;
        }
        let count = point.node.whole("count") as f64;
        self.sample(metric, point, "_count", None, count)
    }

    fn sample(
        &mut self,
        metric: &Metric<'_>,
        point: &Point<'_>,
        ending: &str,
        extra: Option<(&str, &str)>,
        value: f64,
    ) -> Result<(), Fault> {
        let name = format!("{}{ending}", metric.name);
        let own = point.labels.iter().chain(metric.resource);
        // An attribute of the point hides one of the resource.
        let own = own
            .enumerate()
            .filter(|(index, (label, _))| {
                *index < point.labels.len() || !point.labels.iter().any(|(other, _)| other == label)
            })
            .map(|(_, (label, text))| (label.as_str(), text.as_str()));
        let mut pairs: Vec<_> = own
            .chain([(METRIC_NAME, name.as_str())])
            .chain(extra)
            .collect();
        if pairs.len() > self.limits.max_labels {
            let what = format!("more than {} labels", self.limits.max_labels);
            return Err(("too-many-labels", what));
        }
        let bytes: usize = pairs.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > self.limits.max_label_bytes {
            let what = format!("more than {} bytes of labels", self.limits.max_label_bytes);
            return Err(("too-long-labels", what));
        }
        self.label_bytes += bytes;
        let labels = Labels::from_pairs(&mut pairs).map_err(|error| match error {
            LabelError::EmptyName => ("empty-label-name", error.to_string()),
            _ => ("duplicate-label", error.to_string()),
        })?;
        let value = match (point.has_value, metric.is_delta) {
            (false, _) => STALE,
            (true, false) => value,
            (true, true) => self.total(&labels, value)?,
        };
        self.batch.start_series(labels);
        self.batch.push(point.time, value);
        Ok(())
    }

    fn total(&mut self, labels: &Labels, value: f64) -> Result<f64, Fault> {
        let capacity = self.decoder.capacity;
        let known = self.decoder.totals.len();
        match self.decoder.totals.get_mut(labels) {
            Some(total) => {
                *total += value;
                Ok(*total)
            }
            None if known < capacity => {
                self.decoder.totals.insert(labels.clone(), value);
                Ok(value)
            }
            None => {
                let what = format!("more than {capacity} delta series");
                Err(("delta-capacity", what))
            }
        }
    }
}

fn resource_labels(attributes: &Attributes) -> Vec<(String, String)> {
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

fn labels_of(attributes: &Attributes) -> Vec<(String, String)> {
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
