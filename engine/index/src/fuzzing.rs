//! Doors for the fuzz targets, which cannot see what the indexes keep: each takes bytes that may say
//! anything and panics where a codec breaks its word. Built only under `--cfg fuzzing`.
//!
//! The rows of the RocksDB index are built here by themselves, so that fuzzing them needs no RocksDB.

#[path = "rocks/chunk.rs"]
#[expect(dead_code, reason = "of use only to the index itself")]
mod chunk;
#[path = "rocks/keys.rs"]
#[expect(dead_code, reason = "of use only to the index itself")]
mod keys;
#[path = "rocks/row.rs"]
mod row;

use crate::Term;
use chunk::{Chunk, Few};
use keys::{List, Piece};
use row::{Saved, Stream};

/// A key of the RocksDB index.
pub fn key(key: &[u8]) {
    assert!(key.starts_with(keys::prefix(key)));
    if let Some(name) = keys::stream_name(key) {
        assert_eq!(keys::stream(name), key);
        assert!(!keys::is_behind_streams(key));
    }
    if let Some((hash, position)) = keys::id_parts(key) {
        assert_eq!(keys::id(hash, position), key);
    }
    let term = key.get(1..9).and_then(|term| term.try_into().ok()).map(u64::from_be_bytes);
    let name = key.get(3..).and_then(|rest| {
        let length = u16::from_be_bytes([key[1], key[2]]);
        str::from_utf8(rest.get(..length.into())?).ok()
    });
    let lists = [
        name.and_then(List::of_stream),
        term.map(|term| List::of_term(Term::new(term))),
        Some(List::of_begins()),
    ];
    for list in lists.iter().flatten() {
        match list.piece(key) {
            Some(Piece::Few { block }) => assert_eq!(list.few(block), key),
            Some(Piece::Many { first }) => {
                assert_eq!(list.many(first), key);
                assert_eq!(keys::block(first), first >> keys::BLOCK_BITS);
            }
            None => {}
        }
    }
}

/// A value of the RocksDB index that stands alone.
pub fn row(value: &[u8]) {
    if let Some(saved) = Saved::read(value) {
        assert_eq!(Saved::read(&saved.write()), Some(saved));
    }
    if let Some(stream) = Stream::read(value) {
        let mut again = Vec::new();
        stream.write(&mut again);
        assert_eq!(Stream::read(&again), Some(stream));
        assert!(stream.first.version <= stream.newest.version);
        assert!(stream.first.position <= stream.newest.position);
    }
}

/// The chunks of a block in the RocksDB index.
pub fn chunks(mut value: &[u8], block: u64, versioned: bool) {
    if let Some(few) = Few::read(value, block, versioned) {
        let mut all = Vec::new();
        for number in 0..few.count() {
            let chunk = few.get(number).expect("as many as it counts");
            sound(&chunk, block, versioned, &mut all);
            let (first, last) = (chunk.head.first, chunk.head.last);
            assert_eq!((few.count_before(first), few.count_from(last)), (number, number + 1));
        }
        assert!(all.is_sorted_by(|one, next| one < next), "chunks overlap");
    }
    let before = value.len();
    if let Some(chunk) = Chunk::take(&mut value, block, versioned) {
        assert!(value.len() < before);
        sound(&chunk, block, versioned, &mut Vec::new());
    }
}

/// Appends the positions of a chunk to `all`, where they are what its head says.
fn sound(chunk: &Chunk<'_>, block: u64, versioned: bool, all: &mut Vec<u64>) {
    let head = chunk.head;
    assert!(head.first <= head.last && head.count > 0);
    assert_eq!((keys::block(head.first), keys::block(head.last)), (block, block));
    assert_eq!(head.version > 0, versioned);
    assert!(head.last_version() >= head.version || !versioned);
    let mut positions = Vec::new();
    if chunk.read(&mut positions).is_none() {
        return;
    }
    assert_eq!((positions.len(), positions.first()), (head.count, Some(&head.first)));
    assert_eq!(positions.last(), Some(&head.last));
    assert!(positions.is_sorted_by(|one, next| one < next));
    let mut again = Vec::new();
    chunk::put(&mut again, versioned.then_some(head.version), &positions);
    let mut rest = again.as_slice();
    let same = Chunk::take(&mut rest, block, versioned).expect("what was just put");
    assert_eq!((same.head, rest.len()), (head, 0));
    all.extend(positions);
}
