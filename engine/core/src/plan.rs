//! How a query is answered: from the postings of the index, or by reading all events of the range,
//! whichever is likely to be cheaper.

use std::fmt;

use annals_index::{Index, Result};
use annals_types::{Position, Query};

use crate::lookup::{self, Lookup, LookupItem};

/// Where at least one event of so many matches, reading all of them is cheaper than reading those
/// alone: an event read by its position costs about as much as eight in a row.
pub(crate) const DENSE: u64 = 8;

/// How a read will be answered, and why; see [`View::explain`](crate::View::explain).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The first position that is looked at.
    pub from: Position,
    /// The last.
    pub to: Position,
    /// How the events are found.
    pub access: Access,
    /// About how many events match.
    pub matches: u64,
    /// The lists of the index that the query names, and about how long each is in the range.
    pub postings: Vec<(String, u64)>,
}

/// How events are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Every event of the range is read.
    Scan,
    /// The events of one stream are read.
    Stream,
    /// The events that the postings name are read, each by its position, or, where they stand close
    /// together, in a row.
    Postings,
    /// Nothing is read: the range is empty.
    Nothing,
}

impl Plan {
    /// A reading of `events` without a query.
    pub(crate) fn plain(access: Access, from: Position, to: Position, matches: u64) -> Self {
        Self { from, to, access, matches, postings: Vec::new() }
    }

    /// Decides for a query on all events between `from` and `to`, of which at most `limit` are
    /// wanted. `whole`: the index knows of every event.
    pub(crate) fn of(
        index: &dyn Index,
        query: &Query,
        lookup: &Lookup,
        (from, to): (Position, Position),
        limit: u64,
        whole: bool,
    ) -> Result<Self> {
        let span = to.get().saturating_sub(from.get()).saturating_add(1);
        if lookup.is_all() {
            return Ok(Self::plain(Access::Scan, from, to, span.min(limit)));
        }
        let mut postings: Vec<(String, u64)> = Vec::new();
        let (mut expected, mut single) = (0.0, true);
        for (named, item) in query.items().iter().zip(lookup.items()) {
            let lists = item.terms().map(|term| index.estimate(term, from, to));
            let lists = lists.collect::<Result<Vec<u64>>>()?;
            expected += expected_of(item, &lists, span);
            single &= lists.len() == 1;
            for listed in lookup::names(named).zip(lists) {
                if !postings.contains(&listed) {
                    postings.push(listed);
                }
            }
        }
        let matches = as_u64(expected).min(span);
        // How often lists meet nobody knows before; where it turns out to be often, a reading by
        // postings goes over to the events in a row by itself.
        let dense = single && matches >= span / DENSE;
        // Over damage the index does not know what the lost events said: a scan meets them.
        let access = if whole && !dense { Access::Postings } else { Access::Scan };
        Ok(Self { from, to, access, matches: matches.min(limit), postings })
    }
}

/// How many events match an item whose lists have these lengths, were they independent of each
/// other.
fn expected_of(item: &LookupItem, lists: &[u64], span: u64) -> f64 {
    let (every, one_of) = lists.split_at_checked(item.every.len()).unwrap_or((lists, &[]));
    let one_of: u64 = one_of.iter().sum();
    let types = (!item.one_of.is_empty()).then_some(one_of.min(span));
    let mut all = every.iter().copied().chain(types);
    let first = as_f64(all.next().unwrap_or_default());
    all.fold(first, |expected, events| expected * as_f64(events) / as_f64(span))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(events: u64) -> f64 {
    events as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, never negative; the cast saturates"
)]
fn as_u64(events: f64) -> u64 {
    // Never none where there may be one.
    events.round().max(f64::from(u8::from(events > 0.0))) as u64
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.access {
            Access::Nothing => return f.write_str("nothing to read: the range is empty"),
            Access::Scan => write!(f, "scan of positions {} to {}", self.from, self.to)?,
            Access::Stream => write!(f, "one stream, positions {} to {}", self.from, self.to)?,
            Access::Postings => {
                write!(f, "postings between positions {} and {}", self.from, self.to)?;
            }
        }
        write!(f, "; about {} events match", self.matches)?;
        for (name, events) in &self.postings {
            write!(f, "\n  {name}: about {events} events")?;
        }
        Ok(())
    }
}
