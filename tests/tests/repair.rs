//! Repair: whatever was damaged, all that is intact stays, what is lost is told exactly, the damaged
//! bytes are kept, and a crash in the middle harms nothing.
//!
//! `ANNALS_REPAIR_STEP` sets how many bytes lie between those that are flipped, one at a time
//! (default 41; 1 flips every byte).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use annals::{Position, Repair};
use annals_env::{Faults, FaultyFs};
use annals_tests::budget;
use annals_tests::check::{self, Check};
use annals_tests::crafted::{self, Frame};
use annals_tests::folder::{Folder, Sample};
use annals_tests::images;
use annals_tests::mending::{Mended, found, positions, readable, repair};
use annals_tests::model;
use annals_tests::setting;
use annals_tests::workload::seeded;
use annals_tests::world::{STORE, World, new_disk};

/// Damages a copy of the sample and repairs it. Gives what was done and what is lost.
fn mend(sample: &Sample, damage: impl FnOnce(&Folder)) -> Check<(Repair, BTreeSet<Position>)> {
    let folder = sample.folder.copy();
    damage(&folder);
    let world = folder.world();
    let (readable, states) = (readable(&world)?, found(&world)?);
    let before = folder.contents();
    let plan = repair(&world, false)?;
    if before != folder.contents() {
        return Err("looking changed the folder".to_owned());
    }
    let done = repair(&world, true)?;
    check::equal("what is lost as planned", &plan.losses, &done.losses)?;
    keeps_the_bytes(&before, &folder, &done)?;
    let changed = |path: &PathBuf| sample.folder.contents().iter().find(|c| c.0 == *path).cloned();
    let indexed = before.iter().all(|(path, bytes)| {
        path.starts_with("log") || changed(path).is_some_and(|(_, original)| original == *bytes)
    });
    let mended = Mended { model: &sample.model, readable: &readable, states: &states, indexed };
    let lost = mended.holds(&world)?;
    check::equal("what is lost as told", &positions(&done.losses), &lost)?;
    Ok((done, lost))
}

/// What was taken out of the log lies aside, byte for byte.
fn keeps_the_bytes(before: &[(PathBuf, Vec<u8>)], folder: &Folder, done: &Repair) -> Check {
    let Some(done) = &done.done else { return Ok(()) };
    for (from, to) in &done.set_aside {
        let original = before.iter().find(|(path, _)| path == Path::new(from));
        let original = original.ok_or(format!("{from} was not there"))?;
        check::equal("whether the bytes are kept", true, folder.read(Path::new(to)) == original.1)?;
    }
    let kept = |path: &Path| done.set_aside.iter().any(|(from, _)| Path::new(from) == path);
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with("log")) {
        let unchanged = folder.files().contains(path) && folder.read(path) == *bytes;
        // A footer may have been added behind what is intact, and a link made again.
        let extended = folder.files().contains(path) && {
            let (before, now) = (without_link(bytes), folder.read(path));
            now.len() >= bytes.len()
                && before.iter().zip(&now).all(|(old, new)| old == new || *old == 0)
        };
        if !unchanged && !extended && !kept(path) {
            return Err(format!("{} is neither as it was nor kept", path.display()));
        }
    }
    Ok(())
}

/// A segment but for its link in the content chain, which is derived.
fn without_link(segment: &[u8]) -> &[u8] {
    let end = &segment[segment.len().saturating_sub(160)..];
    if end.starts_with(b"ANLSEALD") { &segment[..segment.len() - 128] } else { segment }
}

#[test]
fn a_healthy_store_is_left_as_it_is() {
    let sample = Sample::new(2, 31);
    let folder = sample.folder.copy();
    let done = repair(&folder.world(), true).unwrap();
    assert!(done.is_needless() && done.done.is_none());
    assert_eq!(folder.contents(), sample.folder.contents());
}

#[test]
fn flipped_bytes() {
    let sample = Sample::new(2, 32);
    let step = budget::from_env("ANNALS_REPAIR_STEP", 41_usize);
    let mut flips = Vec::new();
    for (path, bytes) in sample.folder.contents() {
        flips.extend((0..bytes.len()).step_by(step).map(|offset| (path.clone(), offset)));
    }
    let (next, with_losses) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((path, offset)) = flips.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let flip = |bytes: &mut Vec<u8>| bytes[*offset] ^= 1 << (offset % 8);
                    let (_, lost) = mend(&sample, |folder| folder.change(path, flip))
                        .unwrap_or_else(|error| panic!("{} at {offset}: {error}", path.display()));
                    with_losses.fetch_add(u64::from(!lost.is_empty()), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} flips repaired, {with_losses:?} with losses", flips.len());
    assert!(with_losses.into_inner() as usize > flips.len() / 20);
}

