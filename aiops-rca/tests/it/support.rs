//! What several tests need: cases built from values.

use std::time::Duration;

use aiops_core::{
    Case, Cause, ChangeEvent, ChangeKind, ComponentMetric, Labels, RootCauseRanker, Series,
    TimeAxis, Timestamp, Topology,
};

/// Minute `minute` of the tests' time.
pub(crate) fn minute(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute).unwrap()
}

/// One value a minute.
pub(crate) fn series(values: &[f64]) -> Series {
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_mins(1), values.len()).unwrap();
    Series::new(axis, values.to_vec()).unwrap()
}

/// Repeatable noise in `[-0.5, 0.5)`, different for each `stream`.
pub(crate) fn noise(stream: usize, index: usize) -> f64 {
    let i = (index * 31 + stream * 7919 + 1) as f64;
    (12.9898 * i * i + 78.233 * i).rem_euclid(1.0) - 0.5
}

/// A metric around `level`, whose last `faulty` of `len` samples are `by` higher.
pub(crate) fn shifted(stream: usize, len: usize, faulty: usize, level: f64, by: f64) -> Vec<f64> {
    (0..len)
        .map(|i| level * (1.0 + 0.05 * noise(stream, i)) + if i + faulty >= len { by } else { 0.0 })
        .collect()
}

/// A case that owns what it is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) metrics: Vec<(String, String, Option<Series>, Series)>,
    pub(crate) topology: Topology,
    pub(crate) changes: Vec<ChangeEvent>,
    pub(crate) onset: Option<Timestamp>,
    pub(crate) symptom: Option<String>,
}

impl Setup {
    pub(crate) fn metric(mut self, component: &str, metric: &str, values: &[f64]) -> Self {
        self.metrics
            .push((component.into(), metric.into(), None, series(values)));
        self
    }

    pub(crate) fn call(mut self, caller: &str, callee: &str) -> Self {
        self.topology.add_call(caller, callee);
        self
    }

    pub(crate) fn change(mut self, id: &str, component: &str, at: Timestamp) -> Self {
        self.changes.push(ChangeEvent {
            id: id.into(),
            time: at,
            kind: ChangeKind::Deploy,
            component: component.into(),
            summary: format!("deploy of {component}"),
            labels: Labels::empty(),
        });
        self
    }

    pub(crate) fn onset(mut self, minutes: i64) -> Self {
        self.onset = Some(minute(minutes));
        self
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(&Case<'_>) -> R) -> R {
        let metrics: Vec<_> = self
            .metrics
            .iter()
            .map(|(component, metric, reference, observed)| ComponentMetric {
                component,
                metric,
                reference: reference.as_ref().map(Series::view),
                observed: observed.view(),
            })
            .collect();
        look(&Case {
            metrics: &metrics,
            onset: self.onset,
            symptom: self.symptom.as_deref(),
            topology: &self.topology,
            changes: &self.changes,
        })
    }

    pub(crate) fn rank(&self, ranker: &dyn RootCauseRanker) -> Vec<Cause> {
        self.with(|case| ranker.rank(case)).unwrap()
    }
}

/// Names of the causes, the likeliest first.
pub(crate) fn names(causes: &[Cause]) -> Vec<&str> {
    causes
        .iter()
        .map(|cause| cause.component.as_str())
        .collect()
}

/// The facts as people read them.
pub(crate) fn facts(cause: &Cause) -> Vec<String> {
    cause.evidence.iter().map(ToString::to_string).collect()
}

/// Values that break careless arithmetic, each with its name; 60 each unless the name says so.
pub(crate) fn degenerate() -> Vec<(&'static str, Vec<f64>)> {
    let each = |f: fn(usize) -> f64| (0..60).map(f).collect::<Vec<f64>>();
    vec![
        ("empty", vec![]),
        ("one value", vec![3.0]),
        ("two values", vec![1.0, 2.0]),
        ("all missing", vec![f64::NAN; 60]),
        ("one present", [vec![f64::NAN; 59], vec![1.0]].concat()),
        ("constant", vec![7.0; 60]),
        ("zero", vec![0.0; 60]),
        ("both zeros", each(|i| if i % 2 == 0 { 0.0 } else { -0.0 })),
        (
            "constant, then a change",
            [vec![7.0; 59], vec![8.0]].concat(),
        ),
        (
            "zero, then a change",
            [vec![0.0; 59], vec![1e-300]].concat(),
        ),
        ("two levels", each(|i| (i % 2) as f64)),
        (
            "mostly one value",
            each(|i| if i % 10 == 0 { 1.0 } else { 0.0 }),
        ),
        ("huge", each(|i| noise(0, i) * f64::MAX)),
        (
            "both ends",
            each(|i| if i % 2 == 0 { f64::MAX } else { f64::MIN }),
        ),
        ("subnormal", each(|i| f64::from_bits(i as u64 % 5))),
        (
            "tiny and huge",
            each(|i| if i % 3 == 0 { 1e308 } else { 1e-308 }),
        ),
        (
            "holes",
            each(|i| if i % 3 == 0 { f64::NAN } else { noise(0, i) }),
        ),
        (
            "stops",
            each(|i| if i > 40 { f64::NAN } else { noise(0, i) }),
        ),
        ("noise", each(|i| noise(0, i))),
    ]
}

/// A stored model with this payload, right or wrong.
#[cfg(feature = "serde")]
pub(crate) fn envelope(kind: &str, format: u32, payload: &str) -> Vec<u8> {
    let mut hash = aiops_core::numerics::Fnv1a64::default();
    hash.write(payload.as_bytes());
    let sum = hash.finish();
    format!(r#"{{"kind":"{kind}","format":{format},"checksum":"{sum:016x}","payload":{payload}}}"#)
        .into_bytes()
}

/// The stored model `name` of an earlier release. Where there is none yet, `AIOPS_WRITE_GOLDEN=1`
/// writes `fitted` as the one to keep.
#[cfg(feature = "serde")]
pub(crate) fn released<M: aiops_core::stored::StoredModel>(name: &str, fitted: &M) -> M {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let path = folder.join(name);
    if !path.exists() && std::env::var_os("AIOPS_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, aiops_core::stored::save(fitted)).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    aiops_core::stored::load(&bytes).unwrap()
}
