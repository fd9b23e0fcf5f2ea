//! One reading of the log for one projection or several.

use annals_types::{Position, Query, Read};

use crate::error::{Error, Result};
use crate::{Event, EventReader};

/// A [`Projector`](crate::Projector) of whatever state, for [`catch_up_together`].
pub trait AnyProjector: Passed {}

impl<P: Passed> AnyProjector for P {}

/// What a pass asks of a projector. It stands at a position: everything up to there is folded in.
pub trait Passed {
    /// What is there and durable now.
    fn durable(&self) -> Box<dyn EventReader>;

    /// Begins a pass: the reader must be one of its store, with the history that it knows.
    fn begin(&mut self, reader: &dyn EventReader) -> Result<()>;

    /// Where it stands.
    fn at(&self) -> Position;

    /// Which events it is made from.
    fn query(&self) -> &Query;

    /// The next event of its query.
    fn give(&mut self, reader: &dyn EventReader, event: &Event);

    /// There is no other event up to here.
    fn reach(&mut self, position: Position);

    /// It goes no further, for this reason.
    fn stop(&mut self, why: Error);

    /// Why it goes no further.
    fn stopped(&self) -> Option<&Error>;

    /// Ends the pass.
    fn finish(&mut self, reader: &dyn EventReader);
}

/// Brings several projections of one store up to date in one reading of the log. Each keeps its
/// own query, checkpoint and kept state, and none is given an event twice.
///
/// One that fails stops where it is, as in [`Projector::catch_up`](crate::Projector::catch_up); the
/// others go on.
///
/// # Errors
/// The first failure, after all others have come as far as they can;
/// [`Projector::failure`](crate::Projector::failure) tells each one's. One of another store than the
/// first one's is [`Invalid`](crate::ErrorKind::Invalid).
///
/// # Examples
/// ```
/// use annals::fold::{ByCategory, ByType};
/// use annals::{ExpectedVersion, NewEvent, Projector, Store, catch_up_together};
///
/// let store = Store::in_memory()?;
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
/// let mut types = Projector::<ByType>::open(store.clone())?;
/// let mut categories = Projector::<ByCategory>::open(store.clone())?;
/// catch_up_together(&mut [&mut types, &mut categories])?;
/// assert_eq!(types.state().of("Placed"), 1);
/// assert_eq!(categories.state().of("order"), 1);
/// # Ok::<(), annals::Error>(())
/// ```
pub fn catch_up_together(projectors: &mut [&mut dyn AnyProjector]) -> Result<()> {
    let mut all: Vec<&mut dyn Passed> = Vec::with_capacity(projectors.len());
    for projector in projectors {
        all.push(*projector);
    }
    pass(&mut all)
}

/// Reads the log once, from where the last one stands.
pub(super) fn pass(all: &mut [&mut dyn Passed]) -> Result<()> {
    let Some(first) = all.first() else { return Ok(()) };
    let reader = first.durable();
    let mut begun: Vec<&mut dyn Passed> = Vec::with_capacity(all.len());
    for one in all.iter_mut() {
        match one.begin(&*reader) {
            Ok(()) => begun.push(&mut **one),
            Err(error) => one.stop(error),
        }
    }
    run(&*reader, &mut begun);
    all.iter().find_map(|one| one.stopped().cloned()).map_or(Ok(()), Err)
}

/// Takes all of them as far as they can come.
fn run(reader: &dyn EventReader, all: &mut [&mut dyn Passed]) {
    // Those that have come further join when the others have reached them.
    while let Some(at) = lowest(all).filter(|at| *at < reader.position()) {
        let ahead = all.iter().filter(|one| one.stopped().is_none() && one.at() > at);
        let to = ahead.map(|one| one.at()).min().unwrap_or_else(|| reader.position());
        let mut active: Vec<&mut dyn Passed> = Vec::new();
        for one in all.iter_mut() {
            if one.stopped().is_none() && one.at() == at {
                active.push(&mut **one);
            }
        }
        stretch(reader, &mut active, at, to);
    }
    for one in all.iter_mut() {
        one.finish(reader);
    }
}

/// Where the last one of those that go on stands.
fn lowest(all: &[&mut dyn Passed]) -> Option<Position> {
    all.iter().filter(|one| one.stopped().is_none()).map(|one| one.at()).min()
}

/// Gives the events behind `at` up to `to` to those that stand at `at`.
fn stretch(reader: &dyn EventReader, active: &mut [&mut dyn Passed], at: Position, to: Position) {
    let mut read = Read::all().after(at);
    read.query = union(active);
    let alone = active.len() == 1;
    let mut reached = at;
    for event in reader.read(read) {
        let event = match event {
            Ok(event) if event.position() > to => break,
            Ok(event) => event,
            // Nothing is left out of a projection, so it cannot go on behind damage.
            Err(error) => {
                for one in active.iter_mut().filter(|one| one.stopped().is_none()) {
                    one.reach(reached);
                    one.stop(error.clone());
                }
                return;
            }
        };
        reached = event.position();
        let mut wanted = false;
        for one in active.iter_mut().filter(|one| one.stopped().is_none()) {
            wanted = true;
            if alone || one.query().matches(&event) {
                one.give(reader, &event);
            }
        }
        if !wanted {
            return;
        }
    }
    for one in active.iter_mut().filter(|one| one.stopped().is_none()) {
        one.reach(to);
    }
}

/// A query that names what any of them wants; none where it is simpler to read everything.
fn union(active: &[&mut dyn Passed]) -> Option<Query> {
    if active.iter().any(|one| one.query().is_all()) {
        return None;
    }
    let query = Query::any(active.iter().flat_map(|one| one.query().items().iter().cloned()));
    query.check().is_ok().then_some(query)
}
