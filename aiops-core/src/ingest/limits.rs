//! Bounds on what is taken in.

use thiserror::Error;

/// Bounds that hold for one body, checked before memory is allocated for it.
///
/// ```
/// let mut limits = aiops_core::ingest::Limits::default();
/// limits.max_body_bytes = 1 << 20;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the body, also after decompression. A longer body is refused.
    pub max_body_bytes: usize,
    /// Samples in a body, each of which takes 16 bytes. A body with more is refused.
    pub max_samples: usize,
    /// Entries of metadata in a body. A body with more is refused.
    pub max_metadata: usize,
    /// Texts that a body lists for its series to refer to (remote-write 2.0). A body with more is
    /// refused.
    pub max_symbols: usize,
    /// Labels of a series, its metric name included. A series with more is refused.
    pub max_labels: usize,
    /// Bytes in all label names and values of a series. A series with more is refused.
    pub max_label_bytes: usize,
    /// Fields in a line of text, each of which becomes a sample. A line with more is refused.
    pub max_fields: usize,
    /// Bytes of labels and attributes that a body says once and that are copied to each of its
    /// points or records. A body with more is refused.
    pub max_copied_bytes: usize,
}

/// A body that is longer than [`Limits::max_body_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("body of {bytes} bytes, at most {limit} are taken")]
pub struct BodyTooLarge {
    /// Length that the body has, or claims to have when it is decompressed.
    pub bytes: u64,
    /// The limit.
    pub limit: usize,
}

impl Limits {
    /// Refuses a body of so many bytes when that is too much.
    ///
    /// Every decoder does so itself; a receiver asks before it reads a body.
    ///
    /// # Errors
    ///
    /// [`BodyTooLarge`].
    pub fn check_body(&self, bytes: u64) -> Result<(), BodyTooLarge> {
        let limit = self.max_body_bytes;
        if bytes > limit as u64 {
            return Err(BodyTooLarge { bytes, limit });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_samples: 2_000_000,
            max_metadata: 100_000,
            max_symbols: 1_000_000,
            max_labels: 64,
            max_label_bytes: 16 << 10,
            max_fields: 4_096,
            max_copied_bytes: 256 << 20,
        }
    }
}
