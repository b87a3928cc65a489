//! A report of an incident without blame: what, where, when, who, why and how.
//!
//! It speaks of components and their owners, never of whose fault it was.

mod html;
mod timeline;

use std::fmt::Write as _;

use aiops_core::{Alert, Incident, Timestamp};

use crate::correlate::Cascade;
use crate::json::{Json, object};

/// Alerts that a report lists.
const MAX_ALERTS: usize = 200;

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

    /// When an alert began, and how long it lasted.
    fn times(&self, alert: &Alert) -> String {
        let ended = alert.ends_at.filter(|end| *end <= self.now);
        let lasted = ended.unwrap_or(self.now).since(alert.starts_at).as_secs();
        let open = if ended.is_none() { ", goes on" } else { "" };
        format!("{}, {}{open}", clock(alert.starts_at), span(lasted))
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
        let mut when = vec![format!("began {}", clock(incident.opened_at))];
        when.push(if let Some(end) = incident.resolved_at {
            let lasted = end.since(incident.opened_at).as_secs();
            format!("over {}, after {}", clock(end), span(lasted))
        } else {
            let lasts = self.now.since(incident.opened_at).as_secs();
            format!("goes on at {}, for {}", clock(self.now), span(lasts))
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
            let metric = cause.metric.iter().map(|metric| format!(", {metric}"));
            let about = format!("{}{}", cause.component, metric.collect::<String>());
            why.push(match cause.confidence {
                Some(share) => format!("{about} (probability {share:.2})"),
                None => about,
            });
            why.extend(cause.evidence.iter().map(|one| format!("  {one}")));
        }
        let how = self.actions.iter().map(action);
        let alerts = incident.alerts.iter().take(MAX_ALERTS);
        let mut alerts: Vec<String> = alerts
            .map(|alert| format!("{}: {}", self.times(alert), alert.labels))
            .collect();
        let left_out = incident.alerts.len() - alerts.len();
        if left_out > 0 {
            alerts.push(format!("and {left_out} more"));
        }
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

    /// As a page of its own, with the timeline drawn; light or dark as the reader's machine is.
    pub fn html(&self) -> String {
        html::page(self)
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

    /// The alerts as bars over time, and what was done as numbered lines, as SVG of its own: the
    /// first 40 alerts and the first 20 actions, in order of time, then how many more there are.
    pub fn timeline(&self) -> String {
        timeline::draw(self)
    }
}

fn action(entry: &Entry) -> String {
    let helped = match entry.helped {
        Some(true) => " (helped)",
        Some(false) => " (did not help)",
        None => "",
    };
    format!("{} {}{helped}", clock(entry.at), entry.what)
}

/// To the second, for people.
fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second} UTC"),
        _ => text,
    }
}

fn span(secs: u64) -> String {
    let days = secs / 86_400;
    if days > 1 {
        return format!("{days} d {} h", secs / 3_600 % 24);
    }
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
            c if c.is_control() => result.push(' '),
            '&' | '~' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '#' | '|' | '\\' => {
                result.push('\\');
                result.push(c);
            }
            other => result.push(other),
        }
    }
    result
}
