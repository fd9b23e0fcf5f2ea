//! Prints what becomes of a store that grows, its streams with it, as a Markdown table: buffered
//! appends of one event a call with the expected version checked, reads of whole streams, heads of
//! streams, openings, sizes, memory; beside a plain file, and plain reads of the same bytes at the
//! same places.
//!
//! `growth [--events N,N…] [--streams N,N…] [--index memory|rocksdb] [--zipf] [--json FILE]`: so many
//! events (1,000,000 and 10,000,000), each over as many streams as stand at the same place (a tenth
//! of the events), uniform or Zipf. Needs about 420 bytes of disk an event, and goes on with one
//! store after the other.
//!
//! "Cold" is what the system was told to forget of the store's files, and did not map: a disk with
//! memory of its own may still have it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use annals_benches::args::{Args, index_name};
use annals_benches::growth::{Figures, Size, load, serve};
use annals_benches::table::figure;
use annals_benches::workload::{DATA_BYTES, METADATA_BYTES, Spread};
use annals_benches::{folder, table};
use serde_json::{Value, json};

const EVENTS: [u64; 2] = [1_000_000, 10_000_000];
const EVENTS_PER_STREAM: u64 = 10;

fn main() {
    let mut args = Args::new();
    let events = args.numbers("--events").unwrap_or(EVENTS.to_vec());
    let streams = args.numbers("--streams");
    let streams =
        streams.unwrap_or_else(|| events.iter().map(|count| count / EVENTS_PER_STREAM).collect());
    let index = args.index().unwrap_or_default();
    let spread = if args.flag("--zipf") { Spread::Zipf } else { Spread::Uniform };
    let (json, part, root) = (args.value("--json"), args.value("--part"), args.value("--root"));
    let frame_bytes = args.number("--frame-bytes");
    args.end();
    assert_eq!(events.len(), streams.len(), "as many --streams as --events");
    let sizes: Vec<Size> = events
        .iter()
        .zip(&streams)
        .map(|(&events, &streams)| Size { events, streams, spread, index })
        .collect();

    // A process of its own for each part.
    if let (Some(part), Some(root)) = (part, root) {
        let root = Path::new(&root);
        let figures = match (&*part, frame_bytes) {
            ("serve", Some(frame_bytes)) => serve::run(root, sizes[0], frame_bytes),
            _ => load::run(root, sizes[0]),
        };
        println!("{}", Value::Object(figures));
        return;
    }
    let of = format!("{DATA_BYTES} B payload, {METADATA_BYTES} B metadata");
    println!("{of}, {spread:?}, index: {}; {}", index_name(index), folder::describe());
    println!();
    let all: Vec<Figures> = sizes.iter().map(|size| grow(*size)).collect();
    let mut head = vec!["".to_owned()];
    head.extend(sizes.iter().map(|size| {
        let [events, streams] = [size.events, size.streams].map(|count| figure(count as f64));
        format!("{events} events, {streams} streams")
    }));
    table::head(&head);
    let names: BTreeSet<&String> = all.iter().flat_map(Figures::keys).collect();
    for name in names {
        let cell = |figures: &Figures| figures.get(name).and_then(Value::as_f64).map(figure);
        let cells = all.iter().map(|figures| cell(figures).unwrap_or_default());
        table::row(&std::iter::once(name.clone()).chain(cells).collect::<Vec<_>>());
    }
    let figures = sizes.iter().zip(all).map(|(size, figures)| {
        json!({
            "events": size.events, "streams": size.streams, "index": index_name(index),
            "spread": format!("{spread:?}"), "figures": figures,
        })
    });
    table::save(json, &figures.collect());
}

/// Loads a store and serves it; nothing of it stays.
fn grow(size: Size) -> Figures {
    let folder = folder::fresh();
    let mut figures = part("load", folder.path(), size, 0.0);
    let frame_bytes = figures["frame, bytes"].as_f64().unwrap();
    figures.extend(part("serve", folder.path(), size, frame_bytes));
    figures
}

fn part(part: &str, root: &Path, size: Size, frame_bytes: f64) -> Figures {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--part", part, "--index", index_name(size.index)]);
    command.arg("--root").arg(root);
    for (name, value) in [
        ("--events", size.events),
        ("--streams", size.streams),
        ("--frame-bytes", frame_bytes as u64),
    ] {
        command.arg(name).arg(value.to_string());
    }
    if size.spread == Spread::Zipf {
        command.arg("--zipf");
    }
    let output = command.stderr(std::process::Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the {part} of {} events failed", size.events);
    serde_json::from_slice(&output.stdout).unwrap()
}
