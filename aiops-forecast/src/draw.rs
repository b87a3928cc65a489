//! Pictures as SVG text: a fan of quantiles ahead of its past, and a series taken apart.
//!
//! ```
//! use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
//! use aiops_forecast::draw::Fan;
//! use aiops_forecast::naive::drift::Drift;
//! use std::time::Duration;
//!
//! let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_hours(1), 6)?;
//! let disk = Series::new(axis, vec![61.0, 63.0, 62.0, 66.0, 67.0, 70.0])?;
//! let ahead = Drift.fit(disk.view())?.forecast(12, &[0.025, 0.1, 0.9, 0.975])?;
//! let svg = Fan::new("disk, percent", disk.view(), &ahead).limit(90.0).svg();
//! assert!(svg.starts_with("<svg") && svg.matches("<polygon").count() == 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt::Write as _;

use aiops_core::{Forecast, SeriesView, Timestamp};

use crate::stl::Decomposition;

const WIDTH: f64 = 800.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 15.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 22.0;
const CURVE: f64 = 240.0;
/// Height of one part of a decomposition, and the distance of two.
const PART: f64 = 90.0;
const APART: f64 = 14.0;

const PAST: &str = "#1f4e79";
const AHEAD: &str = "#b45f06";
const ALARM: &str = "#c00000";
const QUIET: &str = "#7f7f7f";

/// A forecast with its past.
#[derive(Clone, Copy, Debug)]
pub struct Fan<'a> {
    title: &'a str,
    past: SeriesView<'a>,
    ahead: &'a Forecast,
    limit: f64,
}

impl<'a> Fan<'a> {
    /// The end of a series, which may be empty, and what is expected after it. Give as much of the past as
    /// should be seen; some three horizons look well.
    pub fn new(title: &'a str, past: SeriesView<'a>, ahead: &'a Forecast) -> Self {
        Self {
            title,
            past,
            ahead,
            limit: f64::NAN,
        }
    }

    /// With a line at a limit, in the unit of the series; `NaN` for none.
    #[must_use]
    pub fn limit(mut self, limit: f64) -> Self {
        self.limit = limit;
        self
    }

    /// The picture as an SVG document that needs nothing else: the past and the mean ahead as curves, one
    /// band for each pair of levels from the outside in, the limit dashed. Missing values are gaps;
    /// values that are not finite are left out. About 15 bytes for each value and curve.
    pub fn svg(&self) -> String {
        let bands = self.bands();
        let (past, mean) = (self.past.values(), self.ahead.mean());
        let limit = [self.limit];
        let edges = bands.iter().flat_map(|(low, high)| low.iter().chain(high));
        let all = past.iter().chain(mean).chain(edges).chain(&limit);
        let frame = Frame::new(all, TOP, CURVE);
        let axis = self.ahead.axis().view();
        let now = axis.first().unwrap_or(Timestamp::EPOCH);
        let from = self.past.axis().first().unwrap_or(now);
        let end = axis.last().unwrap_or(now);
        let span = end.since(from).as_secs_f64().max(f64::MIN_POSITIVE);
        let x = |at: Timestamp| LEFT + (WIDTH - LEFT - RIGHT) * at.since(from).as_secs_f64() / span;
        let ahead_x: Vec<f64> = (0..axis.len()).map(|step| x(axis.at(step))).collect();
        let past_axis = self.past.axis();
        let past_x: Vec<f64> = (0..past.len())
            .map(|index| x(past_axis.at(index)))
            .collect();

        let mut page = Page::new(self.title, TOP + CURVE + BOTTOM);
        frame.ends(&mut page);
        for (low, high) in &bands {
            page.band(&ahead_x, (low, high), &frame);
        }
        page.vertical(x(now), TOP, TOP + CURVE);
        page.curve(&past_x, past, PAST, &frame);
        page.curve(&ahead_x, mean, AHEAD, &frame);
        if self.limit.is_finite() {
            page.limit(frame.y(self.limit));
        }
        let below = TOP + CURVE + 16.0;
        page.label(LEFT, below, "start", &from.to_string());
        page.label(WIDTH - RIGHT, below, "end", &end.to_string());
        page.finish()
    }

    /// Lower and upper quantiles of each pair of levels, the widest first.
    fn bands(&self) -> Vec<(Vec<f64>, Vec<f64>)> {
        let levels = self.ahead.levels();
        let of = |level: f64| self.ahead.quantile(level).map(|column| column.to_vec());
        (0..levels.len() / 2)
            .filter_map(|place| Some((of(levels[place])?, of(levels[levels.len() - 1 - place])?)))
            .collect()
    }
}

