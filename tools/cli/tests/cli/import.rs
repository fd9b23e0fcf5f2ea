//! Importing lines: what is kept, what is acknowledged, what is refused.

use crate::session::{Session, lines, said, stderr, stdout};

#[test]
fn what_was_imported_comes_out_equal() {
    let session = Session::new();
    let line = concat!(
        r#"{"stream":"order-1","type":"Placed","id":"0190a5b2-0000-7000-8000-000000000001","#,
        r#""occurred_at":"2010-10-02T09:20:39.266+02:00","schema":3,"#,
        r#""data":{"b": 1.50, "a":[ ],"u":"\u00e9"},"metadata":{"by" :"me"},"tags":["a:1","b"],"#,
        r#""correlation_id":"0190a5b2-0000-7000-8000-000000000002","#,
        r#""causation_id":"0190a5b2-0000-7000-8000-000000000003"}"#,
    );
    let run = session.import(line, &[]).success();
    said(&run, &["made a new store in store\n", "acknowledged: line 1, position 1\n"]);
    said(&run, &["imported: 1 events at positions 1 to 1 in "]);

    let recorded = session.field(&["events"], "recorded_at");
    let expected = concat!(
        r#"{"position":1,"stream":"order-1","version":1,"type":"Placed","#,
        r#""id":"0190a5b2-0000-7000-8000-000000000001","recorded_at":RECORDED,"#,
        r#""occurred_at":"2010-10-02T09:20:39.266+02:00","schema":3,"#,
        r#""data":{"b": 1.50, "a":[ ],"u":"\u00e9"},"metadata":{"by" :"me"},"tags":["a:1","b"],"#,
        r#""correlation_id":"0190a5b2-0000-7000-8000-000000000002","#,
        r#""causation_id":"0190a5b2-0000-7000-8000-000000000003"}"#,
        "\n",
    );
    let expected = expected.replace("RECORDED", &recorded[0].to_string());
    // Compared by hand: snapbox would turn the backslash.
    assert_eq!(stdout(&session.run(&["events", "--format", "jsonl"]).success()), expected);
}

#[test]
fn lines_are_acknowledged_by_batches() {
    let session = Session::new();
    let run = session.import(&lines(5), &["--batch", "2"]).success();
    let said: Vec<String> = stderr(&run).lines().map(str::to_owned).collect();
    assert_eq!(
        said[1..4],
        [
            "acknowledged: line 2, position 2",
            "acknowledged: line 4, position 4",
            "acknowledged: line 5, position 5",
        ]
    );
    let run = session.import(&lines(3), &["--batch", "2", "--durability", "buffered"]).success();
    let said = stderr(&run);
    assert!(
        said.starts_with("written: line 2, position 7\nwritten: line 3, position 8\n"),
        "{said}"
    );
    assert_eq!(session.json(&["stats", "--json"])[0]["events"], 8);
}

#[test]
fn a_bad_line_stops_and_what_came_before_is_kept() {
    let session = Session::new();
    let bad = format!("{}{{\"stream\":\"order-1\"}}\n{}", lines(2), lines(1));
    std::fs::write(session.path("log file.jsonl"), bad).unwrap();
    let run = session.run(&["import", "log file.jsonl"]).code(1);
    said(
        &run,
        &[
            "acknowledged: line 2, position 2\n",
            "error: line 3: missing field `type`",
            "hint: kept: everything up to line 2, position 2; ",
            "to go on: cat 'log file.jsonl' | tail -n +3 | annals -s store import -",
        ],
    );
    assert_eq!(session.field(&["events"], "position"), [1, 2]);
}

#[test]
fn bad_lines_are_skipped_listed_and_counted() {
    let session = Session::new();
    let bad = "nonsense\n".repeat(25);
    let run = session.import(&format!("{}{bad}{}", lines(1), lines(1)), &["--skip-bad"]).success();
    said(
        &run,
        &[
            "skipped: line 2: not JSON: ",
            "skipped: line 21: ",
            "skipped: 25 bad lines in all; the first 20 are listed above\n",
            "acknowledged: line 27, position 2\n",
            "imported: 2 events",
        ],
    );
    assert!(!stderr(&run).contains("line 22:"));
}

