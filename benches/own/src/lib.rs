//! Annals beside the limit of the machine: the same work done by a plain file.
//!
//! - [`workload`]: what is written; it follows from a seed and knows no engine.
//! - [`limit`]: the plain file.
//! - [`append`] and [`read`]: the rows, each for Annals and for the limit, with the answers checked.
//! - [`turns`]: how they are measured.
//! - [`pace`] and [`latency`]: how long appends take that arrive at a fixed rate.
//! - [`growth`] and [`memory`]: what becomes of a store that grows.
//! - [`folder`]: where the files lie. [`table`]: how figures are shown. [`args`]: what was asked for.
//!
//! `cargo bench -p annals-benches` runs the rows with criterion, and counts instructions;
//! `cargo run --release -p annals-benches --bin ratios` (or `queries`, `latency`, `growth`) gives
//! tables.

pub mod append;
pub mod args;
pub mod folder;
pub mod growth;
pub mod latency;
pub mod limit;
pub mod memory;
pub mod pace;
pub mod read;
pub mod table;
pub mod turns;
pub mod workload;
