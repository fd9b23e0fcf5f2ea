//! Appends lines, syncs each batch once, and says how far everything is kept.
//!
//! The lines on stderr are read by programs too and do not change:
//! `acknowledged: line 2000, position 2000`, or `written: …` where nothing waits for the disk.

use std::path::Path;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use annals::{Commit, ErrorKind, ExpectedVersion, Invalid, NewEvent, Position, Store, Timestamp};

use super::Args;
use super::feed::Numbered;
use super::known;
use super::line::Line;
use super::stamps::Stamps;
use crate::failure::{Exit, Failure, explain};
use crate::humane::{counted, duration, rate};
use crate::messages;
use crate::progress::Progress;
use crate::writing;

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
    args: &'a Args,
    stamps: Option<Stamps>,
    progress: Progress,
    begun: Instant,
    /// Lines whose events are there, now or from before.
    events: u64,
    /// Of these, from before.
    repeated: u64,
    /// Lines that another import would append once more.
    without_id: u64,
    bad: u64,
    /// The first and the last position that was appended.
    appended: Option<(Position, Position)>,
    last: Option<Mark>,
    acknowledged: Option<Mark>,
}

impl<'a> Writer<'a> {
    /// `stamps`: the rules by which lines are stamped, where the clock does not do it.
    pub(super) fn new(
        store: Store,
        folder: &'a Path,
        args: &'a Args,
        stamps: Option<Stamps>,
        progress: Progress,
    ) -> Self {
        Self {
            store,
            folder,
            args,
            stamps,
            progress,
            begun: Instant::now(),
            events: 0,
            repeated: 0,
            without_id: 0,
            bad: 0,
            appended: None,
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
                self.last = Some(Mark { line: number, position });
                if self.events.is_multiple_of(self.args.batch()) {
                    self.acknowledge()
                } else {
                    Ok(())
                }
            }
            Err(Refusal::Bad(reason)) if self.args.skip_bad => {
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

    /// Appends the line's event, or finds it; where it stands.
    fn append(&mut self, line: Line) -> Result<Position, Refusal> {
        let Line { stream, event, stamp } = line;
        let commit = Commit::new().append(&stream, ExpectedVersion::Any, slice::from_ref(&event));
        let (commit, unfit) = self.stamped(commit, stamp, event.id.is_some())?;
        let (position, repeated) = match self.store.commit(&commit) {
            Ok(receipt) => (receipt.position, receipt.repeated),
            Err(error) => (self.known(&error, unfit, &stream, &event)?, true),
        };
        self.without_id += u64::from(event.id.is_none());
        if repeated {
            self.repeated += 1;
            return Ok(position);
        }
        let first = self.appended.map_or(position, |(first, _)| first);
        self.appended = Some((first, position));
        if let (Some(stamps), Some(stamp)) = (&mut self.stamps, commit.wanted_stamp()) {
            stamps.written(stamp);
        }
        Ok(position)
    }

    /// The commit with the line's stamp, where lines are stamped; and what is wrong with the stamp.
    fn stamped<'c>(
        &mut self,
        commit: Commit<'c>,
        stamp: Option<Timestamp>,
        has_id: bool,
    ) -> Result<(Commit<'c>, Option<String>), Refusal> {
        let Some(stamps) = &mut self.stamps else { return Ok((commit, None)) };
        match (stamps.check(stamp), stamp) {
            (Ok(stamp), _) => Ok((commit.recorded_at(stamp), None)),
            // An earlier import may have brought the event. Where none did, the store refuses the
            // stamp too.
            (Err(reason), Some(stamp)) if has_id => Ok((commit.recorded_at(stamp), Some(reason))),
            (Err(reason), _) => Err(Refusal::Bad(reason)),
        }
    }

    /// Where the event of a line stands that the store refused, if it is there in another commit.
    fn known(
        &self,
        error: &annals::Error,
        unfit: Option<String>,
        stream: &str,
        event: &NewEvent,
    ) -> Result<Position, Refusal> {
        let failed = |error: &annals::Error| Refusal::Failed(Failure::store(error, self.folder));
        let bad = match error.kind() {
            ErrorKind::IdReused { id, position } => {
                let other = known::compare(&self.store, *position, stream, event);
                match other.map_err(|error| failed(&error))? {
                    None => return Ok(*position),
                    Some(other) => format!("id {id} is already at position {position}, {other}"),
                }
            }
            // The engine counts the events of a commit; here there is but one.
            ErrorKind::Invalid(Invalid::Event { cause, .. }) => cause.to_string(),
            ErrorKind::Invalid(_) => unfit.unwrap_or_else(|| explain(error)),
            _ => return Err(failed(error)),
        };
        Err(Refusal::Bad(bad))
    }

    /// Makes sure of what was written since the last time, and says so.
    fn acknowledge(&mut self) -> Result<(), Failure> {
        let Some(mark) = self.last.filter(|_| self.last != self.acknowledged) else {
            return Ok(());
        };
        if self.args.is_synced() {
            self.store.sync().map_err(|error| Failure::store(&error, self.folder))?;
        }
        self.acknowledged = Some(mark);
        let text = format!("line {}, position {}", mark.line, mark.position);
        let word = if self.args.is_synced() { "acknowledged" } else { "written" };
        if self.progress.is_hidden() {
            messages::say(format_args!("{word}: {text}"));
        } else {
            self.progress.words(text);
        }
        Ok(())
    }

    /// Moves the progress bar.
    pub(super) fn show(&self, bytes_read: &AtomicU64) {
        self.progress.advance_to(bytes_read.load(Ordering::Relaxed));
    }

    /// Acknowledges the rest, closes the store, and sums up.
    pub(super) fn finish(mut self) -> Result<Exit, Failure> {
        if let Err(failure) = self.acknowledge() {
            return Err(self.give_up(failure));
        }
        let Self { store, progress, .. } = self;
        drop(progress);
        if self.args.is_synced() {
            writing::close_durable(store);
        } else {
            store.close().map_err(|error| Failure::store(&error, self.folder))?;
        }
        let time = self.begun.elapsed();
        if self.bad > 0 {
            let more =
                if self.bad > BAD_LISTED_MAX { "; the first 20 are listed above" } else { "" };
            messages::say(format_args!("skipped: {} in all{more}", counted(self.bad, "bad line")));
        }
        let range = match self.appended {
            Some((first, last)) => format!(" at positions {first} to {last}"),
            None => String::new(),
        };
        let what = match self.repeated {
            0 => range,
            all if all == self.events => ", all of them were in the store already,".to_owned(),
            some => format!(", {some} of them were in the store already, the others{range},"),
        };
        messages::say(format_args!(
            "imported: {} events{what} in {}, {} events/s",
            self.events,
            duration(time),
            rate(self.events, time)
        ));
        Ok(Exit::Fine)
    }

    /// Keeps what was written before a failure, and says what that is and how to go on.
    pub(super) fn give_up(mut self, failure: Failure) -> Failure {
        // Where this fails too, the first failure is the cause; what was acknowledged holds.
        let settled = self.acknowledge();
        let Self { store, progress, .. } = self;
        drop(progress);
        // Closing syncs what was only written; more than was said it cannot promise.
        let _ = store.close();
        let mut kept = match self.acknowledged {
            None => "nothing was imported".to_owned(),
            Some(mark) => {
                format!("kept: everything up to line {}, position {}", mark.line, mark.position)
            }
        };
        if settled.is_err() {
            kept.push_str("; what came behind it may or may not be there");
        }
        let hint = failure.way_out().map(str::to_owned);
        let again = self.acknowledged.map(|mark| match self.without_id {
            0 => "to go on, repeat the import: what is there is passed over".to_owned(),
            _ => self.args.again(self.folder, mark.line + 1),
        });
        let parts: Vec<String> = [Some(kept), hint, again].into_iter().flatten().collect();
        failure.hint(parts.join("; "))
    }
}

/// Why a line was not appended.
enum Refusal {
    /// The line is bad.
    Bad(String),
    /// The store failed.
    Failed(Failure),
}
