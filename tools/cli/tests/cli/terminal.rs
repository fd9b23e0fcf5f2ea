//! Names and data from a log that somebody made by hand: no verb lets them drive a terminal.

use annals_tests::crafted::{self, EPOCH, Fields, Frame, Segment, table};

use crate::session::{Session, stdout};

/// Clears the screen and sets its title, in three ways; an order that is turned round.
const NAMES: [&str; 4] =
    ["s\u{1b}[2J", "s\u{9b}2J", "s\r\u{7}\u{8}\u{1b}]0;t\u{7}", "s\u{202e}cod"];

/// An event that is nothing else either.
fn event(text: &str) -> Vec<u8> {
    let put = |fields: Fields, text: &str| fields.varint(text.len() as u64).bytes(text.as_bytes());
    let head = put(Fields::default().bytes(&[2, 1]).varint(1), text);
    put(head.varint(1), text).bytes(text.as_bytes()).0
}

#[test]
fn control_characters_of_a_crafted_log_are_not_shown() {
    let session = Session::new();
    let mut segment = Segment::begin();
    for (position, name) in (1..).zip(NAMES) {
        let mut frame = Frame::commit("s", 1, position, vec![event(name)]);
        frame.table = table(&[(1, name)]);
        segment.push(&frame);
    }
    // The last one is damaged: its stream is named in what is told of it.
    let last = segment.bytes.len() - 1;
    segment.bytes[last] ^= 1;
    segment.save(&session.store(), 4096);
    let state = crafted::state(2, EPOCH, (4, 0), (4, 0));
    std::fs::write(session.store().join("state"), state).unwrap();

    for verb in [
        &["events"][..],
        &["events", "--format", "table"],
        &["streams", "--format", "table"],
        &["stats"],
        &["verify"],
        &["verify", "--json"],
        &["read", NAMES[0], "--format", "table"],
        &["read", NAMES[3]],
        &["events", "--tag", NAMES[1]],
        &["state", NAMES[0], "--fold", "count"],
        &["state", NAMES[0], "--fold", "count", "--format", "text"],
        &["state", NAMES[1]],
        &["history", NAMES[1], "--fold", "count"],
        &["history", NAMES[2], "--fold", "count", "--format", "table"],
        &["diff", NAMES[2], "--from", "0", "--fold", "count", "--format", "text"],
    ] {
        let run = session.run(verb);
        let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        // What goes to a pipe as JSON is for programs, and escapes what JSON must.
        let is_json = verb.iter().any(|word| word.contains("json"))
            || !verb.contains(&"table")
                && !verb.contains(&"text")
                && !["stats", "verify"].contains(&verb[0]);
        let harms = |c: char| {
            let is_control = if is_json { c < ' ' } else { c.is_control() || c == '\u{202e}' };
            is_control && c != '\n'
        };
        assert!(!stdout(&run).contains(harms), "{verb:?}: {:?}", stdout(&run));
        let drives = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!said.contains(drives), "{verb:?}: {said:?}");
    }
}