#[test]
fn torn_out_stretches() {
    let sample = Sample::new(2, 33);
    for path in sample.folder.segments() {
        let length = sample.folder.read(&path).len();
        for (from, bytes) in (0..length).step_by(1_777).zip([512, 4_096, 700, 9_000].iter().cycle())
        {
            for value in [0, 0xa5] {
                let (from, to) = (from, length.min(from + bytes));
                mend(&sample, |folder| folder.change(&path, |file| file[from..to].fill(value)))
                    .unwrap_or_else(|error| {
                        panic!("{} at {from} to {to} all {value}: {error}", path.display())
                    });
            }
        }
    }
}

#[test]
fn many_places_at_once() {
    let sample = Sample::new(3, 34);
    for round in 0..40_u64 {
        let random = annals_env::SeededRandom::new(round);
        let result = mend(&sample, |folder| {
            for _ in 0..1 + random.below(12) {
                let segments = folder.segments();
                let path = &segments[usize::try_from(random.below(segments.len() as u64)).unwrap()];
                folder.change(path, |bytes| {
                    let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                    let end = bytes.len().min(at + 1 + usize::try_from(random.below(60)).unwrap());
                    bytes[at..end].iter_mut().for_each(|byte| *byte = !*byte);
                });
            }
        });
        result.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[test]
fn segments_missing_cut_swapped_doubled_and_foreign() {
    let sample = Sample::new(3, 35);
    let other = Sample::new(3, 36);
    let segments = sample.folder.segments();
    let told = |what: String, done: Check<(Repair, BTreeSet<Position>)>| {
        done.unwrap_or_else(|error| panic!("{what}: {error}"))
    };
    for (index, path) in segments.iter().enumerate() {
        let (done, lost) =
            told(format!("without {path:?}"), mend(&sample, |folder| folder.remove(path)));
        assert!(!lost.is_empty() && done.done.is_some_and(|done| !done.filled.is_empty()));
        for share in [0, 3, 7] {
            let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() * share / 8);
            told(format!("{path:?} cut"), mend(&sample, |folder| folder.change(path, cut)));
        }
        for second in &segments[index + 1..] {
            let (_, lost) = told(
                format!("{path:?} and {second:?} swapped"),
                mend(&sample, |folder| {
                    let (one, two) = (folder.read(path), folder.read(second));
                    folder.write(path, &two);
                    folder.write(second, &one);
                }),
            );
            assert!(lost.is_empty(), "{path:?} and {second:?} swapped: {lost:?}");
            told(
                format!("{path:?} also as {second:?}"),
                mend(&sample, |folder| folder.write(second, &folder.read(path))),
            );
        }
        told(
            format!("{path:?} of another store"),
            mend(&sample, |folder| {
                folder.write(path, &other.folder.read(&other.folder.segments()[0]))
            }),
        );
    }
    // Two neighbours at once.
    let (_, lost) = told(
        "without two".to_owned(),
        mend(&sample, |folder| {
            folder.remove(&segments[1]);
            folder.remove(&segments[2]);
        }),
    );
    assert!(lost.len() > 10);
}

/// With each kind of index, in the machine's own files.
#[test]
fn with_each_kind_of_index() {
    setting::each_kind(|setting| {
        let store = setting.open();
        let of = |stream: &str, seed| model::any(stream, seeded::events(seed, 1, 200));
        for seed in 0..60 {
            store
                .commit(&of(["order-1", "order-2", "cart-1"][seed as usize % 3], seed * 10))
                .unwrap();
        }
        store.close().unwrap();
        let victim = seeded::events(300, 1, 200).remove(0).data;
        let log = setting.path().join("log");
        for entry in std::fs::read_dir(&log).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(victim.len()).position(|window| window == &victim[..]);
            if let Some(at) = found {
                // The header of its commit, too.
                bytes[at - 60..at + 5].fill(0xee);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let plan = annals::plan_repair(setting.path(), &mut |_, _| {}).unwrap();
        assert_eq!(plan.events_lost(), 1, "{plan:?}");
        // The saved index knows what the header no longer says.
        let [lost] = &plan.losses[0].streams[..] else { panic!("{plan:?}") };
        assert_eq!((&*lost.stream, lost.version.get(), lost.position.get()), ("order-1", 11, 31));
        annals::repair(setting.path(), &mut |_, _| {}).unwrap();
        let store = setting.open();
        assert_eq!(store.version("order-1").unwrap().get(), 20);
        assert_eq!(check::collect(store.read_stream("order-1")).unwrap().len(), 19);
        assert_eq!(check::collect(store.read_all()).unwrap().len(), 59);
        let report = store.verify_deep(&mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(positions(&report.losses), BTreeSet::from([Position::new(31)]));
        assert_eq!(store.stats().unwrap().events_lost, 1);
        store.close().unwrap();
    });
}

/// What a copy still had is put back after the repair: it is kept, and counts for nothing by itself.
#[test]
fn a_segment_that_comes_back_is_kept() {
    let sample = Sample::new(3, 39);
    let path = sample.folder.segments().remove(1);
    let folder = sample.folder.copy();
    let original = folder.read(&path);
    folder.remove(&path);
    repair(&folder.world(), true).unwrap();
    folder.write(&path, &original);
    let store = folder.world().open(annals::Durability::Sync).unwrap();
    assert!(store.verify_deep(&mut |_, _| {}).unwrap().is_clean());
    store.close().unwrap();
    assert!(!folder.files().contains(&path));
    let kept = Path::new("damaged").join(path.file_name().unwrap());
    assert!(folder.read(&kept) == original);
}

/// The end of the log is gone, with the newest epoch's records; the index and the `state` page know of
/// it.
#[test]
fn a_lost_end_keeps_its_versions() {
    let sample = Sample::new(2, 40);
    let (done, lost) = mend(&sample, |folder| {
        let last = folder.segments().pop().unwrap();
        folder.remove(&last);
    })
    .unwrap();
    assert!(!lost.is_empty() && !done.losses[0].streams.is_empty());
    assert_eq!(done.head, sample.model.head());
}

/// A bit of the note of a loss is damaged in its turn: what lies behind it stays.
#[test]
fn a_damaged_note_of_a_loss() {
    let sample = Sample::new(3, 41);
    let folder = sample.folder.copy();
    let segments = folder.segments();
    folder.change(&segments[1], |bytes| bytes[1_500..6_000].fill(0));
    let world = folder.world();
    let first = repair(&world, true).unwrap();
    let before = readable(&world).unwrap();
    let rewritten = Path::new(&first.done.unwrap().rewritten[0]).to_path_buf();
    let length = folder.read(&rewritten).len();
    for offset in (1_024..length).step_by(7) {
        let folder = folder.copy();
        folder.change(&rewritten, |bytes| bytes[offset] ^= 0x20);
        let world = folder.world();
        let now = readable(&world).unwrap();
        let gone = before.difference(&now).count();
        assert!(gone <= 6, "{gone} events are gone with the byte at {offset}");
        repair(&world, true).unwrap_or_else(|error| panic!("{offset}: {error}"));
        assert_eq!(readable(&world).unwrap(), now, "{offset}");
        let report = world.open_read_only().unwrap().verify_deep(&mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{offset}: {report:?}");
    }
}

#[test]
fn nothing_is_left() {
    let sample = Sample::new(1, 37);
    let folder = sample.folder.copy();
    for path in folder.segments() {
        folder.change(&path, |bytes| bytes[..1024].fill(0));
    }
    let before = folder.contents();
    let error = repair(&folder.world(), true).unwrap_err();
    assert!(error.contains("Damaged"), "{error}");
    assert_eq!(folder.contents(), before);
}

/// Whoever knows a segment's salt can put a frame into an event's data that is whole where it lies. It
/// must not come to life when the header in front of it is damaged.
#[test]
fn a_frame_inside_an_events_data_stays_there() {
    let real = |position, data: &str| {
        Frame::commit("order-1", position, position, vec![crafted::event("Real", data)])
    };
    let planted = |position| {
        Frame::commit("admin", position, position, vec![crafted::event("Granted", "{}")])
    };
    let mut segment = crafted::Segment::begin();
    segment.push(&real(1, "{}"));
    // The data lies behind the header, the record's prefix and the event's fields.
    let body = crafted::event("Real", "");
    let start = segment.bytes.len();
    let data_at = start + 56 + 1 + 8 + 2 + "order-1".len() + 8 + 2 + body.len();
    let mut data = planted(2).bytes(data_at);
    let second = planted(3).bytes(data_at + data.len());
    data.extend(second);
    let outer = Frame::commit("order-1", 2, 2, vec![[body, data].concat()]);
    segment.push(&outer);
    segment.push(&real(3, "{\"n\":3}"));
    let last = segment.bytes.len();
    segment.push(&real(4, "{}"));
    for (damaged, what) in [(start + 20, "the outer frame's header"), (last + 20, "the last one's")]
    {
        let disk = annals_env::MemoryFs::new();
        let folder = Path::new(STORE);
        let mut bytes = segment.bytes.clone();
        bytes[damaged] ^= 1;
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        disk.write_file(&folder.join("log").join(segment.name()), &bytes).unwrap();
        let state = crafted::state(2, crafted::EPOCH, (4, 0), (4, 0));
        disk.write_file(&folder.join("state"), &state).unwrap();
        let world = World::new(disk, 1);
        let streams = |world: &World| -> Vec<(u64, String)> {
            let store = world.open_read_only().unwrap();
            let events = store.read_all().flatten();
            events.map(|event| (event.position().get(), event.stream().to_owned())).collect()
        };
        let before = streams(&world);
        assert!(before.iter().all(|(_, stream)| stream == "order-1"), "{what}: {before:?}");
        assert_eq!(before.len(), 3, "{what}: {before:?}");
        let done = repair(&world, true).unwrap();
        assert_eq!((done.events_lost(), done.head), (1, Position::new(4)), "{what}");
        assert_eq!(streams(&world), before, "{what}");
    }
}

/// Each operation of a repair crashes, in each way; the next repair ends it.
#[test]
fn crashes_in_a_repair() {
    let sample = Sample::new(2, 38);
    let segments = sample.folder.segments();
    let folder = sample.folder.copy();
    folder.change(&segments[0], |bytes| bytes[2_000..2_600].fill(0));
    folder.change(segments.last().unwrap(), |bytes| bytes[1_100] ^= 1);
    folder.remove(&segments[1]);
    let damaged = folder.contents();
    let disk = || {
        let disk = new_disk(Faults::default());
        for (path, bytes) in &damaged {
            disk.write_file(&Path::new(STORE).join(path), bytes).unwrap();
        }
        disk
    };
    let world = |disk: &FaultyFs| World::new(disk.clone(), 5);
    let readable = readable(&world(&disk())).unwrap();
    let states = found(&world(&disk())).unwrap();
    let mended =
        Mended { model: &sample.model, readable: &readable, states: &states, indexed: true };
    let mut crashes = 0;
    for number in 1.. {
        let disk = disk();
        disk.crash_at(disk.operations() + number);
        if repair(&world(&disk), true).is_ok() && !disk.has_crashed() {
            break;
        }
        disk.crash();
        let cuts = images::power_cuts(&disk, 5, number).disks;
        let kills = images::kills(&disk, 3, number).disks;
        for (index, image) in cuts.into_iter().chain(kills).enumerate() {
            let told = |error| format!("crash {number}, image {index}: {error}");
            let kept = |image: &FaultyFs| -> Check {
                repair(&world(image), true)?;
                damaged_bytes_are_there(image, &damaged, &segments[..1])?;
                mended.holds(&world(image)).map(|_| ())
            };
            kept(&image).map_err(told).unwrap();
            crashes += 1;
        }
    }
    println!("{crashes} images of crashes in a repair");
    assert!(crashes > 100);
}

fn damaged_bytes_are_there(
    disk: &FaultyFs,
    damaged: &[(PathBuf, Vec<u8>)],
    segments: &[PathBuf],
) -> Check {
    let aside = |path: &PathBuf| path.starts_with(Path::new(STORE).join("damaged"));
    let files: Vec<PathBuf> = disk.files().into_iter().filter(aside).collect();
    for segment in segments {
        let (_, bytes) =
            damaged.iter().find(|(path, _)| path == segment).ok_or("no such segment")?;
        if !files.iter().any(|file| disk.read_file(file).is_ok_and(|kept| kept == *bytes)) {
            return Err(format!("the bytes of {} are gone", segment.display()));
        }
    }
    Ok(())
}
