//! Prometheus remote-write 1.0 and 2.0: snappy (block format) around protocol buffers.
//!
//! *Prometheus Remote-Write Specification 1.0* and *2.0*, prometheus.io. The content type tells
//! them apart, see [`Version`].
//!
//! ```
//! use aiops_core::ingest::{Batch, LabelInterner, Limits, remote_write};
//! use aiops_core::{Labels, Timestamp};
//!
//! let mut sent = Batch::default();
//! sent.start_series(Labels::of([("__name__", "up"), ("job", "api")])?);
//! sent.push(Timestamp::EPOCH, 1.0);
//! let body = remote_write::encode(&sent);
//!
//! let mut interner = LabelInterner::new(10_000); // lives as long as the receiver
//! let mut batch = Batch::default();
//! let report = remote_write::decode(&body, &Limits::default(), &mut interner, &mut batch)?;
//! assert_eq!(report.refused_series(), 0);
//! assert_eq!(batch.sample_count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes of what
//!
//! | in the body | becomes |
//! |---|---|
//! | samples | kept bit for bit, staleness markers included, in the order in which they came |
//! | metadata | [`Batch::metadata`] |
//! | native histograms | the series of a classic one: `_bucket` with the label `le`, `_sum`, `_count`; at most four bounds for each doubling and 160 in all, exact at the bounds that stay, whatever the sender's schema becomes |
//! | a native histogram that ends (staleness marker) | the markers of `_sum` and `_count` |
//! | exemplars | left out, counted in the [`Report`]: batches and stores have no place for them |
//! | labels out of order | sorted |
//! | label with an empty value | no label |
//! | series without samples | nothing |
//! | no metric name, empty or repeated label name, invalid UTF-8, too many labels, a time outside the years 1678 to 2261 | the series is refused, counted by reason |
//! | unknown fields | skipped |
//! | a reference to a text that is not there, an odd number of references (2.0) | the series is refused, counted by reason |
//! | start times (2.0) | left out |
//! | broken snappy or protobuf, over a limit, a body of the other version | [`Error`]; the batch stays as it was |

mod decode;
mod decode2;
mod encode;
mod labels;
mod native;

pub use super::protobuf::WireError;
use super::{Batch, BodyTooLarge, LabelInterner, Limits, Report};

pub use encode::encode;

/// A body of which nothing was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the limit, as it is or decompressed.
    #[error(transparent)]
    TooLarge(#[from] BodyTooLarge),
    /// Claims to be longer than its bytes can decompress to.
    #[error("snappy: {compressed} bytes cannot decompress to the {claimed} that byte 0 claims")]
    Claim {
        /// Length of the body.
        compressed: usize,
        /// Length that it claims to have decompressed.
        claimed: usize,
    },
    /// Not the block format of snappy.
    #[error("expected the block format of snappy")]
    Snappy(#[source] snap::Error),
    /// Not the protocol buffer of a write request.
    #[error("write request, decompressed")]
    Protobuf(#[from] WireError),
    /// A write request of another version, which is told apart by its field numbers.
    #[error("byte {offset}: field {field} belongs to another version than remote-write {expected}")]
    Version {
        /// Position in the decompressed body.
        offset: usize,
        /// Number of the field.
        field: u32,
        /// The version that was to be decoded.
        expected: &'static str,
    },
    /// More samples, metadata or symbols than the limit.
    #[error("byte {offset}: more than {limit} {what} in one body")]
    TooMany {
        /// Position in the decompressed body.
        offset: usize,
        /// `samples`, `metadata` or `symbols`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// A short stable name of the reason, to count by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Claim { .. } | Self::Snappy(_) => "snappy",
            Self::Protobuf(_) => "protobuf",
            Self::Version { .. } => "version",
            Self::TooMany { .. } => "too-many",
        }
    }
}

/// The two versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0, for [`decode`].
    V1,
    /// 2.0, for [`decode_v2`]; the answer must have the headers of [`written_headers`].
    V2,
}

