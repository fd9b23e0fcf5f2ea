//! A store opened for reading: every undamaged event is shown, all damage is told.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use annals::{Damage, Events, ReadOnlyStore};

use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::humane::{counted, quoted};
use crate::messages;

/// A store that is read, and what was found damaged in it.
#[derive(Debug)]
pub(crate) struct Reading {
    store: ReadOnlyStore,
    folder: PathBuf,
    /// Where damage was told of, so that each is told once.
    told: HashSet<(String, u64)>,
}

impl Reading {
    /// Opens the store, and says what the opening found.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let store = ReadOnlyStore::open(folder).map_err(|error| Failure::store(&error, folder))?;
        if let Some(tail) = store.torn_tail() {
            messages::note(format_args!("torn tail, no damage: {tail}"));
        }
        let damage = store.damage().to_vec();
        let mut reading = Self { store, folder: folder.to_owned(), told: HashSet::new() };
        for damage in &damage {
            reading.tell(damage);
        }
        Ok(reading)
    }

    pub(crate) fn store(&self) -> &ReadOnlyStore {
        &self.store
    }

    /// Prints the events; how many there were.
    pub(crate) fn print(
        &mut self,
        events: Events,
        printer: &mut EventPrinter,
    ) -> Result<u64, Failure> {
        let mut printed = 0;
        for event in events {
            match event {
                Ok(event) => {
                    printer.event(&event)?;
                    printed += 1;
                }
                Err(error) => self.take(&error)?,
            }
        }
        printer.flush()?;
        Ok(printed)
    }

    /// Tells of damage; any other error ends the reading.
    pub(crate) fn take(&mut self, error: &annals::Error) -> Result<(), Failure> {
        match error.damage() {
            Some(damage) => {
                self.tell(damage);
                Ok(())
            }
            None => Err(self.failed(error)),
        }
    }

    /// The failure that an error of the store is.
    pub(crate) fn failed(&self, error: &annals::Error) -> Failure {
        Failure::store(error, &self.folder)
    }

    fn tell(&mut self, damage: &Damage) {
        if self.told.insert((damage.segment.clone(), damage.offset)) {
            messages::damaged(damage);
        }
    }

    /// How the reading went: a failure where damage was found.
    pub(crate) fn finish(self) -> Result<Exit, Failure> {
        if self.told.is_empty() {
            return Ok(Exit::Fine);
        }
        let places = counted(self.told.len() as u64, "damaged place");
        Err(damaged(&self.folder, &places))
    }
}

/// The failure of a verb that found damage.
pub(crate) fn damaged(folder: &Path, places: &str) -> Failure {
    let path = folder.display().to_string();
    Failure::failed(format!("{path}: the store has {places}")).hint(format!(
        "keep the folder as it is and restore a copy; `annals -s {} events` gives every undamaged \
         event, `verify` lists all damage, `repair` gives up what is lost",
        quoted(&path)
    ))
}
