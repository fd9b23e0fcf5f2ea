//! Events that the store has already, under the id that a line gives.

use annals::{Event, NewEvent, Position, Store};

/// In what the event at `position`, which has the line's id, differs from the line's; `None` where
/// it is the same.
///
/// Only who appends a commit as a whole again is recognised by the store. A line is compared by
/// itself, so that it does not matter in which commits its event and its neighbours are there.
pub(super) fn compare(
    store: &Store,
    position: Position,
    stream: &str,
    line: &NewEvent,
) -> Result<Option<String>, annals::Error> {
    let Some(there) = store.head().event(position)? else {
        return Ok(Some("which is not visible".to_owned()));
    };
    // An id that the store derived is not part of the content.
    let derived = NewEvent { id: None, ..line.clone() };
    if there.stream() == stream && (there.has_content(line) || there.has_content(&derived)) {
        return Ok(None);
    }
    Ok(Some(format!("with another {}", differences(&there, stream, line).join(", "))))
}

fn differences(there: &Event, stream: &str, line: &NewEvent) -> Vec<&'static str> {
    let mut differences = Vec::new();
    for (name, equal) in [
        ("stream", there.stream() == stream),
        ("type", there.event_type() == line.event_type),
        ("schema", there.schema() == line.schema),
        ("content", there.content() == line.content),
        ("data", there.data() == line.data),
        ("metadata", there.metadata() == line.metadata),
        ("tags", there.tags().eq(line.tags.iter().map(|tag| &**tag))),
        ("correlation_id", there.correlation_id() == line.correlation_id),
        ("causation_id", there.causation_id() == line.causation_id),
        ("occurred_at", there.occurred_at() == line.occurred_at),
    ] {
        if !equal {
            differences.push(name);
        }
    }
    differences
}
