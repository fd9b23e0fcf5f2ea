//! `annals import`: the events of a file of JSON lines, appended one by one in the file's order.
//!
//! A thread of its own reads, unpacks, splits and parses (`feed` over `input`, `lines`, `line`); the
//! main thread appends, syncs once for each batch and says so (`writer`).

mod feed;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod input;
mod known;
mod line;
mod lines;
mod stamps;
mod writer;

use std::num::NonZeroU64;
use std::path::Path;

use annals::Durability;

use crate::failure::{Exit, Failure};
use crate::humane::quoted;
use crate::progress::{Progress, Unit};
use crate::writing;
use feed::{Ending, Feed, Message};
use input::Input;
use stamps::Stamps;
use writer::Writer;

const BATCH_LINES_DEFAULT: u64 = 1_000;

const AFTER_HELP: &str = "\
Each line is an object with `stream`, `type` and `data` (any JSON, kept byte for byte), and where \
there are any `id` (a UUID), `schema`, `occurred_at` (RFC 3339), `tags`, `metadata`, \
`correlation_id`, `causation_id`. Data that is not JSON comes as `data_text` or `data_base64`, \
and metadata likewise; where that does not tell what data is, `content` does: json, text or \
binary. Any other field makes a line bad, so that nothing is lost unsaid. The file may be gzip.

The lines of `annals events --format jsonl` can be imported as they are: `position` and `version` \
are ignored, since the store gives its own, and `recorded_at` too unless --recorded-at is given. \
`id` is taken as the event's own id, also where the store it came from had derived it: what \
refers to it by causation_id stays right.

A line whose id is in the store already, with the same stream and content, is passed over and \
counted: an import that was stopped can simply be repeated, with any --batch, and goes on where it \
was. A line with the id of another event is bad. A line without an id is appended each time.

N lines are written, then synced once and acknowledged by one line on stderr:
  acknowledged: line 2000, position 2000
With `--durability buffered` nothing waits for the disk and the line begins with `written:`. A \
batch is not a commit: each line is one, in the file's order. A bad line stops the import; what \
came before it is synced and kept. Ctrl-C does the same.

Examples:
  annals -s shop import history.jsonl.gz
  zcat logs/*.gz | annals -s shop import - --durability buffered
  annals -s shop import legacy.jsonl --recorded-at --skip-bad
  annals -s shop events --format jsonl | annals -s copy import -";

/// Arguments of `annals import`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The file, or `-` for standard input
    file: String,
    /// What an acknowledged line survives
    #[arg(long, value_enum, default_value_t = Survives::Sync)]
    durability: Survives,
    /// Lines that are synced and acknowledged together [default: 1000]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroU64>,
    /// Count and list bad lines instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
    /// Stamp events with the line's `recorded_at`, else its `occurred_at`, instead of now
    #[arg(long)]
    recorded_at: bool,
}

/// What an acknowledged line survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Survives {
    /// A power cut
    Sync,
    /// The death of this process; the disk follows within a moment
    Buffered,
}

impl Args {
    fn is_synced(&self) -> bool {
        self.durability == Survives::Sync
    }

    fn batch(&self) -> u64 {
        self.batch.map_or(BATCH_LINES_DEFAULT, NonZeroU64::get)
    }

    /// How to go on with line `next`.
    fn again(&self, folder: &Path, next: u64) -> String {
        if self.file == "-" {
            return format!("go on with line {next}");
        }
        let unpack = if self.file.ends_with(".gz") { "zcat" } else { "cat" };
        let (file, folder) = (quoted(&self.file), folder.display().to_string());
        let mut command = format!("{unpack} {file} | tail -n +{next} | annals");
        command.push_str(&format!(" -s {} import -", quoted(&folder)));
        if !self.is_synced() {
            command.push_str(" --durability buffered");
        }
        if let Some(batch) = self.batch {
            command.push_str(&format!(" --batch {batch}"));
        }
        for (given, option) in [(self.skip_bad, "skip-bad"), (self.recorded_at, "recorded-at")] {
            if given {
                command.push_str(&format!(" --{option}"));
            }
        }
        format!("to go on: {command}")
    }
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    // The input first: a mistyped file makes no store.
    let input = Input::open(&args.file)?;
    // Buffered in either case: the sync of a batch is asked for when the batch is written.
    let store = writing::open(folder, Durability::Buffered, true)?;
    let stats = store.stats().map_err(|error| Failure::store(&error, folder))?;
    let stamps = args.recorded_at.then(|| Stamps::new(stats.recorded_last));
    let progress = match args.batch {
        // Who sets the batch wants to see the batches.
        Some(_) => Progress::hidden(),
        None => Progress::new("importing", Unit::Bytes, input.bytes_total()),
    };
    let mut writer = Writer::new(store, folder, args, stamps, progress);

    let bytes_read = input.bytes_read();
    let feed = Feed::start(input)?;
    let ending = loop {
        match feed.receive() {
            Message::Lines(lines) => {
                for line in lines {
                    if feed.is_interrupted() {
                        break;
                    }
                    if let Err(failure) = writer.line(line) {
                        return Err(writer.give_up(failure));
                    }
                }
                writer.show(&bytes_read);
            }
            Message::End(ending) => break ending,
            Message::Wake => {}
        }
        if feed.is_interrupted() {
            break Ending::Interrupted;
        }
    };
    // Ctrl-C also ends what feeds a pipe: its end is then not the end of the input.
    let ending = if feed.is_interrupted() { Ending::Interrupted } else { ending };
    match ending {
        Ending::Complete => writer.finish(),
        Ending::Broken(message) => Err(writer.give_up(Failure::failed(message))),
        Ending::Interrupted => Err(writer.give_up(Failure::interrupted("stopped by Ctrl-C"))),
    }
}
