//! The keys of the rows. The first byte says of which family a row is; numbers are big-endian, so
//! that the order of the keys is theirs.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | `c` | | what is covered: [`Saved`](super::row::Saved) |
//! | `n` | name | the stream: [`Stream`](super::row::Stream) |
//! | `p` | bytes of the name (2), name, piece | a list: versions and positions of a stream's events but the first |
//! | `t` | term (8), piece | a list: positions of the events with the term |
//! | `s` | piece | a list: positions of the streams' first events |
//! | `i` | keyed hash of an id (8), position (8) | nothing |
//! | `k` | key of a kept state (8), its place: position (8), k (4) | nothing |
//!
//! A list is cut where the positions pass a multiple of 2^20: into blocks. A piece of it is either
//! all of a block's chunks that are few (block, 6 bytes: the value grows by appending), or a single
//! chunk of many (block, 6 bytes, and the low 20 bits of its first position, 3 bytes).

use annals_types::{Place, Position};

use crate::Term;

pub(super) const COVERS: &[u8] = b"c";
const STREAM: u8 = b'n';
const STREAM_LIST: u8 = b'p';
const TERM_LIST: u8 = b't';
const BEGIN_LIST: u8 = b's';
const ID: u8 = b'i';
const KEPT: u8 = b'k';

/// How many low bits of a position say where in its block it is.
pub(super) const BLOCK_BITS: u32 = 20;
const BLOCK_BYTES: usize = 6;
const WITHIN_BYTES: usize = 3;
const NUMBER_BYTES: usize = 8;
const K_BYTES: usize = 4;

/// The block of a position.
pub(super) const fn block(position: u64) -> u64 {
    position >> BLOCK_BITS
}

/// The first part of a key, by which RocksDB finds the rows that share it, or learns that there are
/// none: all but the piece of a list, the position of an id, or the place of a kept state.
#[expect(clippy::needless_lifetimes, reason = "what RocksDB's binding asks for")]
pub(super) fn prefix<'a>(key: &'a [u8]) -> &'a [u8] {
    let bytes = match key {
        [STREAM_LIST, high, low, ..] => 3 + usize::from(u16::from_le_bytes([*low, *high])),
        [TERM_LIST | ID | KEPT, ..] => 1 + NUMBER_BYTES,
        [BEGIN_LIST, ..] => 1,
        _ => key.len(),
    };
    key.get(..bytes).unwrap_or(key)
}

/// The row of a stream.
pub(super) fn stream(name: &str) -> Vec<u8> {
    [&[STREAM], name.as_bytes()].concat()
}

/// The name in a key of [`stream`].
pub(super) fn stream_name(key: &[u8]) -> Option<&str> {
    let (STREAM, name) = key.split_first().map(|(family, name)| (*family, name))? else {
        return None;
    };
    std::str::from_utf8(name).ok()
}

/// Whether a key is behind all of [`stream`].
pub(super) fn is_behind_streams(key: &[u8]) -> bool {
    key.first().is_some_and(|family| *family > STREAM)
}

/// An id's row at a position.
pub(super) fn id(hash: u64, position: u64) -> [u8; 1 + 2 * NUMBER_BYTES] {
    let mut key = [ID; 1 + 2 * NUMBER_BYTES];
    let bytes = ordered(hash).into_iter().chain(ordered(position));
    key.iter_mut().skip(1).zip(bytes).for_each(|(to, from)| *to = from);
    key
}

/// Hash and position in a key of [`id`].
pub(super) fn id_parts(key: &[u8]) -> Option<(u64, u64)> {
    let (ID, rest) = key.split_first().map(|(family, rest)| (*family, rest))? else {
        return None;
    };
    let (hash, position) = rest.split_at_checked(NUMBER_BYTES)?;
    Some((number(hash, NUMBER_BYTES)?, number(position, NUMBER_BYTES)?))
}

/// The row of a kept state.
pub(super) fn kept(key: Term, place: Place) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + 2 * NUMBER_BYTES + K_BYTES);
    row.push(KEPT);
    row.extend(ordered(key.get()));
    row.extend(ordered(place.position.get()));
    row.extend(ordered(place.k.into()).into_iter().skip(NUMBER_BYTES - K_BYTES));
    row
}

/// Key and place in a row's key of [`kept`].
pub(super) fn kept_parts(row: &[u8]) -> Option<(Term, Place)> {
    let (KEPT, rest) = row.split_first().map(|(family, rest)| (*family, rest))? else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(NUMBER_BYTES)?;
    let (position, k) = rest.split_at_checked(NUMBER_BYTES)?;
    let position = Position::new(number(position, NUMBER_BYTES)?);
    let k = u32::try_from(number(k, K_BYTES)?).ok()?;
    Some((Term::new(number(key, NUMBER_BYTES)?), Place { position, k }))
}

/// One of the lists.
#[derive(Clone, Debug)]
pub(super) struct List {
    prefix: Vec<u8>,
    /// Whether its chunks have versions.
    pub(super) versioned: bool,
}

