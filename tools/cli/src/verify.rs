//! `annals verify`: every byte of the log, read and checked; the index too, where asked for.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Damage, IndexFault, ReadOnlyStore, Report, TornTail};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::humane::{bytes, counted, duration, plain, quoted};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::reading::damaged;

const AFTER_HELP: &str = "\
Opens read-only and changes nothing. Structure and checksums of every byte are checked; with \
--deep also what the bytes say: the events' fields, the content chain, and the index against the \
log.

A torn tail is what a crash leaves of an append that was never acknowledged: it is told, but it is \
no damage. Nor is what an earlier `repair` gave up. Exit code 0: all is well, 1: damage was found.

Examples:
  annals -s shop verify
  annals -s shop verify --deep
  annals -s shop verify --json | jq .damage";

/// Arguments of `annals verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Check also what the bytes say, and the index
    #[arg(long)]
    deep: bool,

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
    streams: &'a [String],
    what: &'a str,
}

/// Events that are gone, in JSON.
#[derive(Serialize)]
pub(crate) struct LossLine<'a> {
    pub(crate) first_position: u64,
    pub(crate) last_position: u64,
    pub(crate) streams: Vec<LostStreamLine<'a>>,
}

/// The last event that a stream lost, in JSON.
#[derive(Serialize)]
pub(crate) struct LostStreamLine<'a> {
    pub(crate) stream: &'a str,
    pub(crate) version: u64,
    pub(crate) position: u64,
}

/// Where the index is wrong, in JSON.
#[derive(Serialize)]
struct IndexLine<'a> {
    position: u64,
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
            streams: &damage.streams,
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
    deep: bool,
    store: String,
    segments: u64,
    segments_sealed: u64,
    bytes: u64,
    frames: u64,
    events: u64,
    controls: u64,
    head: u64,
    damage: Vec<DamageLine<'a>>,
    lost: Vec<LossLine<'a>>,
    index: Vec<IndexLine<'a>>,
    torn_tail: Option<TailLine<'a>>,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let store = ReadOnlyStore::open(folder).map_err(|error| Failure::store(&error, folder))?;
    let progress = Progress::new("verifying", Unit::Bytes, Some(0));
    let tell = &mut |done, total| progress.set(done, total);
    let verified = if args.deep { store.verify_deep(tell) } else { store.verify(tell) };
    let report = verified.map_err(|error| Failure::store(&error, folder))?;
    drop(progress);

    let mut out = Output::new();
    if args.json {
        out.json(&ReportLine {
            clean: report.is_clean(),
            deep: args.deep,
            store: report.store.to_string(),
            segments: report.segments,
            segments_sealed: report.segments_sealed,
            bytes: report.bytes,
            frames: report.frames,
            events: report.events,
            controls: report.controls,
            head: report.head.get(),
            damage: report.damage.iter().map(DamageLine::new).collect(),
            lost: report.losses.iter().map(LossLine::new).collect(),
            index: report.index_faults.iter().map(IndexLine::new).collect(),
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
    if report.damage.is_empty() {
        let path = folder.display().to_string();
        let message = format!("{path}: the index is not what the log says");
        let hint = format!("`annals -s {} rebuild-index` makes it anew", quoted(&path));
        return Err(Failure::failed(message).hint(hint));
    }
    Err(damaged(folder, &counted(report.damage.len() as u64, "damaged place")))
}

impl<'a> IndexLine<'a> {
    fn new(fault: &'a IndexFault) -> Self {
        Self { position: fault.position.get(), what: &fault.what }
    }
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
    let losses = report.losses.iter().map(ToString::to_string);
    lines.extend(losses.map(|loss| format!("given up by a repair: {}", plain(&loss))));
    let damage = report.damage.iter().map(ToString::to_string);
    lines.extend(damage.map(|damage| format!("damaged: {}", plain(&damage))));
    let index = report.index_faults.iter().map(ToString::to_string);
    lines.extend(index.map(|fault| format!("wrong in the index: {}", plain(&fault))));
    lines.extend(report.torn_tail.iter().map(|tail| format!("torn tail, no damage: {tail}")));
    let verdict = match (report.is_clean(), report.damage.is_empty()) {
        (true, _) if report.losses.is_empty() => "clean: every byte is what was written",
        (true, _) => "clean, but for what a repair gave up",
        (_, true) => "the log is clean, the index is wrong",
        (_, false) => "damaged",
    };
    lines.push(verdict.to_owned());
    lines
}
