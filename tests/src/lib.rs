//! The test rig of Annals: a reference store, workloads, a simulated machine and the oracles that
//! say whether an answer of the store is right.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`model`] | the reference store: plain vectors and maps behind the traits of the real one |
//! | [`pair`] | the real one beside it, and histories done to both |
//! | [`workload`] | generators of events, appends and reads |
//! | [`check`] | compares a store's answers with the model's, field by field |
//! | [`setting`] | the ways to open a store on the machine's own files |
//! | [`world`] | a simulated machine: disk, clock, randomness, scheduler |
//! | [`history`] | short fixed histories, run until a crash ends them |
//! | [`images`] | every disk that a crash can leave behind |
//! | [`sweep`] | crashes a history at each of its operations and checks what is left |
//! | [`simulation`] | whole lives of a store from one seed: crashes, faults, readers, oracles |
//! | [`files`] | copies of folders, on any file system |
//! | [`folder`] | a store's folder in memory, to be damaged |
//! | [`segment_file`] | patches and parts of segment files |
//! | [`confined`](mod@confined) | tests in a process with little memory and time |
//! | [`crafted`] | files of a log made by hand: contradictions under right checksums |
//! | [`damage`] | says what a damaged store may answer |
//! | [`mending`] | says what a repair owes |
//! | [`golden`] | makes the golden store |
//! | [`states`] | states to keep, each of which says what it must hold |
//! | [`counter`], [`seen`] | an aggregate and a projection that the model folds too |
//! | [`ledger`] | an aggregate in whose state every event shows |
//! | [`logs`] | the real event logs beside the project |
//! | [`process`] | processes that write, read and are killed |
//! | [`small_disk`] | real file systems that a test fills |
//! | [`meeting`] | where the threads of a race wait for each other |
//! | [`budget`] | how much to try, from environment variables |
//!
//! A new verb of the engine joins the rig in four places: the model says what it means, [`check::answers`] compares it, [`history::Action`] lets the sweeps crash in it, and the table of the [`simulation`] draws it.

pub mod budget;
pub mod check;
pub mod confined;
pub mod counter;
pub mod crafted;
pub mod damage;
pub mod files;
pub mod folder;
pub mod golden;
pub mod history;
pub mod images;
pub mod ledger;
pub mod logs;
pub mod meeting;
pub mod mending;
pub mod model;
pub mod pair;
pub mod process;
pub mod rigged;
pub mod seen;
pub mod segment_file;
pub mod setting;
pub mod simulation;
pub mod small_disk;
pub mod states;
pub mod sweep;
pub mod workload;
pub mod world;

/// The kinds of index that this build has. On a simulated disk all of them are the one in memory.
#[must_use]
pub fn kinds() -> Vec<annals::IndexKind> {
    vec![
        annals::IndexKind::Memory,
        #[cfg(feature = "rocksdb")]
        annals::IndexKind::RocksDb,
    ]
}

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
