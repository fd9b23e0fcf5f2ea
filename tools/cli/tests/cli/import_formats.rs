//! What can be imported: plain, gzip, other content than JSON, and what the tool itself exports.

use crate::session::{Session, gzip, lines, said, stdout};

#[test]
fn gzip_is_known_by_its_first_bytes() {
    let session = Session::new();
    // Two members, as `cat a.gz b.gz` makes them; the name says nothing.
    let packed = [gzip(&lines(3)), gzip(&lines(2))].concat();
    std::fs::write(session.path("packed"), packed).unwrap();
    said(&session.run(&["import", "packed"]).success(), &["imported: 5 events"]);
    assert_eq!(session.field(&["events"], "position"), [1, 2, 3, 4, 5]);
}

#[test]
fn gzip_that_is_cut_off_is_told_and_what_came_before_is_kept() {
    let session = Session::new();
    let mut packed = gzip(&lines(20_000));
    packed.truncate(packed.len() / 2);
    std::fs::write(session.path("cut.gz"), packed).unwrap();
    let run = session.run(&["import", "cut.gz"]).code(1);
    said(
        &run,
        &[
            "error: cut.gz: the gzip data ends in the middle, the file is cut off, behind line ",
            "hint: kept: everything up to line ",
            "to go on: zcat cut.gz | tail -n +",
        ],
    );
    let events = session.json(&["stats", "--json"])[0]["events"].as_u64().unwrap();
    assert!((1..20_000).contains(&events), "{events}");
    let last = session.field(&["events", "--backward", "--limit", "1"], "data").remove(0);
    assert_eq!(last["n"], events);
}

#[test]
fn gzip_with_a_flipped_byte_is_told() {
    let session = Session::new();
    let mut packed = gzip(&lines(1_000));
    let middle = packed.len() / 2;
    packed[middle] ^= 0x40;
    std::fs::write(session.path("bad.gz"), packed).unwrap();
    session.run(&["import", "bad.gz"]).code(1);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_no_harm() {
    let session = Session::new();
    let text = format!("\u{feff}{}", lines(2).replace('\n', "\r\n"));
    session.import(&text, &[]).success();
    assert_eq!(session.field(&["events"], "position"), [1, 2]);
}

#[test]
fn text_and_bytes_come_back_as_they_went() {
    let session = Session::with(concat!(
        r#"{"stream":"s","type":"T","data_text":"line one\nline \"two\""}"#,
        "\n",
        r#"{"stream":"s","type":"T","data_base64":"/wAB"}"#,
        "\n",
        r#"{"stream":"s","type":"T","content":"json","data_text":"{broken"}"#,
        "\n",
        r#"{"stream":"s","type":"T","data":null,"metadata_text":"no json"}"#,
        "\n",
    ));
    let events = session.json(&["events"]);
    assert_eq!(events[0]["data_text"], "line one\nline \"two\"");
    assert_eq!(events[0].get("content"), None);
    assert_eq!(events[1]["data_base64"], "/wAB");
    assert_eq!(events[2]["content"], "json");
    assert_eq!(events[2]["data_text"], "{broken");
    assert!(events[3]["data"].is_null() && events[3].get("data").is_some());
    assert_eq!(events[3]["metadata_text"], "no json");
}

#[test]
fn an_export_is_an_import() {
    let session = Session::with(&lines(10));
    session.run(&["append", "text-1", "--type", "T", "--metadata", "{\"a\":1}"]).success();
    let exported = stdout(&session.run(&["events", "--format", "jsonl"]).success());
    let copy = Session::new();
    copy.import(&exported, &["--recorded-at"]).success();
    copy.run(&["events", "--format", "jsonl"]).success().stdout_eq(exported.clone());
    // The ids came along, so a second time adds nothing; not even where they were derived from.
    for again in [&copy, &session] {
        let run = again.import(&exported, &["--recorded-at"]).success();
        said(&run, &["imported: 11 events, all of them were in the store already, in "]);
        again.run(&["events", "--format", "jsonl"]).success().stdout_eq(exported.clone());
    }
}

#[test]
fn unknown_fields_are_not_lost_unsaid() {
    let session = Session::new();
    let line = r#"{"stream":"s","type":"T","data":1,"payload":2}"#;
    said(&session.import(line, &[]).code(1), &["line 1: unknown field `payload`"]);
}
