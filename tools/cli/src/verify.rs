//! `annals verify`: every byte of the log, read and checked.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Damage, ReadOnlyStore, Report, TornTail};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::humane::{bytes, counted, duration, plain};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::reading::damaged;

const AFTER_HELP: &str = "\
Opens read-only and changes nothing. A torn tail is what a crash leaves of an append that was \
never acknowledged: it is told, but it is no damage. Exit code 0: all is well, 1: damage was \
found.

Examples:
  annals -s shop verify
  annals -s shop verify --json | jq .damage";

/// Arguments of `annals verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

/// A damage in JSON.
#[derive(Serialize)]
pub(crate) struct DamageLine<'a> {
    segment: &'a str,
    offset: u64,
    bytes: u64,
    first_position: Option<u64>,
    last_position: Option<u64>,
    what: &'a str,
}

impl<'a> DamageLine<'a> {
    pub(crate) fn new(damage: &'a Damage) -> Self {
        Self {
            segment: &damage.segment,
            offset: damage.offset,
            bytes: damage.bytes,
            first_position: damage.positions.map(|(first, _)| first.get()),
            last_position: damage.positions.map(|(_, last)| last.get()),
            what: &damage.what,
        }
    }
}

/// A torn tail in JSON.
#[derive(Serialize)]
pub(crate) struct TailLine<'a> {
    segment: &'a str,
    offset: u64,
    bytes: u64,
}

impl<'a> TailLine<'a> {
    pub(crate) fn new(tail: &'a TornTail) -> Self {
        Self { segment: &tail.segment, offset: tail.offset, bytes: tail.bytes }
    }
}

#[derive(Serialize)]
struct ReportLine<'a> {
    clean: bool,
    store: String,
    segments: u64,
    segments_sealed: u64,
    bytes: u64,
    frames: u64,
    events: u64,
    controls: u64,
    head: u64,
    damage: Vec<DamageLine<'a>>,
    torn_tail: Option<TailLine<'a>>,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let store = ReadOnlyStore::open(folder).map_err(|error| Failure::store(&error, folder))?;
    let progress = Progress::new("verifying", Unit::Bytes, Some(0));
    let report = store
        .verify(&mut |done, total| progress.set(done, total))
        .map_err(|error| Failure::store(&error, folder))?;
    drop(progress);

    let mut out = Output::new();
    if args.json {
        out.json(&ReportLine {
            clean: report.is_clean(),
            store: report.store.to_string(),
            segments: report.segments,
            segments_sealed: report.segments_sealed,
            bytes: report.bytes,
            frames: report.frames,
            events: report.events,
            controls: report.controls,
            head: report.head.get(),
            damage: report.damage.iter().map(DamageLine::new).collect(),
            torn_tail: report.torn_tail.as_ref().map(TailLine::new),
        })?;
    } else {
        for line in lines(&report, begun.elapsed()) {
            // It may name a stream, and a name may hold anything that a disk can.
            out.line(&plain(&line))?;
        }
    }
    out.flush()?;
    if report.is_clean() {
        return Ok(Exit::Fine);
    }
    Err(damaged(folder, &counted(report.damage.len() as u64, "damaged place")))
}

/// The report in words.
pub(crate) fn lines(report: &Report, time: Duration) -> Vec<String> {
    let mut lines = vec![format!(
        "read {} in {} ({} sealed), {}: {} and {} whole, last position {}",
        bytes(report.bytes),
        counted(report.segments, "segment"),
        report.segments_sealed,
        duration(time),
        counted(report.events, "event"),
        counted(report.controls, "control record"),
        report.head
    )];
    lines.extend(report.damage.iter().map(|damage| format!("damaged: {damage}")));
    lines.extend(report.torn_tail.iter().map(|tail| format!("torn tail, no damage: {tail}")));
    let verdict =
        if report.is_clean() { "clean: every byte is what was written" } else { "damaged" };
    lines.push(verdict.to_owned());
    lines
}
