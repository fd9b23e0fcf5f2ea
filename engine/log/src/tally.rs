//! What the frames of a segment add up to.

use annals_types::Timestamp;

use crate::format::footer::{EpochStart, add_epoch};
use crate::loss::Loss;
use crate::walk::CheckedFrame;

/// What a footer tells of the frames, but for the offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Control records.
    pub(crate) controls: u32,
    /// Stamps of the first and the last event.
    pub(crate) recorded: Option<(Timestamp, Timestamp)>,
    /// The epochs that begin there.
    pub(crate) epochs: Vec<EpochStart>,
    /// What is lost, in the order of positions.
    pub(crate) losses: Vec<Loss>,
}

impl Tally {
    /// Takes in a whole frame.
    pub(crate) fn add(&mut self, checked: &CheckedFrame) {
        match checked.frame.streams {
            Some(_) => self.commit(checked.frame.header.recorded_at),
            None => self.control(checked.epoch()),
        }
        self.losses.extend(checked.losses());
    }

    /// Takes in a commit that has lost nothing.
    pub(crate) fn commit(&mut self, recorded_at: Timestamp) {
        let first = self.recorded.map_or(recorded_at, |recorded| recorded.0);
        self.recorded = Some((first, recorded_at));
    }

    /// Takes in a control record, and the epoch that it begins.
    pub(crate) fn control(&mut self, epoch: Option<EpochStart>) {
        self.controls = self.controls.saturating_add(1);
        if let Some(start) = epoch {
            add_epoch(&mut self.epochs, start);
        }
    }
}
