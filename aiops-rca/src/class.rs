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

/// Where in a name a part counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Anywhere,
    /// Where a word begins, so that `default` is no fault and `drops` are no requests a second.
    Word,
}

/// Parts of names, the first that is found decides.
const PARTS: [(&str, At, MetricClass); 24] = [
    ("success", At::Anywhere, MetricClass::Success),
    ("unavailab", At::Anywhere, MetricClass::Errors),
    ("availab", At::Anywhere, MetricClass::Success),
    ("error", At::Anywhere, MetricClass::Errors),
    ("fail", At::Word, MetricClass::Errors),
    ("fault", At::Word, MetricClass::Errors),
    ("exception", At::Anywhere, MetricClass::Errors),
    ("5xx", At::Anywhere, MetricClass::Errors),
    ("lat_", At::Word, MetricClass::Latency),
    ("latency", At::Anywhere, MetricClass::Latency),
    ("duration", At::Anywhere, MetricClass::Latency),
    ("response_time", At::Anywhere, MetricClass::Latency),
    ("delay", At::Anywhere, MetricClass::Latency),
    ("p50", At::Word, MetricClass::Latency),
    ("p90", At::Word, MetricClass::Latency),
    ("p95", At::Word, MetricClass::Latency),
    ("p99", At::Word, MetricClass::Latency),
    ("request", At::Anywhere, MetricClass::Traffic),
    ("workload", At::Anywhere, MetricClass::Traffic),
    ("throughput", At::Anywhere, MetricClass::Traffic),
    ("qps", At::Word, MetricClass::Traffic),
    ("rps", At::Word, MetricClass::Traffic),
    ("traffic", At::Anywhere, MetricClass::Traffic),
    ("calls", At::Word, MetricClass::Traffic),
];

/// Whether a word begins at this place: after a separator, or as in `requestErrors`.
fn begins_word(name: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| name[before]) else {
        return true;
    };
    !before.is_ascii_alphanumeric()
        || (name[at].is_ascii_uppercase() && !before.is_ascii_uppercase())
}

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
        let name = name.as_bytes();
        let mut first = PARTS.len();
        for at in 0..name.len() {
            let (rest, own) = (&name[at..], name[at].to_ascii_lowercase());
            let word = begins_word(name, at);
            let found = PARTS[..first].iter().position(|(part, place, _)| {
                part.as_bytes()[0] == own
                    && (word || *place == At::Anywhere)
                    && (rest.get(..part.len()))
                        .is_some_and(|start| start.eq_ignore_ascii_case(part.as_bytes()))
            });
            first = found.unwrap_or(first);
        }
        PARTS
            .get(first)
            .map_or(Self::Saturation, |(.., class)| *class)
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

#[cfg(test)]
mod tests {
    use super::MetricClass::{self, Errors, Latency, Saturation, Success, Traffic};

    #[test]
    fn names_of_several_habits() {
        let names = [
            ("HTTPErrors", Errors),
            ("lookup_failures_total", Errors),
            ("unavailable_ratio", Errors),
            ("availability_Average", Success),
            ("request_success_rate", Success),
            ("http_5xx", Errors),
            ("lat_90", Latency),
            ("server.p99", Latency),
            ("ResponseP95", Latency),
            ("requestLatency", Latency),
            ("httpRequestCount", Traffic),
            ("rps", Traffic),
            ("rpc_calls", Traffic),
            ("default_pool_size", Saturation),
            ("packet_drops", Saturation),
            ("latest_offset", Saturation),
            ("flat_files", Saturation),
            ("", Saturation),
            ("größe", Saturation),
        ];
        for (name, class) in names {
            assert_eq!(MetricClass::of(name), class, "{name}");
        }
    }
}
