//! Prometheus's rule files and Alertmanager's configuration, as they are.
//!
//! Unknown keys are errors; every error has the line at which it lies.

pub mod alertmanager;
pub mod prometheus;
mod text;

use thiserror::Error;

/// Largest file that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct FileError {
    line: u64,
    what: String,
}

impl FileError {
    fn new(line: u64, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }

    /// Where it lies, from 1; 0 when it is about the whole file.
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// Reads YAML, with bounds.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, FileError> {
    if text.len() > MAX_BYTES {
        let what = format!("{} bytes, at most {MAX_BYTES} are read", text.len());
        return Err(FileError::new(0, what));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        FileError::new(line, first_line(&error.without_snippet().to_string()))
    })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
