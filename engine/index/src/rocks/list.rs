//! What is asked of lists.

mod stream;
mod walk;

use annals_types::Position;

pub(super) use self::stream::{head, versions, versions_back};
pub(super) use self::walk::Damaged;
use self::walk::{backward, forward};
use super::chunk::Chunk;
use super::db::Db;
use super::keys::List;
use crate::Result;

/// A page of positions is full with so many; its last chunk may bring more.
pub(super) const PAGE: usize = 1024;
/// So many chunks at each end are counted for an estimate.
const ESTIMATE_CHUNKS: u32 = 8;

/// Appends the first positions between `from` and `to` to `out`, a page of them.
pub(super) fn postings(
    db: &Db,
    list: &List,
    from: u64,
    to: u64,
    out: &mut Vec<Position>,
) -> Result<()> {
    let end = out.len().saturating_add(PAGE);
    let mut read = Vec::new();
    forward(db, list, from, &mut |chunk| {
        if chunk.head.first > to {
            return Ok(false);
        }
        read.clear();
        chunk.read(&mut read).ok_or(Damaged)?;
        let wanted = read.iter().filter(|position| (from..=to).contains(position));
        out.extend(wanted.copied().map(Position::new));
        Ok(out.len() < end && chunk.head.last < to)
    })
}

/// Appends the last positions between `from` and `to` to `out`, the last first, a page of them.
pub(super) fn postings_back(
    db: &Db,
    list: &List,
    from: u64,
    to: u64,
    out: &mut Vec<Position>,
) -> Result<()> {
    let end = out.len().saturating_add(PAGE);
    let mut read = Vec::new();
    backward(db, list, to, &mut |chunk| {
        if chunk.head.last < from {
            return Ok(false);
        }
        read.clear();
        chunk.read(&mut read).ok_or(Damaged)?;
        let wanted = read.iter().rev().filter(|position| (from..=to).contains(position));
        out.extend(wanted.copied().map(Position::new));
        Ok(out.len() < end && chunk.head.first > from)
    })
}

/// About how many positions are between `from` and `to`: exact if they are in few chunks, and never
/// 0 where there is one. Between the chunks at both ends it is taken to be as crowded as in them.
pub(super) fn estimate(db: &Db, list: &List, from: u64, to: u64) -> Result<u64> {
    let mut count: u64 = 0;
    let (mut chunks, mut low) = (0, None);
    forward(db, list, from, &mut |chunk| {
        if chunk.head.first > to {
            return Ok(false);
        }
        count = count.saturating_add(count_between(&chunk, from, to)?);
        chunks += 1;
        if chunks < ESTIMATE_CHUNKS || chunk.head.last >= to {
            return Ok(chunk.head.last < to);
        }
        low = Some(chunk.head.last);
        Ok(false)
    })?;
    let Some(low) = low else {
        return Ok(count);
    };
    let (mut chunks, mut high) = (0, None);
    backward(db, list, to, &mut |chunk| {
        if chunk.head.first <= low {
            return Ok(false);
        }
        count = count.saturating_add(count_between(&chunk, from, to)?);
        chunks += 1;
        if chunks < ESTIMATE_CHUNKS {
            return Ok(true);
        }
        high = Some(chunk.head.first);
        Ok(false)
    })?;
    let Some(high) = high else {
        return Ok(count);
    };
    let between = high.saturating_sub(low).saturating_sub(1);
    let counted = (to - from).saturating_sub(between).max(1);
    let more = u128::from(count) * u128::from(between) / u128::from(counted);
    Ok(count.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// How many positions are at or before `to`.
pub(super) fn count(db: &Db, list: &List, to: u64) -> Result<u64> {
    let mut count: u64 = 0;
    forward(db, list, 0, &mut |chunk| {
        count = count.saturating_add(count_between(&chunk, 0, to)?);
        Ok(chunk.head.last < to)
    })?;
    Ok(count)
}

fn count_between(chunk: &Chunk<'_>, from: u64, to: u64) -> Result<u64> {
    if from <= chunk.head.first && chunk.head.last <= to {
        return Ok(chunk.head.count as u64);
    }
    let mut read = Vec::new();
    chunk.read(&mut read).ok_or(Damaged)?;
    Ok(read.iter().filter(|position| (from..=to).contains(position)).count() as u64)
}
