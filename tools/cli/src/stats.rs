//! `annals stats`: figures about the store.

use std::path::Path;

use annals::{Stats, Timestamp, View};
use serde::Serialize;

use crate::as_of::AsOfArg;
use crate::failure::{Exit, Failure};
use crate::humane::{bytes, grouped};
use crate::messages;
use crate::moment;
use crate::output::Output;
use crate::reading::Reading;
use crate::verify::{DamageLine, TailLine};

const AFTER_HELP: &str = "\
The figures come from the index and the segments' footers; the log is not read through, so damage \
may be there that only `annals verify` finds. A torn tail, which a crash leaves, is no damage.

--as-of takes a position or a time in RFC 3339 (or a day, its first moment in UTC), which must be \
past: events, streams, head and recorded last are those of then; what the files and the index take \
is of now.

Examples:
  annals -s shop stats
  annals -s shop stats --as-of 2026-03-03
  annals -s shop stats --json | jq .events";

/// Arguments of `annals stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    as_of: AsOfArg,
}

#[derive(Serialize)]
struct Figures<'a> {
    store: String,
    format: u16,
    format_revision: u16,
    epoch: String,
    events: u64,
    streams: u64,
    events_lost: u64,
    head: u64,
    segments: u64,
    segments_sealed: u64,
    log_bytes: u64,
    index_memory_bytes: u64,
    index_disk_bytes: u64,
    recorded_first: Option<String>,
    recorded_last: Option<String>,
    clock_behind_micros: u64,
    torn_tail: Option<TailLine<'a>>,
    damage: Vec<DamageLine<'a>>,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let reading = Reading::open(folder)?;
    let figures = |view: View| view.stats().map_err(|error| reading.failed(&error));
    let now = figures(reading.store().head())?;
    let stats = figures(args.as_of.view(reading.store())?)?;
    let behind = clock_behind_micros(&now, moment::now());
    let mut out = Output::new();
    if args.json {
        out.json(&Figures {
            store: stats.store.to_string(),
            format: stats.format.0,
            format_revision: stats.format.1,
            epoch: stats.epoch.to_string(),
            events: stats.events,
            streams: stats.streams,
            events_lost: stats.events_lost,
            head: stats.head.get(),
            segments: stats.segments,
            segments_sealed: stats.segments_sealed,
            log_bytes: stats.log_bytes,
            index_memory_bytes: stats.index_memory_bytes,
            index_disk_bytes: stats.index_disk_bytes,
            recorded_first: stats.recorded_first.map(|moment| moment.to_string()),
            recorded_last: stats.recorded_last.map(|moment| moment.to_string()),
            clock_behind_micros: behind,
            torn_tail: reading.store().torn_tail().map(TailLine::new),
            damage: reading.store().damage().iter().map(DamageLine::new).collect(),
        })?;
    } else {
        for (name, value) in facts(&stats, &now) {
            out.line(&format!("{name:<16}{value}"))?;
        }
    }
    out.flush()?;
    if behind > 0 {
        messages::note(format_args!(
            "this machine's clock is {} s behind the newest event's stamp; stamps stand still \
             until it has caught up",
            behind / 1_000_000 + 1
        ));
    }
    reading.finish()
}

fn facts(stats: &Stats, now: &Stats) -> Vec<(&'static str, String)> {
    let moment = |moment: Option<Timestamp>| moment.map_or("-".to_owned(), |m| m.to_string());
    let per_event = match stats.log_bytes.checked_div(now.events) {
        Some(each) => format!(", {each} bytes an event, reserved space included"),
        None => String::new(),
    };
    let format = match stats.format {
        (0, revision) => format!("0, revision {revision}"),
        (format, _) => format.to_string(),
    };
    let lost = match stats.events_lost {
        0 => String::new(),
        lost => format!(", {} of them given up by a repair", grouped(lost)),
    };
    vec![
        ("store", stats.store.to_string()),
        ("format", format),
        ("epoch", stats.epoch.to_string()),
        ("events", format!("{}{lost}", grouped(stats.events))),
        ("streams", grouped(stats.streams)),
        ("head", format!("position {}", stats.head)),
        ("recorded first", moment(stats.recorded_first)),
        ("recorded last", moment(stats.recorded_last)),
        ("segments", format!("{}, {} sealed", stats.segments, stats.segments_sealed)),
        ("log", format!("{}{per_event}", bytes(stats.log_bytes))),
        ("index in memory", bytes(stats.index_memory_bytes)),
        ("index on disk", bytes(stats.index_disk_bytes)),
    ]
}

/// By how much the newest stamp lies in the future.
fn clock_behind_micros(stats: &Stats, now: Timestamp) -> u64 {
    let last = stats.recorded_last.unwrap_or(Timestamp::MIN);
    u64::try_from(last.as_micros().saturating_sub(now.as_micros())).unwrap_or(0)
}
