//! The messages of the protocol, and the decoder that follows them.

use super::super::protobuf::{BYTES, FIXED64, Reader, VARINT, WireError};
use super::super::varint;
use super::Error;
use super::node::Node;

/// A field: number, name in JSON, type.
pub(super) type Field = (u32, &'static str, Type);

/// A message by its fields; others are skipped.
#[derive(Debug)]
pub(super) struct Message(&'static [Field]);

#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Text,
    Bytes,
    Bool,
    /// A varint.
    Int,
    /// A varint that keeps small negative numbers short.
    Signed,
    Fixed64,
    Double,
    One(&'static Message),
    Many(&'static Message),
    /// Numbers, packed or one by one.
    ManyFixed64,
    ManyDouble,
    ManyInt,
}

use Type::{
    Bool, Bytes, Double, Fixed64, Int, Many, ManyDouble, ManyFixed64, ManyInt, One, Signed, Text,
};

pub(super) static METRICS_REQUEST: Message =
    Message(&[(1, "resourceMetrics", Many(&RESOURCE_METRICS))]);
static RESOURCE_METRICS: Message = Message(&[
    (1, "resource", One(&RESOURCE)),
    (2, "scopeMetrics", Many(&SCOPE_METRICS)),
]);
static RESOURCE: Message = Message(&[(1, "attributes", Many(&KEY_VALUE))]);
static SCOPE_METRICS: Message = Message(&[(2, "metrics", Many(&METRIC))]);
static METRIC: Message = Message(&[
    (1, "name", Text),
    (2, "description", Text),
    (3, "unit", Text),
    (5, "gauge", One(&POINTS)),
    (7, "sum", One(&POINTS)),
    (9, "histogram", One(&HISTOGRAM)),
    (10, "exponentialHistogram", One(&EXPONENTIAL)),
    (11, "summary", One(&SUMMARY)),
]);
static POINTS: Message = Message(&[
    (1, "dataPoints", Many(&NUMBER_POINT)),
    (2, "aggregationTemporality", Int),
    (3, "isMonotonic", Bool),
]);
static NUMBER_POINT: Message = Message(&[
    (2, "startTimeUnixNano", Fixed64),
    (3, "timeUnixNano", Fixed64),
    (4, "asDouble", Double),
    (5, "exemplars", Many(&NOTHING)),
    (6, "asInt", Fixed64),
    (7, "attributes", Many(&KEY_VALUE)),
    (8, "flags", Int),
]);
static HISTOGRAM: Message = Message(&[
    (1, "dataPoints", Many(&HISTOGRAM_POINT)),
    (2, "aggregationTemporality", Int),
]);
static HISTOGRAM_POINT: Message = Message(&[
    (2, "startTimeUnixNano", Fixed64),
    (3, "timeUnixNano", Fixed64),
    (4, "count", Fixed64),
    (5, "sum", Double),
    (6, "bucketCounts", ManyFixed64),
    (7, "explicitBounds", ManyDouble),
    (8, "exemplars", Many(&NOTHING)),
    (9, "attributes", Many(&KEY_VALUE)),
    (10, "flags", Int),
]);
static EXPONENTIAL: Message = Message(&[
    (1, "dataPoints", Many(&EXPONENTIAL_POINT)),
    (2, "aggregationTemporality", Int),
]);
static EXPONENTIAL_POINT: Message = Message(&[
    (1, "attributes", Many(&KEY_VALUE)),
    (2, "startTimeUnixNano", Fixed64),
    (3, "timeUnixNano", Fixed64),
    (4, "count", Fixed64),
    (5, "sum", Double),
    (6, "scale", Signed),
    (7, "zeroCount", Fixed64),
    (8, "positive", One(&BUCKETS)),
    (9, "negative", One(&BUCKETS)),
    (10, "flags", Int),
    (11, "exemplars", Many(&NOTHING)),
    (14, "zeroThreshold", Double),
]);
static BUCKETS: Message = Message(&[(1, "offset", Signed), (2, "bucketCounts", ManyInt)]);
static SUMMARY: Message = Message(&[(1, "dataPoints", Many(&SUMMARY_POINT))]);
static SUMMARY_POINT: Message = Message(&[
    (3, "timeUnixNano", Fixed64),
    (4, "count", Fixed64),
    (5, "sum", Double),
    (6, "quantileValues", Many(&QUANTILE)),
    (7, "attributes", Many(&KEY_VALUE)),
    (8, "flags", Int),
]);
static QUANTILE: Message = Message(&[(1, "quantile", Double), (2, "value", Double)]);
static NOTHING: Message = Message(&[]);

pub(super) static LOGS_REQUEST: Message = Message(&[(1, "resourceLogs", Many(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Message = Message(&[
    (1, "resource", One(&RESOURCE)),
    (2, "scopeLogs", Many(&SCOPE_LOGS)),
]);
static SCOPE_LOGS: Message = Message(&[
    (1, "scope", One(&SCOPE)),
    (2, "logRecords", Many(&LOG_RECORD)),
]);
static SCOPE: Message = Message(&[(1, "name", Text)]);
static LOG_RECORD: Message = Message(&[
    (1, "timeUnixNano", Fixed64),
    (2, "severityNumber", Int),
    (3, "severityText", Text),
    (5, "body", One(&ANY_VALUE)),
    (6, "attributes", Many(&KEY_VALUE)),
    (9, "traceId", Bytes),
    (10, "spanId", Bytes),
    (11, "observedTimeUnixNano", Fixed64),
]);

pub(super) static TRACES_REQUEST: Message = Message(&[(1, "resourceSpans", Many(&RESOURCE_SPANS))]);
static RESOURCE_SPANS: Message = Message(&[
    (1, "resource", One(&RESOURCE)),
    (2, "scopeSpans", Many(&SCOPE_SPANS)),
]);
static SCOPE_SPANS: Message = Message(&[(1, "scope", One(&SCOPE)), (2, "spans", Many(&SPAN))]);
static SPAN: Message = Message(&[
    (1, "traceId", Bytes),
    (2, "spanId", Bytes),
    (4, "parentSpanId", Bytes),
    (5, "name", Text),
    (6, "kind", Int),
    (7, "startTimeUnixNano", Fixed64),
    (8, "endTimeUnixNano", Fixed64),
    (9, "attributes", Many(&KEY_VALUE)),
    (11, "events", Many(&EVENT)),
    (13, "links", Many(&NOTHING)),
    (15, "status", One(&STATUS)),
]);
static EVENT: Message = Message(&[
    (1, "timeUnixNano", Fixed64),
    (2, "name", Text),
    (3, "attributes", Many(&KEY_VALUE)),
]);
static STATUS: Message = Message(&[(2, "message", Text), (3, "code", Int)]);

static KEY_VALUE: Message = Message(&[(1, "key", Text), (2, "value", One(&ANY_VALUE))]);
static ANY_VALUE: Message = Message(&[
    (1, "stringValue", Text),
    (2, "boolValue", Bool),
    (3, "intValue", Int),
    (4, "doubleValue", Double),
    (5, "arrayValue", One(&ARRAY)),
    (6, "kvlistValue", One(&KEY_VALUES)),
    (7, "bytesValue", Bytes),
]);
static ARRAY: Message = Message(&[(1, "values", Many(&ANY_VALUE))]);
static KEY_VALUES: Message = Message(&[(1, "values", Many(&KEY_VALUE))]);

/// Values may hold values: this deep, and no deeper.
const MAX_DEPTH: usize = 64;

/// Reads a message; at most `max_fields` fields in all.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    message: &'static Message,
    max_fields: usize,
) -> Result<Node<'a>, Error> {
    let mut decoder = Decoder {
        left: max_fields,
        max_fields,
    };
    decoder.message(Reader::new(bytes), message, 0)
}

struct Decoder {
    left: usize,
    max_fields: usize,
}

impl Decoder {
    fn count(&mut self) -> Result<(), Error> {
        let limit = self.max_fields;
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany {
            what: "fields",
            limit,
        })?;
        Ok(())
    }

    fn message<'a>(
        &mut self,
        mut reader: Reader<'a>,
        message: &'static Message,
        depth: usize,
    ) -> Result<Node<'a>, Error> {
        if depth == MAX_DEPTH {
            return Err(reader
                .error("no more than 64 messages within each other")
                .into());
        }
        let mut fields = Vec::new();
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            let known = message.0.iter().find(|(number, _, _)| *number == tag.field);
            let Some(&(_, name, kind)) = known else {
                reader.skip(tag)?;
                continue;
            };
            self.count()?;
            match kind {
                Many(_) | ManyFixed64 | ManyDouble | ManyInt => {
                    let list = list_of(&mut fields, name);
                    self.repeated(&mut reader, tag.wire, kind, depth, list)?;
                }
                kind => {
                    let value = self.single(&mut reader, tag.wire, kind, depth)?;
                    fields.push((name.into(), value));
                }
            }
        }
        Ok(Node::Map(fields))
    }

    fn repeated<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        wire: u8,
        kind: Type,
        depth: usize,
        list: &mut Vec<Node<'a>>,
    ) -> Result<(), Error> {
        let element = match kind {
            ManyFixed64 => Fixed64,
            ManyDouble => Double,
            ManyInt => Int,
            Many(message) => One(message),
            other => other,
        };
        if wire == BYTES && !matches!(kind, Many(_)) {
            let mut packed = reader.message()?;
            let wire = if matches!(kind, ManyInt) {
                VARINT
            } else {
                FIXED64
            };
            while !packed.is_at_end() {
                self.count()?;
                list.push(self.single(&mut packed, wire, element, depth)?);
            }
            return Ok(());
        }
        list.push(self.single(reader, wire, element, depth)?);
        Ok(())
    }

    fn single<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        wire: u8,
        kind: Type,
        depth: usize,
    ) -> Result<Node<'a>, Error> {
        let offset = reader.at;
        Ok(match (kind, wire) {
            (Text, BYTES) => {
                let text = std::str::from_utf8(reader.bytes()?).map_err(|_| WireError {
                    offset,
                    expected: "UTF-8",
                })?;
                Node::Text(text.into())
            }
            (Bytes, BYTES) => Node::Bytes(reader.bytes()?),
            (Bool, VARINT) => Node::Bool(reader.varint()? != 0),
            (Int, VARINT) => Node::Int(reader.varint()? as i64),
            (Signed, VARINT) => Node::Int(varint::unzigzag(reader.varint()?)),
            (Fixed64, FIXED64) => Node::Int(reader.fixed64()? as i64),
            (Double, FIXED64) => Node::Double(f64::from_bits(reader.fixed64()?)),
            (One(message), BYTES) => self.message(reader.message()?, message, depth + 1)?,
            _ => {
                let expected = "a field of the type that its number has";
                return Err(WireError { offset, expected }.into());
            }
        })
    }
}

/// The list of a repeated field, which is made when it is not there yet.
fn list_of<'m, 'a>(
    fields: &'m mut Vec<(std::borrow::Cow<'a, str>, Node<'a>)>,
    name: &'static str,
) -> &'m mut Vec<Node<'a>> {
    let place = fields.iter().position(|(own, _)| own == name);
    let place = place.unwrap_or_else(|| {
        fields.push((name.into(), Node::List(Vec::new())));
        fields.len() - 1
    });
    match &mut fields[place].1 {
        Node::List(list) => list,
        other => unreachable!("a repeated field is a list, not {other:?}"),
    }
}
