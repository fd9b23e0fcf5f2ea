//! Walks along a list.
//!
//! Each piece of a list was written for a range of positions of its own. So chunks never overlap,
//! and a walk meets a block's few and its many in the order of their first positions.

use crate::rocks::chunk::{Chunk, Few};
use crate::rocks::db::Db;
use crate::rocks::keys::{List, Piece, block};
use crate::{IndexError, Result};

/// A row that is not what was written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a row of it makes no sense")]
pub(in crate::rocks) struct Damaged;

impl From<Damaged> for IndexError {
    fn from(damaged: Damaged) -> Self {
        Self::new("reading the index", damaged)
    }
}

/// Gets each chunk of a walk, and says whether to go on.
type Visit<'a> = dyn FnMut(Chunk<'_>) -> Result<bool> + 'a;

/// A block's few, as far as a walk has not met them.
#[derive(Default)]
struct Waiting {
    few: Few,
    next: usize,
    end: usize,
}

impl Waiting {
    /// Visits those that begin before this position, or all. Gives whether to go on.
    fn visit_before(&mut self, position: Option<u64>, visit: &mut Visit<'_>) -> Result<bool> {
        while self.next < self.end
            && let Some(chunk) = self.few.get(self.next)
            && position.is_none_or(|position| chunk.head.first < position)
        {
            self.next += 1;
            if !visit(chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Visits those that begin behind this position, or all, the last first. Gives whether to go on.
    fn visit_behind(&mut self, position: Option<u64>, visit: &mut Visit<'_>) -> Result<bool> {
        while self.next < self.end
            && let Some(chunk) = self.few.get(self.end - 1)
            && position.is_none_or(|position| chunk.head.first > position)
        {
            self.end -= 1;
            if !visit(chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Visits the chunks with positions from `from` on, in order; the first may begin before it.
pub(super) fn forward(db: &Db, list: &List, from: u64, visit: &mut Visit<'_>) -> Result<()> {
    let mut rows = db.of_prefix();
    rows.seek(&list.few(block(from)));
    let mut waiting = Waiting::default();
    let mut near = false;
    while let Some((key, value)) = rows.row()? {
        match list.piece(key).ok_or(Damaged)? {
            Piece::Few { block } => {
                if !waiting.visit_before(None, visit)? {
                    return Ok(());
                }
                let few = Few::read(value, block, list.versioned).ok_or(Damaged)?;
                waiting = Waiting { next: few.count_before(from), end: few.count(), few };
            }
            Piece::Many { first } if first < from && !near => {
                // Past all those before the one that may have `from` in it.
                near = true;
                rows.seek_back(&list.many(from));
                continue;
            }
            Piece::Many { first } => {
                let chunk = single(value, first, list)?;
                let wanted = chunk.head.last >= from;
                if !waiting.visit_before(Some(first), visit)? || wanted && !visit(chunk)? {
                    return Ok(());
                }
            }
        }
        rows.next();
    }
    waiting.visit_before(None, visit)?;
    Ok(())
}

/// Visits the chunks with positions up to `to`, the last first; it may end behind `to`.
pub(super) fn backward(db: &Db, list: &List, to: u64, visit: &mut Visit<'_>) -> Result<()> {
    let mut rows = db.of_prefix();
    rows.seek_back(&list.many(to));
    let mut waiting = Waiting::default();
    let mut waiting_of = None;
    while let Some((key, value)) = rows.row()? {
        match list.piece(key).ok_or(Damaged)? {
            Piece::Few { block } => {
                if waiting_of != Some(block) {
                    let few = Few::read(value, block, list.versioned).ok_or(Damaged)?;
                    waiting = Waiting { next: 0, end: few.count_from(to), few };
                }
                waiting_of = None;
                if !waiting.visit_behind(None, visit)? {
                    return Ok(());
                }
            }
            Piece::Many { first } => {
                let of = block(first);
                if waiting_of != Some(of) {
                    // Its few stand before all its many, and are met among them.
                    waiting = Waiting::default();
                    if let Some(value) = db.get(&list.few(of))? {
                        let few = Few::read(&value, of, list.versioned).ok_or(Damaged)?;
                        waiting = Waiting { next: 0, end: few.count_from(to), few };
                    }
                    waiting_of = Some(of);
                }
                let chunk = single(value, first, list)?;
                if !waiting.visit_behind(Some(first), visit)? || !visit(chunk)? {
                    return Ok(());
                }
            }
        }
        rows.back();
    }
    Ok(())
}

/// The chunk that has a row for itself.
fn single<'a>(mut value: &'a [u8], first: u64, list: &List) -> Result<Chunk<'a>> {
    let chunk = Chunk::take(&mut value, block(first), list.versioned).ok_or(Damaged)?;
    if chunk.head.first != first || !value.is_empty() {
        return Err(Damaged.into());
    }
    Ok(chunk)
}
