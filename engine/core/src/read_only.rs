//! The store, opened for reading only.

use std::path::Path;
use std::sync::Arc;

use annals_env::{Access, Env};
use annals_index::{Index, MemoryIndex};
use annals_log::Inventory;
use annals_types::{Place, Position, Version};

use crate::catch_up::catch_up;
use crate::error::Result;
use crate::folder::{self, Folder, not_a_store};
use crate::open::{believe, load_index};
use crate::view::Source;
use crate::{Damage, Event, Read, Report, Stats, Streams, TornTail, View};

/// A store opened for reading only: changes nothing, needs no lock, and works over damage, giving
/// all that is intact. For a store that no one writes to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadOnlyStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    view: View,
    last: Place,
    damage: Vec<Damage>,
    torn_tail: Option<TornTail>,
}

impl ReadOnlyStore {
    /// Opens the store in the folder `path`.
    ///
    /// # Errors
    /// [`NotAStore`](crate::ErrorKind::NotAStore),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for another format,
    /// [`Damaged`](crate::ErrorKind::Damaged) only where not even the store's identity can be read,
    /// and I/O errors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&Env::real(), path.as_ref())
    }

    /// Opens a store in other surroundings than the machine's own; for tests.
    ///
    /// # Errors
    /// As [`ReadOnlyStore::open`].
    #[doc(hidden)]
    pub fn open_in(env: &Env, root: &Path) -> Result<Self> {
        let fs = &*env.fs;
        if matches!(folder::look(fs, root)?, Folder::Empty) {
            return Err(not_a_store(root, "there is nothing in it"));
        }
        let inventory = Inventory::take(fs, root, Access::Read)?
            .ok_or_else(|| not_a_store(root, "its log has no segment"))?;
        let store = inventory.store();
        let saved = load_index(fs, root, store);
        let evidence = saved.as_ref().map(|(_, covers)| (covers.epoch, covers.place));
        let recovered = inventory.recover(evidence)?;
        let reader = recovered.reader().clone();
        let mut damage = recovered.damage().to_vec();
        let index =
            believe(saved, |covers| reader.knows(covers.epoch, covers.place), recovered.last())
                .unwrap_or_else(|| MemoryIndex::new(store));
        let mut found = Vec::new();
        let head = recovered.head();
        catch_up(&reader, &index, head, Some(&mut found), &mut |_, _| {})?;
        // What the scan met in the same place as the recovery is one damage.
        found.retain(|new| {
            damage.iter().all(|old| (&old.segment, old.offset) != (&new.segment, new.offset))
        });
        damage.append(&mut found);
        damage.extend_from_slice(recovered.notes());
        let source = Source { reader, index: Arc::new(index) as Arc<dyn Index> };
        let shared = Shared {
            view: View::new(Arc::new(source)),
            last: recovered.last(),
            damage,
            torn_tail: recovered.torn_tail().cloned(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The damage that was met when opening. There may be more in what did not have to be read:
    /// [`ReadOnlyStore::verify`] looks everywhere.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.shared.damage
    }

    /// What an interrupted append left at the end of the log; no damage.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.shared.torn_tail.as_ref()
    }

    /// The store as it was when it was opened.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.view.clone()
    }

    /// The events of a stream: [`View::read_stream`].
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Read {
        self.shared.view.read_stream(stream)
    }

    /// All events: [`View::read_all`].
    #[must_use]
    pub fn read_all(&self) -> Read {
        self.shared.view.read_all()
    }

    /// The newest event of a stream: [`View::last_event`].
    ///
    /// # Errors
    /// As [`View::last_event`].
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.shared.view.last_event(stream)
    }

    /// The stream's version: [`View::version`].
    ///
    /// # Errors
    /// As [`View::version`].
    pub fn version(&self, stream: &str) -> Result<Version> {
        self.shared.view.version(stream)
    }

    /// The streams, by name: [`View::streams`].
    #[must_use]
    pub fn streams(&self) -> Streams {
        self.shared.view.streams()
    }

    /// The newest position.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.view.position()
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// I/O errors.
    pub fn stats(&self) -> Result<Stats> {
        self.shared.view.stats()
    }

    /// Reads and checks every byte. `progress` is told the bytes done and in all.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        let reader = &self.shared.view.source.reader;
        let verified = reader.verify(self.shared.last, progress)?;
        let known = &self.shared.damage;
        let torn_tail = self.shared.torn_tail.clone();
        Ok(Report::new(reader, self.shared.last.position, verified, known, torn_tail))
    }
}
