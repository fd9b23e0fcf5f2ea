//! Group commit: one writes and syncs for all that wait.

use std::io;
use std::sync::Arc;

use annals_env::Failure;
use annals_env::sync::MutexGuard;
use annals_types::Place;

use super::{Core, Publish, Shared, SyncMode};
use crate::error::Result;
use crate::format::frame::FrameHeader;

/// A buffer that grew beyond this is not kept for the next group.
const SPARE_BYTES_MAX: usize = 4 << 20;

impl<P> Core<P> {
    /// Puts into the pending frames what became durable while they gathered: each then proves that
    /// the whole group before it was, should that rot.
    fn renew_synced(&mut self) {
        let salt = self.active.segment.header.salt;
        for start in self.pending_frames.drain(..) {
            let offset = self.pending_offset + start as u64;
            let frame = self.pending.get_mut(start..).unwrap_or_default();
            FrameHeader::set_synced(frame, self.durable, salt, offset);
        }
    }
}

impl<P: Publish> Shared<P> {
    /// Waits until `done`, doing the group's work where nobody else does. `group` is the one that
    /// the caller's own frame belongs to.
    pub(super) fn wait(
        &self,
        core: &mut MutexGuard<'_, Core<P>>,
        group: Option<u64>,
        done: impl Fn(&Core<P>) -> bool,
    ) -> Result<(), Failure> {
        while !done(core) {
            self.latch.check()?;
            if !core.leading && core.durable < core.assigned {
                self.lead(core);
            } else {
                match group {
                    Some(group) => self.turn(group).wait(core),
                    None => self.changed.wait(core),
                }
            }
        }
        Ok(())
    }

    /// Waits until everything up to `place` survives power loss.
    pub(super) fn wait_durable(
        &self,
        core: &mut MutexGuard<'_, Core<P>>,
        place: Place,
    ) -> Result<()> {
        self.wait(core, None, |core| core.durable >= place)
            .map_err(|failure| core.outcome(place, failure))
    }

    fn turn(&self, group: u64) -> &annals_env::sync::Condvar {
        let [even, odd] = &self.turns;
        if group.is_multiple_of(2) { even } else { odd }
    }

    /// Writes what is pending, syncs, publishes, wakes. The lock is free while the disk works, so
    /// the next group gathers.
    pub(super) fn lead(&self, core: &mut MutexGuard<'_, Core<P>>) {
        let group = core.group;
        core.renew_synced();
        let spare = std::mem::take(&mut core.spare);
        let mut bytes = std::mem::replace(&mut core.pending, spare);
        let offset = core.pending_offset;
        let upto = core.assigned;
        let segment = Arc::clone(&core.active.segment);
        core.group += 1;
        core.leading = true;
        core.unattended = false;
        core.attempted = upto;
        let synced = MutexGuard::unlocked(core, || {
            if !bytes.is_empty() {
                segment.file.write_at(&bytes, offset)?;
            }
            #[cfg(annals_canary)]
            if annals_env::canary::is("acknowledged before the sync") {
                return Ok(());
            }
            segment.file.sync()
        });
        #[cfg(annals_canary)]
        let synced = synced.or_else(|error| {
            if annals_env::canary::is("a failed sync is forgotten") { Ok(()) } else { Err(error) }
        });
        core.leading = false;
        bytes.clear();
        if bytes.capacity() <= SPARE_BYTES_MAX {
            core.spare = bytes;
        }
        match synced {
            Ok(()) => {
                core.counters.syncs += 1;
                self.synced(core, upto);
            }
            Err(error) => {
                self.fail(format!("syncing {}", segment.name), error);
            }
        }
        let (durable, unattended) = (core.durable, core.unattended);
        MutexGuard::unlocked(core, || {
            self.turn(group).notify_all();
            // One of the next group takes the lead.
            self.turn(group + 1).notify_one();
            self.changed.notify_all();
            self.news.notify_all();
            if unattended {
                self.wake_sync();
            }
            match self.latch.check() {
                Ok(()) => self.wakers.wake_up_to(durable),
                Err(_) => self.wakers.wake_all(),
            }
        });
    }

    /// Everything up to `upto` is durable.
    pub(super) fn synced(&self, core: &mut Core<P>, upto: Place) {
        core.durable = core.durable.max(upto);
        if self.options.sync == SyncMode::EachCommit && core.visible < core.durable {
            let durable = core.durable;
            // Who waits finds the latch tripped.
            self.show(core, durable).ok();
        }
        self.announce(core);
    }

    /// Trips the latch, and wakes all who wait, to be told.
    pub(super) fn fail(&self, action: impl Into<Arc<str>>, error: io::Error) -> Failure {
        let failure = self.latch.trip(action, error);
        self.turns.iter().chain([&self.changed, &self.news]).for_each(|waiting| {
            waiting.notify_all();
        });
        // It wakes the tasks that wait; not here, where locks are held.
        self.wake_sync();
        failure
    }

    /// Makes everything up to `upto` visible.
    pub(super) fn show(&self, core: &mut Core<P>, upto: Place) -> Result<(), Failure> {
        match core.publish.publish(upto) {
            Ok(()) => core.visible = upto,
            Err(error) => return Err(self.fail("bringing the index up to date", error)),
        }
        Ok(())
    }

    /// Tells readers here, and those of other processes, how far they may look.
    pub(super) fn announce(&self, core: &mut Core<P>) {
        self.reader.publish(core.visible.position, core.durable.position);
        #[cfg(annals_canary)]
        if annals_env::canary::is("the state page runs ahead") {
            core.state.write(core.epoch, core.assigned, core.visible).ok();
            return;
        }
        if let Err(error) = core.state.write(core.epoch, core.durable, core.visible) {
            self.fail("writing the state page", error);
        }
    }
}
