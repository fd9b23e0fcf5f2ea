//! Images as bytes: their exact layout, and what becomes of damaged ones.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use annals_env::{Faults, FaultyFs, Fs, MemoryFs, OperationKind};
use annals_index::conformance::assert_same;
use annals_index::{
    Covers, Entry, IMAGE_NAME, IMAGE_VERSION, ImageError, Index, MemoryIndex, StreamFilter, Term,
};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use siphasher::sip::SipHasher13;

const STORE: StoreId = StoreId(*b"the store's name");
const DIR: &str = "index";

fn entry(position: u64, stream: &str, version: u64, id: Option<u128>) -> Entry<'_> {
    let (position, version) = (Position::new(position), Version::new(version));
    Entry { position, stream, version, id: id.map(EventId::from_u128), terms: &[] }
}

/// Two terms that begin together, and one that comes late.
const TERMS: [Term; 3] = [Term::new(0x0102_0304_0506_0708), Term::new(0), Term::new(u64::MAX)];

fn covers(position: u64) -> Covers {
    let place = Place { position: Position::new(position), k: 9 };
    Covers { store: STORE, epoch: Epoch { number: 5, id: 6 }, place }
}

/// Three streams, one of which lost something, three ids, three terms, two kept states and one that
/// lost its place; kept in memory.
fn small() -> MemoryIndex {
    small_in(&MemoryFs::new())
}

