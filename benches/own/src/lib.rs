//! Annals beside the limit of the machine: the same work done by a plain file.
//!
//! - [`workload`]: what is written; it follows from a seed and knows no engine.
//! - [`limit`]: the plain file.
//! - [`append`] and [`read`]: the rows, each for Annals and for the limit, with the answers checked.
//! - [`turns`]: how they are measured.
//! - [`folder`]: where the files lie.
//!
//! `cargo bench -p annals-benches` runs the rows with criterion;
//! `cargo run --release -p annals-benches --bin ratios` gives the ratios as a table.

pub mod append;
pub mod folder;
pub mod limit;
pub mod read;
pub mod turns;
pub mod workload;
