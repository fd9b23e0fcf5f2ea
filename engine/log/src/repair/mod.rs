//! Repair: a damaged log becomes whole again, without what is lost, and says so itself.
//!
//! Looking changes nothing and gives a [`RepairPlan`]. Carrying it out writes each damaged segment
//! anew, as its next generation, with a note in place of everything that is lost, and only then
//! removes the old one, of which a copy lies in [`DAMAGED_FOLDER`]. Each segment is replaced by one
//! rename: after a crash in between, a repair goes on where this one stopped.

mod aside;
mod execute;
mod plan;
mod rewrite;
mod salvage;

use std::path::PathBuf;
use std::sync::Arc;

use annals_types::{Epoch, Place};

pub use self::aside::DAMAGED_FOLDER;
pub(crate) use self::aside::put_aside;
use self::salvage::{End, Stretch};
use crate::loss::Loss;
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::{Damage, TornTail};

/// What a repair would do.
#[derive(Debug)]
pub struct RepairPlan {
    root: PathBuf,
    reader: LogReader,
    strays: Vec<String>,
    unsealed: Vec<String>,
    superseded: Vec<String>,
    unfinished: Vec<PathBuf>,
    steps: Vec<Step>,
    losses: Vec<Loss>,
    damage: Vec<Damage>,
    torn: Option<TornTail>,
    epochs: Epochs,
    bytes: u64,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Segments written anew, by their new names inside the store's folder.
    pub rewritten: Vec<String>,
    /// Segments made in place of missing ones.
    pub filled: Vec<String>,
    /// What was put aside: its name before, and where it is now.
    pub set_aside: Vec<(String, String)>,
}

#[derive(Debug)]
enum Step {
    /// A segment is written anew.
    Rewrite { segment: Arc<Segment>, end: End, behind: u32 },
    /// A segment that only says what is lost stands for missing ones.
    Fill(Stretch),
}

/// Which id an epoch has.
#[derive(Debug)]
struct Epochs {
    known: Vec<Epoch>,
    /// The newest one, by the `state` page.
    newest: Option<Epoch>,
}

impl RepairPlan {
    /// Whether a repair has written some of it anew before.
    #[must_use]
    pub fn was_repaired(&self) -> bool {
        self.reader.segments().iter().any(|segment| segment.header.generation > 0)
    }

    /// Whether there is nothing to repair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.strays.is_empty() && self.unsealed.is_empty()
    }

    /// What is damaged.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What a crash left half written at the end; a repair leaves it to the next opening for writing.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// A reader of all that is intact.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Whether a saved index of this epoch, with everything up to this position, is of this log: the
    /// log may have lost the records of the newest epoch, which the `state` page still names.
    #[must_use]
    pub fn knows(&self, epoch: Epoch, place: Place) -> bool {
        self.reader.knows(epoch, place) || self.epochs.newest == Some(epoch)
    }

    /// The events that the repair would give up, in the order of positions.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The same, to be told which streams they belonged to, where a saved index still knows.
    pub fn losses_mut(&mut self) -> &mut [Loss] {
        &mut self.losses
    }

    /// Segments that would be written anew, by their names inside the store's folder.
    pub fn damaged_segments(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Rewrite { segment, .. } => Some(segment.name.as_str()),
            Step::Fill(_) => None,
        })
    }

    /// Segments that have only lost their footer, or have a damaged link, which would be made again.
    #[must_use]
    pub fn unsealed(&self) -> &[String] {
        &self.unsealed
    }

    /// How many segments would be made in place of missing ones.
    #[must_use]
    pub fn missing_segments(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Fill(_))).count()
    }

    /// Files that are no part of the log and would be put aside.
    #[must_use]
    pub fn strays(&self) -> &[String] {
        &self.strays
    }
}
