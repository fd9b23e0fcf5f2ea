//! Events into a state.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::aggregate::{Aggregate, Loaded};
use super::fault::{ReplayCause, ReplayFault};
use super::payloads::{Payloads, Undecoded};
use crate::Event;
use crate::error::{Error, Result};

/// What is done with an event whose type no variant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownTypes {
    /// It is a fault.
    #[default]
    Fail,
    /// It is passed over.
    Skip,
}

/// What is done with an event that cannot be replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// Loading fails with it.
    #[default]
    Stop,
    /// It is passed over and noted ([`Loaded::faults`]), up to so many times; one more, and loading
    /// fails with that one. After an event that could not be applied the state is made anew without
    /// it, so that nothing half done is left in it: each costs a replay.
    Collect(usize),
}

/// How events are folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Folding {
    pub(super) payloads: Payloads,
    pub(super) unknown: UnknownTypes,
    pub(super) faults: Faults,
}

/// Why folding ended before the last event.
pub(super) enum Halt {
    Error(Error),
    /// A fault was noted that may have left the state half changed. Folded again from an earlier
    /// state, its event is passed over.
    Again,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

enum Stop {
    Reading(Error),
    Fault(ReplayFault),
}

impl Folding {
    /// Folds the events into what is loaded, except those of which a fault was noted already.
    pub(super) fn fold<A: Aggregate>(
        &self,
        loaded: &mut Loaded<A>,
        mut events: impl Iterator<Item = Result<Event>>,
    ) -> Result<(), Halt> {
        loop {
            let mut under_way = None;
            // Around them all: it is not free, and a panic ends the round in any case. The state is
            // thrown away then.
            let round =
                catch_unwind(AssertUnwindSafe(|| self.run(loaded, &mut events, &mut under_way)));
            let fault = match (round, under_way) {
                (Ok(Ok(())), _) => return Ok(()),
                (Ok(Err(Stop::Reading(error))), _) => return Err(error.into()),
                (Ok(Err(Stop::Fault(fault))), _) => fault,
                (Err(panic), Some(event)) => ReplayFault::panicked(&event, &*panic),
                // No code of the caller's.
                (Err(panic), None) => resume_unwind(panic),
            };
            let changed = matches!(fault.cause, ReplayCause::Refused | ReplayCause::Panicked);
            self.note(&mut loaded.faults, fault)?;
            if changed {
                return Err(Halt::Again);
            }
        }
    }

    /// Folds until the first fault. While code of the caller's runs, its event is under way.
    fn run<A: Aggregate>(
        &self,
        loaded: &mut Loaded<A>,
        events: &mut impl Iterator<Item = Result<Event>>,
        under_way: &mut Option<Event>,
    ) -> Result<(), Stop> {
        loop {
            *under_way = None;
            let Some(event) = events.next().transpose().map_err(Stop::Reading)? else {
                return Ok(());
            };
            let event = under_way.insert(event);
            loaded.replayed.events += 1;
            loaded.replayed.bytes += event.data().len() as u64;
            (loaded.version, loaded.folded) = (event.version(), event.version());
            loaded.position = event.position();
            if search(&loaded.faults, event).is_ok() {
                continue;
            }
            let typed = match self.payloads.read(event) {
                Ok(typed) => typed,
                Err(Undecoded::UnknownType) if self.unknown == UnknownTypes::Skip => continue,
                Err(undecoded) => {
                    return Err(Stop::Fault(undecoded.fault(event)));
                }
            };
            if let Err(error) = loaded.state.apply(typed, event) {
                let fault = ReplayFault::new(event, ReplayCause::Refused, error);
                return Err(Stop::Fault(fault));
            }
        }
    }

    fn note(&self, faults: &mut Vec<ReplayFault>, fault: ReplayFault) -> Result<()> {
        match self.faults {
            Faults::Collect(most) if faults.len() < most => {
                let at = faults.partition_point(|other| other.position < fault.position);
                faults.insert(at, fault);
                Ok(())
            }
            _ => Err(fault.into()),
        }
    }
}

fn search(faults: &[ReplayFault], event: &Event) -> Result<usize, usize> {
    faults.binary_search_by_key(&event.position(), |fault| fault.position)
}
