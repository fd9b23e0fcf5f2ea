//! Operations on states that are kept in the log: none is ever wrong, and what was acknowledged as
//! durable is found, or something newer in its place.

use annals::{Durability, EventReader, NewState, Place, Position, StateKey};

use super::Simulation;
use super::life::{Reader, Trouble};
use super::oracles::Reopened;
use super::{counting, projecting};
use crate::check::Check;
use crate::states::{self, all, is_right};
use crate::{counter, seen};

/// Who folds.
const FOLDS: [&str; 2] = ["One", "Other"];
const PROJECTION: &str = "all";

/// What is there of these keys is right, and nothing that was promised is missing.
pub(super) fn oracle(reopened: &mut Reopened<'_>) -> Check {
    let head = reopened.model.head();
    reopened.sure.holds_for(reopened.store, reopened.model, head)
}

impl Simulation {
    fn draw_key(&self) -> Option<StateKey> {
        if self.dice.chance(25) {
            return Some(seen::key(PROJECTION));
        }
        let events = self.model.events(self.life().visible);
        let event = events.get(self.dice.index(events.len().max(1)))?;
        Some(states::snapshot(&event.stream, FOLDS[self.dice.index(2)]))
    }

    /// Keeps a state, in the place of some of those before.
    pub(super) fn keep_state(&mut self) -> Check<String> {
        let store = &self.life().store;
        let visible = store.position();
        let Some(key) = self.draw_key() else { return Ok("no event yet".to_owned()) };
        let Some(state) = states::state(&self.model, key, visible) else {
            return Ok("no event yet, or nobody knows its epoch".to_owned());
        };
        let before = all(store, &state.key);
        if before.is_err() {
            return self.excuse_reading(before.map(|_| ())).map(str::to_owned);
        }
        let mut superseded: Vec<Place> = before?.iter().map(|kept| kept.place).collect();
        superseded.retain(|_| self.dice.chance(60));
        match self.life().store.keep_state(&state, &superseded) {
            Ok(_) if self.life().trouble == Trouble::Failed => {
                Err("a state is kept after a failure".to_owned())
            }
            Ok(place) => {
                self.life_mut().trouble = Trouble::None;
                let durable = self.life().durability == Durability::Sync;
                self.sure.kept(&state.key, place, durable);
                let found = self.life().store.head().kept_state(&state.key, None);
                let found = found.map_err(|error| error.to_string());
                let checked = found.and_then(|found| match found {
                    Some(kept) if (&kept.state, kept.place) == (&state, place) => Ok(()),
                    other => Err(format!("{state:?} at {place} was kept, found is {other:?}")),
                });
                self.excuse_reading(checked)?;
                Ok(format!("{:?} at {place}, instead of {superseded:?}", state.key))
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                Ok(format!("fails: {:?}", error.kind()))
            }
        }
    }

    /// Looks for a state: in the store, in a view, beside.
    pub(super) fn look_for_state(&mut self) -> Check<String> {
        let key = match self.dice.below(4) {
            0 => Some(seen::key(projecting::PROJECTIONS[self.dice.index(2)])),
            1 => Some(counter::key(self.dice.pick(&counting::COUNTERS).0)),
            _ => self.draw_key(),
        };
        let Some(key) = key else { return Ok("no event yet".to_owned()) };
        let (what, reader, head) = self.draw_reader();
        let model = &self.model;
        let found = all(reader, &key);
        let count = found.as_ref().map_or(0, Vec::len);
        let checked =
            found.and_then(|found| found.iter().try_for_each(|kept| is_right(model, kept, head)));
        let told = self.excuse_reading(checked)?;
        Ok(format!("{what}: {key:?}: {count}: {told}"))
    }

    /// Who can be asked, and the newest position that it shows: the store, a view, or a reader
    /// beside.
    pub(super) fn draw_reader(&self) -> (&'static str, &dyn EventReader, Position) {
        let views = self.life().views.len();
        let readers: Vec<&Reader> =
            self.readers.iter().filter(|reader| reader.is_up_to_date()).collect();
        match self.dice.below(4) {
            0 if views > 0 => {
                let (view, head) = &self.life().views[self.dice.index(views)];
                ("a view", view, *head)
            }
            1 if !readers.is_empty() => {
                let store = &self.dice.pick(&readers).store;
                ("beside", store, store.position())
            }
            _ => ("the store", &self.life().store, self.life().store.position()),
        }
    }

    /// Looks for what was kept last under the key, and remembers that it was there: what a store
    /// shows has survived what its durability says.
    pub(super) fn is_kept(
        &mut self,
        key: &StateKey,
        is_it: impl FnOnce(&NewState) -> Check,
    ) -> Check<&'static str> {
        let found = match self.life().store.head().kept_state(key, None) {
            Ok(found) => found,
            Err(error) => return self.excuse_reading(Err(error.to_string())),
        };
        let Some(kept) = found else { return Ok("nothing is kept") };
        is_right(&self.model, &kept, self.life().store.position())?;
        is_it(&kept.state)?;
        let durable = self.life().durability == Durability::Sync;
        self.sure.kept(key, kept.place, durable);
        Ok("kept")
    }
}
