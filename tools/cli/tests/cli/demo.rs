//! The demo runs from beginning to end, and leaves other stores alone.

use crate::session::{Session, annals, lines, said, stdout};

#[test]
fn the_demo_shows_what_it_promises() {
    let session = Session::new();
    let demo = |args: &[&str]| {
        annals().current_dir(session.path(".")).arg("demo").args(args).args(["--events", "3000"])
    };
    let run = demo(&["my demo"]).env("ANNALS_STORE", session.store()).assert().success();
    let story = stdout(&run);
    for text in [
        "1. Fill it, buffered",
        "events/s",
        "appends/s, each waiting for the disk",
        "refused: ",
        "GiftWrapAdded",
        "NoteAdded",
        "opened in ",
        "clean: every byte is what was written",
        "bytes an event",
        "-s 'my demo' stats",
    ] {
        assert!(story.contains(text), "{text:?} is not in:\n{story}");
    }
    assert!(!story.contains('\u{1b}'), "colours off a terminal");
    said(&demo(&["my demo"]).assert().code(1), &["has a store already", "rm -r 'my demo'"]);
    assert!(!session.store().exists());
    demo(&[]).assert().success();
    assert!(session.path("annals-demo").exists());
}

#[test]
fn the_demo_fills_no_other_store() {
    let session = Session::with(&lines(1));
    said(&session.run(&["demo"]).code(1), &["store has a store already; it was left as it is"]);
    assert_eq!(session.json(&["stats", "--json"])[0]["events"], 1);
}
