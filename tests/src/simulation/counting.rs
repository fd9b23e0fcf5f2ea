//! Operations on aggregates: whatever snapshots there are, each state is the fold of the model's
//! events.

use annals::{
    Aggregates, Commit, EventReader, ExecuteError, ExpectedVersion, Keep, NewEvent, Position,
    Store, Timestamp, Version,
};

use super::Simulation;
use super::oracles::Reopened;
use crate::check::{self, Check};
use crate::counter::{
    self, Counter, CounterEvent, SNAPSHOT_EVERY, all_good, counters, is_right, key,
};

/// The streams of the aggregates, each with a policy of its own for its snapshots.
pub(super) const COUNTERS: [(&str, Keep); 3] =
    [("counter-1", Keep::All), ("counter-2", Keep::Spaced(4)), ("counter-3", Keep::Last(2))];

/// Each stream comes to the model's state, and each of its snapshots to that of its version.
pub(super) fn oracle(reopened: &mut Reopened<'_>) -> Check {
    for (stream, keep) in COUNTERS {
        let counters = counters(reopened.store, keep);
        let version = reopened.model.version(stream, Position::MAX);
        let loaded = counters.load(stream).map_err(|error| format!("{stream}: {error}"))?;
        is_right(reopened.model, stream, version, &loaded)?;
        all_good(&counters, stream)?;
        if version > Version::NONE {
            let then = Version::new(reopened.dice.below(version.get() + 1));
            let loaded = counters.load_at(stream, then).map_err(|error| error.to_string())?;
            is_right(reopened.model, stream, then, &loaded)?;
        }
    }
    Ok(())
}

impl Simulation {
    fn draw_counter(&self) -> (&'static str, Aggregates<Counter, Store>) {
        let (stream, keep) = *self.dice.pick(&COUNTERS);
        (stream, counters(self.life().store.clone(), keep))
    }

    /// Decides on an aggregate; a snapshot is made now and then.
    pub(super) fn execute(&mut self) -> Check<String> {
        let (stream, counters) = self.draw_counter();
        if self.dice.chance(20) {
            // Somebody else is faster.
            let events = counter::events([self.dice.below(1_000)]);
            self.submit_it(&Commit::new().append(stream, ExpectedVersion::Any, events))?;
        }
        let count = self.dice.below(4);
        let events: Vec<CounterEvent> = (0..count).map(|_| draw_event(self)).collect();
        let visible = self.life().store.position();
        let mut decided = Vec::new();
        let answer = counters.execute(stream, |loaded| {
            decided.push(loaded.clone());
            Ok::<_, String>(events.clone())
        });
        for loaded in &decided {
            is_right(&self.model, stream, loaded.version, loaded)?;
        }
        let Some(last) = decided.last() else {
            let Err(ExecuteError::Store(error)) = answer else {
                return Err(format!("nothing was decided, and the answer is {answer:?}"));
            };
            return self.excuse(&error).map(|()| format!("{stream}: loading fails: {error}"));
        };
        let encoded = encode(&events, &counters);
        let commit = Commit::new().append(stream, last.version, encoded);
        let refusals = self.model.refusals(&commit, self.world.now());
        match answer {
            Ok(executed) => {
                let Some(receipt) = executed.receipt else {
                    check::equal("the events of nothing", 0, events.len())?;
                    return Ok(format!("{stream}: nothing"));
                };
                let told = self.answered(&commit, visible, &refusals, Ok(receipt.clone()))?;
                self.finished(&receipt, false)?;
                let version = last.version.plus(count);
                is_right(&self.model, stream, version, &executed.loaded)?;
                let due = executed.loaded.replayed.events >= SNAPSHOT_EVERY;
                check::equal("whether a snapshot is due", due, executed.snapshot.is_some())?;
                let snapshot = executed.snapshot.map(|made| self.kept_by(made, stream, version));
                let snapshot = snapshot.transpose()?;
                let times = decided.len();
                Ok(format!("{stream}+{count} {told}, decided {times}x, snapshot {snapshot:?}"))
            }
            Err(ExecuteError::Store(error)) => {
                let told = self.answered(&commit, visible, &refusals, Err(error))?;
                Ok(format!("{stream}+{count} {told}"))
            }
            Err(ExecuteError::Unfolded { receipt, cause }) => {
                let told = self.answered(&commit, visible, &refusals, Ok((*receipt).clone()))?;
                self.excuse(&cause)?;
                Ok(format!("{stream}+{count} {told}, not folded: {cause}"))
            }
            Err(error) => Err(format!("{stream}: {error}")),
        }
    }

