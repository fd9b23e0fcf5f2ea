//! Prints how Annals stands beside the limit and beside what else an engineer would take, as a
//! Markdown table. It measures and judges nothing: always exits 0.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use annals_benches::folder;
use annals_benches::workload::LABEL;
use annals_peers::compare::{Bench, Options, stores, table};
use annals_peers::engine::Kind;
use annals_peers::engines::plain;
use clap::Parser;

/// Annals beside the limit of the machine and beside what else an engineer would take.
#[derive(Parser)]
struct Args {
    /// Events in the stores.
    #[arg(long, default_value_t = Options::EVENTS)]
    events: usize,
    /// Rounds of each row; the median counts.
    #[arg(long, default_value_t = Options::ROUNDS, value_parser = rounds)]
    rounds: usize,
    /// Only rows whose name has this in it, or what else is given likewise.
    #[arg(long = "row", value_name = "TEXT")]
    rows: Vec<String>,
    /// Only this engine, and others given likewise.
    #[arg(long = "engine", value_name = "NAME", value_parser = engine)]
    engines: Vec<Kind>,
    /// Writes the figures to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Loads a store for the parent process and waits to be killed.
    #[arg(long, hide = true, num_args = 2, value_names = ["ENGINE", "FOLDER"])]
    load: Option<Vec<String>>,
}

fn rounds(text: &str) -> Result<usize, String> {
    let rounds: usize = text.parse().map_err(|_| "a number of rounds is expected".to_owned())?;
    (rounds > 0).then_some(rounds).ok_or_else(|| "at least one round is needed".to_owned())
}

fn engine(name: &str) -> Result<Kind, String> {
    let found = Options::all_engines().find(|kind| kind.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names: Vec<&str> = Options::all_engines().map(|kind| kind.name).collect();
        format!("the engines are: {}", names.join("; "))
    })
}

fn main() {
    let args = Args::parse();
    // Some engines print: that goes the way of the progress.
    let mut out = File::from(rustix::io::dup(std::io::stdout()).unwrap());
    rustix::stdio::dup2_stdout(std::io::stderr()).unwrap();
    if let Some([name, folder]) = args.load.as_deref() {
        let limit = (name == plain::KIND.name).then_some(plain::KIND);
        let kind = limit.unwrap_or_else(|| engine(name).unwrap());
        stores::load_and_wait(&kind, folder.as_ref(), args.events, &mut out);
    }
    let engines =
        if args.engines.is_empty() { Options::all_engines().collect() } else { args.engines };
    let loader = std::env::current_exe().unwrap();
    let Args { events, rounds, rows, .. } = args;
    let options = Options { events, rounds, rows, engines, loader };
    let about = format!(
        "{} events, {LABEL}; {}; medians of {} rounds that take turns",
        options.events,
        folder::describe(),
        options.rounds
    );
    writeln!(out, "{about}\n\n{}", table::head(&options)).unwrap();
    let mut measured = Vec::new();
    let mut show = |row| {
        writeln!(out, "{}", table::line(&row)).unwrap();
        measured.push(row);
    };
    Bench { options: options.clone(), show: &mut show }.run();
    writeln!(out, "\n{}", table::notes(&options, &measured)).unwrap();
    if let Some(file) = args.json {
        let json = serde_json::to_string_pretty(&table::json(&about, &options, &measured)).unwrap();
        std::fs::write(file, json).unwrap();
    }
}
