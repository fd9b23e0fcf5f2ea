//! `annals demo`: a store made before the user's eyes, and what it can do.

mod random;
mod shop;
mod story;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use annals::{ErrorKind, ReadOnlyStore};

use crate::failure::{Exit, Failure};
use crate::humane::quoted;
use story::Story;

const FOLDER: &str = "annals-demo";

const AFTER_HELP: &str = "\
Makes a store in DIR and leaves it there to play with. The same seed tells the same story. \
ANNALS_STORE is not looked at, so that nobody's daily store is filled.

Examples:
  annals demo
  annals demo /tmp/demo --events 1000000";

/// Arguments of `annals demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where to make the store [default: annals-demo in this folder]
    dir: Option<PathBuf>,
    /// Events to write, at least
    #[arg(long, value_name = "N", default_value = "100000")]
    events: NonZeroU64,
    /// Which story to tell
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

pub(crate) fn run(store: Option<&Path>, args: &Args) -> Result<Exit, Failure> {
    let folder = args.dir.as_deref().or(store).unwrap_or(Path::new(FOLDER));
    refuse_to_overwrite(folder)?;
    Story::new(folder, args.seed).tell(args.events.get())?;
    Ok(Exit::Fine)
}

/// A store that is there already, or something that may be one, is left alone.
fn refuse_to_overwrite(folder: &Path) -> Result<(), Failure> {
    let path = folder.display().to_string();
    match ReadOnlyStore::open(folder) {
        Err(error) if *error.kind() == ErrorKind::NotAStore => Ok(()),
        Err(error) if !matches!(error.kind(), ErrorKind::Damaged(_) | ErrorKind::Locked) => {
            Err(Failure::store(&error, folder))
        }
        _ => Err(Failure::failed(format!("{path} has a store already; it was left as it is"))
            .hint(format!(
                "look at it (`annals -s {0} stats`), remove it (`rm -r {0}`), or make the demo \
                 elsewhere (`annals demo DIR`)",
                quoted(&path)
            ))),
    }
}
