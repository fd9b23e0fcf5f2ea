//! Verification: every byte of the log read and checked.

use std::sync::Arc;

use annals_types::{Place, Position, Timestamp};

use crate::Damage;
use crate::chain::{self, Hash};
use crate::contents::Contents;
use crate::error::Result;
use crate::format::footer::{OFFSET_BYTES, Summary};
use crate::format::link::{LINK_BYTES, Link};
use crate::link::{self, Linked};
use crate::loss::Loss;
use crate::offsets::{OffsetTable, read_table};
use crate::reader::LogReader;
use crate::recovery::{frame_damage, rest_end};
use crate::segment::Segment;
use crate::walk::{CheckedFrame, Walk};

/// How closely a verification looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Structure and checksums: every byte is one that was written there.
    Fast,
    /// Also what the bytes say: the events' fields, the content chain and all that a footer tells of
    /// the frames before it.
    Deep,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments read.
    pub segments: u64,
    /// Of these, sealed.
    pub segments_sealed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Frames that are whole.
    pub frames: u64,
    /// Events that are whole.
    pub events: u64,
    /// Control records that are whole.
    pub controls: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// What is gone for good, as a repair noted it; no damage any more.
    pub losses: Vec<Loss>,
}

impl LogReader {
    /// Reads and checks everything up to `last`. `progress` is told the bytes done and in all.
    ///
    /// # Errors
    /// I/O errors. Damage is part of what is found.
    pub fn verify(
        &self,
        last: Place,
        depth: Depth,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verified> {
        let segments = self.shared.segments.load_full();
        let (total, ..) = self.size()?;
        let mut verifier = Verifier {
            reader: self,
            depth,
            found: Verified::default(),
            last: Place::START,
            recorded: Timestamp::MIN,
            link: Some(chain::genesis(self.store())),
            behind_losses: false,
            total,
            progress,
        };
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map(|next| next.header.first);
            verifier.segment(segment, end, last)?;
        }
        Ok(verifier.found)
    }
}

