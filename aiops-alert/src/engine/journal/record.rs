//! What is written for each thing that happens, and how it is read back.
//!
//! ```text
//! record    length u32 of the body, number u64, time i64, FNV-1a 64 of number, time and body; body
//! snapshot  "AIOPSALJ", format u32, number u64 of the last record in it, FNV-1a 64 of what is
//!           before it; the stored engine
//! ```
//!
//! Numbers are little-endian, bodies are JSON.

use aiops_core::numerics::Fnv1a64;
use aiops_core::{Alert, Cause, IncidentId, Timestamp, Topology};

use crate::engine::{Acknowledgement, Delivery, Silence, SilenceId};

/// Bytes of a record before its body.
const HEAD: usize = 28;
/// Longest body that is believed.
const MAX_BODY: usize = 64 << 20;

const MAGIC: &[u8; 8] = b"AIOPSALJ";
const FORMAT: u32 = 1;
/// Bytes of a snapshot before the engine.
const SNAPSHOT_HEAD: usize = 28;

/// Something that an engine was told.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// An alert with all that it says. The first one with its labels gives them the next number.
    Alert {
        alert: Alert,
        sender: Option<String>,
    },
    /// An alert whose labels have a number, with the text that it had.
    Again {
        number: u32,
        starts_at: Timestamp,
        ends_at: Option<Timestamp>,
        sender: Option<String>,
    },
    Tick,
    Delivered {
        key: String,
    },
    Failed {
        key: String,
        retry: bool,
        after: Option<std::time::Duration>,
    },
    AddSilence(Silence),
    ExpireSilence(SilenceId),
    Acknowledge(IncidentId, Acknowledgement),
    Causes(IncidentId, Vec<Cause>),
    Topology(Topology),
    Merge {
        from: IncidentId,
        into: IncidentId,
    },
}

impl Record {
    pub(super) fn delivery(key: &str, delivery: Delivery) -> Self {
        let key = key.to_owned();
        match delivery {
            Delivery::Delivered => Self::Delivered { key },
            Delivery::Failed { retry, after } => Self::Failed { key, retry, after },
        }
    }
}

/// A record as it is appended.
pub(super) fn encode(number: u64, at: Timestamp, record: &Record) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    serde_json::to_writer(&mut bytes, record)?;
    let length = bytes.len() - HEAD;
    if length > MAX_BODY {
        let text = format!("a record of {length} bytes, at most {MAX_BODY} are kept");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4..12].copy_from_slice(&number.to_le_bytes());
    bytes[12..20].copy_from_slice(&at.as_nanos().to_le_bytes());
    let sum = checksum(&[&bytes[4..20], &bytes[HEAD..]]);
    bytes[20..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// The record at the beginning of `bytes`: its number, time, contents and length; `None` when it
/// is not whole.
pub(super) fn decode(bytes: &[u8]) -> Option<(u64, Timestamp, Record, usize)> {
    let head = bytes.get(..HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if length > MAX_BODY {
        return None;
    }
    let body = bytes.get(HEAD..HEAD + length)?;
    if checksum(&[&head[4..20], body]) != number(&head[20..]) {
        return None;
    }
    let at = Timestamp::from_nanos(number(&head[12..20]) as i64);
    let record = serde_json::from_slice(body).ok()?;
    Some((number(&head[4..12]), at, record, HEAD + length))
}

/// A snapshot: the engine as it is after the record with this number.
pub(super) fn snapshot(last: u64, engine: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SNAPSHOT_HEAD + engine.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&last.to_le_bytes());
    let sum = checksum(&[&bytes]);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(engine);
    bytes
}

/// Number of the last record, and the engine; `None` when it is no snapshot.
pub(super) fn open_snapshot(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let head = bytes.get(..SNAPSHOT_HEAD)?;
    let format = u32::from_le_bytes(head[8..12].try_into().ok()?);
    let is_one = head.starts_with(MAGIC) && format == FORMAT;
    let is_whole = checksum(&[&head[..20]]) == number(&head[20..]);
    (is_one && is_whole).then(|| (number(&head[12..20]), &bytes[SNAPSHOT_HEAD..]))
}

/// The number in the first eight bytes, which there are.
fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(number)
}

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hash = Fnv1a64::default();
    for part in parts {
        hash.write(part);
    }
    hash.finish()
}
