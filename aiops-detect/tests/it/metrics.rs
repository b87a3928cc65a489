use aiops_detect::metrics::{MetricError, auroc, average_precision, best_f1, vus};
use proptest::prelude::*;

use crate::support::noise;

#[track_caller]
fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
}

/// The case of the reference script: 400 samples, two near events and one far.
fn reference_case() -> (Vec<bool>, Vec<f64>) {
    let label =
        |i: usize| (100..110).contains(&i) || (112..115).contains(&i) || (300..340).contains(&i);
    let score = |i: usize| {
        let hit = label(i) && !i.is_multiple_of(3);
        f64::midpoint((i as f64 * 0.7).sin(), 1.0) + if hit { 0.8 } else { 0.0 }
    };
    ((0..400).map(label).collect(), (0..400).map(score).collect())
}

/// scikit-learn 1.9.1 (AUROC, AP) and the definition of VUS in TSB-AD, written out in Python.
#[test]
fn equal_to_the_reference_implementations() {
    let (labels, scores) = reference_case();
    close(auroc(&labels, &scores).unwrap(), 0.765_319_993_475_069_4);
    close(
        average_precision(&labels, &scores).unwrap(),
        0.601_591_699_566_149_8,
    );
    close(
        best_f1(&labels, &scores).unwrap().f1,
        0.641_025_641_025_641_1,
    );
    for (window, roc, pr) in [
        (0, 0.765_319_993_475_069_4, 0.600_970_029_809_391_4),
        (1, 0.765_319_993_475_069_4, 0.600_970_029_809_391_4),
        (10, 0.817_583_059_154_873_4, 0.631_586_113_120_548_5),
        (40, 0.875_730_611_484_013_7, 0.686_569_443_410_761),
    ] {
        let volume = vus(&labels, &scores, window).unwrap();
        close(volume.roc, roc);
        close(volume.pr, pr);
    }
}

#[test]
fn ties_count_one_half_and_are_taken_together() {
    let labels = [true, false, true, false];
    close(auroc(&labels, &[1.0; 4]).unwrap(), 0.5);
    close(average_precision(&labels, &[1.0; 4]).unwrap(), 0.5);
    close(best_f1(&labels, &[1.0; 4]).unwrap().f1, 2.0 / 3.0);
    close(auroc(&labels, &[0.0, -0.0, 0.0, -0.0]).unwrap(), 0.5); // one zero, not two
    close(vus(&labels, &[1.0; 4], 0).unwrap().roc, 0.5);
}

