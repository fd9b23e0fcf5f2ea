//! Where the events of each stream stand, and those that carry a term. What is said of a stream
//! here holds for a term, whose events have no versions of their own and are counted 1, 2, 3 …
//!
//! A stream's first event stands in its [`Chain`] itself. The others are in a list of chunks: each
//! has a header, and bytes in an arena with the first position in full and then the steps to the
//! next ones. Chunks begin small and double, so that a stream of few events wastes little and one
//! of millions has few chunks. Each also knows one chunk far before it, so that a search looks at
//! few of them. Nothing moves or changes once it is written; a walk along a chain may let go of the
//! lock between two chunks.

mod arena;
mod deltas;
mod run;

use std::num::NonZeroU32;

use annals_types::{Position, Version};

use self::arena::Arena;
pub(super) use self::run::Run;
use super::blocks::Blocks;
use super::varint;
use crate::StreamHead;

const CHUNK_BYTES_MIN: u16 = 16;
/// Most bytes of a chunk, and so most events of one.
pub(super) const CHUNK_BYTES_MAX: u16 = 4096;

/// The events of one stream, or those of one term.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// The position of the first event that was taken in. It is version 1, or, where the log lost
    /// what came before, some later version: then it stands in the first chunk as well.
    first: u64,
    first_chunk: Option<ChunkNumber>,
    last_chunk: Option<ChunkNumber>,
}

impl Chain {
    /// The position of its first event.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Its first event, where that is version 1.
    const fn only(&self) -> StreamHead {
        StreamHead { version: Version::new(1), position: Position::new(self.first) }
    }
}

/// A chunk's number in [`Postings::chunks`], counted from 1 so that a missing one takes no space.
#[derive(Clone, Copy)]
pub(super) struct ChunkNumber(NonZeroU32);

/// The events with the versions `first_version`, `first_version` + 1, …
struct Chunk {
    first_version: u64,
    /// The position of the last event.
    last: u64,
    /// Where its bytes begin in the arena, how many are written, how many there is room for.
    start: u64,
    used: u16,
    capacity: u16,
    /// How many events; never 0.
    count: u16,
    /// Whether the chain's first event is in here.
    from_start: bool,
    prev: Option<ChunkNumber>,
    next: Option<ChunkNumber>,
    /// A chunk before this one, mostly far before it; none only in the first.
    jump: Option<ChunkNumber>,
    /// How many chunks stand before it.
    depth: u32,
}

impl Chunk {
    /// Bytes that it has room for.
    const fn room(&self) -> u16 {
        self.capacity - self.used
    }

    /// Where in the arena its next bytes go.
    fn end_of_bytes(&self) -> u64 {
        self.start + u64::from(self.used)
    }

    /// Appends the event behind the last one, at a position behind that one's. `None`: it has no room.
    #[inline]
    fn push(&mut self, arena: &mut Arena, position: u64) -> Option<()> {
        let room = arena.room(self.end_of_bytes(), usize::from(self.room()))?;
        let length = varint::write(room, position - self.last)?;
        self.used += u16::try_from(length).ok()?;
        self.count += 1;
        self.last = position;
        Some(())
    }

    fn end(&self) -> StreamHead {
        let version = self.first_version + u64::from(self.count - 1);
        StreamHead { version: Version::new(version), position: Position::new(self.last) }
    }
}

/// One step of a walk along a chain.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// The first event.
    First,
    /// A chunk.
    Chunk(ChunkNumber),
}

/// The chunks of all streams and terms.
pub(super) struct Postings {
    chunks: Blocks<Chunk>,
    arena: Arena,
}

impl Postings {
    pub(super) const fn new() -> Self {
        Self { chunks: Blocks::new(), arena: Arena::new() }
    }

    /// Begins a chain with its first event. `None`: version 0, or it does not fit.
    pub(super) fn start(&mut self, version: u64, position: u64) -> Option<Chain> {
        let mut chain = Chain { first: position, first_chunk: None, last_chunk: None };
        match version {
            0 => return None,
            1 => (),
            _ => self.push_chunk(&mut chain, version, position, CHUNK_BYTES_MIN, true)?,
        }
        Some(chain)
    }

    /// Appends an event. `None`: its version or position is not above those of the event before,
    /// or it does not fit.
    pub(super) fn push(&mut self, chain: &mut Chain, version: u64, position: u64) -> Option<()> {
        let Some(number) = chain.last_chunk else {
            if version <= 1 || position <= chain.first {
                return None;
            }
            return self.push_chunk(chain, version, position, CHUNK_BYTES_MIN, false);
        };
        let chunk = self.chunks.get_mut(number.0.get() - 1)?;
        let end = chunk.end().version.get();
        if version <= end || position <= chunk.last {
            return None;
        }
        // Behind a gap a chunk begins small again: many gaps must not cost many large chunks.
        let mut capacity = CHUNK_BYTES_MIN;
        if version - end == 1 {
            if chunk.push(&mut self.arena, position).is_some() {
                return Some(());
            }
            capacity = chunk.capacity.saturating_mul(2).min(CHUNK_BYTES_MAX);
        }
        self.push_chunk(chain, version, position, capacity, false)
    }

