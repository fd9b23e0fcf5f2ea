//! Readers of a log that is not theirs to write: beside a living writer, behind a killed one, and
//! over one that went back. One program, so that all share one rig.

mod killed;
mod links;
mod live;
mod moments;
mod reader;
mod rewound;
mod rows;
mod state_page;
mod support;
mod tables;
