//! The faulty disk keeps to its model: it loses all that it may lose, and nothing else.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use annals_env::{
    Access, AllChoices, Choices, Faults, FaultyFs, File, FirstChoices, Fs, LastChoices,
    OperationKind, SECTOR_BYTES, SeededChoices, SeededRandom,
};

fn path(text: &str) -> &Path {
    Path::new(text)
}

/// A durable file of so many sectors, each byte 1.
fn durable_file(fs: &FaultyFs, name: &str, sectors: usize) -> Arc<dyn File> {
    fs.write_file(path(name), &vec![1; sectors * SECTOR_BYTES]).unwrap();
    fs.open(path(name), Access::ReadWrite).unwrap()
}

/// All different contents of a file that a power cut can leave; `None`: the name is gone.
fn cuts_of(fs: &FaultyFs, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let cuts = fs.power_cuts(100_000, 0);
    assert!(cuts.complete);
    cuts.images.iter().map(|image| image.read_file(path(name)).ok()).collect()
}

fn count_of_cuts(fs: &FaultyFs) -> usize {
    let cuts = fs.power_cuts(100_000, 0);
    assert!(cuts.complete);
    cuts.images.len()
}

fn runs_of_cuts(fs: &FaultyFs) -> u64 {
    let mut all = AllChoices::new(1_000_000);
    while all.next_run() {
        let _ = fs.power_cut(&mut all);
    }
    assert!(all.is_complete());
    all.runs()
}

fn lost(fs: &FaultyFs) -> FaultyFs {
    fs.power_cut(&mut FirstChoices)
}

fn kept(fs: &FaultyFs) -> FaultyFs {
    fs.power_cut(&mut LastChoices)
}

/// The first byte of each sector.
fn firsts(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect()
}

#[test]
fn each_unsynced_sector_is_lost_or_kept_on_its_own() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 4);
    file.write_at(&[2; 3 * SECTOR_BYTES], 0).unwrap();
    let found: BTreeSet<_> =
        cuts_of(&fs, "file").into_iter().map(|bytes| firsts(&bytes.unwrap())).collect();
    let mut expected = BTreeSet::new();
    for bits in 0..8 {
        let sector = |n: u8| if bits >> n & 1 == 1 { 2 } else { 1 };
        expected.insert(vec![sector(0), sector(1), sector(2), 1]);
    }
    assert_eq!(found, expected);
    // Every run is a different disk: nothing is asked in vain.
    assert_eq!(runs_of_cuts(&fs), 8);
}

#[test]
fn any_version_since_the_sync_can_be_found() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 1);
    for byte in [2, 3, 3, 4] {
        file.write_at(&[byte; SECTOR_BYTES], 0).unwrap();
    }
    let found: BTreeSet<_> =
        cuts_of(&fs, "file").into_iter().map(|bytes| firsts(&bytes.unwrap())).collect();
    assert_eq!(found, [vec![1], vec![2], vec![3], vec![4]].into());
    assert_eq!(runs_of_cuts(&fs), 4);
}

#[test]
fn what_was_synced_is_kept() {
    let fs = FaultyFs::default();
    let file = fs.create(path("file")).unwrap();
    file.write_at(b"synced", 0).unwrap();
    file.sync().unwrap();
    fs.sync_dir(path("")).unwrap();
    assert_eq!(count_of_cuts(&fs), 1);
    assert_eq!(lost(&fs).read_file(path("file")).unwrap(), b"synced");
    assert_eq!(lost(&fs).fingerprint(), fs.fingerprint());
    // What is written later can be lost again, what was synced not.
    file.write_at(b"later", 6).unwrap();
    assert_eq!(
        cuts_of(&fs, "file"),
        [&b"synced"[..], b"synced\0\0\0\0\0", b"syncedlater"].map(|b| Some(b.to_vec())).into()
    );
}

