//! Every disk that a crash can leave behind, to a bound.

use annals_env::{AllChoices, Choices, FaultyFs, LastChoices, SeededChoices};

/// The disks found after one crash.
#[derive(Debug)]
pub struct Images {
    /// Different disks.
    pub disks: Vec<FaultyFs>,
    /// Whether there are no others.
    pub complete: bool,
}

/// What a power cut can leave.
#[must_use]
pub fn power_cuts(disk: &FaultyFs, bound: usize, seed: u64) -> Images {
    let cuts = disk.power_cuts(bound as u64, seed);
    Images { disks: cuts.images, complete: cuts.complete }
}

/// What the death of the process can leave.
#[must_use]
pub fn kills(disk: &FaultyFs, bound: usize, seed: u64) -> Images {
    let mut disks: Vec<FaultyFs> = Vec::new();
    let mut add = |choices: &mut dyn Choices| {
        let image = disk.kill(choices);
        let fingerprint = image.fingerprint();
        if disks.iter().all(|seen| seen.fingerprint() != fingerprint) {
            disks.push(image);
        }
    };
    let mut all = AllChoices::new(bound as u64);
    while all.next_run() {
        add(&mut all);
    }
    if !all.is_complete() {
        add(&mut LastChoices);
        add(&mut SeededChoices::new(seed));
    }
    Images { disks, complete: all.is_complete() }
}

/// A disk of its own with the same content, where what is not durable still is not.
#[must_use]
pub fn copy(disk: &FaultyFs) -> FaultyFs {
    disk.kill(&mut LastChoices)
}
