//! Operations on projections: what one has come to is the fold of the model's events up to its
//! checkpoint, also where it goes on behind a crash; and its checkpoint is durable.

use annals::{Projector, Started, catch_up_together};

use super::Simulation;
use super::life::OPEN_MAX;
use super::oracles::Reopened;
use crate::check::{self, Check};
use crate::model::Model;
use crate::seen::{ORDERS, Seen, fold, folded, key};

/// The projections by name: of all events, and of those of a category.
pub(super) const PROJECTIONS: [&str; 2] = ["everything", ORDERS];

/// State and checkpoint agree, and the checkpoint is one of the history.
fn is_right(model: &Model, projector: &Projector<Seen>) -> Check {
    let checkpoint = projector.checkpoint();
    let known = model.checkpoint(checkpoint.position);
    check::equal("the checkpoint", known, Some(checkpoint))?;
    let expected = folded(model, projector.name(), checkpoint.position);
    check::equal("the state", &expected, projector.state())
        .map_err(|error| format!("{} at {checkpoint}: {error}", projector.name()))
}

/// It begins with what was kept, or from the first event where nothing was.
fn began_well(projector: &Projector<Seen>, kept: bool) -> Check {
    match projector.started() {
        Started::New if kept => Err(format!("{} begins anew, but was kept", projector.name())),
        Started::New => Ok(()),
        Started::Resumed(checkpoint) => {
            check::equal("where it goes on", *checkpoint, projector.checkpoint())
        }
        other => Err(format!("{} began so: {other:?}", projector.name())),
    }
}

/// Each projection goes on from what was kept, and comes to the model's state.
pub(super) fn oracle(reopened: &mut Reopened<'_>) -> Check {
    for name in PROJECTIONS {
        let told = |error: annals::Error| format!("{name}: {error}");
        let projector = Projector::with(reopened.store.clone(), fold(name)).map_err(told)?;
        began_well(&projector, reopened.sure.has(&key(name)))?;
        is_right(reopened.model, &projector)?;
        let mut projector = projector.save_by_hand();
        projector.catch_up().map_err(told)?;
        let head = reopened.model.head();
        check::equal("how far it has come", head, projector.checkpoint().position)?;
        is_right(reopened.model, &projector)?;
    }
    Ok(())
}

impl Simulation {
    /// Opens a projection, or brings those that are open up to date.
    pub(super) fn project(&mut self) -> Check<String> {
        let open = self.life().projectors.len();
        if open == 0 || self.dice.chance(30) {
            return self.open_projector();
        }
        let index = self.dice.index(open);
        // Held here meanwhile.
        let mut projector = self.life_mut().projectors.remove(index);
        let other = self.life_mut().projectors.pop();
        let together = self.dice.chance(30);
        let (what, answer) = match (self.dice.below(10), other) {
            (_, Some(mut other)) if together => {
                let answer = catch_up_together(&mut [&mut projector, &mut other]);
                self.is_projected(&other)?;
                self.life_mut().projectors.push(other);
                ("together", answer)
            }
            (drawn, other) => {
                self.life_mut().projectors.extend(other);
                match drawn {
                    0 => ("again", projector.rebuild()),
                    1 | 2 => ("saved", projector.save()),
                    _ => ("on", projector.catch_up()),
                }
            }
        };
        let told = self.projected(&projector, what, answer)?;
        if self.dice.chance(80) {
            self.life_mut().projectors.push(projector);
        }
        Ok(told)
    }

    fn open_projector(&mut self) -> Check<String> {
        let name = *self.dice.pick(&PROJECTIONS);
        let projector = match Projector::with(self.life().store.clone(), fold(name)) {
            Ok(projector) => projector,
            Err(error) => return self.excuse(&error).map(|()| format!("{name}: {error}")),
        };
        let kept = self.sure.written.get(&key(name)).is_some_and(|place| place.k > 0);
        began_well(&projector, kept)?;
        self.is_projected(&projector)?;
        let mut projector = match self.dice.below(5) {
            0 => projector.save_by_hand(),
            _ => projector.save_every(*self.dice.pick(&[1, 2, 5, 100])),
        };
        let mut told = format!("{name}: {:?}", projector.started());
        if self.dice.chance(60) {
            let answer = projector.catch_up();
            told.push_str(&format!("; {}", self.projected(&projector, "on", answer)?));
        }
        if self.life().projectors.len() == OPEN_MAX {
            let index = self.dice.index(OPEN_MAX);
            self.life_mut().projectors.remove(index);
        }
        self.life_mut().projectors.push(projector);
        Ok(told)
    }

    fn is_projected(&mut self, projector: &Projector<Seen>) -> Check {
        is_right(&self.model, projector)?;
        // Who has its checkpoint was told that all of it is durable.
        self.acknowledged(projector.checkpoint().position, true)
    }

    fn projected(
        &mut self,
        projector: &Projector<Seen>,
        what: &str,
        answer: annals::Result<()>,
    ) -> Check<String> {
        self.is_projected(projector)?;
        let name = projector.name();
        let at = projector.checkpoint().position;
        match answer {
            Ok(()) => {
                let due = self.promised.durable.min(self.life().store.position());
                if what != "saved" && at < due {
                    return Err(format!("{name} is at {at}, but {due} is durable"));
                }
                let told = self.is_kept(&key(name), |_| Ok(()))?;
                Ok(format!("{name} {what} to {at}: {told}"))
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                Ok(format!("{name} {what} to {at} fails: {:?}", error.kind()))
            }
        }
    }
}
