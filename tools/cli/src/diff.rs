//! `annals diff`: what changed in a stream between two points.

use std::path::Path;

use annals::Event;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::changes::Change;
use crate::event_json::put_event;
use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::folded::{FoldArgs, Folded, StateFormat, StateFormatArg, StateLine, spot};
use crate::format::Format;
use crate::humane::plain;
use crate::output::Output;
use crate::point::{self, Point};

const AFTER_HELP: &str = "\
Shows the events behind --from up to --to, and how the states at the two differ: the members of \
objects one by one, with + before what was added and - before what was removed.

--from and --to take a version, or a time in RFC 3339 (or a day, its first moment in UTC), which \
must be past; what was recorded at that very time is included. Without --to it is the newest event.

As json it is one object: stream, from and to (version, position, recorded_at, state), events, and \
changes (path, a JSON pointer, with before and after).

Examples:
  annals -s shop diff order-42 --from 3 --to 5
  annals -s shop diff order-42 --from 2026-03-03 --to 2026-03-04
  annals -s shop diff order-42 --from 0 --format json | jq .changes";

/// Arguments of `annals diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The stream's name
    stream: String,
    /// The earlier version, or time
    #[arg(long, value_name = "VERSION|TIME", value_parser = point::parse)]
    from: Point,
    /// The later version, or time [default: the newest event]
    #[arg(long, value_name = "VERSION|TIME", value_parser = point::parse)]
    to: Option<Point>,
    #[command(flatten)]
    fold: FoldArgs,
    #[command(flatten)]
    format: StateFormatArg,
}

#[derive(Serialize)]
struct Line<'a> {
    stream: &'a str,
    from: StateLine<'a>,
    to: StateLine<'a>,
    events: Vec<Box<RawValue>>,
    changes: Vec<Change>,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let head = |reading: &crate::reading::Reading| Ok(reading.store().head());
    let mut folded = Folded::open(folder, &args.stream, &args.fold, head)?;
    let from = folded.version_at("--from", Some(args.from))?;
    let to = folded.version_at("--to", args.to)?;
    if from > to {
        return Err(Failure::usage(format!(
            "--from lies behind --to: the stream had version {from} at the one and {to} at the other"
        )));
    }
    folded.fold_to(from, |_, _| Ok(()))?;
    let before = folded.state().clone();
    match args.format.get() {
        StateFormat::Json => {
            let mut events = Vec::new();
            folded.fold_to(to, |event, _| {
                events.push(raw(event)?);
                Ok(())
            })?;
            let after = folded.state();
            let mut out = Output::new();
            out.json(&Line {
                stream: &args.stream,
                from: StateLine::new(None, &before),
                to: StateLine::new(None, after),
                events,
                changes: Change::between(&before.value, &after.value),
            })?;
            out.flush()?;
        }
        StateFormat::Text => {
            let mut out = Output::new();
            out.line(&format!("from  {}", spot(&before)))?;
            out.flush()?;
            let mut events = EventPrinter::new(Format::Table, false);
            folded.fold_to(to, |event, _| events.event(event))?;
            events.flush()?;
            let after = folded.state();
            out.line(&format!("to    {}", spot(after)))?;
            let changes = Change::between(&before.value, &after.value);
            if changes.is_empty() {
                out.line("no change")?;
            }
            for change in changes {
                out.line(&plain(&change.to_string()))?;
            }
            out.flush()?;
        }
    }
    folded.finish()
}

/// An event as the other verbs write it.
fn raw(event: &Event) -> Result<Box<RawValue>, Failure> {
    let mut line = Vec::new();
    put_event(&mut line, event);
    serde_json::from_slice(&line)
        .map_err(|error| Failure::failed(format!("the output cannot be written: {error}")))
}