#[test]
fn an_id_is_taken_once() {
    let with_id = |stream: &str| {
        let id = "0190a5b2-0000-7000-8000-000000000001";
        format!("{{\"stream\":\"{stream}\",\"type\":\"T\",\"data\":1,\"id\":\"{id}\"}}\n")
    };
    let session = Session::with(&with_id("order-1"));
    let run = session.import(&format!("{}{}", lines(1), with_id("order-2")), &[]).code(1);
    said(
        &run,
        &[
            "error: line 2: id 0190a5b2-0000-7000-8000-000000000001 is already at position 1, with \
             another stream\n",
            "kept: everything up to line 1, position 2",
        ],
    );
}

#[test]
fn names_and_sizes_outside_the_limits_are_bad_lines() {
    let session = Session::new();
    let event = |stream: &str, kind: &str, tag: &str| {
        format!("{{\"stream\":\"{stream}\",\"type\":\"{kind}\",\"data\":1,\"tags\":[\"{tag}\"]}}\n")
    };
    let bad = [
        event("", "T", "t"),
        event(" s", "T", "t"),
        event("a\\u0007b", "T", "t"),
        event(&"s".repeat(513), "T", "t"),
        event("s", "", "t"),
        event("s", &"T".repeat(257), "t"),
        event("s", "T", ""),
        event("s", "T", &"t".repeat(257)),
        event("s", "T", "t"),
    ];
    let run = session.import(&bad.concat(), &["--skip-bad"]).success();
    said(
        &run,
        &[
            "line 1: the stream name is empty",
            "line 4: the stream name has 513 bytes, more than the 512 allowed",
            "line 6: the event type has 257 bytes",
            "line 8: the tag has 257 bytes",
            "8 bad lines in all",
            "imported: 1 events",
        ],
    );
}

#[test]
fn the_largest_event_is_taken_and_one_byte_more_is_not() {
    let session = Session::new();
    let event = |bytes: usize| {
        let text = "x".repeat(bytes - 2);
        format!("{{\"stream\":\"big-1\",\"type\":\"T\",\"data\":\"{text}\"}}\n")
    };
    const MAX: usize = 16 << 20;
    let run = session.import(&format!("{}{}", event(MAX), event(MAX + 1)), &[]).code(1);
    said(&run, &["line 2: the event's data has 16777217 bytes, more than the 16777216 allowed"]);
    let data = session.field(&["read", "big-1"], "data");
    assert_eq!(data[0].as_str().unwrap().len(), MAX - 2);
}

#[test]
fn names_are_any_text() {
    let session = Session::with(
        "{\"stream\":\"заказ-№1\",\"type\":\"Оплачен 💶\",\"data\":\"日本\",\"tags\":[\"stad:Örebro\"]}\n",
    );
    let event = session.json(&["read", "заказ-№1"]).remove(0);
    assert_eq!(event["type"], "Оплачен 💶");
    assert_eq!(event["data"], "日本");
    assert_eq!(event["tags"][0], "stad:Örebro");
    assert_eq!(session.field(&["streams", "--category", "заказ"], "stream"), ["заказ-№1"]);
}

#[test]
fn nothing_is_something_to_import() {
    let session = Session::new();
    said(&session.import("", &[]).success(), &["imported: 0 events in "]);
    said(&session.import("\n  \n", &[]).success(), &["imported: 0 events in "]);
    session.run(&["events"]).success().stdout_eq("");
}

#[test]
fn a_mistyped_file_makes_no_store() {
    let session = Session::new();
    said(
        &session.run(&["import", "nowhere.jsonl"]).code(1),
        &["error: nowhere.jsonl cannot be read"],
    );
    said(&session.run(&["import", "."]).code(1), &["error: . is a folder"]);
    assert!(!session.store().exists());
}
