//! What an engine does to be measured beside others.

use std::path::Path;

use annals::{Durability, NewEvent};

/// An engine with a store open.
///
/// What a row asks for and an engine cannot do is named in [`Kind::cannot`], and not called.
pub trait Engine: Send + Sync {
    /// Appends one commit; panics where the stream is at another version. When it returns, the
    /// commit has survived what [`Settings::durability`] says.
    fn append(&self, append: Append<'_>);

    /// Appends all of these as commits of their own from this one thread, so many on their way at
    /// once; when it returns, all are durable.
    fn pipeline(&self, _: &mut dyn Iterator<Item = Append<'_>>, _in_flight: usize) {
        unreachable!("it cannot")
    }

    /// Appends all of these, as fast as the engine can; not measured.
    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        appends.for_each(|append| self.append(append));
    }

    /// Does what an expert does behind a load and before reads.
    fn settle(&self) {}

    /// Gives the events of a stream from a version on, oldest first.
    fn stream(&self, name: &str, from: u64, each: Each<'_>);

    /// Gives the last event of a stream.
    fn last(&self, name: &str, each: Each<'_>);

    /// Gives all events in the order in which they were appended.
    fn scan(&self, _: Each<'_>) {
        unreachable!("it cannot")
    }

    /// Where the newest event lies in the order of all.
    fn position(&self) -> u64 {
        unreachable!("it cannot")
    }

    /// Gives the events that match, oldest first.
    fn query(&self, _: &Terms<'_>, _: Each<'_>) {
        unreachable!("it cannot")
    }

    /// As [`Engine::append`]; panics where an event behind the position `after` matches.
    fn append_if(&self, _: Append<'_>, _: &Terms<'_>, _after: u64) {
        unreachable!("it cannot")
    }

    /// Closes the store as one does at the end of a process.
    fn close(self: Box<Self>) {}
}

/// One commit: these events to this stream, which is at this version.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The stream.
    pub stream: &'a str,
    /// Its version before.
    pub version: u64,
    /// The events.
    pub events: &'a [NewEvent],
}

/// What rows look at of an event that was read.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its number in its stream.
    pub version: u64,
    /// Its type.
    pub event_type: &'a [u8],
    /// Its metadata.
    pub metadata: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
}

/// What takes the events that are read.
pub type Each<'a> = &'a mut dyn FnMut(Seen<'_>);

/// What an event must have: the type, if any is named, and all of the tags.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The type.
    pub event_type: Option<&'a str>,
    /// The tags.
    pub tags: &'a [&'a str],
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What an append has survived when it returns: the death of the process, or power loss.
    pub durability: Durability,
    /// How many appends are on their way at once, for engines that are tuned to it.
    pub in_flight: usize,
    /// Whether events are found by type and tag, for engines whose schema depends on it.
    pub tagged: bool,
}

impl Settings {
    /// For a load: without waiting for syncs, as many appends on their way as an engine likes.
    pub const LOAD: Self = Self { durability: Durability::Buffered, in_flight: 512, tagged: false };

    /// Without types and tags, one append at a time.
    #[must_use]
    pub const fn new(durability: Durability) -> Self {
        Self { durability, in_flight: 1, tagged: false }
    }
}

/// An engine that can be opened.
#[derive(Clone, Copy)]
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    /// Opens the store in a folder, which is made where there is none.
    pub open: fn(&Path, &Settings) -> Box<dyn Engine>,
    /// What it cannot do, and why.
    pub cannot: &'static [(Task, &'static str)],
}

/// What not every engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Appends that wait for no sync.
    Buffered,
    /// Appends from one thread that share syncs.
    Pipeline,
    /// Keeping every buffered append through a kill.
    Kill,
    /// Telling what was there at a moment.
    Moments,
    /// Reading all events in the order of their appends.
    Scan,
    /// Finding events by type and tag, and appending under a condition on them.
    Tags,
}

impl Kind {
    /// Why it cannot do this, if so.
    #[must_use]
    pub fn why_not(&self, task: Task) -> Option<&'static str> {
        self.cannot.iter().find(|(cannot, _)| *cannot == task).map(|(_, why)| *why)
    }
}