    /// What became of a snapshot that was due.
    fn kept_by(
        &mut self,
        made: annals::Result<Version>,
        stream: &str,
        version: Version,
    ) -> Check<String> {
        match made {
            Ok(made) => {
                check::equal("the snapshot's version", version, made)?;
                let told = self.is_kept(&key(stream), |kept| {
                    check::equal("the version of the newest snapshot", version, kept.version)
                })?;
                Ok(format!("made: {told}"))
            }
            Err(error) => {
                self.excuse(&error)?;
                self.failed(error.kind());
                Ok(format!("fails: {:?}", error.kind()))
            }
        }
    }

    /// Makes a snapshot by hand.
    pub(super) fn snapshot(&mut self) -> Check<String> {
        let (stream, counters) = self.draw_counter();
        let version = self.model.version(stream, self.life().store.position());
        match counters.snapshot(stream) {
            Err(error) if version == Version::NONE && check::is_invalid(&error) => {
                Ok(format!("{stream}: nothing to keep"))
            }
            made => Ok(format!("{stream}: {}", self.kept_by(made, stream, version)?)),
        }
    }

    /// Loads an aggregate, now or then: from the store, a view, or beside.
    pub(super) fn load(&mut self) -> Check<String> {
        let (stream, keep) = *self.dice.pick(&COUNTERS);
        if self.dice.chance(20) && self.knows_stamps() {
            return self.load_as_of_moment(stream, keep);
        }
        let (what, reader, head) = self.draw_reader();
        let counters = counters(reader, keep);
        let last = self.model.version(stream, head);
        let (version, answer) = match self.dice.below(4) {
            0 => (last, counters.load(stream)),
            1 => {
                let version = Version::new(self.dice.below(last.get() + 2));
                (version, counters.load_at(stream, version))
            }
            2 => {
                let position = Position::new(self.dice.below(head.get() + 1));
                let version = self.model.version(stream, position);
                (version, counters.load_as_of(stream, position))
            }
            _ => {
                let checked = all_good(&counters, stream);
                let good = checked.as_ref().map_or(0, |good| *good);
                let told = self.excuse_reading(checked.map(|_| ()))?;
                return Ok(format!("{what}: {stream} has {good} snapshots: {told}"));
            }
        };
        match answer {
            Ok(loaded) => {
                is_right(&self.model, stream, version, &loaded)?;
                Ok(format!("{what}: {stream} at {version}, {:?}", loaded.replayed))
            }
            Err(error) if version > last && check::is_invalid(&error) => Ok("refused".to_owned()),
            Err(error) => self.excuse(&error).map(|()| format!("{what}: {stream}: {error}")),
        }
    }

    fn load_as_of_moment(&mut self, stream: &str, keep: Keep) -> Check<String> {
        let (moment, now) = (self.draws().moment(), self.world.now());
        let counters = counters(self.life().store.clone(), keep);
        let answer = counters.load_as_of(stream, moment);
        self.told_of(moment, now);
        match answer {
            Ok(_) if moment >= now => Err(format!("{moment} is not past, it is {now}")),
            Ok(loaded) => {
                let position = self.model.position_at(moment, self.life().store.position());
                let version = self.model.version(stream, position);
                is_right(&self.model, stream, version, &loaded)?;
                Ok(format!("{stream} as of {moment}: {version}, {:?}", loaded.replayed))
            }
            Err(error) if moment >= now && check::is_invalid(&error) => Ok("refused".to_owned()),
            Err(error) => self.excuse(&error).map(|()| format!("fails: {error}")),
        }
    }

    /// Somebody was told what the store held at the moment.
    pub(super) fn told_of(&mut self, moment: Timestamp, now: Timestamp) {
        if moment < now {
            let life = self.life_mut();
            life.told = life.told.max(moment);
            self.model.tell(moment);
        }
    }
}

fn draw_event(sim: &Simulation) -> CounterEvent {
    match sim.dice.chance(70) {
        true => CounterEvent::Added(sim.dice.below(1_000)),
        false => CounterEvent::Doubled,
    }
}

fn encode<R: EventReader>(
    events: &[CounterEvent],
    counters: &Aggregates<Counter, R>,
) -> Vec<NewEvent> {
    let encode = |event| counters.payloads().encode(event).expect("it is an enum");
    events.iter().map(encode).collect()
}