impl Version {
    /// The version that a `Content-Type` header names: `application/x-protobuf` alone, or with
    /// `proto=prometheus.WriteRequest`, is 1.0, with `proto=io.prometheus.write.v2.Request` it is
    /// 2.0. `None` for all else, which a receiver must answer with status 415.
    ///
    /// ```
    /// use aiops_core::ingest::remote_write::Version;
    ///
    /// let named = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    /// assert_eq!(Version::from_content_type(named), Some(Version::V2));
    /// ```
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        if !media_type.eq_ignore_ascii_case("application/x-protobuf") {
            return None;
        }
        let message = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let is_proto = name.trim_end().eq_ignore_ascii_case("proto");
            is_proto.then(|| value.trim().trim_matches('"'))
        });
        match message {
            None | Some("prometheus.WriteRequest") => Some(Self::V1),
            Some("io.prometheus.write.v2.Request") => Some(Self::V2),
            Some(_) => None,
        }
    }
}

/// Three bytes of snappy stand for at most 64, and one byte for itself.
const MAX_RATIO: usize = 22;

/// Adds the samples and metadata of a request body of version 1.0 to `batch`.
///
/// `interner` should live as long as the receiver: series that were seen before then cost no
/// allocation. The body is bounded by `limits` before memory is taken for it.
///
/// # Errors
///
/// [`Error`] when the body as a whole is no good; `batch` then is as it was. What is wrong with
/// single series is counted in the [`Report`], and the other series are taken.
pub fn decode(
    body: &[u8],
    limits: &Limits,
    interner: &mut LabelInterner,
    batch: &mut Batch,
) -> Result<Report, Error> {
    decompressed(body, limits, interner, batch, decode::request)
}

/// Names and values of the headers that an answer to version 2.0 must have, whatever its status:
/// how much of the body was written. A sender takes an answer without them as nothing written.
///
/// `None` is for a body of which nothing was taken.
///
/// ```
/// use aiops_core::ingest::{Report, remote_write::written_headers};
///
/// let headers = written_headers(Some(&Report::default()));
/// assert_eq!(headers[0], ("x-prometheus-remote-write-samples-written", 0));
/// ```
pub fn written_headers(report: Option<&Report>) -> [(&'static str, u64); 3] {
    [
        (
            "x-prometheus-remote-write-samples-written",
            report.map_or(0, |report| report.samples - report.histogram_samples),
        ),
        (
            "x-prometheus-remote-write-histograms-written",
            report.map_or(0, |report| report.histograms),
        ),
        ("x-prometheus-remote-write-exemplars-written", 0),
    ]
}

/// As [`decode`], for a body of version 2.0.
///
/// A receiver must answer with the headers that [`written_headers`] gives.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_v2(
    body: &[u8],
    limits: &Limits,
    interner: &mut LabelInterner,
    batch: &mut Batch,
) -> Result<Report, Error> {
    decompressed(body, limits, interner, batch, decode2::request)
}

type Request = fn(&[u8], &Limits, &mut LabelInterner, &mut Batch) -> Result<Report, Error>;

fn decompressed(
    body: &[u8],
    limits: &Limits,
    interner: &mut LabelInterner,
    batch: &mut Batch,
    request: Request,
) -> Result<Report, Error> {
    let len = snap::raw::decompress_len(body).map_err(|error| claim_error(error, limits))?;
    limits.check_body(len.max(body.len()) as u64)?;
    if len > body.len().saturating_mul(MAX_RATIO) {
        return Err(Error::Claim {
            compressed: body.len(),
            claimed: len,
        });
    }
    let mut bytes = std::mem::take(&mut interner.scratch);
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
    let mark = batch.mark();
    let decoded = snap::raw::Decoder::new()
        .decompress(body, &mut bytes[..len])
        .map_err(Error::Snappy)
        .and_then(|len| request(&bytes[..len], limits, interner, batch));
    interner.return_scratch(bytes);
    match decoded {
        Ok(mut report) => {
            report.samples = (batch.sample_count() - mark.samples) as u64;
            Ok(report)
        }
        Err(error) => {
            batch.roll_back(mark);
            Err(error)
        }
    }
}

fn claim_error(error: snap::Error, limits: &Limits) -> Error {
    match error {
        snap::Error::TooBig { given, .. } => {
            let limit = limits.max_body_bytes;
            BodyTooLarge {
                bytes: given,
                limit,
            }
            .into()
        }
        other => Error::Snappy(other),
    }
}
