//! What is kept of a projection: beginning there, going back to it, and keeping more.

use std::fmt;

use annals_types::{Checkpoint, ContentKind, Invalid, Position, Read, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pass::Passed;
use super::projector::{Projector, Started, Unsaved};
use crate::error::{Error, ErrorKind, Result};
use crate::{EventReader, EventStore, KeptState, NewState};

impl<S, E> Projector<S, E>
where
    S: Default + Serialize + DeserializeOwned,
    E: EventStore,
{
    pub(super) fn begin_again(&mut self) {
        self.state = S::default();
        self.at = Position::START;
        self.checkpoint = Checkpoint::START;
        self.unsaved = Unsaved::default();
    }

    /// Takes the newest kept state that is of use.
    pub(super) fn resume(&mut self) -> Result<()> {
        // It may stand behind events that are not durable yet; it was not made from them.
        let reader = &*self.store.head();
        let key = self.fold.key();
        let mut before = None;
        while let Some(kept) = reader.kept_state(&key, before)? {
            before = Some(kept.place);
            // Of very many that were left behind the rest goes another time.
            if self.superseded.len() < limits::SUPERSEDED_MAX {
                self.superseded.push(kept.place);
            }
            match self.decode(reader, &kept)? {
                Ok(state) => {
                    self.take(&kept, state);
                    self.started = Started::Resumed(kept.state.checkpoint);
                    return Ok(());
                }
                Err(why) if self.started == Started::New => self.started = why,
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What a kept state decodes to, or why it is of no use.
    fn decode(&self, reader: &dyn EventReader, kept: &KeptState) -> Result<Result<S, Started>> {
        let NewState { schema, checkpoint, data, .. } = &kept.state;
        if *schema != self.fold.schema_kept() {
            return Ok(Err(Started::OtherSchema(*schema)));
        }
        match check(reader, *checkpoint) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::HistoryLost { .. }) => {
                return Ok(Err(Started::HistoryLost(*checkpoint)));
            }
            Err(error) => return Err(error),
        }
        let state = serde_json::from_slice(data);
        Ok(state.map_err(|error| Started::Undecodable(error.to_string())))
    }

    fn take(&mut self, kept: &KeptState, state: S) {
        self.begin_again();
        self.state = state;
        self.checkpoint = kept.state.checkpoint;
        self.at = self.checkpoint.position;
        self.base = Some(kept.place);
        self.kept_bytes = kept.state.data.len();
    }

    /// Goes back to the state that was kept last, or to the beginning.
    fn go_back(&mut self) -> Result<()> {
        self.begin_again();
        let Some(base) = self.base else { return Ok(()) };
        let reader = &*self.store.head();
        let kept = reader.kept_state(&self.fold.key(), Some(base.next()))?;
        // Where another projector has taken its place, this one begins again.
        let Some(kept) = kept.filter(|kept| kept.place == base) else { return Ok(()) };
        if let Ok(state) = self.decode(reader, &kept)? {
            self.take(&kept, state);
        }
        Ok(())
    }

    /// Makes the state again that stood in front of an event at which folding failed.
    pub(super) fn recover(&mut self, reader: &dyn EventReader, event: Position) -> Result<()> {
        self.go_back()?;
        let again = self.fold_up_to(reader, event);
        match &again {
            Ok(true) => self.reach(event.minus(1)),
            // What is folded in by now is more than the checkpoint says.
            Ok(false) | Err(_) => self.go_back()?,
        }
        again.map(|_| ())
    }

    /// Folds in what lies in front of an event; `false` where that fails.
    fn fold_up_to(&mut self, reader: &dyn EventReader, event: Position) -> Result<bool> {
        for before in reader.read(self.fold.reading().after(self.at)) {
            let before = before?;
            if before.position() >= event {
                break;
            }
            if self.fold.apply(&mut self.state, &before).is_err() {
                return Ok(false);
            }
            self.unsaved.add(&before);
        }
        Ok(true)
    }

    pub(super) fn is_due(&self) -> bool {
        let due = |every| self.unsaved.events >= every && self.unsaved.bytes >= self.kept_bytes;
        self.save_every.is_some_and(due)
    }

    pub(super) fn keep(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let refused = |what: &dyn fmt::Display, invalid| {
            let name = self.fold.name();
            let message = format!("the projection {name} cannot be kept: {what}");
            Error::new(ErrorKind::Invalid(invalid), message)
        };
        let data = serde_json::to_vec(&self.state)
            .map_err(|error| refused(&error, Invalid::Other(error.to_string())))?;
        let (actual, max) = (data.len(), limits::STATE_BYTES_MAX);
        if actual > max {
            let what = "projection's state";
            let invalid = Invalid::TooLarge { what, actual, max, unit: "bytes" };
            let message = format!(
                "{invalid}; split it, or keep it in a database of your own beside the checkpoint"
            );
            return Err(refused(&message, invalid));
        }
        let state = NewState {
            key: self.fold.key(),
            schema: self.fold.schema_kept(),
            version: Default::default(),
            checkpoint,
            content: ContentKind::Json,
            data: data.into(),
        };
        let place = self.store.keep_state(&state, &self.superseded)?;
        self.base = Some(place);
        self.superseded = vec![place];
        self.unsaved = Unsaved::default();
        self.kept_bytes = actual;
        Ok(())
    }
}

/// Fails unless the reader's history has the checkpoint.
pub(super) fn check(reader: &dyn EventReader, checkpoint: Checkpoint) -> Result<()> {
    reader.read(Read::all().resume(checkpoint).limit(0)).next().transpose().map(|_| ())
}
