//! Pictures of a series as text: an SVG with band, anomalies and scores, and a line for terminals.
//!
//! ```
//! use aiops_detect::draw::{Picture, sparkline};
//!
//! let values = [3.0, 4.0, 3.5, 9.0, 3.2];
//! assert_eq!(sparkline(&values, 80), "▁▂▁█▁");
//! let svg = Picture::new("load", &values).anomalies(&[3]).svg();
//! assert!(svg.starts_with("<svg") && svg.contains("<circle"));
//! ```

use std::fmt::Write as _;

use aiops_core::numerics::median;

const WIDTH: f64 = 800.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 30.0;
/// Heights of the curve and of the strip of scores below it.
const CURVE: f64 = 200.0;
const STRIP: f64 = 40.0;
const GAP: f64 = 12.0;

/// A line of eighths of blocks, from the lowest to the highest value; a missing or infinite value is a
/// space. More than `width` values are drawn as the one farthest from their median in each of `width`
/// parts, so that a spike stays visible.
pub fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some((low, high)) = range(values.iter()) else {
        return " ".repeat(values.len().min(width));
    };
    let mut finite: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let usual = median(&mut finite);
    let columns = values.len().min(width);
    let part = |column: usize| {
        let (from, to) = (
            column * values.len() / columns,
            (column + 1) * values.len() / columns,
        );
        let present = values[from..to]
            .iter()
            .copied()
            .filter(|value| value.is_finite());
        present.max_by(|a, b| (a - usual).abs().total_cmp(&(b - usual).abs()))
    };
    let block = |value: f64| {
        let share = if high > low {
            (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
        } else {
            0.5
        };
        BLOCKS[((share * 8.0) as usize).min(7)]
    };
    (0..columns)
        .map(|column| part(column).map_or(' ', block))
        .collect()
}

/// A series to draw. Values, bands and scores are in order of time; `NaN` leaves a gap.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    title: &'a str,
    values: &'a [f64],
    band: Option<(&'a [f64], &'a [f64])>,
    scores: &'a [f64],
    threshold: f64,
    anomalies: &'a [usize],
}

impl<'a> Picture<'a> {
    /// A curve with a title.
    pub fn new(title: &'a str, values: &'a [f64]) -> Self {
        Self {
            title,
            values,
            band: None,
            scores: &[],
            threshold: f64::NAN,
            anomalies: &[],
        }
    }

    /// With the values expected, from `lower` to `upper`, one for each sample.
    #[must_use]
    pub fn band(mut self, lower: &'a [f64], upper: &'a [f64]) -> Self {
        self.band = Some((lower, upper));
        self
    }

    /// With a strip of scores, one for each sample, and a line at the threshold unless it is `NaN`.
    #[must_use]
    pub fn scores(mut self, scores: &'a [f64], threshold: f64) -> Self {
        (self.scores, self.threshold) = (scores, threshold);
        self
    }

    /// With a circle around each of these samples.
    #[must_use]
    pub fn anomalies(mut self, indices: &'a [usize]) -> Self {
        self.anomalies = indices;
        self
    }

