//! The reading verbs: bounds, order, formats, and that nothing is changed by them.

use std::io::{BufRead, BufReader, Read};

use snapbox::str;

use crate::session::{Session, lines, said};

#[test]
fn the_bounds_of_read() {
    // Versions 1 to 4 of order-1 are n = 3, 6, 9, 12.
    let session = Session::with(&lines(12));
    let versions =
        |options: &[&str]| session.field(&[&["read", "order-1"], options].concat(), "version");
    assert_eq!(versions(&[]), [1, 2, 3, 4]);
    assert_eq!(versions(&["--from", "3"]), [3, 4]);
    assert_eq!(versions(&["--from", "0"]), [1, 2, 3, 4]);
    assert_eq!(versions(&["--from", "5"]), [0; 0]);
    assert_eq!(versions(&["--limit", "2"]), [1, 2]);
    assert_eq!(versions(&["--limit", "0"]), [0; 0]);
    assert_eq!(versions(&["--backward"]), [4, 3, 2, 1]);
    assert_eq!(versions(&["--backward", "--limit", "2"]), [4, 3]);
    assert_eq!(versions(&["--backward", "--from", "2"]), [4, 3, 2]);
    assert_eq!(versions(&["--backward", "--from", "2", "--limit", "1"]), [4]);
    assert_eq!(session.field(&["read", "order-1", "--from", "4"], "data")[0]["n"], 12);
}

#[test]
fn the_bounds_of_events() {
    let session = Session::with(&lines(6));
    let positions = |options: &[&str]| session.field(&[&["events"], options].concat(), "position");
    assert_eq!(positions(&["--after", "4"]), [5, 6]);
    assert_eq!(positions(&["--after", "6"]), [0; 0]);
    assert_eq!(positions(&["--limit", "2"]), [1, 2]);
    assert_eq!(positions(&["--backward", "--limit", "2"]), [6, 5]);
    assert_eq!(positions(&["--backward", "--after", "3"]), [6, 5, 4]);
    assert_eq!(positions(&["--backward", "--after", "3", "--limit", "2"]), [6, 5]);
}

#[test]
fn since_is_inclusive_and_until_exclusive() {
    let session = Session::new();
    let times = ["2010-01-01T00:00:00Z", "2010-01-02T00:00:00Z", "2010-01-03T00:00:00Z"];
    let text: String = times
        .map(|time| {
            format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":1,\"recorded_at\":\"{time}\"}}\n")
        })
        .concat();
    session.import(&text, &["--recorded-at"]).success();
    let positions = |options: &[&str]| session.field(&[&["events"], options].concat(), "position");
    assert_eq!(positions(&["--since", "2010-01-02"]), [2, 3]);
    assert_eq!(positions(&["--since", "2010-01-02T00:00:00.000001Z"]), [3]);
    assert_eq!(positions(&["--until", "2010-01-02"]), [1]);
    assert_eq!(positions(&["--since", "2010-01-02", "--until", "2010-01-03"]), [2]);
    assert_eq!(positions(&["--since", "2010-01-02", "--until", "2010-01-02"]), [0; 0]);
    assert_eq!(positions(&["--since", "2010-01-02", "--backward", "--limit", "1"]), [3]);
    assert_eq!(positions(&["--until", "2010-01-03", "--backward"]), [2, 1]);
    assert_eq!(positions(&["--since", "2010-01-02T02:00:00+02:00", "--after", "2"]), [3]);
}

