//! Every limit of what can be appended, and the checks against them.

use thiserror::Error;

use crate::{Commit, NewEvent, NewState, Place, StateRole, Version, category};

/// Longest stream name, in bytes of UTF-8.
pub const STREAM_NAME_BYTES_MAX: usize = 512;
/// Longest event type, in bytes of UTF-8.
pub const EVENT_TYPE_BYTES_MAX: usize = 256;
/// Longest tag, in bytes of UTF-8.
pub const TAG_BYTES_MAX: usize = 256;
/// Most tags of one event.
pub const TAGS_PER_EVENT_MAX: usize = 128;
/// Largest data of one event, in bytes (16 MiB).
pub const DATA_BYTES_MAX: usize = 16 << 20;
/// Largest metadata of one event, in bytes (1 MiB).
pub const METADATA_BYTES_MAX: usize = 1 << 20;
/// Most events of one commit.
pub const EVENTS_PER_COMMIT_MAX: usize = 65_536;
/// Most streams that one commit writes or expects something of.
pub const STREAMS_PER_COMMIT_MAX: usize = 100;
/// Most append conditions of one commit.
pub const CONDITIONS_PER_COMMIT_MAX: usize = 64;
/// Most categories, types, tags and ids that one query names.
pub const QUERY_TERMS_MAX: usize = 1_024;
/// Largest commit: data, metadata, names, types and tags of all its events, in bytes (64 MiB).
pub const COMMIT_BYTES_MAX: usize = 64 << 20;
/// Largest state that is kept in the log: a snapshot, or a projection, in bytes (16 MiB).
pub const STATE_BYTES_MAX: usize = 16 << 20;
/// Longest name of an aggregate or a projection, in bytes of UTF-8.
pub const FOLD_NAME_BYTES_MAX: usize = 256;
/// Most kept states that one takes the place of.
pub const SUPERSEDED_MAX: usize = 1_024;

const _: () = {
    assert!(STREAM_NAME_BYTES_MAX <= u16::MAX as usize);
    assert!(DATA_BYTES_MAX + METADATA_BYTES_MAX < COMMIT_BYTES_MAX);
    assert!(COMMIT_BYTES_MAX < u32::MAX as usize / 8);
};

/// An argument that the store does not take, with the way out in its text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// A text that must not be empty is.
    #[error("the {what} is empty: give it at least one character")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// A text has a control character or, at an end, white space.
    #[error("the {what} {text:?} has a control character or white space at an end: remove it")]
    Characters {
        /// Which text.
        what: &'static str,
        /// The text, shortened.
        text: String,
    },
    /// Something is larger than its limit.
    #[error("the {what} has {actual} {unit}, more than the {max} allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        max: usize,
        /// The unit of both.
        unit: &'static str,
    },
    /// One event of several is at fault.
    #[error("event {index} of the commit: {cause}")]
    Event {
        /// Which, counted from 1.
        index: usize,
        /// Why.
        cause: Box<Invalid>,
    },
    /// A query that names nothing, or has an item that does.
    #[error(
        "the query, or an item of it, has nothing in it: name a category, a type, a tag or an id, \
         or ask for all events"
    )]
    EmptyQuery,
    /// An append without events.
    #[error("a commit needs at least one event")]
    NoEvents,
    /// Two events of one commit have the same id.
    #[error("two events of the commit have the id {0}: give each its own")]
    SameId(crate::EventId),
    /// A text that is no moment.
    #[error(
        "{0:?} is no moment: write it as in 2026-03-03T12:00:00Z or with an offset such as +01:00"
    )]
    Time(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Invalid {
    pub(crate) fn time(text: &str) -> Self {
        Self::Time(shorten(text))
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[inline]
fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.len() <= max && is_plain(text.as_bytes()) {
        return Ok(());
    }
    check_odd_text(what, text, max)
}

/// The same for a text that is not plain.
#[cold]
fn check_odd_text(what: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty { what });
    }
    check_size(what, text.len(), max, "bytes")?;
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(Invalid::Characters { what, text: shorten(text) });
    }
    Ok(())
}

/// Whether it is ASCII without control characters, or a blank at an end: the common case, which
/// needs no decoding. Every append asks it of each of its names, so eight bytes are looked at at once.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let ([first, ..], [.., last]) = (text, text) else { return false };
    let (words, rest) = text.as_chunks::<8>();
    let mut odd = words.iter().fold(0, |odd, &word| odd | odd_bytes(word));
    match text.last_chunk() {
        Some(&last) => odd |= odd_bytes(last),
        None => odd |= rest.iter().fold(0, |odd, &byte| odd | odd_bytes([byte; 8])),
    }
    odd == 0 && *first != b' ' && *last != b' '
}

/// Not 0 where one of them is not between a blank and a tilde. Only behind such a byte is anything
/// carried into the next.
#[inline]
fn odd_bytes(bytes: [u8; 8]) -> u64 {
    const TOP_BITS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let below = word.wrapping_sub(u64::from_le_bytes([b' '; 8]));
    let above = word.wrapping_add(u64::from_le_bytes([1; 8]));
    (word | below | above) & TOP_BITS
}

#[inline]
fn check_size(
    what: &'static str,
    actual: usize,
    max: usize,
    unit: &'static str,
) -> Result<(), Invalid> {
    if actual > max {
        return Err(Invalid::TooLarge { what, actual, max, unit });
    }
    Ok(())
}

/// Checks a stream's name: 1 to [`STREAM_NAME_BYTES_MAX`] bytes, no control characters, no white
/// space at an end.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn check_stream_name(name: &str) -> Result<(), Invalid> {
    check_text("stream name", name, STREAM_NAME_BYTES_MAX)
}

