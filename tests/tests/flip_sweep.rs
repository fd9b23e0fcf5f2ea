//! Every byte of a small store flipped, every length of its files tried: damage is found and
//! located, or harmless; no answer is ever wrong.
//!
//! `ANNALS_FLIP_BITS` sets how many bits of each byte are flipped, one at a time (default 1, which
//! rotates from byte to byte; 8 are all). `ANNALS_FLIP_SEGMENTS` sets how many sealed segments of
//! 16 KiB the store has (default 2). Run with `--nocapture` to see the counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals::Position;
use annals_tests::budget;
use annals_tests::check::Check;
use annals_tests::damage::{Finding, examine, examine_in_turn};
use annals_tests::folder::{Folder, Sample, states};

/// No footer of the samples is longer.
const FOOTER_BYTES_MAX: usize = 1024;

/// One experiment on a copy of the sample.
#[derive(Clone, Debug)]
struct Flip {
    path: PathBuf,
    offset: usize,
    bit: usize,
}

/// Counts over the flips of one kind of file.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    flips: u64,
    found: u64,
    harmless: u64,
    with_lost_events: u64,
    lost_at_most: usize,
    refused_to_open: u64,
}

fn kind(path: &Path) -> &'static str {
    if path.starts_with("log") {
        "segments"
    } else if path.starts_with("index") {
        "index image"
    } else {
        "state and lock"
    }
}

/// Runs `examine`; a panic is a difference like any other.
fn examined(folder: &Folder, sample: &Sample) -> Check<Finding> {
    catch_unwind(AssertUnwindSafe(|| examine(folder, sample)))
        .unwrap_or_else(|_| Err("the engine panicked".to_owned()))
}

/// One of very many such examinations.
fn examined_in_turn(folder: &Folder, sample: &Sample, turn: usize) -> Check<Finding> {
    catch_unwind(AssertUnwindSafe(|| examine_in_turn(folder, sample, turn)))
        .unwrap_or_else(|_| Err("the engine panicked".to_owned()))
}

