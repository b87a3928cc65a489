//! Reference values: the scorer of a Python script that gives the published scores of the
//! benchmark's own detectors, run on the same cases.

use std::ops::RangeInclusive;

use aiops_detect::metrics::nab::{NabError, NabFile, NabProfile, nab_score};

const PROFILES: [NabProfile; 3] = [NabProfile::STANDARD, NabProfile::LOW_FP, NabProfile::LOW_FN];

/// Scores that repeat, with a clear one a third into each window.
fn file(len: usize, windows: &[RangeInclusive<usize>], offset: f64, boost: f64) -> Vec<f64> {
    let mut scores: Vec<f64> = (0..len)
        .map(|row| {
            let i = row as f64 + offset;
            (12.9898 * i * i + 78.233 * i).rem_euclid(1.0)
        })
        .collect();
    for window in windows {
        scores[window.start() + (window.end() - window.start()) / 3] += boost;
    }
    scores
}

#[track_caller]
fn check(files: &[(Vec<f64>, Vec<RangeInclusive<usize>>)], expected: [f64; 3], threshold: f64) {
    let files: Vec<NabFile<'_>> = files
        .iter()
        .map(|(scores, windows)| NabFile { scores, windows })
        .collect();
    for (profile, expected) in PROFILES.into_iter().zip(expected) {
        let got = nab_score(&files, profile).unwrap();
        assert!(
            (got.score - expected).abs() < 1e-9,
            "{got:?}, expected {expected}"
        );
        assert_eq!(got.threshold, threshold);
    }
}

fn plain() -> Vec<(Vec<f64>, Vec<RangeInclusive<usize>>)> {
    [
        (1000, vec![300..=349, 700..=749], 0.0, 0.6),
        (600, vec![], 1000.0, 0.2),
        (6000, vec![100..=199, 800..=1399, 5500..=5999], 5000.0, 0.5),
        (200, vec![100..=100, 101..=140], 77.0, 0.3),
    ]
    .into_iter()
    .map(|(len, windows, offset, boost)| (file(len, &windows, offset, boost), windows))
    .collect()
}

#[test]
fn equals_the_reference() {
    check(
        &plain(),
        [
            42.975_862_109_080_15,
            36.690_156_193_192_834,
            47.698_193_787_005_8,
        ],
        0.998_800_039_291_381_8,
    );
    let mut tied = plain()[..2].to_vec();
    for score in tied.iter_mut().flat_map(|(scores, _)| scores) {
        *score = (*score * 8.0).floor() / 8.0;
    }
    check(
        &tied,
        [
            48.702_501_381_637_38,
            48.702_501_381_637_38,
            49.135_000_921_091_596,
        ],
        1.25,
    );
}

#[test]
fn silence_is_0_and_perfection_100() {
    let windows = [40..=49];
    let silent = NabFile {
        scores: &[f64::NAN; 100],
        windows: &windows,
    };
    let mut scores = [0.0; 100];
    scores[40] = 9.0;
    let perfect = NabFile {
        scores: &scores,
        windows: &windows,
    };
    for profile in PROFILES {
        let got = nab_score(&[silent], profile).unwrap();
        assert_eq!((got.score, got.threshold), (0.0, f64::INFINITY));
        assert!((nab_score(&[perfect], profile).unwrap().score - 100.0).abs() < 1e-9);
    }
}

#[test]
fn one_threshold_holds_for_all_files() {
    // Each file alone is perfect; the second's normal scores are above the first's anomaly.
    let windows = [400..=409];
    let (mut low, mut high) = (vec![0.0; 500], vec![5.0; 500]);
    (low[400], high[400]) = (1.0, 6.0);
    let [low, high] = [&low, &high].map(|scores| NabFile {
        scores,
        windows: &windows,
    });
    let alone = nab_score(&[low], NabProfile::STANDARD).unwrap();
    assert!((alone.score - 100.0).abs() < 1e-9);
    let both = nab_score(&[low, high], NabProfile::STANDARD).unwrap();
    assert!((both.score - 50.0).abs() < 1e-9, "{both:?}");
}

#[test]
fn bad_windows_are_refused() {
    let score = |windows: &[RangeInclusive<usize>]| {
        let scores = [0.0; 10];
        nab_score(
            &[NabFile {
                scores: &scores,
                windows,
            }],
            NabProfile::STANDARD,
        )
        .unwrap_err()
    };
    let window = |window| NabError::Window {
        file: 0,
        window,
        rows: 10,
    };
    assert_eq!(score(&[]), NabError::NoWindow);
    assert_eq!(score(&[5..=10]), window(0));
    assert_eq!(score(&[2..=5, 5..=6]), window(1));
    #[allow(clippy::reversed_empty_ranges, reason = "it is what is refused")]
    let reversed = score(&[7..=6]);
    assert_eq!(reversed, window(0));
    assert_eq!(
        window(1).to_string(),
        "window 1 of file 0 is out of order or outside of the 10 rows"
    );
}