#[test]
fn a_length_is_one_that_was_set() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 0);
    file.write_at(b"aa", 0).unwrap();
    file.write_at(b"bb", 2).unwrap();
    // The second version of the sector is cut to the first length, and a longer length shows the
    // first version with zeros behind it.
    let expected = [&b""[..], b"\0\0", b"aa", b"\0\0\0\0", b"aa\0\0", b"aabb"];
    assert_eq!(cuts_of(&fs, "file"), expected.map(|b| Some(b.to_vec())).into());
    file.sync().unwrap();
    assert_eq!(cuts_of(&fs, "file"), [Some(b"aabb".to_vec())].into());
}

#[test]
fn zeros_over_zeros_give_no_choice_but_the_length() {
    let fs = FaultyFs::default();
    let file = fs.create(path("file")).unwrap();
    fs.sync_dir(path("")).unwrap();
    for piece in 0..16 {
        file.write_at(&[0; 65_536], piece * 65_536).unwrap();
    }
    assert_eq!(runs_of_cuts(&fs), 17);
    file.sync().unwrap();
    assert_eq!(runs_of_cuts(&fs), 1);
    file.write_at(&[0; 65_536], 0).unwrap();
    assert_eq!(runs_of_cuts(&fs), 1);
}

#[test]
fn names_are_lost_or_kept_in_any_combination() {
    let fs = FaultyFs::default();
    for name in ["a", "b", "c"] {
        fs.create(path(name)).unwrap();
    }
    assert_eq!(count_of_cuts(&fs), 8);
    fs.sync_dir(path("")).unwrap();
    assert_eq!(count_of_cuts(&fs), 1);
    fs.remove(path("a")).unwrap();
    assert_eq!(count_of_cuts(&fs), 2);
    assert_eq!(lost(&fs).files(), [path("a"), path("b"), path("c")]);
    assert_eq!(kept(&fs).files(), [path("b"), path("c")]);
}

#[test]
fn a_rename_is_never_half_done() {
    let fs = FaultyFs::default();
    fs.write_file(path("file"), b"old").unwrap();
    fs.write_file(path("next"), b"new").unwrap();
    fs.rename(path("next"), path("file")).unwrap();
    let cuts = fs.power_cuts(100, 0);
    let found: BTreeSet<_> = cuts
        .images
        .iter()
        .map(|image| (image.read_file(path("file")).unwrap(), image.files().len()))
        .collect();
    assert_eq!(found, [(b"old".to_vec(), 2), (b"new".to_vec(), 1)].into());
    fs.sync_dir(path("")).unwrap();
    assert_eq!(cuts_of(&fs, "file"), [Some(b"new".to_vec())].into());
}

#[test]
fn a_kept_change_knows_its_file_though_earlier_ones_are_lost() {
    let fs = FaultyFs::default();
    let file = fs.create(path("next")).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync().unwrap();
    fs.rename(path("next"), path("file")).unwrap();
    // The creation is lost, the rename is kept.
    struct OnlySecond(usize);
    impl Choices for OnlySecond {
        fn choose(&mut self, _options: usize) -> usize {
            self.0 += 1;
            self.0 - 1
        }
    }
    let image = fs.power_cut(&mut OnlySecond(0));
    assert_eq!(image.files(), [path("file")]);
    assert_eq!(image.read_file(path("file")).unwrap(), b"new");
}

#[test]
fn a_rename_between_folders_needs_both_synced() {
    let fs = FaultyFs::default();
    fs.write_file(path("a/file"), b"x").unwrap();
    fs.create_dir_all(path("b")).unwrap();
    fs.sync_dir(path("")).unwrap();
    fs.rename(path("a/file"), path("b/file")).unwrap();
    for dir in ["a", "b"] {
        assert_eq!(lost(&fs).files(), [path("a/file")]);
        assert_eq!(count_of_cuts(&fs), 2);
        fs.sync_dir(path(dir)).unwrap();
    }
    assert_eq!(count_of_cuts(&fs), 1);
    assert_eq!(lost(&fs).files(), [path("b/file")]);
}

