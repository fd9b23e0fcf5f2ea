//! How lives of the store begin and end without a crash.

use annals::{Durability, ErrorKind, Options, Position, Store, Timestamp};

use super::Simulation;
use super::life::{Life, Trouble};
use super::oracles::{ORACLES, Reopened};
use crate::check::{self, Check};

/// Mostly the least, so that segments fill and are sealed.
const SEGMENT_BYTES: [u64; 6] = {
    const LEAST: u64 = Options::SEGMENT_BYTES_MIN;
    [LEAST, LEAST, LEAST, LEAST, 40_000, 1 << 20]
};
/// In so many of a hundred good ends an earlier copy is put back.
const RESTORE_PERCENT: u64 = 10;
/// In so many of a hundred openings reads fail now and then.
const ROUGH_PERCENT: u64 = 12;
/// In so many of a hundred openings comes a crash.
const CRASH_PERCENT: u64 = 20;

impl Simulation {
    /// Opens the store; after crashes in openings, again.
    pub(super) fn open(&mut self) -> Check {
        loop {
            let durability =
                if self.dice.chance(55) { Durability::Sync } else { Durability::Buffered };
            let segment_bytes = *self.dice.pick(&SEGMENT_BYTES);
            if self.dice.chance(CRASH_PERCENT) {
                let number = self.dice.below(24);
                if self.dice.chance(25) {
                    self.process.die_behind(number);
                } else {
                    self.disk.crash_at(self.disk.operations() + 1 + number);
                }
            }
            let rough = self.dice.chance(ROUGH_PERCENT);
            self.make_rough(rough);
            self.due = self.disk.failures_due();
            let options = self.world.options().segment_bytes(segment_bytes).durability(durability);
            let opened = options.open(crate::world::STORE);
            self.make_rough(false);
            let told = match &opened {
                Ok(store) => format!("{durability:?}, {segment_bytes} B, at {}", store.position()),
                Err(error) => format!("{error} ({:?})", error.kind()),
            };
            self.note(format!("--- open: {told}"));
            match opened {
                Ok(store) if self.has_ended() => {
                    // It answered: what it shows is durable.
                    let head = store.position();
                    self.may_end_at(head)?;
                    self.promised.opened = true;
                    self.acknowledged(head, true)?;
                    self.sure.sync();
                }
                Ok(store) => return self.opened(store, durability),
                Err(_) if self.has_ended() => {}
                Err(error) if rough && *error.kind() == ErrorKind::Io => continue,
                Err(error) if (self.full || self.struck()) && error.damage().is_none() => {
                    self.calm();
                    continue;
                }
                Err(error) => return Err(format!("opening: {error} ({:?})", error.kind())),
            }
            self.tally.in_openings += 1;
            self.crashed()?;
        }
    }

    /// Reads fail now and then.
    fn make_rough(&self, rough: bool) {
        let seed = self.dice.seed();
        self.disk.set_faults(|faults| {
            faults.seed = seed;
            faults.read_error = if rough { 0.05 } else { 0.0 };
        });
    }

    /// Examines the opened store, and takes it.
    fn opened(&mut self, store: Store, durability: Durability) -> Check {
        let head = store.position();
        self.may_end_at(head)?;
        if self.promised.clean && self.struck() {
            self.promised.clean = false;
        }
        if self.promised.clean {
            check::equal("the torn tail behind a good end", None, store.recovered_tail())?;
        }
        let lost: Vec<_> = self
            .model
            .commits()
            .filter(|(_, end)| *end > head)
            .map(|(commit, _)| commit.clone())
            .collect();
        lost.iter().for_each(|commit| self.keep_lost(commit));
        self.tally.lost += self.model.head().get() - head.get();
        self.model.cut(head);
        // Failures that are still to come would hide what the oracles look for.
        self.calm();
        let epoch = store.stats().map_err(|error| format!("stats: {error}"))?.epoch;
        if self.kept.epochs.iter().any(|known| known.id == epoch.id) {
            return Err(format!("the epoch {epoch} was there before"));
        }
        let mut reopened = Reopened {
            store: &store,
            model: &mut self.model,
            epochs: &self.kept.epochs,
            epoch,
            now: self.world.now(),
            sure: &self.sure,
            dice: &self.dice,
        };
        for (name, oracle) in ORACLES {
            oracle(&mut reopened).map_err(|error| format!("opened again: {name}: {error}"))?;
        }
        self.sure.sync();
        self.tally.openings += 1;
        self.kept.epochs.push(epoch);
        self.promised.opened = true;
        self.promised.most = None;
        // An opening makes durable what it shows.
        self.acknowledged(head, true)?;
        self.life = Some(Life {
            store,
            durability,
            epoch,
            visible: head,
            sealed: 0,
            trouble: Trouble::None,
            told: Timestamp::MIN,
            views: Vec::new(),
            followers: Vec::new(),
            submitted: Vec::new(),
            projectors: Vec::new(),
        });
        self.checkpoints_hold().map_err(|error| format!("checkpoints: {error}"))
    }

