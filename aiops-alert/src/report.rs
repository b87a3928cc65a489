//! A report of an incident without blame: what, where, when, who, why and how.
//!
//! It speaks of components and their owners, never of whose fault it was.

use std::fmt::Write as _;

use aiops_core::{Incident, Timestamp};

use crate::correlate::Cascade;
use crate::html::escape;
use crate::json::{Json, object};

/// Something that was done or happened, with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What, in one line.
    pub what: String,
    /// Whether it helped, where that is known.
    pub helped: Option<bool>,
}

/// What is known about an incident.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IncidentReport<'a> {
    incident: &'a Incident,
    /// Components by their part in it, where the topology says so.
    pub cascade: Option<Cascade>,
    /// Component and who owns it, as a team or a contact.
    pub owners: Vec<(String, String)>,
    /// What was done, in order of time.
    pub actions: Vec<Entry>,
    /// The latest time that is known, for what is not over.
    pub now: Timestamp,
}

impl<'a> IncidentReport<'a> {
    /// A report as things stand at `now`.
    pub fn new(incident: &'a Incident, now: Timestamp) -> Self {
        Self {
            incident,
            cascade: None,
            owners: Vec::new(),
            actions: Vec::new(),
            now,
        }
    }

    fn ends_at(&self) -> Timestamp {
        self.incident.resolved_at.unwrap_or(self.now)
    }

    /// Headings with their lines, the one source of all forms.
    fn sections(&self) -> Vec<(&'static str, Vec<String>)> {
        let incident = self.incident;
        let place: Vec<String> = incident
            .group
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let mut when = vec![format!("began {}", incident.opened_at)];
        when.push(match incident.resolved_at {
            Some(end) => {
                let lasted = end.since(incident.opened_at).as_secs();
                format!("over {end}, after {}", span(lasted))
            }
            None => format!("goes on at {}", self.now),
        });
        let mut place = vec![place.join(", ")];
        if let Some(cascade) = &self.cascade {
            for (what, names) in [
                ("may have begun in", &cascade.suspects),
                ("critical", &cascade.critical),
                ("hit", &cascade.impact),
            ] {
                if !names.is_empty() {
                    place.push(format!("{what}: {}", names.join(", ")));
                }
            }
        }
        let owners = self.owners.iter();
        let who = owners.map(|(component, owner)| format!("{component}: {owner}"));
        let mut why = Vec::new();
        for cause in &incident.causes {
            why.push(match cause.confidence {
                Some(share) => format!("{} (probability {share:.2})", cause.component),
                None => cause.component.clone(),
            });
            why.extend(cause.evidence.iter().map(|one| format!("  {one}")));
        }
        let how = self.actions.iter().map(|entry| {
            let helped = match entry.helped {
                Some(true) => " (helped)",
                Some(false) => " (did not help)",
                None => "",
            };
            format!("{} {}{helped}", entry.at, entry.what)
        });
        let alerts = incident.alerts.iter().map(|alert| {
            let ended = alert.ends_at.filter(|end| *end <= self.now);
            let end = ended.map_or("goes on".to_owned(), |end| format!("to {end}"));
            format!("{} {end} {}", alert.starts_at, alert.labels)
        });
        let alerts = alerts.collect();
        vec![
            ("What", vec![incident.summary.clone()]),
            ("Where", place),
            ("When", when),
            ("Who", who.collect()),
            ("Why", why),
            ("How", how.collect()),
            ("Alerts", alerts),
        ]
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.incident.id);
        for (heading, lines) in self.sections() {
            let _ = write!(text, "\n## {heading}\n\n"); // writing to a String cannot fail
            if lines.is_empty() {
                text.push_str("Not known.\n");
            }
            for line in lines {
                let indent = line.len() - line.trim_start().len();
                let _ = writeln!(
                    text,
                    "{}- {}",
                    " ".repeat(indent),
                    markdown(line.trim_start())
                );
            }
        }
        text
    }

    /// As a page of its own, with the timeline drawn.
    pub fn html(&self) -> String {
        let id = self.incident.id;
        let mut text = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{id}</title><h1>{id}</h1>"
        );
        text.push_str(&self.timeline());
        for (heading, lines) in self.sections() {
            let _ = write!(text, "<h2>{heading}</h2>");
            if lines.is_empty() {
                text.push_str("<p>Not known.</p>");
                continue;
            }
            text.push_str("<ul>");
            for line in lines {
                let _ = write!(text, "<li>{}</li>", escape(line.trim_start()));
            }
            text.push_str("</ul>");
        }
        text + "</html>\n"
    }

    /// As JSON: an object with a list of lines for each heading, in lower case.
    pub fn json(&self) -> String {
        let sections = self.sections().into_iter().map(|(heading, lines)| {
            let lines = lines.iter().map(|line| Json::text(line.trim_start()));
            (heading.to_lowercase(), Json::List(lines.collect()))
        });
        let id = ("id".to_owned(), Json::text(self.incident.id.to_string()));
        object(std::iter::once(id).chain(sections)).to_string()
    }

    /// The alerts as bars over time, and what was done as lines, as SVG; at most 40 alerts.
    pub fn timeline(&self) -> String {
        const WIDTH: f64 = 800.0;
        const ROW: usize = 18;
        const MAX_ROWS: usize = 40;
        let incident = self.incident;
        let whole = self
            .ends_at()
            .since(incident.opened_at)
            .as_secs_f64()
            .max(1.0);
        let x = |at: Timestamp| {
            let since = at.since(incident.opened_at).as_secs_f64();
            WIDTH * (since / whole).min(1.0)
        };
        let alerts: Vec<_> = incident.alerts.iter().take(MAX_ROWS).collect();
        let height = ROW * alerts.len().max(1);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-label=\"timeline\">"
        );
        for (row, alert) in alerts.iter().enumerate() {
            let end = alert.ends_at.unwrap_or(Timestamp::MAX).min(self.ends_at());
            let (from, to) = (x(alert.starts_at), x(end));
            let _ = write!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"#c44\">\
                 <title>{}</title></rect>",
                row * ROW + 2,
                (to - from).max(1.0),
                ROW - 4,
                escape(&alert.labels.to_string()),
            );
        }
        for entry in &self.actions {
            let at = x(entry.at);
            let _ = write!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"0\" x2=\"{at:.1}\" y2=\"{height}\" stroke=\"#262\">\
                 <title>{}</title></line>",
                escape(&entry.what),
            );
        }
        svg + "</svg>"
    }
}

fn span(secs: u64) -> String {
    match (secs / 3_600, secs / 60 % 60, secs % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, minutes, secs) => format!("{minutes} min {secs} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Without what Markdown would take for its own.
fn markdown(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => result.push(' '),
            '*' | '_' | '`' | '[' | ']' | '<' | '>' | '#' | '|' | '\\' => {
                result.push('\\');
                result.push(c);
            }
            other => result.push(other),
        }
    }
    result
}
