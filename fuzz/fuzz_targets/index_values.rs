//! What the indexes keep, as bytes that say anything: the image of the index in memory, with
//! checksums as they come or made right, and the keys and rows of the RocksDB index. No panic, no
//! endless loop, no allocation that a length claims; and
//!
//! - an image that loads answers, never above what it covers, and saved again it loads to the same;
//! - a row that is read has what its head says, and is written to bytes that are read to the same.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use annals::{EventId, Position, StoreId, Version};
use annals_env::MemoryFs;
use annals_fuzz::Bounded;
use annals_index::{Covers, IMAGE_NAME, Index, MemoryIndex, StreamFilter, Term, fuzzing};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

const STORE: StoreId = StoreId(*b"a store's own id");
const FOLDER: &str = "/index";
const HEADER_BYTES: usize = 88;
const BLOCK_HEAD_BYTES: usize = 8;

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else { return };
    match mode & 7 {
        0 => fuzzing::key(rest),
        1 => fuzzing::row(rest),
        2 => fuzzing::chunks(rest, 0, mode & 8 == 0),
        3 => fuzzing::chunks(rest, (1 << 44) - 1, mode & 8 == 0),
        4 => fuzzing::chunks(rest, u64::MAX, mode & 8 == 0),
        5 => image(rest),
        // Most find out little about what is behind a checksum that is wrong.
        _ => image(&sealed(rest)),
    }
});

/// The bytes as one of this store's images, its checksums right: a header, and one block.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut image = b"ANNALSIX\x03\0\0\0".to_vec();
    image.extend(STORE.0);
    let (fields, content) = bytes.split_at(bytes.len().min(HEADER_BYTES - 4 - image.len()));
    image.extend(fields);
    image.resize(HEADER_BYTES - 4, 0);
    image.extend(crc32fast::hash(&image).to_le_bytes());
    if !content.is_empty() {
        let mut sum = crc32fast::Hasher::new();
        let length = (content.len() as u32).to_le_bytes();
        sum.update(&image[HEADER_BYTES - 4..]);
        sum.update(&0_u64.to_le_bytes());
        sum.update(&length);
        sum.update(content);
        image.extend(length);
        image.extend(sum.finalize().to_le_bytes());
        image.extend(content);
        assert_eq!(image.len(), HEADER_BYTES + BLOCK_HEAD_BYTES + content.len());
    }
    image
}

fn load(fs: &MemoryFs) -> Option<(MemoryIndex, Covers)> {
    MemoryIndex::load(Arc::new(fs.clone()), Path::new(FOLDER), STORE).ok().flatten()
}

fn image(bytes: &[u8]) {
    let fs = MemoryFs::new();
    let path = Path::new(FOLDER).join(IMAGE_NAME);
    fs.write_file(&path, bytes).unwrap();
    let Some((index, covers)) = load(&fs) else { return };
    let shown = answers(&index, covers);
    index.save(covers).unwrap();
    let saved = fs.read_file(&path).unwrap();
    let (again, again_covers) = load(&fs).expect("what was just saved");
    assert_eq!(again_covers, covers);
    assert_eq!(answers(&again, covers), shown);
    again.save(covers).unwrap();
    assert!(saved == fs.read_file(&path).unwrap(), "saved anew it is another");
}

/// What the index says of each of its streams, and of terms that it may have.
fn answers(index: &MemoryIndex, covers: Covers) -> Vec<(String, Vec<Position>)> {
    let up_to = covers.place.position;
    assert_eq!(index.covers(), up_to);
    let mut listed = Vec::new();
    index.streams(&StreamFilter::All, None, up_to, usize::MAX, &mut listed).unwrap();
    assert_eq!(index.stream_count(up_to).unwrap(), listed.len() as u64);
    let mut answers = Vec::new();
    for (name, head) in listed {
        assert_eq!(index.head(&name, Position::START, up_to).unwrap(), Some(head));
        let (mut all, mut back) = (Vec::new(), Vec::new());
        index.positions(&name, Version::new(1), up_to, usize::MAX, &mut all).unwrap();
        index.positions_back(&name, head.version, up_to, usize::MAX, &mut back).unwrap();
        back.reverse();
        assert_eq!(all, back);
        assert!(all.is_sorted_by(|one, next| one < next) && all.last() == Some(&head.position));
        assert!(head.position <= up_to && head.version.get() >= all.len() as u64);
        answers.push((name, all));
    }
    for term in 0..16 {
        let (mut some, mut back) = (Vec::new(), Vec::new());
        let term = Term::new(term * 0x0101_0101_0101_0101);
        index.postings(term, Position::START, up_to, &mut some).unwrap();
        index.postings_back(term, Position::START, up_to, &mut back).unwrap();
        assert!(some.iter().chain(&back).all(|position| *position <= up_to));
        assert_eq!(some.is_empty(), back.is_empty());
        let about = index.estimate(term, Position::START, up_to).unwrap();
        assert_eq!(about > 0, !some.is_empty());
        answers.push((String::new(), some));
    }
    let mut found = Vec::new();
    index.find_id(EventId::from_u128(7), Position::START, &mut found).unwrap();
    assert!(found.iter().all(|position| *position <= up_to));
    answers
}
