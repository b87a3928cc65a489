use aiops_core::{DataError, FitError, Seed};
use aiops_detect::esd::{EsdOutlier, GeneralizedEsd, GeneralizedEsdConfig};

use crate::support::{degenerate, series};

fn outliers(
    values: &[f64],
    change: impl FnOnce(&mut GeneralizedEsdConfig),
) -> Result<Vec<EsdOutlier>, FitError> {
    let mut config = GeneralizedEsdConfig::default();
    change(&mut config);
    let esd = GeneralizedEsd::try_from(config).unwrap();
    esd.outliers(series(values).view())
}

fn indices(outliers: &[EsdOutlier]) -> Vec<usize> {
    outliers.iter().map(|outlier| outlier.index).collect()
}

/// Rosner's data, as the NIST/SEMATECH e-Handbook of Statistical Methods gives them, 1.3.5.17.3.
const ROSNER: [f64; 54] = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58,
    1.65, 1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23,
    2.24, 2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30,
    3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
];

/// The handbook's table: statistics and critical values of ten removals, of which three count
/// although the first two by themselves would not.
#[test]
fn equal_to_the_table_of_the_handbook() {
    let classic = |config: &mut GeneralizedEsdConfig| {
        (config.robust, config.max_share) = (false, 0.19);
    };
    let found = outliers(&ROSNER, classic).unwrap();
    assert_eq!(indices(&found), [53, 52, 51]);
    let table = [
        (3.118_906, 3.158_794),
        (2.942_973, 3.151_430),
        (3.179_424, 3.143_890),
    ];
    for (outlier, (statistic, critical)) in found.iter().zip(table) {
        assert!((outlier.statistic - statistic).abs() < 1e-6, "{outlier:?}");
        assert!((outlier.critical - critical).abs() < 1e-6, "{outlier:?}");
    }
}

/// Three weeks of hours: a daily season, noise, a slow rise from week to week.
fn hours() -> Vec<f64> {
    let mut noise = Seed(5).rng();
    (0..504)
        .map(|hour| {
            let phase = f64::from(hour) * std::f64::consts::TAU / 24.0;
            100.0 + f64::from(hour / 168) * 10.0 + 40.0 * phase.sin() + noise.normal()
        })
        .collect()
}

#[test]
fn season_and_level_are_taken_off() {
    let mut values = hours();
    values[100] -= 12.0;
    values[301] += 12.0;
    values[302] = f64::NAN;
    let seasonal = |config: &mut GeneralizedEsdConfig| {
        (config.period, config.stretch) = (Some(24), 7);
    };
    let mut found = outliers(&values, seasonal).unwrap();
    found.sort_by_key(|outlier| outlier.index);
    assert_eq!(indices(&found), [100, 301]);
    for outlier in &found {
        let away = (values[outlier.index] - outlier.expected).abs();
        assert!((away - 12.0).abs() < 3.0, "{outlier:?}");
    }
    assert_eq!(outliers(&values, |_| ()).unwrap(), []);
    assert_eq!(outliers(&hours(), seasonal).unwrap(), []);
}

/// Of normal series about `alpha` have an outlier.
#[test]
fn false_alarms_are_as_rare_as_stated() {
    let mut rng = Seed(7).rng();
    for (robust, most) in [(false, 0.08), (true, 0.25)] {
        let series = 400;
        let with = (0..series)
            .filter(|_| {
                let values: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
                !outliers(&values, |config| config.robust = robust)
                    .unwrap()
                    .is_empty()
            })
            .count();
        let share = with as f64 / f64::from(series);
        assert!(share > 0.01 && share < most, "{robust}: {share}");
    }
}

#[test]
fn many_outliers_do_not_mask_each_other() {
    let mut rng = Seed(8).rng();
    let values: Vec<f64> = (0..200)
        .map(|i| rng.normal() + if i % 12 == 0 { 30.0 } else { 0.0 })
        .collect();
    let found = outliers(&values, |_| ()).unwrap();
    let odd = (0..200).filter(|i| i % 12 == 0).count();
    assert!(found.len() >= odd && found[..odd].iter().all(|one| one.index % 12 == 0));
}

#[test]
fn degenerate_series() {
    for (name, values) in degenerate() {
        for period in [None, Some(2), Some(7), Some(40)] {
            for robust in [false, true] {
                match outliers(&values, |config| {
                    (config.period, config.robust) = (period, robust);
                }) {
                    Ok(found) => {
                        for outlier in found {
                            let EsdOutlier {
                                index,
                                expected,
                                statistic,
                                critical,
                            } = outlier;
                            assert!(!values[index].is_nan(), "{name}");
                            let finite = expected.is_finite() && statistic.is_finite();
                            assert!(finite && critical.is_finite(), "{name}: {outlier:?}");
                        }
                    }
                    Err(FitError::Data(DataError::TooShort { needed, found })) => {
                        assert!(found < needed, "{name}");
                    }
                    Err(error) => panic!("{name}: {error}"),
                }
            }
        }
    }
    assert_eq!(outliers(&[7.0; 80], |_| ()).unwrap(), []);
    assert!(outliers(&ROSNER[..14], |_| ()).is_err());
    assert!(outliers(&ROSNER[..15], |_| ()).is_ok());
}

#[test]
fn parameters_are_checked_on_both_sides() {
    type Change = fn(&mut GeneralizedEsdConfig);
    let cases: [(&str, Change, Change); 5] = [
        ("max_share", |c| c.max_share = 0.5, |c| c.max_share = 0.499),
        ("alpha", |c| c.alpha = 1.0, |c| c.alpha = 0.999),
        (
            "period",
            |c| c.period = Some(1),
            |c| c.period = Some(30_000),
        ),
        ("stretch", |c| c.stretch = 1, |c| c.stretch = 2),
        ("min_scale", |c| c.min_scale = -1e-9, |c| c.min_scale = 0.0),
    ];
    for (name, bad, good) in cases {
        let (mut wrong, mut right) = (
            GeneralizedEsdConfig::default(),
            GeneralizedEsdConfig::default(),
        );
        bad(&mut wrong);
        good(&mut right);
        assert_eq!(GeneralizedEsd::try_from(wrong).unwrap_err().name(), name);
        assert!(GeneralizedEsd::try_from(right).is_ok(), "{name}");
    }
    let mut config = GeneralizedEsdConfig::default();
    for bad in [0.0, f64::NAN] {
        (config.max_share, config.alpha) = (bad, 0.05);
        assert_eq!(
            GeneralizedEsd::try_from(config).unwrap_err().name(),
            "max_share"
        );
        (config.max_share, config.alpha) = (0.1, bad);
        assert_eq!(
            GeneralizedEsd::try_from(config).unwrap_err().name(),
            "alpha"
        );
    }
}
