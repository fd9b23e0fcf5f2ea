//! The test rig of Annals: a reference store, workloads, a simulated machine and the oracles that
//! say whether an answer of the store is right.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`model`] | the reference store: plain vectors and maps with the verbs of the real one |
//! | [`query`] | what can be asked of either |
//! | [`reader`] | the reading verbs that a store, a view and a read-only store share |
//! | [`workload`] | generators of events, appends and reads |
//! | [`check`] | compares a store's answers with the model's, field by field |
//! | [`world`] | a simulated machine: disk, clock, randomness, scheduler |
//! | [`history`] | short fixed histories, run until a crash ends them |
//! | [`images`] | every disk that a crash can leave behind |
//! | [`sweep`] | crashes a history at each of its operations and checks what is left |
//! | [`folder`] | a store's folder in memory, to be damaged |
//! | [`segment_file`] | patches and parts of segment files |
//! | [`damage`] | says what a damaged store may answer |
//! | [`golden`] | makes the golden store |
//! | [`logs`] | the real event logs beside the project |
//! | [`budget`] | how much to try, from environment variables |
//!
//! A new verb of the engine joins the rig in three places: the model and [`query`] say what it
//! means, [`check::answers`] compares it, and [`history::Action`] lets the sweeps crash in it.

pub mod budget;
pub mod check;
pub mod damage;
pub mod folder;
pub mod golden;
pub mod history;
pub mod images;
pub mod logs;
pub mod model;
pub mod query;
pub mod reader;
pub mod segment_file;
pub mod sweep;
pub mod workload;
pub mod world;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
