//! `repair`: what it says before, what it does, and what the other verbs say afterwards.

use std::fs;

use crate::session::{Session, lines, said, stdout};

/// A store of nine events in three streams whose fifth event, version 2 of order-3, is damaged.
fn damaged() -> Session {
    let session = Session::with(&lines(9));
    let segment = &session.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    let data = b"{\"n\":5}";
    let at = bytes.windows(data.len()).position(|window| window == data).unwrap();
    bytes[at + 2] ^= 1;
    fs::write(segment, bytes).unwrap();
    session
}

#[test]
fn nothing_to_repair() {
    let session = Session::with(&lines(3));
    for arguments in [&["repair"][..], &["repair", "--dry-run"]] {
        assert_eq!(stdout(&session.run(arguments).success()), "nothing to repair\n");
    }
    assert!(!session.store().join("damaged").exists());
}

#[test]
fn looked_at_then_done() {
    let session = damaged();
    let segment = session.segments().remove(0);
    let before = fs::read(&segment).unwrap();
    let run = session.run(&["repair", "--dry-run"]).code(1);
    let out = stdout(&run);
    assert!(out.contains("lost: event 5: order-3 up to version 2"), "{out}");
    assert!(out.contains("would write 1 segment anew, make 0 for missing ones, put 0 files aside"));
    said(&run, &["hint: restore a copy if there is one", "annals -s store repair"]);
    assert_eq!(fs::read(&segment).unwrap(), before);

    let out = stdout(&session.run(&["repair"]).success());
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(out.contains(&format!("kept aside: log/{name} as damaged/{name}")), "{out}");
    assert!(out.contains("1 event of 9 given up"), "{out}");
    assert_eq!(fs::read(session.store().join("damaged").join(name)).unwrap(), before);
    assert!(!segment.exists());

    let out = stdout(&session.run(&["events", "--format", "jsonl"]).success());
    assert_eq!(out.lines().count(), 8);
    let out = stdout(&session.run(&["verify", "--deep"]).success());
    assert!(out.contains("given up by a repair: event 5: order-3 up to version 2"), "{out}");
    assert!(out.ends_with("clean, but for what a repair gave up\n"), "{out}");
    let stats = stdout(&session.run(&["stats", "--json"]).success());
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((stats["events"].as_u64(), stats["events_lost"].as_u64()), (Some(9), Some(1)));
    // It takes appends again, and the lost version is not given again.
    session.run(&["append", "order-3", "--type", "T", "--expect", "3"]).success();
    assert_eq!(stdout(&session.run(&["repair"]).success()), "nothing to repair\n");
}

#[test]
fn in_json() {
    let session = damaged();
    let parse = |out: String| serde_json::from_str::<serde_json::Value>(&out).unwrap();
    let plan = parse(stdout(&session.run(&["repair", "--dry-run", "--json"]).code(1)));
    assert_eq!((&plan["needed"], &plan["done"]), (&true.into(), &false.into()));
    let done = parse(stdout(&session.run(&["repair", "--json"]).success()));
    assert_eq!(done["done"], true);
    assert_eq!(plan["lost"], done["lost"]);
    assert_eq!(done["lost"][0]["streams"][0]["stream"], "order-3");
    assert_eq!(done["damage"][0]["streams"][0], "order-3");
    assert_eq!(done["set_aside"].as_array().unwrap().len(), 1);
}

#[test]
fn somebody_writes() {
    let session = damaged();
    let copy = Session::with(&lines(1));
    let store = annals::Store::open(copy.store()).unwrap();
    said(&copy.run(&["repair"]).code(1), &["error: ", "hint: one process at a time can write"]);
    store.close().unwrap();
    said(&session.run(&["append", "s", "--type", "T"]).code(1), &["hint: "]);
}
