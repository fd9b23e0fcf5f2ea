//! How many events there are of each kind.

use std::collections::BTreeMap;

use annals_types::category;
use serde::{Deserialize, Serialize};

use crate::{Applied, Event, Projection};

/// A count of events by what `$key` says of each.
macro_rules! counts {
    ($(#[$doc:meta])* $fold:ident, $name:literal, $event:ident => $key:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $fold(BTreeMap<String, u64>);

        impl $fold {
            /// How many events there are of this one.
            #[must_use]
            pub fn of(&self, key: &str) -> u64 {
                self.0.get(key).copied().unwrap_or(0)
            }

            /// All that have an event, in the order of their names.
            pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
                self.0.iter().map(|(key, events)| (key.as_str(), *events))
            }
        }

        impl Projection for $fold {
            const NAME: &'static str = $name;

            fn apply(&mut self, $event: &Event) -> Applied {
                count(&mut self.0, $key);
                Ok(())
            }
        }
    };
}

counts! {
    /// Events by type.
    ByType, "annals.by-type", event => event.event_type()
}

counts! {
    /// Events by stream: as large as the store has streams, and soon too large to be kept.
    ByStream, "annals.by-stream", event => event.stream()
}

counts! {
    /// Events by category (see [`category`](crate::category)).
    ByCategory, "annals.by-category", event => category(event.stream())
}

counts! {
    /// Events by the day on which they were recorded, in UTC, such as `2026-03-03`.
    ByDay, "annals.by-day", event => day(&event.recorded_at().to_string())
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    // Most keys are there already, and need no text of their own.
    match counts.get_mut(key) {
        Some(events) => *events += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

/// The day of a moment in RFC 3339.
fn day(moment: &str) -> &str {
    moment.split_once('T').map_or(moment, |(day, _)| day)
}
