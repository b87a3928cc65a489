//! Log templates against the truth of labelled lines.
//!
//! `template_miner` is the library's, with its defaults for every system. `masked_numbers` is the
//! floor that a miner must pass: each message with its numbers masked is its own template.

use std::collections::{BTreeMap, HashSet};
use std::hint::black_box;
use std::time::Instant;

use aiops_core::logs::{Template, TemplateMiner, TemplateMinerConfig};
use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table};

/// Each system's lines are mined so many times for the speed.
const ROUNDS: usize = 20;

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

/// What a model says about the lines: group and template of each.
struct Found {
    groups: Vec<String>,
    templates: Vec<String>,
    seconds_per_line: f64,
}

type Model = fn(&[&str]) -> Fallible<Found>;

/// The first one gives the plain keys of the summary.
const MODELS: [(&str, Model); 2] = [
    ("template_miner", template_miner),
    ("masked_numbers", masked_numbers),
];

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let mut systems = table::files(&args.data, "_2k.csv")?;
    systems.retain(|(system, _)| args.wants_set(system));
    let systems: Vec<(String, Table)> = systems
        .into_iter()
        .map(|(system, path)| Ok((system, Table::read(&path)?)))
        .collect::<Fallible<_>>()?;
    for (index, (name, model)) in MODELS.into_iter().enumerate() {
        if !args.wants_model(name) {
            continue;
        }
        let mut all = Vec::new();
        for (system, table) in &systems {
            let (scores, seconds_per_line) = measure(table, model)?;
            let figures = json!({
                "ga": scores.ga, "fga": scores.fga, "pa": scores.pa, "fta": scores.fta,
                "lines_per_s": 1.0 / seconds_per_line,
            });
            report.detail(system, name, figures);
            all.push((scores, seconds_per_line));
        }
        let ending = match index {
            0 => String::new(),
            _ => format!(".{name}"),
        };
        let over = |f: fn(&Scores) -> f64| mean(&all.iter().map(|(s, _)| f(s)).collect::<Vec<_>>());
        report.put(format!("logs.ga{ending}"), over(|s| s.ga))?;
        report.put(format!("logs.fga{ending}"), over(|s| s.fga))?;
        report.put(format!("logs.pa{ending}"), over(|s| s.pa))?;
        report.put(format!("logs.fta{ending}"), over(|s| s.fta))?;
        let seconds = mean(&all.iter().map(|(_, s)| *s).collect::<Vec<_>>());
        report.put(format!("logs.lines_per_s{ending}"), 1.0 / seconds)?;
    }
    show_peers(report);
    Ok(())
}

fn measure(table: &Table, model: Model) -> Fallible<(Scores, f64)> {
    let texts = |name: &str| -> Fallible<Vec<&str>> {
        let column = table.column(name)?;
        Ok(table.rows.iter().map(|row| &row[column]).collect())
    };
    let found = model(&texts("Content")?)?;
    let scores = score(
        &found,
        &texts("EventId")?,
        &texts("EventTemplateCorrected")?,
    );
    Ok((scores, found.seconds_per_line))
}

/// Templates as they are once all lines were seen, as the other programs are judged.
fn template_miner(messages: &[&str]) -> Fallible<Found> {
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?;
    let ids: Vec<_> = messages.iter().map(|line| miner.observe(line)).collect();
    let ids: Vec<_> = ids.into_iter().map(|id| miner.current(id)).collect();
    let templates = ids.iter().map(|id| {
        let template = miner.template(*id);
        template.map_or_else(String::new, Template::text)
    });
    let templates = templates.collect();
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?;
    let mut spans = Vec::new();
    let started = Instant::now();
    for line in (0..ROUNDS).flat_map(|_| messages) {
        black_box(miner.observe_into(line, &mut spans));
    }
    Ok(Found {
        groups: ids.iter().map(ToString::to_string).collect(),
        templates,
        seconds_per_line: seconds_per_line(started, messages.len() * ROUNDS),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "one signature for all models")]
fn masked_numbers(messages: &[&str]) -> Fallible<Found> {
    let started = Instant::now();
    let templates: Vec<String> = messages
        .iter()
        .map(|message| mask_numbers(message))
        .collect();
    Ok(Found {
        groups: templates.clone(),
        templates,
        seconds_per_line: seconds_per_line(started, messages.len()),
    })
}

fn seconds_per_line(started: Instant, lines: usize) -> f64 {
    started.elapsed().as_secs_f64() / lines as f64
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

fn score(found: &Found, groups: &[&str], templates: &[&str]) -> Scores {
    let ours = lines_of(found.groups.iter().map(String::as_str));
    let theirs = lines_of(groups.iter().copied());
    let true_groups: HashSet<&[usize]> = theirs.values().map(Vec::as_slice).collect();
    let right: Vec<&Vec<usize>> = ours
        .values()
        .filter(|lines| true_groups.contains(lines.as_slice()))
        .collect();
    let exact = |line: usize| same(&found.templates[line], templates[line]);
    let true_templates = lines_of(templates.iter().copied());
    let true_lines: HashSet<&[usize]> = true_templates.values().map(Vec::as_slice).collect();
    let right_templates = ours
        .values()
        .filter(|lines| exact(lines[0]) && true_lines.contains(lines.as_slice()))
        .count();
    let all = found.groups.len() as f64;
    Scores {
        ga: right.iter().map(|lines| lines.len()).sum::<usize>() as f64 / all,
        fga: harmonic(right.len(), ours.len(), theirs.len()),
        pa: (0..templates.len()).filter(|line| exact(*line)).count() as f64 / all,
        fta: harmonic(right_templates, ours.len(), true_templates.len()),
    }
}

/// The lines of each key.
fn lines_of<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<usize>> {
    let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (line, key) in keys.enumerate() {
        lines.entry(key).or_default().push(line);
    }
    lines
}

/// Whether two templates are the same but for the width of their white space.
fn same(ours: &str, theirs: &str) -> bool {
    ours.split_whitespace().eq(theirs.split_whitespace())
}

/// Harmonic mean of `right / found` and `right / wanted`.
fn harmonic(right: usize, found: usize, wanted: usize) -> f64 {
    2.0 * right as f64 / (found + wanted) as f64
}

/// The other programs, their groups judged by the original truth and their templates by the
/// corrected one, as ours are.
fn show_peers(report: &mut Report) {
    let Some(peers) = report.peers.take() else {
        return;
    };
    for (name, figures) in peers["mean"].as_object().into_iter().flatten() {
        let of = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
        let line = format!(
            "ga {:.3}  fga {:.3}  pa {:.3}  fta {:.3}  lines/s {:.0}",
            of("ga"),
            of("fga"),
            of("pa_c"),
            of("fta_c"),
            of("median_lines_per_s"),
        );
        report.peer(name.clone(), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_on_a_case_worked_by_hand() {
        let templates = ["a <*>", "a <*>", "b", "c", "c"].map(str::to_owned);
        let found = Found {
            groups: templates.to_vec(),
            templates: templates.to_vec(),
            seconds_per_line: 1.0,
        };
        let groups = ["1", "1", "2", "2", "3"];
        let templates = ["a <*>", "a  <*>", "b", "x", "c"];
        let scores = score(&found, &groups, &templates);
        assert_eq!(scores.ga, 0.4); // only {a, a} has exactly the lines of a true group
        assert_eq!(scores.fga, 2.0 / 6.0);
        assert_eq!(scores.pa, 0.8);
        assert_eq!(scores.fta, 2.0 / 8.0); // {b}; `a <*>` is spelt in two ways
    }
}
