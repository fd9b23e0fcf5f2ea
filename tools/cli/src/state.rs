//! `annals state`: what the events of a stream come to.

use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::folded::{FoldArgs, Folded, StateFormat, StateFormatArg, StateLine, put_value, spot};
use crate::humane::plain;
use crate::output::Output;
use crate::point::{self, Point};

const AFTER_HELP: &str = "\
The state before the first event is {}. --fold merge takes each event's data as a merge patch \
(RFC 7396); data that is not JSON is an error that names the event.

--at takes a version, or a time in RFC 3339 (or a day, its first moment in UTC), which must be past; \
what was recorded at that very time is included. Before the stream's first event its version is 0.

Examples:
  annals -s shop state order-42
  annals -s shop state order-42 --at 3
  annals -s shop state order-42 --at 2026-03-03T12:00:00Z --format json | jq .state.status
  annals -s shop state order-42 --fold count";

/// Arguments of `annals state`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The stream's name
    stream: String,
    /// The state at this version, or at this time
    #[arg(long, value_name = "VERSION|TIME", value_parser = point::parse)]
    at: Option<Point>,
    #[command(flatten)]
    fold: FoldArgs,
    #[command(flatten)]
    format: StateFormatArg,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let head = |reading: &crate::reading::Reading| Ok(reading.store().head());
    let mut folded = Folded::open(folder, &args.stream, &args.fold, head)?;
    let to = folded.version_at("--at", args.at)?;
    folded.fold_to(to, |_, _| Ok(()))?;
    let state = folded.state();
    let mut out = Output::new();
    match args.format.get() {
        StateFormat::Json => out.json(&StateLine::new(Some(&args.stream), state))?,
        StateFormat::Text => {
            out.line(&format!("{}: {}", plain(&args.stream), spot(state)))?;
            put_value(&mut out, &state.value)?;
        }
    }
    out.flush()?;
    folded.say_empty("--at")?;
    folded.finish()
}
