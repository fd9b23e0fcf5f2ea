//! Checking a store: every byte of its log, and its index against it.

mod index;
mod kept;

use annals_log::{Depth, LogReader, Verified};
use annals_types::{Place, Position, StoreId};

pub use self::index::IndexFault;
use crate::concerned;
use crate::error::Result;
use crate::view::Source;
use crate::{Damage, Loss, TornTail};

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The store's identity.
    pub store: StoreId,
    /// Segments read.
    pub segments: u64,
    /// Of these, sealed.
    pub segments_sealed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Frames that are whole.
    pub frames: u64,
    /// Events that are whole.
    pub events: u64,
    /// Control records that are whole.
    pub controls: u64,
    /// The last position of the log.
    pub head: Position,
    /// What is damaged; empty where all is well.
    pub damage: Vec<Damage>,
    /// What is gone for good, as a repair noted it; no damage any more.
    pub losses: Vec<Loss>,
    /// Where the index is not what the log says, at most [`Report::INDEX_FAULTS_MAX`]: make it anew
    /// with [`rebuild_index`](crate::rebuild_index). Only a deep verification looks.
    pub index_faults: Vec<IndexFault>,
    /// What a crash left at the end; no damage.
    pub torn_tail: Option<TornTail>,
}

impl Report {
    /// `known` is the damage that was met before the verification.
    pub(crate) fn new(
        reader: &LogReader,
        head: Position,
        verified: Verified,
        known: &[Damage],
        torn_tail: Option<TornTail>,
    ) -> Self {
        let mut damage = verified.damage;
        for known in known {
            let is_new = damage
                .iter()
                .all(|new| (&new.segment, new.offset) != (&known.segment, known.offset));
            if is_new {
                damage.push(known.clone());
            }
        }
        damage.sort_by(|a, b| (&a.segment, a.offset).cmp(&(&b.segment, b.offset)));
        Self {
            store: reader.store(),
            segments: verified.segments,
            segments_sealed: verified.segments_sealed,
            bytes: verified.bytes,
            frames: verified.frames,
            events: verified.events,
            controls: verified.controls,
            head,
            damage,
            losses: concerned::merged(&verified.losses),
            index_faults: Vec::new(),
            torn_tail,
        }
    }

    /// Most [`Report::index_faults`] that are told.
    pub const INDEX_FAULTS_MAX: usize = 100;

    /// Whether every byte is what was written, and the index, where it was looked at, what the log
    /// says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.index_faults.is_empty()
    }
}

/// Reads and checks everything of `source` up to `last`. `known` is the damage that was met before.
pub(crate) fn run(
    source: &Source,
    last: Place,
    depth: Depth,
    known: &[Damage],
    torn_tail: Option<TornTail>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    // The second half of a deep one is the index.
    let halves = if depth == Depth::Deep { 2 } else { 1 };
    let mut total = 0;
    let verified = source.reader.verify(last, depth, &mut |done, bytes| {
        total = bytes;
        progress(done, bytes.saturating_mul(halves));
    })?;
    let mut report = Report::new(&source.reader, last.position, verified, known, torn_tail);
    concerned::name_streams(&*source.index, last.position, &mut report.damage)?;
    if depth == Depth::Deep {
        let events = last.position.get().max(1);
        report.index_faults = index::compare(source, last.position, &mut |done| {
            let share = u128::from(total) * u128::from(done) / u128::from(events);
            let done = total.saturating_add(u64::try_from(share).unwrap_or(total));
            progress(done, total.saturating_mul(halves));
        })?;
        let (damage, faults) = kept::check(source, last)?;
        report.damage.extend(damage);
        report.damage.sort_by(|a, b| (&a.segment, a.offset).cmp(&(&b.segment, b.offset)));
        report.index_faults.extend(faults);
        report.index_faults.truncate(Report::INDEX_FAULTS_MAX);
    }
    Ok(report)
}
