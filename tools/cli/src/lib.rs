//! The `annals` command: import, append, read, check and demonstrate event stores.
//!
//! Data goes to stdout, messages go to stderr, and the exit code says how it went ([`Exit`]). The
//! reading verbs and `verify` open the store read-only, take no lock and change nothing.
//!
//! - `cli`: the verbs and what is common to them; one module per verb behind it.
//! - Writing path: `import` (input → lines → events → batches), `append`, `demo`.
//! - Reading path: `reading` opens the store and tells of damage; `as_of` and `filter` say what is
//!   read of it; `event_printer` writes events as JSON lines (`event_json`) or as a table (`table`),
//!   also those to come (`follow`).
//! - Folding path: a `point` of a stream's history is a version; `folded` folds the stream's events up
//!   to it for `state`, `diff` and `history`, and `changes` says how two states differ.
//! - `failure` turns what went wrong into one line of error, one line of hint and an exit code.

mod append;
mod as_of;
mod changes;
mod cli;
mod demo;
mod diff;
mod event_json;
mod event_printer;
mod events;
mod explain;
mod failure;
mod filter;
mod folded;
mod follow;
mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod humane;
mod import;
mod interrupt;
mod messages;
mod missing;
mod moment;
mod output;
mod point;
mod progress;
mod read;
mod reading;
mod rebuild_index;
mod repair;
mod state;
mod stats;
mod streams;
mod table;
mod verify;
mod writing;

pub use cli::run;
pub use failure::Exit;