#[test]
fn a_lost_folder_takes_its_files() {
    let fs = FaultyFs::default();
    fs.create_dir_all(path("a/b")).unwrap();
    fs.create(path("a/b/file")).unwrap().sync().unwrap();
    fs.sync_dir(path("a/b")).unwrap();
    fs.sync_dir(path("a")).unwrap();
    assert_eq!(cuts_of(&fs, "a/b/file"), [None, Some(Vec::new())].into());
    assert!(lost(&fs).list(path("a")).is_err());
    fs.sync_dir(path("")).unwrap();
    assert_eq!(cuts_of(&fs, "a/b/file"), [Some(Vec::new())].into());
}

#[test]
fn a_failed_sync_decides_nothing_for_ever() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 2);
    file.write_at(&[2; 2 * SECTOR_BYTES], 0).unwrap();
    fs.fail_next(OperationKind::Sync, ErrorKind::Other);
    assert!(file.sync().is_err());
    // It is seen, but the syncs that now succeed do not know of it.
    assert_eq!(firsts(&fs.read_file(path("file")).unwrap()), [2, 2]);
    file.sync().unwrap();
    assert_eq!(count_of_cuts(&fs), 4);
    // Written again, the next sync knows, even if nothing changes.
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
    file.sync().unwrap();
    let found: BTreeSet<_> =
        cuts_of(&fs, "file").into_iter().map(|bytes| firsts(&bytes.unwrap())).collect();
    assert_eq!(found, [vec![2, 1], vec![2, 2]].into());
}

#[test]
fn a_failed_sync_loses_the_length_too() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 0);
    file.write_at(&[2; 600], 0).unwrap();
    fs.fail_next(OperationKind::Sync, ErrorKind::Other);
    assert!(file.sync().is_err());
    file.write_at(&[2; 10], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(lost(&fs).read_file(path("file")).unwrap(), [2; 10]);
    assert_eq!(kept(&fs).read_file(path("file")).unwrap(), [2; 600]);
}

#[test]
fn a_failed_sync_of_a_folder_decides_nothing_for_ever() {
    let fs = FaultyFs::default();
    fs.create(path("a")).unwrap();
    fs.fail_next(OperationKind::SyncDir, ErrorKind::Other);
    assert!(fs.sync_dir(path("")).is_err());
    fs.create(path("b")).unwrap();
    fs.sync_dir(path("")).unwrap();
    assert_eq!(lost(&fs).files(), [path("b")]);
    assert_eq!(kept(&fs).files(), [path("a"), path("b")]);
    // A later change of the same name that is durable ends the doubt.
    fs.remove(path("a")).unwrap();
    fs.sync_dir(path("")).unwrap();
    assert_eq!(count_of_cuts(&fs), 1);
}

#[test]
fn a_lying_sync_loses_what_it_acknowledged() {
    for lying in [false, true] {
        let fs = FaultyFs::default();
        fs.lying_sync(lying);
        let file = fs.create(path("file")).unwrap();
        file.write_at(b"acknowledged", 0).unwrap();
        file.sync().unwrap();
        fs.sync_dir(path("")).unwrap();
        assert_eq!(lost(&fs).files().is_empty(), lying);
        assert_eq!(kept(&fs).read_file(path("file")).unwrap(), b"acknowledged");
    }
}

#[test]
fn torn_sectors_come_only_when_asked_for() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 1);
    file.write_at(&[2; 10], 100).unwrap();
    assert_eq!(count_of_cuts(&fs), 2);
    fs.set_faults(|faults| faults.torn_sectors = true);
    let cuts = cuts_of(&fs, "file");
    assert_eq!(cuts.len(), 7);
    for bytes in cuts.into_iter().flatten() {
        let new = bytes.iter().filter(|byte| **byte == 2).count();
        assert!(bytes[100..100 + new].iter().all(|byte| *byte == 2));
    }
    file.sync().unwrap();
    assert_eq!(count_of_cuts(&fs), 1);
}

