//! Positions that the postings of the index give for a query, in order, without looking at more of
//! any list than needed: each list is asked for its next position at or behind what the others
//! reached ("leapfrog" intersection: Veldhuizen, 2012, <https://arxiv.org/abs/1210.0481>).

use std::ops::ControlFlow;

use annals_index::{Index, Result, Term};
use annals_types::Position;

use crate::lookup::{Lookup, LookupItem};

/// The candidates of a lookup between two positions, both included.
pub(crate) struct Candidates {
    root: Node,
    bounds: Bounds,
    /// The next one lies here or behind it; `None` where there is no further one.
    next: Option<Position>,
}

#[derive(Clone, Copy)]
struct Bounds {
    from: Position,
    to: Position,
    backward: bool,
}

impl Bounds {
    /// Whether `one` comes before `other` in the order of reading.
    fn is_before(self, one: Position, other: Position) -> bool {
        if self.backward { one > other } else { one < other }
    }

    fn contains(self, position: Position) -> bool {
        self.from <= position && position <= self.to
    }

    /// The position behind this one in the order of reading.
    fn behind(self, position: Position) -> Option<Position> {
        let next = if self.backward {
            position.get().checked_sub(1)
        } else {
            Some(position.plus(1).get())
        };
        next.map(Position::new).filter(|next| self.contains(*next) && *next != position)
    }
}

enum Node {
    Postings(Postings),
    Any(Vec<Node>),
    All(Vec<Node>),
}

/// One list, read piece by piece.
struct Postings {
    term: Term,
    piece: Vec<Position>,
    /// How many of the piece lie before what was asked for last.
    passed: usize,
    ended: bool,
}

impl Candidates {
    /// The candidates between `from` and `to`, both included. The lookup has items.
    pub(crate) fn new(lookup: &Lookup, from: Position, to: Position, backward: bool) -> Self {
        let from = from.max(Position::new(1));
        let bounds = Bounds { from, to, backward };
        let root = any(lookup.items().iter().map(item).collect());
        let first = if backward { to } else { from };
        Self { root, bounds, next: Some(first).filter(|_| from <= to) }
    }

    /// The next candidate.
    pub(crate) fn next(&mut self, index: &dyn Index) -> Result<Option<Position>> {
        let Some(at) = self.next else { return Ok(None) };
        let found = self.root.seek(index, self.bounds, at)?;
        self.next = found.and_then(|found| self.bounds.behind(found));
        Ok(found)
    }
}

impl std::fmt::Debug for Candidates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidates").field("next", &self.next).finish_non_exhaustive()
    }
}

fn item(item: &LookupItem) -> Node {
    let mut all: Vec<Node> = item.every.iter().copied().map(postings).collect();
    if !item.one_of.is_empty() {
        all.push(any(item.one_of.iter().copied().map(postings).collect()));
    }
    match all.len() {
        1 => all.pop().unwrap_or(Node::Any(Vec::new())),
        _ => Node::All(all),
    }
}

fn any(mut nodes: Vec<Node>) -> Node {
    match nodes.len() {
        1 => nodes.pop().unwrap_or(Node::Any(Vec::new())),
        _ => Node::Any(nodes),
    }
}

fn postings(term: Term) -> Node {
    Node::Postings(Postings { term, piece: Vec::new(), passed: 0, ended: false })
}

impl Node {
    /// The first position at `at` or behind it in the order of reading. `at` never goes back.
    fn seek(
        &mut self,
        index: &dyn Index,
        bounds: Bounds,
        at: Position,
    ) -> Result<Option<Position>> {
        match self {
            Self::Postings(postings) => postings.seek(index, bounds, at),
            Self::Any(nodes) => {
                let mut first: Option<Position> = None;
                for node in nodes {
                    if let Some(found) = node.seek(index, bounds, at)?
                        && first.is_none_or(|first| bounds.is_before(found, first))
                    {
                        first = Some(found);
                    }
                }
                Ok(first)
            }
            Self::All(nodes) => {
                let mut at = at;
                loop {
                    match agree(nodes, index, bounds, at)? {
                        ControlFlow::Break(agreed) => return Ok(agreed),
                        ControlFlow::Continue(further) => at = further,
                    }
                }
            }
        }
    }
}

/// Whether all have `at`, or none has anything more; else how far one of them is beyond it.
fn agree(
    nodes: &mut [Node],
    index: &dyn Index,
    bounds: Bounds,
    at: Position,
) -> Result<ControlFlow<Option<Position>, Position>> {
    for node in nodes {
        match node.seek(index, bounds, at)? {
            None => return Ok(ControlFlow::Break(None)),
            Some(found) if found != at => return Ok(ControlFlow::Continue(found)),
            Some(_) => {}
        }
    }
    Ok(ControlFlow::Break(Some(at)))
}

impl Postings {
    fn seek(
        &mut self,
        index: &dyn Index,
        bounds: Bounds,
        at: Position,
    ) -> Result<Option<Position>> {
        loop {
            let rest = self.piece.get(self.passed..).unwrap_or_default();
            self.passed += passed(rest, |position| bounds.is_before(position, at));
            if let Some(&found) = self.piece.get(self.passed) {
                return Ok(Some(found));
            }
            if self.ended {
                return Ok(None);
            }
            self.piece.clear();
            self.passed = 0;
            if bounds.backward {
                index.postings_back(self.term, bounds.from, at, &mut self.piece)?;
            } else {
                index.postings(self.term, at, bounds.to, &mut self.piece)?;
            }
            self.ended = self.piece.is_empty();
        }
    }
}

/// How many of `positions` are as `is_before` says, where none is behind the first that is not:
/// looks ever farther from the front, as what is wanted is mostly near.
fn passed(positions: &[Position], is_before: impl Fn(Position) -> bool) -> usize {
    let mut reach = 1;
    while positions.get(reach - 1).is_some_and(|&position| is_before(position)) {
        reach *= 2;
    }
    let near = reach / 2;
    let rest = positions.get(near..reach.min(positions.len())).unwrap_or_default();
    near + rest.partition_point(|&position| is_before(position))
}
