//! `annals streams`: which streams there are.

use std::path::Path;

use annals::category;
use serde::Serialize;

use crate::as_of::AsOfArg;
use crate::failure::{Exit, Failure};
use crate::format::{Format, FormatArg};
use crate::output::Output;
use crate::reading::Reading;
use crate::table::{Column, Table};

const AFTER_HELP: &str = "\
A stream's category is what stands before the first `-` of its name, or the whole name. A \
stream's version is the number of events it ever had.

--as-of takes a position or a time in RFC 3339 (or a day, its first moment in UTC), which must be \
past, and shows the streams as they were then.

Examples:
  annals -s shop streams --category order
  annals -s shop streams --as-of 5000
  annals -s shop streams --prefix order-1 --format jsonl";

/// Arguments of `annals streams`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only those of this category
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only those whose name begins so
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    #[command(flatten)]
    as_of: AsOfArg,
    #[command(flatten)]
    format: FormatArg,
}

/// A stream as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    stream: &'a str,
    version: u64,
    position: u64,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let reading = Reading::open(folder)?;
    let all = args.as_of.view(reading.store())?.streams();
    // The store filters by one of them; where both are given, the other is looked at here.
    let streams = match (&args.prefix, &args.category) {
        (Some(prefix), _) => all.prefix(prefix),
        (None, Some(category)) => all.category(category),
        (None, None) => all,
    };
    let is_wanted = |name: &str| args.category.as_ref().is_none_or(|it| category(name) == it);
    let mut out = Output::new();
    let format = args.format.get();
    let mut table = Table::new(vec![
        Column::text("STREAM"),
        Column::number("VERSION"),
        Column::number("LAST POSITION"),
    ]);
    for stream in streams {
        let stream = stream.map_err(|error| reading.failed(&error))?;
        if !is_wanted(&stream.name) {
            continue;
        }
        let (version, position) = (stream.version.get(), stream.position.get());
        match format {
            Format::Table => {
                table.row(&mut out, vec![stream.name, version.to_string(), position.to_string()])?
            }
            Format::Jsonl => out.json(&Line { stream: &stream.name, version, position })?,
        }
    }
    table.finish(&mut out)?;
    out.flush()?;
    reading.finish()
}
