use aiops_detect::draw::{Picture, sparkline};

use crate::support::degenerate;

#[test]
fn a_line_for_terminals() {
    assert_eq!(
        sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 80),
        "▁▂▃▄▅▆▇█"
    );
    assert_eq!(sparkline(&[1.0, f64::NAN, 2.0, f64::INFINITY], 80), "▁ █ ");
    assert_eq!(sparkline(&[5.0; 3], 80), "▅▅▅");
    assert_eq!(sparkline(&[f64::NAN; 3], 2), "  ");
    assert_eq!(sparkline(&[], 80), "");
    // A spike among a thousand samples is seen in ten columns.
    let mut values = vec![1.0; 1_000];
    values[555] = 9.0;
    assert_eq!(sparkline(&values, 10), "▁▁▁▁▁█▁▁▁▁");
    assert_eq!(sparkline(&values, 0), "");
}

#[test]
fn a_picture_has_what_it_was_given() {
    let values: Vec<f64> = (0..100)
        .map(|i| if i == 50 { f64::NAN } else { f64::from(i % 10) })
        .collect();
    let (lower, upper) = ([-1.0; 100], [10.0; 100]);
    let svg = Picture::new("a < b & c\u{1}", &values)
        .band(&lower, &upper)
        .scores(&values, 8.5)
        .anomalies(&[9, 50, 1_000])
        .svg();
    let count = |what: &str| svg.matches(what).count();
    assert_eq!(count("<circle"), 1); // the others are missing, or beyond the end
    assert_eq!(count("<polyline"), 4); // a gap in the curve and in the scores
    assert_eq!(
        (count("<polygon"), count("<line"), count("<text")),
        (1, 1, 5)
    );
    assert!(svg.contains("a &lt; b &amp; c</text>") && svg.ends_with("</svg>\n"));
    assert_eq!(
        svg,
        Picture::new("a < b & c", &values)
            .band(&lower, &upper)
            .scores(&values, 8.5)
            .anomalies(&[9])
            .svg()
    );
}

#[test]
fn every_number_in_a_picture_is_finite() {
    for (name, values) in degenerate() {
        let svg = Picture::new(name, &values)
            .band(&values, &values)
            .scores(&values, 1.0)
            .svg();
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{name}: {svg}"
        );
        assert_eq!(
            sparkline(&values, 40).chars().count(),
            values.len().min(40),
            "{name}"
        );
    }
}
