//! `annals append`: one event to one stream.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use annals::{
    Commit, Durability, EventId, ExpectedVersion, Invalid, NewEvent, OccurredAt, Receipt, Version,
    limits,
};
use serde::Serialize;

use crate::event_json::is_json;
use crate::failure::{Exit, Failure};
use crate::format::{Format, FormatArg};
use crate::messages;
use crate::output::Output;
use crate::table::{Column, Table};
use crate::writing;

const AFTER_HELP: &str = "\
The event is on the disk when the command ends. --expect makes the append fail, with exit code 3, \
where somebody else was faster: `none` (the stream must be new), `exists`, or a version. A store \
is made where there is none yet.

An event with an --id can be appended again: where the same event is in the store already, the \
receipt is that of the first time, and nothing is appended. Another event with the id is refused.

The data is kept byte for byte; white space around it does not count.

Examples:
  annals -s shop append order-42 --type OrderPlaced --data '{\"total\":42}' --expect none
  annals -s shop append order-42 --type OrderPaid --data @payment.json --tag customer:7 --expect 1
  echo '{\"reason\":\"late\"}' | annals -s shop append order-42 --type OrderCancelled --data -";

/// Arguments of `annals append`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The stream's name
    stream: String,
    /// What happened, e.g. OrderPlaced
    #[arg(long = "type", value_name = "TYPE")]
    event_type: String,
    /// The data: JSON, or where to read it, a file or standard input
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}", allow_hyphen_values = true)]
    data: String,
    /// A tag, `key:value` by convention; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The event's id, a UUID unique in the store [default: derived from its position]
    #[arg(long, value_name = "UUID")]
    id: Option<EventId>,
    /// What the stream must be for the append to take place: any, none, exists or its version
    #[arg(long, value_name = "any|none|exists|N", default_value = "any", value_parser = expected)]
    expect: ExpectedVersion,
    /// JSON about the event rather than of it
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    metadata: Option<String>,
    /// The version of the data's schema
    #[arg(long, value_name = "N", default_value_t = 1)]
    schema: u32,
    /// What the event belongs to
    #[arg(long, value_name = "UUID")]
    correlation_id: Option<EventId>,
    /// The event that caused this one
    #[arg(long, value_name = "UUID")]
    causation_id: Option<EventId>,
    /// When it happened, in RFC 3339
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<OccurredAt>,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let event = event(args)?;
    let events = [event];
    let commit = Commit::new().append(&args.stream, args.expect, &events);
    commit.check().map_err(|invalid| Failure::usage(reason(&invalid)))?;
    // Nobody who expects a stream to be there means to make a store for it.
    let create = args.expect.holds(Version::NONE);
    let store = writing::open(folder, Durability::Sync, create)?;
    let receipt = store.commit(&commit).map_err(|error| Failure::store(&error, folder))?;
    writing::close_durable(store);
    print(&receipt, args)?;
    if receipt.repeated {
        messages::note("the event was in the store already; nothing was appended");
    }
    Ok(Exit::Fine)
}

/// What is wrong. The engine counts the events of a commit; here there is but one.
fn reason(invalid: &Invalid) -> String {
    match invalid {
        Invalid::Event { cause, .. } => cause.to_string(),
        other => other.to_string(),
    }
}

fn event(args: &Args) -> Result<NewEvent, Failure> {
    if args.data == "-" && args.metadata.as_deref() == Some("-") {
        return Err(Failure::usage("data and metadata cannot both be read from standard input"));
    }
    let data = json(&args.data, "data", limits::DATA_BYTES_MAX)?;
    let mut event = NewEvent::json(args.event_type.clone(), data).schema(args.schema);
    if let Some(metadata) = &args.metadata {
        event = event.metadata(json(metadata, "metadata", limits::METADATA_BYTES_MAX)?);
    }
    event.tags = args.tags.iter().cloned().map(Into::into).collect();
    event.id = args.id;
    event.correlation_id = args.correlation_id;
    event.causation_id = args.causation_id;
    event.occurred_at = args.occurred_at;
    Ok(event)
}

/// The JSON that an argument gives or names, without the white space around it.
fn json(argument: &str, what: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(file) => {
            let failed = |error| Failure::failed(format!("{file} cannot be read: {error}"));
            bounded(File::open(file).map_err(failed)?, bytes_max).map_err(failed)?
        }
        None if argument == "-" => bounded(io::stdin().lock(), bytes_max)
            .map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?,
        None => argument.as_bytes().to_vec(),
    };
    let text = text.trim_ascii();
    if text.len() > bytes_max {
        return Err(Failure::usage(format!(
            "the {what} is larger than the {bytes_max} bytes allowed"
        )));
    }
    if !is_json(text) {
        return Err(Failure::usage(format!("the {what} is not JSON"))
            .hint("a text needs quotes of its own, as in --data '\"text\"'"));
    }
    Ok(text.to_vec())
}

/// Reads to the end, or a little past what is allowed.
fn bounded(input: impl io::Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    const BLANKS_MAX: u64 = 1 << 10;
    let mut bytes = Vec::new();
    input.take(bytes_max as u64 + BLANKS_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads what is expected of a stream from an argument.
fn expected(text: &str) -> Result<ExpectedVersion, String> {
    match text {
        "any" => Ok(ExpectedVersion::Any),
        "none" => Ok(ExpectedVersion::NoStream),
        "exists" => Ok(ExpectedVersion::Exists),
        number => match number.parse() {
            Ok(version) => Ok(ExpectedVersion::at(version)),
            Err(_) => Err("expected any, none, exists or a version such as 3".to_owned()),
        },
    }
}

/// A receipt as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    recorded_at: String,
    epoch: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

fn print(receipt: &Receipt, args: &Args) -> Result<(), Failure> {
    let mut out = Output::new();
    match args.format.get() {
        Format::Jsonl => out.json(&Line {
            position: receipt.position.get(),
            stream: &args.stream,
            version: receipt.version.get(),
            id: args.id.map(|id| id.to_string()),
            recorded_at: receipt.recorded_at.to_string(),
            epoch: receipt.epoch.to_string(),
            repeated: receipt.repeated,
        })?,
        Format::Table => {
            let mut table = Table::new(vec![
                Column::number("POSITION"),
                Column::text("STREAM"),
                Column::number("VERSION"),
                Column::text("RECORDED AT"),
            ]);
            table.row(
                &mut out,
                vec![
                    receipt.position.to_string(),
                    args.stream.clone(),
                    receipt.version.to_string(),
                    receipt.recorded_at.to_string(),
                ],
            )?;
            table.finish(&mut out)?;
        }
    }
    out.flush()
}
