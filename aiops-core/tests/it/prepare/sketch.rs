use aiops_core::prepare::QuantileSketch;
use proptest::prelude::*;

fn sketch(values: &[f64], error: f64) -> QuantileSketch {
    let mut sketch = QuantileSketch::new(error).unwrap();
    for value in values {
        sketch.add(*value);
    }
    sketch
}

fn exact(values: &[f64], level: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(level * (sorted.len() - 1) as f64).floor() as usize]
}

#[test]
fn degenerate_values() {
    assert_eq!(sketch(&[], 0.01).quantile(0.5), None);
    assert_eq!(sketch(&[f64::NAN, f64::INFINITY], 0.01).count(), 0);
    assert_eq!(sketch(&[0.0, -0.0, 1e-310], 0.01).quantile(1.0), Some(0.0));
    let signs = sketch(&[-5.0, 0.0, 5.0], 0.01);
    assert!((signs.quantile(0.0).unwrap() + 5.0).abs() <= 0.05);
    assert_eq!(signs.quantile(0.5), Some(0.0));
}

#[test]
fn the_error_is_checked_and_must_agree() {
    for (error, fine) in [
        (0.0001, true),
        (0.5, true),
        (0.000_09, false),
        (0.51, false),
        (f64::NAN, false),
    ] {
        assert_eq!(QuantileSketch::new(error).is_ok(), fine, "{error}");
    }
    let mut one = sketch(&[1.0], 0.01);
    assert!(!one.join(&sketch(&[1.0], 0.02)));
    assert_eq!(one.count(), 1);
}

#[test]
fn memory_is_bounded_over_the_whole_range_of_floats() {
    let mut sketch = QuantileSketch::new(0.0001).unwrap();
    for exponent in -290..300 {
        for step in 1..100 {
            sketch.add(f64::from(step) * 10_f64.powi(exponent));
        }
    }
    assert!(sketch.size_bytes() < 80_000, "{}", sketch.size_bytes());
    let largest = sketch.quantile(1.0).unwrap();
    assert!((largest / 99e299 - 1.0).abs() <= 0.0001 + 1e-9, "{largest}");
}

proptest! {
    #[test]
    fn quantiles_keep_the_promise(values in prop::collection::vec(-1e6..1e6_f64, 1..200), level in 0.0..=1.0_f64) {
        let found = sketch(&values, 0.02).quantile(level).unwrap();
        let wanted = exact(&values, level);
        prop_assert!((found - wanted).abs() <= 0.02 * wanted.abs() * (1.0 + 1e-9), "{} {}", found, wanted);
    }

    #[test]
    fn joined_is_as_if_it_were_one(values in prop::collection::vec(-1e9..1e9_f64, 0..100), at in any::<prop::sample::Index>()) {
        let (left, right) = values.split_at(if values.is_empty() { 0 } else { at.index(values.len()) });
        let mut joined = sketch(right, 0.01);
        prop_assert!(joined.join(&sketch(left, 0.01)));
        prop_assert_eq!(joined, sketch(&values, 0.01));
    }
}
