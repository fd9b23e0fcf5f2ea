//! `annals events --follow`: what is there, then what comes.

use std::time::Duration;

use annals::{Followed, Position, Read, Timestamp};

use crate::event_printer::EventPrinter;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::messages;
use crate::output;
use crate::reading::Reading;

/// How soon Ctrl-C and a closed pipe are noticed while nothing comes.
const PATIENCE: Duration = Duration::from_millis(100);

/// Prints the events of `read`, forward, and those to come, until its limit, Ctrl-C or a closed
/// pipe.
pub(crate) fn run(
    mut reading: Reading,
    read: &Read,
    mut printer: EventPrinter,
) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen(|| {})?;
    // What a reading of all events would show too, and not only what has been synced.
    let mut follow = reading.store().follow().visible();
    follow = follow.after(before(&reading, read)?);
    if let Some(query) = &read.query {
        follow = follow.matching(query.clone());
    }
    let mut follower = follow.start().map_err(|error| reading.failed(&error))?;
    // It may lie ahead: then the stamps of what comes decide.
    let since = read.since.unwrap_or(Timestamp::MIN);
    let mut left = read.limit.unwrap_or(u64::MAX);
    let mut exit = Exit::Fine;
    let (mut unflushed, mut told) = (false, !printer.is_table());
    while left > 0 {
        if interrupt.is_pressed() {
            exit = Exit::Interrupted;
            break;
        }
        // What was printed is flushed as soon as nothing follows at once.
        match follower.next_within(if unflushed { Duration::ZERO } else { PATIENCE }) {
            Ok(Followed::Event(event)) if event.recorded_at() >= since => {
                printer.event(&event)?;
                left -= 1;
                unflushed = true;
            }
            Ok(Followed::Event(_)) => {}
            Ok(Followed::Nothing) if !unflushed && output::is_closed() => break,
            Ok(Followed::Nothing) => {
                printer.flush()?;
                unflushed = false;
                if !told {
                    messages::say("waiting for events; Ctrl-C ends it");
                    told = true;
                }
            }
            Ok(Followed::Ended) => break,
            Err(error) => reading.take(&error)?,
        }
    }
    printer.flush()?;
    reading.finish()?;
    Ok(exit)
}

/// The position behind which the events of `read` begin.
fn before(reading: &Reading, read: &Read) -> Result<Position, Failure> {
    let mut range = Read::all().from(read.from);
    range.since = read.since;
    let plan = reading.store().head().explain(&range).map_err(|error| reading.failed(&error))?;
    Ok(plan.from.minus(1))
}
