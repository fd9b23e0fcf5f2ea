//! Operations that follow the store, and readers beside it.

use std::time::Duration;

use annals::{Checkpoint, Durability, ErrorKind, Followed, Position, Query, Read};

use super::Simulation;
use super::life::{Following, OPEN_MAX, Trouble};
use crate::check::{self, Check};
use crate::model::{Model, Recorded};

impl Simulation {
    /// Begins to follow the store, or a reader beside it.
    pub(super) fn follow(&mut self) -> Check<String> {
        let beside = self.draw_beside();
        let mut follow = match beside {
            Some(reader) => self.readers[reader].store.follow(),
            None => self.life().store.follow(),
        };
        let query = if self.dice.chance(40) { self.draws().query() } else { Query::all() };
        follow = follow.matching(query.clone());
        let mut at = Position::START;
        let mut lost = false;
        if self.dice.chance(50) && !self.kept.checkpoints.is_empty() && beside.is_none() {
            let checkpoint = *self.dice.pick(&self.kept.checkpoints);
            follow = follow.resume(checkpoint);
            at = checkpoint.position;
            lost = self.model.read(&Read::all().resume(checkpoint), Position::MAX).is_err();
        }
        let visible = self.dice.chance(30);
        if visible {
            follow = follow.visible();
        }
        let follower = match follow.start() {
            Ok(_) if lost => return Err(format!("{at} was lost, and can be followed")),
            Ok(follower) => follower,
            Err(error) if lost && matches!(error.kind(), ErrorKind::HistoryLost { .. }) => {
                return Ok(format!("{at} was lost"));
            }
            Err(error) => return self.excuse(&error).map(|()| "fails".to_owned()),
        };
        let following = Following { follower, at, query, visible };
        let followers = self.followers(beside);
        followers.push(following);
        if followers.len() > OPEN_MAX {
            followers.remove(0);
        }
        Ok(format!("from {at}, visible {visible}, beside {beside:?}"))
    }

    /// A reader beside, or none: the store itself.
    fn draw_beside(&self) -> Option<usize> {
        let readers: Vec<usize> =
            (0..self.readers.len()).filter(|index| self.readers[*index].is_up_to_date()).collect();
        (!readers.is_empty() && self.dice.chance(45)).then(|| *self.dice.pick(&readers))
    }

    fn followers(&mut self, beside: Option<usize>) -> &mut Vec<Following> {
        match beside {
            Some(reader) => &mut self.readers[reader].followers,
            None => &mut self.life_mut().followers,
        }
    }

    /// Takes the next events of a follower.
    pub(super) fn followed(&mut self) -> Check<String> {
        let beside = self.draw_beside();
        let followers = self.followers(beside);
        if followers.is_empty() {
            return self.follow();
        }
        let count = followers.len();
        let index = self.dice.index(count);
        let followers = self.followers(beside);
        // Held here meanwhile; one that fails is not followed any more.
        let mut following = followers.remove(index);
        let most = self.dice.between(1, 30);
        let mut given = 0;
        while given < most {
            match following.follower.next_within(Duration::ZERO) {
                Ok(Followed::Event(event)) => {
                    let due = next_due(&self.model, &following, Position::MAX);
                    let due = due.ok_or_else(|| format!("{} was not due", event.position()))?;
                    check::event(due, &event)?;
                    following.at = event.position();
                    given += 1;
                    if !following.visible {
                        self.acknowledged(event.position(), true)?;
                    }
                }
                Ok(Followed::Nothing) => {
                    self.nothing_due(&following, beside.is_some())?;
                    break;
                }
                Ok(Followed::Ended) => return Err("a follower ended".to_owned()),
                Err(error) => return self.excuse(&error).map(|()| format!("fails: {error}")),
            }
        }
        let checkpoint = following.follower.checkpoint();
        let at = following.at;
        if following.visible {
            check::equal("its checkpoint", Checkpoint::START, checkpoint)?;
        } else {
            let reached = following.follower.reached();
            check::equal("the checkpoint's position", reached, checkpoint.position)?;
            if let Some(event) = self.model.event(reached) {
                check::equal("the checkpoint's epoch", event.epoch, Some(checkpoint.epoch))?;
                self.keep_checkpoint(checkpoint);
            }
        }
        let followers = self.followers(beside);
        followers.push(following);
        Ok(format!("{given} up to {at}, beside {beside:?}"))
    }

    /// A follower that gives nothing has given all that it must.
    fn nothing_due(&self, following: &Following, beside: bool) -> Check {
        let life = self.life();
        let all = following.visible || life.durability == Durability::Sync;
        let head = if all { life.store.position() } else { self.promised.durable };
        if beside && life.trouble > Trouble::None {
            return Ok(());
        }
        match next_due(&self.model, following, head) {
            Some(due) => Err(format!("{} was due, and nothing came", due.position)),
            None => Ok(()),
        }
    }
}

/// The event that a follower must give next, if that is up to `head`.
fn next_due<'m>(model: &'m Model, following: &Following, head: Position) -> Option<&'m Recorded> {
    let behind = model.events(head).iter().filter(|event| event.position > following.at);
    behind.into_iter().find(|event| following.query.matches(*event))
}