#[test]
fn after_a_crash_nothing_changes_any_more() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 1);
    let held = fs.lock(path("lock")).unwrap().unwrap();
    assert_eq!(fs.operations(), 0);
    file.write_at(&[2], 0).unwrap();
    fs.crash_at(2);
    assert!(!fs.has_crashed());
    assert_eq!(file.sync().unwrap_err().to_string(), "crashed");
    assert!(fs.has_crashed());
    assert_eq!(fs.crashed_in().unwrap().to_string(), "operation 2: Sync file");

    let before = fs.fingerprint();
    let crashed = |result: io::Result<()>| assert_eq!(result.unwrap_err().to_string(), "crashed");
    crashed(file.write_at(&[3], 0));
    crashed(file.sync());
    crashed(file.len().map(drop));
    crashed(file.read_at(&mut [0], 0).map(drop));
    crashed(fs.create(path("new")).map(drop));
    crashed(fs.open(path("file"), Access::Read).map(drop));
    crashed(fs.rename(path("file"), path("new")));
    crashed(fs.remove(path("file")));
    crashed(fs.create_dir_all(path("dir")));
    crashed(fs.sync_dir(path("")));
    crashed(fs.list(path("")).map(drop));
    crashed(fs.lock(path("lock")).map(drop));
    assert_eq!((fs.operations(), fs.fingerprint()), (2, before));

    // The image is a new disk: it counts anew, and its locks are free.
    let image = kept(&fs);
    assert_eq!(image.operations(), 0);
    assert!(image.lock(path("lock")).unwrap().is_some());
    image.remove(path("file")).unwrap();
    assert_eq!((image.operations(), fs.fingerprint()), (1, before));
    drop(held);
}

#[test]
fn every_change_has_a_number_and_nothing_else() {
    let fs = FaultyFs::default();
    fs.create_dir_all(path("a/b")).unwrap();
    assert_eq!(fs.operations(), 2);
    fs.create_dir_all(path("a/b")).unwrap();
    assert_eq!(fs.operations(), 2);
    let file = fs.create(path("a/file")).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync().unwrap();
    fs.rename(path("a/file"), path("a/other")).unwrap();
    fs.sync_dir(path("a")).unwrap();
    fs.remove(path("a/other")).unwrap();
    assert_eq!(fs.operations(), 8);
    fs.lock(path("lock")).unwrap().unwrap();
    fs.list(path("a")).unwrap();
    fs.open(path("lock"), Access::Read).unwrap().read_at(&mut [0], 0).unwrap();
    assert_eq!(fs.operations(), 8);
}

#[test]
fn a_write_under_way_may_leave_any_of_its_sectors() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 2);
    fs.crash_at(1);
    assert!(file.write_at(&[2; 3 * SECTOR_BYTES], 0).is_err());
    assert_eq!(firsts(&fs.read_file(path("file")).unwrap()), [1, 1]);
    let found: BTreeSet<_> =
        cuts_of(&fs, "file").into_iter().map(|bytes| firsts(&bytes.unwrap())).collect();
    for sectors in [vec![1, 1], vec![2, 1], vec![1, 2, 0], vec![1, 1, 2], vec![2, 2, 2]] {
        assert!(found.contains(&sectors), "{sectors:?}");
    }
    assert_eq!(firsts(&kept(&fs).read_file(path("file")).unwrap()), [2, 2, 2]);
    assert_eq!(lost(&fs).fingerprint(), fs.fingerprint());
}

