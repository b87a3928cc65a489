//! A report as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aiops_core::Topology;

use super::Report;
use super::layout::layout;

/// Components in a picture, at most.
const MAX_NODES: usize = 60;
/// Characters of a name in one line, of two.
const LINE: usize = 26;
/// Size of a box, and the distance between the left edges and the tops of neighbours.
const BOX: (f64, f64) = (190.0, 52.0);
const STEP: (f64, f64) = (214.0, 104.0);
/// Room that an edge takes where it passes a layer.
const LANE: f64 = 26.0;
const MARGIN: f64 = 20.0;
/// Height of the line that explains the picture.
const LEGEND: f64 = 30.0;

/// How a component is drawn.
struct Part<'a> {
    name: &'a str,
    first: bool,
    noticed: bool,
    confidence: Option<f64>,
}

impl Report {
    /// The components in trouble and the calls between them as a picture, callers above what they call:
    /// first failures filled, the others outlined, a second line around those where users notice,
    /// confidence under the name. Ways to the symptom are drawn thick. Names take two lines where they are
    /// long, and beyond that lose their middle; they are whole in the title of the box. The picture is the same each time.
    ///
    /// At most 60 components are drawn, the likeliest first; the last line says how many are not.
    ///
    /// ```
    /// # use aiops_core::{Case, ComponentMetric, Series, TimeAxis, Timestamp, Topology};
    /// # use aiops_rca::investigation::{Investigation, InvestigationConfig, Request};
    /// # use std::time::Duration;
    /// # let topology = Topology::default();
    /// # let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
    /// # let db = Series::new(axis, (0..60).map(|i| f64::from(i % 4 + 60 * (i / 50))).collect())?;
    /// # let metrics = [ComponentMetric {
    /// #     component: "db", metric: "latency_ms", reference: None, observed: db.view(),
    /// # }];
    /// # let case = Case {
    /// #     metrics: &metrics, onset: None, symptom: None, topology: &topology, changes: &[],
    /// # };
    /// # let investigation = Investigation::try_from(InvestigationConfig::default())?;
    /// let report = investigation.investigate(&Request::from(case))?;
    /// let picture = report.to_svg(&topology);
    /// assert!(picture.starts_with("<svg ") && picture.contains(">db</text>"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_svg(&self, topology: &Topology) -> String {
        let (parts, left_out) = self.parts();
        let number = |name: &str| parts.binary_search_by(|part| part.name.cmp(name)).ok();
        let mut edges = Vec::new();
        for (from, part) in parts.iter().enumerate() {
            let callees = topology.dependencies(part.name).filter_map(number);
            edges.extend(callees.filter(|to| *to != from).map(|to| (from, to)));
        }
        // A path leads from the cause to who notices, so against the calls.
        let mut on_path: Vec<(usize, usize)> = self
            .causes
            .iter()
            .flat_map(|suspect| suspect.path.windows(2))
            .filter_map(|pair| Some((number(&pair[1])?, number(&pair[0])?)))
            .collect();
        on_path.sort_unstable();

