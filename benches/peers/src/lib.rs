//! Annals beside the limit of the machine and beside what else an engineer would take. A workspace
//! of its own: peers are built for nothing else.
//!
//! - [`engine`]: what an engine must do to be measured; [`engines`] do it.
//! - [`compare`]: the rows of the comparison, with every answer checked.
//! - [`account`], [`history`], [`replay`]: the rows of replay, over typed events.
//!
//! In this folder, `cargo run --release --bin compare` gives the comparison as a table,
//! `cargo run --release --bin replay` the ratios of replay, and `cargo bench --bench replay` runs
//! these with criterion.

pub mod account;
pub mod compare;
pub mod engine;
pub mod engines;
pub mod history;
pub mod replay;