/// What a key of a list stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Chunks of a block.
    Few {
        /// The block.
        block: u64,
    },
    /// A chunk.
    Many {
        /// Its first position.
        first: u64,
    },
}

impl List {
    /// The events of a stream but the first. `None`: no stream has such a name.
    pub(super) fn of_stream(name: &str) -> Option<Self> {
        let [low, high] = u16::try_from(name.len()).ok()?.to_le_bytes();
        let prefix = [&[STREAM_LIST, high, low], name.as_bytes()].concat();
        Some(Self { prefix, versioned: true })
    }

    /// The events with a term.
    pub(super) fn of_term(term: Term) -> Self {
        let prefix = std::iter::once(TERM_LIST).chain(ordered(term.get())).collect();
        Self { prefix, versioned: false }
    }

    /// The first events of all streams.
    pub(super) fn of_begins() -> Self {
        Self { prefix: vec![BEGIN_LIST], versioned: false }
    }

    /// The key of the chunks of a block that are few.
    pub(super) fn few(&self, block: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + BLOCK_BYTES);
        key.extend_from_slice(&self.prefix);
        key.extend(ordered(block).into_iter().skip(NUMBER_BYTES - BLOCK_BYTES));
        key
    }

    /// The key of a chunk of many that begins at this position. The chunks of its block that are
    /// few stand before it.
    pub(super) fn many(&self, first: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + BLOCK_BYTES + WITHIN_BYTES);
        key.extend_from_slice(&self.prefix);
        key.extend(ordered(block(first)).into_iter().skip(NUMBER_BYTES - BLOCK_BYTES));
        let within = first & ((1 << BLOCK_BITS) - 1);
        key.extend(ordered(within).into_iter().skip(NUMBER_BYTES - WITHIN_BYTES));
        key
    }

    /// What a key stands for. `None`: it is no key of this list.
    pub(super) fn piece(&self, key: &[u8]) -> Option<Piece> {
        let piece = key.strip_prefix(self.prefix.as_slice())?;
        let (head, within) = piece.split_at_checked(BLOCK_BYTES)?;
        let block = number(head, BLOCK_BYTES)?;
        if within.is_empty() {
            return Some(Piece::Few { block });
        }
        let within = number(within, WITHIN_BYTES).filter(|within| *within < 1 << BLOCK_BITS)?;
        let high = block.checked_mul(1 << BLOCK_BITS)?;
        Some(Piece::Many { first: high | within })
    }
}

/// The bytes of a number, highest first.
fn ordered(number: u64) -> [u8; NUMBER_BYTES] {
    let mut bytes = number.to_le_bytes();
    bytes.reverse();
    bytes
}

/// The number of exactly so many bytes, highest first.
fn number(bytes: &[u8], count: usize) -> Option<u64> {
    let shifted = |number: u64, byte: &u8| number << u8::BITS | u64::from(*byte);
    (bytes.len() == count).then(|| bytes.iter().fold(0, shifted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_in_the_order_of_their_positions() {
        let positions = [0, 1, 255, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 45, u64::MAX];
        for list in [
            List::of_stream("a-1").unwrap(),
            List::of_stream("").unwrap(),
            List::of_term(Term::new(0x7400_0000_0000_00ff)),
            List::of_begins(),
        ] {
            let mut keys = Vec::new();
            for position in positions {
                let (few, many) = (list.few(block(position)), list.many(position));
                assert_eq!(list.piece(&few), Some(Piece::Few { block: block(position) }));
                assert_eq!(list.piece(&many), Some(Piece::Many { first: position }));
                assert_eq!(prefix(&few), list.prefix);
                assert_eq!(prefix(&many), list.prefix);
                keys.extend([few, many]);
            }
            keys.dedup();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert!(keys.windows(2).filter(|pair| pair[0] > pair[1]).count() <= positions.len());
            for wrong in [&keys[0][..2], &[&keys[0][..], &[0]].concat(), b"", b"x"] {
                assert_eq!(list.piece(wrong), None);
            }
        }
        for position in positions {
            assert_eq!(id_parts(&id(77, position)), Some((77, position)));
        }
        for (position, k) in [(0, 1), (1, 0), (u64::MAX, u32::MAX)] {
            let (key, place) = (Term::new(77), Place { position: Position::new(position), k });
            assert_eq!(kept_parts(&kept(key, place)), Some((key, place)));
            assert!(kept(key, place) < kept(Term::new(78), Place::START));
        }
        assert_eq!(stream_name(&stream("é-1")), Some("é-1"));
        assert_eq!(stream_name(b"n\xff"), None);
        assert_eq!(stream_name(COVERS), None);
    }

    #[test]
    fn a_prefix_is_part_of_any_key() {
        for key in
            [&b""[..], b"p", b"p\0", b"p\0\x09ab", b"t123", b"i", b"k12", b"s", b"zebra", b"n"]
        {
            assert!(key.starts_with(prefix(key)));
        }
    }
}
