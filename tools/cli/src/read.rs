//! `annals read`: the events of one stream.

use std::path::Path;

use annals::{Read, ReadOnlyStore, Streams, Version, View, category, limits};

use crate::as_of::AsOfArg;
use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::format::{Format, FormatArg};
use crate::humane::plain;
use crate::messages;
use crate::reading::Reading;

/// How many names are looked at to find one that was perhaps meant.
const NAMES_TRIED_MAX: usize = 50_000;
/// How many of them are named.
const NAMES_TOLD_MAX: usize = 3;
/// From this likeness on, 1 being equal, a name was perhaps meant.
const LIKENESS_MIN: f64 = 0.75;

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
        let missing = no_stream(reading.store(), &view, &args.stream);
        // On a damaged store both are worth saying: the damage may be what hides the stream.
        return match reading.finish() {
            Ok(_) => Err(missing),
            Err(damaged) => {
                messages::failure(&missing);
                Err(damaged)
            }
        };
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

/// The failure that the stream is not in the view, which may be one of the past.
fn no_stream(store: &ReadOnlyStore, view: &View, name: &str) -> Failure {
    if let Some(Ok(first)) = store.read(Read::stream(name).limit(1)).next() {
        return Failure::failed(format!("no stream {name:?} at position {}", view.position()))
            .hint(format!(
                "its first event is at position {}, recorded at {}",
                first.position(),
                first.recorded_at()
            ));
    }
    let failure = Failure::failed(format!("no stream {name:?}"));
    match similar(view, name).as_slice() {
        [] => failure.hint("`annals streams` lists all, `annals streams --prefix P` some"),
        names => failure.hint(format!("did you mean {}?", names.join(" or "))),
    }
}

/// The streams whose names are most like `name`, those of its category first.
fn similar(view: &View, name: &str) -> Vec<String> {
    let near = best(view.streams().category(category(name)), name);
    if near.is_empty() { best(view.streams(), name) } else { near }
}

fn best(streams: Streams, meant: &str) -> Vec<String> {
    let meant = meant.to_lowercase();
    let mut found: Vec<(f64, String)> = streams
        .map_while(|stream| Some(stream.ok()?.name))
        .take(NAMES_TRIED_MAX)
        .map(|name| (strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &meant), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(NAMES_TOLD_MAX).map(|(_, name)| plain(&name).into_owned()).collect()
}
