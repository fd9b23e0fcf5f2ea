//! Bringing an index up to the end of the log.

use annals_index::{Entry, Index};
use annals_log::{Damage, LogError, LogReader};
use annals_types::Position;

use crate::error::{Error, ErrorKind, Result};

/// Events between two reports of progress.
const PROGRESS_EVENTS: u64 = 10_000;

/// Events that cannot be read have their place in their stream all the same, where it is known: who
/// reads the stream then meets the damage instead of a shorter stream.
fn apply_lost(index: &dyn Index, damage: &Damage) {
    if let (Some((first, last)), Some((stream, version))) = (damage.positions, &damage.stream) {
        index.apply(&mut (0..=last.get() - first.get()).map(|n| Entry {
            position: first.plus(n),
            stream,
            version: version.plus(n),
            id: None,
        }));
    }
}

/// Applies all events behind what the index covers, up to `head`. Damage ends it, unless
/// `over_damage` takes note of it.
pub(crate) fn catch_up(
    reader: &LogReader,
    index: &dyn Index,
    head: Position,
    mut over_damage: Option<&mut Vec<Damage>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let start = index.covers();
    let total = head.get().saturating_sub(start.get());
    for event in reader.scan(start.plus(1), head) {
        let event = match (event, &mut over_damage) {
            (Ok(event), _) => event,
            (Err(LogError::Damaged(damage)), Some(noted)) => {
                apply_lost(index, &damage);
                noted.push(*damage);
                continue;
            }
            (Err(error), _) => return Err(error.into()),
        };
        let last = event.position();
        let entry = Entry {
            position: last,
            stream: event.stream(),
            version: event.version(),
            id: event.has_own_id().then(|| event.id()),
        };
        index.apply(&mut std::iter::once(entry));
        if index.covers() != last {
            let message = format!(
                "the index takes no more at event {last} (stream {}, version {}): \
                 the log contradicts itself there, or the index is full",
                event.stream(),
                event.version()
            );
            return Err(Error::new(ErrorKind::Io, message));
        }
        let done = last.get().saturating_sub(start.get());
        if done.is_multiple_of(PROGRESS_EVENTS) {
            progress(done, total);
        }
    }
    progress(total, total);
    Ok(())
}
