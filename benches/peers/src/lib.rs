//! Annals beside the limit of the machine and beside what else an engineer would take. A workspace
//! of its own: peers are built for nothing else.
//!
//! - [`account`]: what is replayed, an aggregate of typed events.
//! - [`history`]: what is written, and what it comes to.
//! - [`plain`]: the limit, a plain file in a map.
//! - [`peer`]: what an engine must answer; [`sqlite`] does.
//! - [`replay`]: the rows, with every answer checked.
//!
//! In this folder, `cargo run --release --bin replay` gives the ratios as tables, and
//! `cargo bench --bench replay` runs the rows with criterion.

pub mod account;
pub mod history;
pub mod peer;
pub mod plain;
pub mod replay;
pub mod sqlite;
