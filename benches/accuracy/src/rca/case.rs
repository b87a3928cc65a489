//! One case from disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aiops_core::{
    Case, Cause, ChangeEvent, ChangeKind, ComponentMetric, Labels, RankError, Series, Severity,
    SpanId, TimeAxis, Timestamp, Topology, TraceId,
};
use aiops_rca::investigation::Request;
use aiops_rca::traces::{LogLine, Span};
use serde_json::Value;

use crate::Fallible;
use crate::table::Table;

/// A method: from a request to a ranking.
pub(super) type Method = dyn Fn(&Request<'_>) -> Result<Vec<Cause>, RankError> + Sync;

/// What a method is told of the time at which it began.
#[derive(Clone, Copy, Debug)]
pub(super) enum Onset {
    /// Nothing.
    Unknown,
    /// The true time.
    Given,
    /// A minute more than the true time.
    Late,
}

/// A metric of a component.
#[derive(Debug)]
struct Column {
    component: String,
    metric: String,
    reference: Option<Series>,
    observed: Series,
}

#[derive(Debug)]
pub(super) struct LoadedCase {
    columns: Vec<Column>,
    topology: Topology,
    changes: Vec<ChangeEvent>,
    symptom: Option<String>,
    symptom_metric: Option<String>,
    inject: Timestamp,
    spans: Option<Table>,
    logs: Option<Table>,
    /// Names of the true causes.
    pub(super) truth: Vec<String>,
}

/// What requests of a case did.
#[derive(Debug, Default)]
pub(super) struct Traces<'a> {
    spans: Vec<Span<'a>>,
    logs: Vec<LogLine<'a>>,
}

impl LoadedCase {
    /// `None` when the case has no metrics.
    pub(super) fn read(path: &Path) -> Fallible<Option<Self>> {
        let case: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let folder = path.parent().ok_or("a case lies in a folder")?;
        let file = |name: &str| case["files"][name].as_str().map(|file| folder.join(file));
        let Some(metrics) = file("metrics") else {
            return Ok(None);
        };
        let observed = Table::read(&metrics)?;
        let normal = file("normal").map(|path| Table::read(&path)).transpose()?;
        let mut topology = Topology::default();
        if let Some(path) = file("graph") {
            let graph = Table::read(&path)?;
            let (caller, callee) = (graph.column("caller")?, graph.column("callee")?);
            for row in &graph.rows {
                topology.add_call(&row[caller], &row[callee]);
            }
        }
        let inject = case["inject_time"].as_f64().ok_or("no inject_time")?;
        let inject = seconds(inject)?;
        let cause = &case["root_cause"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let truth: Vec<String> = match cause["services"].as_array() {
            Some(several) => several.iter().filter_map(text).collect(),
            None => text(&cause["service"]).into_iter().collect(),
        };
        if truth.is_empty() {
            return Err("no true cause".into());
        }
        let changes = file("changes")
            .map(|path| read_changes(&path))
            .transpose()?;
        Ok(Some(Self {
            columns: columns(&observed, normal.as_ref())?,
            topology,
            changes: changes.unwrap_or_default(),
            symptom: text(&case["symptom"]["service"]),
            symptom_metric: text(&case["symptom"]["metric"]),
            inject,
            spans: file("spans").map(|path| Table::read(&path)).transpose()?,
            logs: file("logs").map(|path| Table::read(&path)).transpose()?,
            truth,
        }))
    }

    /// The components that could be named.
    pub(super) fn components(&self) -> BTreeSet<&str> {
        self.columns
            .iter()
            .map(|column| column.component.as_str())
            .collect()
    }

    pub(super) fn rank(
        &self,
        method: &Method,
        onset: Onset,
        traces: &Traces<'_>,
    ) -> Result<Vec<Cause>, RankError> {
        let onset = match onset {
            Onset::Unknown => None,
            Onset::Given => Some(self.inject),
            Onset::Late => Some(self.inject.saturating_add(Duration::from_mins(1))),
        };
        let metrics: Vec<_> = self
            .columns
            .iter()
            .map(|column| ComponentMetric {
                component: &column.component,
                metric: &column.metric,
                reference: column.reference.as_ref().map(Series::view),
                observed: column.observed.view(),
            })
            .collect();
        self.rank_metrics(method, &metrics, onset, traces)
    }

    /// Its spans and log lines.
    pub(super) fn traces(&self) -> Fallible<Traces<'_>> {
        Ok(Traces {
            spans: self.spans.as_ref().map_or(Ok(Vec::new()), spans)?,
            logs: self.logs.as_ref().map_or(Ok(Vec::new()), lines)?,
        })
    }

