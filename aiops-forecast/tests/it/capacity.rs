use std::time::Duration;

use aiops_core::{Rng, Seed, Series, TimeAxis, Timestamp};
use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit, Outlook, Pattern};

use crate::support::series_every;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn capacity(horizon: u64) -> Capacity {
    let mut config = CapacityConfig::default();
    config.horizon = Duration::from_secs(horizon);
    Capacity::try_from(config).unwrap()
}

#[track_caller]
fn look(step: u64, values: Vec<f64>, limit: Limit, horizon: u64) -> Outlook {
    capacity(horizon)
        .outlook(series_every(step, values).view(), limit)
        .unwrap()
}

/// A process and its crossing, at full resolution.
struct Process {
    start: f64,
    per_step: f64,
    phi: f64,
    sigma: f64,
    daily: f64,
    step: u64,
}

impl Process {
    fn values(&self, len: usize, rng: &mut Rng) -> Vec<f64> {
        let mut noise = 0.0;
        (0..len)
            .map(|i| {
                noise = self.phi * noise + self.sigma * rng.normal();
                let phase = (i as u64 * self.step) as f64 / DAY as f64;
                let day = self.daily * (std::f64::consts::TAU * phase).sin();
                self.start + self.per_step * i as f64 + day + noise
            })
            .collect()
    }
}

/// Index of the first window of three whose mean reaches `limit`.
fn crossing(values: &[f64], from: usize, limit: f64) -> Option<usize> {
    (from..values.len()).find(|&i| values[i - 2..=i].iter().sum::<f64>() / 3.0 >= limit)
}

/// Share of processes whose crossing lies in [earliest, latest], and the median of the error of
/// the median as a share of the lead.
fn judge(make: impl Fn(&mut Rng) -> Process, past: usize, ahead: usize, limit: f64) -> (f64, f64) {
    let (mut inside, mut errors, mut cases) = (0, Vec::new(), 0);
    for case in 0..120 {
        let mut rng = Seed(77).child(case).rng();
        let process = make(&mut rng);
        let values = process.values(past + ahead, &mut rng);
        let Some(at) = crossing(&values, past, limit) else {
            continue;
        };
        if crossing(&values, 2, limit).is_some_and(|first| first < past) {
            continue;
        }
        let horizon = process.step * ahead as u64;
        let outlook = look(
            process.step,
            values[..past].to_vec(),
            Limit::Above(limit),
            horizon,
        );
        let truth = process.step * at as u64;
        let second = |at: Option<Timestamp>| at.map_or(u64::MAX, |at| at.as_secs() as u64);
        let (earliest, latest) = (second(outlook.earliest), second(outlook.latest));
        cases += 1;
        // The interval is exact to the simulated instants.
        let slack = horizon / 192 + process.step;
        inside += usize::from(earliest <= truth + slack && truth <= latest.saturating_add(slack));
        if let Some(median) = outlook.median {
            let now = process.step * (past as u64 - 1);
            let lead = (truth - now) as f64;
            errors.push((median.as_secs() as f64 - truth as f64).abs() / lead);
        }
    }
    assert!(cases >= 50, "only {cases} cases cross");
    errors.sort_unstable_by(f64::total_cmp);
    (
        f64::from(inside as u32) / f64::from(cases),
        errors[errors.len() / 2],
    )
}

#[test]
fn a_trend_in_white_noise_is_met_on_the_day() {
    let make = |rng: &mut Rng| Process {
        start: 40.0,
        per_step: 0.05 + 0.02 * rng.uniform(),
        phi: 0.0,
        sigma: 1.0,
        daily: 0.0,
        step: 60,
    };
    let (inside, error) = judge(make, 360, 2_000, 95.0);
    assert!((0.85..=1.0).contains(&inside), "{inside} inside");
    assert!(error < 0.05, "median error {error}");
}

#[test]
fn a_trend_in_noise_that_remembers() {
    let make = |rng: &mut Rng| Process {
        start: 40.0,
        per_step: 0.05 + 0.02 * rng.uniform(),
        phi: 0.8,
        sigma: 0.5,
        daily: 0.0,
        step: 60,
    };
    let (inside, error) = judge(make, 360, 2_000, 95.0);
    assert!((0.83..=1.0).contains(&inside), "{inside} inside");
    assert!(error < 0.1, "median error {error}");
}

