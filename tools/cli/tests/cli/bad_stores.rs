//! Folders that are no store, stores that are locked, damaged or torn.

use std::fs;
use std::path::Path;

use annals::Store;

use crate::session::{Session, copy_folder, lines, said, stdout};

const READING_VERBS: [&[&str]; 5] =
    [&["events"], &["read", "order-1"], &["streams"], &["stats"], &["verify"]];

#[test]
fn a_folder_that_is_no_store() {
    let session = Session::new();
    for verb in READING_VERBS.iter().chain([&["rebuild-index"][..]].iter()) {
        let run = session.run(verb).code(1);
        said(&run, &["error: ", "store", "hint: check the path given with -s or ANNALS_STORE"]);
    }
    assert!(!session.store().exists());
    fs::create_dir(session.store()).unwrap();
    fs::write(session.store().join("holiday.jpg"), "not ours").unwrap();
    for verb in READING_VERBS {
        said(&session.run(verb).code(1), &["hint: check the path"]);
    }
    said(&session.import(&lines(1), &[]).code(1), &["error: ", "hint: check the path"]);
    assert_eq!(fs::read_dir(session.store()).unwrap().count(), 1);
}

#[test]
fn a_store_that_somebody_writes() {
    let session = Session::with(&lines(1));
    let store = Store::open(session.store()).unwrap();
    for verb in [&["append", "s", "--type", "T"][..], &["import", "-"], &["rebuild-index"]] {
        said(&session.run(verb).code(1), &["error: ", "hint: one process at a time can write"]);
    }
    store.close().unwrap();
    session.run(&["append", "s", "--type", "T"]).success();
}

#[test]
fn a_flipped_byte_costs_one_event_and_is_told_by_every_verb() {
    let session = Session::with(&lines(9));
    // The data of the fifth event, version 2 of order-3.
    flip(&session.segments()[0], b"{\"n\":5}");
    let run = session.run(&["events", "--format", "jsonl"]).code(1);
    said(
        &run,
        &["damaged: ", "event 5 is not readable", "error: store: the store has 1 damaged place"],
    );
    let positions: Vec<u64> = stdout(&run)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, [1, 2, 3, 4, 6, 7, 8, 9]);

    let run = session.run(&["events", "--backward", "--format", "jsonl"]).code(1);
    assert_eq!(stdout(&run).lines().count(), 8);
    let run = session.run(&["read", "order-3", "--format", "jsonl"]).code(1);
    assert_eq!(stdout(&run).lines().count(), 2);
    let run = session.run(&["verify"]).code(1);
    said(&run, &["hint: keep the folder as it is"]);
    assert!(stdout(&run).contains("damaged: "));
    let run = session.run(&["verify", "--json"]).code(1);
    let report: serde_json::Value = serde_json::from_str(&stdout(&run)).unwrap();
    assert_eq!(report["clean"], false);
    assert_eq!(report["events"], 8);
    assert_eq!(report["damage"][0]["first_position"], 5);
}

#[test]
fn a_missing_segment_is_told() {
    let session = Session::with(&lines(9));
    fs::remove_file(&session.segments()[0]).unwrap();
    for verb in [&["events"][..], &["verify"]] {
        said(&session.run(verb).code(1), &["error: "]);
    }
    said(&session.run(&["append", "s", "--type", "T"]).code(1), &["error: "]);
}

#[test]
fn a_torn_tail_is_told_and_is_no_damage() {
    // The rest of the frame was never written: its space is empty, or the file ends there.
    torn_tail(|segment, torn_at| segment[torn_at..].fill(0));
    torn_tail(Vec::truncate);
}

fn torn_tail(tear: impl FnOnce(&mut Vec<u8>, usize)) {
    let session = Session::with(&lines(9));
    // What a crash in the middle of the tenth append leaves: its frame half there, and everything
    // else as it was before.
    let after = session.path("after");
    copy_folder(&session.store(), &after);
    {
        let store = Store::open(&after).unwrap();
        let event = annals::NewEvent::json("Torn", format!("\"{}\"", "torn ".repeat(4_000)));
        store.append("order-1", annals::ExpectedVersion::Any, &[event]).unwrap();
        store.close().unwrap();
    }
    let segment = session.segments().pop().unwrap();
    let name = segment.file_name().unwrap();
    let mut torn = fs::read(after.join("log").join(name)).unwrap();
    let torn_at = find(&torn, b"\"torn torn").unwrap() + 10_000;
    tear(&mut torn, torn_at);
    fs::write(&segment, torn).unwrap();

    for verb in [&["events"][..], &["read", "order-1"], &["streams"], &["stats"]] {
        said(&session.run(verb).success(), &["note: torn tail, no damage: "]);
    }
    assert_eq!(session.field(&["events"], "position").len(), 9);
    assert!(stdout(&session.run(&["verify"]).success()).contains("torn tail, no damage: "));
    assert!(session.json(&["verify", "--json"])[0]["torn_tail"]["bytes"].as_u64().unwrap() > 0);
    said(&session.run(&["append", "s", "--type", "T"]).success(), &["note: cut a torn tail"]);
    session.run(&["verify"]).success().stderr_eq("");
    assert_eq!(session.field(&["events"], "position").len(), 10);
}

#[test]
#[cfg(unix)]
fn a_folder_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let session = Session::with(&lines(1));
    let log = session.store().join("log");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is forbidden to root.
    if fs::read_dir(&log).is_err() {
        for verb in READING_VERBS {
            said(&session.run(verb).code(1), &["error: ", "hint: check who owns the folder"]);
        }
    }
    fs::set_permissions(&log, fs::Permissions::from_mode(0o755)).unwrap();
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Flips one bit in the middle of the place where `text` stands.
fn flip(file: &Path, text: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let start = find(&bytes, text).unwrap();
    bytes[start + text.len() / 2] ^= 1;
    fs::write(file, bytes).unwrap();
}
