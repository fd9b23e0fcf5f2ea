//! One line of JSON as a new event.

use std::borrow::Cow;

use annals::{Bytes, ContentKind, EventId, NewEvent, OccurredAt, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::humane::plain;

/// A line that is understood.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: String,
    pub(super) event: NewEvent,
    /// The line's `recorded_at`, else its `occurred_at`.
    pub(super) stamp: Option<Timestamp>,
}

/// The fields of a line. One that is not here is refused with its name, and so is one given twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    r#type: String,
    content: Option<Content>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    data_text: Option<String>,
    data_base64: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    metadata: Option<&'a RawValue>,
    metadata_text: Option<String>,
    metadata_base64: Option<String>,
    id: Option<String>,
    schema: Option<u32>,
    occurred_at: Option<String>,
    recorded_at: Option<String>,
    tags: Option<Vec<String>>,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    /// Where the event stood in the store it comes from; this one gives its own.
    #[serde(default, rename = "position")]
    _position: Option<u64>,
    #[serde(default, rename = "version")]
    _version: Option<u64>,
}

/// What data is, where its field's name does not tell.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Json,
    Text,
    Binary,
}

/// A value that is there, `null` too.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a line; where it is bad, why, in one line.
pub(super) fn parse(line: &[u8]) -> Result<Line, String> {
    // A reason may quote what stands in the line.
    read(line).map_err(|reason| plain(&reason).into_owned())
}

