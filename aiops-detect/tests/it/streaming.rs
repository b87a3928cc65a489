//! What every streaming detector must hold to: one harness, all detectors.

use aiops_core::{Detector, FittedDetector, Replay, StreamingDetector, Warmup};
use aiops_detect::MAX_SCORE;

use crate::support::{at, degenerate, noise, series};

/// Samples of an ordinary day: a level, a slow wave, noise, a spike and a shift.
pub(crate) fn ordinary(len: usize) -> Vec<f64> {
    (0..len)
        .map(|i| {
            let wave = (i as f64 * 0.05).sin();
            let spike = if i % 97 == 96 { 9.0 } else { 0.0 };
            let shift = if i > len / 2 { 5.0 } else { 0.0 };
            20.0 + wave + noise(i) + spike + shift
        })
        .collect()
}

/// Finite scores whatever comes, bands that agree with the scores, gaps that change nothing,
/// bounded memory, and the same scores in a batch.
pub(crate) fn holds_up<S>(make: impl Fn() -> S, most_bytes: usize)
where
    S: StreamingDetector + Clone + Sync + 'static,
{
    degenerate_series_score_finite(&make());
    the_band_is_what_scores_little(&make());
    gaps_are_not_learned(&make());
    memory_is_bounded(make(), most_bytes);
    a_batch_gives_the_same_scores(&make());
}

fn degenerate_series_score_finite<S: StreamingDetector + Clone>(fresh: &S) {
    for (name, values) in degenerate() {
        let mut detector = fresh.clone();
        for (second, value) in values.into_iter().cycle().take(400).enumerate() {
            let ready = detector.warmup() == Warmup::Ready;
            let score = detector.update(at(second, value));
            assert_eq!(score.is_some(), ready && value.is_finite(), "{name}");
            let fine = score.is_none_or(|score| (0.0..=MAX_SCORE).contains(&score));
            assert!(fine, "{name}: {score:?}");
            for asked in [0.0, 1.0, 6.0, 1e300] {
                if let Some(band) = detector.band(at(second + 1, 0.0).time, asked) {
                    let finite = band.lower.is_finite() && band.upper.is_finite();
                    assert!(finite && band.lower <= band.upper, "{name}: {band:?}");
                }
            }
            assert_eq!(detector.band(at(second + 1, 0.0).time, f64::NAN), None);
        }
    }
}

fn the_band_is_what_scores_little<S: StreamingDetector + Clone>(fresh: &S) {
    let mut detector = fresh.clone();
    for (second, value) in ordinary(600).into_iter().enumerate() {
        for asked in [0.5, 3.0, 20.0] {
            let Some(band) = detector.band(at(second, 0.0).time, asked) else {
                continue;
            };
            let score = |value: f64| detector.score_one(at(second, value)).unwrap();
            let width = (band.upper - band.lower).clamp(1e-6, 1e3);
            for (inside, outside) in [(-1e-6, 1e-6), (1e-6, -1e-6)] {
                let end = if outside > 0.0 {
                    band.upper
                } else {
                    band.lower
                };
                if end.abs() == f64::MAX {
                    continue; // everything on this side scores little
                }
                assert!(score(end + inside * width) <= asked, "{second}: {band:?}");
                assert!(score(end + outside * width) >= asked, "{second}: {band:?}");
            }
        }
        detector.learn_one(at(second, value));
    }
}

fn gaps_are_not_learned<S: StreamingDetector + Clone>(fresh: &S) {
    let (mut whole, mut holed) = (fresh.clone(), fresh.clone());
    for (index, value) in ordinary(300).into_iter().enumerate() {
        let (there, gone) = (2 * index, 2 * index + 1);
        assert_eq!(
            whole.update(at(there, value)),
            holed.update(at(there, value))
        );
        for missing in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(holed.update(at(gone, missing)), None);
        }
    }
}

fn memory_is_bounded<S: StreamingDetector>(mut detector: S, most_bytes: usize) {
    for (second, value) in ordinary(20_000).into_iter().enumerate() {
        detector.learn_one(at(second, value));
        assert!(
            detector.size_bytes() <= most_bytes,
            "{} bytes",
            detector.size_bytes()
        );
    }
}

fn a_batch_gives_the_same_scores<S>(fresh: &S)
where
    S: StreamingDetector + Clone + Sync + 'static,
{
    let values = ordinary(400);
    let mut stream = fresh.clone();
    let replay = Replay::new(fresh.clone()).fit(series(&[]).view()).unwrap();
    let scores = replay.score(series(&values).view()).unwrap();
    for (second, (value, score)) in values.into_iter().zip(scores).enumerate() {
        let one = stream.update(at(second, value)).unwrap_or(f64::NAN);
        assert_eq!(one.to_bits(), score.to_bits(), "at {second}");
    }
}

/// A stored detector goes on bit for bit, from any sample on.
#[cfg(feature = "serde")]
pub(crate) fn can_be_stored<S>(make: impl Fn() -> S)
where
    S: StreamingDetector + aiops_core::stored::StoredModel,
{
    use aiops_core::stored::{load, save};

    for cut in [0, 1, 5, 31, 32, 33, 150, 399] {
        let mut kept = make();
        let values = ordinary(400);
        for (second, &value) in values[..cut].iter().enumerate() {
            kept.learn_one(at(second, value));
        }
        let mut loaded: S = load(&save(&kept)).unwrap();
        for (second, &value) in values.iter().enumerate().skip(cut) {
            let (a, b) = (
                kept.update(at(second, value)),
                loaded.update(at(second, value)),
            );
            assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits), "at {second}");
        }
        assert_eq!(save(&kept), save(&loaded));
    }
}

/// Payloads that differ from the stored form of `model` in one place must be refused, not believed.
#[cfg(feature = "serde")]
pub(crate) fn refuses<S>(model: &S, from: &str, to: &str)
where
    S: aiops_core::stored::StoredModel + std::fmt::Debug,
{
    use aiops_core::numerics::Fnv1a64;
    use aiops_core::stored::{LoadError, load, save};

    let text = String::from_utf8(save(model)).unwrap();
    let start = text.find("\"payload\":").unwrap() + "\"payload\":".len();
    let payload = &text[start..text.len() - 1];
    assert!(payload.contains(from), "`{from}` is not in {payload}");
    let payload = payload.replacen(from, to, 1);
    let mut hash = Fnv1a64::default();
    hash.write(payload.as_bytes());
    let envelope = format!(
        r#"{{"kind":"{}","format":{},"checksum":"{:016x}","payload":{payload}}}"#,
        S::KIND,
        S::FORMAT,
        hash.finish()
    );
    let error = load::<S>(envelope.as_bytes()).unwrap_err();
    assert!(matches!(error, LoadError::Payload { .. }), "{error}");
}
