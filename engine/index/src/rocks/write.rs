//! The rows of what is saved.

use annals_types::Place;

use super::chunk::{self, POSITIONS_MAX};
use super::db::Batch;
use super::keys::{self, List, block};
use super::row::{Saved, Stream};
use super::window::Windows;
use crate::{StreamHead, Term};

/// From so many positions of a list in one block on, its chunks get rows for themselves: otherwise
/// the value of a block of a long list would grow to megabytes, and reading a few positions of it
/// would read them all.
const MANY_FROM: usize = 512;

/// All rows for the events behind `after`, and what changed of the kept states, up to what `saved`
/// says.
pub(super) fn rows(
    windows: &Windows,
    kept: &[(Term, Place, bool)],
    after: u64,
    saved: &Saved,
) -> Batch {
    let up_to = saved.covers.place.position.get();
    let mut batch = Batch::new();
    let mut value = Vec::new();
    let mut begun = Vec::new();
    for window in windows.iter() {
        if window.covers() <= after || window.after >= up_to {
            continue;
        }
        window.index.each_stream(after, up_to, &mut |number, name, events| {
            put_stream(&mut batch, &mut value, name, window.first_of(number), events);
        });
        window.index.each_term(after, up_to, &mut |term, positions| {
            put_list(&mut batch, &mut value, &List::of_term(term), None, positions);
        });
        window.index.each_id(after, up_to, &mut |hash, position| {
            batch.put(&keys::id(hash, position), &[]);
        });
        begun.extend(window.begun(after, up_to));
    }
    put_list(&mut batch, &mut value, &List::of_begins(), None, &begun);
    for &(key, place, stands) in kept {
        let row = keys::kept(key, place);
        if stands { batch.put(&row, &[]) } else { batch.remove(&row) }
    }
    batch.put(keys::COVERS, &saved.write());
    batch
}

/// The rows of a stream's new events, given with their versions.
fn put_stream(
    batch: &mut Batch,
    value: &mut Vec<u8>,
    name: &str,
    first: Option<StreamHead>,
    events: &[StreamHead],
) {
    let (Some(first), Some(list)) = (first, List::of_stream(name)) else {
        return;
    };
    let Some(&newest) = events.last() else {
        return;
    };
    value.clear();
    Stream { first, newest }.write(value);
    batch.put(&keys::stream(name), value);
    // The row says where the first is.
    let skip = events.partition_point(|event| event.position <= first.position);
    let rest = events.get(skip..).unwrap_or_default();
    let mut positions = Vec::new();
    for run in rest.chunk_by(|one, next| one.version.plus(1) == next.version) {
        positions.clear();
        positions.extend(run.iter().map(|event| event.position.get()));
        put_list(batch, value, &list, run.first().map(|event| event.version.get()), &positions);
    }
}

/// The rows of a list's new positions, with the version of the first where the list has versions.
fn put_list(
    batch: &mut Batch,
    value: &mut Vec<u8>,
    list: &List,
    version: Option<u64>,
    positions: &[u64],
) {
    let mut version = version;
    let mut put = |value: &mut Vec<u8>, chunk: &[u64]| {
        chunk::put(value, version, chunk);
        version = version.map(|version| version.saturating_add(chunk.len() as u64));
    };
    for of_block in positions.chunk_by(|one, next| block(*one) == block(*next)) {
        if of_block.len() >= MANY_FROM {
            for chunk in of_block.chunks(POSITIONS_MAX) {
                value.clear();
                put(value, chunk);
                batch.put(&list.many(chunk.first().copied().unwrap_or_default()), value);
            }
        } else if let Some(&first) = of_block.first() {
            value.clear();
            of_block.chunks(POSITIONS_MAX).for_each(|chunk| put(value, chunk));
            batch.append(&list.few(block(first)), value);
        }
    }
}
