//! `annals repair`: a damaged store made whole again, without what is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Loss, Repair, Repaired};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::humane::{counted, duration, plain, quoted};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::verify::{DamageLine, LossLine, TailLine};

const AFTER_HELP: &str = "\
The last resort: what a copy of the store still has is better put back than given up. Look first, \
with --dry-run, and keep a copy of the folder.

Each damaged segment is written anew with all that is intact of it. A copy of the old one is kept \
in the folder `damaged` of the store, with whatever else was in the log's folder and is no part of \
it. Every other event keeps its position and its version. The store says itself what it lost: reads \
pass over it, `verify` and `stats` tell of it, and its positions are never given again.

Nobody may have the store open for writing. Stopped in the middle, it can be run again. Exit code \
0: the store is whole, 1: it could not be done, or with --dry-run, there is something to repair.

Examples:
  annals -s shop repair --dry-run
  annals -s shop repair --json > lost.json";

/// Arguments of `annals repair`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only say what would be done and lost
    #[arg(long)]
    dry_run: bool,

    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct RepairLine<'a> {
    needed: bool,
    done: bool,
    head: u64,
    events_lost: u64,
    lost: Vec<LossLine<'a>>,
    damage: Vec<DamageLine<'a>>,
    torn_tail: Option<TailLine<'a>>,
    damaged_segments: &'a [String],
    missing_segments: u64,
    unsealed: &'a [String],
    strays: &'a [String],
    rewritten: &'a [String],
    filled: &'a [String],
    set_aside: Vec<AsideLine<'a>>,
}

#[derive(Serialize)]
struct AsideLine<'a> {
    from: &'a str,
    to: &'a str,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let verb = if args.dry_run { "looking" } else { "repairing" };
    let progress = Progress::new(verb, Unit::Bytes, Some(0));
    let report = &mut |done, total| progress.set(done, total);
    let found = if args.dry_run {
        annals::plan_repair(folder, report)
    } else {
        annals::repair(folder, report)
    };
    let repair = found.map_err(|error| Failure::store(&error, folder))?;
    drop(progress);

    let mut out = Output::new();
    if args.json {
        out.json(&json(&repair))?;
    } else {
        for line in lines(&repair, begun.elapsed()) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    let path = folder.display().to_string();
    if is_hopeless(&repair) {
        let message = format!("{path}: the store has damage that no repair ends");
        return Err(Failure::failed(message).hint("restore a copy"));
    }
    if !args.dry_run || repair.is_needless() {
        return Ok(Exit::Fine);
    }
    let message = format!("{path}: the store has damage that a repair would end");
    let again = format!("`annals -s {} repair` does what is said above", quoted(&path));
    Err(Failure::failed(message).hint(format!("restore a copy if there is one; else {again}")))
}

/// Whether there is damage, and nothing to be done about it.
fn is_hopeless(repair: &Repair) -> bool {
    repair.is_needless() && !repair.damage.is_empty()
}

fn json(repair: &Repair) -> RepairLine<'_> {
    let nothing = &[][..];
    let done = repair.done.as_ref();
    let aside = done.map_or(nothing, |done| &done.set_aside).iter();
    RepairLine {
        needed: !repair.is_needless(),
        done: done.is_some(),
        head: repair.head.get(),
        events_lost: repair.events_lost(),
        lost: repair.losses.iter().map(LossLine::new).collect(),
        damage: repair.damage.iter().map(DamageLine::new).collect(),
        torn_tail: repair.torn_tail.as_ref().map(TailLine::new),
        damaged_segments: &repair.segments,
        missing_segments: repair.missing_segments,
        unsealed: &repair.unsealed,
        strays: &repair.strays,
        rewritten: done.map_or(&[], |done| &done.rewritten),
        filled: done.map_or(&[], |done| &done.filled),
        set_aside: aside.map(|(from, to)| AsideLine { from, to }).collect(),
    }
}

/// The repair in words.
fn lines(repair: &Repair, time: Duration) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        repair.damage.iter().map(|damage| format!("damaged: {}", plain(&damage.to_string()))),
    );
    lines.extend(repair.torn_tail.iter().map(|tail| format!("torn tail, no damage: {tail}")));
    lines.extend(repair.losses.iter().map(|loss| format!("lost: {}", plain(&loss.to_string()))));
    let unsealed = repair.unsealed.iter();
    lines.extend(unsealed.map(|name| format!("footer or link made again: {name}")));
    lines.extend(repair.strays.iter().map(|name| format!("no part of the log: {name}")));
    if repair.is_needless() {
        let verdict = if is_hopeless(repair) {
            "nothing of this can be repaired"
        } else {
            "nothing to repair"
        };
        lines.push(verdict.to_owned());
        return lines;
    }
    let lost = counted(repair.events_lost(), "event");
    let segments = counted(repair.segments.len() as u64, "segment");
    match &repair.done {
        None => lines.push(format!(
            "would write {segments} anew, make {} for missing ones, put {} aside, and give up {lost} \
             of {}",
            repair.missing_segments,
            counted(repair.strays.len() as u64, "file"),
            repair.head
        )),
        Some(done) => lines.extend(deeds(done, repair, &lost, time)),
    }
    lines
}

fn deeds(done: &Repaired, repair: &Repair, lost: &str, time: Duration) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(done.set_aside.iter().map(|(from, to)| format!("kept aside: {from} as {to}")));
    lines.extend(done.rewritten.iter().map(|name| format!("written anew: {name}")));
    lines.extend(done.filled.iter().map(|name| format!("made for a missing one: {name}")));
    lines.push(format!("repaired in {}; {lost} of {} given up", duration(time), repair.head));
    lines
}

impl<'a> LossLine<'a> {
    pub(crate) fn new(loss: &'a Loss) -> Self {
        let streams = loss.streams.iter().map(|lost| crate::verify::LostStreamLine {
            stream: &lost.stream,
            version: lost.version.get(),
            position: lost.position.get(),
        });
        Self {
            first_position: loss.first.get(),
            last_position: loss.last.get(),
            streams: streams.collect(),
        }
    }
}
