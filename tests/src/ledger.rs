//! An aggregate for tests: every event shows in its state, with its order, and an event can be such
//! that applying it fails.

use annals::{Aggregate, Applied, Event, EventReader, Payloads, Read};
use serde::{Deserialize, Serialize};

/// One variant of each shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LedgerEvent {
    /// Adds to the sum.
    Added {
        /// How much.
        amount: i64,
    },
    /// Notes a text. With [`REFUSED`] or [`PANICS`], half of it is done before it fails.
    Noted(String),
    /// Moves from one side to the other.
    Moved(i64, u8),
    /// Nothing is left.
    Cleared,
}

/// The note that cannot be applied.
pub const REFUSED: &str = "refused";
/// The note at which applying panics.
pub const PANICS: &str = "panics";

/// What the events come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// What was added since the last clearing.
    pub sum: i64,
    /// All notes.
    pub notes: Vec<String>,
    /// How many events there were.
    pub events: u64,
    /// Depends on each event, its place and its stamp, and their order.
    pub trace: u64,
}

impl Aggregate for Ledger {
    type Event = LedgerEvent;
    const NAME: &'static str = "ledger";

    fn apply(&mut self, event: LedgerEvent, recorded: &Event) -> Applied {
        self.events += 1;
        match event {
            LedgerEvent::Added { amount } => self.sum += amount,
            LedgerEvent::Moved(amount, times) => self.sum -= amount * i64::from(times),
            LedgerEvent::Cleared => self.sum = 0,
            LedgerEvent::Noted(note) => {
                self.notes.push(note.clone());
                match &*note {
                    REFUSED => return Err("this note fits nowhere".into()),
                    PANICS => panic!("this note is too much"),
                    _ => {}
                }
            }
        }
        let stamps = recorded.position().get() << 20 ^ recorded.version().get();
        let stamp = u64::try_from(recorded.recorded_at().as_micros()).unwrap();
        self.trace = (self.trace ^ stamps ^ stamp).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        Ok(())
    }
}

/// The state of a stream by the plainest fold there is.
///
/// # Panics
/// Where an event cannot be read or applied.
#[must_use]
pub fn plain_fold(reader: &dyn EventReader, stream: &str, payloads: &Payloads) -> Ledger {
    let mut ledger = Ledger::default();
    for event in reader.read(Read::stream(stream)) {
        let event = event.unwrap();
        ledger.apply(payloads.decode(&event).unwrap(), &event).unwrap();
    }
    ledger
}
