//! Files of comma-separated values, one for each side or one for both.

use std::error::Error;
use std::path::PathBuf;

use super::Row;

/// Files, with `$side` in their name.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
}

impl Files {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn rows(
        &self,
        side: &str,
        part: &str,
        whole: Option<&str>,
    ) -> Result<Vec<Row>, Box<dyn Error>> {
        let path = self.path.to_string_lossy().replace("$side", side);
        let mut reader =
            csv::Reader::from_path(&path).map_err(|error| format!("{path}: {error}"))?;
        let headers = reader.headers()?.clone();
        let column = |name: &str| {
            let found = headers.iter().position(|header| header.trim() == name);
            found.ok_or_else(|| format!("{path} has no column `{name}`"))
        };
        let part = column(part)?;
        let whole = whole.map(column).transpose()?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| format!("{path}: {error}"))?;
            let line = record.position().map_or(0, csv::Position::line);
            let number = |column: usize| match record.get(column).unwrap_or_default().trim() {
                "" => Ok(f64::NAN),
                cell => cell
                    .parse::<f64>()
                    .map_err(|_| format!("{path}, line {line}: `{cell}` is no number")),
            };
            rows.push(Row {
                part: number(part)?,
                whole: whole.map(number).transpose()?,
            });
        }
        Ok(rows)
    }
}
