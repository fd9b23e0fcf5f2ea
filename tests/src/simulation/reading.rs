//! Operations that read: the store, views of it, and readers beside it.

use annals::{ErrorKind, EventReader, Position, Read, Timestamp};

use super::Simulation;
use super::life::{KEPT_MAX, OPEN_MAX, Reader, Replaced, Trouble};
use crate::check::{self, Check};

impl Simulation {
    /// The stamps of all events are known: none has an unknown outcome.
    pub(super) fn knows_stamps(&self) -> bool {
        self.model.head() == Position::START || self.model.newest_stamp().is_some()
    }

    fn draw_read(&self) -> Read {
        let read = self.draws().read(self.knows_stamps());
        if self.dice.chance(10) && !self.kept.checkpoints.is_empty() {
            return read.resume(*self.dice.pick(&self.kept.checkpoints));
        }
        read
    }

    pub(super) fn read(&mut self) -> Check<String> {
        let read = self.draw_read();
        let views = self.life().views.len();
        let (what, checked) = match self.dice.below(4) {
            0 if views > 0 => {
                let (view, head) = &self.life().views[self.dice.index(views)];
                ("a view", check::read(view, &self.model, &read, *head))
            }
            // Its history may be shorter than the writer's for a while.
            1 if self.readers.iter().any(Reader::is_up_to_date) && read.checkpoint.is_none() => {
                let readers: Vec<&Reader> =
                    self.readers.iter().filter(|reader| reader.is_up_to_date()).collect();
                let reader = &self.dice.pick(&readers).store;
                ("beside", check::read(reader, &self.model, &read, reader.position()))
            }
            _ => {
                let store = &self.life().store;
                ("the store", check::read(store, &self.model, &read, store.position()))
            }
        };
        let told = self.excuse_reading(checked)?;
        Ok(format!("{what}: {}: {told}", in_short(&read)))
    }

    /// Takes a view, to be looked at again.
    pub(super) fn view(&mut self) -> Check<String> {
        let view = self.life().store.head();
        let head = view.position();
        if self.life().views.len() == OPEN_MAX {
            let index = self.dice.index(OPEN_MAX);
            self.life_mut().views.remove(index);
        }
        self.life_mut().views.push((view, head));
        Ok(format!("at {head}"))
    }

    /// A view shows what it did at first.
    pub(super) fn look_at_view(&mut self) -> Check<String> {
        if self.life().views.is_empty() {
            return self.view();
        }
        let life = self.life();
        let (view, head) = &life.views[self.dice.index(life.views.len())];
        let told = self.excuse_reading(check::answers(view, &self.model, *head))?;
        Ok(format!("at {head}: {told}"))
    }

    /// Looks at the store as it was at a position or a moment.
    pub(super) fn as_of(&mut self) -> Check<String> {
        if self.dice.chance(50) || !self.knows_stamps() {
            return self.as_of_position();
        }
        let moment = if self.dice.chance(50) {
            Timestamp::from_micros(self.world.now().as_micros() - 1)
        } else {
            self.draws().moment()
        };
        let now = self.world.now();
        let answer = self.life().store.as_of(moment);
        self.told_of(moment, now);
        match answer {
            Ok(_) if moment >= now => Err(format!("{moment} is not past, it is {now}")),
            Ok(view) => {
                let head = self.life().store.position();
                check::equal("the view", self.model.position_at(moment, head), view.position())?;
                Ok(format!("{moment} is {}", view.position()))
            }
            Err(error) if moment >= now && check::is_invalid(&error) => Ok("refused".to_owned()),
            Err(error) => self.excuse(&error).map(|()| format!("fails: {error}")),
        }
    }

    fn as_of_position(&mut self) -> Check<String> {
        let position = Position::new(self.dice.below(self.model.head().get() + 2));
        let visible = self.life().store.position();
        match self.life().store.as_of(position) {
            Ok(view) => {
                let read = self.draws().read(self.knows_stamps());
                let told = self.excuse_reading(check::read(&view, &self.model, &read, position))?;
                Ok(format!("{position}: {told}"))
            }
            Err(error) if position > visible && check::is_invalid(&error) => {
                Ok("refused".to_owned())
            }
            Err(error) => self.excuse(&error).map(|()| format!("fails: {error}")),
        }
    }

    /// Opens the store read-only beside the writer.
    pub(super) fn open_beside(&mut self) -> Check<String> {
        let store = match self.beside.open_read_only() {
            Ok(store) => store,
            Err(error) => return self.excuse(&error).map(|()| format!("fails: {error}")),
        };
        check::equal("the damage", &[][..], store.damage())?;
        let seen = store.position();
        self.is_seen_beside(Position::START, seen)?;
        let read = self.draws().read(self.knows_stamps());
        let told = self.excuse_reading(check::read(&store, &self.model, &read, seen))?;
        if self.readers.len() == OPEN_MAX {
            let index = self.dice.index(OPEN_MAX);
            self.readers.remove(index);
        }
        self.readers.push(Reader { store, seen, replaced: Replaced::No, followers: Vec::new() });
        Ok(format!("at {seen}: {told}"))
    }

    /// A reader beside sees what the writer shows, no less than before.
    fn is_seen_beside(&self, before: Position, seen: Position) -> Check {
        let life = self.life();
        let visible = life.store.position();
        let least = if life.trouble == Trouble::None && !self.struck() { visible } else { before };
        if (least.max(before)..=visible).contains(&seen) {
            Ok(())
        } else {
            Err(format!("{seen} is seen beside, before {before}, and {visible} is visible"))
        }
    }

    pub(super) fn refresh(&mut self) -> Check<String> {
        if self.readers.is_empty() {
            return self.open_beside();
        }
        let index = self.dice.index(self.readers.len());
        let Reader { seen: before, replaced, .. } = self.readers[index];
        let seen = match self.readers[index].store.refresh() {
            Ok(seen) if replaced == Replaced::AndLost => {
                return Err(format!("what was seen is lost, but refreshing gives {seen}"));
            }
            Ok(seen) => seen,
            Err(error)
                if replaced != Replaced::No
                    && matches!(error.kind(), ErrorKind::HistoryLost { .. }) =>
            {
                self.readers.remove(index);
                return Ok(format!("{replaced:?}: {error}"));
            }
            Err(error) => return self.excuse(&error).map(|()| format!("fails: {error}")),
        };
        self.is_seen_beside(before, seen)?;
        self.readers[index].seen = seen;
        self.readers[index].replaced = Replaced::No;
        if self.dice.chance(20) || replaced != Replaced::No {
            let reader: &dyn EventReader = &self.readers[index].store;
            let told = self.excuse_reading(check::answers(reader, &self.model, seen))?;
            return Ok(format!("{seen}: {told}"));
        }
        Ok(format!("{seen}"))
    }

    /// Some checkpoints that were given lead on, or are told to be lost.
    pub(super) fn checkpoints_hold(&self) -> Check {
        let store = &self.life().store;
        for checkpoint in self.kept.checkpoints.iter().take(KEPT_MAX) {
            let read = Read::all().resume(*checkpoint).limit(2);
            check::read(store, &self.model, &read, store.position())?;
        }
        Ok(())
    }
}

fn in_short(read: &Read) -> String {
    let mut text = format!("{read:?}");
    if text.len() > 200 {
        let end = (0..=200).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