fn read(line: &[u8]) -> Result<Line, String> {
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    let (content, data) = data(&fields)?;
    let metadata = metadata(&fields)?;
    let occurred_at: Option<OccurredAt> = moment("occurred_at", fields.occurred_at.as_deref())?;
    let recorded_at: Option<Timestamp> = moment("recorded_at", fields.recorded_at.as_deref())?;
    let event = NewEvent {
        event_type: Cow::Owned(fields.r#type),
        schema: fields.schema.unwrap_or(1),
        content,
        data,
        metadata,
        tags: fields.tags.into_iter().flatten().map(Cow::Owned).collect(),
        id: id("id", fields.id.as_deref())?,
        correlation_id: id("correlation_id", fields.correlation_id.as_deref())?,
        causation_id: id("causation_id", fields.causation_id.as_deref())?,
        occurred_at,
    };
    let stamp = recorded_at.or_else(|| occurred_at.map(OccurredAt::timestamp));
    Ok(Line { stream: fields.stream.into_owned(), event, stamp })
}

fn data(fields: &Fields<'_>) -> Result<(ContentKind, Bytes), String> {
    let (usual, data) = match (fields.data, &fields.data_text, &fields.data_base64) {
        (Some(json), None, None) => (Content::Json, bytes(json)),
        (None, Some(text), None) => (Content::Text, Bytes::copy_from_slice(text.as_bytes())),
        (None, None, Some(base64)) => (Content::Binary, decode("data_base64", base64)?),
        (None, None, None) => return Err("missing field `data`".to_owned()),
        _ => return Err("only one of `data`, `data_text`, `data_base64` can be given".to_owned()),
    };
    let kind = match fields.content.unwrap_or(usual) {
        Content::Json => ContentKind::Json,
        _ if fields.data.is_some() => {
            return Err(
                "`data` is JSON: give other `content` as data_text or data_base64".to_owned()
            );
        }
        Content::Text => ContentKind::Text,
        Content::Binary => ContentKind::Binary,
    };
    Ok((kind, data))
}

fn metadata(fields: &Fields<'_>) -> Result<Bytes, String> {
    match (fields.metadata, &fields.metadata_text, &fields.metadata_base64) {
        (None, None, None) => Ok(Bytes::new()),
        (Some(json), None, None) => Ok(bytes(json)),
        (None, Some(text), None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        (None, None, Some(base64)) => decode("metadata_base64", base64),
        _ => {
            Err("only one of `metadata`, `metadata_text`, `metadata_base64` can be given"
                .to_owned())
        }
    }
}

fn bytes(json: &RawValue) -> Bytes {
    Bytes::copy_from_slice(json.get().as_bytes())
}

fn decode(field: &str, base64: &str) -> Result<Bytes, String> {
    let bytes =
        STANDARD.decode(base64).map_err(|error| format!("`{field}` is not base64: {error}"))?;
    Ok(bytes.into())
}

fn moment<T: std::str::FromStr<Err: ToString>>(
    field: &str,
    text: Option<&str>,
) -> Result<Option<T>, String> {
    let parse =
        |text: &str| text.parse().map_err(|e: T::Err| format!("`{field}`: {}", e.to_string()));
    text.map(parse).transpose()
}

fn id(field: &str, text: Option<&str>) -> Result<Option<EventId>, String> {
    let parse = |text: &str| text.parse().map_err(|error| format!("`{field}` is no UUID: {error}"));
    text.map(parse).transpose()
}

/// The reason with the column; the line of a line says nothing.
fn reason(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let what = text.strip_suffix(&place).unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => format!("{what} (column {})", error.column()),
        _ => format!("not JSON: {what} (column {})", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn data_and_metadata_are_kept_byte_for_byte() {
        let line = br#"{"stream":"s","type":"T","data": {"a" : 1.0e2, "a":2} ,"metadata":null}"#;
        let line = parse(line).unwrap();
        assert_eq!(line.event.data, r#"{"a" : 1.0e2, "a":2}"#);
        assert_eq!(line.event.metadata, "null");
        assert_eq!(line.event.content, ContentKind::Json);
    }

    #[test]
    fn a_reason_is_one_line() {
        let reason = bad(r#"{"stream":"s","a\n\u001bb":1}"#);
        assert!(reason.starts_with("unknown field `a \u{fffd}b`"), "{reason}");
        let reason = bad(r#"{"stream":"s","type":"T","occurred_at":"a\nb"}"#);
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }

    #[test]
    fn content_that_is_not_json() {
        let text = parse(br#"{"stream":"s","type":"T","data_text":"\u0000hi"}"#).unwrap().event;
        assert_eq!((text.content, &*text.data), (ContentKind::Text, &b"\0hi"[..]));
        let binary = parse(br#"{"stream":"s","type":"T","data_base64":"/wA="}"#).unwrap().event;
        assert_eq!((binary.content, &*binary.data), (ContentKind::Binary, &b"\xff\0"[..]));
        let broken = br#"{"stream":"s","type":"T","content":"json","data_text":"{"}"#;
        assert_eq!(parse(broken).unwrap().event.content, ContentKind::Json);
    }

    #[test]
    fn a_stamp_is_recorded_at_or_else_occurred_at() {
        let stamp = |fields: &str| {
            let line = format!(r#"{{"stream":"s","type":"T","data":1{fields}}}"#);
            parse(line.as_bytes()).unwrap().stamp.map(|stamp| stamp.to_string())
        };
        let occurred = r#","occurred_at":"2026-01-01T01:00:00+01:00""#;
        let recorded = r#","recorded_at":"2026-01-02T00:00:00Z""#;
        assert_eq!(stamp(""), None);
        assert_eq!(stamp(occurred).as_deref(), Some("2026-01-01T00:00:00.000000Z"));
        let both = format!("{occurred}{recorded}");
        assert_eq!(stamp(&both).as_deref(), Some("2026-01-02T00:00:00.000000Z"));
    }

    #[test]
    fn a_bad_line_says_why() {
        assert_eq!(bad(r#"{"stream":"s","type":"T"}"#), "missing field `data`");
        assert!(bad(r#"{"type":"T","data":1}"#).starts_with("missing field `stream`"));
        assert!(bad(r#"{"stream":"s","data":1}"#).starts_with("missing field `type`"));
        assert!(bad(r#"{"stream":"s","typ":"T","data":1}"#).starts_with("unknown field `typ`"));
        assert!(bad(r#"{"stream":"s","stream":"t"}"#).starts_with("duplicate field `stream`"));
        assert!(bad(r#"{"stream":"s""#).starts_with("not JSON: EOF"));
        assert!(bad("[1]").contains("column"));
        for (field, reason) in [
            (r#""id":"42""#, "`id` is no UUID"),
            (r#""causation_id":"x""#, "`causation_id` is no UUID"),
            (r#""occurred_at":"yesterday""#, "`occurred_at`: "),
            (r#""recorded_at":"2010-03-31""#, "`recorded_at`: "),
            (r#""data_base64":"*""#, "only one of"),
            (r#""content":"text""#, "`data` is JSON"),
            (r#""schema":-1"#, "invalid value"),
            (r#""tags":"a""#, "invalid type"),
        ] {
            let reason_given = bad(&format!(r#"{{"stream":"s","type":"T","data":1,{field}}}"#));
            assert!(reason_given.contains(reason), "{field}: {reason_given}");
        }
    }
}
