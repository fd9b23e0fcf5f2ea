//! The table of operations.

use std::time::Duration;

use annals::Timestamp;
use annals_env::{Fs, OperationKind};

use super::Simulation;
use super::life::Trouble;
use crate::check::{self, Check};

/// Does it to the store, compares, and gives a line for the trace.
pub(super) type Act = fn(&mut Simulation) -> Check<String>;

/// Name, weight, and what is done.
const OPERATIONS: &[(&str, u64, Act)] = &[
    ("commit", 26, Simulation::commit),
    ("submit", 10, Simulation::submit),
    ("submitted", 8, Simulation::submitted),
    ("repeat", 7, Simulation::repeat),
    ("sync", 3, Simulation::sync),
    ("wait durable", 2, Simulation::wait_durable),
    ("read", 14, Simulation::read),
    ("view", 3, Simulation::view),
    ("look at a view", 3, Simulation::look_at_view),
    ("as of", 3, Simulation::as_of),
    ("follow", 3, Simulation::follow),
    ("followed", 8, Simulation::followed),
    ("open beside", 3, Simulation::open_beside),
    ("refresh", 4, Simulation::refresh),
    ("keep a state", 5, Simulation::keep_state),
    ("look for a state", 3, Simulation::look_for_state),
    ("execute", 9, Simulation::execute),
    ("snapshot", 1, Simulation::snapshot),
    ("load", 5, Simulation::load),
    ("project", 7, Simulation::project),
    ("verify", 1, Simulation::verify),
    ("step", 12, Simulation::background_step),
    ("steps", 4, Simulation::background_steps),
    ("save the index", 3, Simulation::save_index),
    ("time passes", 5, Simulation::time_passes),
    ("clock set", 2, Simulation::clock_set),
    ("close", 2, Simulation::close),
    ("drop", 2, Simulation::drop_store),
    ("crash in steps", 3, Simulation::crash_in_steps),
    ("crash soon", 6, Simulation::crash_soon),
    ("crash", 2, Simulation::crash_now),
    ("a failure", 3, Simulation::fail),
    ("little room", 2, Simulation::little_room),
];

/// While the disk has no room, so many of a hundred operations make some.
const ROOM_PERCENT: u64 = 20;
/// While a segment is to be sealed, so many of a hundred operations are crashes in the background.
const SEALING_PERCENT: u64 = 15;
/// After a failure, so many of a hundred operations open the store again.
const REOPEN_PERCENT: u64 = 25;

impl Simulation {
    pub(super) fn draw_operation(&self) -> (&'static str, Act) {
        if self.full && self.dice.chance(ROOM_PERCENT) {
            return ("room", Simulation::room);
        }
        if self.life().trouble == Trouble::Failed && self.dice.chance(REOPEN_PERCENT) {
            return ("drop", Simulation::drop_store);
        }
        let log = self.life().store.counters().log;
        if log.segments_begun > log.segments_sealed && self.dice.chance(SEALING_PERCENT) {
            return ("crash in steps", Simulation::crash_in_steps);
        }
        let (name, _, act) = self.dice.weighted(OPERATIONS, |(_, weight, _)| *weight);
        (*name, *act)
    }

    fn background_step(&mut self) -> Check<String> {
        let due = self.world.scheduler.due();
        let choice = self.dice.seed();
        self.world.scheduler.run_any(choice);
        Ok(format!("of {due:?}"))
    }

    fn background_steps(&mut self) -> Check<String> {
        Ok(format!("{}", self.world.scheduler.run_until_idle()))
    }

    /// What runs in the background is a small part of all operations of the disk, and a large one of
    /// those that need care.
    fn crash_in_steps(&mut self) -> Check<String> {
        let within = self.dice.below(*self.dice.pick(&[4, 8, 16]));
        if self.dice.chance(40) {
            self.process.die_behind(within);
        } else {
            self.disk.crash_at(self.disk.operations() + 1 + within);
        }
        let told = self.background_steps()?;
        Ok(format!("at operation {within} of {told} steps"))
    }

    fn save_index(&mut self) -> Check<String> {
        match self.life().store.save_index() {
            Ok(()) => {
                self.keep_image();
                Ok("saved".to_owned())
            }
            // A full disk may show as any failure here.
            Err(_) if self.full => Ok("no room".to_owned()),
            Err(error) => self.excuse(&error).map(|()| "fails".to_owned()),
        }
    }

    fn time_passes(&mut self) -> Check<String> {
        let by = Duration::from_micros(self.dice.below(200_000));
        self.world.clock.advance(by);
        self.latest = self.latest.max(self.world.now());
        Ok(format!("{by:?}"))
    }

    fn clock_set(&mut self) -> Check<String> {
        let by = i64::try_from(self.dice.below(20_000_000)).unwrap_or(0) - 12_000_000;
        self.set_clock(by);
        Ok(format!("to {}", self.world.now()))
    }

    /// So many microseconds beside its time.
    fn set_clock(&mut self, by: i64) {
        let now = self.world.now().as_micros().saturating_add(by);
        self.world.clock.set(Timestamp::from_micros(now));
        self.latest = self.latest.max(self.world.now());
    }

    fn verify(&mut self) -> Check<String> {
        match self.life().store.verify(&mut |_, _| {}) {
            Ok(report) => {
                check::equal("the damage", Vec::new(), report.damage)?;
                check::equal("the events", report.head.get(), report.events)?;
                if self.life().trouble == Trouble::None && !self.struck() && !self.has_ended() {
                    check::equal("the head", self.model.head(), report.head)?;
                }
                Ok(format!("{} events", report.events))
            }
            Err(error) => self.excuse(&error).map(|()| "fails".to_owned()),
        }
    }

    /// The next read, write or sync fails.
    fn fail(&mut self) -> Check<String> {
        let kinds = [OperationKind::Read, OperationKind::Write, OperationKind::Sync];
        let kind = *self.dice.pick(&kinds);
        self.disk.fail_next(kind, std::io::ErrorKind::Other);
        self.due = self.disk.failures_due();
        if kind != OperationKind::Read {
            return Ok(format!("the next {kind:?}"));
        }
        // Met by something at once: what comes later should find a disk that can be read.
        let acts: [Act; 4] = [Self::read, Self::commit, Self::look_at_view, Self::refresh];
        let told = self.dice.pick(&acts)(self)?;
        if !self.struck() {
            self.disk.forget_failures();
            self.due = 0;
        }
        Ok(format!("of a read: {told}"))
    }

    /// The disk is as good as full.
    fn little_room(&mut self) -> Check<String> {
        let used: u64 = self
            .disk
            .files()
            .iter()
            .filter_map(|path| self.disk.open(path, annals_env::Access::Read).ok()?.len().ok())
            .sum();
        let left = self.dice.below(12_000);
        self.disk.set_capacity(Some(used + left));
        self.full = true;
        self.tally.full += 1;
        Ok(format!("{left} bytes"))
    }

    pub(super) fn room(&mut self) -> Check<String> {
        self.disk.set_capacity(None);
        self.full = false;
        Ok("again".to_owned())
    }
}
