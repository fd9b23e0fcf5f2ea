//! The kept states held against the events they were made from, and the index against them.

use std::collections::HashSet;

use annals_log::{Damage, KeptRecord, LogError};
use annals_types::{Place, Position, StateRole};

use super::{IndexFault, Report};
use crate::error::Result;
use crate::kept;
use crate::view::Source;

/// Looks at every state kept up to `last`: at what names a version that is none, and at what the
/// index does not find.
pub(super) fn check(source: &Source, last: Place) -> Result<(Vec<Damage>, Vec<IndexFault>)> {
    let key_of = |record: &KeptRecord| kept::term(&source.terms, &record.kept.state.key);
    let mut superseded = HashSet::new();
    for record in source.reader.kept(Place::START, last) {
        let record = record?;
        let key = key_of(&record);
        superseded.extend(record.superseded.iter().map(|place| (key, *place)));
    }
    let (mut damage, mut faults) = (Vec::new(), Vec::new());
    let mut missing = Vec::new();
    for record in source.reader.kept(Place::START, last) {
        let record = record?;
        if let Some(what) = contradiction(source, &record)? {
            damage.push(record.damage(&what));
        }
        let (place, name) = (record.kept.place, &record.kept.state.key.name);
        let key = key_of(&record);
        let is_found = source.index.kept(key, place.next())? == Some(place);
        let full = faults.len() + missing.len() >= Report::INDEX_FAULTS_MAX;
        match superseded.contains(&(key, place)) {
            false if !is_found && !full => {
                let what = format!("the state of {name} kept at {place} is not found");
                missing.push(((key, place), what));
            }
            true if is_found && !full => {
                let what = format!("the state of {name} at {place} is found, superseded");
                faults.push(IndexFault { position: place.position, what });
            }
            _ => {}
        }
    }
    if !missing.is_empty() {
        // In a living store they may have been superseded meanwhile.
        let now = Place { position: source.reader.visible(), k: u32::MAX };
        for record in source.reader.kept(last, now) {
            let record = record?;
            let key = key_of(&record);
            missing.retain(|((of, place), _)| *of != key || !record.superseded.contains(place));
        }
    }
    faults.extend(
        missing.into_iter().map(|((_, place), what)| IndexFault { position: place.position, what }),
    );
    Ok((damage, faults))
}

/// What a snapshot says of its stream that the log does not.
fn contradiction(source: &Source, record: &KeptRecord) -> Result<Option<String>> {
    let state = &record.kept.state;
    let position = state.checkpoint.position;
    if state.key.role != StateRole::Snapshot {
        return Ok(None);
    }
    if position == Position::START {
        return Ok(Some(format!("a snapshot of {} was made from no event", state.key.name)));
    }
    let is_right = match source.reader.event(position) {
        Ok(Some(event)) => event.stream() == state.key.name && event.version() == state.version,
        // It is gone for good, or told of as damaged.
        Ok(None) => true,
        Err(LogError::Damaged(_)) => true,
        Err(error) => return Err(error.into()),
    };
    let (name, version) = (&state.key.name, state.version);
    Ok((!is_right).then(|| {
        format!("a snapshot says that event {position} is version {version} of {name}: it is not")
    }))
}
