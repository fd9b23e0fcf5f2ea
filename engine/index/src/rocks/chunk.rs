//! Chunks: positions of one block in ascending order, each complete in itself, so that chunks of a
//! list are put together by writing one behind the other.
//!
//! | bytes | content |
//! | --- | --- |
//! | varint | how many bytes follow |
//! | varint | how many positions |
//! | varint | in a stream's list: the version of the first; each further one is one higher |
//! | varint | the low bits of the first position |
//! | varint | the distance from the first to the last |
//! | varints | each position's distance from the one before, but the first's |

use super::keys::BLOCK_BITS;
use crate::memory::varint;

/// Most positions of a chunk: who looks for one of them passes over the other chunks.
pub(super) const POSITIONS_MAX: usize = 1024;

/// What a chunk says of its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The version of the first; 0 in a list without versions.
    pub(super) version: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: usize,
}

impl Head {
    /// The version of the last.
    pub(super) const fn last_version(&self) -> u64 {
        self.version + (self.count - 1) as u64
    }
}

/// A chunk that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    pub(super) head: Head,
    steps: &'a [u8],
}

/// Appends a chunk to `out`: the positions, of one block, ascending, and the version of the first
/// where the list has versions.
pub(super) fn put(out: &mut Vec<u8>, version: Option<u64>, positions: &[u64]) {
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return;
    };
    let mut body = Vec::with_capacity(positions.len() + 16);
    varint::put(&mut body, positions.len() as u64);
    if let Some(version) = version {
        varint::put(&mut body, version);
    }
    varint::put(&mut body, first & ((1 << BLOCK_BITS) - 1));
    varint::put(&mut body, last - first);
    let mut before = first;
    for &position in positions.iter().skip(1) {
        varint::put(&mut body, position - before);
        before = position;
    }
    varint::put(out, body.len() as u64);
    out.extend(body);
}

impl<'a> Chunk<'a> {
    /// Takes a chunk of a block from the front of `bytes`. `None`: there is none that is sound.
    pub(super) fn take(bytes: &mut &'a [u8], block: u64, versioned: bool) -> Option<Self> {
        let length = usize::try_from(take_number(bytes)?).ok()?;
        let (mut body, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        let count = usize::try_from(take_number(&mut body)?).ok()?;
        let version = if versioned { take_number(&mut body)? } else { 0 };
        let within = take_number(&mut body)?;
        let length = take_number(&mut body)?;
        // All positions are of the block, and each step has at least one byte.
        let last_within = within.checked_add(length).filter(|last| *last < 1 << BLOCK_BITS)?;
        let steps = count.checked_sub(1)? as u64;
        version.checked_add(steps)?;
        if steps > length || steps > body.len() as u64 || versioned && version == 0 {
            return None;
        }
        let begin = block.checked_mul(1 << BLOCK_BITS)?;
        let head = Head { version, first: begin | within, last: begin | last_within, count };
        Some(Self { head, steps: body })
    }

    /// Appends the positions to `out`. `None`: they are not what the head says.
    pub(super) fn read(&self, out: &mut Vec<u64>) -> Option<()> {
        out.push(self.head.first);
        let mut position = self.head.first;
        let mut rest = self.steps;
        for _ in 1..self.head.count {
            let step = take_number(&mut rest)?;
            position = position.checked_add(step)?;
            if step == 0 || position > self.head.last {
                return None;
            }
            out.push(position);
        }
        (rest.is_empty() && position == self.head.last).then_some(())
    }
}

/// A chunk with its bytes in a value that is kept elsewhere.
#[derive(Clone, Debug)]
struct Kept {
    head: Head,
    steps: std::ops::Range<usize>,
}

/// The chunks of a block that are few.
#[derive(Clone, Debug, Default)]
pub(super) struct Few {
    value: Vec<u8>,
    chunks: Vec<Kept>,
}

impl Few {
    /// The chunks in a value. `None`: it is not sound.
    pub(super) fn read(value: &[u8], block: u64, versioned: bool) -> Option<Self> {
        let mut chunks: Vec<Kept> = Vec::new();
        let mut rest = value;
        while !rest.is_empty() {
            let chunk = Chunk::take(&mut rest, block, versioned)?;
            let end = value.len() - rest.len();
            let before = chunks.last().map(|before| before.head);
            if before.is_some_and(|before| {
                before.last >= chunk.head.first
                    || versioned && before.last_version() >= chunk.head.version
            }) {
                return None;
            }
            chunks.push(Kept { head: chunk.head, steps: end - chunk.steps.len()..end });
        }
        Some(Self { value: value.to_vec(), chunks })
    }

