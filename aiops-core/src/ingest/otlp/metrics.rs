//! Metrics.

use super::attributes::{labels_of, resource_labels};
use super::logs::time;
use super::node::Node;
use super::tracks::{Progress, Tracks};
use super::{Encoding, Error, STALE, read, schema};
use crate::ingest::exponential::{Exponential, le};
use crate::ingest::{Batch, Limits, MetricMetadata, Report};
use crate::{LabelError, Labels, METRIC_NAME, Timestamp};

const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;
/// Flag of a point that says that it has no value.
const NO_VALUE: u64 = 1;

/// Reads requests for metrics, adds delta values up to cumulative ones, and marks restarts.
///
/// What series have reached is kept as long as the decoder; a restart of the decoder starts delta
/// series at zero again, which reads as a counter reset.
#[derive(Clone, Debug)]
pub struct MetricsDecoder {
    tracks: Tracks,
}

impl MetricsDecoder {
    /// Keeps the totals of at most `capacity` delta series; points of further ones are refused. A
    /// delta exponential histogram counts as one and takes up to 160 numbers.
    ///
    /// It also keeps the start times of at most `capacity` cumulative series. Restarts of further
    /// ones are only seen where their values fall.
    pub fn new(capacity: usize) -> Self {
        Self {
            tracks: Tracks::new(capacity),
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
    progress: Progress,
}

/// One point: its labels but the metric's name, and its time.
struct Point<'a> {
    labels: Vec<(String, String)>,
    time: Timestamp,
    /// Since when its value counts.
    start: Option<Timestamp>,
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
            progress: match data.whole("aggregationTemporality") {
                DELTA => Progress::Delta,
                CUMULATIVE if kind != "sum" || data.flag("isMonotonic") => Progress::Grows,
                _ => Progress::Level,
            },
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
            start: time(node, "startTimeUnixNano"),
            has_value: node.whole("flags") & NO_VALUE == 0,
            node,
        };
        match kind {
            "histogram" => self.histogram(metric, &point),
            "exponentialHistogram" => self.exponential(metric, &point),
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
            let le = le(bound.unwrap_or(f64::NAN));
            self.sample(metric, point, "_bucket", Some(("le", &le)), total)?;
        }
        self.sum_and_count(metric, point)
    }

    fn exponential(&mut self, metric: &Metric<'_>, point: &Point<'_>) -> Result<(), Fault> {
        let before = self.batch.sample_count();
        if point.has_value {
            let mut found = exponential_of(point.node).map_err(|what| ("buckets", what))?;
            if let Progress::Delta = metric.progress {
                let labels = self.labels(metric, point, "", None)?;
                let tracks = &mut self.decoder.tracks;
                found = tracks.merged(&labels, point.start, point.time, found)?;
            }
            let bounds = found.cumulative().map_err(|what| ("buckets", what))?;
            // They are totals already.
            let totals = Metric {
                progress: match metric.progress {
                    Progress::Delta => Progress::Level,
                    other => other,
                },
                ..*metric
            };
            for (bound, count) in bounds {
                let le = le(bound);
                self.sample(&totals, point, "_bucket", Some(("le", &le)), count)?;
            }
        }
        self.sum_and_count(metric, point)?;
        self.report.histograms += 1;
        self.report.histogram_samples += (self.batch.sample_count() - before) as u64;
        Ok(())
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
        let labels = self.labels(metric, point, ending, extra)?;
        let (start, time) = (point.start, point.time);
        let tracks = &mut self.decoder.tracks;
        let (restart, value) = match metric.progress {
            _ if !point.has_value => (None, STALE),
            Progress::Level => (None, value),
            Progress::Grows => (tracks.restart(&labels, start, time), value),
            Progress::Delta => (None, tracks.total(&labels, start, time, value)?),
        };
        self.batch.start_series(labels);
        if let Some(restart) = restart {
            self.batch.push(restart, 0.0);
        }
        self.batch.push(time, value);
        Ok(())
    }

    fn labels(
        &mut self,
        metric: &Metric<'_>,
        point: &Point<'_>,
        ending: &str,
        extra: Option<(&str, &str)>,
    ) -> Result<Labels, Fault> {
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
        Labels::from_pairs(&mut pairs).map_err(|error| match error {
            LabelError::EmptyName => ("empty-label-name", error.to_string()),
            _ => ("duplicate-label", error.to_string()),
        })
    }
}

/// The buckets of a point.
fn exponential_of(node: &Node<'_>) -> Result<Exponential, String> {
    let scale = i32::try_from(node.signed("scale")).unwrap_or(i32::MAX);
    let threshold = node.number("zeroThreshold").unwrap_or(0.0);
    let mut found = Exponential::new(scale, threshold, node.whole("zeroCount") as f64)?;
    for (is_negative, side) in [(true, "negative"), (false, "positive")] {
        let Some(side) = node.get(side) else {
            continue;
        };
        let offset = i64::from(i32::try_from(side.signed("offset")).unwrap_or(i32::MAX));
        for (bucket, count) in (offset..).zip(side.list("bucketCounts")) {
            let count = count.as_number().filter(|count| *count >= 0.0);
            let count = count.ok_or_else(|| format!("expected a count in bucket {bucket}"))?;
            found.add(is_negative, bucket, count);
        }
    }
    Ok(found)
}
