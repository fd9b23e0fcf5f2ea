//! Reading events, lazily.

use annals_log::{EventCursor, LogError, Scan, ScanBack};
use annals_types::{Invalid, Position, Version, limits};

use crate::error::{Error, ErrorKind, Result};
use crate::{Damage, Event, Read, View};

/// Positions of a stream taken from the index at once.
const PAGE: usize = 256;

/// The events that a [`Read`] names.
///
/// Damage gives an error of the kind [`Damaged`](crate::ErrorKind::Damaged) that names the place,
/// and the iteration goes on behind it; any other error ends it.
#[derive(Debug)]
pub struct Events {
    /// How many events may still be given.
    left: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was read yet.
    Start(Box<Read>),
    Forward(Box<Scan>),
    Backward(Box<ScanBack>),
    Stream(Box<StreamEvents>),
    Ended,
}

impl Events {
    pub(crate) fn new(read: Read) -> Self {
        Self { left: read.limit, state: State::Start(Box::new(read)) }
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        let error = loop {
            match &mut self.state {
                // Before the limit is looked at: a wrong argument is told of in any case.
                State::Start(read) => match start(read) {
                    Ok(state) => self.state = state,
                    Err(error) => break error,
                },
                _ if self.left == 0 => return None,
                // An event goes straight out: each hand it passes through costs a copy.
                State::Forward(scan) => match scan.next()? {
                    Ok(event) => {
                        self.left -= 1;
                        return Some(Ok(event));
                    }
                    Err(error) => break Error::from(error),
                },
                State::Backward(scan) => match scan.next()? {
                    Ok(event) => {
                        self.left -= 1;
                        return Some(Ok(event));
                    }
                    Err(error) => break Error::from(error),
                },
                State::Stream(events) => match events.next()? {
                    Ok(event) => {
                        self.left -= 1;
                        return Some(Ok(event));
                    }
                    Err(error) => break error,
                },
                State::Ended => return None,
            }
        };
        if error.damage().is_none() {
            self.state = State::Ended;
        }
        Some(Err(error))
    }
}

/// Resolves the bounds of `read` to a range of positions.
fn start(read: &Read) -> Result<State> {
    match &read.stream {
        Some(stream) => limits::check_stream_name(stream)?,
        None if read.from_version.is_some() => {
            let message = "a version is an event's number in its stream: \
                           read a stream from it, or all events from a position";
            return Err(Invalid::Other(message.to_owned()).into());
        }
        None => {}
    }
    if read.limit == 0 {
        return Ok(State::Ended);
    }
    let view = &read.view;
    let reader = &view.source.reader;
    let mut from = read.from.max(Position::new(1));
    let mut to = view.position;
    if let Some(since) = read.since {
        from = from.max(reader.first_since(since, view.position)?);
    }
    if let Some(until) = read.until {
        to = to.min(reader.first_since(until, view.position)?.minus(1));
    }
    Ok(match &read.stream {
        _ if from > to => State::Ended,
        Some(stream) => {
            State::Stream(Box::new(StreamEvents::new(view, stream.clone(), read, from, to)))
        }
        None if read.backward => State::Backward(Box::new(reader.scan_back(to, from))),
        None => State::Forward(Box::new(reader.scan(from, to))),
    })
}

/// The events of one stream in a range of versions and positions.
#[derive(Debug)]
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
}

impl StreamEvents {
    fn new(view: &View, stream: String, read: &Read, from: Position, to: Position) -> Self {
        let index = &view.source.index;
        let version_at =
            |position| index.head(&stream, position).map(|head| head.version).unwrap_or_default();
        let low = version_at(from.minus(1)).plus(1).max(read.from_version.unwrap_or_default());
        let high = version_at(to);
        Self {
            backward: read.backward,
            from,
            to,
            low,
            high,
            page: Vec::new(),
            cursor: view.source.reader.events(),
            view: view.clone(),
            stream,
            held: None,
        }
    }

    fn next(&mut self) -> Option<Result<Event>> {
        if let Some(event) = self.held.take() {
            return Some(Ok(event));
        }
        if self.low > self.high {
            return None;
        }
        let Some(position) = self.next_position() else {
            // The index has no more of what should be there.
            let (low, high) = (self.low, self.high);
            self.low = high.plus(1);
            return Some(Err(self.lost(low, high)));
        };
        match self.cursor.get(position) {
            Ok(event) => Some(self.in_order(event)),
            Err(error @ LogError::Damaged(_)) => {
                self.pass(None);
                Some(Err(error.into()))
            }
            Err(error) => Some(Err(error.into())),
        }
    }

    fn next_position(&mut self) -> Option<Position> {
        if self.page.is_empty() {
            let index = &self.view.source.index;
            if self.backward {
                index.positions_back(&self.stream, self.high, self.to, PAGE, &mut self.page);
            } else {
                index.positions(&self.stream, self.low, self.to, PAGE, &mut self.page);
            }
            self.page.reverse();
        }
        self.page.pop().filter(|position| *position >= self.from)
    }

    /// Gives the event, or, where versions are missing before it, the error that says so first.
    fn in_order(&mut self, event: Event) -> Result<Event> {
        let version = event.version();
        let gap = if self.backward {
            (version < self.high).then(|| (version.plus(1), self.high))
        } else {
            (version > self.low).then(|| (self.low, version.minus(1)))
        };
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
            what: format!(
                "versions {low} to {high} of the stream {} are not readable",
                self.stream
            ),
        };
        let message = damage.to_string();
        Error::new(ErrorKind::Damaged(damage), message)
    }
}