#[test]
fn a_kill_cuts_only_the_write_under_way_and_only_to_a_prefix() {
    let fs = FaultyFs::default();
    let file = fs.create(path("file")).unwrap();
    file.write_at(b"written", 0).unwrap();
    fs.crash_at(3);
    assert!(file.write_at(&[2; 600], 7).is_err());
    let mut all = AllChoices::new(100);
    let mut lengths = BTreeSet::new();
    while all.next_run() {
        let bytes = fs.kill(&mut all).read_file(path("file")).unwrap();
        assert!(bytes.starts_with(b"written") && bytes[7..].iter().all(|byte| *byte == 2));
        lengths.insert(bytes.len());
    }
    assert_eq!(lengths, [7, 8, SECTOR_BYTES, 606, 607].into());
}

#[test]
fn what_a_kill_leaves_is_no_more_durable_than_before() {
    let fs = FaultyFs::default();
    let file = fs.create(path("file")).unwrap();
    file.write_at(b"visible", 0).unwrap();
    let killed = fs.kill(&mut FirstChoices);
    assert_eq!(killed.read_file(path("file")).unwrap(), b"visible");
    assert!(lost(&killed).files().is_empty());
    // Who reopens it can make it durable.
    killed.open(path("file"), Access::ReadWrite).unwrap().sync().unwrap();
    killed.sync_dir(path("")).unwrap();
    assert_eq!(lost(&killed).read_file(path("file")).unwrap(), b"visible");
    assert!(lost(&fs).files().is_empty());
}

#[test]
fn an_image_shares_nothing_with_its_disk() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 1);
    let image = kept(&fs);
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
    image.open(path("file"), Access::ReadWrite).unwrap().write_at(&[3], 0).unwrap();
    assert_eq!(firsts(&fs.read_file(path("file")).unwrap()), [2]);
    assert_eq!(image.read_file(path("file")).unwrap()[..2], [3, 1]);
}

#[test]
fn a_full_disk_takes_what_fits_and_more_when_there_is_room() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 0);
    fs.write_file(path("other"), &[0; 600]).unwrap();
    fs.set_capacity(Some(1_000));
    let error = file.write_at(&[2; 500], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(fs.read_file(path("file")).unwrap(), [2; 400]);
    // What is there can be written again.
    file.write_at(&[3; 400], 0).unwrap();
    assert_eq!(file.write_at(&[3], 400).unwrap_err().kind(), ErrorKind::StorageFull);
    fs.remove(path("other")).unwrap();
    file.write_at(&[4; 600], 400).unwrap();
    assert_eq!(file.len().unwrap(), 1_000);
    fs.set_capacity(None);
    file.write_at(&[5; 600], 1_000).unwrap();
    // Less room than there is data takes nothing away.
    fs.set_capacity(Some(1));
    assert_eq!(file.write_at(&[6], 1_600).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 1_600);
}

#[test]
fn ordered_failures_are_counted_and_can_be_taken_back() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "a", 1);
    fs.fail_next(OperationKind::Sync, ErrorKind::Other);
    fs.fail_at(fs.operations() + 1, ErrorKind::Other);
    assert_eq!(fs.failures_due(), 2);
    file.write_at(b"b", 0).unwrap_err();
    assert_eq!(fs.failures_due(), 1);
    fs.forget_failures();
    assert_eq!(fs.failures_due(), 0);
    file.sync().unwrap();
}

