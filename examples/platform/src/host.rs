//! This host's own metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::{Labels, Timestamp};
use sysinfo::{Disks, Networks, ProcessRefreshKind, ProcessesToUpdate, System};

/// Metric, unit, help.
const METRICS: [(&str, &str, &str); 19] = [
    (
        "host_cpu_busy_percent",
        "percent",
        "Share of time in which the cores were busy, all cores.",
    ),
    (
        "host_cpu_core_busy_percent",
        "percent",
        "Share of time in which one core was busy.",
    ),
    (
        "host_cpu_core_mode_percent",
        "percent",
        "Share of time that one core spent in a mode.",
    ),
    (
        "host_memory_used_percent",
        "percent",
        "Memory that is not available to programs.",
    ),
    (
        "host_memory_used_bytes",
        "bytes",
        "Memory that is not available to programs.",
    ),
    (
        "host_memory_available_bytes",
        "bytes",
        "Memory that programs can still get.",
    ),
    ("host_swap_used_percent", "percent", "Swap space in use."),
    (
        "host_load1",
        "processes",
        "Runnable processes, mean of one minute.",
    ),
    (
        "host_load5",
        "processes",
        "Runnable processes, mean of five minutes.",
    ),
    ("host_processes", "processes", "Number of processes."),
    (
        "host_disk_used_percent",
        "percent",
        "Space in use of one file system.",
    ),
    (
        "host_disk_free_bytes",
        "bytes",
        "Space left of one file system.",
    ),
    (
        "host_disk_read_bytes_per_second",
        "bytes per second",
        "Read from one device.",
    ),
    (
        "host_disk_written_bytes_per_second",
        "bytes per second",
        "Written to one device.",
    ),
    (
        "host_network_received_bytes_per_second",
        "bytes per second",
        "Received by one interface.",
    ),
    (
        "host_network_sent_bytes_per_second",
        "bytes per second",
        "Sent by one interface.",
    ),
    (
        "host_network_errors_per_second",
        "per second",
        "Errors on one interface.",
    ),
    (
        "host_process_cpu_percent",
        "percent",
        "Use of one core by all processes of one name.",
    ),
    (
        "host_process_memory_bytes",
        "bytes",
        "Memory of all processes of one name.",
    ),
];

/// Names of processes that are followed at most. The largest consumers come first; without a
/// bound, a host that starts programs under changing names would fill the store with series.
const MAX_PROCESS_NAMES: usize = 100;

/// Reads this host's metrics, one batch at a time.
#[derive(Debug)]
pub struct HostCollector {
    host: String,
    top_processes: usize,
    system: System,
    disks: Disks,
    networks: Networks,
    modes: cpu_modes::CpuModes,
    labels: BTreeMap<(&'static str, String, String), Labels>,
    process_names: BTreeSet<String>,
    last: Option<Timestamp>,
}

impl HostCollector {
    /// Follows the `top_processes` largest consumers of processor and of memory.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn new(host: String, top_processes: usize) -> Result<Self, sysinfo::Error> {
        Ok(Self {
            host,
            top_processes,
            system: System::new()?,
            disks: Disks::new_with_refreshed_list()?,
            networks: Networks::new_with_refreshed_list()?,
            modes: cpu_modes::CpuModes::default(),
            labels: BTreeMap::new(),
            process_names: BTreeSet::new(),
            last: None,
        })
    }

    /// Name of this host, or `localhost` where it has none.
    pub fn host_name() -> String {
        System::host_name()
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or("localhost".to_owned())
    }

    /// All metrics at `now`. Rates need an earlier call and are left out of the first.
    pub fn collect(&mut self, now: Timestamp) -> Batch {
        let mut batch = Batch::default();
        if self.last.is_none() {
            batch.metadata = metadata();
        }
        let elapsed = self
            .last
            .map(|last| now.since(last))
            .filter(|span| !span.is_zero());
        self.last = Some(now);
        let mut out = Output {
            batch: &mut batch,
            labels: &mut self.labels,
            host: &self.host,
            now,
        };
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        if elapsed.is_some() {
            cpu(&self.system, &mut out);
        }
        for (core, mode, percent) in self.modes.read() {
            out.push2(
                "host_cpu_core_mode_percent",
                ("core", &core),
                ("mode", mode),
                percent,
            );
        }
        memory(&self.system, &mut out);
        disks(&mut self.disks, elapsed, &mut out);
        networks(&mut self.networks, elapsed, &mut out);
        self.processes(elapsed.is_some(), now, &mut batch);
        batch
    }

