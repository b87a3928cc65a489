//! Log records in the normal form of OpenTelemetry's logs data model.

use std::fmt;

use crate::Timestamp;

/// How serious a record is: OpenTelemetry's numbers, 1 to 24; 0 is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Severity(u8);

impl Severity {
    /// Not known.
    pub const UNSPECIFIED: Self = Self(0);
    /// Fine-grained debugging.
    pub const TRACE: Self = Self(1);
    /// Debugging.
    pub const DEBUG: Self = Self(5);
    /// Something happened.
    pub const INFO: Self = Self(9);
    /// Not an error, but more than information.
    pub const WARN: Self = Self(13);
    /// Something went wrong.
    pub const ERROR: Self = Self(17);
    /// The program cannot go on.
    pub const FATAL: Self = Self(21);

    /// From OpenTelemetry's number; numbers above 24 are unspecified.
    pub const fn from_number(number: u8) -> Self {
        if number <= 24 {
            Self(number)
        } else {
            Self::UNSPECIFIED
        }
    }

    /// OpenTelemetry's number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// From the level of a syslog message, 0 (emergency) to 7 (debug).
    pub const fn from_syslog(level: u8) -> Self {
        match level {
            0 => Self(24),
            1 => Self(23),
            2 => Self(22),
            3 => Self::ERROR,
            4 => Self::WARN,
            5 => Self(10),
            6 => Self::INFO,
            7 => Self::DEBUG,
            _ => Self::UNSPECIFIED,
        }
    }

    /// From the words and single letters that programs use for levels, in any case; anything
    /// else is unspecified.
    pub fn from_word(word: &str) -> Self {
        const WORDS: [(&str, Severity); 25] = [
            ("trace", Severity::TRACE),
            ("verbose", Severity::TRACE),
            ("v", Severity::TRACE),
            ("finest", Severity::TRACE),
            ("t", Severity::TRACE),
            ("debug", Severity::DEBUG),
            ("dbg", Severity::DEBUG),
            ("d", Severity::DEBUG),
            ("info", Severity::INFO),
            ("information", Severity::INFO),
            ("i", Severity::INFO),
            ("notice", Severity(10)),
            ("warn", Severity::WARN),
            ("warning", Severity::WARN),
            ("w", Severity::WARN),
            ("error", Severity::ERROR),
            ("err", Severity::ERROR),
            ("severe", Severity::ERROR),
            ("e", Severity::ERROR),
            ("fatal", Severity::FATAL),
            ("f", Severity::FATAL),
            ("critical", Severity(22)),
            ("crit", Severity(22)),
            ("alert", Severity(23)),
            ("emerg", Severity(24)),
        ];
        WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word))
            .map_or(Self::UNSPECIFIED, |(_, severity)| *severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        let Some(index) = self.0.checked_sub(1) else {
            return f.write_str("UNSPECIFIED");
        };
        f.write_str(NAMES[usize::from(index / 4)])?;
        match index % 4 {
            0 => Ok(()),
            step => write!(f, "{}", step + 1),
        }
    }
}

/// A value of any shape.
#[derive(Clone, Debug, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AnyValue {
    /// No value.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<AnyValue>),
    /// Named values in the order they came in.
    Map(Attributes),
}

impl AnyValue {
    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Named values in the order they came in.
pub type Attributes = Vec<(String, AnyValue)>;

/// Identity of a trace; never all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TraceId(pub [u8; 16]);

/// Identity of a span; never all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SpanId(pub [u8; 8]);

/// One log record, in the normal form that every line is brought to: OpenTelemetry's.
#[derive(Clone, Debug, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogRecord {
    /// When it happened, as the source says; `None` when the source does not say.
    pub time: Option<Timestamp>,
    /// When it was received.
    pub observed: Timestamp,
    /// How serious.
    pub severity: Severity,
    /// The level as the source wrote it.
    pub severity_text: String,
    /// The message, or a structure.
    pub body: AnyValue,
    /// Where it came from: host, service, container.
    pub resource: Attributes,
    /// Name of the library or unit that wrote it.
    pub scope: String,
    /// Everything else.
    pub attributes: Attributes,
    /// Trace during which it was written.
    pub trace: Option<TraceId>,
    /// Span during which it was written.
    pub span: Option<SpanId>,
    /// Template of the message, once one was assigned.
    pub template: Option<u64>,
}

impl LogRecord {
    /// When it happened, or else when it was received.
    pub fn effective_time(&self) -> Timestamp {
        self.time.unwrap_or(self.observed)
    }
}
