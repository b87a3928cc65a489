use aiops_core::{DataError, FitError};
use aiops_detect::spectral_residual::{SpectralResidual, SpectralResidualConfig};

use crate::support::{degenerate, noise, series};

fn scores(values: &[f64]) -> Result<Vec<f64>, FitError> {
    let detector = SpectralResidual::try_from(SpectralResidualConfig::default()).unwrap();
    detector.scores(series(values).view())
}

fn wave() -> Vec<f64> {
    let mut values: Vec<f64> = (0..150)
        .map(|i| 5.0 + (i as f64 * 0.3).sin() + 0.2 * noise(i))
        .collect();
    values[70] += 4.0;
    values
}

/// numpy 2.4, the formula with `numpy.fft`.
#[test]
fn equal_to_numpy() {
    let got = scores(&wave()).unwrap();
    assert!((got[4] - 0.453_186_47).abs() < 1e-8, "{}", got[4]);
    assert!(
        (got[70] - 12.577_109_906_920_187).abs() < 1e-9,
        "{}",
        got[70]
    );
    let sum: f64 = got.iter().sum();
    assert!((sum - 36.058_908_129_763_63).abs() < 1e-8, "{sum}");
}

#[test]
fn the_unit_does_not_matter_and_gaps_keep_their_place() {
    let values = wave();
    let tiny: Vec<f64> = values.iter().map(|value| value * 1e-200).collect();
    for (a, b) in scores(&values).unwrap().iter().zip(scores(&tiny).unwrap()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    let mut holed = values;
    (0..150)
        .filter(|i| i % 13 == 2)
        .for_each(|i| holed[i] = f64::NAN);
    let got = scores(&holed).unwrap();
    for (index, score) in got.iter().enumerate() {
        assert_eq!(score.is_nan(), index % 13 == 2);
        assert!(score.is_nan() || *score <= got[70]);
    }
}

#[test]
fn degenerate_series() {
    for (name, values) in degenerate() {
        match scores(&values) {
            Ok(scores) => {
                for (score, value) in scores.iter().zip(&values) {
                    assert_eq!(score.is_nan(), value.is_nan(), "{name}");
                    assert!(
                        score.is_nan() || (0.0..=21.0).contains(score),
                        "{name}: {score}"
                    );
                }
            }
            Err(FitError::Data(DataError::TooShort { needed, found })) => {
                assert!(found < needed, "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!(scores(&[7.0; 30]).unwrap(), [0.0; 30]);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (spectrum, saliency, name) in [(1, 2, "spectrum"), (2, 1, "saliency")] {
        let mut config = SpectralResidualConfig::default();
        (config.spectrum, config.saliency) = (spectrum, saliency);
        assert_eq!(SpectralResidual::try_from(config).unwrap_err().name(), name);
    }
    let mut config = SpectralResidualConfig::default();
    (config.spectrum, config.saliency) = (2, 2);
    assert!(SpectralResidual::try_from(config).is_ok());
}
