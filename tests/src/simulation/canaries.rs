//! Faults planted in the engine: a rig that does not find them proves nothing.
//!
//! They are compiled only under `--cfg annals_canary`, each one a line at its place in the engine that
//! asks whether its name was chosen.

/// The planted faults, by name.
pub const CANARIES: &[&str] = &[
    "acknowledged before the sync",
    "shown before it is written",
    "a torn tail stays",
    "the saved index is ahead of the disk",
    "versions in flight are forgotten",
    "conditions do not see commits in flight",
    "an epoch's number comes again",
    "the second stream is not indexed",
    "ids are forgotten by an opening",
    "stamps follow the clock backwards",
    "a follower skips an event",
    "rotation without a sync",
    "a segment's name is not synced",
    "the state page runs ahead",
    "an unproven tail is not written again",
    "a failed sync is forgotten",
    "damage is cut off",
    "a conflict with what is in flight is told at once",
    "ids in flight are forgotten",
    "a moment that was told is forgotten",
    "a reader beside takes what is visible for durable",
    "a reader takes another history for its own",
    "an opening does not sync the folders",
    "an opening does not sync the newest footer",
    "a failed read ends the log",
    "a saved index is believed whatever it is of",
    "kept states are forgotten by an opening",
    "a view finds a later state",
    "a kept state is told before it is durable",
    "a snapshot of any version will do",
    "a projection's checkpoint is ahead of its state",
    "a projection folds what is not durable",
    "a trailer is written before its footer is synced",
];

/// Plants a fault for what this thread does from now on, or none.
///
/// # Panics
/// Where a fault is asked for in a build without them.
pub fn plant(name: Option<&'static str>) {
    #[cfg(annals_canary)]
    annals_env::canary::plant(name);
    #[cfg(not(annals_canary))]
    assert!(name.is_none(), "this build has no planted faults: RUSTFLAGS=\"--cfg annals_canary\"");
}

/// Whether this build has planted faults.
#[must_use]
pub const fn are_here() -> bool {
    cfg!(annals_canary)
}
