//! What an engine must answer to be measured as a peer.

use std::collections::BTreeMap;

use crate::account::Account;

/// An engine that holds the history.
pub trait Peer {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// The account of a stream, from its events in their order.
    fn load(&self, stream: &str) -> Account;

    /// How many events there are of each type, all events read in the order in which they were
    /// written, with their data.
    fn by_type(&self) -> BTreeMap<String, u64>;

    /// All entries as if they were of one account, in the same order.
    fn total(&self) -> Account;
}
