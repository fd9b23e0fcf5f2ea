//! What is wrong with a log: where, how much, and which events it concerns.

use std::fmt;

use annals_types::{Position, Version};

/// A place in the log whose bytes are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file, inside the store's folder.
    pub segment: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are unreadable or suspect.
    pub bytes: u64,
    /// The first and last event that cannot be read; `None` where no event is concerned, or where
    /// it cannot be known.
    pub positions: Option<(Position, Position)>,
    /// The stream of the events that cannot be read and the version of the first, where the header
    /// of their commit still tells and they are all of one stream.
    pub stream: Option<(String, Version)>,
    /// The streams that may have lost events here, as far as that is known: by the header of the
    /// commit, or by the index.
    pub streams: Vec<String>,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {} ({} bytes): {}",
            self.segment, self.offset, self.bytes, self.what
        )?;
        match self.positions {
            Some((first, last)) if first == last => write!(f, "; event {first} is not readable"),
            Some((first, last)) => write!(f, "; events {first} to {last} are not readable"),
            None => Ok(()),
        }?;
        if let Some((stream, version)) = &self.stream {
            return write!(f, " (stream {stream}, from version {version})");
        }
        let Some((first, others)) = self.streams.split_first() else { return Ok(()) };
        write!(f, " (streams {first}")?;
        others.iter().take(STREAMS_SHOWN - 1).try_for_each(|stream| write!(f, ", {stream}"))?;
        match self.streams.len().saturating_sub(STREAMS_SHOWN) {
            0 => write!(f, ")"),
            more => write!(f, " and {more} more)"),
        }
    }
}

/// So many are told of in words.
const STREAMS_SHOWN: usize = 8;

/// What a crash left half written at the end of the log. Nothing in it was ever acknowledged as
/// durable; the next opening for writing cuts it off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file, inside the store's folder.
    pub segment: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {}: {} bytes of an append that a crash interrupted; \
             the next opening for writing cuts them off",
            self.segment, self.offset, self.bytes
        )
    }
}