/// The same, kept in this file system.
fn small_in(fs: &(impl Fs + Clone + 'static)) -> MemoryIndex {
    let index = MemoryIndex::in_folder(Arc::new(fs.clone()), DIR, STORE);
    let [one, two, late] = TERMS;
    index.apply(
        &mut [
            entry(1, "order-1", 1, Some(70)),
            Entry { terms: &[one, two], ..entry(2, "é", 1, None) },
            Entry { terms: &[two], ..entry(3, "order-1", 2, Some(71)) },
            entry(300, "order-1", 3, None),
            Entry { terms: &[late], ..entry(301, "late", 4, None) },
            Entry { terms: &[two], ..entry(302, "order-1", 5, Some(70)) },
        ]
        .into_iter(),
    );
    index.keep(late, place(2, 1), &[]);
    index.keep(one, place(0, 300), &[]);
    index.keep(late, place(301, 1), &[place(2, 1)]);
    index
}

fn place(position: u64, k: u32) -> Place {
    Place { position: Position::new(position), k }
}

fn image_in(fs: &MemoryFs) -> Vec<u8> {
    fs.read_file(&Path::new(DIR).join(IMAGE_NAME)).unwrap()
}

/// What [`small`] is saved as.
fn small_image(covers: Covers) -> Vec<u8> {
    let fs = MemoryFs::new();
    small_in(&fs).save_image(covers).unwrap();
    image_in(&fs)
}

fn load_in(fs: &(impl Fs + Clone + 'static)) -> Result<Option<(MemoryIndex, Covers)>, ImageError> {
    MemoryIndex::load(Arc::new(fs.clone()), Path::new(DIR), STORE)
}

/// A file system with these bytes as the image.
fn fs_with(bytes: &[u8]) -> MemoryFs {
    let fs = MemoryFs::new();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.write_file(&Path::new(DIR).join(IMAGE_NAME), bytes).unwrap();
    fs
}

fn load(bytes: &[u8]) -> Result<Option<(MemoryIndex, Covers)>, ImageError> {
    load_in(&fs_with(bytes))
}

fn is_damaged(bytes: &[u8]) -> bool {
    matches!(load(bytes), Err(ImageError::Damaged { .. }))
}

/// An image with these contents, its checksums right, in blocks of at most `block` bytes.
fn sealed(
    version: u16,
    covers: Covers,
    [streams, ids, terms, kept]: [u64; 4],
    content: &[u8],
    block: usize,
) -> Vec<u8> {
    let mut image = b"ANNALSIX".to_vec();
    image.extend(version.to_le_bytes());
    image.extend([0, 0]);
    image.extend(covers.store.0);
    image.extend(covers.epoch.number.to_le_bytes());
    image.extend(covers.epoch.id.to_le_bytes());
    image.extend(covers.place.position.get().to_le_bytes());
    image.extend(covers.place.k.to_le_bytes());
    image.extend(streams.to_le_bytes());
    image.extend(ids.to_le_bytes());
    image.extend(terms.to_le_bytes());
    image.extend(kept.to_le_bytes());
    let seed = crc32fast::hash(&image).to_le_bytes();
    image.extend(seed);
    for (number, content) in (0_u64..).zip(content.chunks(block)) {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let summed = [&seed, &number.to_le_bytes()[..], &length, content].concat();
        image.extend(length);
        image.extend(crc32fast::hash(&summed).to_le_bytes());
        image.extend(content);
    }
    image
}

/// What [`small`] looks like, byte by byte.
fn small_content() -> Vec<u8> {
    let hash = |id: u128| {
        SipHasher13::new_with_key(&STORE.0).hash(&EventId::from_u128(id).to_bytes()).to_le_bytes()
    };
    let mut content = b"\x07order-1".to_vec();
    content.extend([1, 0, 1]);
    content.extend([2, 0, 2, 0xa9, 0x02]);
    content.extend([1, 1, 2, 0]);
    content.extend("\x02é".as_bytes());
    content.extend([1, 0, 1, 0]);
    content.extend(b"\x04late");
    content.extend([1, 3, 0xab, 0x02, 0]);
    content.extend([hash(70).as_slice(), &[1], &hash(71), &[2], &hash(70), &[0xab, 0x02]].concat());
    content.extend([8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 0]);
    content.extend([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0xab, 0x02, 0]);
    content.extend([0xff; 8]);
    content.extend([1, 0xab, 0x02, 0]);
    content.extend([8, 7, 6, 5, 4, 3, 2, 1, 0, 0xac, 0x02]);
    content.extend([0xff; 8]);
    content.extend([0xad, 0x02, 1]);
    content
}

#[test]
fn the_layout_is_the_one_that_is_written_down() {
    let expected = sealed(IMAGE_VERSION, covers(302), [3, 3, 3, 2], &small_content(), 1 << 20);
    assert_eq!(small_image(covers(302)), expected);
    let (loaded, found) = load(&expected).unwrap().unwrap();
    assert_eq!(found, covers(302));
    let at = [0, 1, 2, 3, 299, 300, 301, 302].map(Position::new);
    assert_same(&loaded, &small(), &at, &[1, usize::MAX], &TERMS);
    assert_eq!(loaded.disk_bytes(), expected.len() as u64);
    let fs = MemoryFs::new();
    let empty = MemoryIndex::in_folder(Arc::new(fs.clone()), DIR, STORE);
    assert_eq!(empty.disk_bytes(), 0);
    empty.save(covers(0)).unwrap();
    assert_eq!(empty.disk_bytes(), image_in(&fs).len() as u64);
    assert_eq!(image_in(&fs), sealed(IMAGE_VERSION, covers(0), [0; 4], &[], 1));
}

#[test]
fn blocks_may_end_anywhere() {
    for block in 1..=small_content().len() {
        let image = sealed(IMAGE_VERSION, covers(302), [3, 3, 3, 2], &small_content(), block);
        let (loaded, _) = load(&image).unwrap().unwrap();
        assert_same(&loaded, &small(), &[Position::new(302)], &[usize::MAX], &TERMS);
    }
}

#[test]
fn what_is_above_the_place_is_left_out() {
    for cut in 0..=302 {
        let (loaded, found) = load(&small_image(covers(cut))).unwrap().unwrap();
        assert_eq!((found, loaded.covers()), (covers(cut), Position::new(cut)));
        assert_same(&loaded, &small(), &[Position::new(cut)], &[usize::MAX], &TERMS);
        let mut all = Vec::new();
        loaded.streams(&StreamFilter::All, None, Position::MAX, usize::MAX, &mut all).unwrap();
        assert!(all.iter().all(|(_, head)| head.position.get() <= cut));
        assert_eq!(all.len() as u64, loaded.stream_count(Position::MAX).unwrap());
        let mut ids = Vec::new();
        loaded.find_id(EventId::from_u128(70), Position::START, &mut ids).unwrap();
        for term in TERMS {
            loaded.postings(term, Position::START, Position::MAX, &mut ids).unwrap();
        }
        assert!(ids.iter().all(|position| position.get() <= cut));
    }
}

#[test]
fn no_image_is_none() {
    let fs = MemoryFs::new();
    assert!(load_in(&fs).unwrap().is_none());
    fs.create_dir_all(Path::new(DIR)).unwrap();
    assert!(load_in(&fs).unwrap().is_none());
    fs.write_file(&Path::new(DIR).join("image.tmp"), b"half of it").unwrap();
    assert!(load_in(&fs).unwrap().is_none());
    small_in(&fs).save(covers(302)).unwrap();
    assert_eq!(fs.files(), [Path::new(DIR).join(IMAGE_NAME)]);
}

#[test]
fn another_stores_or_versions_image_is_refused() {
    let other = Covers { store: StoreId([1; 16]), ..covers(302) };
    let foreign = sealed(IMAGE_VERSION, other, [3, 3, 3, 2], &small_content(), 99);
    let error = load(&foreign).err().unwrap();
    assert!(matches!(error, ImageError::Foreign { found, .. } if found == other.store));
    for version in [0, IMAGE_VERSION + 1, u16::MAX] {
        let error =
            load(&sealed(version, covers(302), [3, 3, 3, 2], &small_content(), 99)).err().unwrap();
        assert!(matches!(error, ImageError::UnknownVersion { found, .. } if found == version));
    }
}

#[test]
fn an_image_never_claims_what_is_not_in_it() {
    let fs = MemoryFs::new();
    let error = small_in(&fs).save_image(covers(303)).err().unwrap();
    assert!(matches!(error, ImageError::NotCovered { .. }), "{error}");
    let other = Covers { store: StoreId([1; 16]), ..covers(302) };
    let error = small_in(&fs).save_image(other).err().unwrap();
    assert!(matches!(error, ImageError::Foreign { .. }), "{error}");
    assert!(fs.files().is_empty());
}

#[test]
fn a_shorter_or_longer_image_is_damaged() {
    let image = small_image(covers(302));
    for length in 0..image.len() {
        assert!(is_damaged(&image[..length]), "{length}");
    }
    for more in [&[0][..], &[0; 8], &[0; 100], &image, &image[88..]] {
        assert!(is_damaged(&[&image, more].concat()));
    }
}

#[test]
fn a_flipped_bit_is_damage() {
    let image = small_image(covers(302));
    for byte in 0..image.len() {
        for bit in 0..8 {
            let mut flipped = image.clone();
            flipped[byte] ^= 1 << bit;
            assert!(is_damaged(&flipped), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn a_block_passes_only_in_its_place() {
    let content = small_content();
    let image = sealed(IMAGE_VERSION, covers(302), [3, 3, 3, 2], &content, content.len() / 2);
    let (head, blocks) = image.split_at(88);
    let (first, second) = blocks.split_at(8 + content.len() / 2);
    assert!(load(&[head, first, second].concat()).is_ok());
    assert!(is_damaged(&[head, second, first].concat()));
    assert!(is_damaged(&[head, first, first].concat()));
    assert!(is_damaged(&[head, first].concat()));
    assert!(is_damaged(&[head, second].concat()));
    let other = sealed(IMAGE_VERSION, covers(303), [3, 3, 3, 2], &content, content.len() / 2);
    assert!(is_damaged(&[&other[..88], first, second].concat()));
}

#[test]
fn an_image_of_many_blocks() {
    let fs = MemoryFs::new();
    let index = MemoryIndex::in_folder(Arc::new(fs.clone()), DIR, STORE);
    let names: Vec<_> = (0..30_000).map(|n| format!("{n}-{}", "x".repeat(n % 300))).collect();
    let once = (1..).zip(&names).map(|(at, name)| entry(at, name, 1, None));
    index.apply(&mut once.into_iter());
    let terms: Vec<_> = (0..200_000).map(|n| [Term::new(n % 3), Term::new(n | 1 << 40)]).collect();
    index.apply(
        &mut (1..)
            .zip(&terms[1..])
            .map(|(n, terms)| Entry { terms, ..entry(30_000 + n * n, "long", n, Some(n.into())) }),
    );
    let covers = Covers { place: Place::event(index.covers()), ..covers(0) };
    index.save(covers).unwrap();
    let image = image_in(&fs);
    assert!(image.len() > 5 << 20);
    let loaded_fs = fs_with(&image);
    let (loaded, _) = load_in(&loaded_fs).unwrap().unwrap();
    let read = |index: &MemoryIndex| {
        let (mut all, mut long) = (Vec::new(), Vec::new());
        index.streams(&StreamFilter::All, None, Position::MAX, usize::MAX, &mut all).unwrap();
        index.positions("long", Version::new(1), Position::MAX, usize::MAX, &mut long).unwrap();
        for term in terms.iter().flatten().step_by(999) {
            index.postings(*term, Position::START, Position::MAX, &mut long).unwrap();
        }
        (all, long, index.stream_count(Position::MAX).unwrap())
    };
    assert!(read(&loaded) == read(&index));
    let cut = Covers { place: Place::event(Position::new(40_000)), ..covers };
    loaded.save(cut).unwrap();
    index.save(cut).unwrap();
    assert!(image_in(&loaded_fs) == image_in(&fs));
    for at in (0..image.len()).step_by(300_007) {
        let mut flipped = image.clone();
        flipped[at] ^= 0x10;
        assert!(is_damaged(&flipped), "{at}");
        assert!(is_damaged(&image[..at]), "{at}");
    }
}

#[test]
fn contents_that_make_no_sense_are_damaged() {
    let endless = [0xff; 10];
    let refused: [([u64; 4], &[u8]); 41] = [
        ([u64::MAX, 0, 0, 0], b"\x01a\x01\x00\x01\x00"),
        ([0, u64::MAX, 0, 0], b"\x01a\x01\x00\x01\x00"),
        ([u64::MAX, u64::MAX, 0, 0], b""),
        ([0, 0, 0, u64::MAX], b""),
        ([2, 0, 0, 0], b"\x01a\x01\x00\x01\x00"),
        ([1, 1, 0, 0], b"\x01a\x01\x00\x01\x00"),
        ([0, 0, 0, 0], b"\x01a\x01\x00\x01\x00"),
        ([1, 0, 0, 0], b"\x01a\x01\x00\x01\x00\x00"),
        // A stream without events, and one that begins nowhere.
        ([1, 0, 0, 0], b"\x01aaa\x00"),
        ([1, 0, 0, 0], b"\x01a\x01\x00\x00\x00"),
        // No step, a step beyond the place, a step beyond all numbers.
        ([1, 0, 0, 0], b"\x01a\x02\x00\x01\x00\x00"),
        ([1, 0, 0, 0], b"\x01a\x01\x00\xe8\x07\x00"),
        ([1, 0, 0, 0], b"\x01a\x02\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
        // Runs that are too long, or longer than the file.
        ([1, 0, 0, 0], b"\x01a\x81\x20\x00\x01\x01\x01\x01\x00"),
        ([1, 0, 0, 0], b"\x01a\x80\x20\x00\x01\x01\x01\x01\x00"),
        // Versions beyond all numbers.
        ([1, 0, 0, 0], b"\x01a\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00"),
        ([1, 0, 0, 0], b"\x01a\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x01\x00"),
        // Names that are too long, longer than the file, no text, or there already.
        ([1, 0, 0, 0], b"\x80\x80\x04a\x01\x00\x01\x00"),
        ([1, 0, 0, 0], b"\xff\xff\x03a\x01\x00\x01\x00"),
        ([1, 0, 0, 0], b"\x01\xff\x01\x00\x01\x00"),
        ([2, 0, 0, 0], b"\x01a\x01\x00\x01\x00\x01a\x01\x00\x01\x00"),
        // Numbers without an end.
        ([1, 0, 0, 0], &endless),
        // Ids without a step, or above the place.
        ([0, 1, 0, 0], b"12345678\x00"),
        ([0, 1, 0, 0], b"12345678\xe8\x07"),
        ([0, 2, 0, 0], b"12345678\x0112345678\x00"),
        // Terms without events, too many or too few of them, one that comes twice.
        ([0, 0, u64::MAX, 0], b"12345678\x01\x01\x00"),
        ([0, 0, 2, 0], b"12345678\x01\x01\x00"),
        ([0, 0, 0, 0], b"12345678\x01\x01\x00"),
        ([0, 0, 1, 0], b"12345678\x00\x00\x00"),
        ([0, 0, 2, 0], b"12345678\x01\x01\x0012345678\x01\x01\x00"),
        // Terms at no position, above the place, in no order, beyond all numbers.
        ([0, 0, 1, 0], b"12345678\x01\x00\x00"),
        ([0, 0, 1, 0], b"12345678\x01\xe8\x07\x00"),
        ([0, 0, 1, 0], b"12345678\x02\x01\x00\x00"),
        ([0, 0, 1, 0], b"12345678\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
        // A run that is too long, and one that is longer than the file.
        ([0, 0, 1, 0], b"12345678\x81\x20\x01\x01\x01\x00"),
        ([0, 0, 1, 0], b"12345678\x80\x20\x01\x01\x01\x00"),
        // Kept states: fewer or more than there are, out of order, no place of one, too far.
        ([0, 0, 0, 2], b"12345678\x01\x01"),
        ([0, 0, 0, 2], b"12345678\x01\x0112345678\x01\x01"),
        ([0, 0, 0, 1], b"12345678\x01\x00"),
        ([0, 0, 0, 1], b"12345678\x01\x80\x80\x80\x80\x10"),
        ([0, 0, 0, 1], b"12345678\xe8\x07\x01"),
    ];
    for (number, (counts, content)) in refused.into_iter().enumerate() {
        let image = sealed(IMAGE_VERSION, covers(302), counts, content, 1 << 20);
        assert!(is_damaged(&image), "case {number}");
    }
    let mut reserved = sealed(IMAGE_VERSION, covers(0), [0; 4], &[], 1);
    reserved[10] = 1;
    let sum = crc32fast::hash(&reserved[..84]).to_le_bytes();
    reserved[84..].copy_from_slice(&sum);
    assert!(is_damaged(&reserved));
    let big = vec![0; (1 << 20) + 1];
    assert!(is_damaged(&sealed(IMAGE_VERSION, covers(302), [1, 0, 0, 0], &big, 2 << 20)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whoever can make checksums can say what is not so, but can do no harm.
    #[test]
    fn any_contents_are_an_index_or_damaged(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in vec(any::<u8>(), 0..40),
        streams in prop_oneof![3 => Just(3), 1 => 0..5_u64],
        ids in prop_oneof![3 => Just(3), 1 => 0..5_u64],
        terms in prop_oneof![3 => Just(3), 1 => 0..5_u64],
        kept in prop_oneof![3 => Just(2), 1 => 0..5_u64],
        block in 1..200_usize,
        keep in any::<bool>(),
    ) {
        let mut content = if keep { small_content() } else { tail };
        for (at, to) in changes {
            if !content.is_empty() {
                let at = at.index(content.len());
                content[at] = to;
            }
        }
        let counts = [streams, ids, terms, kept];
        let fs = fs_with(&sealed(IMAGE_VERSION, covers(302), counts, &content, block));
        match load_in(&fs) {
            Ok(Some((index, _))) => {
                let at = [0, 1, 150, 302, u64::MAX].map(Position::new);
                assert_same(&index, &index, &at, &[1, 100], &TERMS);
                index.save(covers(302)).unwrap();
                let (again, _) = load_in(&fs).unwrap().unwrap();
                assert_same(&index, &again, &at, &[100], &TERMS);
            }
            Ok(None) => panic!("there is an image"),
            Err(error) => prop_assert!(matches!(error, ImageError::Damaged { .. }), "{}", error),
        }
    }
}

/// Many ids with the same hash, and many whose hashes differ little.
#[test]
fn crowded_hashes_cost_no_more_than_others() {
    let count = 200_000_u64;
    for step in [0, 1 << 8, 1 << 32, 1 << 40] {
        let mut content = Vec::new();
        for n in 0..count {
            content.extend((n * step).to_le_bytes());
            content.push(1);
        }
        let image = sealed(IMAGE_VERSION, covers(count), [0, count, 0, 0], &content, 1 << 20);
        load(&image).unwrap().unwrap();
        if step > 0 {
            let mut content = Vec::new();
            for n in 0..count {
                content.extend((n * step).to_le_bytes());
                content.extend([1, 1, 0]);
            }
            let counts = [0, 0, count, 0];
            let image = sealed(IMAGE_VERSION, covers(count), counts, &content, 1 << 20);
            load(&image).unwrap().unwrap();
        }
    }
}

#[test]
fn a_full_disk_keeps_the_earlier_image_and_its_room() {
    let fs = FaultyFs::default();
    let index = small_in(&fs);
    index.save_image(covers(3)).unwrap();
    fs.set_capacity(Some(small_image(covers(3)).len() as u64 + 100));
    let error = index.save_image(covers(302)).err();
    let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    assert!(matches!(&error, Some(ImageError::Io { source, .. }) if full(source)), "{error:?}");
    assert_eq!(fs.files(), [Path::new(DIR).join(IMAGE_NAME)]);
    let (_, found) = load_in(&fs).unwrap().unwrap();
    assert_eq!(found, covers(3));
    fs.set_capacity(None);
    index.save_image(covers(302)).unwrap();
}

#[test]
fn an_error_of_the_disk_is_said_and_not_called_damage() {
    for kind in
        [OperationKind::Create, OperationKind::Write, OperationKind::Sync, OperationKind::Rename]
    {
        let fs = FaultyFs::default();
        small_in(&fs).save_image(covers(3)).unwrap();
        fs.fail_next(kind, io::ErrorKind::Other);
        let error = small_in(&fs).save_image(covers(302)).err().unwrap();
        assert!(matches!(error, ImageError::Io { .. }), "{kind:?}: {error}");
        let (_, found) = load_in(&fs).unwrap().unwrap();
        assert_eq!(found, covers(3));
        small_in(&fs).save_image(covers(302)).unwrap();
    }
    for kind in [OperationKind::Open, OperationKind::Read] {
        let fs = FaultyFs::default();
        small_in(&fs).save_image(covers(302)).unwrap();
        fs.fail_next(kind, io::ErrorKind::Other);
        let error = load_in(&fs).err().unwrap();
        assert!(matches!(error, ImageError::Io { .. }), "{kind:?}: {error}");
    }
}

/// After a power cut at any moment there is the earlier image or the new one, whole.
#[test]
fn a_power_cut_leaves_a_whole_image() {
    let prepared = || {
        let fs = FaultyFs::new(Faults { torn_sectors: true, ..Faults::default() });
        small_in(&fs).save_image(covers(3)).unwrap();
        fs.sync_dir(Path::new("")).unwrap();
        let begun = fs.operations();
        (fs, begun)
    };
    let (fs, begun) = prepared();
    small_in(&fs).save_image(covers(302)).unwrap();
    let ended = fs.operations();
    for number in begun + 1..=ended + 1 {
        let (fs, _) = prepared();
        fs.crash_at(number);
        let saved = small_in(&fs).save_image(covers(302)).is_ok();
        assert_eq!(saved, number > ended);
        for disk in fs.power_cuts(300, number).images {
            let (index, found) = load_in(&disk).unwrap().unwrap();
            assert!(found == covers(302) || (!saved && found == covers(3)));
            assert_same(&index, &small(), &[found.place.position], &[usize::MAX], &TERMS);
        }
    }
}
