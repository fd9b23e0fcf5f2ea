//! `--as-of`: the store as it was at a position or a time.

use crate::session::{Session, said};

/// One event a day from 2010-01-01 on: order-1, order-2, order-1, order-3, order-1.
fn session() -> Session {
    let streams = ["order-1", "order-2", "order-1", "order-3", "order-1"];
    let text: String = streams
        .iter()
        .zip(1..)
        .map(|(stream, day)| {
            let time = format!("2010-01-{day:02}T00:00:00Z");
            format!(r#"{{"stream":"{stream}","type":"T","data":1,"recorded_at":"{time}"}}"#) + "\n"
        })
        .collect();
    let session = Session::new();
    session.import(&text, &["--recorded-at"]).success();
    session
}

#[test]
fn a_position_or_a_time_names_the_same_past() {
    let session = session();
    for (as_of, position) in [
        ("0", 0),
        ("3", 3),
        ("5", 5),
        ("2009-12-31", 0),
        // What was recorded at that very time is included.
        ("2010-01-03", 3),
        ("2010-01-03T00:00:00Z", 3),
        ("2010-01-03T01:00:00+01:00", 3),
        ("2010-01-02T23:59:59.999999Z", 2),
        ("2010-01-03T17:00:00Z", 3),
        ("2020-01-01", 5),
    ] {
        let all: Vec<u64> = (1..=position).collect();
        assert_eq!(session.field(&["events", "--as-of", as_of], "position"), all, "{as_of}");
        let stats = session.json(&["stats", "--json", "--as-of", as_of]).remove(0);
        assert_eq!(stats["events"], position, "{as_of}");
        assert_eq!(stats["head"], position, "{as_of}");
    }
}

#[test]
fn streams_are_as_they_were() {
    let session = session();
    let streams = |as_of: &str| {
        let listed = session.json(&["streams", "--as-of", as_of]);
        let line = |stream: &serde_json::Value| {
            format!("{} {} {}", stream["stream"], stream["version"], stream["position"])
        };
        listed.iter().map(line).collect::<Vec<_>>().join("; ").replace('"', "")
    };
    assert_eq!(streams("0"), "");
    assert_eq!(streams("2"), "order-1 1 1; order-2 1 2");
    assert_eq!(streams("2010-01-04"), "order-1 2 3; order-2 1 2; order-3 1 4");

    let versions =
        |options: &[&str]| session.field(&[&["read", "order-1"], options].concat(), "version");
    assert_eq!(versions(&["--as-of", "4"]), [1, 2]);
    assert_eq!(versions(&["--as-of", "2010-01-04", "--backward", "--limit", "1"]), [2]);
    assert_eq!(versions(&["--as-of", "5", "--from", "2"]), [2, 3]);
    let table = ["read", "order-1", "--from", "3", "--as-of", "4", "--format", "table"];
    said(&session.run(&table).success(), &["no events in this range; the stream was at version 2"]);
    let stats = session.json(&["stats", "--json", "--as-of", "2"]).remove(0);
    assert_eq!(stats["streams"], 2);
    assert_eq!(stats["recorded_last"], "2010-01-02T00:00:00.000000Z");
}

#[test]
fn a_stream_that_came_later_is_told() {
    let session = session();
    said(
        &session.run(&["read", "order-3", "--as-of", "3"]).code(1),
        &[
            "error: no stream \"order-3\" at position 3",
            "hint: its first event is at position 4, recorded at 2010-01-04T00:00:00.000000Z",
        ],
    );
    said(&session.run(&["read", "order-4", "--as-of", "3"]).code(1), &["hint: did you mean"]);
}

#[test]
fn what_is_no_past_is_usage() {
    let session = session();
    for verb in
        [&["events"][..], &["read", "order-1"], &["streams"], &["stats"], &["history", "order-1"]]
    {
        let usage = |as_of: &str, texts: &[&str]| {
            said(&session.run(&[verb, &["--as-of", as_of]].concat()).code(2), texts);
        };
        usage("6", &["error: --as-of 6 lies beyond the newest event, which is at position 5"]);
        usage("2999-01-01", &["error: --as-of 2999-01-01T00:00:00.000000Z lies in the future"]);
        usage("yesterday", &["\"yesterday\" is no moment", "a position is a number such as 42"]);
        usage("99999999999999999999", &["no store has so many events"]);
        usage("", &["--as-of"]);
    }
}
