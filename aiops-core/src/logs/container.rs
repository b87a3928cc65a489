//! The envelopes that container runtimes put around lines.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::line::{LineContext, parse_line};
use crate::{AnyValue, LogRecord, Timestamp};

/// Lines of one container's log file to records; a line that the runtime cut into pieces is put
/// together again.
///
/// Both forms are taken: that of CRI (`time stream P|F text`) and, with the feature `json`, that
/// of Docker (`{"log":"text\n","stream":"stdout","time":"..."}`, a piece where `log` has no line
/// feed). A line in neither form is read as it is. The time of the envelope counts where the line
/// itself has none; the stream becomes the attribute `log.iostream`.
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_core::logs::{ContainerLines, LineContext};
///
/// let mut lines = ContainerLines::new(1 << 20);
/// let context = LineContext::new(Timestamp::EPOCH);
/// let first = "2016-10-06T00:17:09.669794202Z stdout P error: connection ";
/// assert!(lines.push(first, &context).is_none());
/// let second = "2016-10-06T00:17:09.669794203Z stdout F refused";
/// let record = lines.push(second, &context).expect("the whole line");
/// assert_eq!(record.body.as_text(), Some("connection refused"));
/// ```
#[derive(Clone, Debug)]
pub struct ContainerLines {
    limit: usize,
    /// Pieces so far, by stream.
    pending: BTreeMap<String, (Timestamp, String)>,
}

/// One line of the file.
struct Piece<'a> {
    time: Timestamp,
    stream: Cow<'a, str>,
    text: Cow<'a, str>,
    is_last: bool,
}

/// Streams of which pieces are kept; with one more, what there is of the first comes out as a line.
const MAX_STREAMS: usize = 8;

impl ContainerLines {
    /// Puts pieces together up to `limit` bytes; a longer line comes out in parts of about that
    /// length.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            pending: BTreeMap::new(),
        }
    }

    /// Takes a line of the file; answers the record that it completes.
    pub fn push(&mut self, line: &str, context: &LineContext) -> Option<LogRecord> {
        match cri(line).or_else(|| docker(line)) {
            Some(piece) => self.join(&piece, context),
            None => Some(parse_line(line, context)),
        }
    }

    fn join(&mut self, piece: &Piece<'_>, context: &LineContext) -> Option<LogRecord> {
        let known = self.pending.contains_key(&*piece.stream);
        if piece.is_last && !known {
            return Some(finished(piece.time, &piece.stream, &piece.text, context));
        }
        let full = !known && self.pending.len() == MAX_STREAMS;
        let given_up = if full { self.pending.pop_first() } else { None };
        let (time, text) = self
            .pending
            .entry(piece.stream.to_string())
            .or_insert_with(|| (piece.time, String::new()));
        text.push_str(&piece.text);
        if let Some((stream, (time, text))) = given_up {
            return Some(finished(time, &stream, &text, context));
        }
        if !piece.is_last && text.len() < self.limit {
            return None;
        }
        let (time, text) = (*time, std::mem::take(text));
        self.pending.remove(&*piece.stream);
        Some(finished(time, &piece.stream, &text, context))
    }

    /// Bytes of pieces that wait for their end.
    pub fn pending_bytes(&self) -> usize {
        self.pending.values().map(|(_, text)| text.len()).sum()
    }
}

fn finished(time: Timestamp, stream: &str, text: &str, context: &LineContext) -> LogRecord {
    let mut record = parse_line(text, context);
    record.time = record.time.or(Some(time));
    let stream = ("log.iostream".to_owned(), AnyValue::from(stream));
    record.attributes.push(stream);
    record
}

fn cri(line: &str) -> Option<Piece<'_>> {
    let mut parts = line.splitn(4, ' ');
    let time = parts.next()?;
    let stream = parts.next().filter(|s| matches!(*s, "stdout" | "stderr"))?;
    // Tags may be joined by colons; the first one says whether this is all.
    let is_last = match parts.next()?.split(':').next()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    Some(Piece {
        time: time.parse().ok()?,
        stream: stream.into(),
        text: parts.next().unwrap_or_default().into(),
        is_last,
    })
}

#[cfg(feature = "json")]
fn docker(line: &str) -> Option<Piece<'_>> {
    let AnyValue::Map(fields) = super::json::parse(line.trim())? else {
        return None;
    };
    let field = |name: &str| {
        let found = fields.iter().find(|(own, _)| own == name)?;
        found.1.as_text().map(str::to_owned)
    };
    let mut text = field("log")?;
    let is_last = text.ends_with('\n');
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Some(Piece {
        time: field("time")?.parse().ok()?,
        stream: field("stream")?.into(),
        text: text.into(),
        is_last,
    })
}

#[cfg(not(feature = "json"))]
fn docker(_line: &str) -> Option<Piece<'_>> {
    None
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use super::*;

    #[test]
    fn one_stream_too_many_loses_nothing() {
        let mut lines = ContainerLines::new(100);
        let context = LineContext::new(Timestamp::EPOCH);
        let mut texts = Vec::new();
        let mut push = |log: &str, stream: usize| {
            let time = "2016-10-06T00:17:09Z";
            let line = format!(r#"{{"log":"{log}","stream":"s{stream}","time":"{time}"}}"#);
            let record = lines.push(&line, &context);
            texts.extend(record.and_then(|record| record.body.as_text().map(str::to_owned)));
        };
        for stream in 0..=MAX_STREAMS {
            push(&format!("from {stream} "), stream);
        }
        for stream in 1..=MAX_STREAMS {
            push(r"on\n", stream);
        }
        let expected = (0..=MAX_STREAMS).map(|stream| match stream {
            0 => "from 0".to_owned(),
            _ => format!("from {stream} on"),
        });
        assert_eq!(texts, expected.collect::<Vec<_>>());
    }
}