    /// Appends `count` events, the first of which has this version and position, and each further one
    /// the next ones. The same as to push each of them, with one look at each chunk.
    #[inline]
    pub(super) fn push_row(
        &mut self,
        chain: &mut Chain,
        mut version: u64,
        mut position: u64,
        count: usize,
    ) -> Option<()> {
        if count == 1 {
            return self.push(chain, version, position);
        }
        let mut left = count as u64;
        while left > 0 {
            self.push(chain, version, position)?;
            let filled = 1 + if left > 1 { self.fill_row(chain, left - 1)? } else { 0 };
            version = version.saturating_add(filled);
            position = position.saturating_add(filled);
            left -= filled;
        }
        Some(())
    }

    /// Appends to the last chunk as many events as it has room for, `count` at the most, each at the
    /// position behind that of the one before. Gives how many.
    fn fill_row(&mut self, chain: &Chain, count: u64) -> Option<u64> {
        let Some(number) = chain.last_chunk else { return Some(0) };
        let chunk = self.chunks.get_mut(number.0.get() - 1)?;
        let filled = chunk.room().min(u16::try_from(count).unwrap_or(u16::MAX));
        if filled > 0 {
            let room = self.arena.room(chunk.end_of_bytes(), usize::from(filled))?;
            // Each is one step, which takes one byte.
            room.fill(1);
            chunk.last = chunk.last.checked_add(filled.into())?;
            chunk.used += filled;
            chunk.count += filled;
        }
        Some(filled.into())
    }

    /// Appends events in a row: these positions, in ascending order, with the versions from `version`
    /// on. The same as to push each of them, with one look at each chunk.
    pub(super) fn push_run(
        &mut self,
        chain: &mut Chain,
        mut version: u64,
        mut positions: &[u64],
    ) -> Option<()> {
        while let Some((&first, others)) = positions.split_first() {
            self.push(chain, version, first)?;
            let filled = self.fill(chain, others)?;
            version = version.saturating_add(1).saturating_add(filled as u64);
            positions = others.get(filled..)?;
        }
        Some(())
    }

    /// Appends to the last chunk as many of the events that follow as it has room for. Gives how many.
    fn fill(&mut self, chain: &Chain, positions: &[u64]) -> Option<usize> {
        let Some(number) = chain.last_chunk else { return Some(0) };
        let chunk = self.chunks.get_mut(number.0.get() - 1)?;
        if chunk.room() == 0 {
            return Some(0);
        }
        let room = self.arena.room(chunk.end_of_bytes(), usize::from(chunk.room()))?;
        let (mut length, mut filled, mut last) = (0, 0, chunk.last);
        for &position in positions {
            let step = position.checked_sub(last).filter(|&step| step > 0)?;
            let Some(bytes) = varint::write(room.get_mut(length..)?, step) else { break };
            length += bytes;
            filled += 1;
            last = position;
        }
        chunk.last = last;
        chunk.used += u16::try_from(length).ok()?;
        chunk.count += u16::try_from(filled).ok()?;
        Some(filled)
    }

    /// Appends `count` events to a chain without gaps, the first of which is at this position and each
    /// further one behind the one before; unless that first one is the newest in it. `None`: its
    /// position is below that, or they do not fit.
    pub(super) fn append_row(
        &mut self,
        chain: &mut Chain,
        position: u64,
        count: usize,
    ) -> Option<()> {
        if count == 1
            && let Some(number) = chain.last_chunk
            && let Some(chunk) = self.chunks.get_mut(number.0.get() - 1)
            && position > chunk.last
            && chunk.push(&mut self.arena, position).is_some()
        {
            return Some(());
        }
        let newest = self.newest(chain)?;
        let known = usize::from(newest.position.get() == position);
        let (version, position) = (newest.version.get(), position.checked_add(known as u64)?);
        self.push_row(chain, version.checked_add(1)?, position, count - known)
    }

    fn push_chunk(
        &mut self,
        chain: &mut Chain,
        version: u64,
        position: u64,
        capacity: u16,
        from_start: bool,
    ) -> Option<()> {
        let start = self.arena.reserve(usize::from(capacity));
        let (bytes, length) = varint::encode(position);
        self.arena.write(start, bytes.get(..length)?)?;
        let (jump, depth) = match chain.last_chunk {
            Some(last) => (self.jump_behind(last), self.chunk(last)?.depth.checked_add(1)?),
            None => (None, 0),
        };
        let number = self.chunks.push(Chunk {
            first_version: version,
            last: position,
            start,
            used: u16::try_from(length).ok()?,
            capacity,
            count: 1,
            from_start,
            prev: chain.last_chunk,
            next: None,
            jump,
            depth,
        })?;
        let number = Some(ChunkNumber(NonZeroU32::new(number.checked_add(1)?)?));
        match chain.last_chunk {
            Some(last) => self.chunks.get_mut(last.0.get() - 1)?.next = number,
            None => chain.first_chunk = number,
        }
        chain.last_chunk = number;
        Some(())
    }

