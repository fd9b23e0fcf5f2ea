//! A store that grows, its streams with it: loaded by one process and served by another, so that what
//! each takes of memory is its own.
//!
//! - [`load`]: appends, buffered, one event a call, with the expected version checked.
//! - [`serve`]: opens it, reads streams and their last events, appends to streams long untouched;
//!   warm, and with nothing of the store in the page cache.
//! - [`places`]: the limit of the reads: as many bytes at the same places, with one positional read
//!   and one checksum for each event.

pub mod load;
pub mod places;
pub mod serve;

use annals::{Durability, IndexKind, Options, Store};
use serde_json::{Map, Value};

use crate::workload::{SEED, Spread};

/// Streams that get one event at the beginning and nothing more, until they are appended to.
const DORMANT: u64 = 2_000;

/// A store to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Events that are appended.
    pub events: u64,
    /// Streams that they are spread over.
    pub streams: u64,
    /// And how.
    pub spread: Spread,
    /// Its index.
    pub index: IndexKind,
}

/// What was found, by name.
pub type Figures = Map<String, Value>;

impl Size {
    fn options(&self) -> Options {
        Store::options().durability(Durability::Buffered).index(self.index)
    }

    fn seed(&self) -> u64 {
        SEED ^ self.events ^ self.streams << 32
    }
}

fn dormant(number: u64) -> String {
    format!("dormant-{number:08}")
}