#[test]
fn a_random_walk_with_drift() {
    let make = |rng: &mut Rng| Process {
        start: 40.0,
        per_step: 0.05 + 0.02 * rng.uniform(),
        phi: 1.0,
        sigma: 0.2,
        daily: 0.0,
        step: 60,
    };
    let (inside, error) = judge(make, 360, 3_000, 95.0);
    assert!((0.8..=1.0).contains(&inside), "{inside} inside");
    assert!(error < 0.25, "median error {error}");
}

#[test]
fn a_trend_with_a_daily_shape() {
    let make = |rng: &mut Rng| Process {
        start: 40.0,
        per_step: 0.04 + 0.02 * rng.uniform(),
        phi: 0.3,
        sigma: 1.0,
        daily: 8.0,
        step: HOUR,
    };
    let (inside, error) = judge(make, 21 * 24, 1_200, 95.0);
    assert!((0.8..=1.0).contains(&inside), "{inside} inside");
    assert!(error < 0.1, "median error {error}");
}

fn sawtooth(teeth: usize, length: usize, low: f64, high: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut rng = Seed(3).rng();
    (0..teeth * length)
        .map(|i| {
            let share = (i % length) as f64 / (length - 1) as f64;
            low + (high(i / length) - low) * share + 0.3 * rng.normal()
        })
        .collect()
}

#[test]
fn a_saw_tooth_is_not_a_trend() {
    // The heap climbs to 80 and falls back to 30; the last tooth is half way up.
    let mut heap = sawtooth(9, 40, 30.0, |_| 80.0);
    heap.truncate(8 * 40 + 25);
    let outlook = look(MINUTE, heap, Limit::Above(95.0), DAY);
    assert!(outlook.probability < 0.05, "{outlook}");
    let Pattern::Sawtooth {
        resets,
        peak,
        peak_per_day,
    } = outlook.pattern
    else {
        panic!("{:?}", outlook.pattern);
    };
    assert_eq!(resets, 8);
    assert!((peak - 80.0).abs() < 1.0 && peak_per_day == 0.0);
    assert!(
        outlook
            .to_string()
            .starts_with("no crossing within 1 d, probability over 0.9")
    );
}

#[test]
fn a_saw_tooth_whose_peaks_climb_is_a_leak() {
    let heap = sawtooth(12, 30, 20.0, |tooth| 50.0 + 2.0 * tooth as f64);
    let outlook = look(MINUTE, heap, Limit::Above(95.0), DAY);
    assert!(outlook.probability > 0.9, "{outlook}");
    // 2 in each tooth of half an hour: tooth 22 or 23 reaches 95.
    let hours = outlook.median.unwrap().as_secs() as f64 / HOUR as f64;
    assert!((10.0..13.0).contains(&hours), "{outlook}");
}

#[test]
fn free_space_below_a_limit_is_the_mirror_image() {
    let used = sawtooth(12, 30, 20.0, |tooth| 50.0 + 2.0 * tooth as f64);
    let free: Vec<f64> = used.iter().map(|used| 100.0 - used).collect();
    let above = look(MINUTE, used, Limit::Above(95.0), DAY);
    let below = look(MINUTE, free, Limit::Below(5.0), DAY);
    // `100 - used` rounds, so the numbers differ in the last digits.
    let seconds = |one: &Outlook| one.median.unwrap().as_secs();
    assert!((seconds(&above) - seconds(&below)).abs() <= 1);
    assert_eq!(above.probability, below.probability);
}

#[test]
fn a_resized_volume_keeps_its_slope_and_starts_at_its_new_level() {
    let mut rng = Seed(4).rng();
    let disk: Vec<f64> = (0..360)
        .map(|i| {
            let grown = 60.0 + 0.1 * f64::from(i);
            if i < 330 { grown } else { grown - 50.0 }
        })
        .map(|value| value + 0.1 * rng.normal())
        .collect();
    let outlook = look(10 * MINUTE, disk, Limit::Above(99.0), 30 * DAY);
    // 53 to go at 0.6 an hour from hour 60 on: some 148 hours in all.
    let hours = outlook.median.unwrap().as_secs() as f64 / HOUR as f64;
    assert!((143.0..153.0).contains(&hours), "{outlook}");
    assert!(
        matches!(outlook.pattern, Pattern::Line { shifts: 1, .. }),
        "{outlook:?}"
    );
}

#[test]
fn flat_noise_far_from_the_limit_never_gives_a_date() {
    let mut rng = Seed(5).rng();
    let load: Vec<f64> = (0..360).map(|_| 20.0 + rng.normal()).collect();
    let outlook = look(MINUTE, load, Limit::Above(99.0), 7 * DAY);
    assert_eq!((outlook.probability, outlook.median), (0.0, None));
    assert_eq!(
        outlook.to_string(),
        "no crossing within 7 d, probability over 0.99"
    );
}

