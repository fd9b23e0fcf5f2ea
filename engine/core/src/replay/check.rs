//! Snapshots against replay.

use annals_types::{Place, Position, Version};
use serde::Serialize;

use super::aggregate::{Aggregate, Loaded};
use super::aggregates::Aggregates;
use super::picture::picture;
use super::snapshots::key;
use crate::error::Result;
use crate::{EventReader, KeptState};

/// What [`Aggregates::check_snapshots`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// How many snapshots are what replay gives.
    pub good: u64,
    /// How many are of another schema, and so not used.
    pub other_schema: u64,
    /// Those that are not what replay gives, in the order of their positions.
    pub bad: Vec<BadSnapshot>,
}

/// A snapshot that is not what replay gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadSnapshot {
    /// The version that it says it is of.
    pub version: Version,
    /// Where it stands in the log.
    pub place: Place,
    /// What is wrong with it, in words.
    pub what: String,
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// Replays the stream from its first event and compares each snapshot of it with the state at
    /// its version. States are compared as they are encoded, and else as JSON, where the order of a
    /// map does not count; that of a hash set does: keep sets in order.
    ///
    /// # Errors
    /// As [`Aggregates::load`].
    pub fn check_snapshots(&self, stream: &str) -> Result<SnapshotReport> {
        let now = picture(&self.reader)?;
        let key = key::<A>(stream);
        let mut report = SnapshotReport::default();
        // Only where they are: together they can be larger than memory.
        let mut found: Vec<(Position, Place)> = Vec::new();
        let mut before = None;
        while let Some(KeptState { state, place, .. }) = now.kept_state(&key, before)? {
            before = Some(place);
            if state.schema == A::SCHEMA {
                found.push((state.checkpoint.position, place));
            } else {
                report.other_schema += 1;
            }
        }
        found.sort_unstable();
        let mut replayed = Loaded::empty(stream);
        for (position, place) in found {
            replayed = self.replay_on(replayed, &*now.as_of(position.into())?)?;
            let kept = now.kept_state(&key, Some(place.next()))?;
            // Another has taken its place meanwhile.
            let Some(kept) = kept.filter(|kept| kept.place == place) else { continue };
            match self.compare(&kept, &replayed) {
                Ok(()) => report.good += 1,
                Err(what) => {
                    let version = kept.state.version;
                    report.bad.push(BadSnapshot { version, place, what });
                }
            }
        }
        Ok(report)
    }

    fn compare(&self, kept: &KeptState, replayed: &Loaded<A>) -> Result<(), String> {
        let (version, position) = (kept.state.version, kept.state.checkpoint.position);
        if (version, position) != (replayed.folded, replayed.position) {
            return Err(format!(
                "it says that version {version} stands at position {position}: version {} does, \
                 at {}",
                replayed.folded, replayed.position
            ));
        }
        let state = self.decode(kept)?;
        let codec = self.settings.folding.payloads.codec;
        let encoded = codec.encode_state(&replayed.state, usize::MAX)?;
        if encoded.is_some_and(|encoded| encoded.data == kept.state.data)
            || same_json(&state, &replayed.state)
        {
            return Ok(());
        }
        Err("replay gives another state".to_owned())
    }
}

fn same_json<S: Serialize>(one: &S, other: &S) -> bool {
    match (serde_json::to_value(one), serde_json::to_value(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