        let layout = layout(parts.len(), &edges);
        let room = |point: &usize| if *point < parts.len() { STEP.0 } else { LANE };
        let widths: Vec<f64> = layout
            .layers
            .iter()
            .map(|layer| layer.iter().map(room).sum())
            .collect();
        let width = widths.iter().copied().fold(3.0 * STEP.0, f64::max) + 2.0 * MARGIN;
        let height = layout.layers.len() as f64 * STEP.1 + LEGEND + 2.0 * MARGIN;
        let mut place: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (index, layer) in layout.layers.iter().enumerate() {
            let mut left = (width - widths[index]) / 2.0;
            for point in layer {
                let room = room(point);
                place.insert(*point, (left + room / 2.0, MARGIN + index as f64 * STEP.1));
                left += room;
            }
        }

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" \
             fill=\"#555\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for (edge, way) in edges.iter().zip(&layout.ways) {
            let points: Vec<(f64, f64)> = way.iter().map(|point| place[point]).collect();
            let thick = if on_path.binary_search(edge).is_ok() {
                3
            } else {
                1
            };
            let d = curve(&points);
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                "<path d=\"{d}\" fill=\"none\" stroke=\"#555\" stroke-width=\"{thick}\" marker-end=\"url(#to)\"/>"
            );
        }
        for (node, part) in parts.iter().enumerate() {
            part.draw(place[&node], &mut svg);
        }
        let legend = match (parts.len(), left_out) {
            (0, _) => "No cause was found.".to_owned(),
            (_, 0) => {
                "filled: first failures; double line: where it is noticed; thick: the way there"
                    .to_owned()
            }
            (_, more) => format!(
                "filled: first failures; double line: where it is noticed; {more} more are not shown"
            ),
        };
        let base = height - MARGIN;
        let _ = write!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{base:.0}\" fill=\"#555\">{legend}</text>\n</svg>\n"
        );
        svg
    }

    /// What is drawn, in order of name, and how many there is no room for.
    fn parts(&self) -> (Vec<Part<'_>>, usize) {
        let suspects = self.causes.iter().chain(&self.following);
        let mut parts: Vec<Part<'_>> = suspects
            .enumerate()
            .map(|(rank, suspect)| Part {
                name: &suspect.cause.component,
                first: rank < self.causes.len(),
                noticed: self.impact.contains(&suspect.cause.component),
                confidence: suspect.cause.confidence,
            })
            .collect();
        for name in &self.impact {
            if parts.iter().all(|part| part.name != name) {
                parts.push(Part {
                    name,
                    first: false,
                    noticed: true,
                    confidence: None,
                });
            }
        }
        let left_out = parts.len().saturating_sub(MAX_NODES);
        parts.truncate(MAX_NODES);
        parts.sort_by(|a, b| a.name.cmp(b.name));
        parts.dedup_by(|a, b| a.name == b.name);
        (parts, left_out)
    }
}

impl Part<'_> {
    fn draw(&self, (x, y): (f64, f64), svg: &mut String) {
        let (left, fill) = (x - BOX.0 / 2.0, if self.first { "#f4b6b0" } else { "#fff" });
        let (wide, high) = BOX;
        let _ = write!(
            svg,
            "<g><title>{}</title><rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide}\" height=\"{high}\" rx=\"4\" \
             fill=\"{fill}\" stroke=\"#333\"/>",
            escaped(self.name)
        );
        if self.noticed {
            let _ = write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"none\" stroke=\"#333\"/>",
                left + 3.0,
                y + 3.0,
                wide - 6.0,
                high - 6.0
            );
        }
        let lines = lines(self.name);
        let size = if lines.len() > 1 { 10 } else { 12 };
        for (index, line) in lines.iter().enumerate() {
            let (base, line) = (y + 18.0 + 13.0 * index as f64, escaped(line));
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{base:.1}\" text-anchor=\"middle\" font-size=\"{size}\">{line}</text>"
            );
        }
        if let Some(confidence) = self.confidence {
            let (base, share) = (y + 45.0, 100.0 * confidence);
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{base:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#333\">\
                 {share:.0} %</text>"
            );
        }
        svg.push_str("</g>\n");
    }
}

/// From box to box through the places between, each a centre and the top of its layer.
fn curve(points: &[(f64, f64)]) -> String {
    let down = points.len() < 2 || points[0].1 <= points[1].1;
    let end = points.len() - 1;
    // Where a call goes up, it leaves at the top and arrives at the bottom, a little beside the others.
    let (leave, arrive, aside) = if down {
        (BOX.1, 0.0, 0.0)
    } else {
        (0.0, BOX.1, 12.0)
    };
    let at = |index: usize| {
        let (x, y) = points[index];
        match index {
            0 => (x + aside, y + leave),
            _ if index == end => (x + aside, y + arrive),
            _ => (x, y + BOX.1 / 2.0),
        }
    };
    let (x, y) = at(0);
    let mut d = format!("M{x:.1} {y:.1}");
    for index in 1..points.len() {
        let ((ax, ay), (bx, by)) = (at(index - 1), at(index));
        let middle = f64::midpoint(ay, by);
        let _ = write!(
            d,
            " C{ax:.1} {middle:.1} {bx:.1} {middle:.1} {bx:.1} {by:.1}"
        );
    }
    d
}

/// The name in one line or two, or its beginning and its end.
fn lines(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let line = |chars: &[char]| chars.iter().collect::<String>();
    if chars.len() <= LINE {
        vec![name.to_owned()]
    } else if chars.len() <= 2 * LINE {
        let (first, second) = chars.split_at(LINE);
        vec![line(first), line(second)]
    } else {
        let first = line(&chars[..LINE - 1]) + "\u{2026}";
        vec![first, line(&chars[chars.len() - LINE..])]
    }
}

/// Text that stays text; control characters, which XML does not allow, become blanks.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
