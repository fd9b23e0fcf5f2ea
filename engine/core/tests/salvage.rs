//! Damage costs no more than what it hits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use annals::{ExpectedVersion, NewEvent, Read, ReadOnlyStore, Store};
use annals_env::{Env, Fs, MemoryFs};

const ROOT: &str = "/store";

fn memory(fs: &MemoryFs) -> Env {
    Env { fs: Arc::new(fs.clone()) as Arc<dyn Fs>, ..Env::real() }
}

/// The positions that a reading gives, and those that its errors name.
fn read(store: &ReadOnlyStore, backward: bool) -> (Vec<u64>, Vec<u64>) {
    let all = Read::all();
    let (mut whole, mut lost) = (Vec::new(), Vec::new());
    for event in store.read(if backward { all.backward() } else { all }) {
        match event {
            Ok(event) => whole.push(event.position().get()),
            Err(error) => {
                let (first, last) = error.damage().unwrap().positions.unwrap();
                lost.extend(first.get()..=last.get());
            }
        }
    }
    whole.sort_unstable();
    lost.sort_unstable();
    (whole, lost)
}

#[test]
fn a_bit_in_a_record_of_a_commit_costs_that_event_only() {
    let fs = MemoryFs::new();
    let store = Store::options().env(memory(&fs)).open(ROOT).unwrap();
    let events = ["one", "two", "three", "four"]
        .map(|word| NewEvent::binary("Said", format!("<{word}>").repeat(9)));
    store.append("talk-1", ExpectedVersion::Any, &events).unwrap();
    store.append("talk-1", ExpectedVersion::Any, &events).unwrap();
    store.close().unwrap();

    let segment = fs.files().into_iter().find(|path| path.extension().is_some()).unwrap();
    let bytes = fs.read_file(&segment).unwrap();
    let data = bytes.windows(5).position(|window| window == b"<two>").unwrap();
    // From the record's checksum to its last byte.
    let start = data - b"Said".len() - 6 - 8;
    for offset in start..data + 5 * 9 {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << bit;
            fs.write_file(Path::new(&segment), &damaged).unwrap();
            let store = ReadOnlyStore::open_in(&memory(&fs), Path::new(ROOT)).unwrap();
            for backward in [false, true] {
                let expected = (vec![1, 3, 4, 5, 6, 7, 8], vec![2]);
                assert_eq!(read(&store, backward), expected, "bit {bit} of {offset}, {backward}");
            }
        }
    }
}
