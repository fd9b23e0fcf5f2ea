//! The real event logs beside the project: JSON lines, gzip-compressed. They are not part of it, so
//! a suite that uses them says when they are missing.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use annals::{NewEvent, OccurredAt};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The names of the logs with their numbers of events and streams.
pub const LOGS: [(&str, usize, usize); 3] =
    [("permits", 8_577, 1_434), ("incidents", 65_533, 7_554), ("recruiting", 6_607, 916)];

/// The file of a log, where it is there.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    Some(data.join(format!("{name}.jsonl.gz"))).filter(|path| path.is_file())
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    occurred_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default, borrow)]
    tags: Vec<Cow<'a, str>>,
}

/// The events of a log in the order of its lines, each with its stream.
///
/// # Panics
/// Where the file cannot be read or a line is no event.
#[must_use]
pub fn read(path: &Path) -> Vec<(String, NewEvent)> {
    let file = File::open(path).expect("it is there");
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| parse(&line.expect("it is gzip with lines of text"))).collect()
}

fn parse(line: &str) -> (String, NewEvent) {
    let line: Line<'_> = serde_json::from_str(line).expect("the line is an event");
    let data = line.data.get().to_owned();
    let mut event = NewEvent::json(line.event_type.into_owned(), data);
    for tag in line.tags {
        event = event.tag(tag.into_owned());
    }
    if let Some(moment) = line.occurred_at {
        let moment: OccurredAt = moment.parse().expect("it is a moment");
        event = event.occurred_at(moment);
    }
    (line.stream.into_owned(), event)
}
