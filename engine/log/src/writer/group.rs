//! Group commit: one writes and syncs for all that wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use annals_env::Failure;
use annals_env::sync::MutexGuard;
use annals_types::Place;

use super::{Core, Gathering, Publish, Shared, SyncMode};
use crate::error::Result;
use crate::format::frame::FrameHeader;

/// A leader waits for others at the most so long, and half of what the last sync took.
const GATHER_MAX: Duration = Duration::from_micros(200);
/// So many leaders do not wait after one whom it did not help.
const IN_VAIN: u32 = 64;

/// A buffer that grew beyond this is not kept for the next group.
const SPARE_BYTES_MAX: usize = 4 << 20;

impl Gathering {
    /// How many wait for the sync of the groups like this one.
    fn asleep(&mut self, group: u64) -> &mut usize {
        let [even, odd] = &mut self.asleep;
        if group.is_multiple_of(2) { even } else { odd }
    }
}

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
                    Some(group) => {
                        *core.gathering.asleep(group) += 1;
                        self.turn(group).wait(core);
                        *core.gathering.asleep(group) -= 1;
                    }
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

    /// Waits a moment for those whom the last sync has woken: as a rule each brings its next commit,
    /// and one sync for all of them is better than two for a half each.
    fn gather(&self, core: &mut MutexGuard<'_, Core<P>>) {
        let gathering = &mut core.gathering;
        if gathering.in_vain > 0 {
            gathering.in_vain -= 1;
            return;
        }
        let woken = std::mem::take(&mut gathering.woken);
        let patience = GATHER_MAX.min(gathering.sync_took / 2);
        if woken == 0 || self.options.sync != SyncMode::EachCommit {
            return;
        }
        let there = core.pending_frames.len();
        core.gathering.wanted = there + woken;
        let deadline = self.env.clock.steady().saturating_add(patience);
        while core.pending_frames.len() < there + woken {
            let left = deadline.saturating_sub(self.env.clock.steady());
            if left.is_zero() || self.gathered.wait_for(core, left).timed_out() {
                break;
            }
        }
        core.gathering.wanted = 0;
        if core.pending_frames.len() < there + woken / 2 {
            core.gathering.in_vain = IN_VAIN;
        }
    }

    /// Writes what is pending, syncs, publishes, wakes. The lock is free while the disk works, so
    /// the next group gathers.
    pub(super) fn lead(&self, core: &mut MutexGuard<'_, Core<P>>) {
        core.leading = true;
        self.gather(core);
        if self.latch.check().is_err() {
            // Who waits was told as it tripped.
            core.leading = false;
            self.changed.notify_all();
            return;
        }
        let group = core.group;
        core.renew_synced();
        let spare = std::mem::take(&mut core.spare);
        let mut bytes = std::mem::replace(&mut core.pending, spare);
        let offset = core.pending_offset;
        let upto = core.assigned;
        let segment = Arc::clone(&core.active.segment);
        core.group += 1;
        core.unattended = false;
        core.attempted = upto;
        let began = self.env.clock.steady();
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
        core.gathering.sync_took = self.env.clock.steady().saturating_sub(began);
        core.gathering.woken = *core.gathering.asleep(group);
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
            self.news.tell();
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
        self.turns.iter().chain([&self.changed]).for_each(|waiting| {
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
