//! Between two points of a stream's history, and by the callers' clocks.

use annals_types::{Invalid, OccurredAt, Read, Version};

use super::aggregate::{Aggregate, Loaded};
use super::aggregates::Aggregates;
use super::fold::Halt;
use super::picture::{Point, after, picture};
use crate::error::Result;
use crate::{EventReader, Events};

/// What happened to an aggregate between two points.
#[derive(Debug)]
#[non_exhaustive]
pub struct Diff<A> {
    /// The state at the first point.
    pub before: Loaded<A>,
    /// The state at the second.
    pub after: Loaded<A>,
    /// The events in between: behind the first point, up to the second.
    pub events: Events,
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// What happened to a stream between two points of its history: versions, positions or moments.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the first point lies behind the second, and for
    /// points that are yet to come; as [`Aggregates::load`].
    pub fn diff(
        &self,
        stream: &str,
        from: impl Into<Point>,
        to: impl Into<Point>,
    ) -> Result<Diff<A>> {
        let before = self.load_point(stream, from.into())?;
        let after = self.load_point(stream, to.into())?;
        let (low, high) = (before.version, after.version);
        if low > high {
            let message = format!(
                "the difference of {stream} is asked for from version {low} to {high}: \
                 turn them round"
            );
            return Err(Invalid::Other(message).into());
        }
        let then = self.reader.as_of(after.position.into())?;
        let events = then.read(self::after(stream, low));
        Ok(Diff { before, after, events })
    }

    /// The stream's state from the events that happened up to this moment by their callers' clocks,
    /// in the order in which they happened, as far as is known now: what was true then. An event
    /// without [`occurred_at`](crate::Event::occurred_at) happened when it was recorded, and what happened
    /// at the same moment keeps its order. The version is the stream's own now. See
    /// [`Aggregates`] for how this differs from [`load_as_of`](Self::load_as_of).
    ///
    /// All events of the stream are read, without snapshots; twenty-four bytes of memory for each.
    ///
    /// # Errors
    /// As [`Aggregates::load`].
    pub fn load_occurred_by(
        &self,
        stream: &str,
        moment: impl Into<OccurredAt>,
    ) -> Result<Loaded<A>> {
        let now = picture(&self.reader)?;
        let version = now.version(stream)?;
        let moment = order(moment.into());
        let mut happened = Vec::new();
        for event in now.read(after(stream, Version::NONE)) {
            let event = event?;
            let at = order(event.occurred_at().unwrap_or_else(|| event.recorded_at().into()));
            if at <= moment {
                happened.push((at, event.version()));
            }
        }
        happened.sort_unstable();
        let mut noted = Vec::new();
        loop {
            let mut loaded = Loaded { faults: noted, ..Loaded::empty(stream) };
            match self.fold_runs(&*now, &mut loaded, &happened) {
                Ok(()) => {
                    loaded.version = version;
                    return Ok(loaded);
                }
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Again) => noted = loaded.faults,
            }
        }
    }

    /// Folds events in this order, those that follow each other in the stream in one reading.
    fn fold_runs(
        &self,
        picture: &dyn EventReader,
        loaded: &mut Loaded<A>,
        happened: &[(Moment, Version)],
    ) -> Result<(), Halt> {
        let mut last = loaded.position;
        for run in happened.chunk_by(|(_, one), (_, next)| one.plus(1) == *next) {
            let Some((_, first)) = run.first() else { continue };
            let read = Read::stream(&*loaded.stream).from_version(*first).limit(run.len() as u64);
            self.settings.folding.fold(loaded, picture.read(read))?;
            last = last.max(loaded.position);
        }
        loaded.position = last;
        Ok(())
    }
}

/// Seconds, and nanoseconds after them.
type Moment = (i64, u32);

fn order(moment: OccurredAt) -> Moment {
    (moment.seconds(), moment.nanos())
}