    /// The picture as an SVG document that needs nothing else. What is missing, infinite or beyond the
    /// end of the values is left out. 20 bytes a sample and curve.
    pub fn svg(&self) -> String {
        let strip = if self.scores.is_empty() {
            0.0
        } else {
            GAP + STRIP
        };
        let height = TOP + CURVE + strip + GAP;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>\n",
            escaped(self.title)
        );
        let (lower, upper) = self.band.unwrap_or_default();
        let scale = Scale::new(self.values.iter().chain(lower).chain(upper), TOP, CURVE);
        scale.axis(&mut svg);
        let x = |index: usize| {
            let last = self.values.len().saturating_sub(1).max(1) as f64;
            LEFT + (WIDTH - LEFT - GAP) * index as f64 / last
        };
        let count = self.values.len();
        for (from, to) in runs(count, |index| pair(lower, upper, index).is_some()) {
            svg.push_str("<polygon fill=\"#dbe9f6\" points=\"");
            let there = (from..to).map(|index| (index, upper[index]));
            let back = (from..to).rev().map(|index| (index, lower[index]));
            for (index, value) in there.chain(back) {
                point(&mut svg, x(index), scale.y(value));
            }
            svg.push_str("\"/>\n");
        }
        curve(&mut svg, self.values, count, "#1f4e79", &x, &scale);
        for &index in self.anomalies {
            if let Some(value) = self.values.get(index).filter(|value| value.is_finite()) {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"none\" stroke=\"#c00000\" stroke-width=\"2\"/>",
                    x(index),
                    scale.y(*value)
                );
            }
        }
        if !self.scores.is_empty() {
            let ends = [0.0, self.threshold];
            let scale = Scale::new(self.scores.iter().chain(&ends), TOP + CURVE + GAP, STRIP);
            scale.axis(&mut svg);
            curve(&mut svg, self.scores, count, "#7f7f7f", &x, &scale);
            if self.threshold.is_finite() {
                let y = scale.y(self.threshold);
                let _ = writeln!(
                    svg,
                    "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#c00000\" stroke-dasharray=\"4\"/>",
                    WIDTH - GAP
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// From values to heights.
struct Scale {
    low: f64,
    high: f64,
    top: f64,
    height: f64,
}

impl Scale {
    fn new<'a>(values: impl Iterator<Item = &'a f64>, top: f64, height: f64) -> Self {
        let (low, high) = range(values).unwrap_or((0.0, 1.0));
        Self {
            low,
            high,
            top,
            height,
        }
    }

    fn y(&self, value: f64) -> f64 {
        // Halves, so that the ends of the range of numbers have a distance.
        let whole = self.high / 2.0 - self.low / 2.0;
        let share = if whole > 0.0 {
            (value / 2.0 - self.low / 2.0) / whole
        } else {
            0.5
        };
        self.top + self.height * (1.0 - share)
    }

    fn axis(&self, svg: &mut String) {
        for (value, y) in [
            (self.high, self.top + 10.0),
            (self.low, self.top + self.height),
        ] {
            let x = LEFT - 6.0;
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
                short(value)
            );
        }
    }
}

/// Lowest and highest of the finite values.
fn range<'a>(values: impl Iterator<Item = &'a f64>) -> Option<(f64, f64)> {
    values
        .copied()
        .filter(|value| value.is_finite())
        .fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((f64::min(low, value), f64::max(high, value)))
        })
}

/// Begin and end of each run of indices.
fn runs(count: usize, is_in: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for index in (0..count).filter(|&index| is_in(index)) {
        match runs.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => runs.push((index, index + 1)),
        }
    }
    runs
}

fn pair(lower: &[f64], upper: &[f64], index: usize) -> Option<()> {
    let finite = |values: &[f64]| values.get(index).is_some_and(|value| value.is_finite());
    (finite(lower) && finite(upper)).then_some(())
}

fn curve(
    svg: &mut String,
    values: &[f64],
    count: usize,
    colour: &str,
    x: &impl Fn(usize) -> f64,
    scale: &Scale,
) {
    let finite = |index: usize| values.get(index).is_some_and(|value| value.is_finite());
    for (from, to) in runs(count, finite) {
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-linecap=\"round\" points=\""
        );
        for (index, value) in values.iter().enumerate().take(to).skip(from) {
            point(svg, x(index), scale.y(*value));
        }
        svg.push_str("\"/>\n");
    }
}

fn point(svg: &mut String, x: f64, y: f64) {
    let _ = write!(svg, "{x:.1},{y:.1} ");
}

fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn escaped(text: &str) -> String {
    let printable = text.chars().filter(|letter| !letter.is_control());
    let text: String = printable.collect();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