    /// How many chunks there are.
    pub(super) fn count(&self) -> usize {
        self.chunks.len()
    }

    /// How many chunks end before this position.
    pub(super) fn count_before(&self, position: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.head.last < position)
    }

    /// How many chunks begin at or before this position.
    pub(super) fn count_from(&self, position: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.head.first <= position)
    }

    /// The chunk with this number, counted from 0.
    pub(super) fn get(&self, number: usize) -> Option<Chunk<'_>> {
        let chunk = self.chunks.get(number)?;
        Some(Chunk { head: chunk.head, steps: self.value.get(chunk.steps.clone())? })
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = match *bytes {
        // Most numbers are that short.
        [one @ 0..=0x7f, rest @ ..] => (u64::from(*one), rest),
        [one, two @ 0..=0x7f, rest @ ..] => (u64::from(*one & 0x7f) | u64::from(*two) << 7, rest),
        longer => {
            let mut rest = longer.iter();
            (varint::take(|| rest.next().copied())?, rest.as_slice())
        }
    };
    *bytes = rest;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 5;
    const BEGIN: u64 = BLOCK << BLOCK_BITS;

    fn written(version: Option<u64>, positions: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, version, positions);
        out
    }

    #[test]
    fn chunks_come_back_one_behind_the_other() {
        let pieces: [&[u64]; 4] = [
            &[BEGIN],
            &[BEGIN + 1, BEGIN + 2, BEGIN + 3],
            &[BEGIN + 300, BEGIN + 70_000, BEGIN + 70_001],
            &[BEGIN + (1 << BLOCK_BITS) - 1],
        ];
        for versioned in [true, false] {
            let mut value = Vec::new();
            for (n, piece) in (1..).zip(pieces) {
                put(&mut value, versioned.then_some(n * 100), piece);
            }
            let few = Few::read(&value, BLOCK, versioned).unwrap();
            for (n, piece) in (1..).zip(pieces) {
                let chunk = few.get(n - 1).unwrap();
                let mut out = Vec::new();
                chunk.read(&mut out).unwrap();
                assert_eq!(out, piece);
                assert_eq!(chunk.head.version, if versioned { n as u64 * 100 } else { 0 });
            }
            assert!(few.get(4).is_none());
            assert_eq!(few.count_before(BEGIN + 4), 2);
            assert_eq!(few.count_from(BEGIN + 300), 3);
            for length in 1..value.len() {
                let cut = Few::read(&value[..length], BLOCK, versioned);
                assert!(cut.is_none_or(|cut| cut.chunks.len() < 4));
            }
        }
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let all = |value: &[u8], versioned| {
            let few = Few::read(value, BLOCK, versioned)?;
            let mut out = Vec::new();
            (0..few.chunks.len()).try_for_each(|n| few.get(n)?.read(&mut out))?;
            Some(out)
        };
        let one = written(None, &[BEGIN + 7]);
        // Not ascending, none at all, versions from 0, beyond the block, a step of 0, a step over
        // the last, more positions than steps.
        for (value, versioned) in [
            ([one.clone(), one.clone()].concat(), false),
            (vec![4, 0, 0, 0, 0], false),
            (vec![4, 1, 0, 0, 0], true),
            (vec![5, 1, 0xff, 0xff, 0x7f, 0], false),
            (vec![5, 2, 0, 1, 0, 0], false),
            (vec![4, 2, 0, 1, 2], false),
            (vec![4, 3, 0, 9, 2], false),
            (vec![0], false),
            (vec![200], false),
            (vec![0xff; 20], false),
        ] {
            assert_eq!(all(&value, versioned), None, "{value:?}");
        }
        // Whatever is flipped, nothing panics, and what is read is of the block.
        let value = written(Some(3), &[BEGIN + 9, BEGIN + 400, BEGIN + 500_000]);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for position in all(&flipped, true).unwrap_or_default() {
                assert_eq!(position >> BLOCK_BITS, BLOCK);
            }
        }
    }
}
