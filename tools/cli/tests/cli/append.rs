//! Appending one event, and what is expected of its stream.

use snapbox::str;

use crate::session::{Session, said, stdout};

#[test]
fn a_receipt_says_where_the_event_stands() {
    let session = Session::new();
    let run = session.run(&[
        "append",
        "order-1",
        "--type",
        "Placed",
        "--data",
        " {\"a\": 1}\n",
        "--tag",
        "a:1",
        "--tag",
        "b",
        "--id",
        "0190a5b2-0000-7000-8000-000000000001",
        "--expect",
        "none",
        "--metadata",
        "[1]",
        "--occurred-at",
        "2026-01-01T00:00:00+01:00",
        "--schema",
        "2",
    ]);
    run.success()
        .stdout_eq(str![[r#"
{"position":1,"stream":"order-1","version":1,"id":"0190a5b2-0000-7000-8000-000000000001","recorded_at":"[..]Z","epoch":"1-[..]"}

"#]])
        .stderr_eq("made a new store in store\n");
    let event = session.json(&["events"]).remove(0);
    assert_eq!(event["tags"].to_string(), r#"["a:1","b"]"#);
    assert_eq!(event["schema"], 2);
    assert_eq!(event["occurred_at"], "2026-01-01T00:00:00+01:00");
    let run = session.run(&["events", "--format", "jsonl"]).success();
    assert!(crate::session::stdout(&run).contains(r#""data":{"a": 1},"metadata":[1],"#));

    let table = ["append", "order-1", "--type", "Paid", "--expect", "1", "--format", "table"];
    session.run(&table).success().stdout_eq(str![[r#"
POSITION  STREAM   VERSION  RECORDED AT
       2  order-1        2  [..]Z

"#]]);
}

#[test]
fn what_is_expected_must_hold() {
    let session = Session::new();
    let append = |expect| session.run(&["append", "order-1", "--type", "T", "--expect", expect]);
    append("0").success();
    append("1").success();
    append("exists").success();
    append("any").success();
    for expect in ["none", "3", "5", "0"] {
        said(
            &append(expect).code(3),
            &[
                "error: conflict: stream \"order-1\" is at version 4, expected was ",
                "hint: look at what happened (`annals -s store read order-1`)",
            ],
        );
    }
    let missing = session.run(&["append", "order-2", "--type", "T", "--expect", "exists"]);
    said(&missing.code(3), &["stream \"order-2\" does not exist (version 0)"]);
    assert_eq!(session.json(&["stats", "--json"])[0]["events"], 4);
}

#[test]
fn who_expects_a_stream_makes_no_store() {
    let session = Session::new();
    for expect in ["exists", "3"] {
        let run = session.run(&["append", "order-1", "--type", "T", "--expect", expect]).code(1);
        said(&run, &["error: ", "hint: check the path"]);
    }
    assert!(!session.store().exists());
}

#[test]
fn data_comes_from_a_file_or_from_standard_input() {
    let session = Session::new();
    std::fs::write(session.path("data.json"), "{\n  \"a\": 1\n}\n").unwrap();
    session.run(&["append", "s", "--type", "T", "--data", "@data.json"]).success();
    session.annals(&["append", "s", "--type", "T", "--data", "-"]).stdin("-5\n").assert().success();
    session.run(&["append", "s", "--type", "T", "--data", "-7"]).success();
    session.run(&["append", "s", "--type", "T"]).success();
    let run = session.run(&["events", "--format", "jsonl"]).success();
    let lines = crate::session::stdout(&run);
    for data in [r#""data":{   "a": 1 }}"#, r#""data":-5}"#, r#""data":-7}"#, r#""data":{}}"#] {
        assert!(lines.contains(data), "{data} is not in:\n{lines}");
    }
    let missing = session.run(&["append", "s", "--type", "T", "--data", "@nowhere"]).code(1);
    said(&missing, &["error: nowhere cannot be read"]);
}

#[test]
fn an_event_with_an_id_can_be_appended_again_and_is_there_once() {
    let session = Session::new();
    let append = ["append", "s", "--type", "T", "--id", "0190a5b2-0000-7000-8000-000000000001"];
    let first = session.json(&[&append[..], &["--expect", "none"]].concat()).remove(0);
    session.run(&["append", "s", "--type", "Later"]).success();
    let run = session.run(&[&append[..], &["--expect", "none"]].concat()).success();
    said(&run, &["note: the event was in the store already; nothing was appended"]);
    let mut again: serde_json::Value = serde_json::from_str(&stdout(&run)).unwrap();
    assert_eq!(again.as_object_mut().unwrap().remove("repeated"), Some(true.into()));
    assert_eq!(again, first);
    assert_eq!(session.field(&["events"], "type"), ["T", "Later"]);

    let other = session.run(&[&append[..], &["--data", "1"]].concat()).code(1);
    said(
        &other,
        &[
            "error: the id 0190a5b2-0000-7000-8000-000000000001 is that of event 1 already",
            "hint: look at the event that has it (`annals -s store events --after 0 --limit 1`)",
        ],
    );
}

#[test]
fn bad_arguments_are_usage() {
    let session = Session::new();
    let usage = |args: &[&str], texts: &[&str]| said(&session.run(args).code(2), texts);
    usage(
        &["append", "s", "--type", "T", "--data", "nonsense"],
        &["the data is not JSON", "quotes"],
    );
    usage(&["append", "s", "--type", "T", "--metadata", "{"], &["the metadata is not JSON"]);
    usage(&["append", "s", "--type", "T", "--expect", "maybe"], &["expected any, none, exists"]);
    usage(&["append", "s", "--type", "T", "--id", "42"], &["invalid value '42' for '--id"]);
    usage(&["append", "s", "--type", "T", "--occurred-at", "now"], &["is no moment"]);
    usage(&["append", "", "--type", "T"], &["the stream name is empty"]);
    usage(&["append", " s", "--type", "T"], &["white space at an end"]);
    usage(&["append", "s", "--type", ""], &["the event type is empty"]);
    usage(&["append", "s", "--type", "T", "--tag", ""], &["the tag is empty"]);
    usage(&["append", "s"], &["--type <TYPE>"]);
    assert!(!session.store().exists());
}
