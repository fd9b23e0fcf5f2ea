//! Doors for the fuzz targets: what an import reads, and what an export writes. Built only under
//! `--cfg fuzzing`.

use annals::{Event, NewEvent};

/// A line of an import.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Its stream and its event; where it is bad, why.
    pub content: Result<(String, NewEvent), String>,
}

/// The lines of an input, plain or gzip; and why reading ended, where not with the input.
#[must_use]
pub fn import(input: Vec<u8>) -> (Vec<Line>, Option<String>) {
    crate::import::fuzzing::lines(input)
}

/// The event as a line of an export.
#[must_use]
pub fn export(event: &Event) -> Vec<u8> {
    let mut line = Vec::new();
    crate::event_json::put_event(&mut line, event);
    line
}

/// Text as the tool shows it on a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    crate::humane::plain(text).into_owned()
}
