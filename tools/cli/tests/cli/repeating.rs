//! Imports that are repeated: as a whole, after an interruption, with other content.

use crate::session::{Session, said, stdout};

fn id(n: u64) -> String {
    format!("0190a5b2-0000-7000-8000-{n:012}")
}

/// So many lines with ids, in three streams.
pub(crate) fn lines_with_ids(numbers: impl Iterator<Item = u64>) -> String {
    let line = |n| {
        let (stream, id) = (n % 3, id(n));
        format!(r#"{{"stream":"order-{stream}","type":"T","data":{{"n":{n}}},"id":"{id}"}}"#) + "\n"
    };
    numbers.map(line).collect()
}

fn export(session: &Session) -> String {
    stdout(&session.run(&["events", "--format", "jsonl"]).success())
}

#[test]
fn a_second_import_adds_nothing_and_says_so() {
    let lines = lines_with_ids(1..=10);
    let session = Session::with(&lines);
    let before = export(&session);
    let run = session.import(&lines, &["--batch", "3"]).success();
    said(
        &run,
        &[
            "acknowledged: line 3, position 3\n",
            "acknowledged: line 10, position 10\n",
            "imported: 10 events, all of them were in the store already, in ",
        ],
    );
    assert_eq!(export(&session), before);

    let more = session.import(&lines_with_ids(6..=12), &[]).success();
    said(
        &more,
        &[
            "imported: 7 events, 5 of them were in the store already, the others at positions 11 to 12,",
        ],
    );
    assert_eq!(session.field(&["events"], "position").len(), 12);
}

#[test]
fn an_import_that_stopped_in_the_middle_is_repeated() {
    for (first, second) in [("1", "1000"), ("4", "3"), ("1000", "1")] {
        let session = Session::new();
        let broken = format!("{}nonsense\n{}", lines_with_ids(1..=7), lines_with_ids(8..=10));
        let run = session.import(&broken, &["--batch", first]).code(1);
        said(
            &run,
            &[
                "error: line 8: not JSON",
                "hint: kept: everything up to line 7, position 7; to go on, repeat the import: what is \
                 there is passed over",
            ],
        );
        let run = session.import(&lines_with_ids(1..=10), &["--batch", second]).success();
        said(&run, &["imported: 10 events, 7 of them were in the store already, the others at"]);
        let numbers = session.field(&["events"], "data");
        assert!(numbers.iter().zip(1..).all(|(data, n)| data["n"] == n), "{numbers:?}");
        assert_eq!(numbers.len(), 10);
    }
}

#[test]
fn history_with_its_own_times_is_repeated_too() {
    let line = |n: u64| {
        let time = format!("2010-01-{n:02}T00:00:00Z");
        format!(r#"{{"stream":"s","type":"T","data":1,"id":"{}","occurred_at":"{time}"}}"#, id(n))
            + "\n"
    };
    let lines = |numbers: std::ops::RangeInclusive<u64>| numbers.map(line).collect::<String>();
    let session = Session::new();
    session.import(&lines(1..=4), &["--recorded-at"]).success();
    let run = session.import(&lines(1..=6), &["--recorded-at"]).success();
    said(&run, &["imported: 6 events, 4 of them were in the store already"]);
    assert_eq!(session.field(&["events"], "position").len(), 6);
    // A new line that lies before them is still bad.
    let late = line(3).replace(&id(3), &id(33));
    said(
        &session.import(&late, &["--recorded-at"]).code(1),
        &[
            "line 1: its time 2010-01-03T00:00:00.000000Z lies before the stamp of the store's newest",
        ],
    );
}

#[test]
fn events_that_were_appended_together_are_known_one_by_one() {
    let session = Session::new();
    {
        let store = annals::Store::open(session.store()).unwrap();
        let event = |n: u64| {
            let id: annals::EventId = id(n).parse().unwrap();
            annals::NewEvent::json("T", format!("{n}")).id(id)
        };
        let any = annals::ExpectedVersion::Any;
        let commit = annals::Commit::new().append("a", any, vec![event(1), event(2)]).append(
            "b",
            any,
            vec![event(3), annals::NewEvent::json("T", "4")],
        );
        store.commit(&commit).unwrap();
        store.close().unwrap();
    }
    let exported = export(&session);
    for part in [exported.as_str(), exported.split_inclusive('\n').nth(2).unwrap()] {
        let run = session.import(part, &[]).success();
        said(&run, &["all of them were in the store already"]);
    }
    assert_eq!(export(&session), exported);
}

#[test]
fn other_content_under_an_id_is_a_bad_line_that_says_what_differs() {
    let session = Session::with(&lines_with_ids(1..=3));
    let line = lines_with_ids(2..=2);
    for (from, to, differs) in [
        ("order-2", "order-3", "stream"),
        ("\"T\"", "\"U\"", "type"),
        ("{\"n\":2}", "{\"n\": 2}", "data"),
        ("\"type\"", "\"schema\":2,\"tags\":[\"a\"],\"type\"", "schema, tags"),
        ("\"type\"", "\"metadata\":{},\"type\"", "metadata"),
        ("\"type\"", "\"occurred_at\":\"2010-01-01T00:00:00Z\",\"type\"", "occurred_at"),
    ] {
        let changed = line.replace(from, to);
        let text = format!("{}{changed}", lines_with_ids(1..=1));
        let (id, bad) = (id(2), "is already at position 2, with another");
        let run = session.import(&text, &[]).code(1);
        said(&run, &[&format!("error: line 2: id {id} {bad} {differs}\n")]);
        let run = session.import(&text, &["--skip-bad"]).success();
        said(
            &run,
            &[&format!("skipped: line 2: id {id} {bad} {differs}\n"), "imported: 1 events, all"],
        );
    }
    assert_eq!(session.field(&["events"], "position").len(), 3);
}

#[test]
fn lines_without_ids_are_appended_each_time() {
    let session = Session::with(&crate::session::lines(2));
    said(&session.import(&crate::session::lines(2), &[]).success(), &["at positions 3 to 4 in"]);
}
