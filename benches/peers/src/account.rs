//! What is replayed: accounts, from typed events in postcard.

use annals::{Aggregate, Applied, Event};
use serde::{Deserialize, Serialize};

/// What happens to an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// Money came in.
    Deposited(Posting),
    /// Money went out.
    Withdrawn(Posting),
    /// Interest came in.
    InterestCredited(Posting),
    /// A fee went out.
    FeeCharged(Posting),
}

/// How much, when and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Posting {
    /// The amount.
    pub cents: u64,
    /// Microseconds since 1970.
    pub booked: u64,
    /// The text on it.
    pub memo: String,
}

impl Entry {
    /// Decodes an event's type and data by hand.
    #[must_use]
    pub fn decode(event_type: &[u8], data: &[u8]) -> Self {
        let posting = postcard::from_bytes(data).unwrap();
        match event_type {
            b"Deposited" => Self::Deposited(posting),
            b"Withdrawn" => Self::Withdrawn(posting),
            b"InterestCredited" => Self::InterestCredited(posting),
            b"FeeCharged" => Self::FeeCharged(posting),
            other => panic!("no entry is {}", other.escape_ascii()),
        }
    }
}

/// What the entries of an account, or of all of them, come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// How many there are.
    pub entries: u64,
    /// The balance.
    pub cents: i64,
    /// The largest amount.
    pub largest: u64,
    /// When the last one was booked.
    pub booked: u64,
    /// All memos, in their order.
    pub mix: u64,
}

impl Account {
    /// Folds an entry in.
    pub fn post(&mut self, entry: Entry) {
        let (sign, posting) = match entry {
            Entry::Deposited(posting) | Entry::InterestCredited(posting) => (1, posting),
            Entry::Withdrawn(posting) | Entry::FeeCharged(posting) => (-1, posting),
        };
        self.entries += 1;
        self.cents += sign * posting.cents as i64;
        self.largest = self.largest.max(posting.cents);
        self.booked = posting.booked;
        let memo = posting.memo.as_bytes();
        let head = memo.first_chunk().map_or(0, |&head| u64::from_le_bytes(head));
        self.mix = self.mix.rotate_left(7) ^ head ^ memo.len() as u64;
    }
}

impl Aggregate for Account {
    type Event = Entry;
    const NAME: &'static str = "account";

    fn apply(&mut self, entry: Entry, _: &Event) -> Applied {
        self.post(entry);
        Ok(())
    }
}
