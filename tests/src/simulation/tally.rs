//! What was tried.

use std::collections::HashSet;
use std::fmt;
use std::ops::AddAssign;

/// What one seed or many tried.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Operations.
    pub operations: u64,
    /// Crashes whose disk was one that a power cut can leave.
    pub power_cuts: u64,
    /// Crashes whose disk was one that the death of the process can leave.
    pub kills: u64,
    /// Of the crashes, those that came during an opening.
    pub in_openings: u64,
    /// Of the kills, those that readers beside lived through.
    pub beside: u64,
    /// Times that an earlier copy of the whole disk was put back.
    pub restored: u64,
    /// Ordered failures that struck: of reads, writes and syncs.
    pub faults: u64,
    /// Times that the disk had no room left.
    pub full: u64,
    /// Openings that were examined.
    pub openings: u64,
    /// Segments that were sealed.
    pub sealed: u64,
    /// Events in the largest store.
    pub events_most: u64,
    /// Events that openings found taken away, as they may.
    pub lost: u64,
    /// A hash for each pair of a crash point and the disk that was found after it.
    pub pairs: HashSet<u64>,
}

impl Tally {
    /// All crashes.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.power_cuts + self.kills
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.in_openings += other.in_openings;
        self.beside += other.beside;
        self.restored += other.restored;
        self.faults += other.faults;
        self.full += other.full;
        self.openings += other.openings;
        self.lost += other.lost;
        self.sealed += other.sealed;
        self.events_most = self.events_most.max(other.events_most);
        self.pairs.extend(other.pairs);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {} crashes ({} power cuts, {} kills, {} of them beside readers; {} in openings), \
             {} distinct pairs of crash point and disk, {} openings examined, {} faults, \
             {} copies put back, {} times a full disk, {} segments sealed, up to {} events, \
             {} events taken away as they may be",
            self.operations,
            self.crashes(),
            self.power_cuts,
            self.kills,
            self.beside,
            self.in_openings,
            self.pairs.len(),
            self.openings,
            self.faults,
            self.restored,
            self.full,
            self.sealed,
            self.events_most,
            self.lost,
        )
    }
}
