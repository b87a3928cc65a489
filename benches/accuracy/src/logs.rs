//! Log templates against the truth of labelled lines.
//!
//! No template miner is in the family yet. What runs is the floor that a miner must pass: each
//! message with its numbers masked is its own template. It keeps the reader, the four measures and
//! the summary's keys in use.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table};

/// Figures of one system.
#[derive(Clone, Copy, Debug, Default)]
struct Scores {
    /// Grouping accuracy: share of lines whose group has exactly the lines of a true group.
    ga: f64,
    /// Harmonic mean of precision and recall of groups.
    fga: f64,
    /// Parsing accuracy: share of lines with exactly the true template.
    pa: f64,
    /// Harmonic mean of precision and recall of templates.
    fta: f64,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let (mut all, mut lines, mut seconds) = (Vec::new(), 0, 0.0);
    for (system, path) in table::files(&args.data, "_2k.csv")? {
        if !args.wants_set(&system) {
            continue;
        }
        let table = Table::read(&path)?;
        let content = table.column("Content")?;
        let (group, template) = (
            table.column("EventId")?,
            table.column("EventTemplateCorrected")?,
        );
        let messages: Vec<&str> = table.rows.iter().map(|row| &row[content]).collect();
        let started = Instant::now();
        let found: Vec<String> = messages
            .iter()
            .map(|message| mask_numbers(message))
            .collect();
        seconds += started.elapsed().as_secs_f64();
        lines += messages.len();
        let groups: Vec<&str> = table.rows.iter().map(|row| &row[group]).collect();
        let templates: Vec<&str> = table.rows.iter().map(|row| &row[template]).collect();
        let scores = score(&found, &groups, &templates);
        let figures =
            json!({ "ga": scores.ga, "fga": scores.fga, "pa": scores.pa, "fta": scores.fta });
        report.detail(&system, "masked_numbers", figures);
        all.push(scores);
    }
    let over = |f: &dyn Fn(&Scores) -> f64| mean(&all.iter().map(f).collect::<Vec<_>>());
    report.put("logs.ga", over(&|s| s.ga))?;
    report.put("logs.fga", over(&|s| s.fga))?;
    report.put("logs.pa", over(&|s| s.pa))?;
    report.put("logs.fta", over(&|s| s.fta))?;
    report.put("logs.lines_per_s", lines as f64 / seconds)
}

/// The message with every word that holds a digit replaced.
fn mask_numbers(message: &str) -> String {
    let words: Vec<&str> = message
        .split(' ')
        .map(|word| {
            if word.contains(|c: char| c.is_ascii_digit()) {
                "<*>"
            } else {
                word
            }
        })
        .collect();
    words.join(" ")
}

fn score(found: &[String], groups: &[&str], templates: &[&str]) -> Scores {
    let lines_of = |keys: &mut dyn Iterator<Item = &str>| -> BTreeMap<String, Vec<usize>> {
        let mut lines: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (line, key) in keys.enumerate() {
            lines.entry(key.to_owned()).or_default().push(line);
        }
        lines
    };
    let ours = lines_of(&mut found.iter().map(String::as_str));
    let theirs = lines_of(&mut groups.iter().copied());
    let true_groups: HashMap<&[usize], ()> = theirs
        .values()
        .map(|lines| (lines.as_slice(), ()))
        .collect();
    let right: Vec<&Vec<usize>> = ours
        .values()
        .filter(|lines| true_groups.contains_key(lines.as_slice()))
        .collect();
    let exact = |line: &usize| found[*line] == templates[*line];
    let true_templates = lines_of(&mut templates.iter().copied());
    let right_templates = ours
        .iter()
        .filter(|(template, lines)| true_templates.get(*template) == Some(*lines))
        .count();
    let all = found.len() as f64;
    Scores {
        ga: right.iter().map(|lines| lines.len()).sum::<usize>() as f64 / all,
        fga: harmonic(right.len(), ours.len(), theirs.len()),
        pa: (0..found.len()).filter(exact).count() as f64 / all,
        fta: harmonic(right_templates, ours.len(), true_templates.len()),
    }
}

/// Harmonic mean of `right / found` and `right / wanted`.
fn harmonic(right: usize, found: usize, wanted: usize) -> f64 {
    2.0 * right as f64 / (found + wanted) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_on_a_case_worked_by_hand() {
        let found: Vec<String> = ["a <*>", "a <*>", "b", "c", "c"].map(str::to_owned).into();
        let groups = ["1", "1", "2", "2", "3"];
        let templates = ["a <*>", "a <*>", "b", "x", "c"];
        let scores = score(&found, &groups, &templates);
        assert_eq!(scores.ga, 0.4); // only {a, a} has exactly the lines of a true group
        assert_eq!(scores.fga, 2.0 / 6.0);
        assert_eq!(scores.pa, 0.8);
        assert_eq!(scores.fta, 4.0 / 7.0);
    }
}
