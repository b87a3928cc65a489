//! Expressions; expected values by hand, by the rules of Prometheus's documentation.

use aiops_alert::expr::{Expression, SeriesSource};
use aiops_core::{Labels, Sample, Selector, Timestamp};

use crate::support::{at, labels};

/// Samples every 15 s, the last one at 0.
pub(crate) struct Source(Vec<(Labels, Vec<Sample>)>);

impl SeriesSource for Source {
    fn range(
        &self,
        selector: &Selector,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(Labels, Vec<Sample>)> {
        let series = self.0.iter().filter(|(labels, _)| selector.matches(labels));
        series
            .map(|(labels, samples)| {
                let inside = samples
                    .iter()
                    .filter(|sample| from < sample.time && sample.time <= to);
                (labels.clone(), inside.copied().collect::<Vec<_>>())
            })
            .filter(|(_, samples)| !samples.is_empty())
            .collect()
    }
}

fn source() -> Source {
    let series = |text: &str, values: &[f64]| {
        let count = values.len();
        let samples = values
            .iter()
            .enumerate()
            .map(|(place, value)| Sample::new(at(-15.0 * (count - 1 - place) as f64), *value));
        (labels(text), samples.collect())
    };
    Source(vec![
        series("__name__=up,job=a,instance=1", &[1.0, 1.0, 0.0]),
        series("__name__=up,job=a,instance=2", &[1.0, 1.0, 1.0]),
        series("__name__=up,job=b,instance=3", &[0.0, 0.0, 0.0]),
        series("__name__=used,job=a,instance=1", &[40.0, 60.0, 80.0]),
        series("__name__=size,job=a,instance=1", &[100.0, 100.0, 100.0]),
        series("__name__=total,job=a", &[100.0, 130.0, 10.0, 40.0, 70.0]),
        series("__name__=owner,instance=1,team=x", &[1.0]),
        series("__name__=lat_bucket,le=0.1", &[10.0]),
        series("__name__=lat_bucket,le=1", &[30.0]),
        series("__name__=lat_bucket,le=+Inf", &[40.0]),
    ])
}

#[track_caller]
fn check(text: &str, expected: &[(&str, f64)]) {
    let expression: Expression = text.parse().unwrap();
    let got = expression.evaluate(&source(), at(0.0)).unwrap();
    let got: Vec<(String, f64)> = got
        .into_iter()
        .map(|(labels, value)| (labels.to_string(), value))
        .collect();
    assert_eq!(got.len(), expected.len(), "{text}: {got:?}");
    for ((labels, value), (wanted, number)) in got.iter().zip(expected) {
        assert_eq!(labels, wanted, "{text}");
        let close = (value - number).abs() <= 1e-9 * number.abs().max(1.0);
        assert!(close, "{text} = {value}, expected {number}");
    }
}

#[test]
fn selectors_and_comparisons() {
    let down = [
        ("up{instance=\"1\", job=\"a\"}", 0.0),
        ("up{instance=\"3\", job=\"b\"}", 0.0),
    ];
    check("up == 0", &down);
    check("up{job=~\"a|c\"} == 0", &down[..1]);
    check("0 == up{job!=\"b\"}", &down[..1]);
    check("{__name__=\"up\", job=\"b\"}", &down[1..]);
    check(
        "up{job=\"a\"} == bool 0",
        &[
            ("{instance=\"1\", job=\"a\"}", 1.0),
            ("{instance=\"2\", job=\"a\"}", 0.0),
        ],
    );
    check(
        "up{instance=\"1\"} offset 30s",
        &[("up{instance=\"1\", job=\"a\"}", 1.0)],
    );
    check("nothing > 0", &[]);
    check("1 + 2 * 3 ^ 2 - -1", &[("{}", 20.0)]);
    check("-2 ^ 2", &[("{}", -4.0)]);
    check("2 ^ 3 ^ 2", &[("{}", 512.0)]);
    check("10 % 4 # rest", &[("{}", 2.0)]);
    check("1h + 5m", &[("{}", 3900.0)]);
}

#[test]
fn matching() {
    check(
        "used / size * 100 > 70",
        &[("{instance=\"1\", job=\"a\"}", 80.0)],
    );
    check("used / on(instance) size", &[("{instance=\"1\"}", 0.8)]);
    check(
        "up * on(instance) group_left(team) owner",
        &[("{instance=\"1\", job=\"a\", team=\"x\"}", 0.0)],
    );
    check(
        "up == 0 and on(instance) used > 70",
        &[("up{instance=\"1\", job=\"a\"}", 0.0)],
    );
    check(
        "up unless on(job) used",
        &[("up{instance=\"3\", job=\"b\"}", 0.0)],
    );
    check(
        "used > 90 or size > 90",
        &[("size{instance=\"1\", job=\"a\"}", 100.0)],
    );
    let expression: Expression = "up + on(job) up".parse().unwrap();
    let error = expression.evaluate(&source(), at(0.0)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("several series on the right side"),
        "{error}"
    );
}

#[test]
fn aggregations() {
    check("sum(up)", &[("{}", 1.0)]);
    check(
        "sum by (job) (up)",
        &[("{job=\"a\"}", 1.0), ("{job=\"b\"}", 0.0)],
    );
    check(
        "avg without (instance) (up) < 0.6",
        &[("{job=\"a\"}", 0.5), ("{job=\"b\"}", 0.0)],
    );
    check(
        "count(up == 0) by (job)",
        &[("{job=\"a\"}", 1.0), ("{job=\"b\"}", 1.0)],
    );
    check(
        "topk(1, {__name__=~\"used|size\"})",
        &[("size{instance=\"1\", job=\"a\"}", 100.0)],
    );
    check("quantile(0.5, {__name__=~\"used|size\"})", &[("{}", 90.0)]);
    check(
        "count_values(\"v\", up)",
        &[("{v=\"0\"}", 2.0), ("{v=\"1\"}", 1.0)],
    );
    check("stddev({__name__=~\"used|size\"})", &[("{}", 10.0)]);
}

#[test]
fn ranges() {
    // 100, 130, 10 (reset), 40, 70 within 60 s: grown by 30 + 10 + 30 + 30.
    check(
        "increase(total[1m])",
        &[("{job=\"a\"}", 90.0 / 45.0 * 60.0 * 70.0 / 90.0 + 0.0)],
    );
    check(
        "changes(up[1m])",
        &[
            ("{instance=\"1\", job=\"a\"}", 1.0),
            ("{instance=\"2\", job=\"a\"}", 0.0),
            ("{instance=\"3\", job=\"b\"}", 0.0),
        ],
    );
    check("resets(total[2m])", &[("{job=\"a\"}", 1.0)]);
    check(
        "avg_over_time(used[45s])",
        &[("{instance=\"1\", job=\"a\"}", 60.0)],
    );
    check(
        "max_over_time(used[2m]) - min_over_time(used[2m])",
        &[("{instance=\"1\", job=\"a\"}", 40.0)],
    );
    check(
        "deriv(used[2m]) * 15",
        &[("{instance=\"1\", job=\"a\"}", 20.0)],
    );
    check(
        "predict_linear(used[2m], 30)",
        &[("{instance=\"1\", job=\"a\"}", 120.0)],
    );
    check("irate(total[2m])", &[("{job=\"a\"}", 2.0)]);
    check(
        "quantile_over_time(0.5, used[2m])",
        &[("{instance=\"1\", job=\"a\"}", 60.0)],
    );
    check(
        "max_over_time((used > 50)[1m:5s])",
        &[("used{instance=\"1\", job=\"a\"}", 80.0)]
            .map(|(_, v)| ("{instance=\"1\", job=\"a\"}", v)),
    );
}

#[test]
fn functions() {
    check("absent(nothing{job=\"x\"})", &[("{job=\"x\"}", 1.0)]);
    check("absent(up)", &[]);
    check(
        "histogram_quantile(0.5, lat_bucket)",
        &[("{}", 0.1 + 0.9 * 0.5)],
    );
    check("histogram_quantile(0.99, lat_bucket)", &[("{}", 1.0)]);
    check("round(vector(2.5)) + scalar(size)", &[("{}", 103.0)]);
    check(
        "clamp_max(used, 50)",
        &[("{instance=\"1\", job=\"a\"}", 50.0)],
    );
    check("abs(used - size)", &[("{instance=\"1\", job=\"a\"}", 20.0)]);
    check(
        "time() - timestamp(used)",
        &[("{instance=\"1\", job=\"a\"}", 0.0)],
    );
    check("hour() == 22 and minute() == 13", &[("{}", 22.0)]);
    check(
        "year() + month() + day_of_month() + day_of_week()",
        &[("{}", 2023.0 + 11.0 + 14.0 + 2.0)],
    );
    check(
        "label_replace(owner, \"host\", \"h-$1\", \"instance\", \"(.*)\")",
        &[("owner{host=\"h-1\", instance=\"1\", team=\"x\"}", 1.0)],
    );
    check(
        "label_join(owner, \"both\", \"-\", \"team\", \"instance\")",
        &[("owner{both=\"x-1\", instance=\"1\", team=\"x\"}", 1.0)],
    );
}

#[track_caller]
fn refused(text: &str, position: usize, words: &str) {
    let error = text.parse::<Expression>().unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.position(), position, "{error}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_position() {
    refused("", 0, "expected an expression");
    refused("up ==", 5, "expected an expression");
    refused("up == 0)", 7, "operator");
    refused("holt_winters(up[5m], 1, 1)", 0, "`holt_winters`");
    refused("up @ 5", 3, "`@`");
    refused("sum(up, up)", 4, "arguments");
    refused("rate(up)[5m]", 12, "range");
    refused("{job=~\".*\"}", 0, "every series");
    refused("up{job=\"a}", 7, "quote");
    refused("up{job=~\"(\"}", 8, "regular expression");
    refused("1 + bool 2", 9, "`bool`");
    refused("up ? 1", 3, "`?`");
    refused(&format!("{}1", "(".repeat(100)), 64, "deep");
    let kind: Expression = "rate(up)".parse().unwrap();
    assert!(kind.evaluate(&source(), at(0.0)).is_err());
    let large: Expression = "avg_over_time(up[1y:1s])".parse().unwrap();
    assert!(
        large
            .evaluate(&source(), at(0.0))
            .unwrap_err()
            .to_string()
            .contains("steps")
    );
}
