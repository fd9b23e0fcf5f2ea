//! What a store owes its callers after a crash, and whether it keeps its word.

use annals::{Error, ErrorKind, EventReader, Position, Read, Store, Timestamp};
use annals_env::FaultyFs;

use super::{durability_of, later};
use crate::check::{self, Check};
use crate::model::{self, Model};
use crate::states::Sure;
use crate::workload::seeded;

/// What is owed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise<'a> {
    /// All that was attempted, in order; a prefix of it, in whole commits, is there.
    pub(super) model: &'a Model,
    /// Up to here it must be there.
    pub(super) least: Position,
    /// These states must be there, and no wrong ones.
    pub(super) sure: &'a Sure,
}

impl Promise<'_> {
    /// Everything that is expected of a store on the disk that a crash left. Writes to the disk.
    pub(super) fn is_kept_on(self, image: &FaultyFs, index: usize) -> Check {
        self.holds_read_only(image).map_err(|error| format!("read-only: {error}"))?;
        let world = later(image, 2);
        let durability = durability_of(index as u64);
        let store = world.open(durability).map_err(|error| format!("opening: {error}"))?;
        let head = self.holds_for(&store).map_err(|error| format!("reopened: {error}"))?;
        let mut model = self.model.clone();
        model.cut(head);
        learn_ids(&store, &mut model)?;
        goes_on(&store, &mut model, self.model, world.now())?;
        checkpoints_hold(&store, self.model, head)?;
        if index.is_multiple_of(3) {
            drop(store);
        } else {
            store.close().map_err(|error| format!("closing: {error}"))?;
        }
        let world = later(image, 3);
        let store = world
            .open(durability_of(index as u64 + 1))
            .map_err(|error| format!("opening again: {error}"))?;
        check::answers(&store, &model, model.head())
            .and_then(|()| self.sure.holds_for(&store, &model, model.head()))
            .map_err(|error| format!("opened again: {error}"))?;
        is_clean(&store, &model)
    }

    /// Opening read-only shows as much and changes nothing.
    fn holds_read_only(self, image: &FaultyFs) -> Check {
        let before = image.fingerprint();
        match later(image, 1).open_read_only() {
            Ok(store) => {
                self.holds_for(&store)?;
                check::equal("the damage", &[][..], store.damage())?;
                let report = store.verify(&mut |_, _| {}).map_err(|error| error.to_string())?;
                check::equal("the damage that verify finds", Vec::new(), report.damage)?;
            }
            Err(error) => self.may_be_missing(&error)?,
        }
        check::equal("the disk's fingerprint", before, image.fingerprint())
    }

    /// No store is there only where none was promised.
    fn may_be_missing(self, error: &Error) -> Check {
        let promised = self.least > Position::START;
        if *error.kind() == ErrorKind::NotAStore && !promised {
            Ok(())
        } else {
            Err(format!("opening: {error} ({:?})", error.kind()))
        }
    }

    /// What is there is whole commits, the first ones attempted, at least those promised. Gives the
    /// head.
    pub(super) fn holds_for(self, reader: &dyn EventReader) -> Check<Position> {
        let head = reader.position();
        if head < self.least {
            return Err(format!("it ends at {head}, but {} was acknowledged", self.least));
        }
        if !self.model.is_between_commits(head) {
            return Err(format!("it ends at {head}, inside a commit"));
        }
        check::answers(reader, self.model, head)?;
        self.sure.holds_for(reader, self.model, head)?;
        epochs_grow(reader)?;
        Ok(head)
    }
}

fn epochs_grow(reader: &dyn EventReader) -> Check {
    let mut newest = 0;
    for event in reader.read(Read::all()) {
        let event = event.map_err(|error| error.to_string())?;
        if event.epoch() < newest {
            return Err(format!("event {} has epoch {}", event.position(), event.epoch()));
        }
        newest = event.epoch();
    }
    Ok(())
}

/// What an id once was it stays.
fn learn_ids(reader: &dyn EventReader, model: &mut Model) -> Check {
    for event in reader.read(Read::all()) {
        let event = event.map_err(|error| error.to_string())?;
        model.learn_derived_id(event.position(), event.id());
    }
    Ok(())
}

/// What was tried before may be tried again: the caller knows no better than to repeat it.
const TRIED_AGAIN: usize = 3;

/// The store takes what was lost and then further commits, to old streams and new ones. What has an
/// id and was not lost is there once, however often it is tried.
fn goes_on(store: &Store, model: &mut Model, tried: &Model, now: Timestamp) -> Check {
    let head = model.head();
    let (there, lost): (Vec<_>, Vec<_>) = tried.commits().partition(|(_, end)| *end <= head);
    let repeatable = there.iter().rev().filter(|(commit, _)| commit.ids().next().is_some());
    for (commit, end) in repeatable.take(TRIED_AGAIN).chain(&lost).chain(&lost) {
        if commit.ids().next().is_none() && *end <= model.head() {
            continue;
        }
        check::commit(store, model, commit, now)
            .map_err(|error| format!("the commit up to {end}, tried again: {error}"))?;
    }
    let old = model.events(Position::MAX).first().map(|event| event.stream.clone());
    let streams = [old.unwrap_or("order-1".to_owned()), "after-the-crash".to_owned()];
    for (seed, stream) in (1_000_000..).step_by(10).zip(streams) {
        let version = model.version(&stream, Position::MAX);
        let commit = model::expecting(stream, version, seeded::events(seed, 2, 60));
        check::commit(store, model, &commit, now)
            .map_err(|error| format!("a further commit: {error}"))?;
    }
    Ok(())
}

/// Checkpoints of what was lost are refused, although the positions were given again; the others
/// lead to the event behind them.
fn checkpoints_hold(store: &Store, tried: &Model, head: Position) -> Check {
    for (_, end) in tried.commits() {
        let Some(checkpoint) = tried.checkpoint(end) else { continue };
        let next = store.read(Read::all().resume(checkpoint)).next();
        let holds = match next.as_ref().map(Result::as_ref) {
            Some(Ok(event)) => end <= head && event.position() == end.plus(1),
            Some(Err(error)) => {
                end > head && *error.kind() == ErrorKind::HistoryLost { checkpoint }
            }
            None => end == store.position(),
        };
        if !holds {
            return Err(format!("the checkpoint {checkpoint} leads to {next:?}"));
        }
    }
    Ok(())
}

fn is_clean(store: &Store, model: &Model) -> Check {
    let report = store.verify_deep(&mut |_, _| {}).map_err(|error| format!("verify: {error}"))?;
    check::equal("the index against the log", Vec::new(), report.index_faults.clone())?;
    check::equal("the damage that verify finds", Vec::new(), report.damage.clone())?;
    check::equal("the torn tail that verify finds", None, report.torn_tail.clone())?;
    check::equal("the events that verify counts", model.head().get(), report.events)?;
    check::equal("the head that verify finds", model.head(), report.head)
}