/// Checks the name of a projection: its length, and that it has no control characters and no white
/// space at an end.
///
/// # Errors
/// What is wrong with it.
pub fn check_projection_name(name: &str) -> Result<(), Invalid> {
    check_text("projection name", name, FOLD_NAME_BYTES_MAX)
}

/// Checks a state that is to be kept.
///
/// # Errors
/// What is wrong with it.
pub fn check_state(state: &NewState, superseded: &[Place]) -> Result<(), Invalid> {
    match state.key.role {
        StateRole::Snapshot => {
            check_stream_name(&state.key.name)?;
            check_text("aggregate name", &state.key.fold, FOLD_NAME_BYTES_MAX)?;
        }
        StateRole::Projection => {
            check_projection_name(&state.key.name)?;
            if !state.key.fold.is_empty() {
                let message = "only a snapshot says what folded it".to_owned();
                return Err(Invalid::Other(message));
            }
        }
    }
    if superseded.iter().any(|place| place.k == 0) || !superseded.is_sorted() {
        let message = "the states that one takes the place of are control records, in order";
        return Err(Invalid::Other(message.to_owned()));
    }
    if (state.key.role == StateRole::Snapshot) == (state.version == Version::NONE) {
        let message = "a snapshot has a version, a projection none".to_owned();
        return Err(Invalid::Other(message));
    }
    check_size("kept state", state.data.len(), STATE_BYTES_MAX, "bytes")?;
    check_size("kept state", superseded.len(), SUPERSEDED_MAX, "states that it takes the place of")
}

#[inline]
pub(crate) fn check_event_type(event_type: &str) -> Result<(), Invalid> {
    check_text("event type", event_type, EVENT_TYPE_BYTES_MAX)
}

pub(crate) fn check_tag(tag: &str) -> Result<(), Invalid> {
    check_text("tag", tag, TAG_BYTES_MAX)
}

/// A category is empty where stream names begin with `-`.
pub(crate) fn check_category(name: &str) -> Result<(), Invalid> {
    check_size("category", name.len(), STREAM_NAME_BYTES_MAX, "bytes")?;
    if category(name) != name {
        let message = format!(
            "no stream has the category {:?}: a category ends before the first -",
            shorten(name)
        );
        return Err(Invalid::Other(message));
    }
    Ok(())
}

pub(crate) fn check_query_terms(terms: usize) -> Result<(), Invalid> {
    check_size("query", terms, QUERY_TERMS_MAX, "terms")
}

/// Checks one event against the limits.
///
/// # Errors
/// The first thing that is wrong with it.
#[inline]
pub fn check_event(event: &NewEvent) -> Result<(), Invalid> {
    check_event_type(&event.event_type)?;
    check_size("event's data", event.data.len(), DATA_BYTES_MAX, "bytes")?;
    check_size("event's metadata", event.metadata.len(), METADATA_BYTES_MAX, "bytes")?;
    check_size("event", event.tags.len(), TAGS_PER_EVENT_MAX, "tags")?;
    event.tags.iter().try_for_each(|tag| check_tag(tag))
}

/// Checks a commit.
///
/// # Errors
/// The first thing that is wrong with it, with the event's number.
pub fn check_commit(commit: &Commit<'_>) -> Result<(), Invalid> {
    for (stream, _) in commit.expectations() {
        check_stream_name(stream)?;
    }
    check_size("commit", count_streams(commit), STREAMS_PER_COMMIT_MAX, "streams")?;
    check_size("commit", commit.conditions().len(), CONDITIONS_PER_COMMIT_MAX, "conditions")?;
    for condition in commit.conditions() {
        condition.query.check()?;
    }
    check_events(commit)
}

/// How many streams it writes or expects something of.
fn count_streams(commit: &Commit<'_>) -> usize {
    let expectations = commit.expectations();
    if expectations.len() <= STREAMS_PER_COMMIT_MAX {
        return expectations.len();
    }
    let names: std::collections::BTreeSet<_> = expectations.iter().map(|(name, _)| name).collect();
    names.len()
}

fn check_events(commit: &Commit<'_>) -> Result<(), Invalid> {
    let mut count = 0;
    for part in commit.parts() {
        // It would be an expectation in disguise.
        if part.events.is_empty() {
            return Err(Invalid::NoEvents);
        }
        count += part.events.len();
    }
    if count == 0 {
        return Err(Invalid::NoEvents);
    }
    check_size("commit", count, EVENTS_PER_COMMIT_MAX, "events")?;
    let (mut bytes, mut index, mut ids) = (0, 0, false);
    for part in commit.parts() {
        bytes += part.stream.len();
        for event in part.events.iter() {
            index += 1;
            if let Err(cause) = check_event(event) {
                return Err(Invalid::Event { index, cause: Box::new(cause) });
            }
            bytes += event.event_type.len() + event.data.len() + event.metadata.len();
            bytes += event.tags.iter().map(|tag| tag.len()).sum::<usize>();
            ids |= event.id.is_some();
        }
    }
    check_size("commit", bytes, COMMIT_BYTES_MAX, "bytes")?;
    if ids { check_ids(commit) } else { Ok(()) }
}

fn check_ids(commit: &Commit<'_>) -> Result<(), Invalid> {
    let mut ids: Vec<_> = commit.ids().collect();
    ids.sort_unstable();
    match ids.array_windows().find(|[first, second]| first == second) {
        Some([id, _]) => Err(Invalid::SameId(*id)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_wherever_it_stands() {
        for length in 1..=20 {
            for at in 0..length {
                for odd in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[at] = odd;
                    let blank_at_end = odd == b' ' && (at == 0 || at + 1 == length);
                    let plain = (b' '..0x7f).contains(&odd) && !blank_at_end;
                    assert_eq!(is_plain(&text), plain, "{text:?}");
                }
            }
        }
        assert!(!is_plain(b""));
    }
}
