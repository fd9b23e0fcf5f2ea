//! `annals rebuild-index`: the index, made again from the log.

use std::path::Path;
use std::time::Instant;

use annals::IndexKind;

use crate::failure::{Exit, Failure};
use crate::humane::{counted, duration};
use crate::output::Output;
use crate::progress::{Progress, Unit};

const AFTER_HELP: &str = "\
The log is the only truth: the index can be deleted at any time and is made again to the same \
answers. Nobody may have the store open for writing meanwhile.

The index in memory is saved in one piece and read as a whole at each opening: it is meant for up \
to about ten million events. RocksDB keeps its index on the disk, for any number. Each opening \
decides which one it uses: this command RocksDB where its build has it, a program what it was \
written for. The other one, where there is one, is left as it is.

Examples:
  annals -s shop rebuild-index
  annals -s shop rebuild-index --index memory";

/// Arguments of `annals rebuild-index`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which index to make [default: rocksdb where this build has it, else memory]
    #[arg(long, value_name = "KIND")]
    index: Option<Kind>,
}

/// Where an index lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// In memory, saved in one piece
    Memory,
    /// In RocksDB
    #[value(name = "rocksdb")]
    RocksDb,
}

impl Kind {
    fn index(self) -> Result<IndexKind, Failure> {
        match self {
            Self::Memory => Ok(IndexKind::Memory),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => Ok(IndexKind::RocksDb),
            #[cfg(not(feature = "rocksdb"))]
            Self::RocksDb => Err(Failure::usage("this build of annals has no RocksDB")
                .hint("build it with its feature rocksdb, or use --index memory")),
        }
    }
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let index = args.index.map_or(Ok(IndexKind::default()), Kind::index)?;
    let begun = Instant::now();
    let progress = Progress::new("rebuilding", Unit::Events, Some(0));
    let report = &mut |done, total| progress.set(done, total);
    let rebuilt = annals::rebuild_index(folder, index, report)
        .map_err(|error| Failure::store(&error, folder))?;
    drop(progress);
    let mut out = Output::new();
    out.line(&format!(
        "rebuilt the index: {} in {}, {}",
        counted(rebuilt.events, "event"),
        counted(rebuilt.streams, "stream"),
        duration(begun.elapsed())
    ))?;
    out.flush()?;
    Ok(Exit::Fine)
}
