//! `events --follow`: what is there, then what comes from a process that writes.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use annals::{Durability, ExpectedVersion, NewEvent, Store};
use serde_json::Value;

use crate::session::{Session, lines, said};

/// Longer than anything takes that is right.
const PATIENCE: Duration = Duration::from_secs(20);

struct Following {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Following {
    fn start(session: &Session, options: &[&str]) -> Self {
        let follow = [&["events", "--follow", "--format", "jsonl"], options].concat();
        let mut child = session.spawn(&follow);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                sender.send(line.unwrap()).unwrap();
            }
        });
        Self { child, lines }
    }

    /// The positions of the next events.
    fn positions(&self, count: usize) -> Vec<u64> {
        let position = |_| {
            let line = self.lines.recv_timeout(PATIENCE).expect("an event");
            serde_json::from_str::<Value>(&line).unwrap()["position"].as_u64().unwrap()
        };
        (0..count).map(position).collect()
    }

    fn press_control_c(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// The exit code and what was said, once it ends by itself; nothing more was printed.
    fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(self.lines.recv().is_err());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

fn append(store: &Store, stream: &str, kind: &'static str) {
    store.append(stream, ExpectedVersion::Any, &[NewEvent::json(kind, "{}")]).unwrap();
}

#[test]
fn what_is_there_comes_first_and_then_what_a_writer_appends() {
    for durability in [Durability::Sync, Durability::Buffered] {
        let session = Session::with(&lines(3));
        let following = Following::start(&session, &[]);
        assert_eq!(following.positions(3), [1, 2, 3]);
        let store = Store::options().durability(durability).open(session.store()).unwrap();
        for position in 4..7 {
            append(&store, "order-1", "Placed");
            assert_eq!(following.positions(1), [position]);
        }
        store.close().unwrap();
        // The next process to write is followed as well.
        session.run(&["append", "order-1", "--type", "Placed"]).success();
        assert_eq!(following.positions(1), [7]);
        following.press_control_c();
        assert_eq!(following.end(), (Some(130), String::new()));
    }
}

#[test]
fn filters_and_bounds_hold_for_what_comes_too() {
    let session = Session::with(&lines(4));
    let store = Store::open(session.store()).unwrap();
    let placed = Following::start(&session, &["--type", "Placed", "--category", "order"]);
    let behind = Following::start(&session, &["--after", "3"]);
    let since = Following::start(&session, &["--since", "2000-01-01", "--after", "2"]);
    let ahead = Following::start(&session, &["--since", "2999-01-01"]);
    assert_eq!(behind.positions(1), [4]);
    assert_eq!(since.positions(2), [3, 4]);
    append(&store, "order-9", "Placed");
    append(&store, "customer-9", "Placed");
    append(&store, "order-9", "Paid");
    append(&store, "order-8", "Placed");
    assert_eq!(placed.positions(2), [5, 8]);
    assert_eq!(behind.positions(4), [5, 6, 7, 8]);
    assert_eq!(since.positions(4), [5, 6, 7, 8]);
    let Following { child: mut ahead, lines: nothing } = ahead;
    ahead.kill().unwrap();
    assert!(nothing.recv().is_err());
    ahead.wait().unwrap();
    for following in [placed, behind, since] {
        following.press_control_c();
        assert_eq!(following.end(), (Some(130), String::new()));
    }
}

#[test]
fn it_ends_after_so_many_events() {
    let session = Session::with(&lines(4));
    let there = Following::start(&session, &["--limit", "3"]);
    assert_eq!(there.positions(3), [1, 2, 3]);
    assert_eq!(there.end(), (Some(0), String::new()));
    let to_come = Following::start(&session, &["--limit", "2", "--after", "3"]);
    assert_eq!(to_come.positions(1), [4]);
    session.run(&["append", "order-1", "--type", "Placed"]).success();
    assert_eq!(to_come.positions(1), [5]);
    assert_eq!(to_come.end(), (Some(0), String::new()));
    assert_eq!(Following::start(&session, &["--limit", "0"]).end(), (Some(0), String::new()));
}

#[test]
fn a_closed_pipe_ends_it_though_nothing_comes() {
    let session = Session::with(&lines(2));
    let mut child = session.spawn(&["events", "--follow", "--format", "jsonl"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let lines = std::sync::mpsc::channel().1;
    assert_eq!(Following { child, lines }.end(), (Some(0), String::new()));
}

#[test]
fn a_table_shows_its_rows_while_it_waits() {
    let session = Session::with(&lines(1));
    let mut child = session.spawn(&["events", "--follow", "--format", "table"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(stdout.next().unwrap().unwrap().starts_with("POSITION"));
    assert!(stdout.next().unwrap().unwrap().contains("order-2"));
    session.run(&["append", "order-1", "--type", "Placed"]).success();
    assert!(stdout.next().unwrap().unwrap().contains("Placed"));
    let following = Following { child, lines: std::sync::mpsc::channel().1 };
    following.press_control_c();
    assert_eq!(following.end(), (Some(130), "waiting for events; Ctrl-C ends it\n".to_owned()));
}

#[test]
fn what_cannot_be_followed_is_usage() {
    let session = Session::with(&lines(1));
    for option in
        [&["--backward"][..], &["--until", "2999-01-01"], &["--as-of", "1"], &["--explain"]]
    {
        let run = session.run(&[&["events", "--follow"], option].concat()).code(2);
        said(&run, &["'--follow' cannot be used with", option[0]]);
    }
    said(&Session::new().run(&["events", "--follow"]).code(1), &["hint: check the path"]);
}

#[test]
fn every_verb_reads_beside_a_writer() {
    let session = Session::with(&lines(3));
    let store = Store::open(session.store()).unwrap();
    append(&store, "order-9", "Placed");
    assert_eq!(session.field(&["events"], "position"), [1, 2, 3, 4]);
    assert_eq!(session.field(&["read", "order-9"], "type"), ["Placed"]);
    assert_eq!(session.field(&["events", "--type", "Placed"], "position"), [4]);
    assert_eq!(session.field(&["streams", "--prefix", "order-9"], "version"), [1]);
    assert_eq!(session.json(&["stats", "--json"])[0]["events"], 4);
    session.run(&["verify"]).success().stderr_eq("");
    store.close().unwrap();
}