struct Verifier<'a> {
    reader: &'a LogReader,
    depth: Depth,
    found: Verified,
    last: Place,
    recorded: Timestamp,
    /// The link of the segment before; unknown behind a segment that is damaged or has none.
    link: Option<Hash>,
    /// A segment has lost some of its events, so that its link is not what it was, and no segment
    /// behind it was found yet that is chained to the one of before.
    behind_losses: bool,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Verifier<'_> {
    /// `next` is where the segment behind begins, `last` the end of the log.
    fn segment(&mut self, segment: &Arc<Segment>, next: Option<Place>, last: Place) -> Result<()> {
        let bytes = segment.file_bytes()?;
        let first = segment.header.first;
        if first != self.last.next() {
            let (from, to) = (self.last.position.plus(1), first.position);
            let positions = (from <= to).then_some((from, to));
            let what = "a segment is missing before this one, or overlaps it";
            self.found.damage.push(segment.damage(0, 0, positions, what));
        }
        let damaged_before = self.found.damage.len();
        let mut walk = Walk::new(Arc::clone(segment));
        let mut contents = Contents::default();
        let done_before = self.found.bytes;
        while walk.last.next() < next.unwrap_or(Place::event(Position::MAX)) && walk.last < last {
            if !self.frame(&mut walk, &mut contents, next.unwrap_or(last.next()))? {
                break;
            }
            self.found.bytes = done_before + walk.offset;
            (self.progress)(self.found.bytes, self.total);
        }
        self.last = next.map_or(walk.last, |next| Place {
            position: next.position,
            k: next.k.saturating_sub(1),
        });
        let whole = self.found.damage.len() == damaged_before;
        match segment.summary.as_deref() {
            Some(summary) => {
                self.found.segments_sealed += 1;
                self.footer(segment, &mut walk, &contents, summary, whole)?;
            }
            None => self.link = None,
        }
        self.found.segments += 1;
        self.found.bytes = done_before + bytes;
        (self.progress)(self.found.bytes, self.total);
        Ok(())
    }

    /// Checks the frame at which the walk stands and goes on behind it; `false` where nothing
    /// whole follows.
    fn frame(&mut self, walk: &mut Walk, contents: &mut Contents, next: Place) -> Result<bool> {
        let segment = Arc::clone(&walk.segment);
        let Some(frame) = walk.frame()? else {
            return self.pass_damage(walk, next);
        };
        let checked = walk.check(frame, |_, _| {})?;
        let damage = frame_damage(&segment, &checked);
        let whole = damage.is_empty();
        self.found.damage.extend(damage);
        self.found.losses.extend(checked.losses());
        if whole {
            self.found.frames += 1;
            self.count(&segment, &checked);
            if self.depth == Depth::Deep
                && let Some(offset) = contents.add(self.reader, walk, &checked)?
            {
                let what = "the event's fields contradict each other";
                self.found.damage.push(segment.damage(offset, 0, None, what));
            }
        }
        walk.advance(&checked);
        Ok(true)
    }

    fn count(&mut self, segment: &Segment, checked: &CheckedFrame) {
        let frame = &checked.frame;
        if frame.streams.is_none() {
            self.found.controls += 1;
            return;
        }
        self.found.events +=
            u64::from(frame.header.count) - checked.losses().map(|loss| loss.events()).sum::<u64>();
        if frame.header.recorded_at < self.recorded {
            let what = "the commit's stamp lies before that of the commit before it";
            self.found.damage.push(segment.damage(frame.offset, 0, None, what));
        }
        self.recorded = self.recorded.max(frame.header.recorded_at);
    }

    fn pass_damage(&mut self, walk: &mut Walk, next: Place) -> Result<bool> {
        let segment = Arc::clone(&walk.segment);
        let from = walk.offset;
        let first_lost = walk.last.position.plus(1);
        let found = walk.find_next()?;
        let (end, last_lost) = match &found {
            Some(frame) => {
                walk.skip_to(frame);
                (frame.offset, walk.last.position)
            }
            None => (walk.bound.min(segment.file_bytes()?), next.position),
        };
        let positions = (first_lost <= last_lost).then_some((first_lost, last_lost));
        let what = "no whole frame begins here";
        self.found.damage.push(segment.damage(from, end.saturating_sub(from), positions, what));
        Ok(found.is_some())
    }

    /// Checks what a footer says against the frames in front of it, and what lies between.
    fn footer(
        &mut self,
        segment: &Segment,
        walk: &mut Walk,
        contents: &Contents,
        summary: &Summary,
        whole: bool,
    ) -> Result<()> {
        let OffsetTable::Sealed { at, count, .. } = segment.offsets else { return Ok(()) };
        let table = read_table(segment)?;
        let frames_end = walk.offset;
        if table.is_none() {
            let bytes = u64::from(count) * OFFSET_BYTES;
            self.complain(segment, at, bytes, "the footer's table of offsets is damaged");
        }
        walk.offset = summary.frames_end;
        let stray = rest_end(walk, at)?;
        if stray > summary.frames_end {
            let bytes = stray.min(at) - summary.frames_end;
            let what = "bytes that no frame accounts for";
            self.complain(segment, summary.frames_end, bytes, what);
        }
        walk.offset = frames_end;
        let link = self.link_of(segment)?;
        let chained = self.is_chained(link, !summary.losses.is_empty());
        if !whole {
            return Ok(());
        }
        if summary.last != walk.last {
            let what = "the footer's last place is not that of the frames";
            self.complain(segment, at, 0, what);
        }
        if self.depth == Depth::Fast {
            return Ok(());
        }
        if table.is_some_and(|table| table != contents.offsets) {
            let bytes = u64::from(count) * OFFSET_BYTES;
            self.complain(segment, at, bytes, "the footer's table is not that of the frames");
        }
        let proves = |link: Link| {
            link.root == contents.tree.root()
                && link.link == chain::link(&link.previous, &link.root)
        };
        if !contents.agrees(summary, walk) || !chained || !link.is_none_or(proves) {
            let what = "the footer's content chain or counts are not those of the frames";
            self.complain(segment, at, 0, what);
        }
        Ok(())
    }

    /// The link of a sealed segment, if it has one.
    fn link_of(&mut self, segment: &Segment) -> Result<Option<Link>> {
        match link::read(segment)? {
            Linked::Yes(link) => return Ok(Some(link)),
            Linked::No => {}
            Linked::Damaged => {
                let at = link::place(segment)?;
                self.complain(segment, at, LINK_BYTES as u64, "the footer's link is damaged");
            }
        }
        Ok(None)
    }

    /// Whether a sealed segment with this link is chained to the one before it, as far as can be told.
    fn is_chained(&mut self, link: Option<Link>, has_losses: bool) -> bool {
        let before = std::mem::replace(&mut self.link, link.map(|link| link.link));
        let mut chained = before.zip(link).is_none_or(|(before, link)| link.previous == before);
        if !chained {
            // Once behind losses: what follows was chained to all that was there.
            chained = std::mem::take(&mut self.behind_losses);
        }
        self.behind_losses |= has_losses;
        chained
    }

    fn complain(&mut self, segment: &Segment, offset: u64, bytes: u64, what: &str) {
        self.found.damage.push(segment.damage(offset, bytes, None, what));
    }
}
