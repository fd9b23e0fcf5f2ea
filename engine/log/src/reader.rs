//! What every reader of the log shares: the segments, the epochs, how far it may look.

use std::sync::Arc;

use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Timestamp};
use arc_swap::ArcSwap;

use crate::ahead::Samples;
use crate::error::Result;
use crate::format::event::{self, Event};
use crate::format::footer::EpochStart;
use crate::kept::Marks;
use crate::lookup::EventCursor;
use crate::loss::{self, Loss};
use crate::offsets::TableCache;
use crate::scan::Scan;
use crate::segment::Segment;
use crate::{LogError, backward::ScanBack};

/// A handle to read the log; cheap to clone, and valid while the log is written.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(crate) shared: Arc<ReaderShared>,
}

#[derive(Debug)]
pub(crate) struct ReaderShared {
    pub(crate) store: StoreId,
    pub(crate) segments: ArcSwap<Vec<Arc<Segment>>>,
    pub(crate) tables: TableCache,
    /// Whether events are read from disk lately.
    pub(crate) samples: Samples,
    epochs: ArcSwap<Vec<KnownEpoch>>,
    /// Where some control records stand, for who looks for one of very many behind one event.
    pub(crate) marks: Marks,
    /// What the log says to be lost, in the order of positions.
    losses: ArcSwap<Vec<Loss>>,
    /// The newest position that readers may see.
    visible: AtomicU64,
    /// The newest position that survives power loss.
    durable: AtomicU64,
}

/// An epoch of the log's history.
#[derive(Clone, Copy, Debug)]
struct KnownEpoch {
    start: EpochStart,
    /// What goes into the derived ids of its events.
    history: u64,
}

impl LogReader {
    pub(crate) fn new(
        store: StoreId,
        segments: Vec<Arc<Segment>>,
        epochs: &[EpochStart],
        losses: Vec<Loss>,
    ) -> Self {
        let shared = ReaderShared {
            store,
            segments: ArcSwap::from_pointee(segments),
            tables: TableCache::new(),
            samples: Samples::default(),
            epochs: ArcSwap::from_pointee(
                epochs.iter().map(|&start| known(store, start)).collect(),
            ),
            marks: Marks::default(),
            losses: ArcSwap::from_pointee(losses),
            visible: AtomicU64::new(0),
            durable: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds an epoch, unless it is known: its record stands in the log twice.
    pub(crate) fn add_epoch(&self, start: EpochStart) {
        if start.epoch.number <= self.epoch().number {
            return;
        }
        let mut epochs = self.shared.epochs.load().as_ref().clone();
        epochs.push(known(self.shared.store, start));
        self.shared.epochs.store(Arc::new(epochs));
    }

    /// Adds losses behind those known.
    pub(crate) fn add_losses(&self, more: impl Iterator<Item = Loss>) {
        let known = self.losses();
        let last = known.last().map_or(Position::START, |loss| loss.last);
        let mut more = more.filter(|loss| loss.first > last).peekable();
        if more.peek().is_some() {
            let losses = known.iter().cloned().chain(more).collect();
            self.shared.losses.store(Arc::new(losses));
        }
    }

    /// What damage took for good, as a repair noted it: in the order of positions.
    #[must_use]
    pub fn losses(&self) -> Arc<Vec<Loss>> {
        self.shared.losses.load_full()
    }

    /// Whether the event at `position` is one of [`LogReader::losses`].
    pub(crate) fn is_lost(&self, position: Position) -> bool {
        loss::has(&self.shared.losses.load(), position)
    }

    /// The last position before the loss that has this one.
    pub(crate) fn before_loss(&self, position: Position) -> Position {
        let losses = self.shared.losses.load();
        let behind = losses.partition_point(|loss| loss.first <= position);
        let loss = behind.checked_sub(1).and_then(|last| losses.get(last));
        loss.map_or(position, |loss| loss.first).minus(1)
    }

    /// The first position at or behind this one that is not lost.
    pub(crate) fn behind_losses(&self, mut position: Position) -> Position {
        let losses = self.shared.losses.load();
        let begin = losses.partition_point(|loss| loss.last < position);
        for loss in losses.get(begin..).unwrap_or_default() {
            if position < loss.first {
                break;
            }
            position = loss.last.plus(1);
        }
        position
    }

    /// How many of the events between `from` and `to`, both included, are lost.
    #[must_use]
    pub fn lost_between(&self, from: Position, to: Position) -> u64 {
        loss::count(&self.shared.losses.load(), from, to)
    }

    pub(crate) fn publish(&self, visible: Position, durable: Position) {
        // Each only ever grows. Durable first: who sees a position visible in a store that shows
        // durable events only must find it durable too.
        self.shared.durable.store(durable.get(), Ordering::Release);
        self.shared.visible.store(visible.get(), Ordering::Release);
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        self.shared.segments.load_full()
    }

    pub(crate) fn push_segment(&self, segment: &Arc<Segment>) {
        // Beside the step that puts sealed segments in their places.
        self.shared.segments.rcu(|segments| {
            let mut segments = segments.as_ref().clone();
            segments.push(Arc::clone(segment));
            segments
        });
    }

    /// Puts the sealed form of a segment in its place; who still reads the other goes on.
    pub(crate) fn replace_segment(&self, sealed: &Arc<Segment>) {
        self.shared.segments.rcu(|segments| {
            let mut segments = segments.as_ref().clone();
            for segment in &mut segments {
                if segment.header == sealed.header {
                    *segment = Arc::clone(sealed);
                }
            }
            segments
        });
    }

    /// The store that the log belongs to.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.shared.store
    }

    /// The newest position that readers may see.
    #[must_use]
    pub fn visible(&self) -> Position {
        Position::new(self.shared.visible.load(Ordering::Acquire))
    }

    /// The newest position that survives power loss.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position::new(self.shared.durable.load(Ordering::Acquire))
    }