    fn processes(&mut self, with_cpu: bool, now: Timestamp, batch: &mut Batch) {
        let what = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let mut out = Output {
            batch,
            labels: &mut self.labels,
            host: &self.host,
            now,
        };
        out.push("host_processes", self.system.processes().len() as f64);
        let mut by_name: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for process in self.system.processes().values() {
            let name = process.name().to_string_lossy().into_owned();
            let sums = by_name.entry(name).or_default();
            sums.0 += f64::from(process.cpu_usage());
            sums.1 += process.memory() as f64;
        }
        let names = &mut self.process_names;
        for (name, _) in top(&by_name, self.top_processes, |sums| sums.0) {
            remember(names, name);
        }
        for (name, _) in top(&by_name, self.top_processes, |sums| sums.1) {
            remember(names, name);
        }
        // A name that was once at the top is followed on, or its series would have holes.
        for (name, (cpu, memory)) in by_name.iter().filter(|(name, _)| names.contains(*name)) {
            if with_cpu {
                out.push1("host_process_cpu_percent", ("process", name), *cpu);
            }
            out.push1("host_process_memory_bytes", ("process", name), *memory);
        }
    }
}

fn remember(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MAX_PROCESS_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn top(
    by_name: &BTreeMap<String, (f64, f64)>,
    count: usize,
    key: impl Fn(&(f64, f64)) -> f64,
) -> Vec<(&str, f64)> {
    let mut sorted: Vec<_> = by_name
        .iter()
        .map(|(name, sums)| (name.as_str(), key(sums)))
        .collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    sorted.truncate(count);
    sorted.retain(|(_, value)| *value > 0.0);
    sorted
}

fn metadata() -> Vec<MetricMetadata> {
    METRICS
        .iter()
        .map(|(metric, unit, help)| MetricMetadata {
            metric: (*metric).to_owned(),
            kind: "gauge".to_owned(),
            help: (*help).to_owned(),
            unit: (*unit).to_owned(),
        })
        .collect()
}

/// Writes samples of one instant into a batch.
struct Output<'a> {
    batch: &'a mut Batch,
    labels: &'a mut BTreeMap<(&'static str, String, String), Labels>,
    host: &'a str,
    now: Timestamp,
}

impl Output<'_> {
    fn push(&mut self, metric: &'static str, value: f64) {
        self.push2(metric, ("", ""), ("", ""), value);
    }

    fn push1(&mut self, metric: &'static str, label: (&str, &str), value: f64) {
        self.push2(metric, label, ("", ""), value);
    }

    fn push2(&mut self, metric: &'static str, a: (&str, &str), b: (&str, &str), value: f64) {
        if !value.is_finite() {
            return;
        }
        let key = (metric, a.1.to_owned(), b.1.to_owned());
        let labels = self.labels.entry(key).or_insert_with(|| {
            Labels::empty()
                .with(aiops_core::METRIC_NAME, metric)
                .with("host", self.host)
                .with(a.0, a.1)
                .with(b.0, b.1)
        });
        self.batch.start_series(labels.clone());
        self.batch.push(self.now, value);
    }
}

fn cpu(system: &System, out: &mut Output<'_>) {
    out.push(
        "host_cpu_busy_percent",
        f64::from(system.global_cpu_usage()),
    );
    for (index, core) in system.cpus().iter().enumerate() {
        let name = index.to_string();
        out.push1(
            "host_cpu_core_busy_percent",
            ("core", &name),
            f64::from(core.usage()),
        );
    }
    if let Ok(load) = System::load_average() {
        out.push("host_load1", load.one);
        out.push("host_load5", load.five);
    }
}

fn memory(system: &System, out: &mut Output<'_>) {
    let (total, available) = (
        system.total_memory() as f64,
        system.available_memory() as f64,
    );
    out.push(
        "host_memory_used_percent",
        100.0 * (total - available) / total,
    );
    out.push("host_memory_used_bytes", total - available);
    out.push("host_memory_available_bytes", available);
    if system.total_swap() > 0 {
        let used = system.used_swap() as f64 / system.total_swap() as f64;
        out.push("host_swap_used_percent", 100.0 * used);
    }
}

