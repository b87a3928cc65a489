//! Has it stopped? A heartbeat that stays away, a counter that restarts, a forecast that is missed, and a
//! maintenance during which nobody is woken.

use std::error::Error;
use std::time::Duration;

use aiops_core::{Forecaster as _, Sample, Seed, Series, TimeAxis, TimeRange, Timestamp};
use aiops_detect::absence::{Absence, AbsenceConfig};
use aiops_detect::exclusion::{Exclusion, Exclusions, When};
use aiops_detect::monitor::{CounterMonitor, Monitor, MonitorConfig, Recall, SeriesMonitor};
use aiops_detect::residuals::{Residuals, ResidualsConfig};
use aiops_detect::threshold::FixedThreshold;
use aiops_forecast::ets::{Ets, EtsConfig};

fn at(second: u64) -> Timestamp {
    Timestamp::EPOCH.saturating_add(Duration::from_secs(second))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut noise = Seed::default().rng();

    // A host that reports every 15 seconds, until it does not.
    let mut heartbeat = Absence::try_from(AbsenceConfig::default())?; // aiops-detect
    for sample in 0..100 {
        heartbeat.arrive(at(15 * sample + (2.0 * noise.uniform()) as u64));
    }
    if let Some(due) = heartbeat.due() {
        println!("heartbeat: absent from {due} on");
    }

    // Requests as a counter: the process restarts at 300, the load triples at 500.
    let mut requests = CounterMonitor::new(SeriesMonitor::default());
    let (mut total, mut odd) = (0.0, Vec::new());
    for second in 0..520 {
        total = if second == 300 { 0.0 } else { total };
        total += if second < 500 { 40.0 } else { 120.0 } + noise.normal();
        if requests
            .update(Sample::new(at(second), total))
            .is_anomalous()
        {
            odd.push(second);
        }
    }
    println!(
        "counter: odd from second {:?} on, not at the restart",
        odd.first()
    );

    // A forecast that follows the trend of a disk, and what it did not expect.
    let used = |second: u64| 100.0 + second as f64 / 10.0;
    let history: Vec<f64> = (0..200).map(|s| used(s) + noise.normal()).collect();
    let axis = TimeAxis::regular(at(0), Duration::from_secs(1), history.len())?;
    let series = Series::new(axis, history)?;
    let ets = Ets::try_from(EtsConfig::default())?.fit(series.view())?; // aiops-forecast
    let mut policy = MonitorConfig::default();
    (policy.adapt_after, policy.learn_clipped) = (u32::MAX, u32::MAX);
    let residuals = Residuals::new(ResidualsConfig::default(), ets)?;
    let mut disk = Monitor::new(policy, residuals, FixedThreshold::default())?;
    for second in 200..420 {
        let dump = if second >= 400 { 30.0 } else { 0.0 };
        let verdict = disk.update(Sample::new(
            at(second),
            used(second) + dump + noise.normal(),
        ));
        if verdict.is_anomalous() {
            println!("disk, second {second}: {verdict}");
            break;
        }
    }

    // A maintenance of two minutes; then an incident, which somebody labels and which is unlearned.
    let exclusions = Exclusions::try_from(vec![Exclusion {
        reason: "disks are replaced".to_owned(),
        when: When::Once(TimeRange::new(at(200), at(320))),
    }])?;
    let mut latency = Recall::new(SeriesMonitor::default(), 1_000)?;
    let mut told = 0;
    for second in 0..900 {
        let high = (200..320).contains(&second) || (500..620).contains(&second);
        let value = if high { 95.0 } else { 20.0 } + noise.normal();
        let verdict = latency.update_unless(&exclusions, Sample::new(at(second), value));
        told += u32::from(verdict.is_anomalous());
        if second == 210 {
            let reason = exclusions.at(verdict.time).unwrap_or_default();
            println!(
                "latency, second {second}: {:?}, because {reason}",
                verdict.outcome
            );
        }
        if second == 619 {
            let taken_back = latency.unlearn(TimeRange::new(at(500), at(620)))?;
            println!("latency: an incident, {told} odd samples; {taken_back} samples unlearned");
            told = 0;
        }
    }
    println!("latency: {told} odd samples after it");
    Ok(())
}
