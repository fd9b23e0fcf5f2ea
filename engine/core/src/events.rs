//! Reading events, lazily.

use annals_log::{EventCursor, LogError, Scan, ScanBack};
use annals_types::{Invalid, Position, Query, Read, Version, limits};

use crate::candidates::Candidates;
use crate::error::{Error, ErrorKind, Result};
use crate::lookup::Lookup;
use crate::plan::{Access, Plan};
use crate::posted::PostedEvents;
use crate::{Damage, Event, View};

/// Positions of a stream taken from the index at once.
const PAGE: usize = 256;

/// The events that a [`Read`] names.
///
/// Damage gives an error of the kind [`Damaged`](crate::ErrorKind::Damaged) that names the place,
/// and the iteration goes on behind it; any other error ends it.
pub struct Events {
    /// How many events may still be given.
    left: u64,
    /// What the events found must match as well.
    filter: Option<Query>,
    state: State,
}

enum State {
    /// Nothing was read yet.
    Start(Box<(View, Read)>),
    Forward(Box<Scan>),
    Backward(Box<ScanBack>),
    Stream(Box<StreamEvents>),
    Postings(Box<PostedEvents>),
    /// Those of another store than this crate's.
    Other(Box<dyn Iterator<Item = Result<Event>> + Send>),
    Ended,
}

impl Events {
    pub(crate) fn new(view: View, read: Read) -> Self {
        let left = read.limit.unwrap_or(u64::MAX);
        Self { left, filter: None, state: State::Start(Box::new((view, read))) }
    }

    /// Events from elsewhere, for other implementations of [`EventReader`](crate::EventReader).
    #[must_use]
    pub fn from_other(events: impl Iterator<Item = Result<Event>> + Send + 'static) -> Self {
        Self { left: u64::MAX, filter: None, state: State::Other(Box::new(events)) }
    }

    fn start(&mut self, view: &View, read: &Read) -> Result<()> {
        let plan = plan(view, read)?;
        let (from, to) = (plan.from, plan.to);
        let reader = &view.source.reader;
        self.filter.clone_from(&read.query);
        self.state = match (plan.access, &read.stream, &read.query) {
            (Access::Nothing, ..) => State::Ended,
            (Access::Stream, Some(stream), _) => {
                let events = StreamEvents::new(view, stream.clone(), read, from, to)?;
                State::Stream(Box::new(events))
            }
            (Access::Postings, _, Some(query)) => {
                let lookup = Lookup::new(&view.source.terms, query);
                let candidates = Candidates::new(&lookup, from, to, read.backward);
                let events = PostedEvents::new(view, candidates, read.backward);
                State::Postings(Box::new(events))
            }
            _ if read.backward => State::Backward(Box::new(reader.scan_back(to, from))),
            _ => State::Forward(Box::new(reader.scan(from, to))),
        };
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        let mut event = self.next_whole();
        if event.is_none() {
            event = self.look_closer();
        }
        event
    }
}

impl Events {
    /// The next event, where that is known and whole, and nothing else is asked of it.
    #[inline(always)]
    fn next_whole(&mut self) -> Option<Result<Event>> {
        if self.left == 0 || self.filter.is_some() {
            return None;
        }
        let event = match &mut self.state {
            State::Forward(scan) => scan.next_whole(),
            State::Stream(events) => events.next_whole(),
            _ => None,
        };
        self.left -= u64::from(event.is_some());
        event
    }

