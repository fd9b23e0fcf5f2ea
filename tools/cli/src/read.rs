//! `annals read`: the events of one stream.

use std::path::Path;

use annals::{Read, Version, limits};

use crate::as_of::AsOfArg;
use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::format::{Format, FormatArg};
use crate::messages;
use crate::missing::no_stream;
use crate::reading::Reading;

const AFTER_HELP: &str = "\
Bounds are inclusive. --backward only turns the order, and --limit counts from its end: \
`--backward --limit 1` is the newest event.

--as-of takes a position or a time in RFC 3339 (or a day, its first moment in UTC), which must be \
past, and shows the stream as it was then; what was recorded at that very time is included.

Examples:
  annals -s shop read order-42
  annals -s shop read order-42 --from 3 --limit 10
  annals -s shop read order-42 --as-of 2026-03-03T12:00:00Z
  annals -s shop read order-42 --backward --limit 1 --format jsonl";

/// Arguments of `annals read`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The stream's name
    stream: String,
    /// Only events from this version on
    #[arg(long, value_name = "VERSION")]
    from: Option<u64>,
    /// Newest first
    #[arg(long)]
    backward: bool,
    /// At most so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    as_of: AsOfArg,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    limits::check_stream_name(&args.stream)
        .map_err(|invalid| Failure::usage(invalid.to_string()))?;
    let mut reading = Reading::open(folder)?;
    let view = args.as_of.view(reading.store())?;
    let version = match view.version(&args.stream) {
        Ok(version) => Some(version),
        Err(error) => {
            reading.take(&error)?;
            None
        }
    };
    if version == Some(Version::NONE) {
        return Err(no_stream(reading, &view, &args.stream));
    }

    let mut read = Read::stream(&args.stream);
    read.from_version = args.from.map(Version::new);
    read.backward = args.backward;
    read.limit = args.limit;
    let format = args.format.get();
    let events = reading.print(view.read(read), &mut EventPrinter::new(format, false))?;
    if events == 0 && format == Format::Table {
        let (is, version) = (args.as_of.verb(), version.unwrap_or_default());
        messages::say(format_args!(
            "no events in this range; the stream {is} at version {version}"
        ));
    }
    reading.finish()
}