    /// Closes the store and opens it again.
    pub(super) fn close(&mut self) -> Check<String> {
        self.end(true)
    }

    /// Drops the store and opens it again.
    pub(super) fn drop_store(&mut self) -> Check<String> {
        self.end(false)
    }

    fn end(&mut self, close: bool) -> Check<String> {
        let (model, now) = (self.model.head(), self.world.now());
        for (view, head) in &self.life().views {
            let checked = check::answers(view, &self.model, *head);
            self.excuse_reading(checked).map_err(|error| format!("the view at {head}: {error}"))?;
        }
        let Some(life) = self.life.take() else { return Ok(String::new()) };
        let Life { store, durability, trouble, views, followers, submitted, projectors, .. } = life;
        // They hold the store.
        drop(projectors);
        let told = if close {
            match store.close() {
                Ok(()) => {
                    self.acknowledged(model, true)?;
                    self.sure.sync();
                    "closed".to_owned()
                }
                Err(_) if trouble > Trouble::None => "closed with a failure".to_owned(),
                Err(error) => self.excuse(&error).map(|()| format!("fails: {error}"))?,
            }
        } else {
            drop(store);
            "dropped".to_owned()
        };
        let well = trouble == Trouble::None && !self.struck() && !self.has_ended();
        self.promised.clean = well;
        if well {
            // A drop closes too; nobody was told, but nothing speaks against it.
            self.acknowledged(model, false)?;
            self.keep_image();
        }
        self.note(format!("--- {told} ({durability:?}) at {now}"));
        // What was handed out may outlive the store.
        for waiting in submitted {
            if let (true, true) = (well, self.dice.chance(50)) {
                let answer = waiting.submitted.wait();
                self.came_through(&waiting.receipt, waiting.durable, answer)?;
            }
        }
        if well && let Some((view, head)) = views.first() {
            check::read(view, &self.model, &annals::Read::all(), *head)?;
        }
        drop((views, followers));
        if self.has_ended() {
            return Ok(told);
        }
        if self.full && self.dice.chance(70) {
            self.calm();
        }
        if well && !self.full && self.dice.chance(15) {
            self.rot()?;
        }
        if well && self.dice.chance(15) {
            self.keep_copy();
        } else if well && !self.full && self.dice.chance(RESTORE_PERCENT) {
            self.restore_in_place();
        }
        self.restart();
        if self.dice.chance(20) && !self.full {
            self.find_other_index();
        }
        if self.has_ended() {
            return Ok(told);
        }
        if self.dice.chance(20) && self.disk.failures_due() == 0 {
            self.look_read_only(false)?;
        }
        self.open()?;
        Ok(told)
    }

    /// Ends the life of the seed: all is there, also without any saved index.
    pub(super) fn finish(&mut self) -> Check {
        self.calm();
        self.end(true)?;
        if self.has_ended() {
            self.crashed()?;
            self.open()?;
        }
        let report = self.life().store.verify(&mut |_, _| {}).map_err(|error| error.to_string())?;
        check::equal("the damage in the end", Vec::new(), report.damage)?;
        check::equal("the events in the end", self.model.head(), Position::new(report.events))?;
        Ok(())
    }
}
