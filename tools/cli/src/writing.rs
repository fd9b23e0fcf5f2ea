//! A store opened for writing, made where there is none yet.

use std::path::Path;

use annals::{Durability, ErrorKind, ReadMode, Store};

use crate::failure::{Failure, explain};
use crate::messages;

/// Opens the store for writing; with `create`, a missing or empty folder becomes one.
pub(crate) fn open(folder: &Path, durability: Durability, create: bool) -> Result<Store, Failure> {
    let options = Store::options().durability(durability).read_mode(ReadMode::Read);
    let (opened, new) = match options.clone().create(false).open(folder) {
        Err(error) if create && *error.kind() == ErrorKind::NotAStore => {
            (options.create(true).open(folder), true)
        }
        opened => (opened, false),
    };
    let store = opened.map_err(|error| Failure::store(&error, folder))?;
    if new {
        messages::say(format_args!("made a new store in {}", folder.display()));
    }
    if let Some(tail) = store.recovered_tail() {
        messages::note(format_args!("cut a torn tail, no damage: {tail}"));
    }
    Ok(store)
}

/// Closes a store of which everything is on the disk already. Should closing fail, then the work
/// was done all the same, and who thinks it was not would do it twice.
pub(crate) fn close_durable(store: Store) {
    if let Err(error) = store.close() {
        messages::note(format_args!(
            "everything is kept, but the store did not close well, so that its next opening takes \
             longer: {}",
            explain(&error)
        ));
    }
}
