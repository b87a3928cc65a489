//! What is watched, told and forecast when nothing is configured.

use std::time::Duration;

use aiops_core::Selector;
use aiops_detect::monitor::Direction;

use super::{Floor, ForecastTarget, RuleFile, forecast_horizon};

pub(super) fn floors() -> Vec<Floor> {
    use Direction::{Both, Up};
    [
        // Nobody needs to know that a host has become idle.
        (r#"{__name__=~"host_cpu_(core_)?busy_percent"}"#, 25.0, Up),
        (r#"{__name__=~"host_cpu_.*_percent"}"#, 25.0, Both),
        (r#"{__name__=~".*_percent"}"#, 5.0, Both),
        (r#"{__name__=~"host_load.*"}"#, 2.0, Up),
        (r#"{__name__=~"host_processes"}"#, 50.0, Both),
        (
            r#"{__name__=~"host_(network|disk)_.*_bytes_per_second"}"#,
            1e6,
            Both,
        ),
        (r#"{__name__=~".*_bytes"}"#, 16e6, Both),
    ]
    .into_iter()
    .map(|(text, absolute, direction)| Floor {
        selector: built_in(text),
        absolute,
        direction,
    })
    .collect()
}

pub(super) fn rules() -> Vec<RuleFile> {
    let rule = |name: &str, selector: &str, summary: &str| {
        RuleFile::without_condition(name, built_in(selector), summary)
    };
    let unusual = |name, selector, summary| RuleFile {
        anomaly: Some(0.0),
        ..rule(name, selector, summary)
    };
    let over = |name, selector, limit, resolve, summary| RuleFile {
        above: Some(limit),
        resolve: Some(resolve),
        hold: Duration::from_mins(1),
        ..rule(name, selector, summary)
    };
    vec![
        unusual(
            "UnusualCpu",
            "host_cpu_busy_percent",
            "CPU of {{ $labels.host }} is unusually busy: {{ printf \"%.1f\" $value }} %",
        ),
        unusual(
            "UnusualMemory",
            "host_memory_used_percent",
            "Memory of {{ $labels.host }} is unusual: {{ printf \"%.1f\" $value }} % in use",
        ),
        over(
            "DiskAlmostFull",
            "host_disk_used_percent",
            95.0,
            93.0,
            "{{ $labels.mount }} of {{ $labels.host }} is {{ printf \"%.1f\" $value }} % full",
        ),
        over(
            "MemoryAlmostFull",
            "host_memory_used_percent",
            95.0,
            90.0,
            "Memory of {{ $labels.host }} is {{ printf \"%.1f\" $value }} % in use",
        ),
        RuleFile {
            below: Some(1.0),
            hold: Duration::from_mins(1),
            ..rule(
                "TargetDown",
                "up",
                "{{ $labels.job }} at {{ $labels.instance }} is down",
            )
        },
    ]
}

pub(super) fn forecasts() -> Vec<ForecastTarget> {
    [
        "host_disk_used_percent",
        "host_memory_used_percent",
        "host_swap_used_percent",
    ]
    .into_iter()
    .map(|metric| ForecastTarget {
        selector: Selector::metric(metric),
        above: Some(99.0),
        below: None,
        horizon: forecast_horizon(),
    })
    .collect()
}

fn built_in(text: &str) -> Selector {
    text.parse()
        .unwrap_or_else(|error| panic!("built-in selector `{text}`: {error}"))
}