#[test]
fn perfect_and_reversed_scores() {
    let labels: Vec<bool> = (0..40).map(|i| (10..15).contains(&i)).collect();
    let scores: Vec<f64> = labels
        .iter()
        .map(|&label| f64::from(u8::from(label)))
        .collect();
    let reversed: Vec<f64> = scores.iter().map(|score| -score).collect();
    close(auroc(&labels, &scores).unwrap(), 1.0);
    close(auroc(&labels, &reversed).unwrap(), 0.0);
    let best = best_f1(&labels, &scores).unwrap();
    assert_eq!(
        (best.f1, best.precision, best.recall, best.threshold),
        (1.0, 1.0, 1.0, 1.0)
    );
    close(vus(&labels, &scores, 0).unwrap().pr, 1.0);
    close(vus(&labels, &scores, 0).unwrap().roc, 1.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    type Measure = fn(&[bool], &[f64]) -> Result<f64, MetricError>;
    let measures: [Measure; 4] = [
        auroc,
        average_precision,
        |labels, scores| best_f1(labels, scores).map(|best| best.f1),
        |labels, scores| vus(labels, scores, 5).map(|volume| volume.pr),
    ];
    for measure in measures {
        let length = MetricError::Length {
            labels: 2,
            scores: 1,
        };
        assert_eq!(measure(&[true, false], &[1.0]), Err(length));
        let missing = MetricError::Missing { index: 1 };
        assert_eq!(measure(&[true, false], &[1.0, f64::NAN]), Err(missing));
        for labels in [&[][..], &[true, true], &[false]] {
            let anomalous = labels.iter().filter(|&&label| label).count();
            let samples = labels.len();
            let error = MetricError::OneClass { anomalous, samples };
            assert_eq!(measure(labels, &vec![1.0; samples]), Err(error));
        }
        assert!(measure(&[true, false], &[f64::INFINITY, f64::NEG_INFINITY]).unwrap() > 0.0);
    }
}

/// Volume by its definition, sample by sample and threshold by threshold.
fn slow_vus(labels: &[bool], scores: &[f64], window: usize) -> (f64, f64) {
    let n = labels.len();
    let anomalous = labels.iter().filter(|&&label| label).count() as f64;
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut roc, mut pr) = (0.0, 0.0);
    for l in 0..=window {
        let h = l / 2;
        let mut soft: Vec<f64> = labels
            .iter()
            .map(|&label| f64::from(u8::from(label)))
            .collect();
        let mut group = vec![None; n];
        let mut groups = 0;
        for i in (0..n).filter(|&i| labels[i]) {
            if i == 0 || !labels[i - 1] {
                let first = i;
                let last = (i..n).take_while(|&j| labels[j]).last().unwrap();
                for d in 1..=h {
                    let ramp = (1.0 - d as f64 / l as f64).sqrt();
                    if last + d < n {
                        soft[last + d] += ramp;
                    }
                    if first >= d {
                        soft[first - d] += ramp;
                    }
                }
                let from = first.saturating_sub(h);
                let to = (last + h).min(n - 1);
                // Buffers that share a sample are one group.
                let id = group[from..=to]
                    .iter()
                    .flatten()
                    .copied()
                    .next()
                    .unwrap_or_else(|| {
                        groups += 1;
                        groups - 1
                    });
                group[from..=to].iter_mut().for_each(|at| *at = Some(id));
            }
        }
        for label in &mut soft {
            *label = label.min(1.0);
        }
        let (mut before, mut area_pr, mut area_roc) = ((0.0, 0.0), 0.0, 0.0);
        for k in 0..250 {
            let place = if k == 249 {
                (n - 1) as f64
            } else {
                f64::from(k) * ((n - 1) as f64 / 249.0)
            };
            let level = sorted[place as usize];
            let hit = |i: &usize| scores[*i] >= level;
            let tp: f64 = (0..n).filter(hit).map(|i| soft[i]).sum();
            let out: f64 = (0..n)
                .filter(hit)
                .filter(|&i| !labels[i])
                .map(|i| soft[i])
                .sum();
            let count = (0..n).filter(hit).count() as f64;
            let found: std::collections::BTreeSet<usize> =
                (0..n).filter(hit).filter_map(|i| group[i]).collect();
            let p = f64::midpoint(anomalous, anomalous + out);
            let tpr = (tp / p).min(1.0) * found.len() as f64 / groups as f64;
            let fpr = (count - tp) / (n as f64 - p);
            area_pr += (tpr - before.1) * tp / count;
            area_roc += (fpr - before.0) * f64::midpoint(tpr, before.1);
            before = (fpr, tpr);
        }
        area_roc += (1.0 - before.0) * f64::midpoint(1.0, before.1);
        roc += area_roc;
        pr += area_pr;
    }
    (roc / (window + 1) as f64, pr / (window + 1) as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn vus_is_its_definition(labels in proptest::collection::vec(proptest::bool::weighted(0.2), 2..150), window in 0_usize..24, levels in 1_usize..60) {
        prop_assume!(labels.contains(&true) && labels.contains(&false));
        let scores: Vec<f64> = (0..labels.len()).map(|i| (noise(i) * levels as f64).round()).collect();
        let volume = vus(&labels, &scores, window).unwrap();
        let (roc, pr) = slow_vus(&labels, &scores, window);
        prop_assert!((volume.roc - roc).abs() < 1e-9 && (volume.pr - pr).abs() < 1e-9, "{:?} {} {}", volume, roc, pr);
    }

    #[test]
    fn auroc_is_the_share_of_ordered_pairs(data in proptest::collection::vec((any::<bool>(), -5_i8..5), 2..60)) {
        let (labels, scores): (Vec<bool>, Vec<f64>) = data.iter().map(|&(label, score)| (label, f64::from(score))).unzip();
        prop_assume!(labels.contains(&true) && labels.contains(&false));
        let (mut wins, mut pairs) = (0.0, 0.0);
        for i in (0..labels.len()).filter(|&i| labels[i]) {
            for j in (0..labels.len()).filter(|&j| !labels[j]) {
                pairs += 1.0;
                wins += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
            }
        }
        prop_assert!((auroc(&labels, &scores).unwrap() - wins / pairs).abs() < 1e-12);
    }

    #[test]
    fn only_the_order_counts(data in proptest::collection::vec((any::<bool>(), -50_i8..50), 2..60)) {
        let (labels, scores): (Vec<bool>, Vec<f64>) = data.iter().map(|&(label, score)| (label, f64::from(score))).unzip();
        prop_assume!(labels.contains(&true) && labels.contains(&false));
        let bent: Vec<f64> = scores.iter().map(|score| (score / 20.0).exp()).collect();
        prop_assert_eq!(auroc(&labels, &scores), auroc(&labels, &bent));
        prop_assert_eq!(average_precision(&labels, &scores), average_precision(&labels, &bent));
        prop_assert_eq!(vus(&labels, &scores, 9), vus(&labels, &bent, 9));
    }
}
