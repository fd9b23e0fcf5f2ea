//! `annals events`: the events of all streams, in the order in which they were appended.

use std::path::Path;

use annals::{Position, Timestamp};

use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::format::{Format, FormatArg};
use crate::messages;
use crate::moment;
use crate::reading::Reading;

const AFTER_HELP: &str = "\
--since is inclusive, --after and --until are exclusive. --backward only turns the order, and \
--limit counts from its end: `--backward --limit 10` are the ten newest.

TIME is RFC 3339, such as 2026-03-03T12:00:00Z or 2026-03-03T13:00:00+01:00, or a day (its first \
moment in UTC). It is compared with the store's stamp, recorded_at, not with occurred_at.

As jsonl each line has everything: position, stream, version, type, id, recorded_at, and where \
there are any occurred_at, schema, data (data_text, data_base64), metadata, tags, correlation_id \
and causation_id. `annals import` takes these lines.

Examples:
  annals -s shop events --backward --limit 10
  annals -s shop events --since 2026-03-01 --until 2026-04-01
  annals -s shop events --after 5000 --format jsonl | jq .type | sort | uniq -c
  annals -s shop events --format jsonl | gzip > shop.jsonl.gz";

/// Arguments of `annals events`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only events behind this position
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Newest first
    #[arg(long)]
    backward: bool,
    /// At most so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only events recorded at this time or later
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Timestamp>,
    /// Only events recorded before this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<Timestamp>,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let mut reading = Reading::open(folder)?;
    let mut read = reading.store().read_all();
    if let Some(after) = args.after {
        read = read.after(Position::new(after));
    }
    if let Some(since) = args.since {
        read = read.since(since);
    }
    if let Some(until) = args.until {
        read = read.until(until);
    }
    if args.backward {
        read = read.backward();
    }
    if let Some(limit) = args.limit {
        read = read.limit(limit);
    }
    let format = args.format.get();
    let events = reading.print(read, &mut EventPrinter::new(format, true))?;
    if events == 0 && format == Format::Table {
        let head = reading.store().position();
        messages::say(format_args!("no events in this range; the store is at position {head}"));
    }
    reading.finish()
}
