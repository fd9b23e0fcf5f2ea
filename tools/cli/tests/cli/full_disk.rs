//! An import onto a disk that is full, on real file systems. Skipped, with a word, where the machine
//! does not let us mount them.

use annals_tests::small_disk::SmallDisk;
use snapbox::cmd::OutputAssert;

use crate::session::{annals, said, stdout};

const LINES: u64 = 6_000;
/// About half of the lines fit in.
const ROOM: u64 = 6 << 20;

fn lines() -> String {
    let filler = "x".repeat(2_000);
    let line = |n| {
        format!(
            r#"{{"stream":"order-{}","type":"T","data":{{"n":{n},"filler":"{filler}"}},"id":"0190a5b2-0000-7000-8000-{n:012}"}}"#,
            n % 3
        ) + "\n"
    };
    (1..=LINES).map(line).collect()
}

fn run(disk: &SmallDisk, args: &[&str]) -> OutputAssert {
    annals().arg("-s").arg(disk.path("store")).args(args).assert()
}

fn import(disk: &SmallDisk, lines: String) -> OutputAssert {
    let command = annals().arg("-s").arg(disk.path("store"));
    command.args(["import", "-", "--batch", "100"]).stdin(lines).assert()
}

fn events(disk: &SmallDisk) -> String {
    stdout(&run(disk, &["events", "--format", "jsonl"]).success())
}

#[test]
fn it_says_so_and_is_repeated() {
    for disk in SmallDisk::all() {
        import(&disk, String::new()).success();
        disk.leave(ROOM);
        let full = import(&disk, lines()).code(1);
        said(
            &full,
            &["error: line ", ": the disk is full: ", "hint: kept: everything up to line "],
        );
        said(&full, &["make room on the disk first", "to go on, repeat the import"]);
        // All that there is can be read, and trying again on the full disk adds nothing.
        let kept = events(&disk);
        let count = kept.lines().count() as u64;
        assert!(count > 100 && count < LINES, "{}: {count} lines were taken", disk.kind);
        said(&import(&disk, lines()).code(1), &["the disk is full: "]);
        assert_eq!(events(&disk), kept);
        run(&disk, &["verify"]).success();

        disk.leave(SmallDisk::BYTES);
        let done = format!("imported: {LINES} events, {count} of them were in the store already");
        said(&import(&disk, lines()).success(), &[&done]);
        let all = events(&disk);
        assert!(all.starts_with(&kept), "what was there has changed");
        let positions = all.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            (event["position"].as_u64().unwrap(), event["data"]["n"].as_u64().unwrap())
        });
        assert!(positions.eq((1..=LINES).map(|n| (n, n))), "an event is missing or there twice");
        run(&disk, &["verify"]).success();
    }
}
