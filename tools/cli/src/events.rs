//! `annals events`: the events of all streams, in the order in which they were appended.

use std::path::Path;

use annals::{Position, Read, ReadOnlyStore, Timestamp, View};

use crate::as_of::AsOfArg;
use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::filter::FilterArgs;
use crate::format::{Format, FormatArg};
use crate::messages;
use crate::moment;
use crate::reading::Reading;
use crate::{explain, follow};

const AFTER_HELP: &str = "\
All filters given hold together; of several --type one is enough, of several --tag all are \
wanted. --explain shows how they are answered: by the index, which lists the events of each category, \
type, tag and id (`postings`), or, where much matches, by reading all events of the range (`scan`).

--since is inclusive, --after and --until are exclusive. --backward only turns the order, and \
--limit counts from its end: `--backward --limit 10` are the ten newest.

TIME is RFC 3339, such as 2026-03-03T12:00:00Z or 2026-03-03T13:00:00+01:00, or a day (its first \
moment in UTC). It is compared with the store's stamp, recorded_at, not with occurred_at. --as-of \
takes a position or such a time, which must be past, and includes what was recorded at it.

--follow goes on after what is there, beside the process that writes too, and shows an event \
within @REFRESH@ ms of the writer. Each line is flushed. It ends with Ctrl-C (exit code 130), a \
closed pipe, or after --limit events.

As jsonl each line has everything: position, stream, version, type, id, recorded_at, and where \
there are any occurred_at, schema, data (data_text, data_base64), metadata, tags, correlation_id \
and causation_id. `annals import` takes these lines.

Examples:
  annals -s shop events --backward --limit 10
  annals -s shop events --type OrderPaid --type OrderRefunded --tag customer:7
  annals -s shop events --since 2026-03-01 --until 2026-04-01 --category order
  annals -s shop events --as-of 5000 --backward --limit 1
  annals -s shop events --follow --after 5000 --format jsonl | jq .type
  annals -s shop events --format jsonl | gzip > shop.jsonl.gz";

/// Arguments of `annals events`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
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
    as_of: AsOfArg,
    /// Go on with the events to come, until Ctrl-C or --limit
    #[arg(long, conflicts_with_all = ["backward", "until", "as_of", "explain"])]
    follow: bool,
    /// Show how the events would be found, and no events
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// The help with the delay that following has.
fn after_help() -> String {
    let delay = ReadOnlyStore::REFRESH_INTERVAL.as_millis().to_string();
    AFTER_HELP.replace("@REFRESH@", &delay)
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let read = args.read()?;
    let format = args.format.get();
    let mut reading = Reading::open(folder)?;
    if args.follow {
        return follow::run(reading, &read, EventPrinter::new(format, true));
    }
    let view = args.as_of.view(reading.store())?;
    if args.explain {
        let plan = view.explain(&read).map_err(|error| reading.failed(&error))?;
        explain::print(&plan, format)?;
        return reading.finish();
    }
    let events = reading.print(view.read(read), &mut EventPrinter::new(format, true))?;
    if events == 0 && format == Format::Table {
        args.say_none(&view)?;
    }
    reading.finish()
}

impl Args {
    fn read(&self) -> Result<Read, Failure> {
        let mut read = Read::all().after(Position::new(self.after.unwrap_or(0)));
        read.query = self.filter.query()?;
        read.since = self.since;
        read.until = self.until;
        read.backward = self.backward;
        read.limit = self.limit;
        Ok(read)
    }

    /// Says that there are no such events.
    fn say_none(&self, view: &View) -> Result<(), Failure> {
        let what = match self.filter.query()? {
            Some(_) => "no event in this range matches",
            None => "no events in this range",
        };
        let is = self.as_of.verb();
        messages::say(format_args!("{what}; the store {is} at position {}", view.position()));
        Ok(())
    }
}
