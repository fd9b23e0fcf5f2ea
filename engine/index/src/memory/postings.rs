//! Where the events of each stream stand.
//!
//! A stream's first event stands in its [`Chain`] itself. The others are in a list of chunks: each
//! has a header, and bytes in an arena with the first position in full and then the steps to the
//! next ones. Chunks begin small and double, so that a stream of few events wastes little and one
//! of millions has few chunks. Nothing moves or changes once it is written; a walk along a chain
//! may let go of the lock between two chunks.

mod arena;
mod deltas;

use std::num::NonZeroU32;

use annals_types::{Position, Version};

use self::arena::Arena;
use self::deltas::Deltas;
use super::blocks::Blocks;
use super::varint;
use crate::StreamHead;

const CHUNK_BYTES_MIN: u16 = 16;
/// Most bytes of a chunk, and so most events of one.
pub(super) const CHUNK_BYTES_MAX: u16 = 4096;

/// The events of one stream.
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
}

impl Chunk {
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

/// The events of one part.
pub(super) struct Run<'a> {
    /// The version of the first; each further one is one higher.
    pub(super) first_version: u64,
    /// How many they are.
    pub(super) count: usize,
    first: Option<u64>,
    rest: Deltas<'a>,
}

impl Run<'_> {
    /// Their positions.
    pub(super) fn positions(self) -> impl Iterator<Item = u64> {
        self.first.into_iter().chain(self.rest)
    }
}

/// From which end a chain is searched.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

/// The chunks of all streams.
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
            let (bytes, length) = varint::encode(position - chunk.last);
            if usize::from(chunk.used) + length <= usize::from(chunk.capacity) {
                let at = chunk.start + u64::from(chunk.used);
                self.arena.write(at, bytes.get(..length)?)?;
                chunk.used += u16::try_from(length).ok()?;
                chunk.count += 1;
                chunk.last = position;
                return Some(());
            }
            capacity = chunk.capacity.saturating_mul(2).min(CHUNK_BYTES_MAX);
        }
        self.push_chunk(chain, version, position, capacity, false)
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
        let nearer = if up_to - chain.first < newest.position.get() - up_to {
            End::First
        } else {
            End::Last
        };
        let number = self.first_chunk_where(chain, nearer, |chunk| chunk.last > up_to)?;
        let run = self.run(chain, Part::Chunk(number))?;
        let first_version = run.first_version;
        match run.positions().take_while(|at| *at <= up_to).enumerate().last() {
            Some((steps, position)) => Some(StreamHead {
                version: Version::new(first_version + steps as u64),
                position: Position::new(position),
            }),
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
        let newest = self.newest(chain)?.version.get();
        let nearer = if version < newest / 2 { End::First } else { End::Last };
        let behind = |chunk: &Chunk| chunk.end().version.get() >= version;
        self.first_chunk_where(chain, nearer, behind).map(Part::Chunk)
    }

    /// The first chunk that is as `holds` says; all chunks behind it must be so too.
    fn first_chunk_where(
        &self,
        chain: &Chain,
        end: End,
        holds: impl Fn(&Chunk) -> bool,
    ) -> Option<ChunkNumber> {
        match end {
            End::First => {
                let mut at = chain.first_chunk?;
                loop {
                    let chunk = self.chunk(at)?;
                    if holds(chunk) {
                        return Some(at);
                    }
                    at = chunk.next?;
                }
            }
            End::Last => {
                let mut found = None;
                let mut at = chain.last_chunk;
                while let Some(number) = at {
                    let chunk = self.chunk(number)?;
                    if !holds(chunk) {
                        break;
                    }
                    found = at;
                    at = chunk.prev;
                }
                found
            }
        }
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
            Part::First => Some(Run {
                first_version: 1,
                count: 1,
                first: Some(chain.first),
                rest: Deltas::new(&[]),
            }),
            Part::Chunk(number) => {
                let chunk = self.chunk(number)?;
                let bytes = self.arena.read(chunk.start, usize::from(chunk.used))?;
                Some(Run {
                    first_version: chunk.first_version,
                    count: usize::from(chunk.count),
                    first: None,
                    rest: Deltas::new(bytes),
                })
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
