//! The verbs, and what is common to all of them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::failure::{Exit, Failure};
use crate::{
    append, demo, diff, events, history, import, messages, read, rebuild_index, repair, state,
    stats, streams, verify,
};

const AFTER_HELP: &str = "\
Data goes to stdout, messages go to stderr.
Exit codes: 0 fine, 1 damage found or operation failed, 2 usage, 3 conflict, 130 stopped by \
Ctrl-C.

Examples:
  annals demo                                       see it work, on a store of its own
  annals -s shop import history.jsonl.gz            make a store of a log
  annals -s shop append order-42 --type OrderPlaced --data '{\"total\":42}' --expect none
  annals -s shop read order-42
  annals -s shop state order-42 --at 2026-03-03T12:00:00Z
  annals -s shop events --after 1000 --limit 10
  annals -s shop verify";

/// Append-only event stores: import, append, read, check.
#[derive(Debug, Parser)]
#[command(name = "annals", version, after_help = AFTER_HELP)]
struct Cli {
    /// The store's folder [env: ANNALS_STORE]
    #[arg(short, long, global = true, value_name = "DIR", display_order = 100)]
    store: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Append the events of a file of JSON lines, plain or gzip; creates the store
    Import(import::Args),
    /// Append one event to a stream; creates the store
    Append(append::Args),
    /// Show the events of one stream
    Read(read::Args),
    /// Show the events of all streams, in the order in which they were appended
    Events(events::Args),
    /// Show what the events of a stream come to, now or at any version or time
    State(state::Args),
    /// Show what changed in a stream between two versions or times
    Diff(diff::Args),
    /// Show what each event of a stream changed
    History(history::Args),
    /// List the streams, by name
    Streams(streams::Args),
    /// Show figures about the store
    Stats(stats::Args),
    /// Read every byte of the log and check it
    Verify(verify::Args),
    /// Make a damaged store whole again, without what is lost
    Repair(repair::Args),
    /// Delete the index and make it again from the log
    RebuildIndex(rebuild_index::Args),
    /// Make a store of an order-processing business and show what Annals does
    Demo(demo::Args),
}

/// Runs the command with these arguments, the program's name first, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(refusal) => {
            // Help and version come this way too. A closed pipe is no reason to complain.
            let _ = refusal.print();
            return if refusal.use_stderr() { Exit::Usage } else { Exit::Fine };
        }
    };
    match dispatch(&cli) {
        Ok(exit) => exit,
        Err(failure) => {
            messages::failure(&failure);
            failure.exit()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Exit, Failure> {
    if let Verb::Demo(args) = &cli.verb {
        return demo::run(cli.store.as_deref(), args);
    }
    let store = store_folder(cli.store.clone())?;
    match &cli.verb {
        Verb::Import(args) => import::run(&store, args),
        Verb::Append(args) => append::run(&store, args),
        Verb::Read(args) => read::run(&store, args),
        Verb::Events(args) => events::run(&store, args),
        Verb::State(args) => state::run(&store, args),
        Verb::Diff(args) => diff::run(&store, args),
        Verb::History(args) => history::run(&store, args),
        Verb::Streams(args) => streams::run(&store, args),
        Verb::Stats(args) => stats::run(&store, args),
        Verb::Verify(args) => verify::run(&store, args),
        Verb::Repair(args) => repair::run(&store, args),
        Verb::RebuildIndex(args) => rebuild_index::run(&store, args),
        Verb::Demo(args) => demo::run(Some(&store), args),
    }
}

/// The folder that was asked for. The variable is read here and not by clap, so that `demo` can
/// leave it aside: nobody means to fill the store they work with every day.
fn store_folder(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    given
        .or_else(|| std::env::var_os("ANNALS_STORE").map(PathBuf::from))
        .filter(|folder| !folder.as_os_str().is_empty())
        .ok_or_else(|| {
            Failure::usage("no store was named")
                .hint("say which with -s DIR (--store DIR) or in the variable ANNALS_STORE")
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
