//! `state`, `diff` and `history`: what the events of a stream come to, and when.

use serde_json::{Value, json};
use snapbox::str;

use crate::session::{Session, said, stderr, stdout};

/// An order of four events, a day apart from 2010-01-01 on, with another stream between.
fn session() -> Session {
    let events = [
        ("order-42", "Placed", r#"{"status":"placed","total":42,"to":{"city":"Delft"}}"#),
        ("user-1", "Named", r#"{"name":"Ada"}"#),
        ("order-42", "Paid", r#"{"status":"paid"}"#),
        ("order-42", "Readdressed", r#"{"to":{"city":null,"street":"Markt 1"}}"#),
        ("order-42", "Paid", r#"{"status":"paid","total":40}"#),
    ];
    let text: String = events
        .iter()
        .zip(1..)
        .map(|((stream, kind, data), day)| {
            format!(
                r#"{{"stream":"{stream}","type":"{kind}","data":{data},"recorded_at":"2010-01-{day:02}T00:00:00Z"}}"#
            ) + "\n"
        })
        .collect();
    let session = Session::new();
    session.import(&text, &["--recorded-at"]).success();
    session
}

/// An order whose second event is not JSON.
fn faulty() -> Session {
    let session = Session::with(concat!(
        r#"{"stream":"it's","type":"A","data":{"a":1}}"#,
        "\n",
        r#"{"stream":"it's","type":"B","data_text":"no JSON"}"#,
        "\n",
        r#"{"stream":"it's","type":"C","data":{"c":3}}"#,
        "\n",
    ));
    session.run(&["read", "it's"]).success();
    session
}

fn state(session: &Session, options: &[&str]) -> Value {
    let args = [&["state", "order-42", "--format", "json"], options].concat();
    let mut lines = session.json(&args);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[test]
fn the_state_now() {
    let state = state(&session(), &[]);
    assert_eq!(
        state,
        json!({
            "stream": "order-42",
            "version": 4,
            "position": 5,
            "recorded_at": "2010-01-05T00:00:00.000000Z",
            "state": { "status": "paid", "total": 40, "to": { "street": "Markt 1" } },
        })
    );
}

#[test]
fn a_version_or_a_time_names_the_same_past() {
    let session = session();
    for (at, version, position) in [
        ("0", 0, 0),
        ("1", 1, 1),
        ("2", 2, 3),
        ("4", 4, 5),
        ("2009-12-31", 0, 0),
        ("2010-01-01", 1, 1),
        ("2010-01-02", 1, 1),
        ("2010-01-03T01:00:00+01:00", 2, 3),
        ("2010-01-02T23:59:59.999999Z", 1, 1),
        ("2020-01-01", 4, 5),
    ] {
        let state = state(&session, &["--at", at]);
        assert_eq!((&state["version"], &state["position"]), (&json!(version), &json!(position)));
        let total = match version {
            0 => Value::Null,
            4 => json!(40),
            _ => json!(42),
        };
        assert_eq!(state["state"]["total"], total, "{at}");
    }
}

#[test]
fn before_the_first_event() {
    let session = session();
    for at in ["0", "2009-12-31"] {
        let run = session.run(&["state", "order-42", "--at", at]).success();
        let line: Value = serde_json::from_str(&stdout(&run)).unwrap();
        assert_eq!(
            line,
            json!({
                "stream": "order-42", "version": 0, "position": 0, "recorded_at": null, "state": {}
            })
        );
        said(
            &run,
            &["note: --at lies before the first event of \"order-42\", which was recorded at \
               2010-01-01T00:00:00.000000Z"],
        );
    }
}

#[test]
fn the_folds() {
    let session = session();
    let of = |fold: &str, at: &str| state(&session, &["--fold", fold, "--at", at])["state"].clone();
    assert_eq!(of("merge", "2"), json!({"status": "paid", "total": 42, "to": {"city": "Delft"}}));
    assert_eq!(of("count", "4"), json!({ "Paid": 2, "Placed": 1, "Readdressed": 1 }));
    assert_eq!(of("count", "0"), json!({}));
    let last = of("last-by-type", "4");
    assert_eq!(last["Paid"], json!({ "status": "paid", "total": 40 }));
    assert_eq!(last["Readdressed"], json!({ "to": { "city": null, "street": "Markt 1" } }));
    said(&session.run(&["state", "order-42", "--fold", "sum"]).code(2), &["last-by-type, count"]);
}

#[test]
fn states_for_people() {
    let session = session();
    session.run(&["state", "order-42", "--at", "3", "--format", "text"]).success().stdout_eq(str![
        [r#"
order-42: version 3, position 4, recorded at 2010-01-04T00:00:00.000000Z
{
  "status": "paid",
  "to": {
    "street": "Markt 1"
  },
  "total": 42
}

"#]
    ]);
    session.run(&["state", "order-42", "--at", "0", "--format", "text"]).success().stdout_eq(str![
        [r#"
order-42: version 0, before the first event
{}

"#]
    ]);
}

#[test]
fn a_diff() {
    let session = session();
    let args = ["diff", "order-42", "--from", "1", "--to", "2010-01-04", "--format"];
    session.run(&[&args[..], &["text"]].concat()).success().stdout_eq(str![[r#"
from  version 1, position 1, recorded at 2010-01-01T00:00:00.000000Z
POSITION  VERSION  TYPE         RECORDED AT           OCCURRED AT  DATA
       3        2  Paid         2010-01-03 00:00:00Z               {"status":"paid"}
       4        3  Readdressed  2010-01-04 00:00:00Z               {"to":{"city":null,"street":"Markt 1"}}
to    version 3, position 4, recorded at 2010-01-04T00:00:00.000000Z
/status: "placed" → "paid"
-/to/city: "Delft"
+/to/street: "Markt 1"

"#]]);
    let line = session.json(&[&args[..], &["json"]].concat()).remove(0);
    assert_eq!(line["stream"], "order-42");
    assert_eq!((&line["from"]["version"], &line["to"]["version"]), (&json!(1), &json!(3)));
    assert_eq!(line["from"]["state"], state(&session, &["--at", "1"])["state"]);
    assert_eq!(line["to"]["state"], state(&session, &["--at", "3"])["state"]);
    let read = session.json(&["read", "order-42", "--from", "2", "--limit", "2"]);
    assert_eq!(line["events"], json!(read));
    assert_eq!(
        line["changes"],
        json!([
            { "path": "/status", "before": "placed", "after": "paid" },
            { "path": "/to/city", "before": "Delft" },
            { "path": "/to/street", "after": "Markt 1" },
        ])
    );
}

#[test]
fn the_ends_of_a_diff() {
    let session = session();
    let diff =
        |options: &[&str]| session.json(&[&["diff", "order-42"], options].concat()).remove(0);
    let all = diff(&["--from", "2000-01-01"]);
    assert_eq!((&all["from"]["version"], &all["to"]["version"]), (&json!(0), &json!(4)));
    assert_eq!(all["events"].as_array().unwrap().len(), 4);
    let none = diff(&["--from", "2", "--to", "2"]);
    assert_eq!((&none["events"], &none["changes"]), (&json!([]), &json!([])));
    let run = session.run(&["diff", "order-42", "--from", "2", "--to", "2", "--format", "text"]);
    assert!(stdout(&run.success()).ends_with("no change\n"));
    let counts = diff(&["--from", "3", "--fold", "count"]);
    assert_eq!(counts["changes"], json!([{ "path": "/Paid", "before": 1, "after": 2 }]));
    said(
        &session.run(&["diff", "order-42", "--from", "3", "--to", "2010-01-03"]).code(2),
        &["error: --from lies behind --to: the stream had version 3 at the one and 2 at the other"],
    );
    said(&session.run(&["diff", "order-42"]).code(2), &["--from <VERSION|TIME>"]);
    let beyond = "error: --to 5 lies beyond the newest event of \"order-42\", which has version 4";
    said(&session.run(&["diff", "order-42", "--from", "1", "--to", "5"]).code(2), &[beyond]);
}

#[test]
fn a_history() {
    let session = session();
    session.run(&["history", "order-42", "--format", "table"]).success().stdout_eq(str![[r#"
VERSION  RECORDED AT           TYPE         CHANGED
      1  2010-01-01 00:00:00Z  Placed       +/status: "placed"; +/to: {"city":"Delft"}; +/total: 42
      2  2010-01-03 00:00:00Z  Paid         /status: "placed" → "paid"
      3  2010-01-04 00:00:00Z  Readdressed  -/to/city: "Delft"; +/to/street: "Markt 1"
      4  2010-01-05 00:00:00Z  Paid         /total: 42 → 40

"#]]);
    let lines = session.json(&["history", "order-42", "--as-of", "3", "--fold", "count"]);
    assert_eq!(
        lines,
        [
            json!({
                "version": 1, "position": 1, "type": "Placed",
                "recorded_at": "2010-01-01T00:00:00.000000Z",
                "changes": [{ "path": "/Placed", "after": 1 }],
            }),
            json!({
                "version": 2, "position": 3, "type": "Paid",
                "recorded_at": "2010-01-03T00:00:00.000000Z",
                "changes": [{ "path": "/Paid", "after": 1 }],
            }),
        ]
    );
}

#[test]
fn what_is_no_point_of_the_stream_is_usage() {
    let session = session();
    let usage = |at: &str, texts: &[&str]| {
        said(&session.run(&["state", "order-42", "--at", at]).code(2), texts);
    };
    usage(
        "5",
        &["error: --at 5 lies beyond the newest event of \"order-42\", which has version 4"],
    );
    usage("2999-01-01", &["error: --at 2999-01-01T00:00:00.000000Z lies in the future: leave it"]);
    usage("yesterday", &["\"yesterday\" is no moment", "a version is a number such as 42"]);
    usage("99999999999999999999", &["no stream has so many events"]);
}

#[test]
fn a_stream_that_is_not_there() {
    let session = session();
    for verb in [
        &["state", "oder-42"][..],
        &["state", "oder-42", "--at", "0"],
        &["diff", "oder-42", "--from", "1"],
        &["history", "oder-42"],
    ] {
        let run = session.run(verb).code(1);
        said(&run, &["error: no stream \"oder-42\"", "hint: did you mean order-42"]);
        assert_eq!(stdout(&run), "");
    }
    said(
        &session.run(&["history", "user-1", "--as-of", "1"]).code(1),
        &["error: no stream \"user-1\" at position 1", "hint: its first event is at position 2"],
    );
    said(&session.run(&["state", " x"]).code(2), &["the stream name \" x\" has"]);
}

#[test]
fn data_that_is_not_json() {
    let session = faulty();
    for verb in [&["state", "it's"][..], &["diff", "it's", "--from", "0"], &["history", "it's"]] {
        let run = session.run(verb).code(1);
        said(
            &run,
            &[
                "error: store: event 2 (B, version 2 of it's): its data is not JSON",
                r"hint: `annals -s store read 'it'\''s' --from 2 --limit 1` shows the event",
                "; --pass-over goes on without such events",
            ],
        );
        let run = session.run(&[verb, &["--pass-over"]].concat()).success();
        said(
            &run,
            &[
                "note: passed over: event 2 (B, version 2 of it's): its data is not JSON",
                "note: 1 event passed over, whose data is not JSON",
            ],
        );
    }
    let history = session.run(&["history", "it's"]);
    assert_eq!(stdout(&history).lines().count(), 1, "what comes before is shown");
    let args = ["state", "it's", "--pass-over"];
    let state = session.json(&args).remove(0);
    assert_eq!((&state["version"], &state["state"]), (&json!(3), &json!({ "a": 1, "c": 3 })));
    // Versions in front of it need nothing passed over, and a count does not look into data.
    assert_eq!(session.json(&["state", "it's", "--at", "1"]).remove(0)["state"], json!({"a": 1}));
    let counted = session.json(&["state", "it's", "--fold", "count"]).remove(0);
    assert_eq!(counted["state"], json!({ "A": 1, "B": 1, "C": 1 }));
}

#[test]
fn a_damaged_event_is_told_and_the_rest_folded() {
    let session = session();
    let segment = session.segments().remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let paid = br#"{"status":"paid"}"#;
    let at = bytes.windows(paid.len()).position(|window| window == paid).unwrap();
    bytes[at + 3] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let run = session.run(&["state", "order-42", "--at", "3"]).code(1);
    let line: Value = serde_json::from_str(&stdout(&run)).unwrap();
    assert_eq!(line["state"]["status"], "placed");
    assert_eq!(line["version"], 3);
    assert!(stderr(&run).contains("damaged:"), "{}", stderr(&run));
}