#[test]
fn streams_by_category_and_prefix() {
    let names = ["order-2", "order-10", "orders", "order", "payment-1"];
    let text: String =
        names.map(|name| format!("{{\"stream\":\"{name}\",\"type\":\"T\",\"data\":1}}\n")).concat();
    let session = Session::with(&text);
    let streams = |options: &[&str]| session.field(&[&["streams"], options].concat(), "stream");
    assert_eq!(streams(&[]), ["order", "order-10", "order-2", "orders", "payment-1"]);
    assert_eq!(streams(&["--category", "order"]), ["order", "order-10", "order-2"]);
    assert_eq!(streams(&["--prefix", "order"]), ["order", "order-10", "order-2", "orders"]);
    assert_eq!(streams(&["--prefix", "order-"]), ["order-10", "order-2"]);
    assert_eq!(streams(&["--category", "order", "--prefix", "order-1"]), ["order-10"]);
    assert_eq!(streams(&["--category", "nothing"]), [""; 0]);
    session.run(&["streams", "--category", "payment", "--format", "table"]).success().stdout_eq(
        str![[r#"
STREAM     VERSION  LAST POSITION
payment-1        1              5

"#]],
    );
}

#[test]
fn tables_off_a_terminal_show_everything() {
    let session = Session::with(&lines(2));
    session.run(&["events", "--format", "table"]).success().stdout_eq(str![[r#"
POSITION  STREAM   VERSION  TYPE     RECORDED AT           OCCURRED AT  DATA
       1  order-2        1  Counted  [..]Z               {"n":1}
       2  order-3        1  Counted  [..]Z               {"n":2}

"#]]);
    let run = session.run(&["read", "order-2", "--from", "9", "--format", "table"]).success();
    said(&run, &["no events in this range; the stream is at version 1"]);
}

#[test]
fn a_stream_that_is_not_there() {
    let session = Session::with(&lines(3));
    said(
        &session.run(&["read", "oder-1"]).code(1),
        &["error: no stream \"oder-1\"", "hint: did you mean order-1"],
    );
    said(&session.run(&["read", "zebra"]).code(1), &["hint: `annals streams` lists all"]);
}

#[test]
fn figures() {
    let session = Session::with(&lines(5));
    let stats = session.json(&["stats", "--json"]).remove(0);
    assert_eq!(stats["events"], 5);
    assert_eq!(stats["streams"], 3);
    assert_eq!(stats["head"], 5);
    assert!(stats["torn_tail"].is_null());
    assert_eq!(stats["damage"].to_string(), "[]");
    let report = session.json(&["verify", "--json"]).remove(0);
    assert_eq!(report["clean"], true);
    assert_eq!(report["events"], 5);
    assert_eq!(report["head"], 5);
    session.run(&["verify"]).success().stderr_eq("").stdout_eq(str![[r#"
read [..] in [..] segment ([..] sealed), [..]: 5 events and [..] whole, last position 5
clean: every byte is what was written

"#]]);
    session.run(&["stats"]).success().stderr_eq("");
}

#[test]
fn the_index_is_made_again() {
    let session = Session::with(&lines(5));
    session
        .run(&["rebuild-index"])
        .success()
        .stdout_eq("rebuilt the index: 5 events in 3 streams, [..]\n");
    assert_eq!(session.field(&["read", "order-1"], "version"), [1]);
    session.run(&["rebuild-index", "--index", "memory"]).success();
    assert!(session.store().join("index/memory").exists());
    let stats = session.json(&["stats", "--json"]).remove(0);
    assert!(stats["index_memory_bytes"].as_u64().unwrap() > 0);
    assert!(stats["index_disk_bytes"].as_u64().unwrap() > 0);
    let rocksdb = session.run(&["rebuild-index", "--index", "rocksdb"]);
    if cfg!(feature = "rocksdb") {
        rocksdb.success();
        assert_eq!(session.field(&["read", "order-1"], "version"), [1]);
    } else {
        said(&rocksdb.code(2), &["error: this build of annals has no RocksDB", "--index memory"]);
    }
    said(
        &session.run(&["rebuild-index", "--index", "sqlite"]).code(2),
        &["possible values: memory, rocksdb"],
    );
}

#[test]
fn reading_changes_nothing() {
    let session = Session::with(&lines(5));
    let picture = || {
        let mut files = Vec::new();
        let mut folders = vec![session.store()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    };
    let before = picture();
    for verb in [&["events"][..], &["read", "order-1"], &["streams"], &["stats"], &["verify"]] {
        session.run(verb).success();
    }
    assert!(before == picture());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let session = Session::with(&lines(20_000));
    let mut child = session.spawn(&["events", "--format", "jsonl"]);
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"position\":1,"));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