impl Decomposition {
    /// The series and its parts below each other as an SVG document that needs nothing else: values,
    /// trend, each season, remainder, every one with its own ends written beside it. Missing values are
    /// gaps.
    pub fn svg(&self, title: &str, values: &[f64]) -> String {
        let mut parts: Vec<(String, &[f64])> = vec![
            ("values".to_owned(), values),
            ("trend".to_owned(), &self.trend),
        ];
        for (place, season) in self.seasonal.iter().enumerate() {
            parts.push((format!("season {}", place + 1), season));
        }
        parts.push(("remainder".to_owned(), &self.remainder));
        let mut page = Page::new(title, TOP + parts.len() as f64 * (PART + APART));
        for (place, (name, values)) in parts.into_iter().enumerate() {
            let top = TOP + place as f64 * (PART + APART);
            let frame = Frame::new(values.iter(), top, PART);
            let last = values.len().saturating_sub(1).max(1) as f64;
            let across = WIDTH - LEFT - RIGHT;
            let x: Vec<f64> = (0..values.len())
                .map(|index| LEFT + across * index as f64 / last)
                .collect();
            page.label(LEFT - 6.0, top + PART / 2.0, "end", &name);
            frame.ends(&mut page);
            page.curve(&x, values, PAST, &frame);
        }
        page.finish()
    }
}

/// Heights of values: the range of the finite ones over a part of the page.
struct Frame {
    low: f64,
    high: f64,
    top: f64,
    height: f64,
}

impl Frame {
    fn new<'a>(values: impl Iterator<Item = &'a f64>, top: f64, height: f64) -> Self {
        let finite = values.copied().filter(|value| value.is_finite());
        let (mut low, mut high) = finite.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        Self {
            low,
            high,
            top,
            height,
        }
    }

    fn y(&self, value: f64) -> f64 {
        // Shares of the halves: the distance of the ends of all numbers is not a number.
        let (value, low, high) = (0.5 * value, 0.5 * self.low, 0.5 * self.high);
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        self.top + self.height * (1.0 - share)
    }

    fn ends(&self, page: &mut Page) {
        let x = LEFT - 6.0;
        page.label(x, self.top + 10.0, "end", &number(self.high));
        page.label(x, self.top + self.height, "end", &number(self.low));
    }
}

/// An SVG document that is being written.
struct Page {
    svg: String,
}

impl Page {
    fn new(title: &str, height: f64) -> Self {
        let mut page = Self {
            svg: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
                 font-family=\"sans-serif\" font-size=\"12\">\n\
                 <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
            ),
        };
        page.label(LEFT, 18.0, "start", title);
        page
    }

    fn label(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = write!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">"
        );
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            match letter {
                '&' => self.svg.push_str("&amp;"),
                '<' => self.svg.push_str("&lt;"),
                '>' => self.svg.push_str("&gt;"),
                _ => self.svg.push(letter),
            }
        }
        self.svg.push_str("</text>\n");
    }

    fn vertical(&mut self, x: f64, from: f64, to: f64) {
        let _ = writeln!(
            self.svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from}\" y2=\"{to}\" stroke=\"{QUIET}\" \
             stroke-dasharray=\"2\"/>"
        );
    }

    fn limit(&mut self, y: f64) {
        let _ = writeln!(
            self.svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{ALARM}\" \
             stroke-dasharray=\"6\"/>",
            WIDTH - RIGHT
        );
    }

    /// One polyline for each run without a gap.
    fn curve(&mut self, x: &[f64], values: &[f64], colour: &str, frame: &Frame) {
        let mut open = false;
        for (x, &value) in x.iter().zip(values) {
            if !value.is_finite() {
                if open {
                    self.svg.push_str("\"/>\n");
                }
                open = false;
                continue;
            }
            if !open {
                let _ = write!(
                    self.svg,
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" \
                     stroke-linecap=\"round\" points=\""
                );
                open = true;
            }
            let _ = write!(self.svg, "{x:.1},{:.1} ", frame.y(value));
        }
        if open {
            self.svg.push_str("\"/>\n");
        }
    }

    /// Forecasts have no gaps; a band with an end that is not finite is left out there.
    fn band(&mut self, x: &[f64], (low, high): (&[f64], &[f64]), frame: &Frame) {
        let _ = write!(
            self.svg,
            "<polygon fill=\"{AHEAD}\" fill-opacity=\"0.2\" points=\""
        );
        let corners = x.iter().zip(high).chain(x.iter().zip(low).rev());
        for (x, value) in corners.filter(|(_, value)| value.is_finite()) {
            let _ = write!(self.svg, "{x:.1},{:.1} ", frame.y(*value));
        }
        self.svg.push_str("\"/>\n");
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// Four digits that count.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (3.0 - size.max(1.0).log10().floor()).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
