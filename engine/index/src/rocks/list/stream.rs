//! What is asked of a stream's row and list.

use annals_types::{Position, Version};

use super::walk::{Damaged, backward, forward};
use crate::rocks::chunk::Head;
use crate::rocks::db::Db;
use crate::rocks::keys::List;
use crate::rocks::row::Stream;
use crate::{Result, StreamHead};

/// A stream's newest event up to `cut`.
pub(in crate::rocks) fn head(
    db: &Db,
    list: &List,
    stream: &Stream,
    cut: u64,
) -> Result<Option<StreamHead>> {
    if stream.newest.position.get() <= cut {
        return Ok(Some(stream.newest));
    }
    if stream.first.position.get() > cut {
        return Ok(None);
    }
    let mut head = stream.first;
    backward(db, list, cut, &mut |chunk| {
        let mut read = Vec::new();
        chunk.read(&mut read).ok_or(Damaged)?;
        let there = read.partition_point(|position| *position <= cut);
        if let Some((steps, position)) = read.iter().enumerate().take(there).next_back() {
            head = StreamHead {
                version: Version::new(chunk.head.version + steps as u64),
                position: Position::new(*position),
            };
        }
        Ok(false)
    })?;
    Ok(Some(head))
}

/// Appends the positions of a stream's events with versions `from`, `from` + 1, … and positions up
/// to `cut` to `out`, until it has `end`.
pub(in crate::rocks) fn versions(
    db: &Db,
    list: &List,
    stream: &Stream,
    from: u64,
    cut: u64,
    end: usize,
    out: &mut Vec<Position>,
) -> Result<()> {
    let first = stream.first;
    if first.position.get() > cut || out.len() >= end {
        return Ok(());
    }
    if from <= first.version.get() {
        out.push(first.position);
    }
    if from > stream.newest.version.get() || stream.newest == first || out.len() >= end {
        return Ok(());
    }
    let begin = match first.position.plus(1) {
        second if from <= first.version.get().saturating_add(1) => second.get(),
        _ => search(db, list, stream, from, cut)?.0,
    };
    let mut read = Vec::new();
    forward(db, list, begin, &mut |chunk| {
        let Head { version, first, last, .. } = chunk.head;
        if first > cut {
            return Ok(false);
        }
        if chunk.head.last_version() < from {
            return Ok(true);
        }
        read.clear();
        chunk.read(&mut read).ok_or(Damaged)?;
        let skip = usize::try_from(from.saturating_sub(version)).unwrap_or(usize::MAX);
        let wanted = read.iter().skip(skip).take_while(|position| **position <= cut);
        out.extend(wanted.take(end.saturating_sub(out.len())).copied().map(Position::new));
        Ok(out.len() < end && last < cut)
    })
}

/// The same for versions `from`, `from` − 1, …
pub(in crate::rocks) fn versions_back(
    db: &Db,
    list: &List,
    stream: &Stream,
    from: u64,
    cut: u64,
    end: usize,
    out: &mut Vec<Position>,
) -> Result<()> {
    let first = stream.first;
    if first.position.get() > cut || first.version.get() > from || out.len() >= end {
        return Ok(());
    }
    if stream.newest != first && from > first.version.get() {
        let (_, begin) = search(db, list, stream, from, cut)?;
        let mut read = Vec::new();
        backward(db, list, begin, &mut |chunk| {
            // How many of the chunk are not behind `from`.
            let steps =
                from.checked_sub(chunk.head.version).map_or(0, |steps| steps.saturating_add(1));
            let there = usize::try_from(steps).unwrap_or(usize::MAX);
            read.clear();
            chunk.read(&mut read).ok_or(Damaged)?;
            let there = read.iter().take(there).rev().filter(|position| **position <= cut);
            out.extend(there.take(end.saturating_sub(out.len())).copied().map(Position::new));
            Ok(out.len() < end)
        })?;
    }
    if out.len() < end {
        out.push(first.position);
    }
    Ok(())
}

/// Between which positions the event with this version stands: all before have lower versions, all
/// behind and up to `cut` have higher ones.
fn search(db: &Db, list: &List, stream: &Stream, version: u64, cut: u64) -> Result<(u64, u64)> {
    let mut low = stream.first.position.get().saturating_add(1);
    let mut low_version = stream.first.version.get().saturating_add(1);
    let mut high = stream.newest.position.get().min(cut);
    let mut high_version = stream.newest.version.get();
    let mut halve = false;
    while low < high {
        // Most streams grow evenly; where one does not, every other step halves what is left.
        let (steps, of) = if halve {
            (1, 2)
        } else {
            (version.saturating_sub(low_version), high_version.saturating_sub(low_version).max(1))
        };
        let ahead = u128::from(high - low) * u128::from(steps) / u128::from(of);
        let middle = low.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX)).min(high);
        halve = !halve;
        let mut found = None;
        backward(db, list, middle, &mut |chunk| {
            found = Some(chunk.head);
            Ok(false)
        })?;
        match found.filter(|head| head.last >= low) {
            None => low = middle.saturating_add(1),
            Some(head) if head.version > version => {
                high = head.first.saturating_sub(1);
                high_version = head.version.saturating_sub(1);
            }
            Some(head) if head.last_version() < version => {
                low = head.last.saturating_add(1);
                low_version = head.last_version().saturating_add(1);
            }
            Some(head) => return Ok((head.first, head.last)),
        }
    }
    Ok((low, high))
}
