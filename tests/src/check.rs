//! The oracles: whether what the store answers is what the model says, event by event and field by
//! field. They give the difference in words, so that a sweep can say where it stood.

use std::fmt::Debug;

use annals::{Error, ErrorKind, Event, Position, Receipt, Version};

use crate::model::{Filter, Model, Recorded, Refusal, Written};
use crate::query::Query;
use crate::reader::Reader;

/// Fine, or the difference in words.
pub type Check<T = ()> = Result<T, String>;

/// Fine where both are equal.
///
/// # Errors
/// Both values, with `what` they are.
pub fn equal<T: PartialEq + Debug>(what: &str, expected: T, actual: T) -> Check {
    if expected == actual {
        Ok(())
    } else {
        Err(format!("{what} is {}, not {}", short(&actual), short(&expected)))
    }
}

fn short(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let mut short: String = text.chars().take(400).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Fine where `actual` is the event that `expected` says, in every field.
///
/// # Errors
/// The first field that differs.
pub fn event(expected: &Recorded, actual: &Event) -> Check {
    fields(expected, actual).map_err(|error| format!("event {}: {error}", expected.position))
}

fn fields(expected: &Recorded, actual: &Event) -> Check {
    let event = &expected.event;
    equal("its position", expected.position, actual.position())?;
    equal("its stream", expected.stream.as_str(), actual.stream())?;
    equal("its version", expected.version, actual.version())?;
    equal("its type", event.event_type.as_ref(), actual.event_type())?;
    equal("its schema", event.schema, actual.schema())?;
    equal("its content kind", event.content, actual.content())?;
    equal("its data", &event.data[..], actual.data())?;
    equal("its data as bytes", &event.data, &actual.data_bytes())?;
    equal("its metadata", &event.metadata[..], actual.metadata())?;
    let tags: Vec<&str> = event.tags.iter().map(AsRef::as_ref).collect();
    equal("its tags", tags, actual.tags().collect())?;
    equal("whether its id is its own", event.id.is_some(), actual.has_own_id())?;
    if let Some(id) = event.id.or(expected.derived_id) {
        equal("its id", id, actual.id())?;
    }
    equal("its correlation id", event.correlation_id, actual.correlation_id())?;
    equal("its causation id", event.causation_id, actual.causation_id())?;
    equal("its occurred-at", event.occurred_at, actual.occurred_at())?;
    if let Some(stamp) = expected.recorded_at {
        equal("its stamp", stamp, actual.recorded_at())?;
    }
    if let Some(epoch) = expected.epoch {
        equal("its epoch", epoch, actual.epoch())?;
    }
    Ok(())
}

/// Fine where the store reads for `query` what the model does, up to `head`.
///
/// # Errors
/// The first difference.
pub fn query(reader: &dyn Reader, model: &Model, query: &Query, head: Position) -> Check {
    read(reader, model, query, head).map_err(|error| format!("{query:?}: {error}"))
}

fn read(reader: &dyn Reader, model: &Model, query: &Query, head: Position) -> Check {
    let mut events = query.of(reader).into_iter();
    let Some(expected) = model.read(query, head) else {
        return match events.next() {
            Some(Err(error)) if is_invalid(&error) => {
                equal("the number of items behind the refusal", 0, events.count())
            }
            other => Err(format!("a refusal was due, not {}", short(&other))),
        };
    };
    for expected in &expected {
        match events.next() {
            Some(Ok(actual)) => event(expected, &actual)?,
            Some(Err(error)) => return Err(format!("event {}: {error}", expected.position)),
            None => return Err(format!("event {} is missing", expected.position)),
        }
    }
    match events.next() {
        None => Ok(()),
        Some(item) => Err(format!("nothing more was due, but {}", short(&item))),
    }
}

/// Whether the error is about an argument.
#[must_use]
pub fn is_invalid(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid(_))
}

/// Fine where the newest event and the version of `stream` are the model's, up to `head`.
///
/// # Errors
/// The first difference.
pub fn stream_end(reader: &dyn Reader, model: &Model, stream: &str, head: Position) -> Check {
    let version = reader.version(stream).map_err(|error| error.to_string())?;
    equal("the version", model.version(stream, head), version)
        .map_err(|error| format!("{stream:?}: {error}"))?;
    let last = reader.last_event(stream).map_err(|error| error.to_string())?;
    match (model.last_event(stream, head), last) {
        (None, None) => Ok(()),
        (Some(expected), Some(actual)) => event(expected, &actual),
        (expected, actual) => Err(format!(
            "the newest event of {stream:?} is {}, not {}",
            short(&actual.map(|event| event.position())),
            short(&expected.map(|event| event.position)),
        )),
    }
}

/// Fine where the store lists the streams that the model does, up to `head`.
///
/// # Errors
/// Both listings.
pub fn streams(reader: &dyn Reader, model: &Model, filter: &Filter, head: Position) -> Check {
    let listing = match filter {
        Filter::All => reader.streams(),
        Filter::Category(category) => reader.streams().category(category),
        Filter::Prefix(prefix) => reader.streams().prefix(prefix),
    };
    let mut actual: Vec<(String, Version, Position)> = Vec::new();
    for stream in listing {
        actual.push((stream.name, stream.version, stream.position));
    }
    let expected = model.streams(filter, head);
    let expected =
        expected.into_iter().map(|stream| (stream.name, stream.version, stream.position));
    equal("the listing of streams", expected.collect(), actual)
        .map_err(|error| format!("{filter:?}: {error}"))
}

/// Fine where every answer of the store is the model's up to `head`: all events both ways, each
/// stream both ways, its newest event, its version, the listing, the head.
///
/// # Errors
/// The first difference.
pub fn answers(reader: &dyn Reader, model: &Model, head: Position) -> Check {
    equal("the head", head, reader.position())?;
    query(reader, model, &Query::all(), head)?;
    query(reader, model, &Query::all().backward(), head)?;
    streams(reader, model, &Filter::All, head)?;
    for stream in model.streams(&Filter::All, Position::MAX) {
        query(reader, model, &Query::stream(&stream.name), head)?;
        query(reader, model, &Query::stream(&stream.name).backward(), head)?;
        stream_end(reader, model, &stream.name, head)?;
    }
    stream_end(reader, model, "nobody-wrote-this", head)?;
    query(reader, model, &Query::stream("nobody-wrote-this"), head)
}

/// Fine where the receipt is what the model gave.
///
/// # Errors
/// The first difference.
pub fn receipt(expected: &Written, actual: &Receipt) -> Check {
    let actual = Written {
        first_version: actual.first_version,
        version: actual.version,
        first_position: actual.first_position,
        position: actual.position,
    };
    equal("the receipt", *expected, actual)
}

/// Fine where the store refused for one of the reasons that hold.
///
/// # Errors
/// What it said instead.
pub fn refusal(expected: &[Refusal], actual: &Error) -> Check {
    let said = match actual.kind() {
        ErrorKind::Conflict { actual, .. } => Refusal::Conflict(*actual),
        ErrorKind::IdReused { id, position } => Refusal::IdReused(*id, *position),
        ErrorKind::Invalid(_) => Refusal::Invalid,
        other => return Err(format!("the append failed with {other:?}: {actual}")),
    };
    if expected.contains(&said) {
        Ok(())
    } else {
        Err(format!("the append was refused with {said:?}, not for one of {expected:?}"))
    }
}