    /// The newest event at or below `up_to`.
    pub(super) fn head(&self, chain: &Chain, up_to: u64) -> Option<StreamHead> {
        if chain.first > up_to {
            return None;
        }
        let newest = self.newest(chain)?;
        if newest.position.get() <= up_to {
            return Some(newest);
        }
        let number = self.first_chunk_where(chain, |chunk| chunk.last > up_to)?;
        let run = self.run(chain, Part::Chunk(number))?;
        match run.newest(up_to) {
            Some(head) => Some(head),
            None => match self.before(Part::Chunk(number))? {
                Part::First => Some(chain.only()),
                Part::Chunk(before) => Some(self.chunk(before)?.end()),
            },
        }
    }

    /// The newest event.
    fn newest(&self, chain: &Chain) -> Option<StreamHead> {
        chain.last_chunk.map_or(Some(chain.only()), |last| Some(self.chunk(last)?.end()))
    }

    /// The first part with an event of this version or a later one.
    pub(super) fn part_from(&self, chain: &Chain, version: u64) -> Option<Part> {
        if version <= 1 {
            return self.first_part(chain);
        }
        let behind = |chunk: &Chunk| chunk.end().version.get() >= version;
        self.first_chunk_where(chain, behind).map(Part::Chunk)
    }

    /// The first part with an event at `from` or behind it.
    pub(super) fn part_behind(&self, chain: &Chain, from: u64) -> Option<Part> {
        if from <= chain.first {
            return self.first_part(chain);
        }
        self.first_chunk_where(chain, |chunk| chunk.last >= from).map(Part::Chunk)
    }

    /// The part that has the newest event at or before `to`, or the one behind that.
    pub(super) fn part_before(&self, chain: &Chain, to: u64) -> Option<Part> {
        if to < chain.first {
            return None;
        }
        let chunk = self.first_chunk_where(chain, |chunk| chunk.last >= to);
        Some(chunk.or(chain.last_chunk).map_or(Part::First, Part::Chunk))
    }

    /// The first chunk that is as `holds` says; all chunks behind it must be so too.
    fn first_chunk_where(
        &self,
        chain: &Chain,
        holds: impl Fn(&Chunk) -> bool,
    ) -> Option<ChunkNumber> {
        let holding = |number: Option<ChunkNumber>| {
            number.and_then(|number| Some((number, self.chunk(number).filter(|it| holds(it))?)))
        };
        let (mut found, mut chunk) = holding(chain.last_chunk)?;
        while let Some(before) = holding(chunk.jump).or_else(|| holding(chunk.prev)) {
            (found, chunk) = before;
        }
        Some(found)
    }

    /// To which chunk the one behind `last` jumps: past the two jumps before it where those are
    /// equally long, otherwise to `last`. From everywhere a few jumps, as many as the number of
    /// chunks has digits, then lead anywhere (Myers, An applicative random-access stack, 1983).
    fn jump_behind(&self, last: ChunkNumber) -> Option<ChunkNumber> {
        let chunk = self.chunk(last)?;
        let Some(near) = chunk.jump else {
            return Some(last);
        };
        let near_chunk = self.chunk(near)?;
        let far = near_chunk.jump.unwrap_or(near);
        let far_depth = self.chunk(far)?.depth;
        let equal = chunk.depth - near_chunk.depth == near_chunk.depth - far_depth;
        Some(if equal { far } else { last })
    }

    /// The part that a walk begins with.
    pub(super) fn first_part(&self, chain: &Chain) -> Option<Part> {
        match chain.first_chunk {
            Some(number) if self.chunk(number)?.from_start => Some(Part::Chunk(number)),
            _ => Some(Part::First),
        }
    }

    /// The part behind `part`.
    pub(super) fn after(&self, chain: &Chain, part: Part) -> Option<Part> {
        match part {
            Part::First => chain.first_chunk.map(Part::Chunk),
            Part::Chunk(number) => self.chunk(number)?.next.map(Part::Chunk),
        }
    }

    /// The part before `part`.
    pub(super) fn before(&self, part: Part) -> Option<Part> {
        let Part::Chunk(number) = part else {
            return None;
        };
        let chunk = self.chunk(number)?;
        match chunk.prev {
            Some(prev) => Some(Part::Chunk(prev)),
            None => (!chunk.from_start).then_some(Part::First),
        }
    }

    /// The events of a part.
    pub(super) fn run(&self, chain: &Chain, part: Part) -> Option<Run<'_>> {
        match part {
            Part::First => Some(Run::single(chain.first)),
            Part::Chunk(number) => {
                let chunk = self.chunk(number)?;
                let bytes = self.arena.read(chunk.start, usize::from(chunk.used))?;
                let count = usize::from(chunk.count);
                Some(Run::new(chunk.first_version, count, chunk.last, bytes))
            }
        }
    }

    fn chunk(&self, number: ChunkNumber) -> Option<&Chunk> {
        self.chunks.get(number.0.get() - 1)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.memory_bytes() + self.arena.memory_bytes()
    }
}