/// Does all experiments on all cores; the first broken promise fails the test.
fn for_each<T: Sync>(experiments: &[T], experiment: impl Fn(&T) -> Check + Sync) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = experiments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = experiment(one) {
                        let mut failures = failures.lock().unwrap();
                        failures.push(error);
                        if failures.len() >= 8 {
                            return;
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn flips(sample: &Sample) -> Vec<Flip> {
    let bits: usize = budget::from_env("ANNALS_FLIP_BITS", 1);
    let mut flips = Vec::new();
    for (path, bytes) in sample.folder.contents() {
        for offset in 0..bytes.len() {
            let first = offset % 8;
            flips.extend((first..first + bits).map(|bit| Flip {
                path: path.clone(),
                offset,
                bit: bit % 8,
            }));
        }
    }
    flips
}

/// Whether the byte lies in space that was zeroed and never written.
fn is_unwritten(bytes: &[u8], offset: usize) -> bool {
    let around = &bytes[offset.saturating_sub(32)..bytes.len().min(offset + 32)];
    around.iter().all(|byte| *byte == 0)
}

/// Whether the byte lies where the next frame would begin or end: zeros on one side only.
fn is_beside_unwritten(bytes: &[u8], offset: usize) -> bool {
    let zeros = |range: &[u8]| range.iter().all(|byte| *byte == 0);
    bytes[offset] == 0
        && (zeros(&bytes[offset..bytes.len().min(offset + 64)])
            || zeros(&bytes[offset.saturating_sub(64)..offset]))
}

#[test]
fn every_byte_flipped() {
    let sample = Sample::new(budget::from_env("ANNALS_FLIP_SEGMENTS", 2), 1);
    let active = sample.folder.segments().pop().unwrap();
    let counts = Mutex::new(std::collections::BTreeMap::<&str, Counts>::new());
    for_each(&flips(&sample), |flip| {
        let folder = sample.folder.copy();
        let original = folder.read(&flip.path);
        folder.change(&flip.path, |bytes| bytes[flip.offset] ^= 1 << flip.bit);
        let told = |error| format!("{flip:?}: {error}");
        let finding = examined_in_turn(&folder, &sample, flip.offset).map_err(told)?;
        let in_log = flip.path.starts_with("log");
        if finding.is_harmless() {
            let unwritten =
                is_unwritten(&original, flip.offset) || is_beside_unwritten(&original, flip.offset);
            if in_log && !unwritten {
                return Err(told("it was not found".to_owned()));
            }
        } else if in_log {
            finding.locates(&flip.path, flip.offset as u64).map_err(told)?;
        }
        if !in_log && !finding.lost.is_empty() {
            return Err(told(format!("{:?} are lost", finding.lost)));
        }
        if flip.path == active && !finding.lost.is_empty() && finding.opens {
            // Cutting what was acknowledged is the one thing that an opening must never do.
            return Err(told("it opened over a damaged end".to_owned()));
        }
        let mut counts = counts.lock().unwrap();
        let counts = counts.entry(kind(&flip.path)).or_default();
        counts.flips += 1;
        counts.found += u64::from(!finding.is_harmless());
        counts.harmless += u64::from(finding.is_harmless());
        counts.with_lost_events += u64::from(!finding.lost.is_empty());
        counts.lost_at_most = counts.lost_at_most.max(finding.lost.len());
        counts.refused_to_open += u64::from(!finding.opens);
        Ok(())
    });
    let counts = counts.into_inner().unwrap();
    println!("every byte flipped: {counts:#?}");
    assert!(counts["segments"].found > 10_000);
    assert!(counts["segments"].with_lost_events > 1_000);
}

#[test]
fn a_bit_in_an_events_data_costs_that_event_only() {
    let sample = Sample::new(2, 2);
    let mut tried = 0;
    for event in sample.model.events(Position::MAX) {
        let Some((path, offset, length)) = sample.find_data(event.position) else { continue };
        let folder = sample.folder.copy();
        folder.change(&path, |bytes| bytes[offset + length / 2] ^= 4);
        let finding = examined(&folder, &sample).unwrap();
        let lost: Vec<Position> = finding.lost.iter().copied().collect();
        assert_eq!(lost, [event.position]);
        finding.locates(&path, (offset + length / 2) as u64).unwrap();
        let damage = finding.names(&path).next().unwrap();
        assert_eq!(damage.positions, Some((event.position, event.position)));
        assert!(damage.what.len() > 5, "{damage}");
        tried += 1;
    }
    assert!(tried * 2 > sample.model.head().get(), "only {tried} events were found in the files");
}

/// No event is lost, and whoever looks for the state finds another one, or folds the events.
#[test]
fn a_bit_in_a_kept_state_costs_that_state_only() {
    let sample = Sample::new(5, 20);
    let mut tried = 0;
    for (key, place) in &sample.states {
        let Some((path, offset, length)) = sample.find_state(key, *place) else { continue };
        for indexed in [true, false] {
            let folder = sample.folder.copy();
            if !indexed {
                let index = folder.files().into_iter().filter(|path| path.starts_with("index"));
                index.for_each(|path| folder.remove(&path));
            }
            folder.change(&path, |bytes| bytes[offset + length / 2] ^= 4);
            let finding = examined(&folder, &sample)
                .unwrap_or_else(|error| panic!("{key:?} at {place} damaged: {error}"));
            assert!(finding.lost.is_empty());
            finding.locates(&path, (offset + length / 2) as u64).unwrap();
            let found = states(&folder.world().open_read_only().unwrap()).unwrap();
            let gone: Vec<_> = sample.states.difference(&found).collect();
            assert_eq!(gone, [&(key.clone(), *place)]);
        }
        tried += 1;
    }
    assert!(tried > 5, "only {tried} states were found in the files");
}

/// The index is then made from what is left: it must not hide that something is missing.
#[test]
fn a_bit_in_an_events_data_without_an_index() {
    let sample = Sample::new(2, 18);
    let index = sample.folder.files().into_iter().filter(|path| path.starts_with("index"));
    index.for_each(|path| sample.folder.remove(&path));
    let mut tried = 0;
    for event in sample.model.events(Position::MAX) {
        let Some((path, offset, length)) = sample.find_data(event.position) else { continue };
        let folder = sample.folder.copy();
        folder.change(&path, |bytes| bytes[offset + length / 2] ^= 4);
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("event {} damaged: {error}", event.position));
        let lost: Vec<Position> = finding.lost.iter().copied().collect();
        assert_eq!(lost, [event.position]);
        tried += 1;
    }
    assert!(tried * 2 > sample.model.head().get(), "only {tried} events were found in the files");
}

#[test]
fn every_length_of_every_file() {
    let sample = Sample::new(1, 3);
    let active = sample.folder.segments().pop().unwrap();
    let mut cuts = Vec::new();
    for (path, bytes) in sample.folder.contents() {
        cuts.extend((0..bytes.len()).map(|length| (path.clone(), length)));
    }
    let found = AtomicUsize::new(0);
    for_each(&cuts, |(path, length)| {
        let folder = sample.folder.copy();
        let rest = folder.read(path).split_off(*length);
        folder.change(path, |bytes| bytes.truncate(*length));
        let told = |error| format!("{} cut to {length} bytes: {error}", path.display());
        let finding = examined_in_turn(&folder, &sample, *length).map_err(told)?;
        found.fetch_add(usize::from(!finding.is_harmless()), Ordering::Relaxed);
        let in_log = path.starts_with("log");
        // A sealed segment without its footer is what a crash may leave too.
        let written = rest.len() - rest.iter().take_while(|byte| **byte == 0).count();
        let may_be_footer = *path != active && written < FOOTER_BYTES_MAX;
        if in_log && finding.is_harmless() && written > 0 && !may_be_footer {
            return Err(told("it was not found".to_owned()));
        }
        if !finding.is_harmless() && in_log && finding.names(path).next().is_none() {
            return Err(told(format!("verify names another file: {:?}", finding.damage)));
        }
        if !in_log && !finding.lost.is_empty() {
            return Err(told(format!("{:?} are lost", finding.lost)));
        }
        Ok(())
    });
    println!("every length: {} cuts, {found:?} found", cuts.len());
    assert!(found.into_inner() > 10_000);
}

#[test]
fn a_missing_segment() {
    let sample = Sample::new(3, 4);
    for segment in sample.folder.segments() {
        let folder = sample.folder.copy();
        folder.remove(&segment);
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("without {}: {error}", segment.display()));
        assert!(!finding.is_harmless(), "{}", segment.display());
        assert!(!finding.lost.is_empty() && !finding.opens, "{}", segment.display());
    }
}

