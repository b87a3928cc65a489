//! From series to components: what a series says something about.

use std::sync::Arc;

use aiops_core::{Labels, METRIC_NAME, Topology};

/// The parts of a host, and the beginnings of the metrics that describe them.
const HOST_PARTS: [(&str, &str); 8] = [
    ("host_cpu", "cpu"),
    ("host_process_cpu", "cpu"),
    ("host_memory", "memory"),
    ("host_swap", "memory"),
    ("host_process_memory", "memory"),
    ("host_disk", "disk"),
    ("host_network", "network"),
    ("host_", "load"),
];

/// Labels that name where a series comes from, the first that is there wins.
const PLACES: [&str; 4] = ["host", "instance", "node", "hostname"];

/// Labels that name a component, the first that is there wins.
const NAMES: [&str; 5] = ["component", "service", "app", "container", "job"];

/// Where the series comes from; empty when it does not say.
pub fn host(labels: &Labels) -> &str {
    PLACES
        .iter()
        .find_map(|name| labels.get(name))
        .unwrap_or_default()
}

/// The component that the series describes: `web-1/cpu` for the host's own metrics, else the
/// service or job and where it runs: `node@10.0.0.7:9100`.
pub fn component(labels: &Labels) -> String {
    let (metric, host) = (labels.metric(), host(labels));
    if let Some((_, part)) = HOST_PARTS
        .iter()
        .find(|(start, _)| metric.starts_with(start))
    {
        return format!("{host}/{part}");
    }
    let name = NAMES
        .iter()
        .find_map(|name| labels.get(name))
        .unwrap_or(metric);
    if host.is_empty() {
        name.to_owned()
    } else {
        format!("{name}@{host}")
    }
}

/// The series by what tells it from others of its component.
pub fn metric(labels: &Labels) -> String {
    labels.without(&PLACES).without(&["job"]).to_string()
}

/// Adds what is known without being told: the load of a host comes from its processor.
pub fn add_known_edges(topology: &mut Arc<Topology>, labels: &Labels) {
    let component = component(labels);
    if topology.contains(&component) {
        return;
    }
    let topology = Arc::make_mut(topology);
    topology.add_component(&component);
    if let Some(host) = component.strip_suffix("/load") {
        topology.add_call(&component, &format!("{host}/cpu"));
    }
}

/// Whether the series only ever grows: such a series is looked at as a rate.
pub fn is_counter(labels: &Labels, kind: Option<&str>) -> bool {
    match kind {
        Some("counter") => true,
        Some("gauge") => false,
        // The parts of histograms and summaries, and counters of unknown kind.
        _ => ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .any(|ending| labels.metric().ends_with(ending)),
    }
}

/// Whether detectors look at the series. Single buckets of histograms say little by themselves
/// and are most of what many programs expose.
pub fn is_watched(labels: &Labels) -> bool {
    !labels.metric().ends_with("_bucket") && labels.get(METRIC_NAME).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: &str) {
        let labels = Labels::of(pairs.iter().copied()).expect("labels");
        assert_eq!(component(&labels), expected);
    }

    #[test]
    fn names_parts_of_a_host_and_services() {
        check(
            &[("__name__", "host_cpu_busy_percent"), ("host", "a")],
            "a/cpu",
        );
        check(
            &[
                ("__name__", "host_process_cpu_percent"),
                ("host", "a"),
                ("process", "x"),
            ],
            "a/cpu",
        );
        check(&[("__name__", "host_load1"), ("host", "a")], "a/load");
        check(
            &[("__name__", "up"), ("job", "node"), ("instance", "b:9100")],
            "node@b:9100",
        );
        check(&[("__name__", "queue_depth"), ("service", "cart")], "cart");
        check(&[("__name__", "queue_depth")], "queue_depth");
    }
}
