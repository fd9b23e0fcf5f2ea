//! Appends that one does not wait for at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use annals_log::Appended;
use annals_types::Commit;

use crate::error::Result;
use crate::receipt::Receipt;
use crate::store::{Engine, Store};

/// A commit on its way: it has its place, and becomes visible and durable in the background.
///
/// Wait for it ([`Submitted::wait`]), await it in any runtime, or drop it: that loses nothing, only
/// the knowledge of how it went.
#[derive(Debug)]
#[must_use = "only this tells whether the commit came through"]
pub struct Submitted {
    engine: Arc<Engine>,
    receipt: Receipt,
    /// What to wait for; nothing where a repeated commit asks for no more than was done.
    awaited: Option<Appended>,
    durable: bool,
}

impl Store {
    /// Appends a commit without waiting until it is visible or durable. Commits that one thread
    /// submits get their places in that order and share syncs: many of them cost about as much as
    /// one.
    ///
    /// It returns once the commit is decided and has its place. Where a commit in flight stands
    /// against it, that one's outcome is waited for; where more than 64 MiB are on their way, some of
    /// these; and where it was in the store already and is to be durable, that.
    ///
    /// # Errors
    /// As [`Store::commit`] for all that is known before writing.
    ///
    /// # Examples
    /// ```
    /// use annals::{Commit, ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let submitted = (0..64_u64).map(|n| {
    ///     let event = [NewEvent::json("Ticked", "{}")];
    ///     store.submit(&Commit::new().append("clock", ExpectedVersion::at(n), &event))
    /// });
    /// let submitted = submitted.collect::<Result<Vec<_>, _>>()?;
    /// for commit in submitted {
    ///     commit.wait()?;
    /// }
    /// assert_eq!(store.version("clock")?.get(), 64);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn submit(&self, commit: &Commit<'_>) -> Result<Submitted> {
        let engine = Arc::clone(&self.engine);
        let durable = commit.is_durable();
        let (receipt, awaited) = self.engine.enter(commit, |guard, _| guard.submit())?;
        if awaited.is_some() {
            self.engine.appended(receipt.position);
        } else if durable {
            self.engine.log.wait_durable(receipt.position)?;
        }
        Ok(Submitted { engine, receipt, awaited, durable })
    }
}

impl Submitted {
    /// What it will have been given if it comes through.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Waits until the commit has survived what the store's durability says.
    ///
    /// # Errors
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) where its write or sync failed,
    /// [`Failed`](crate::ErrorKind::Failed) where one before it did and nothing of it was written.
    pub fn wait(self) -> Result<Receipt> {
        if let Some(appended) = &self.awaited {
            self.engine.log.wait(appended, self.durable)?;
        }
        Ok(self.receipt)
    }
}

impl Future for Submitted {
    type Output = Result<Receipt>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &self.awaited {
            Some(appended) => self.engine.log.poll(appended, self.durable, task),
            None => Poll::Ready(Ok(())),
        };
        outcome.map(|done| done.map(|()| self.receipt.clone()).map_err(Into::into))
    }
}
