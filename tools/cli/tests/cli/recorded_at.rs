//! `import --recorded-at`: history gets its own times, in order and past.

use crate::session::{Session, said};

fn at(time: &str) -> String {
    format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":1,\"occurred_at\":\"{time}\"}}\n")
}

#[test]
fn events_are_stamped_with_the_times_of_their_lines() {
    let session = Session::new();
    let both = r#"{"stream":"s","type":"T","data":1,"occurred_at":"2011-01-01T00:00:00Z","recorded_at":"2012-01-01T00:00:00.5Z"}"#;
    let text =
        [at("2010-01-01T01:00:00+01:00"), at("2010-01-01T00:00:00Z"), both.to_owned()].concat();
    session.import(&text, &["--recorded-at"]).success();
    assert_eq!(
        session.field(&["events"], "recorded_at"),
        [
            "2010-01-01T00:00:00.000000Z",
            "2010-01-01T00:00:00.000000Z",
            "2012-01-01T00:00:00.500000Z"
        ]
    );
    let range = ["events", "--since", "2010-01-01", "--until", "2012-01-01T00:00:00.5Z"];
    assert_eq!(session.field(&range, "position"), [1, 2]);
    // What is appended now follows.
    session.run(&["append", "s", "--type", "T"]).success();
}

#[test]
fn a_line_whose_time_does_not_fit_is_bad() {
    let session = Session::new();
    let text = [
        at("2015-06-01T00:00:00Z"),
        at("2015-05-31T23:59:59Z"),
        "{\"stream\":\"s\",\"type\":\"T\",\"data\":1}\n".to_owned(),
        at("2999-01-01T00:00:00Z"),
        at("2015-06-02T00:00:00Z"),
    ];
    let run = session.import(&text.concat(), &["--recorded-at", "--skip-bad"]).success();
    said(
        &run,
        &[
            "line 2: its time 2015-05-31T23:59:59.000000Z lies before that of the line before",
            "line 3: neither `recorded_at` nor `occurred_at`",
            "line 4: its time 2999-01-01T00:00:00.000000Z lies in the future",
            "imported: 2 events",
        ],
    );
    let run = session.import(&at("2015-06-01T12:00:00Z"), &["--recorded-at"]).code(1);
    said(
        &run,
        &["line 1: its time", "before the stamp of the store's newest event", "nothing was"],
    );
    session.import(&at("2015-06-02T00:00:00Z"), &["--recorded-at"]).success();
}

#[test]
fn without_it_the_clock_stamps() {
    let session = Session::with(&at("2010-01-01T00:00:00Z"));
    session.run(&["events", "--until", "2020-01-01"]).success().stdout_eq("");
    assert_eq!(session.field(&["events", "--since", "2020-01-01"], "position"), [1]);
}
