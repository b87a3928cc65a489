use aiops_core::Seed;
use aiops_detect::metrics::{MetricError, affiliation, auroc, event_wise, point_adjusted_f1};

/// Whether each sample is in one of the spans, which end before their second number.
fn spans(count: usize, spans: &[(usize, usize)]) -> Vec<bool> {
    let within = |at: usize| spans.iter().any(|&(begin, end)| (begin..end).contains(&at));
    (0..count).map(within).collect()
}

/// The example of the paper, in minutes of three hours; probabilities of all zones by numerical
/// integration of the paper's definitions, those of the second zone also in its table: 0.672 and 0.944.
#[test]
fn the_example_of_the_paper() {
    let events = spans(180, &[(0, 10), (50, 70), (170, 175)]);
    let called = [
        (5, 6),
        (7, 10),
        (11, 12),
        (40, 60),
        (115, 130),
        (135, 140),
        (165, 170),
    ];
    let measured = affiliation(&events, &spans(180, &called)).unwrap();
    assert!(
        (measured.precision.unwrap() - 0.639_490_740_740_740_7).abs() < 1e-9,
        "{measured:?}"
    );
    assert!(
        (measured.recall - 0.932_314_814_814_814_9).abs() < 1e-9,
        "{measured:?}"
    );

    // The second zone alone, from 30 to 120.
    let zone = affiliation(&spans(90, &[(20, 40)]), &spans(90, &[(10, 30), (85, 90)])).unwrap();
    assert!((zone.precision.unwrap() - 121.0 / 180.0).abs() < 1e-9);
    assert!((zone.recall - 17.0 / 18.0).abs() < 1e-9);
}

#[test]
fn affiliation_at_its_ends() {
    let events = spans(1_000, &[(100, 120), (600, 640)]);
    let all = affiliation(&events, &events).unwrap();
    assert_eq!((all.precision, all.recall), (Some(1.0), 1.0));
    let none = affiliation(&events, &[false; 1_000]).unwrap();
    assert_eq!((none.precision, none.recall), (None, 0.0));
    let one = affiliation(&events, &spans(1_000, &[(105, 110)])).unwrap();
    assert!(one.precision == Some(1.0) && one.recall < 0.5);
    // Everything called anomalous finds all, and is as precise as chance.
    let every = affiliation(&events, &[true; 1_000]).unwrap();
    assert!(every.recall == 1.0 && (every.precision.unwrap() - 0.5).abs() < 0.1);
}

#[test]
fn events_are_counted_as_people_do() {
    let events = spans(100, &[(10, 20), (50, 55), (90, 100)]);
    let called = spans(100, &[(5, 12), (14, 15), (30, 31), (53, 60)]);
    let measured = event_wise(&events, &called).unwrap();
    assert_eq!((measured.events, measured.found), (3, 2));
    assert_eq!((measured.alarms, measured.false_alarms), (4, 1));
    assert_eq!(measured.precision, Some(0.75));
    assert_eq!(measured.recall, 2.0 / 3.0);
    assert_eq!(measured.delay, Some(1.5));
    let none = event_wise(&events, &[false; 100]).unwrap();
    assert_eq!((none.precision, none.recall, none.delay), (None, 0.0, None));
}

#[test]
fn point_adjustment_flatters_and_says_so() {
    let labels = spans(10_000, &[(1_000, 1_500), (6_000, 6_500)]);
    let mut rng = Seed(3).rng();
    let scores: Vec<f64> = labels.iter().map(|_| rng.uniform()).collect();
    let measured = point_adjusted_f1(&labels, &scores).unwrap();
    assert!((auroc(&labels, &scores).unwrap() - 0.5).abs() < 0.05);
    assert!(measured.best.f1 > 0.9, "{measured:?}");
    assert!(
        (measured.random - measured.best.f1).abs() < 0.05,
        "{measured:?}"
    );
    // A detector that finds every sample of one event only.
    let half: Vec<f64> = (0..10_000)
        .map(|i| f64::from(u8::from((1_000..1_500).contains(&i))))
        .collect();
    let measured = point_adjusted_f1(&labels, &half).unwrap();
    assert!((measured.best.f1 - 2.0 / 3.0).abs() < 1e-12 && measured.random > measured.best.f1);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let length = MetricError::Length {
        labels: 2,
        scores: 1,
    };
    assert_eq!(event_wise(&[true, false], &[true]).unwrap_err(), length);
    assert_eq!(affiliation(&[true, false], &[true]).unwrap_err(), length);
    let one = MetricError::OneClass {
        anomalous: 2,
        samples: 2,
    };
    assert_eq!(event_wise(&[true; 2], &[true; 2]).unwrap_err(), one);
    assert_eq!(affiliation(&[true; 2], &[true; 2]).unwrap_err(), one);
    assert_eq!(point_adjusted_f1(&[true; 2], &[1.0; 2]).unwrap_err(), one);
}
