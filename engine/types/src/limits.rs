//! Every limit of what can be appended, and the checks against them.

use thiserror::Error;

use crate::NewEvent;

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
/// Largest commit: data, metadata, names, types and tags of all its events, in bytes (64 MiB).
pub const COMMIT_BYTES_MAX: usize = 64 << 20;

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

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty { what });
    }
    check_size(what, text.len(), max, "bytes")?;
    // ASCII without control characters or a blank at an end is the common case and needs no decoding.
    let plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte))
        && !text.starts_with(' ')
        && !text.ends_with(' ');
    if !plain && (text.chars().any(char::is_control) || text.trim() != text) {
        return Err(Invalid::Characters { what, text: shorten(text) });
    }
    Ok(())
}

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
pub fn check_stream_name(name: &str) -> Result<(), Invalid> {
    check_text("stream name", name, STREAM_NAME_BYTES_MAX)
}

/// Checks one event against the limits.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_event(event: &NewEvent) -> Result<(), Invalid> {
    check_text("event type", &event.event_type, EVENT_TYPE_BYTES_MAX)?;
    check_size("event's data", event.data.len(), DATA_BYTES_MAX, "bytes")?;
    check_size("event's metadata", event.metadata.len(), METADATA_BYTES_MAX, "bytes")?;
    check_size("event", event.tags.len(), TAGS_PER_EVENT_MAX, "tags")?;
    for tag in &event.tags {
        check_text("tag", tag, TAG_BYTES_MAX)?;
    }
    Ok(())
}

/// Checks a commit of `events` to the stream `name`.
///
/// # Errors
/// The first thing that is wrong with it, with the event's number.
pub fn check_commit(name: &str, events: &[NewEvent]) -> Result<(), Invalid> {
    check_stream_name(name)?;
    if events.is_empty() {
        return Err(Invalid::NoEvents);
    }
    check_size("commit", events.len(), EVENTS_PER_COMMIT_MAX, "events")?;
    let mut bytes = name.len();
    for (index, event) in events.iter().enumerate() {
        check_event(event)
            .map_err(|cause| Invalid::Event { index: index + 1, cause: Box::new(cause) })?;
        let tags: usize = event.tags.iter().map(|tag| tag.len()).sum();
        bytes += event.event_type.len() + event.data.len() + event.metadata.len() + tags;
    }
    check_size("commit", bytes, COMMIT_BYTES_MAX, "bytes")
}
