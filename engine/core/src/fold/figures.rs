//! Figures about events.

use annals_types::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Applied, Event, Projection};

/// How many events there are, how large they are, the first and the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Events.
    pub events: u64,
    /// Streams whose first event is among them.
    pub streams: u64,
    /// Bytes of all data, without metadata and names.
    pub data_bytes: u64,
    /// The smallest data of an event, in bytes; 0 where there is none.
    pub data_bytes_min: u64,
    /// The largest data of an event, in bytes.
    pub data_bytes_max: u64,
    /// The first event.
    pub first: Option<Seen>,
    /// The last event.
    pub last: Option<Seen>,
}

/// Where and when an event was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    position: u64,
    recorded_at_micros: i64,
}

impl Figures {
    /// The mean of the data's sizes, in bytes, rounded down; `None` where there are no events.
    #[must_use]
    pub fn data_bytes_mean(&self) -> Option<u64> {
        self.data_bytes.checked_div(self.events)
    }
}

impl Projection for Figures {
    const NAME: &'static str = "annals.figures";

    fn apply(&mut self, event: &Event) -> Applied {
        let (bytes, seen) = (event.data().len() as u64, Seen::of(event));
        self.data_bytes_min = if self.events == 0 { bytes } else { self.data_bytes_min.min(bytes) };
        self.data_bytes_max = self.data_bytes_max.max(bytes);
        self.data_bytes = self.data_bytes.saturating_add(bytes);
        self.events += 1;
        self.streams += u64::from(event.version().get() == 1);
        self.first.get_or_insert(seen);
        self.last = Some(seen);
        Ok(())
    }
}

impl Seen {
    fn of(event: &Event) -> Self {
        let recorded_at_micros = event.recorded_at().as_micros();
        Self { position: event.position().get(), recorded_at_micros }
    }

    /// Its position.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::new(self.position)
    }

    /// Its stamp.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp::from_micros(self.recorded_at_micros)
    }
}
