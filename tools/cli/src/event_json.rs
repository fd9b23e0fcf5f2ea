//! An event as a line of JSON: what `import` takes, and where the event stands.
//!
//! `data` and `metadata` are copied byte for byte. Two things would break a line, and are told here
//! because the engine does not look into either: line breaks between the tokens of JSON become
//! blanks, and what is called JSON but is none goes out as text or base64 with its `content` named.

use std::io::Write;
use std::str;

use annals::{ContentKind, Event};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// Appends the event as one line, line feed included.
pub(crate) fn put_event(out: &mut Vec<u8>, event: &Event) {
    put_number(out, "{\"position\":", event.position().get());
    put_text(out, ",\"stream\":", event.stream());
    put_number(out, ",\"version\":", event.version().get());
    put_text(out, ",\"type\":", event.event_type());
    put_word(out, ",\"id\":", event.id());
    put_word(out, ",\"recorded_at\":", event.recorded_at());
    if let Some(moment) = event.occurred_at() {
        put_word(out, ",\"occurred_at\":", moment);
    }
    if event.schema() != 1 {
        put_number(out, ",\"schema\":", u64::from(event.schema()));
    }
    put_data(out, event);
    if !event.metadata().is_empty() {
        put_metadata(out, event.metadata());
    }
    for (index, tag) in event.tags().enumerate() {
        put_text(out, if index == 0 { ",\"tags\":[" } else { "," }, tag);
    }
    if event.tags().next().is_some() {
        out.push(b']');
    }
    if let Some(id) = event.correlation_id() {
        put_word(out, ",\"correlation_id\":", id);
    }
    if let Some(id) = event.causation_id() {
        put_word(out, ",\"causation_id\":", id);
    }
    out.extend_from_slice(b"}\n");
}

fn put_data(out: &mut Vec<u8>, event: &Event) {
    let (data, kind) = (event.data(), event.content());
    if kind == ContentKind::Json && is_json(data) {
        out.extend_from_slice(b",\"data\":");
        return put_one_line(out, data);
    }
    let text = if kind == ContentKind::Binary { None } else { str::from_utf8(data).ok() };
    // The name of the field tells the content, as a rule.
    match (kind, text) {
        (ContentKind::Json, _) => put_text(out, ",\"content\":", "json"),
        (ContentKind::Text, None) => put_text(out, ",\"content\":", "text"),
        _ => {}
    }
    match text {
        Some(text) => put_text(out, ",\"data_text\":", text),
        None => put_text(out, ",\"data_base64\":", &STANDARD.encode(data)),
    }
}

fn put_metadata(out: &mut Vec<u8>, metadata: &[u8]) {
    if is_json(metadata) {
        out.extend_from_slice(b",\"metadata\":");
        return put_one_line(out, metadata);
    }
    match str::from_utf8(metadata) {
        Ok(text) => put_text(out, ",\"metadata_text\":", text),
        Err(_) => put_text(out, ",\"metadata_base64\":", &STANDARD.encode(metadata)),
    }
}

/// Whether these bytes are one value of JSON, perhaps with white space around it.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// In JSON a raw line break stands between tokens only; inside a text it is escaped.
fn put_one_line(out: &mut Vec<u8>, json: &[u8]) {
    let start = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in out.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(name.as_bytes());
    // Writing a text to a vector does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn put_number(out: &mut Vec<u8>, name: &str, number: u64) {
    let _ = write!(out, "{name}{number}");
}

/// A word that needs no escaping.
fn put_word(out: &mut Vec<u8>, name: &str, word: impl std::fmt::Display) {
    let _ = write!(out, "{name}\"{word}\"");
}