#[test]
fn an_ordered_failure_hits_only_its_operation() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 1);
    fs.fail_at(2, ErrorKind::PermissionDenied);
    file.write_at(&[2; 8], 0).unwrap();
    assert_eq!(fs.remove(path("file")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    fs.remove(path("file")).unwrap();

    fs.fail_next(OperationKind::Read, ErrorKind::TimedOut);
    fs.fail_next(OperationKind::Read, ErrorKind::Other);
    file.write_at(&[3; 8], 0).unwrap();
    assert_eq!(file.read_at(&mut [0], 0).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(file.read_at(&mut [0], 0).unwrap_err().kind(), ErrorKind::Other);
    file.read_at(&mut [0], 0).unwrap();

    fs.fail_next(OperationKind::Open, ErrorKind::NotFound);
    fs.fail_next(OperationKind::Create, ErrorKind::StorageFull);
    fs.fail_next(OperationKind::List, ErrorKind::Other);
    fs.fail_next(OperationKind::Lock, ErrorKind::Other);
    assert_eq!(fs.create(path("new")).unwrap_err().kind(), ErrorKind::StorageFull);
    fs.create(path("new")).unwrap();
    assert!(fs.open(path("new"), Access::Read).is_err());
    assert!(fs.list(path("")).is_err());
    assert!(fs.lock(path("lock")).is_err());
    assert_eq!(fs.files(), [path("new")]);
}

#[test]
fn a_failed_write_leaves_a_prefix() {
    let mut lengths = BTreeSet::new();
    for seed in 0..50 {
        let fs = FaultyFs::new(Faults { seed, ..Faults::default() });
        let file = fs.create(path("file")).unwrap();
        fs.fail_next(OperationKind::Write, ErrorKind::Other);
        assert!(file.write_at(&[2; 4], 0).is_err());
        let bytes = fs.read_file(path("file")).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 2));
        lengths.insert(bytes.len());
    }
    assert_eq!(lengths, (0..=4).collect());
}

#[test]
fn a_flipped_bit_is_seen_at_once_and_stays() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 2);
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
    fs.flip_bit(path("file"), 3, 7).unwrap();
    fs.flip_bit(path("file"), 600, 0).unwrap();
    let mut buf = [0; 1];
    file.read_exact_at(&mut buf, 3).unwrap();
    assert_eq!(buf, [0x82]);
    let cuts = cuts_of(&fs, "file");
    assert_eq!(cuts.len(), 2);
    for bytes in cuts.into_iter().flatten() {
        assert_eq!((bytes[3], bytes[600]), (bytes[4] ^ 0x80, 0));
    }
    let end = 2 * SECTOR_BYTES as u64;
    assert_eq!(fs.flip_bit(path("file"), end, 0).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs.flip_bit(path("file"), 0, 8).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs.flip_bit(path("none"), 0, 0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn files_can_be_replaced_from_outside() {
    let fs = FaultyFs::default();
    fs.write_file(path("a/b/file"), b"one").unwrap();
    let file = fs.open(path("a/b/file"), Access::ReadWrite).unwrap();
    file.write_at(b"unsynced", 0).unwrap();
    fs.write_file(path("a/b/file"), b"two!").unwrap();
    assert_eq!(file.len().unwrap(), 4);
    assert_eq!((fs.operations(), count_of_cuts(&fs)), (1, 1));
    assert!(fs.write_file(path("a"), b"").is_err());
    assert!(fs.write_file(path("a/b/file/below"), b"").is_err());
}

#[test]
fn a_sample_has_both_ends_and_is_the_same_for_the_same_seed() {
    let fs = FaultyFs::default();
    let file = durable_file(&fs, "file", 40);
    file.write_at(&[2; 40 * SECTOR_BYTES], 0).unwrap();
    let sample = |seed| -> Vec<u64> {
        let cuts = fs.power_cuts(50, seed);
        assert!(!cuts.complete);
        cuts.images.iter().map(FaultyFs::fingerprint).collect()
    };
    assert!(sample(1).len() > 40);
    assert!(sample(1).contains(&lost(&fs).fingerprint()));
    assert!(sample(1).contains(&fs.fingerprint()));
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(1_000));
}

/// What happens in a random run with random faults, as text.
fn run(seed: u64) -> Vec<String> {
    let fs = FaultyFs::new(Faults {
        seed,
        read_error: 0.1,
        write_error: 0.1,
        sync_error: 0.1,
        torn_sectors: true,
        capacity_bytes: Some(20_000),
        ..Faults::default()
    });
    let random = SeededRandom::new(seed);
    fs.crash_at(60 + random.below(60));
    let mut told = Vec::new();
    let names = ["a", "b", "c"];
    let name = || path(names[usize::try_from(random.below(3)).unwrap()]);
    for _ in 0..200 {
        let outcome = match random.below(6) {
            0 => fs.create(name()).map(|_| 0),
            1 => fs.rename(name(), name()).map(|()| 0),
            2 => fs.sync_dir(path("")).map(|()| 0),
            3 => fs.open(name(), Access::Read).and_then(|file| file.sync()).map(|()| 0),
            4 => fs.open(name(), Access::Read).and_then(|file| file.read_at(&mut [0; 99], 0)),
            _ => fs.open(name(), Access::ReadWrite).and_then(|file| {
                let byte = u8::try_from(random.below(256)).unwrap();
                file.write_at(&vec![byte; 3_000], random.below(5_000)).map(|()| 0)
            }),
        };
        told.push(format!("{outcome:?}"));
    }
    for seed in 0..5 {
        let cut = fs.power_cut(&mut SeededChoices::new(seed));
        let killed = fs.kill(&mut SeededChoices::new(seed));
        told.push(format!("{:x} {:x}", cut.fingerprint(), killed.fingerprint()));
    }
    told
}

#[test]
fn the_same_seed_and_calls_give_the_same_disk() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
    let all: Vec<String> = (0..20).flat_map(run).collect();
    for expected in ["injected: Read", "injected: Write", "injected: Sync", "crashed", "NotFound"] {
        assert!(all.iter().any(|line| line.contains(expected)), "{expected}");
    }
    assert_ne!(run(0), run(1));
}

