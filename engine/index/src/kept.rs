//! The places of kept states in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use annals_types::Place;

use crate::Term;

/// About what an entry takes, the map's own share included.
const ENTRY_BYTES: u64 = 64;

/// Places of kept states by their keys, with the place of what took theirs, if anything did. That
/// is remembered for a while: an index may be saved as of a place between the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptStates(BTreeMap<(Term, Place), Option<Place>>);

impl KeptStates {
    pub(crate) fn keep(&mut self, key: Term, place: Place, superseded: &[Place]) {
        self.0.entry((key, place)).or_default();
        for &old in superseded {
            // Also one that is not here: it may be among what is saved.
            let by = self.0.entry((key, old)).or_default();
            *by = Some(by.map_or(place, |by| by.min(place)));
        }
    }

    /// The newest place before `before`, and whether it still stands.
    fn newest(&self, key: Term, before: Place) -> Option<(Place, bool)> {
        let bounds = (Bound::Included((key, Place::START)), Bound::Excluded((key, before)));
        let (&(_, place), by) = self.0.range(bounds).next_back()?;
        Some((place, by.is_none()))
    }

    /// The newest place before `before` that still stands.
    pub(crate) fn standing(&self, key: Term, mut before: Place) -> Option<Place> {
        loop {
            match self.newest(key, before)? {
                (place, true) => return Some(place),
                (place, false) => before = place,
            }
        }
    }

    /// Whether it is known that something took this place.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn is_superseded(&self, key: Term, place: Place) -> bool {
        self.0.get(&(key, place)).is_some_and(Option::is_some)
    }

    /// As of the place `cut`: what there was at or before it, and whether it still stood.
    pub(crate) fn at(&self, cut: Place) -> impl Iterator<Item = (Term, Place, bool)> {
        let there = self.0.iter().filter(move |((_, place), _)| *place <= cut);
        there.map(move |((key, place), by)| (*key, *place, by.is_none_or(|by| by > cut)))
    }

    /// Lets go of what something took at or before `cut`: no save asks for it any more.
    pub(crate) fn forget_superseded(&mut self, cut: Place) {
        self.0.retain(|_, by| by.is_none_or(|by| by > cut));
    }

    /// Lets go of what is saved as of `cut`, too.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn forget_saved(&mut self, cut: Place) {
        self.0.retain(|(_, place), by| *place > cut || by.is_some_and(|by| by > cut));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.len() as u64 * ENTRY_BYTES
    }
}
