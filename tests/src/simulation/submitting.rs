//! Operations that append without waiting, and what becomes of that.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use annals::{Commit, Durability, Error, ErrorKind, Receipt, Result};

use super::Simulation;
use super::life::{KEPT_MAX, Waiting};
use super::writing::of;
use crate::check::{self, Check};

impl Simulation {
    /// Appends without waiting.
    pub(super) fn submit(&mut self) -> Check<String> {
        let mut told = String::new();
        let mut before: Option<Commit<'static>> = None;
        for _ in 0..self.dice.between(1, 4) {
            // Who is not sure that it was sent sends it again.
            let again = before.take().filter(|_| self.dice.chance(20));
            let commit = again.unwrap_or_else(|| self.draw_commit());
            before = Some(commit.clone());
            told.push_str(&self.submit_it(&commit)?);
        }
        if self.life().submitted.len() > KEPT_MAX {
            self.life_mut().submitted.remove(0);
        }
        Ok(told)
    }

    /// Appends this without waiting.
    pub(super) fn submit_it(&mut self, commit: &Commit<'static>) -> Check<String> {
        let (visible, refusals) = self.before(commit);
        let answer = self.life().store.submit(commit);
        let receipt = answer.as_ref().map(|one| one.receipt().clone());
        let line = self.answered(commit, visible, &refusals, receipt.map_err(Error::clone))?;
        if let Ok(submitted) = answer {
            let (receipt, durable) = (submitted.receipt().clone(), commit.is_durable());
            self.life_mut().submitted.push(Waiting { submitted, receipt, durable });
        }
        Ok(format!("{} {line}; ", of(commit)))
    }

    /// Asks what became of a submitted commit, or forgets it.
    pub(super) fn submitted(&mut self) -> Check<String> {
        let count = self.life().submitted.len();
        if count == 0 {
            return Ok("none".to_owned());
        }
        let index = self.dice.index(count);
        let mut waiting = self.life_mut().submitted.remove(index);
        let position = waiting.receipt.position;
        match self.dice.below(5) {
            0 => Ok(format!("{position} is dropped")),
            1 | 2 => {
                let mut task = Context::from_waker(Waker::noop());
                match Pin::new(&mut waiting.submitted).poll(&mut task) {
                    Poll::Pending => {
                        self.life_mut().submitted.push(waiting);
                        Ok(format!("{position} is on its way"))
                    }
                    Poll::Ready(answer) => {
                        self.came_through(&waiting.receipt, waiting.durable, answer)
                    }
                }
            }
            _ => {
                let answer = waiting.submitted.wait();
                self.came_through(&waiting.receipt, waiting.durable, answer)
            }
        }
    }

    /// What a submitted commit was told in the end.
    pub(super) fn came_through(
        &mut self,
        promised: &Receipt,
        durable: bool,
        answer: Result<Receipt>,
    ) -> Check<String> {
        match answer {
            Ok(receipt) => {
                check::equal("the receipt in the end", promised, &receipt)?;
                let sync =
                    self.life.as_ref().is_some_and(|life| life.durability == Durability::Sync);
                self.acknowledged(receipt.position, durable || sync)?;
                self.keep_checkpoint(receipt.checkpoint());
                Ok(format!("{} came through", receipt.position))
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                if *error.kind() == ErrorKind::Failed && !promised.repeated {
                    self.not_written_behind(promised.first_position.minus(1));
                }
                Ok(format!("{} failed: {:?}", promised.position, error.kind()))
            }
        }
    }
}
