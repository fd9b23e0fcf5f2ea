//! What a store owes its callers after a crash, and whether it keeps its word.

use annals::{Error, ErrorKind, Position, Store};
use annals_env::FaultyFs;

use super::{durability_of, later};
use crate::check::{self, Check};
use crate::history;
use crate::model::{Append, Model};
use crate::reader::Reader;
use crate::workload::seeded;

/// What is owed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise<'a> {
    /// All that was attempted, in order; a prefix of it, in whole commits, is there.
    pub(super) model: &'a Model,
    /// Up to here it must be there.
    pub(super) least: Position,
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
        goes_on(&store, &mut model)?;
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
    pub(super) fn holds_for(self, reader: &dyn Reader) -> Check<Position> {
        let head = reader.position();
        if head < self.least {
            return Err(format!("it ends at {head}, but {} was acknowledged", self.least));
        }
        if head > Position::START && !self.model.commit_ends().contains(&head) {
            return Err(format!("it ends at {head}, inside a commit"));
        }
        check::answers(reader, self.model, head)?;
        epochs_grow(reader)?;
        Ok(head)
    }
}

fn epochs_grow(reader: &dyn Reader) -> Check {
    let mut newest = 0;
    for event in reader.read_all() {
        let event = event.map_err(|error| error.to_string())?;
        if event.epoch() < newest {
            return Err(format!("event {} has epoch {}", event.position(), event.epoch()));
        }
        newest = event.epoch();
    }
    Ok(())
}

/// What an id once was it stays.
fn learn_ids(reader: &dyn Reader, model: &mut Model) -> Check {
    for event in reader.read_all() {
        let event = event.map_err(|error| error.to_string())?;
        model.learn_derived_id(event.position(), event.id());
    }
    Ok(())
}

/// The store takes further appends, to old streams and new ones.
fn goes_on(store: &Store, model: &mut Model) -> Check {
    let old = model.events(Position::MAX).first().map(|event| event.stream.clone());
    let streams = [old.unwrap_or("order-1".to_owned()), "after-the-crash".to_owned()];
    for (seed, stream) in (1_000_000..).step_by(10).zip(streams) {
        let append = Append {
            expected: model.version(&stream, Position::MAX).into(),
            ..Append::any(stream, seeded::events(seed, 2, 60))
        };
        let receipt = history::append_to(store, &append)
            .map_err(|error| format!("a further append: {error}"))?;
        let epoch = Some(receipt.epoch.number);
        let written = model.accept(&append, Some(receipt.recorded_at), epoch);
        check::receipt(&written, &receipt)?;
    }
    Ok(())
}

fn is_clean(store: &Store, model: &Model) -> Check {
    let report = store.verify(&mut |_, _| {}).map_err(|error| format!("verify: {error}"))?;
    check::equal("the damage that verify finds", Vec::new(), report.damage.clone())?;
    check::equal("the torn tail that verify finds", None, report.torn_tail.clone())?;
    check::equal("the events that verify counts", model.head().get(), report.events)?;
    check::equal("the head that verify finds", model.head(), report.head)
}
