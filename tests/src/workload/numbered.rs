//! Commits that follow from a number: one process writes them, another checks them, and tries them
//! again where it never heard how they went.

use annals::{Commit, ExpectedVersion, NewEvent, Position, QueryItem, Version};

use super::seeded;

/// What a thread of the writing process knows of its own commits.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The version of its own stream.
    pub version: Version,
    /// Behind this position there is no event of it.
    pub position: Position,
}

/// The stream that only this thread writes to.
#[must_use]
pub fn own_stream(thread: u64) -> String {
    format!("own-{thread}")
}

fn tag(thread: u64) -> String {
    format!("writer:{thread}")
}

fn kind(number: u64) -> u64 {
    number / 10 % 6
}

/// The streams of the commit with this number, and what it appends to them: one to five events, each
/// with a mark ([`seeded::mark`]). Every third commit has ids on all of them, others on some or none.
#[must_use]
pub fn parts(number: u64, thread: u64) -> Vec<(String, Vec<NewEvent>)> {
    let count = 1 + number / 10 % 5;
    let marked = seeded::marked(number, count).into_iter().zip(number..);
    let mut events: Vec<NewEvent> = marked
        .map(|(event, seed)| {
            let event = event.tag(tag(thread));
            if kind(number) < 4 { event } else { event.id(seeded::id(seed)) }
        })
        .collect();
    let own = own_stream(thread);
    match kind(number) {
        0 | 4 => vec![("shared-1".to_owned(), events)],
        2 | 5 if events.len() > 1 => {
            let others = events.split_off(events.len() / 2);
            vec![(own, events), ("shared-2".to_owned(), others)]
        }
        _ => vec![(own, events)],
    }
}

/// The commit itself. With what its thread knows it expects versions, or that nobody else wrote;
/// without, it takes the store as it is.
#[must_use]
pub fn commit(number: u64, thread: u64, known: Option<Known>) -> Commit<'static> {
    let own = own_stream(thread);
    let mut commit = Commit::new();
    for (stream, events) in parts(number, thread) {
        let expected = known.filter(|_| stream == own && kind(number) != 3);
        let expected = expected.map_or(ExpectedVersion::Any, |known| known.version.into());
        commit = commit.append(stream, expected, events);
    }
    match known {
        Some(known) if kind(number) == 3 => {
            commit = commit.fail_if(QueryItem::new().tag(tag(thread)), known.position);
        }
        _ => {}
    }
    if (number / 10).is_multiple_of(7) { commit.durable() } else { commit }
}

/// Whether trying the commit again gives the first receipt instead of a second copy.
#[must_use]
pub fn has_id(number: u64, thread: u64) -> bool {
    parts(number, thread).iter().any(|(_, events)| events.iter().any(|event| event.id.is_some()))
}
