//! What a metric measures, by its name.

/// What a metric measures. Trouble travels differently through each of these: latency and errors go
/// from a component to its callers, traffic from the callers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MetricClass {
    /// Work that comes in: requests, operations.
    Traffic,
    /// How long work takes.
    Latency,
    /// How much work fails; more is worse.
    Errors,
    /// How much work succeeds; less is worse.
    Success,
    /// How full or busy something is, and anything else.
    Saturation,
}

/// Parts of names, the first that is found decides.
const PARTS: [(&str, MetricClass); 23] = [
    ("success", MetricClass::Success),
    ("availab", MetricClass::Success),
    ("error", MetricClass::Errors),
    ("fail", MetricClass::Errors),
    ("fault", MetricClass::Errors),
    ("exception", MetricClass::Errors),
    ("5xx", MetricClass::Errors),
    ("lat_", MetricClass::Latency),
    ("latency", MetricClass::Latency),
    ("duration", MetricClass::Latency),
    ("response_time", MetricClass::Latency),
    ("delay", MetricClass::Latency),
    ("_p50", MetricClass::Latency),
    ("_p90", MetricClass::Latency),
    ("_p95", MetricClass::Latency),
    ("_p99", MetricClass::Latency),
    ("request", MetricClass::Traffic),
    ("workload", MetricClass::Traffic),
    ("throughput", MetricClass::Traffic),
    ("qps", MetricClass::Traffic),
    ("rps", MetricClass::Traffic),
    ("traffic", MetricClass::Traffic),
    ("calls", MetricClass::Traffic),
];

impl MetricClass {
    /// The class that the name of a metric suggests, in any case; [`Saturation`](Self::Saturation)
    /// when it suggests none.
    ///
    /// ```
    /// use aiops_rca::MetricClass;
    ///
    /// assert_eq!(MetricClass::of("http_request_duration_seconds"), MetricClass::Latency);
    /// assert_eq!(MetricClass::of("http_requests_total"), MetricClass::Traffic);
    /// assert_eq!(MetricClass::of("memory_bytes"), MetricClass::Saturation);
    /// ```
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        PARTS
            .iter()
            .find(|(part, _)| name.contains(part))
            .map_or(Self::Saturation, |(_, class)| *class)
    }

    /// Weights of a rise and of a fall: a latency that falls is seldom a failure.
    pub(crate) fn weights(self) -> (f64, f64) {
        match self {
            Self::Latency | Self::Errors => (1.0, GOOD_NEWS),
            Self::Success => (GOOD_NEWS, 1.0),
            Self::Traffic | Self::Saturation => (1.0, 1.0),
        }
    }
}

/// What a move in the good direction counts: it may still be a sign.
const GOOD_NEWS: f64 = 0.3;
