//! What is known of the store, in one opening and for ever.

use annals::{
    Checkpoint, Commit, Durability, Epoch, Follower, Position, Projector, Query, ReadOnlyStore,
    Receipt, Store, Submitted, Timestamp, View,
};
use annals_env::FaultyFs;

use crate::model::Model;
use crate::seen::Seen;

/// What was promised.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promised {
    /// Survives the death of the process.
    pub(super) acknowledged: Position,
    /// Survives a power cut.
    pub(super) durable: Position,
    /// Nothing behind this was written: who asked was told so.
    pub(super) most: Option<Position>,
    /// An opening was acknowledged: there is a store.
    pub(super) opened: bool,
    /// The last life ended well: nothing half written is at the end.
    pub(super) clean: bool,
}

/// What outlives all openings.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The epochs of all openings.
    pub(super) epochs: Vec<Epoch>,
    /// Some checkpoints that were given.
    pub(super) checkpoints: Vec<Checkpoint>,
    /// Some images of the index that were saved.
    pub(super) images: Vec<Vec<u8>>,
    /// The disk as it was once, and what was on it.
    pub(super) copy: Option<(FaultyFs, Model)>,
    /// Commits that a crash took, or that nobody knows the outcome of.
    pub(super) lost: Vec<Commit<'static>>,
}

/// Whether the write path has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// No.
    None,
    /// A failure struck somewhere.
    Perhaps,
    /// It said so.
    Failed,
}

/// An opened store.
pub(super) struct Life {
    pub(super) store: Store,
    pub(super) durability: Durability,
    pub(super) epoch: Epoch,
    pub(super) visible: Position,
    /// Segments that it has sealed.
    pub(super) sealed: u64,
    pub(super) trouble: Trouble,
    /// The latest moment as of which it was looked at.
    pub(super) told: Timestamp,
    pub(super) views: Vec<(View, Position)>,
    pub(super) followers: Vec<Following>,
    pub(super) submitted: Vec<Waiting>,
    pub(super) projectors: Vec<Projector<Seen>>,
}

/// A follower, and what it must give next.
pub(super) struct Following {
    pub(super) follower: Follower,
    /// Everything it wanted up to here was given.
    pub(super) at: Position,
    pub(super) query: Query,
    /// It was asked for events that are not durable too.
    pub(super) visible: bool,
}

/// A submitted commit, and what it was promised.
pub(super) struct Waiting {
    pub(super) submitted: Submitted,
    pub(super) receipt: Receipt,
    pub(super) durable: bool,
}

/// A store opened read-only beside.
pub(super) struct Reader {
    pub(super) store: ReadOnlyStore,
    pub(super) seen: Position,
    pub(super) replaced: Replaced,
    pub(super) followers: Vec<Following>,
}

impl Reader {
    pub(super) fn is_up_to_date(&self) -> bool {
        self.replaced == Replaced::No
    }
}

/// Whether an earlier copy took the place of the files that a reader reads, and it has not looked
/// since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// No.
    No,
    /// Yes; all events that it saw are in the copy too.
    Yes,
    /// Yes, and some are not.
    AndLost,
}

/// Most of each that are kept.
pub(super) const KEPT_MAX: usize = 12;
/// Most views, followers, readers at a time.
pub(super) const OPEN_MAX: usize = 4;