#[test]
fn two_segments_swapped() {
    let sample = Sample::new(3, 5);
    let segments = sample.folder.segments();
    for (index, first) in segments.iter().enumerate() {
        for second in &segments[index + 1..] {
            let folder = sample.folder.copy();
            let (one, other) = (folder.read(first), folder.read(second));
            folder.write(first, &other);
            folder.write(second, &one);
            let finding = examined(&folder, &sample)
                .unwrap_or_else(|error| panic!("{first:?} and {second:?} swapped: {error}"));
            assert!(!finding.is_harmless(), "{first:?} and {second:?} swapped");
        }
    }
}

#[test]
fn a_segment_there_twice() {
    let sample = Sample::new(3, 6);
    let segments = sample.folder.segments();
    for from in &segments {
        for to in &segments {
            let folder = sample.folder.copy();
            let bytes = folder.read(from);
            folder.write(to, &bytes);
            let finding = examined(&folder, &sample)
                .unwrap_or_else(|error| panic!("{from:?} also as {to:?}: {error}"));
            assert_eq!(finding.is_harmless(), from == to, "{from:?} also as {to:?}");
        }
    }
}

#[test]
fn a_segment_under_another_name_of_its_kind() {
    let sample = Sample::new(2, 7);
    for segment in sample.folder.segments() {
        let name = segment.file_name().unwrap().to_str().unwrap();
        // Each digit changed in turn gives names of other places and generations.
        for (index, _) in name.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
            let mut bytes = name.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'7' { b'6' } else { b'7' };
            let other = segment.with_file_name(String::from_utf8(bytes).unwrap());
            if sample.folder.files().contains(&other) {
                continue;
            }
            let folder = sample.folder.copy();
            folder.write(&other, &sample.folder.read(&segment));
            examined(&folder, &sample)
                .unwrap_or_else(|error| panic!("{segment:?} also as {other:?}: {error}"));
        }
    }
}

#[test]
fn a_segment_of_another_store() {
    let (sample, other) = (Sample::new(2, 8), Sample::new(2, 9));
    let foreign = other.folder.segments();
    for (own, foreign) in sample.folder.segments().iter().zip(&foreign) {
        let folder = sample.folder.copy();
        folder.write(own, &other.folder.read(foreign));
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("{} of another store: {error}", own.display()));
        assert!(!finding.is_harmless(), "{}", own.display());
    }
}

#[test]
fn a_state_or_an_index_of_another_store() {
    let (sample, other) = (Sample::new(2, 10), Sample::new(3, 11));
    for path in sample.folder.files().iter().filter(|path| !path.starts_with("log")) {
        let folder = sample.folder.copy();
        folder.write(path, &other.folder.read(path));
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("{} of another store: {error}", path.display()));
        assert!(finding.lost.is_empty());
    }
}

