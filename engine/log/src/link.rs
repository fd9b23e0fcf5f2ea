//! Linking: a sealed segment is chained to the one before it.

use std::sync::Arc;

use annals_types::{Place, StoreId};

use crate::chain::{self, Hash};
use crate::contents::Contents;
use crate::error::{LogError, Result};
use crate::format::link::{LINK_BYTES, Link};
use crate::reader::LogReader;
use crate::recovery::frame_damage;
use crate::segment::Segment;
use crate::walk::Walk;

/// What stands in a sealed segment in the place of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// Nothing yet, or the beginning of one.
    No,
    Yes(Link),
    /// What is no link.
    Damaged,
}

/// Where the link of a sealed segment lies.
pub(crate) fn place(segment: &Segment) -> Result<u64> {
    Ok(segment.file_bytes()?.saturating_sub(LINK_BYTES as u64))
}

/// A link may be read while it is written; so often it is looked at again.
const LOOKS_MAX: u32 = 4;

/// Reads the link of a sealed segment.
pub(crate) fn read(segment: &Segment) -> Result<Linked> {
    let mut found = look(segment)?;
    for _ in 1..LOOKS_MAX {
        if found == Linked::Damaged {
            found = look(segment)?;
        }
    }
    Ok(found)
}

fn look(segment: &Segment) -> Result<Linked> {
    let at = place(segment)?;
    let mut bytes = [0; LINK_BYTES];
    segment.file.read_exact_at(&mut bytes, at).map_err(|error| segment.io(error))?;
    Ok(match Link::decode(&bytes, segment.header.salt, at) {
        Some(link) => Linked::Yes(link),
        None if Link::is_unfinished(&bytes, segment.header.salt, at) => Linked::No,
        None => Linked::Damaged,
    })
}

/// A sealed segment without a link, and the link that it is chained to.
#[derive(Debug)]
pub(crate) struct Unlinked {
    segment: Arc<Segment>,
    previous: Hash,
}

/// Goes through the sealed segments of a log, in their order, for those that have no link.
#[derive(Debug)]
pub(crate) struct Linker {
    /// All that begin before have one.
    from: Place,
    /// The last link before.
    previous: Hash,
}

impl Linker {
    pub(crate) fn new(store: StoreId) -> Self {
        Self { from: Place::START, previous: chain::genesis(store) }
    }

    /// The next one without a link, and how many sealed segments there are from it on.
    pub(crate) fn next(&mut self, reader: &LogReader) -> Result<Option<(Unlinked, usize)>> {
        let segments = reader.segments();
        let begun = segments.partition_point(|segment| segment.header.first < self.from);
        let sealed = segments.iter().skip(begun).take_while(|segment| segment.summary.is_some());
        let mut left = sealed.clone().count();
        for segment in sealed {
            let Linked::Yes(link) = read(segment)? else {
                let (segment, previous) = (Arc::clone(segment), self.previous);
                return Ok(Some((Unlinked { segment, previous }, left)));
            };
            self.from = segment.header.first.next();
            self.previous = link.link;
            left -= 1;
        }
        Ok(None)
    }
}

/// Links every sealed segment that has no link.
pub(crate) fn link_all(reader: &LogReader) -> Result<()> {
    let mut linker = Linker::new(reader.store());
    while let Some((next, _)) = linker.next(reader)? {
        next.link(reader, || true)?;
    }
    Ok(())
}

impl Unlinked {
    /// Chains it to the one before: reads and checks all of it. After a crash at any point it has its
    /// link, or none, or a beginning of it, which counts as none. Gives up, with `false`, where it is
    /// no longer `wanted`.
    pub(crate) fn link(self, reader: &LogReader, wanted: impl Fn() -> bool) -> Result<bool> {
        let Self { segment, previous } = self;
        let Some(root) = root(reader, &segment, wanted)? else { return Ok(false) };
        let link = chain::link(&previous, &root);
        let at = place(&segment)?;
        let bytes = Link { root, previous, link }.encode(segment.header.salt, at);
        // Not synced: one that is lost is made again, by the next who opens.
        let written = segment.file.write_at(&bytes, at);
        written.map_err(|error| LogError::io(format!("linking {}", segment.name), error))?;
        Ok(true)
    }
}

/// The Merkle root of a sealed segment, all of which is checked; `None` where that is no longer
/// `wanted`.
fn root(
    reader: &LogReader,
    segment: &Arc<Segment>,
    wanted: impl Fn() -> bool,
) -> Result<Option<Hash>> {
    let mut walk = Walk::new(Arc::clone(segment));
    let mut contents = Contents::default();
    let damaged = |damage| Err(LogError::damaged(damage));
    let end = segment.summary.as_ref().map(|summary| summary.last);
    while end.is_some_and(|end| walk.last < end) {
        if !wanted() {
            return Ok(None);
        }
        let Some(frame) = walk.frame()? else {
            let what = "no whole frame begins here";
            return damaged(segment.damage(walk.offset, 0, None, what));
        };
        let checked = walk.check(frame, |_, _| {})?;
        if let Some(damage) = frame_damage(segment, &checked).into_iter().next() {
            return damaged(damage);
        }
        if let Some(offset) = contents.add(reader, &mut walk, &checked)? {
            let what = "the event's fields contradict each other";
            return damaged(segment.damage(offset, 0, None, what));
        }
        walk.advance(&checked);
    }
    let agrees = segment.summary.as_ref().is_some_and(|summary| contents.agrees(summary, &walk));
    if !agrees {
        let what = "the footer's counts are not those of the frames";
        return damaged(segment.damage(walk.offset, 0, None, what));
    }
    Ok(Some(contents.tree.root()))
}