    /// The fault-free part as if it were an incident: its last tenth against what came before.
    /// `None` when there is too little of it, or the method fails on it.
    pub(super) fn rank_healthy(&self, method: &Method) -> Option<Vec<Cause>> {
        let healthy = |column: &'_ Column| -> Option<(Series, Timestamp)> {
            let series = if let Some(reference) = &column.reference {
                reference.clone()
            } else {
                let view = column.observed.view();
                view.slice(0, view.axis().position(self.inject)).to_series()
            };
            let at = series.len() - series.len() / 10;
            (series.len() >= 50).then(|| (series.clone(), series.view().axis().at(at)))
        };
        let parts: Vec<_> = self
            .columns
            .iter()
            .filter_map(|column| healthy(column).map(|(series, at)| (column, series, at)))
            .collect();
        let onset = parts.iter().map(|(_, _, at)| *at).min()?;
        let metrics: Vec<_> = parts
            .iter()
            .map(|(column, series, _)| ComponentMetric {
                component: &column.component,
                metric: &column.metric,
                reference: None,
                observed: series.view(),
            })
            .collect();
        self.rank_metrics(method, &metrics, Some(onset), &Traces::default())
            .ok()
    }

    fn rank_metrics(
        &self,
        method: &Method,
        metrics: &[ComponentMetric<'_>],
        onset: Option<Timestamp>,
        traces: &Traces<'_>,
    ) -> Result<Vec<Cause>, RankError> {
        method(&Request {
            case: Case {
                metrics,
                onset,
                symptom: self.symptom.as_deref(),
                topology: &self.topology,
                changes: &self.changes,
            },
            symptom_metric: self.symptom_metric.as_deref(),
            spans: &traces.spans,
            logs: &traces.logs,
        })
    }
}

fn seconds(secs: f64) -> Fallible<Timestamp> {
    Timestamp::from_millis((secs * 1e3).round() as i64).ok_or("time out of range".into())
}

fn columns(observed: &Table, normal: Option<&Table>) -> Fallible<Vec<Column>> {
    let mut columns = Vec::new();
    for name in &observed.header {
        let Some((component, metric)) = name.split_once('|') else {
            continue;
        };
        let reference = match normal {
            Some(normal) if normal.header.contains(name) => Some(series(normal, name)?),
            _ => None,
        };
        columns.push(Column {
            component: component.to_owned(),
            metric: metric.to_owned(),
            reference,
            observed: series(observed, name)?,
        });
    }
    Ok(columns)
}

/// A column in order of time; where two rows have the same time, the first stays.
fn series(table: &Table, name: &str) -> Fallible<Series> {
    let times = table.numbers("time")?;
    let values = table.numbers(name)?;
    let mut samples: Vec<(Timestamp, f64)> = Vec::with_capacity(times.len());
    for (time, value) in times.into_iter().zip(values) {
        samples.push((seconds(time)?, value));
    }
    samples.sort_by_key(|(time, _)| *time);
    samples.dedup_by_key(|(time, _)| *time);
    let axis = TimeAxis::listed(samples.iter().map(|(time, _)| *time).collect())?;
    Ok(Series::new(
        axis,
        samples.into_iter().map(|(_, value)| value).collect(),
    )?)
}

fn read_changes(path: &Path) -> Fallible<Vec<ChangeEvent>> {
    let table = Table::read(path)?;
    let (time, id) = (table.column("time")?, table.column("id")?);
    let (service, kind) = (table.column("service")?, table.column("kind")?);
    (0..table.rows.len())
        .map(|row| {
            let cells = &table.rows[row];
            let kind = match &cells[kind] {
                "deploy" => ChangeKind::Deploy,
                "config" => ChangeKind::Config,
                "scale" => ChangeKind::Scale,
                other => ChangeKind::Other(other.to_owned()),
            };
            Ok(ChangeEvent {
                id: cells[id].to_owned(),
                time: seconds(table.number(row, time)?)?,
                summary: format!("{kind} of {}", &cells[service]),
                kind,
                component: cells[service].to_owned(),
                labels: Labels::empty(),
            })
        })
        .collect()
}

fn spans(table: &Table) -> Fallible<Vec<Span<'_>>> {
    let column = |name| table.column(name);
    let (trace, id, parent) = (column("trace")?, column("span")?, column("parent")?);
    let (component, operation) = (column("service")?, column("operation")?);
    let (start, duration) = (column("start_us")?, column("duration_us")?);
    table
        .rows
        .iter()
        .map(|cells| {
            let micros: i64 = cells[start].parse()?;
            Ok(Span {
                trace: trace_id(&cells[trace])?.ok_or("a span without trace")?,
                id: span_id(&cells[id])?.ok_or("a span without id")?,
                parent: span_id(&cells[parent])?,
                component: &cells[component],
                operation: &cells[operation],
                start: Timestamp::from_nanos(micros.checked_mul(1000).ok_or("time")?),
                duration: Duration::from_micros(cells[duration].parse()?),
                failed: false, // the data do not say
            })
        })
        .collect()
}

fn lines(table: &Table) -> Fallible<Vec<LogLine<'_>>> {
    let column = |name| table.column(name);
    let (component, trace, message) = (column("service")?, column("trace")?, column("message")?);
    let lines = table.rows.iter().map(|cells| {
        Ok(LogLine {
            component: &cells[component],
            trace: trace_id(&cells[trace])?,
            // A time, the level, and what was said.
            severity: (cells[message].split(' ').nth(1))
                .map_or(Severity::UNSPECIFIED, Severity::from_word),
            message: &cells[message],
        })
    });
    lines.collect()
}

/// The sets number traces and spans; empty is none.
fn number(cell: &str) -> Fallible<Option<u64>> {
    let given = Some(cell).filter(|cell| !cell.is_empty());
    // One more: an identity of zeros is none.
    Ok(given
        .map(str::parse::<u64>)
        .transpose()?
        .map(|n| n.wrapping_add(1)))
}

fn trace_id(cell: &str) -> Fallible<Option<TraceId>> {
    Ok(number(cell)?.map(|number| TraceId(u128::from(number).to_be_bytes())))
}

fn span_id(cell: &str) -> Fallible<Option<SpanId>> {
    Ok(number(cell)?.map(|number| SpanId(number.to_be_bytes())))
}
