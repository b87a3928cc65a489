//! Is this normal? A latency that rises, sample by sample.

use std::time::Duration;

use aiops_core::{Sample, Seed, Timestamp};
use aiops_detect::monitor::SeriesMonitor;

fn main() {
    let mut monitor = SeriesMonitor::default(); // aiops-detect
    let mut noise = Seed::default().rng();
    for second in 0..300 {
        let base = if (200..230).contains(&second) {
            95.0
        } else {
            20.0
        };
        let time = Timestamp::EPOCH.saturating_add(Duration::from_secs(second));
        let verdict = monitor.update(Sample::new(time, base + noise.normal()));
        if verdict.is_anomalous() {
            println!("{time}  {verdict}");
        }
    }
}