#[test]
fn many_writers_are_one_sequence_of_operations() {
    let fs = FaultyFs::default();
    fs.crash_at(500);
    let files = ["a", "b", "c", "d"].map(|name| fs.create(path(name)).unwrap());
    let writers = files
        .each_ref()
        .map(|file| move || (0..).take_while(|at| file.write_at(&[1], *at).is_ok()).count());
    let done: usize = std::thread::scope(|scope| {
        writers.map(|writer| scope.spawn(writer)).into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!((fs.operations(), done), (500, 500 - 1 - 4));
}

/// How careful someone is who replaces a file.
#[derive(Clone, Copy)]
struct Care {
    sync_file: bool,
    sync_dir: bool,
}

fn replace(fs: &FaultyFs, care: Care) -> io::Result<()> {
    let next = fs.create(path("next"))?;
    next.write_at(&[2; 1_000], 0)?;
    if care.sync_file {
        next.sync()?;
    }
    fs.rename(path("next"), path("file"))?;
    if care.sync_dir {
        fs.sync_dir(path(""))?;
    }
    Ok(())
}

/// Crashes the replacement of a file at every operation and looks at every disk that can follow.
/// Some(what is wrong), or how many disks were looked at.
fn sweep(care: Care) -> Result<usize, &'static str> {
    let mut looked_at = 0;
    for crash_at in 1.. {
        let fs = FaultyFs::default();
        fs.write_file(path("file"), &[1; 1_000]).unwrap();
        fs.crash_at(crash_at);
        let acknowledged = replace(&fs, care).is_ok();
        for image in fs.power_cuts(10_000, 0).images {
            looked_at += 1;
            let found = image.read_file(path("file")).map_err(|_| "the file is gone")?;
            let (old, new) = (found == [1; 1_000], found == [2; 1_000]);
            if !(old || new) {
                return Err("the file is neither old nor new");
            }
            if acknowledged && old {
                return Err("what was acknowledged is lost");
            }
        }
        if acknowledged {
            break;
        }
    }
    Ok(looked_at)
}

#[test]
fn a_sweep_finds_what_carelessness_loses() {
    let careful = sweep(Care { sync_file: true, sync_dir: true });
    assert!(careful.unwrap() > 20);
    assert_eq!(
        sweep(Care { sync_file: false, sync_dir: true }),
        Err("the file is neither old nor new")
    );
    assert_eq!(
        sweep(Care { sync_file: true, sync_dir: false }),
        Err("what was acknowledged is lost")
    );
}