#[test]
fn degenerate_pasts() {
    let constant = look(MINUTE, vec![5.0; 50], Limit::Above(6.0), DAY);
    assert_eq!(constant.probability, 0.0);
    let beyond = look(MINUTE, vec![5.0; 50], Limit::Above(5.0), DAY);
    assert_eq!(beyond.probability, 1.0);
    assert_eq!(beyond.pattern, Pattern::Reached);
    assert_eq!(beyond.median, beyond.latest);
    assert_eq!(beyond.to_string(), "has reached 5: 5");
    let huge = look(
        MINUTE,
        (0..50).map(|i| 1e300 * f64::from(i)).collect(),
        Limit::Above(1e308),
        DAY,
    );
    assert!((0.0..=1.0).contains(&huge.probability));
    let exact = look(
        MINUTE,
        (0..50).map(f64::from).collect(),
        Limit::Above(100.0),
        DAY,
    );
    let minutes = exact.median.unwrap().as_secs() / 60;
    assert!((99..=109).contains(&minutes), "{exact}");
    let gaps = look(
        MINUTE,
        (0..100)
            .map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i) })
            .collect(),
        Limit::Above(200.0),
        DAY,
    );
    assert!(
        (199..=212).contains(&(gaps.median.unwrap().as_secs() / 60)),
        "{gaps}"
    );
}

#[test]
fn listed_instants_count_as_they_are() {
    let instants: Vec<Timestamp> = (0..100)
        .map(|i| Timestamp::from_secs(60 * i + (i * i) % 17).unwrap())
        .collect();
    let values = instants.iter().map(|at| at.as_secs_f64() / 60.0).collect();
    let series = Series::new(TimeAxis::listed(instants).unwrap(), values).unwrap();
    let outlook = capacity(DAY)
        .outlook(series.view(), Limit::Above(200.0))
        .unwrap();
    assert!(
        (195..=212).contains(&(outlook.median.unwrap().as_secs() / 60)),
        "{outlook}"
    );
}

#[test]
fn the_same_input_gives_the_same_answer() {
    let values: Vec<f64> = (0..200).map(|i| f64::from(i) + f64::from(i % 7)).collect();
    let one = look(MINUTE, values.clone(), Limit::Above(500.0), DAY);
    assert_eq!(one, look(MINUTE, values, Limit::Above(500.0), DAY));
}

#[test]
fn sorts_by_what_runs_out_first() {
    let past = |slope: f64| (0..200).map(|i| slope * f64::from(i)).collect::<Vec<_>>();
    let mut all: Vec<Outlook> = [0.0, 0.5, 2.0, 1.0]
        .into_iter()
        .map(|slope| look(MINUTE, past(slope), Limit::Above(500.0), DAY))
        .collect();
    all.sort_by(Outlook::by_urgency);
    let current: Vec<f64> = all.iter().map(|one| one.current).collect();
    assert_eq!(current, [398.0, 199.0, 99.5, 0.0]);
}

#[track_caller]
fn check(change: impl Fn(&mut CapacityConfig), name: &str) {
    let mut config = CapacityConfig::default();
    change(&mut config);
    let error = Capacity::try_from(config).unwrap_err();
    assert_eq!(error.name(), name);
}

#[test]
fn refuses_what_it_cannot_do() {
    let good = CapacityConfig::default();
    check(|c| c.horizon = Duration::ZERO, "horizon");
    check(
        |c| c.horizon = Duration::from_secs(11 * 365 * DAY),
        "horizon",
    );
    check(|c| c.sustained = 0, "sustained");
    check(|c| c.sustained = 1_001, "sustained");
    check(|c| c.paths = 19, "paths");
    check(|c| c.paths = 100_001, "paths");
    let capacity = Capacity::try_from(good).unwrap();
    let short = series_every(60, vec![1.0; 9]);
    let error = capacity
        .outlook(short.view(), Limit::Above(2.0))
        .unwrap_err();
    assert_eq!(error.to_string(), "unsuitable training data");
    let enough = series_every(60, vec![1.0; 10]);
    assert!(capacity.outlook(enough.view(), Limit::Above(2.0)).is_ok());
    let error = capacity
        .outlook(enough.view(), Limit::Below(f64::NAN))
        .unwrap_err();
    assert_eq!(error.to_string(), "unsuitable parameter for this data");
}