fn disks(disks: &mut Disks, elapsed: Option<Duration>, out: &mut Output<'_>) {
    disks.refresh(true);
    let mut seen = BTreeSet::new();
    for disk in disks.iter().filter(|disk| disk.total_space() > 0) {
        let mount = disk.mount_point().to_string_lossy().into_owned();
        let (total, free) = (disk.total_space() as f64, disk.available_space() as f64);
        out.push1(
            "host_disk_used_percent",
            ("mount", &mount),
            100.0 * (total - free) / total,
        );
        out.push1("host_disk_free_bytes", ("mount", &mount), free);
        let device = disk.name().to_string_lossy().into_owned();
        // Several mounts of one device all report the device's traffic.
        if let Some(elapsed) = elapsed.filter(|_| seen.insert(device.clone())) {
            let usage = disk.usage();
            let rate = |bytes: u64| bytes as f64 / elapsed.as_secs_f64();
            let label = ("device", device.as_str());
            out.push1(
                "host_disk_read_bytes_per_second",
                label,
                rate(usage.read_bytes),
            );
            out.push1(
                "host_disk_written_bytes_per_second",
                label,
                rate(usage.written_bytes),
            );
        }
    }
}

fn networks(networks: &mut Networks, elapsed: Option<Duration>, out: &mut Output<'_>) {
    networks.refresh(true);
    let Some(elapsed) = elapsed else { return };
    let rate = |count: u64| count as f64 / elapsed.as_secs_f64();
    let mut sorted: Vec<_> = networks.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    for (name, data) in sorted {
        let name = name.to_string_lossy();
        let label = ("interface", &*name);
        let errors = data.errors_on_received() + data.errors_on_transmitted();
        out.push1(
            "host_network_received_bytes_per_second",
            label,
            rate(data.received()),
        );
        out.push1(
            "host_network_sent_bytes_per_second",
            label,
            rate(data.transmitted()),
        );
        out.push1("host_network_errors_per_second", label, rate(errors));
    }
}

mod cpu_modes {
    //! Time per core and mode. Linux tells it in `/proc/stat`; elsewhere there is none.

    use std::collections::BTreeMap;

    const MODES: [&str; 8] = [
        "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
    ];

    #[derive(Debug, Default)]
    pub(super) struct CpuModes {
        last: BTreeMap<String, [u64; 8]>,
    }

    impl CpuModes {
        /// Core, mode, percent of the time since the call before.
        pub(super) fn read(&mut self) -> Vec<(String, &'static str, f64)> {
            let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
            text.lines()
                .filter_map(parse)
                .flat_map(|(core, ticks)| self.share(&core, ticks))
                .collect()
        }

        fn share(&mut self, core: &str, ticks: [u64; 8]) -> Vec<(String, &'static str, f64)> {
            let Some(before) = self.last.insert(core.to_owned(), ticks) else {
                return Vec::new();
            };
            // A counter of a core may step back a little; that is no time spent.
            let spent: Vec<u64> = ticks
                .iter()
                .zip(before)
                .map(|(now, then)| now.saturating_sub(then))
                .collect();
            let total: u64 = spent.iter().sum();
            if total == 0 {
                return Vec::new();
            }
            MODES
                .iter()
                .zip(spent)
                .map(|(mode, ticks)| (core.to_owned(), *mode, 100.0 * ticks as f64 / total as f64))
                .collect()
        }
    }

    fn parse(line: &str) -> Option<(String, [u64; 8])> {
        let mut words = line.split_ascii_whitespace();
        let core = words
            .next()?
            .strip_prefix("cpu")
            .filter(|core| !core.is_empty())?;
        let mut ticks = [0; 8];
        for tick in &mut ticks {
            *tick = words.next()?.parse().ok()?;
        }
        Some((core.to_owned(), ticks))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn reads_a_line_of_one_core_and_not_the_sum() {
            let line = "cpu1 10 0 5 80 5 0 0 0 0 0";
            assert_eq!(
                parse(line),
                Some(("1".to_owned(), [10, 0, 5, 80, 5, 0, 0, 0]))
            );
            assert_eq!(parse("cpu 10 0 5 80 5 0 0 0 0 0"), None);
            assert_eq!(parse("intr 1 2 3"), None);
        }

        #[test]
        fn shares_add_up_to_the_whole() {
            let mut modes = CpuModes::default();
            assert!(modes.share("0", [0; 8]).is_empty());
            let shares = modes.share("0", [30, 0, 10, 60, 0, 0, 0, 0]);
            assert_eq!(shares[0], ("0".to_owned(), "user", 30.0));
            assert!((shares.iter().map(|share| share.2).sum::<f64>() - 100.0).abs() < 1e-9);
        }
    }
}