    /// The same, whatever comes next.
    #[inline(never)]
    fn look_closer(&mut self) -> Option<Result<Event>> {
        let error = loop {
            let next = match &mut self.state {
                // Before the limit is looked at: a wrong argument is told of in any case.
                State::Start(_) => {
                    let started = std::mem::replace(&mut self.state, State::Ended);
                    let State::Start(started) = started else { return None };
                    match self.start(&started.0, &started.1) {
                        Ok(()) => continue,
                        Err(error) => break error,
                    }
                }
                _ if self.left == 0 => return None,
                State::Forward(scan) => scan.next()?.map_err(Error::from),
                State::Backward(scan) => scan.next()?.map_err(Error::from),
                State::Stream(events) => events.next()?,
                State::Postings(events) => events.next()?,
                State::Other(events) => events.next()?,
                State::Ended => return None,
            };
            match next {
                Ok(event) if self.filter.as_ref().is_none_or(|query| query.matches(&event)) => {
                    self.left -= 1;
                    return Some(Ok(event));
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        if error.damage().is_none() {
            self.state = State::Ended;
        }
        Some(Err(error))
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The events of a stream up to this version. What lies behind it, perhaps damaged, is not looked at.
pub(crate) fn up_to(
    version: Version,
    mut events: impl Iterator<Item = Result<Event>>,
) -> impl Iterator<Item = Result<Event>> {
    let mut is_reached = version == Version::NONE;
    std::iter::from_fn(move || {
        if is_reached {
            return None;
        }
        let next = events.next()?;
        let found = next.as_ref().map_or(Version::NONE, Event::version);
        is_reached = found >= version;
        (found <= version).then_some(next)
    })
}

/// Resolves the bounds of `read` to a range of positions, and decides how to find its events there.
pub(crate) fn plan(view: &View, read: &Read) -> Result<Plan> {
    match &read.stream {
        Some(stream) => limits::check_stream_name(stream)?,
        None if read.from_version.is_some() => {
            let message = "a version is an event's number in its stream: \
                           read a stream from it, or all events from a position";
            return Err(Invalid::Other(message.to_owned()).into());
        }
        None => {}
    }
    if let Some(query) = &read.query {
        query.check()?;
    }
    let source = &view.source;
    let mut from = read.from.max(Position::new(1));
    let mut to = view.position;
    if let Some(checkpoint) = read.checkpoint {
        source.check(checkpoint)?;
        from = from.max(checkpoint.position.plus(1));
    }
    if let Some(since) = read.since {
        from = from.max(source.reader.first_since(since, view.position)?);
    }
    if let Some(until) = read.until {
        to = to.min(source.reader.first_since(until, view.position)?.minus(1));
    }
    let limit = read.limit.unwrap_or(u64::MAX);
    if from > to || limit == 0 {
        return Ok(Plan::plain(Access::Nothing, from, to, 0));
    }
    Ok(match (&read.stream, &read.query) {
        (Some(stream), _) => {
            let head = source.index.head(stream, from.minus(1), to)?;
            let access = if head.is_some() { Access::Stream } else { Access::Nothing };
            let low = read.from_version.unwrap_or_default().get().max(1);
            let matches = head.map_or(0, |head| head.version.plus(1).get().saturating_sub(low));
            Plan::plain(access, from, to, matches.min(limit))
        }
        (None, Some(query)) => {
            let lookup = Lookup::new(&source.terms, query);
            Plan::of(&*source.index, query, &lookup, (from, to), limit, source.whole)?
        }
        (None, None) => {
            let events = to.get().saturating_sub(from.get()).saturating_add(1);
            Plan::plain(Access::Scan, from, to, events.min(limit))
        }
    })
}

/// The events of one stream in a range of versions and positions.
struct StreamEvents {
    view: View,
    stream: String,
    backward: bool,
    /// The range of positions, both included.
    from: Position,
    to: Position,
    /// The range of versions not read yet, both included; empty where they cross.
    low: Version,
    high: Version,
    /// Positions from the index, the next one last.
    page: Vec<Position>,
    cursor: EventCursor,
    /// An event that comes behind the damage just told of.
    held: Option<Event>,
    /// Where the event given last stood, or the reading began.
    at: Position,
}

impl StreamEvents {
    fn new(view: &View, stream: String, read: &Read, from: Position, to: Position) -> Result<Self> {
        let index = &view.source.index;
        let version_at = |position| -> Result<Version> {
            let head = index.head(&stream, Position::START, position)?;
            Ok(head.map(|head| head.version).unwrap_or_default())
        };
        let before =
            if from == Position::new(1) { Version::NONE } else { version_at(from.minus(1))? };
        let low = before.plus(1).max(read.from_version.unwrap_or_default());
        let high = version_at(to)?;
        Ok(Self {
            backward: read.backward,
            at: if read.backward { to } else { from },
            from,
            to,
            low,
            high,
            page: Vec::new(),
            cursor: view.source.reader.events(),
            view: view.clone(),
            stream,
            held: None,
        })
    }

    /// The next event, where its position is known and it is whole and has the version that is next.
    /// `None` where [`StreamEvents::next`] has to take a closer look.
    #[inline]
    fn next_whole(&mut self) -> Option<Result<Event>> {
        let is_ready = self.held.is_none() && self.low <= self.high;
        let &position = self.page.last().filter(|&&position| is_ready && position >= self.from)?;
        let version = if self.backward { self.high } else { self.low };
        let event = self.cursor.get_whole(position);
        if let Some(Ok(found)) = &event
            && found.version() == version
        {
            self.page.pop();
            self.cursor.step(self.page.iter().rev().copied());
            self.at = position;
            self.pass(Some(version));
            return event;
        }
        None
    }

    fn next(&mut self) -> Option<Result<Event>> {
        if let Some(event) = self.held.take() {
            return Some(Ok(event));
        }
        loop {
            if self.low > self.high {
                return None;
            }
            let next = match self.next_position() {
                Ok(next) => next,
                Err(error) => return Some(Err(error)),
            };
            let Some(position) = next else {
                // The index has no more of what should be there.
                let (low, high) = (self.low, self.high);
                self.low = high.plus(1);
                let end = if self.backward { self.from } else { self.to };
                let told = self.are_gone(end, low, high);
                return (!told).then(|| Err(self.lost(low, high)));
            };
            match self.cursor.get(position) {
                Ok(Some(event)) => return Some(self.in_order(event)),
                Ok(None) => match self.version_at(position) {
                    Ok(version) => self.pass(Some(version)),
                    Err(error) => return Some(Err(error)),
                },
                Err(error @ LogError::Damaged(_)) => {
                    self.pass(None);
                    return Some(Err(error.into()));
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// Whether so many events are gone for good between here and `end` that the versions `low` to
    /// `high` can be among them.
    fn are_gone(&self, end: Position, low: Version, high: Version) -> bool {
        let (from, to) = (self.at.min(end), self.at.max(end));
        let missing = high.get().saturating_sub(low.get()).saturating_add(1);
        self.view.source.reader.lost_between(from, to) >= missing
    }

    /// The version that the index gives an event that is gone for good.
    fn version_at(&self, position: Position) -> Result<Version> {
        let index = &self.view.source.index;
        let head = index.head(&self.stream, position.minus(1), position)?;
        Ok(head.map_or(self.low, |head| head.version))
    }

    fn next_position(&mut self) -> Result<Option<Position>> {
        if self.page.is_empty() {
            let index = &self.view.source.index;
            if self.backward {
                index.positions_back(&self.stream, self.high, self.to, PAGE, &mut self.page)?;
            } else {
                index.positions(&self.stream, self.low, self.to, PAGE, &mut self.page)?;
            }
            self.page.reverse();
            self.cursor.expect(self.page.iter().rev().copied());
        }
        let next = self.page.pop();
        self.cursor.step(self.page.iter().rev().copied());
        Ok(next.filter(|position| *position >= self.from))
    }

    /// Gives the event, or, where versions are missing before it, the error that says so first.
    fn in_order(&mut self, event: Event) -> Result<Event> {
        let version = event.version();
        let gap = if self.backward {
            (version < self.high).then(|| (version.plus(1), self.high))
        } else {
            (version > self.low).then(|| (self.low, version.minus(1)))
        };
        let gap = gap.filter(|(low, high)| !self.are_gone(event.position(), *low, *high));
        self.at = event.position();
        self.pass(Some(version));
        match gap {
            None => Ok(event),
            Some((low, high)) => {
                self.held = Some(event);
                Err(self.lost(low, high))
            }
        }
    }

    /// Goes on behind this version, or, where it is not known, behind the next one.
    fn pass(&mut self, version: Option<Version>) {
        if self.backward {
            let version = version.unwrap_or(self.high);
            // Version 1 was the last: cross the bounds.
            if version <= self.low {
                self.low = self.high.plus(1)
            } else {
                self.high = version.minus(1)
            }
        } else {
            self.low = version.unwrap_or(self.low).plus(1);
        }
    }

    fn lost(&self, low: Version, high: Version) -> Error {
        let damage = Damage {
            segment: "log".to_owned(),
            offset: 0,
            bytes: 0,
            positions: None,
            stream: None,
            streams: Vec::new(),
            what: format!(
                "versions {low} to {high} of the stream {} are not readable",
                self.stream
            ),
        };
        let message = damage.to_string();
        Error::new(ErrorKind::Damaged(Box::new(damage)), message)
    }
}