#[test]
fn an_older_state_or_index() {
    let sample = Sample::new(2, 12);
    let older = Sample::new(1, 12);
    for path in sample.folder.files().iter().filter(|path| !path.starts_with("log")) {
        let folder = sample.folder.copy();
        folder.write(path, &older.folder.read(path));
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("an older {}: {error}", path.display()));
        assert!(finding.lost.is_empty());
    }
}

#[test]
fn without_state_or_index() {
    let sample = Sample::new(2, 13);
    for path in sample.folder.files().iter().filter(|path| !path.starts_with("log")) {
        let folder = sample.folder.copy();
        folder.remove(path);
        let finding = examined(&folder, &sample)
            .unwrap_or_else(|error| panic!("without {}: {error}", path.display()));
        assert!(finding.lost.is_empty());
    }
}

/// A disk gives back a block of another place, of another file, or one that was there before.
#[test]
fn blocks_from_elsewhere() {
    let sample = Sample::new(2, 19);
    let older = Sample::new(1, 19);
    let segments = sample.folder.segments();
    let files: Vec<(PathBuf, Vec<u8>)> =
        segments.iter().map(|path| (path.clone(), sample.folder.read(path))).collect();
    let mut swaps = Vec::new();
    for (path, bytes) in &files {
        for block in [512, 4096] {
            for (number, to) in (0..bytes.len()).step_by(block).enumerate() {
                let own = number * 7 % (bytes.len() / block) * block;
                let (other, theirs) = &files[(number + 1) % files.len()];
                let there = number * 5 % (theirs.len() / block) * block;
                swaps.push((path.clone(), to, bytes[own..own + block].to_vec()));
                swaps.push((path.clone(), to, theirs[there..there + block].to_vec()));
                if other != path && to + block <= theirs.len() {
                    swaps.push((path.clone(), to, theirs[to..to + block].to_vec()));
                }
                // The same place, before it was written the last time.
                let before = older.folder.files().contains(path).then(|| older.folder.read(path));
                if let Some(block) = before.as_ref().and_then(|old| old.get(to..to + block)) {
                    swaps.push((path.clone(), to, block.to_vec()));
                }
            }
        }
    }
    let found = AtomicUsize::new(0);
    for_each(&swaps, |(path, to, block)| {
        let folder = sample.folder.copy();
        folder.change(path, |bytes| bytes[*to..*to + block.len()].copy_from_slice(block));
        let finding = examined_in_turn(&folder, &sample, to / 512).map_err(|error| {
            format!("{} bytes at {to} of {}: {error}", block.len(), path.display())
        })?;
        found.fetch_add(usize::from(!finding.is_harmless()), Ordering::Relaxed);
        Ok(())
    });
    println!("blocks from elsewhere: {} experiments, {found:?} found", swaps.len());
    assert!(found.into_inner() > swaps.len() / 2);
}

#[test]
fn garbage_behind_a_file() {
    let sample = Sample::new(2, 14);
    let garbage: [(&str, Vec<u8>); 4] = [
        ("one byte", vec![0xa5]),
        ("a sector of zeros", vec![0; 512]),
        (
            "a page of noise",
            (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
        ),
        ("the file itself", Vec::new()),
    ];
    for path in sample.folder.files() {
        for (what, bytes) in &garbage {
            let folder = sample.folder.copy();
            folder.change(&path, |file| {
                if bytes.is_empty() {
                    file.extend_from_within(..);
                } else {
                    file.extend_from_slice(bytes);
                }
            });
            let finding = examined(&folder, &sample)
                .unwrap_or_else(|error| panic!("{what} behind {}: {error}", path.display()));
            assert!(finding.lost.is_empty(), "{what} behind {}", path.display());
        }
    }
}

#[test]
fn strange_files_are_left_alone() {
    let sample = Sample::new(1, 15);
    for path in [
        "README",
        "log/notes.txt",
        "log/0.tmp",
        "log/.hidden",
        "index/rocksdb/CURRENT",
        "index/unknown/file",
        "index/memory/other",
        "backup/log/file",
    ] {
        let folder = sample.folder.copy();
        folder.write(Path::new(path), b"not ours");
        let finding = examined(&folder, &sample).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(finding.is_harmless() && finding.opens, "{path}");
        assert_eq!(folder.read(Path::new(path)), b"not ours");
    }
}

/// The canary: the examination finds a wrong event where there is one.
#[test]
fn an_event_that_is_not_the_one_expected_is_noticed() {
    let sample = Sample::new(1, 16);
    let other = Sample::new(1, 17);
    let mixed = Sample { model: other.model, ..sample.clone() };
    assert!(examine(&sample.folder, &mixed).is_err());
}