    /// The epoch of the last opening for writing.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.epochs.load().last().map(|known| known.start.epoch).unwrap_or_default()
    }

    /// Whether the log's history has this place in this epoch: the epoch is there, and no later one
    /// began before the place.
    #[must_use]
    pub fn knows(&self, epoch: Epoch, place: Place) -> bool {
        let epochs = self.shared.epochs.load();
        has_place(epochs.iter().map(|known| &known.start), epoch, place)
    }

    /// The epoch in which the event at `position` was written; before the first event the default
    /// one. `None` where the event is not visible, or the record of its epoch is lost.
    #[must_use]
    pub fn epoch_at(&self, position: Position) -> Option<Epoch> {
        if position == Position::START {
            return Some(Epoch::default());
        }
        if position > self.visible() {
            return None;
        }
        let epochs = self.shared.epochs.load();
        let begun = epochs.partition_point(|known| known.start.place < Place::event(position));
        epochs.get(begun.checked_sub(1)?).map(|known| known.start.epoch)
    }

    /// The first and the last event of the commit that wrote the event at `position`, which must be
    /// visible.
    ///
    /// # Errors
    /// As [`LogReader::event`].
    pub fn commit_range(&self, position: Position) -> Result<(Position, Position)> {
        let header = self.events().locate(position)?.frame.header;
        Ok((header.first.position, header.last().position))
    }

    /// The event at `position`, which must be visible; `None` where it is one of
    /// [`LogReader::losses`].
    ///
    /// # Errors
    /// [`LogError::Damaged`] where its bytes are not what was written, and I/O errors.
    pub fn event(&self, position: Position) -> Result<Option<Event>> {
        self.events().get(position)
    }

    /// Reads single events in any order.
    #[must_use]
    pub fn events(&self) -> EventCursor {
        EventCursor::new(self.clone())
    }

    /// Reads the events `from` to `to`, both included, in order.
    #[must_use]
    pub fn scan(&self, from: Position, to: Position) -> Scan {
        Scan::new(self.clone(), from, to)
    }

    /// Reads the events `from` down to `to`, both included, newest first.
    #[must_use]
    pub fn scan_back(&self, from: Position, to: Position) -> ScanBack {
        ScanBack::new(self.clone(), from, to)
    }

    /// The first event at or below `up_to` that was recorded at `moment` or later; the position
    /// behind `up_to` where there is none.
    ///
    /// # Errors
    /// I/O errors. An event that is damaged is passed over: its neighbours decide.
    pub fn first_since(&self, moment: Timestamp, up_to: Position) -> Result<Position> {
        let mut cursor = self.events();
        let (mut low, mut high) = (Position::new(1), up_to.plus(1));
        while low < high {
            let middle = Position::new(low.get() + (high.get() - low.get()) / 2);
            // What is not readable is decided by what lies before it.
            let mut probe = Some(middle);
            let stamp = loop {
                let Some(at) = probe.filter(|&at| at >= low) else { break None };
                match cursor.get(at) {
                    Ok(Some(event)) => break Some((at, event.recorded_at())),
                    Ok(None) | Err(LogError::Damaged(_)) => probe = self.floor(at.minus(1))?,
                    Err(error) => return Err(error),
                }
            };
            match stamp {
                Some((at, stamp)) if stamp >= moment => high = at,
                _ => low = middle.plus(1),
            }
        }
        Ok(low)
    }

    /// The position and the epoch of the event that would have this id if its caller set none.
    #[must_use]
    pub fn derived_position(&self, id: EventId) -> Option<(Position, Epoch)> {
        let position = id.derived_position()?;
        let epochs = self.shared.epochs.load();
        let ours = epochs.iter().find(|known| EventId::derived(known.history, position) == id)?;
        Some((Position::new(position), ours.start.epoch))
    }

    /// The epochs of the log's history.
    pub(crate) fn known_epochs(&self) -> Vec<Epoch> {
        self.shared.epochs.load().iter().map(|known| known.start.epoch).collect()
    }

    /// The epoch in force in front of `place`; the default one before the first.
    pub(crate) fn epoch_before(&self, place: Place) -> Epoch {
        let epochs = self.shared.epochs.load();
        let begun = epochs.partition_point(|known| known.start.place < place);
        let newest = begun.checked_sub(1).and_then(|newest| epochs.get(newest));
        newest.map(|known| known.start.epoch).unwrap_or_default()
    }

    /// What goes into the derived ids of the events of an epoch; `None` where its records are lost.
    #[cold]
    pub(crate) fn history(&self, epoch: u32) -> Option<u64> {
        let epochs = self.shared.epochs.load();
        let known = epochs.iter().rev().find(|known| known.start.epoch.number == epoch);
        known.map(|known| known.history)
    }

    /// The segment that holds `position`, and the last position that it can hold, where another
    /// segment follows it.
    pub(crate) fn segment_of(
        &self,
        position: Position,
    ) -> Option<(Arc<Segment>, Option<Position>)> {
        let segments = self.shared.segments.load();
        let behind = segments.partition_point(|segment| segment.header.first.position < position);
        let segment = segments.get(behind.checked_sub(1)?)?;
        let last = segments.get(behind).map(|next| next.header.first.position);
        Some((Arc::clone(segment), last))
    }

    /// The first event that the first segment can hold.
    pub(crate) fn first_event(&self) -> Option<Position> {
        self.shared.segments.load().first().map(|segment| segment.first_event())
    }

    /// The last position at or before this one of which a segment's table tells where it stands.
    pub(crate) fn floor(&self, mut position: Position) -> Result<Option<Position>> {
        while let Some((segment, _)) = self.segment_of(position) {
            let first = segment.first_event();
            let index = position.get().saturating_sub(first.get());
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if let Some(found) = self.shared.tables.floor(&segment, index)? {
                return Ok(Some(first.plus(found as u64)));
            }
            position = segment.header.first.position;
        }
        Ok(None)
    }

    /// Bytes, number of segments, and number of sealed ones.
    ///
    /// # Errors
    /// I/O errors.
    pub fn size(&self) -> Result<(u64, u64, u64)> {
        let segments = self.shared.segments.load();
        let mut bytes = 0;
        for segment in segments.iter() {
            bytes += segment.file.len().map_err(|error| segment.io(error))?;
        }
        let sealed = segments.iter().filter(|segment| segment.summary.is_some()).count();
        Ok((bytes, segments.len() as u64, sealed as u64))
    }
}

fn known(store: StoreId, start: EpochStart) -> KnownEpoch {
    KnownEpoch { start, history: event::history(store, start.epoch) }
}

/// Whether a history of these epochs has this place in this epoch. One that was rewound and went on
/// has the epoch, but gave the place away again.
pub(crate) fn has_place<'a>(
    mut epochs: impl Iterator<Item = &'a EpochStart>,
    epoch: Epoch,
    place: Place,
) -> bool {
    epochs.any(|start| start.epoch == epoch)
        && epochs.next().is_none_or(|later| place < later.place)
}
