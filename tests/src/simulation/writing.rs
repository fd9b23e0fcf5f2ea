//! Operations that append, and those that make durable.

use annals::{Commit, Durability, Error, ErrorKind, Position, Receipt, Result, Timestamp};

use super::Simulation;
use super::counting::COUNTERS;
use super::draws::Draws;
use super::life::{KEPT_MAX, Life, Trouble};
use crate::check::{self, Check};
use crate::workload::random::Twist;

impl Simulation {
    pub(super) fn life(&self) -> &Life {
        self.life.as_ref().expect("operations are done to an opened store")
    }

    pub(super) fn life_mut(&mut self) -> &mut Life {
        self.life.as_mut().expect("operations are done to an opened store")
    }

    pub(super) fn draws(&self) -> Draws<'_> {
        Draws { dice: &self.dice, model: &self.model, now: self.world.now() }
    }

    pub(super) fn draw_commit(&mut self) -> Commit<'static> {
        let mut events = self.events;
        let commit = self.draws().commit(&mut events);
        self.events = events;
        commit
    }

    /// Appends and waits.
    pub(super) fn commit(&mut self) -> Check<String> {
        let commit = self.draw_commit();
        self.attempt(&commit)
    }

    fn attempt(&mut self, commit: &Commit<'static>) -> Check<String> {
        let (visible, refusals) = self.before(commit);
        let answer = self.life().store.commit(commit);
        let told = self.answered(commit, visible, &refusals, answer.clone())?;
        if let Ok(receipt) = answer {
            let shown = self.life().store.position();
            if shown < receipt.position {
                return Err(format!(
                    "acknowledged up to {}, but {shown} is visible",
                    receipt.position
                ));
            }
            self.finished(&receipt, commit.is_durable())?;
        }
        Ok(format!("{} {told}", of(commit)))
    }

    /// What is visible, and what speaks against the commit.
    pub(super) fn before(&self, commit: &Commit<'static>) -> (Position, Vec<ErrorKind>) {
        let refusals = self.model.refusals(commit, self.world.now());
        (self.life().store.position(), refusals)
    }

    /// Who appended was told that it is done.
    pub(super) fn finished(&mut self, receipt: &Receipt, durable: bool) -> Check {
        let durable = durable || self.life().durability == Durability::Sync;
        self.acknowledged(receipt.position, durable)?;
        self.keep_checkpoint(receipt.checkpoint());
        Ok(())
    }

    /// Takes the answer to a commit into the model. It is the right one where the commit is taken
    /// and nothing speaks against it, or refused for what does.
    pub(super) fn answered(
        &mut self,
        commit: &Commit<'static>,
        visible: Position,
        refusals: &[ErrorKind],
        answer: Result<Receipt>,
    ) -> Check<String> {
        match answer {
            Ok(_) if !refusals.is_empty() => Err(format!("taken in spite of {refusals:?}")),
            Ok(receipt) => self.taken(commit, &receipt),
            Err(error) => {
                let kind = error.kind().clone();
                if self.is_refused(refusals, &error, visible) {
                    self.is_settled(&error)?;
                    return Ok(format!("is refused: {error}"));
                }
                self.excuse(&error).map_err(|wrong| format!("{wrong}; due: {refusals:?}"))?;
                self.failed(&kind);
                if kind == ErrorKind::Failed {
                    self.not_written_behind(self.model.head());
                }
                if kind == ErrorKind::OutcomeUnknown && self.model.repeated(commit).is_none() {
                    let epoch = self.life().epoch;
                    if refusals.is_empty() {
                        self.model.accept(commit, commit.wanted_stamp(), Some(epoch));
                    }
                    self.keep_lost(commit);
                }
                Ok(format!("fails: {kind:?}"))
            }
        }
    }

    fn taken(&mut self, commit: &Commit<'static>, receipt: &Receipt) -> Check<String> {
        let newest = self.model.newest_stamp();
        let written = check::accepted(&mut self.model, commit, receipt)?;
        let told = format!("is at {}, {}", written.first_position, receipt.recorded_at);
        if written.repeated {
            return Ok(format!("{told}, repeated"));
        }
        if self.life().trouble == Trouble::Failed {
            return Err("an append is taken after a failure".to_owned());
        }
        self.life_mut().trouble = Trouble::None;
        check::equal("the receipt's epoch", self.life().epoch, receipt.epoch)?;
        if let Some(wanted) = commit.wanted_stamp() {
            check::equal("the stamp", wanted, receipt.recorded_at)?;
        } else {
            // Never backwards, and never ahead of every clock.
            let told = Timestamp::from_micros(self.life().told.as_micros().saturating_add(1));
            let least = newest.unwrap_or(Timestamp::MIN).max(self.world.now()).max(told);
            let most = self.latest.max(least);
            if !(least..=most).contains(&receipt.recorded_at) {
                let stamp = receipt.recorded_at;
                return Err(format!("the stamp {stamp} is not from {least} to {most}"));
            }
        }
        Ok(told)
    }

    /// Whether the store may refuse the commit so: for what speaks against it, or for a version that
    /// was there between the call and the answer.
    fn is_refused(&self, refusals: &[ErrorKind], error: &Error, visible: Position) -> bool {
        if check::refusal(refusals, error).is_ok() {
            return true;
        }
        let ErrorKind::Conflict { stream, expected, actual } = error.kind() else { return false };
        let version = |head| self.model.version(stream, head);
        let range = version(visible)..=version(Position::MAX);
        range.contains(actual) && !expected.holds(*actual) && !expected.holds(*range.end())
    }

    /// What a refusal names can be read: of what is in flight the outcome was waited for.
    fn is_settled(&self, error: &Error) -> Check {
        let visible = self.life().store.position();
        let settled = match error.kind() {
            ErrorKind::Conflict { stream, actual, .. } => {
                *actual <= self.model.version(stream, visible)
            }
            ErrorKind::ConditionFailed { position } | ErrorKind::IdReused { position, .. } => {
                *position <= visible
            }
            _ => true,
        };
        if settled { Ok(()) } else { Err(format!("{error}: but only {visible} is visible")) }
    }

    /// Somebody was told so.
    pub(super) fn not_written_behind(&mut self, position: Position) {
        let most = self.promised.most.unwrap_or(position);
        self.promised.most = Some(most.min(position));
    }

    pub(super) fn failed(&mut self, kind: &ErrorKind) {
        if matches!(kind, ErrorKind::Failed | ErrorKind::OutcomeUnknown)
            && let Some(life) = &mut self.life
        {
            life.trouble = Trouble::Failed;
        }
    }

    /// Commits again what was committed, or lost, before.
    pub(super) fn repeat(&mut self) -> Check<String> {
        const TWISTS: [Twist; 10] = [
            Twist::Same,
            Twist::Same,
            Twist::Same,
            Twist::Same,
            Twist::Expectations,
            Twist::Shorter,
            Twist::Longer,
            Twist::Data,
            Twist::Order,
            Twist::Stream,
        ];
        let twist = *self.dice.pick(&TWISTS);
        let commits = self.model.commits().count();
        let earlier = if self.dice.chance(40) && !self.kept.lost.is_empty() {
            self.dice.pick(&self.kept.lost).clone()
        } else if commits > 0 {
            let ago = self.dice.index(commits);
            let (commit, _) = self.model.commits().rev().nth(ago).expect("there are as many");
            commit.clone()
        } else {
            return Ok("nothing".to_owned());
        };
        // What an aggregate is folded from stays readable.
        let twist = match twist {
            Twist::Data if earlier.streams().iter().any(|(name, _)| is_counter(name)) => {
                Twist::Same
            }
            twist => twist,
        };
        let told = self.attempt(&twist.apply(&earlier))?;
        Ok(format!("{twist:?}: {told}"))
    }

    /// Makes all durable.
    pub(super) fn sync(&mut self) -> Check<String> {
        match self.life().store.sync() {
            Ok(position) => {
                check::equal("the synced position", self.model.head(), position)?;
                self.acknowledged(position, true)?;
                self.sure.sync();
                Ok(format!("up to {position}"))
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                Ok(format!("fails: {:?}", error.kind()))
            }
        }
    }

    /// Waits until something is durable.
    pub(super) fn wait_durable(&mut self) -> Check<String> {
        let visible = self.life().store.position();
        let position = Position::new(self.dice.below(visible.get() + 2));
        match self.life().store.wait_durable(position) {
            Ok(()) if position > visible => {
                Err(format!("waited for {position}, which is not there"))
            }
            Ok(()) => {
                self.acknowledged(position, true)?;
                Ok(format!("up to {position}"))
            }
            Err(error) if position > visible && check::is_invalid(&error) => {
                Ok("refused".to_owned())
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                Ok(format!("fails: {:?}", error.kind()))
            }
        }
    }

    pub(super) fn keep_lost(&mut self, commit: &Commit<'static>) {
        self.kept.lost.push(commit.clone());
        if self.kept.lost.len() > KEPT_MAX {
            let index = self.dice.index(KEPT_MAX);
            self.kept.lost.remove(index);
        }
    }

    pub(super) fn keep_checkpoint(&mut self, checkpoint: annals::Checkpoint) {
        self.kept.checkpoints.push(checkpoint);
        if self.kept.checkpoints.len() > 2 * KEPT_MAX {
            let index = self.dice.index(2 * KEPT_MAX);
            self.kept.checkpoints.remove(index);
        }
    }
}

fn is_counter(stream: &str) -> bool {
    COUNTERS.iter().any(|(name, _)| *name == stream)
}

/// A commit in short.
pub(super) fn of(commit: &Commit<'_>) -> String {
    let mut text = String::new();
    for part in commit.parts() {
        let bytes: usize = part.events.iter().map(|event| event.data.len()).sum();
        text.push_str(&format!("{}+{} ({bytes} B) ", part.stream, part.events.len()));
    }
    for (stream, expected) in commit.expectations() {
        if *expected != annals::ExpectedVersion::Any {
            text.push_str(&format!("{stream} {expected}, "));
        }
    }
    for condition in commit.conditions() {
        text.push_str(&format!("nothing new behind {}, ", condition.after));
    }
    if commit.is_durable() {
        text.push_str("durable ");
    }
    text
}
