//! An import that is stopped: by Ctrl-C, and by what cannot be answered.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command};

use crate::repeating::lines_with_ids;
use crate::session::{Session, line};

/// Feeds lines until so many are acknowledged; what stderr says further comes with it.
fn feed(child: &mut Child, count: u64) -> impl BufRead + use<> {
    let mut input = child.stdin.as_ref().unwrap();
    for n in 1..=count {
        input.write_all(line(n).as_bytes()).unwrap();
    }
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let last = format!(": line {count}, position {count}\n");
    let mut message = String::new();
    while !message.ends_with(&last) {
        message.clear();
        assert!(messages.read_line(&mut message).unwrap() > 0, "the import ended early");
    }
    messages
}

#[test]
fn control_c_keeps_what_was_read_and_says_so() {
    let session = Session::new();
    let mut child = session.spawn(&["import", "-", "--batch", "5"]);
    let messages = feed(&mut child, 10);
    // Two more, which make no batch full; then nothing comes, the pipe stays open.
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{}{}", line(11), line(12)).as_bytes()).unwrap();
    while session.json(&["stats", "--json"])[0]["events"] != 12 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let said: Vec<String> = messages.lines().map(Result::unwrap).collect();
    assert_eq!(
        said,
        [
            "acknowledged: line 12, position 12",
            "error: stopped by Ctrl-C",
            "hint: kept: everything up to line 12, position 12; go on with line 13",
        ]
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
    assert_eq!(session.field(&["events"], "position").len(), 12);
    session.run(&["verify"]).success();
}

#[test]
fn an_import_with_ids_is_repeated_after_control_c() {
    let session = Session::new();
    let mut child = session.spawn(&["import", "-", "--batch", "4"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines_with_ids(1..=10).as_bytes()).unwrap();
    while session.json_or_nothing(&["stats", "--json"]).is_none_or(|stats| stats["events"] != 10) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let messages = BufReader::new(child.stderr.take().unwrap());
    let said: Vec<String> = messages.lines().map(Result::unwrap).collect();
    assert_eq!(
        said.last().unwrap(),
        "hint: kept: everything up to line 10, position 10; to go on, repeat the import: what is \
         there is passed over"
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = session.import(&lines_with_ids(1..=25), &["--batch", "7"]).success();
    crate::session::said(&run, &["imported: 25 events, 10 of them were in the store already"]);
    let numbers = session.field(&["events"], "data");
    assert!(numbers.iter().zip(1..=25).all(|(data, n)| data["n"] == n), "{numbers:?}");
    assert_eq!(numbers.len(), 25);
}

#[test]
fn a_killed_import_loses_nothing_acknowledged() {
    for durability in ["sync", "buffered"] {
        let session = Session::new();
        let import = ["import", "-", "--batch", "1", "--durability", durability];
        let mut child = session.spawn(&import);
        let messages = feed(&mut child, 200);
        child.kill().unwrap();
        child.wait().unwrap();
        drop(messages);
        assert_eq!(session.field(&["events"], "position").len(), 200);
        session.run(&["append", "s", "--type", "T"]).success();
        session.run(&["verify"]).success();
    }
}
