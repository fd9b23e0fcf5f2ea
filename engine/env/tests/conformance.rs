//! Every file system passes the same suite.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;

use annals_env::{
    AllChoices, Faults, FaultyFs, FirstChoices, Fs, LastChoices, MemoryFs, RealFs, conformance,
};

#[test]
fn the_machine_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance::check(&RealFs, dir.path());
}

#[test]
fn memory_conforms() {
    let fs = MemoryFs::new();
    conformance::check(&fs, Path::new(""));
    conformance::check(&fs, Path::new("/"));
    fs.create_dir_all(Path::new("/var/store")).unwrap();
    conformance::check(&fs, Path::new("/var/store"));
    let fork = fs.fork();
    assert_eq!(fork.files(), fs.files());
    conformance::check(&fork, &new_root(&fork));
}

#[test]
fn the_faulty_disk_conforms_while_it_has_no_faults() {
    conformance::check(&FaultyFs::default(), Path::new(""));
    let faults = Faults {
        torn_sectors: true,
        lying_sync: true,
        capacity_bytes: Some(1 << 30),
        ..Faults::default()
    };
    conformance::check(&FaultyFs::new(faults), Path::new("/"));
}

#[test]
fn the_disk_after_a_crash_conforms() {
    let fs = FaultyFs::default();
    conformance::check(&fs, Path::new(""));
    fs.crash();
    let mut all = AllChoices::new(3);
    while all.next_run() {
        let image = fs.power_cut(&mut all);
        conformance::check(&image, &new_root(&image));
    }
    for image in [fs.power_cut(&mut LastChoices), fs.kill(&mut FirstChoices)] {
        assert_eq!(image.files(), fs.files());
        assert_eq!(image.fingerprint(), fs.fingerprint());
        conformance::check(&image, &new_root(&image));
    }
}

fn new_root(fs: &dyn Fs) -> std::path::PathBuf {
    let root = Path::new("second").to_path_buf();
    fs.create_dir_all(&root).unwrap();
    root
}
