//! A sealed segment whose footer says anything, under checksums that are right: places, counts and
//! lengths, the table of offsets, the content chain. No panic, no endless loop, no allocation that
//! the file cannot justify; and whatever the footer says,
//!
//! - an event that is read is one that was appended, at its position;
//! - `verify` finds that the footer is not the one that was written.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use annals::Position;
use annals_env::MemoryFs;
use annals_fuzz::Bounded;
use annals_fuzz::opening::{self, ROOT, Sample};
use annals_log::fuzzing;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| Sample::new(2));
/// The trailer and the link.
const TRAILER_FROM_END: usize = 160;
const LINK_BYTES: usize = 128;

fuzz_target!(|input: &[u8]| {
    // An input that is too short for what it begins is no case.
    if let Ok((fs, is_changed)) = make(&mut Unstructured::new(input)) {
        check(&fs, is_changed);
    }
});

/// The store with another footer; and whether it is another.
fn make(input: &mut Unstructured<'_>) -> Result<(MemoryFs, bool)> {
    let fs = SAMPLE.fs.fork();
    let sealed: Vec<&PathBuf> =
        SAMPLE.segments.split_last().map_or(vec![], |it| it.1.iter().collect());
    let path = *input.choose(&sealed)?;
    let before = fs.read_file(path).unwrap();
    let mut file = before.clone();
    let end = file.len() - TRAILER_FROM_END;
    let number = |at: usize| u32::from_le_bytes(before[end + at..end + at + 4].try_into().unwrap());
    let footer = number(8) as usize + 4 * number(16) as usize + TRAILER_FROM_END;
    let summary_at = end - number(8) as usize;
    // The file may be longer than what is in it; that is also where longer tables get their bytes.
    let more: u16 = if input.ratio(1, 8)? { input.arbitrary()? } else { 0 };
    let (grown, table) = (usize::from(more), input.arbitrary()?);
    file.splice(before.len() - footer..before.len() - footer, vec![0; grown]);
    while !input.is_empty() {
        // Mostly in what lies behind the table, which is small.
        let from = if input.ratio(1, 4)? { file.len() - footer } else { summary_at + grown };
        let at = input.int_in_range(from..=file.len() - 1)?;
        match input.int_in_range(0..=2)? {
            0 => file[at] = input.arbitrary()?,
            1 => file[at] ^= 1 << input.int_in_range(0..=7)?,
            _ => {
                let bytes = input.arbitrary::<u64>()?.to_le_bytes();
                let there = file.len() - at;
                file[at..].iter_mut().zip(bytes).take(there).for_each(|(to, from)| *to = from);
            }
        }
    }
    let salt = u64::from_le_bytes(file[32..40].try_into().unwrap());
    fuzzing::seal_footer(&mut file, salt, table);
    fs.write_file(path, &file).unwrap();
    // All of the footer but its checksums, which the place is part of.
    let said = |file: &[u8]| {
        let mut said = file[file.len() - footer..].to_vec();
        let (trailer, link) = (footer - TRAILER_FROM_END, footer - LINK_BYTES);
        said[trailer + 12..trailer + 16].fill(0);
        said[trailer + 28..link].fill(0);
        said[footer - 4..].fill(0);
        said
    };
    Ok((fs, said(&file) != said(&before)))
}

fn check(fs: &MemoryFs, is_changed: bool) {
    let root = Path::new(ROOT);
    if let Ok(shown) = opening::show(fs, &[]) {
        assert!(SAMPLE.has(&shown.events));
        if is_changed {
            assert!(!shown.is_clean, "verify does not see another footer");
        } else {
            assert_eq!(shown.events.len(), SAMPLE.events.len());
        }
    }
    if let Ok(store) = opening::options(fs).open(root) {
        let last = store.head().event(Position::new(SAMPLE.events.len() as u64));
        drop((last, store.close()));
        if let Ok(shown) = opening::show(fs, &[]) {
            assert!(SAMPLE.has(&shown.events));
        }
    }
}
