//! Real event logs, where they are at hand: all of them come out as they went in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::value::RawValue;

use crate::session::{Session, said};

type Fields = BTreeMap<String, Box<RawValue>>;

fn fields(line: &str) -> Fields {
    serde_json::from_str(line).unwrap()
}

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    ["permits", "incidents", "recruiting"]
        .map(|name| folder.join(format!("{name}.jsonl.gz")))
        .into_iter()
        .filter(|log| log.exists())
        .collect()
}

/// Compares an export with the logs it came from, field by field and byte by byte.
fn compare(session: &Session, logs: &[PathBuf]) {
    let export = session.run(&["events", "--format", "jsonl"]).success();
    let mut exported = export.get_output().stdout.lines().map(Result::unwrap);
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    let mut position = 0;
    for log in logs {
        let source = BufReader::new(GzDecoder::new(File::open(log).unwrap()));
        for line in source.lines() {
            position += 1;
            let (source, mut out) = (fields(&line.unwrap()), fields(&exported.next().unwrap()));
            let version = versions.entry(source["stream"].get().to_owned()).or_default();
            *version += 1;
            assert_eq!(out.remove("position").unwrap().get(), position.to_string());
            assert_eq!(out.remove("version").unwrap().get(), version.to_string());
            assert!(out.remove("id").is_some() && out.remove("recorded_at").is_some());
            assert!(source.keys().eq(out.keys()), "{:?}", out.keys());
            for (name, value) in &source {
                assert_eq!(value.get(), out[name].get(), "{name} of event {position}");
            }
        }
    }
    assert!(exported.next().is_none());
}

#[test]
fn real_logs_come_out_equal() {
    let logs = logs();
    let session = Session::new();
    for log in &logs {
        let run = session.run(&["import", log.to_str().unwrap()]).success();
        said(&run, &["imported: "]);
    }
    if logs.is_empty() {
        return;
    }
    compare(&session, &logs);
    session.run(&["verify"]).success();
    session.run(&["rebuild-index"]).success();
    compare(&session, &logs);
    session.run(&["append", "order-1", "--type", "Placed", "--expect", "none"]).success();
    session.run(&["verify"]).success();
}

#[test]
fn real_history_is_stamped_with_its_own_times() {
    for log in logs() {
        let session = Session::new();
        session.run(&["import", log.to_str().unwrap(), "--recorded-at"]).success();
        compare(&session, std::slice::from_ref(&log));
        let stats = session.json(&["stats", "--json"]).remove(0);
        let first = session.field(&["events", "--limit", "1"], "recorded_at").remove(0);
        assert_eq!(stats["recorded_first"], first);
        assert!(first.as_str().unwrap() < "2020");
    }
}
