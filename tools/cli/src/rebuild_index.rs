//! `annals rebuild-index`: the index, made again from the log.

use std::path::Path;
use std::time::Instant;

use crate::failure::{Exit, Failure};
use crate::humane::{counted, duration};
use crate::output::Output;
use crate::progress::{Progress, Unit};

const AFTER_HELP: &str = "\
The log is the only truth: the index can be deleted at any time and is made again to the same \
answers. Nobody may have the store open meanwhile.

Example:
  annals -s shop rebuild-index";

/// Arguments of `annals rebuild-index`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {}

pub(crate) fn run(folder: &Path, _args: &Args) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let progress = Progress::new("rebuilding", Unit::Events, Some(0));
    let rebuilt = annals::rebuild_index(folder, &mut |done, total| progress.set(done, total))
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
