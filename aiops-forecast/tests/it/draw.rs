//! Pictures as text.

use aiops_core::{FittedForecaster as _, Forecast, Forecaster as _};
use aiops_forecast::draw::Fan;
use aiops_forecast::naive::drift::Drift;
use aiops_forecast::stl;

use crate::support::series;

fn ahead(values: &[f64], levels: &[f64]) -> Forecast {
    let model = Drift.fit(series(values).view()).unwrap();
    model.forecast(6, levels).unwrap()
}

/// `x,y` of the first element of a kind.
fn points(svg: &str, element: &str) -> Vec<(f64, f64)> {
    let from = svg.find(element).unwrap();
    let list = svg[from..].split("points=\"").nth(1).unwrap();
    let pair = |text: &str| {
        let (x, y) = text.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    let list = list.split('"').next().unwrap();
    list.split_whitespace().map(pair).collect()
}

const RISING: [f64; 8] = [10.0, 12.0, 11.0, 14.0, 15.0, 17.0, 16.0, 19.0];

#[test]
fn a_fan_has_a_band_for_each_pair_of_levels_and_goes_on_where_the_past_ends() {
    let ahead = ahead(&RISING, &[0.025, 0.1, 0.5, 0.9, 0.975]);
    let svg = Fan::new("disk", series(&RISING).view(), &ahead).svg();
    assert_eq!(svg.matches("<polygon").count(), 2);
    assert_eq!(svg.matches("<polyline").count(), 2);
    let past = points(&svg, "<polyline");
    let band = points(&svg, "<polygon");
    assert_eq!((past.len(), band.len()), (RISING.len(), 12));
    let step = past[1].0 - past[0].0;
    assert!((band[0].0 - past[7].0 - step).abs() < 0.2, "{band:?}");
    // The upper edge rises and widens; heights are counted from above.
    assert!(band[0].1 > band[5].1 && band[11].1 - band[0].1 < band[6].1 - band[5].1);
    assert!(svg.contains("1970-01-01T00:00:00Z") && svg.contains("1970-01-01T13:00:00Z"));
}

#[test]
fn the_limit_is_inside_the_picture_where_it_is_finite() {
    let ahead = ahead(&RISING, &[]);
    let past = series(&RISING);
    let fan = Fan::new("disk", past.view(), &ahead);
    assert_eq!(fan.svg().matches("stroke-dasharray=\"6\"").count(), 0);
    let svg = fan.limit(100.0).svg();
    assert!(svg.contains(">100</text>"), "the highest value drawn");
    assert!(svg.contains("y1=\"30.0\" y2=\"30.0\""), "{svg}");
    assert_eq!(
        fan.limit(f64::INFINITY).svg().matches("inf").count(),
        0,
        "an infinite limit is none"
    );
}

#[test]
fn gaps_stay_gaps_and_names_are_text() {
    let mut values = RISING;
    values[3] = f64::NAN;
    let ahead = ahead(&values, &[0.1, 0.9]);
    let svg = Fan::new("a<b> & \u{7}c", series(&values).view(), &ahead).svg();
    assert_eq!(svg.matches("<polyline").count(), 3);
    assert!(svg.contains(">a&lt;b&gt; &amp; c</text>") && !svg.contains("NaN"));
}

#[test]
fn huge_and_equal_values_have_a_height() {
    for values in [[7.0; 8], [-1e308; 8]] {
        let mut values = values;
        let check = |values: &[f64]| {
            let ahead = ahead(values, &[0.1, 0.9]);
            let svg = Fan::new("t", series(values).view(), &ahead).svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        };
        check(&values);
        values[0] = 1e308;
        check(&values);
    }
    let ahead = ahead(&RISING, &[0.1, 0.9]);
    let svg = Fan::new("no past", series(&[]).view(), &ahead).svg();
    assert_eq!(svg.matches("<polyline").count(), 1);
}

#[test]
fn a_decomposition_shows_each_part() {
    let values: Vec<f64> = (0..96)
        .map(|t| 100.0 + 0.5 * f64::from(t) + 9.0 * f64::from(t % 4) + 5.0 * f64::from(t % 12))
        .collect();
    let parts = stl::mstl(&values, &[4, 12]).unwrap();
    let svg = parts.svg("requests", &values);
    assert_eq!(svg.matches("<polyline").count(), 5);
    for name in ["values", "trend", "season 1", "season 2", "remainder"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
    let curve = points(&svg, "<polyline");
    assert_eq!(curve.len(), values.len());
}
