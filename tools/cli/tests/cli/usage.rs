//! Help, mistyped words, and where the store is looked for.

use crate::session::{Session, annals, lines, said, stdout};

#[test]
fn help_has_examples_for_each_verb() {
    let help = stdout(&annals().arg("--help").assert().success());
    assert!(
        help.contains(
            "Exit codes: 0 fine, 1 damage found or operation failed, 2 usage, 3 conflict"
        )
    );
    for verb in [
        "import",
        "append",
        "read",
        "events",
        "streams",
        "stats",
        "verify",
        "rebuild-index",
        "demo",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}");
        let help = stdout(&annals().args([verb, "--help"]).assert().success());
        assert!(help.contains("\n  annals ") && help.contains("Example"), "{verb}:\n{help}");
    }
}

#[test]
fn mistyped_words_are_usage() {
    said(&annals().arg("imprt").assert().code(2), &["unrecognized subcommand 'imprt'", "'import'"]);
    said(&annals().args(["-s", "x", "events", "--bakward"]).assert().code(2), &["'--backward'"]);
    let bad = [
        &["events", "--limit", "many"][..],
        &["events", "--since", "yesterday"],
        &["events", "--after", "-1"],
        &["events", "--format", "xml"],
        &["import", "x", "--batch", "0"],
        &["import"],
        &["read"],
        &["read", ""],
    ];
    for args in bad {
        annals().args(["-s", "x"]).args(args).assert().code(2);
    }
}

#[test]
fn the_store_is_named_by_option_or_variable() {
    said(&annals().arg("events").assert().code(2), &["error: no store was named", "ANNALS_STORE"]);
    annals().env("ANNALS_STORE", "").arg("events").assert().code(2);
    let session = Session::with(&lines(1));
    let store = session.store();
    annals().env("ANNALS_STORE", &store).args(["stats"]).assert().success();
    // The option counts more, and may stand behind the verb.
    annals().env("ANNALS_STORE", "nowhere").args(["stats", "-s"]).arg(&store).assert().success();
}
