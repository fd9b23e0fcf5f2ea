//! `annals history`: what each event of a stream changed.

use std::path::Path;

use serde::Serialize;

use crate::as_of::AsOfArg;
use crate::changes::Change;
use crate::failure::{Exit, Failure};
use crate::folded::{FoldArgs, Folded};
use crate::format::{Format, FormatArg};
use crate::moment;
use crate::output::Output;
use crate::table::{Column, Table};

const AFTER_HELP: &str = "\
One line an event, with what it changed in the state that `annals state` shows: + before what was \
added, - before what was removed.

As jsonl each line has version, position, type, recorded_at, and changes (path, a JSON pointer, with \
before and after).

Examples:
  annals -s shop history order-42
  annals -s shop history order-42 --as-of 2026-03-03
  annals -s shop history order-42 --format jsonl | jq '.changes[].path'";

/// Arguments of `annals history`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The stream's name
    stream: String,
    #[command(flatten)]
    fold: FoldArgs,
    #[command(flatten)]
    as_of: AsOfArg,
    #[command(flatten)]
    format: FormatArg,
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    version: u64,
    position: u64,
    #[serde(rename = "type")]
    event_type: &'a str,
    recorded_at: String,
    changes: Vec<Change>,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let mut folded =
        Folded::open(folder, &args.stream, &args.fold, |reading| args.as_of.view(reading.store()))?;
    let to = folded.version_at("", None)?;
    let format = args.format.get();
    let mut out = Output::new();
    let mut table = Table::new(vec![
        Column::number("VERSION"),
        Column::text("RECORDED AT"),
        Column::text("TYPE"),
        Column::text("CHANGED"),
    ]);
    let mut before = folded.state().value.clone();
    let shown = folded.fold_to(to, |event, state| {
        let changes = Change::between(&before, &state.value);
        before.clone_from(&state.value);
        let recorded_at = event.recorded_at().to_string();
        match format {
            Format::Table => {
                let changed: Vec<String> = changes.iter().map(ToString::to_string).collect();
                let (version, kind) = (event.version().to_string(), event.event_type().to_owned());
                let cells = vec![version, moment::short(&recorded_at), kind, changed.join("; ")];
                table.row(&mut out, cells)
            }
            Format::Jsonl => out.json(&Line {
                version: event.version().get(),
                position: event.position().get(),
                event_type: event.event_type(),
                recorded_at,
                changes,
            }),
        }
    });
    // What comes before a fault is shown.
    table.finish(&mut out)?;
    out.flush()?;
    shown?;
    folded.finish()
}
