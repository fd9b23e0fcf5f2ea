//! The writer's lock in somebody's hands: frames get their places here.

use annals_env::sync::MutexGuard;
use annals_types::{Place, Position, Timestamp};

use super::{Appended, Core, Publish, Shared, SyncMode};
use crate::error::{LogError, Result};
use crate::format::draft::{Draft, Record, Stamp};
use crate::format::footer::EpochStart;

/// The writer's lock, held.
pub struct LogGuard<'a, P: Publish> {
    pub(super) shared: &'a Shared<P>,
    pub(super) core: MutexGuard<'a, Core<P>>,
}

impl<P: Publish> LogGuard<'_, P> {
    /// What takes in the published events.
    pub fn publisher(&mut self) -> &mut P {
        &mut self.core.publish
    }

    /// The stamp of the newest event.
    #[must_use]
    pub fn stamp(&self) -> Timestamp {
        self.core.stamp
    }

    /// Somebody was told what was recorded up to this moment ([`Log::settle_moment`](super::Log::settle_moment)).
    #[must_use]
    pub fn told(&self) -> Timestamp {
        self.core.told
    }

    /// The last position given, visible or not.
    #[must_use]
    pub fn assigned(&self) -> Position {
        self.core.assigned.position
    }

    /// The last place given, visible or not.
    #[must_use]
    pub fn last(&self) -> Place {
        self.core.assigned
    }

    /// Waits until everything up to `position` is visible.
    ///
    /// # Errors
    /// [`LogError::Failed`] where the write path failed before.
    pub fn wait_visible(&mut self, position: Position) -> Result<()> {
        let place = Place::event(position);
        self.shared
            .wait(&mut self.core, None, |core| core.visible >= place)
            .map_err(LogError::Failed)
    }

    /// Gives the frame its place and hands it to the group or to the system. [`Self::make_room`]
    /// must have made room for it under this very lock.
    ///
    /// # Errors
    /// [`LogError::OutcomeUnknown`] where writing failed.
    pub fn append(
        &mut self,
        draft: &mut Draft,
        recorded_at: Option<Timestamp>,
    ) -> Result<Appended> {
        let shared = self.shared;
        let core = &mut *self.core;
        let events = draft.events();
        let now = recorded_at.unwrap_or_else(|| {
            let told = Timestamp::from_micros(core.told.as_micros().saturating_add(1));
            shared.env.clock.now().max(told)
        });
        let (first, last) = if events == 0 {
            (core.assigned.next(), core.assigned.next())
        } else {
            core.stamp = core.stamp.max(now);
            #[cfg(annals_canary)]
            if annals_env::canary::is("stamps follow the clock backwards") {
                core.stamp = now;
            }
            let first = core.assigned.position.plus(1);
            (Place::event(first), Place::event(core.assigned.position.plus(u64::from(events))))
        };
        let recorded_at = if events == 0 { now } else { core.stamp };
        let segment = &core.active.segment;
        let offset = core.active.tail;
        let stamp = Stamp {
            first,
            epoch: core.epoch,
            recorded_at,
            synced: core.durable,
            salt: segment.header.salt,
            offset,
        };
        let begins = draft.begins();
        let (bytes, records) = draft.finish(&stamp);
        if events > 0 {
            let index = first.position.get() - segment.first_event().get();
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let place = |record: &Record| offset + u64::from(record.start);
            let places = records.iter().map(|record| u32::try_from(place(record)));
            core.active.offsets.set_row(index, places.map(|place| place.unwrap_or(u32::MAX)));
        }
        core.active.tail = offset + bytes.len() as u64;
        if events > 0 {
            core.active.tally.commit(recorded_at);
        } else {
            if begins.is_none() {
                core.active.offsets.note();
            }
            let epoch = begins.map(|epoch| EpochStart { epoch, place: last });
            core.active.tally.control(epoch);
        }
        core.assigned = last;
        core.counters.frames += 1;
        core.counters.events += u64::from(events);
        core.counters.bytes += bytes.len() as u64;
        match shared.options.sync {
            SyncMode::EachCommit => {
                if core.pending.is_empty() {
                    core.pending_offset = offset;
                }
                core.pending_frames.push(core.pending.len());
                core.pending.extend_from_slice(bytes);
                if core.pending_frames.len() == core.gathering.wanted {
                    shared.gathered.notify_one();
                }
            }
            SyncMode::Interval(_) => {
                core.attempted = last;
                if let Err(error) = segment.file.append_at(bytes, offset) {
                    let failure = shared.fail(format!("writing {}", segment.name), error);
                    return Err(LogError::OutcomeUnknown(failure));
                }
            }
        }
        Ok(Appended {
            first: first.position,
            last,
            recorded_at,
            epoch: core.epoch,
            group: core.group,
        })
    }

    /// Returns once the frame is visible, and durable where that is asked for.
    ///
    /// # Errors
    /// [`LogError::OutcomeUnknown`] where its write or sync failed, [`LogError::Failed`] where one
    /// before it did and nothing of it was written.
    pub fn finish(mut self, appended: &Appended, durable: bool) -> Result<()> {
        let place = appended.last;
        match self.shared.options.sync {
            SyncMode::EachCommit => {
                let group = Some(appended.group);
                let waited = self.shared.wait(&mut self.core, group, |core| core.visible >= place);
                waited.map_err(|failure| self.core.outcome(place, failure))
            }
            SyncMode::Interval(_) => {
                self.show_at_once()?;
                if durable {
                    return self.shared.wait_durable(&mut self.core, place);
                }
                Ok(())
            }
        }
    }

    /// Returns at once: the frame is written, synced and shown in the background, or, where commits
    /// are synced later, shown now. [`Log::wait`](super::Log::wait) and [`Log::poll`](super::Log::poll) tell when that is done.
    ///
    /// # Errors
    /// As [`LogGuard::finish`].
    pub fn submit(mut self) -> Result<()> {
        match self.shared.options.sync {
            SyncMode::EachCommit => {
                #[cfg(annals_canary)]
                if annals_env::canary::is("shown before it is written") {
                    let written = self.core.assigned;
                    self.shared.show(&mut self.core, written).ok();
                    self.shared.announce(&mut self.core);
                }
                let first = !std::mem::replace(&mut self.core.unattended, true);
                if first && !self.core.leading {
                    self.shared.wake_sync();
                }
                Ok(())
            }
            SyncMode::Interval(_) => self.show_at_once(),
        }
    }

    /// Shows everything that is written, and has it synced later.
    fn show_at_once(&mut self) -> Result<()> {
        let core = &mut *self.core;
        let mut wake = !std::mem::replace(&mut core.sync_due, true);
        if !core.active.syncs_early && self.shared.is_nearly_full(&core.active) {
            (core.active.syncs_early, core.sync_early) = (true, true);
            wake = true;
        }
        let written = core.assigned;
        self.shared.show(core, written).map_err(LogError::OutcomeUnknown)?;
        self.shared.announce(core);
        if wake {
            self.shared.wake_sync();
        }
        self.shared.news.tell();
        Ok(())
    }
}

impl<P> std::fmt::Debug for LogGuard<'_, P>
where
    P: Publish,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogGuard").finish_non_exhaustive()
    }
}
