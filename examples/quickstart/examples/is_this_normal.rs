//! Is this normal? A latency that rises for half a minute, sample by sample.

use std::time::Duration;

use aiops_core::{Sample, Seed, Timestamp};
use aiops_detect::monitor::SeriesMonitor;

fn main() {
    let mut monitor = SeriesMonitor::default(); // aiops-detect
    let mut noise = Seed::default().rng();
    let mut run = 0;
    for second in 0..300 {
        let rising = (200..230).contains(&second);
        let latency_ms = if rising { 95.0 } else { 20.0 } + noise.normal();
        let time = Timestamp::EPOCH.saturating_add(Duration::from_secs(second));
        let verdict = monitor.update(Sample::new(time, latency_ms));
        match (verdict.is_anomalous(), run) {
            (true, 0) => println!("second {second}: not normal: {verdict}"),
            (false, 1..) => println!("second {second}: normal again, after {run} odd samples"),
            _ => {}
        }
        run = if verdict.is_anomalous() { run + 1 } else { 0 };
    }
    println!("memory of the monitor: {} bytes", monitor.size_bytes());
}
