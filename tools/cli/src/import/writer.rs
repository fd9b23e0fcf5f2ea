//! Appends lines, syncs each batch once, and says how far everything is kept.
//!
//! The lines on stderr are read by programs too and do not change:
//! `acknowledged: line 2000, position 2000`, or `written: …` where nothing waits for the disk.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use annals::{AppendOptions, ErrorKind, ExpectedVersion, Position, Store};

use super::feed::Numbered;
use super::line::Line;
use super::stamps::Stamps;
use crate::failure::{Exit, Failure, explain};
use crate::humane::{counted, duration, quoted, rate};
use crate::messages;
use crate::progress::Progress;

/// Bad lines that are listed; the others are counted.
const BAD_LISTED_MAX: u64 = 20;

/// A line and where its event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    line: u64,
    position: Position,
}

/// The store at work.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    store: Store,
    folder: &'a Path,
    synced: bool,
    batch: u64,
    stamps: Option<Stamps>,
    skip_bad: bool,
    progress: Progress,
    begun: Instant,
    events: u64,
    bad: u64,
    first: Option<Position>,
    last: Option<Mark>,
    acknowledged: Option<Mark>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        store: Store,
        folder: &'a Path,
        synced: bool,
        batch: u64,
        stamps: Option<Stamps>,
        skip_bad: bool,
        progress: Progress,
    ) -> Self {
        let begun = Instant::now();
        Self {
            store,
            folder,
            synced,
            batch,
            stamps,
            skip_bad,
            progress,
            begun,
            events: 0,
            bad: 0,
            first: None,
            last: None,
            acknowledged: None,
        }
    }

    /// Takes the next line; acknowledges when it makes a batch full.
    pub(super) fn line(&mut self, numbered: Numbered) -> Result<(), Failure> {
        let Numbered { number, line } = numbered;
        match line.map_err(Refusal::Bad).and_then(|line| self.append(line)) {
            Ok(position) => {
                self.events += 1;
                self.first = self.first.or(Some(position));
                self.last = Some(Mark { line: number, position });
                if self.events.is_multiple_of(self.batch) { self.acknowledge() } else { Ok(()) }
            }
            Err(Refusal::Bad(reason)) if self.skip_bad => {
                self.bad += 1;
                if self.bad <= BAD_LISTED_MAX {
                    let text = format!("line {number}: {reason}");
                    self.progress.pause(|| messages::say(format_args!("skipped: {text}")));
                }
                Ok(())
            }
            Err(Refusal::Bad(reason)) => Err(Failure::failed(format!("line {number}: {reason}"))),
            Err(Refusal::Failed(failure)) => Err(failure.context(format_args!("line {number}"))),
        }
    }

    fn append(&mut self, line: Line) -> Result<Position, Refusal> {
        let mut options = AppendOptions::new();
        let mut stamp = None;
        if let Some(stamps) = &mut self.stamps {
            let checked = stamps.check(line.stamp).map_err(Refusal::Bad)?;
            options = options.recorded_at(checked);
            stamp = Some(checked);
        }
        let receipt = self
            .store
            .append_with(&line.stream, ExpectedVersion::Any, &[line.event], options)
            .map_err(|error| match error.kind() {
                ErrorKind::IdReused { id, position } => {
                    Refusal::Bad(format!("id {id} is already at position {position}"))
                }
                // The engine counts the events of a commit; here there is but one.
                ErrorKind::Invalid(annals::Invalid::Event { cause, .. }) => {
                    Refusal::Bad(cause.to_string())
                }
                ErrorKind::Invalid(_) => Refusal::Bad(explain(&error)),
                _ => Refusal::Failed(Failure::store(&error, self.folder)),
            })?;
        if let (Some(stamps), Some(stamp)) = (&mut self.stamps, stamp) {
            stamps.written(stamp);
        }
        Ok(receipt.position)
    }

    /// Makes sure of what was written since the last time, and says so.
    fn acknowledge(&mut self) -> Result<(), Failure> {
        let Some(mark) = self.last.filter(|_| self.last != self.acknowledged) else {
            return Ok(());
        };
        if self.synced {
            self.store.sync().map_err(|error| Failure::store(&error, self.folder))?;
        }
        self.acknowledged = Some(mark);
        let text = format!("line {}, position {}", mark.line, mark.position);
        if self.progress.is_hidden() {
            messages::say(format_args!("{}: {text}", self.word()));
        } else {
            self.progress.words(text);
        }
        Ok(())
    }

    fn word(&self) -> &'static str {
        if self.synced { "acknowledged" } else { "written" }
    }

    /// Moves the progress bar.
    pub(super) fn show(&self, bytes_read: &AtomicU64) {
        self.progress.advance_to(bytes_read.load(Ordering::Relaxed));
    }

    /// Acknowledges the rest, closes the store, and sums up.
    pub(super) fn finish(mut self) -> Result<Exit, Failure> {
        self.acknowledge()?;
        let Self { store, progress, .. } = self;
        store.close().map_err(|error| Failure::store(&error, self.folder))?;
        drop(progress);
        let time = self.begun.elapsed();
        if self.bad > 0 {
            let more =
                if self.bad > BAD_LISTED_MAX { "; the first 20 are listed above" } else { "" };
            messages::say(format_args!("skipped: {} in all{more}", counted(self.bad, "bad line")));
        }
        let range = match (self.first, self.last) {
            (Some(first), Some(last)) => format!(" at positions {first} to {}", last.position),
            _ => String::new(),
        };
        messages::say(format_args!(
            "imported: {}{range} in {}, {} events/s",
            counted(self.events, "event"),
            duration(time),
            rate(self.events, time)
        ));
        Ok(Exit::Fine)
    }

    /// Keeps what was written before a failure, and says what that is and how to go on.
    pub(super) fn give_up(mut self, failure: Failure, file: &str) -> Failure {
        // Where this fails too, the first failure is the cause; what was acknowledged holds.
        let settled = self.acknowledge();
        let Self { store, progress, .. } = self;
        let closed = store.close();
        drop(progress);
        let kept = match self.acknowledged {
            None => "nothing was imported".to_owned(),
            Some(mark) => {
                format!("kept: everything up to line {}, position {}", mark.line, mark.position)
            }
        };
        let kept = match (settled, closed) {
            (Ok(()), Ok(())) => kept,
            _ => format!("{kept}; what came behind it may or may not be there"),
        };
        let next = self.acknowledged.map_or(1, |mark| mark.line + 1);
        let again = again(self.folder, file, next);
        let hint = match failure.way_out() {
            Some(hint) => format!("{kept}; {hint}; {again}"),
            None => format!("{kept}; {again}"),
        };
        failure.hint(hint)
    }
}

/// How to go on.
fn again(folder: &Path, file: &str, next: u64) -> String {
    if file == "-" || next == 1 {
        return format!("go on with line {next}");
    }
    let unpack = if file.ends_with(".gz") { "zcat" } else { "cat" };
    format!(
        "to go on: {unpack} {} | tail -n +{next} | annals -s {} import -",
        quoted(file),
        quoted(&folder.display().to_string())
    )
}

/// Why a line was not appended.
enum Refusal {
    /// The line is bad.
    Bad(String),
    /// The store failed.
    Failed(Failure),
}
