//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

pub(crate) const USAGE: &str = "\
Accuracy on public labelled data, with library defaults.

Usage: aiops-accuracy FIELD --data DIR [OPTIONS]

Fields: detect tabular, detect nab, detect kpi, detect multivariate,
        forecast, rca, logs, alerts

Options:
  --data DIR      folder in the layout of its field (detect, forecast, ...)
  --out FILE      write the results as JSON
  --peers FILE    results of other programs, shown beside ours
  --models A,B    only these; lstm, which trains for a minute or more on each set, only when named
  --sets A,B      only sets whose name contains one of these
  --limit N       at most N series, tables or cases of each set (for a quick look)
  --jobs N        threads (default 1); results do not depend on it
  --help
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Tabular,
    Nab,
    Kpi,
    Multivariate,
    Forecast,
    Rca,
    Logs,
    Alerts,
}

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) field: Field,
    pub(crate) data: PathBuf,
    pub(crate) out: Option<PathBuf>,
    pub(crate) peers: Option<PathBuf>,
    pub(crate) models: Vec<String>,
    pub(crate) sets: Vec<String>,
    pub(crate) limit: usize,
    pub(crate) jobs: usize,
}

impl Args {
    pub(crate) fn wants_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.names_model(model)
    }

    /// For what takes minutes: only when it is named.
    pub(crate) fn names_model(&self, model: &str) -> bool {
        self.models.iter().any(|wanted| wanted == model)
    }

    pub(crate) fn wants_set(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|wanted| set.contains(wanted.as_str()))
    }
}

/// `None` asks for the usage.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Option<Args>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(args);
    let (mut words, mut data) = (Vec::new(), None);
    let (mut out, mut peers) = (None, None);
    let (mut models, mut sets) = (Vec::new(), Vec::new());
    let (mut limit, mut jobs) = (usize::MAX, 1);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("data") => data = Some(parser.value()?.into()),
            Long("out") => out = Some(parser.value()?.into()),
            Long("peers") => peers = Some(parser.value()?.into()),
            Long("models") => models = list(&parser.value()?.string()?),
            Long("sets") => sets = list(&parser.value()?.string()?),
            Long("limit") => limit = parser.value()?.parse()?,
            Long("jobs") => jobs = parser.value()?.parse::<usize>()?.max(1),
            Long("help") | Short('h') => return Ok(None),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let field = match words[..] {
        ["detect", "tabular"] => Field::Tabular,
        ["detect", "nab"] => Field::Nab,
        ["detect", "kpi"] => Field::Kpi,
        ["detect", "multivariate"] => Field::Multivariate,
        ["forecast"] => Field::Forecast,
        ["rca"] => Field::Rca,
        ["logs"] => Field::Logs,
        ["alerts"] => Field::Alerts,
        _ => return Err(format!("unknown field `{}`", words.join(" ")).into()),
    };
    let data = data.ok_or("--data DIR is missing")?;
    Ok(Some(Args {
        field,
        data,
        out,
        peers,
        models,
        sets,
        limit,
        jobs,
    }))
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
