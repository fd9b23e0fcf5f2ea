//! Appending a commit to a stream.

use std::io;

use annals_index::Index;
use annals_log::{Damage, Draft, LogError, LogGuard};
use annals_types::{
    Epoch, EventId, ExpectedVersion, Invalid, NewEvent, Position, Timestamp, Version, limits,
};

use crate::error::{Error, ErrorKind, Result};
use crate::options::AppendOptions;
use crate::pending::Pending;
use crate::store::Engine;

/// What an append was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Version of the commit's first event.
    pub first_version: Version,
    /// Version of its last: the stream's version after it.
    pub version: Version,
    /// Position of the commit's first event.
    pub first_position: Position,
    /// Position of its last.
    pub position: Position,
    /// The commit's stamp.
    pub recorded_at: Timestamp,
    /// The epoch it was written in.
    pub epoch: Epoch,
}

/// What a check against the stream says.
enum Decision {
    Append(Version),
    /// A commit in flight up to this position stands against it: whether that survives decides.
    Wait(Position),
}

impl Engine {
    pub(crate) fn append(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: &[NewEvent],
        options: AppendOptions,
    ) -> Result<Receipt> {
        limits::check_commit(stream, events)?;
        check_ids(events)?;
        let mut draft = Draft::commit(stream, events);
        let mut guard = self.log.lock();
        let version = loop {
            guard.make_room(&draft)?;
            match self.decide(&mut guard, stream, expected, events)? {
                Decision::Append(version) => break version,
                Decision::Wait(position) => guard.wait_visible(position)?,
            }
        };
        if let Some(moment) = options.recorded_at {
            self.check_stamp(moment, guard.stamp())?;
        }
        let first_version = version.plus(1);
        draft.set_first_version(first_version);
        let appended = guard.append(&mut draft, options.recorded_at)?;
        guard.publisher().push(stream, first_version, appended.first, events);
        guard.finish(&appended, options.durable)?;
        self.appended(appended.last.position);
        Ok(Receipt {
            first_version,
            version: version.plus(events.len() as u64),
            first_position: appended.first,
            position: appended.last.position,
            recorded_at: appended.recorded_at,
            epoch: appended.epoch,
        })
    }

    /// Checks expectation and ids against all earlier commits, those in flight included; gives the
    /// stream's version.
    fn decide(
        &self,
        guard: &mut LogGuard<'_, Pending>,
        stream: &str,
        expected: ExpectedVersion,
        events: &[NewEvent],
    ) -> Result<Decision> {
        let visible = self.index.head(stream, Position::MAX).map(|head| head.version);
        let visible = visible.unwrap_or_default();
        let in_flight = guard.publisher().head(stream);
        let assigned = in_flight.map_or(visible, |head| head.0);
        if !expected.holds(assigned) {
            return match in_flight {
                // Only what is in flight stands against it.
                Some((_, position)) if expected.holds(visible) => Ok(Decision::Wait(position)),
                _ => Err(conflict(stream, expected, visible)),
            };
        }
        for id in events.iter().filter_map(|event| event.id) {
            if let Some(position) = guard.publisher().find_id(id) {
                return Ok(Decision::Wait(position));
            }
            if let Some(position) = self.find_id(id)? {
                let message = format!("the id {id} is that of event {position} already");
                return Err(Error::new(ErrorKind::IdReused { id, position }, message));
            }
        }
        Ok(Decision::Append(assigned))
    }

    /// The position of the visible event with this id.
    fn find_id(&self, id: EventId) -> Result<Option<Position>> {
        let reader = self.log.reader();
        let mut candidates = Vec::new();
        self.index.find_id(id, &mut candidates);
        let derived = reader.derived_position(id).filter(|&position| position <= reader.visible());
        candidates.extend(derived.filter(|&position| position > Position::START));
        for position in candidates {
            if reader.event(position)?.id() == id {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    fn check_stamp(&self, moment: Timestamp, newest: Timestamp) -> Result<()> {
        let message = if moment < newest {
            format!("recorded-at {moment} lies before the newest event's stamp {newest}")
        } else if moment > self.env.clock.now() {
            format!("recorded-at {moment} lies in the future")
        } else {
            return Ok(());
        };
        Err(Invalid::Other(message).into())
    }
}

fn check_ids(events: &[NewEvent]) -> Result<()> {
    let mut ids: Vec<EventId> = events.iter().filter_map(|event| event.id).collect();
    ids.sort_unstable();
    match ids.array_windows().find(|[first, second]| first == second) {
        Some([id, _]) => Err(Invalid::SameId(*id).into()),
        None => Ok(()),
    }
}

fn conflict(stream: &str, expected: ExpectedVersion, actual: Version) -> Error {
    let kind = ErrorKind::Conflict { stream: stream.to_owned(), expected, actual };
    let is = if actual == Version::NONE {
        "does not exist".to_owned()
    } else {
        format!("is at version {actual}")
    };
    Error::new(kind, format!("the stream {stream} {is}; {expected} was expected"))
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Damaged(damage) => ErrorKind::Damaged(Damage::clone(damage)),
            LogError::Unsupported { .. } => ErrorKind::Unsupported,
            LogError::DiskFull { .. } => ErrorKind::DiskFull,
            LogError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                ErrorKind::DiskFull
            }
            LogError::Failed(_) => ErrorKind::Failed,
            LogError::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            LogError::Closed => ErrorKind::Closed,
            _ => ErrorKind::Io,
        };
        let message = error.to_string();
        Self::with_source(kind, message, error)
    }
}
