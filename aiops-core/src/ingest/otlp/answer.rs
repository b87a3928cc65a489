//! What a receiver answers.

use super::super::protobuf::{put_bytes, put_varint};
use super::Encoding;
use crate::ingest::Report;

/// The body of the answer with HTTP status 200 to a request that was read: empty when everything
/// was taken, or else with the number of points, records or spans that were refused and the first
/// fault.
///
/// `what` is the plural that the protocol uses: `DataPoints`, `LogRecords` or `Spans`. The answer
/// has the encoding, and the content type, of the request. A sender must not repeat what was
/// refused.
///
/// # Panics
///
/// When `what` is none of the three.
pub fn accepted(report: &Report, what: &str, encoding: Encoding) -> Vec<u8> {
    assert!(
        matches!(what, "DataPoints" | "LogRecords" | "Spans"),
        "expected DataPoints, LogRecords or Spans, got {what}"
    );
    let count = report.refused_series();
    let fault = report.first_refusal().unwrap_or_default();
    match encoding {
        Encoding::Protobuf if count == 0 => Vec::new(),
        Encoding::Protobuf => {
            let (mut partial, mut answer) = (Vec::new(), Vec::new());
            put_varint(&mut partial, 1, count);
            put_bytes(&mut partial, 2, fault.as_bytes());
            put_bytes(&mut answer, 1, &partial);
            answer
        }
        #[cfg(feature = "json")]
        Encoding::Json if count == 0 => b"{}".to_vec(),
        #[cfg(feature = "json")]
        Encoding::Json => {
            let fault = serde_json::Value::from(fault);
            format!(r#"{{"partialSuccess":{{"rejected{what}":"{count}","errorMessage":{fault}}}}}"#)
                .into_bytes()
        }
    }
}

/// The body of the answer to a request of which nothing was taken, beside its HTTP status: a
/// `google.rpc.Status` with the `message`.
///
/// Status 400 is for what will never be good; 429 and 503 ask the sender to come again.
pub fn rejected(message: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => {
            let mut status = Vec::new();
            put_bytes(&mut status, 2, message.as_bytes());
            status
        }
        #[cfg(feature = "json")]
        Encoding::Json => {
            let message = serde_json::Value::from(message);
            format!(r#"{{"message":{message}}}"#).into_bytes()
        }
    }
}
