//! The oracles: whether what the store answers is what the model says, event by event and field by
//! field. They give the difference in words, so that a sweep can say where it stood.

use std::collections::BTreeSet;
use std::fmt::Debug;

use annals::{
    Commit, ContentKind, Error, ErrorKind, Event, EventId, EventReader, EventStore, Facts,
    OccurredAt, Position, Query, QueryItem, Read, Receipt, Result as StoreResult, StreamInfo,
    Timestamp, Version, category,
};

use crate::model::{Filter, Model, Recorded, Written};

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
        equal("its epoch", epoch.number, actual.epoch())?;
    }
    Ok(())
}

/// Collects a reading whose events are all readable.
///
/// # Errors
/// The first error of the reading.
pub fn collect(events: impl IntoIterator<Item = StoreResult<Event>>) -> StoreResult<Vec<Event>> {
    events.into_iter().collect()
}

/// Fine where the store reads for `read` what the model does, up to `head`.
///
/// # Errors
/// The first difference.
pub fn read(reader: &dyn EventReader, model: &Model, read: &Read, head: Position) -> Check {
    reading(reader, model, read, head).map_err(|error| format!("{read:?}: {error}"))
}

fn reading(reader: &dyn EventReader, model: &Model, read: &Read, head: Position) -> Check {
    let mut events = reader.read(read.clone());
    let expected = match model.read(read, head) {
        Ok(expected) => expected,
        Err(refusal) => {
            return match events.next() {
                Some(Err(error)) if same_kind(error.kind(), &refusal) => {
                    equal("the number of items behind the refusal", 0, events.count())
                }
                other => Err(format!("{refusal:?} was due, not {}", short(&other))),
            };
        }
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

/// Whether both say the same to a caller: the words about an argument may differ.
#[must_use]
pub fn same_kind(one: &ErrorKind, other: &ErrorKind) -> bool {
    match (one, other) {
        (ErrorKind::Invalid(_), ErrorKind::Invalid(_)) => true,
        _ => one == other,
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
pub fn stream_end(reader: &dyn EventReader, model: &Model, stream: &str, head: Position) -> Check {
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

/// Fine where `listing` is what the model lists for `filter`, up to `head`.
///
/// # Errors
/// Both listings.
pub fn streams(
    listing: impl Iterator<Item = StoreResult<StreamInfo>>,
    model: &Model,
    filter: &Filter,
    head: Position,
) -> Check {
    let mut actual: Vec<(String, Version, Position)> = Vec::new();
    for stream in listing {
        let stream = stream.map_err(|error| format!("the listing of streams: {error}"))?;
        actual.push((stream.name, stream.version, stream.position));
    }
    let expected = model.streams(filter, head);
    let expected =
        expected.into_iter().map(|stream| (stream.name, stream.version, stream.position));
    equal("the listing of streams", expected.collect(), actual)
        .map_err(|error| format!("{filter:?}: {error}"))
}

/// Most queries that [`answers`] asks of each kind.
const QUERIES_OF_A_KIND: usize = 2;

/// Queries for the newest of what the events up to `head` say, and for some that name nothing.
#[must_use]
pub fn queries(model: &Model, head: Position) -> Vec<Query> {
    let item = QueryItem::new;
    let mut kinds: [BTreeSet<String>; 3] = Default::default();
    let mut ids: [BTreeSet<EventId>; 2] = Default::default();
    let mut newest = None;
    for event in model.events(head).iter().rev() {
        let few = |kind: &BTreeSet<String>| kind.len() < QUERIES_OF_A_KIND;
        if few(&kinds[0]) {
            kinds[0].insert(category(&event.stream).to_owned());
        }
        if few(&kinds[1]) {
            kinds[1].insert(event.event.event_type.to_string());
        }
        if few(&kinds[2]) {
            kinds[2].extend(event.event.tags.iter().map(ToString::to_string));
        }
        ids[0].extend(event.correlation_id().filter(|_| ids[0].len() < QUERIES_OF_A_KIND));
        ids[1].extend(event.causation_id().filter(|_| ids[1].len() < QUERIES_OF_A_KIND));
        newest = newest.or(Some(event));
    }
    let [categories, types, tags] = kinds.map(|kind| kind.into_iter().take(QUERIES_OF_A_KIND));
    let [correlations, causations] = ids;
    let mut queries: Vec<Query> = Vec::new();
    queries.extend(categories.map(|name| item().category(name).into()));
    queries.extend(types.map(|name| item().event_type(name).into()));
    queries.extend(tags.map(|name| item().tag(name).into()));
    queries.extend(correlations.into_iter().map(|id| item().correlation_id(id).into()));
    queries.extend(causations.into_iter().map(|id| item().causation_id(id).into()));
    if let Some(newest) = newest {
        let tags = newest.event.tags.iter().take(3).map(ToString::to_string);
        let all = item().event_type(newest.event.event_type.to_string()).tags(tags);
        queries.push(all.clone().category(category(&newest.stream)).into());
        queries.push(Query::any([all, item().event_type("Noted"), item().tag("no-such-tag")]));
    }
    queries.push(item().tag("no-such-tag").into());
    queries.push(Query::all());
    queries
}

/// Fine where every answer of the store is the model's up to `head`: all events both ways, each
/// stream both ways, its newest event, its version, what queries name, the listing, the head.
///
/// # Errors
/// The first difference.
pub fn answers(reader: &dyn EventReader, model: &Model, head: Position) -> Check {
    answers_without_queries(reader, model, head)?;
    // What lies behind the head must not be found either.
    for (number, query) in queries(model, Position::MAX).into_iter().enumerate() {
        let matching = Read::all().matching(query);
        let backward = number % 2 == 1;
        read(reader, model, &if backward { matching.backward() } else { matching }, head)?;
    }
    Ok(())
}

/// The same but for the queries.
///
/// # Errors
/// The first difference.
pub fn answers_without_queries(reader: &dyn EventReader, model: &Model, head: Position) -> Check {
    equal("the head", head, reader.position())?;
    read(reader, model, &Read::all(), head)?;
    read(reader, model, &Read::all().backward(), head)?;
    streams(reader.streams(""), model, &Filter::All, head)?;
    for stream in model.streams(&Filter::All, Position::MAX) {
        read(reader, model, &Read::stream(&stream.name), head)?;
        read(reader, model, &Read::stream(&stream.name).backward(), head)?;
        stream_end(reader, model, &stream.name, head)?;
    }
    stream_end(reader, model, "nobody-wrote-this", head)?;
    read(reader, model, &Read::stream("nobody-wrote-this"), head)
}

/// Fine where the receipt is what the model gave.
///
/// # Errors
/// The first difference.
pub fn receipt(expected: &Written, actual: &Receipt) -> Check {
    let (_, first_version, version) = expected.streams[0].clone();
    equal("the receipt's first version", first_version, actual.first_version)?;
    equal("the receipt's version", version, actual.version)?;
    equal("the receipt's first position", expected.first_position, actual.first_position)?;
    equal("the receipt's position", expected.position, actual.position)?;
    equal("whether the receipt is a repeated one", expected.repeated, actual.repeated)?;
    if let Some(stamp) = expected.recorded_at {
        equal("the receipt's stamp", stamp, actual.recorded_at)?;
    }
    if let Some(epoch) = expected.epoch {
        equal("the receipt's epoch", epoch, actual.epoch)?;
    }
    let streams = actual.streams.iter();
    let streams: Vec<(String, Version, Version)> =
        streams.map(|one| (one.stream.to_string(), one.first_version, one.version)).collect();
    let several = expected.streams.len() > 1;
    equal("the receipt's streams", if several { &expected.streams[..] } else { &[] }, &streams[..])
}

/// Takes into the model what the store took. Fine where both gave the same.
///
/// # Errors
/// The first difference.
pub fn accepted(model: &mut Model, commit: &Commit<'static>, actual: &Receipt) -> Check<Written> {
    let written = match model.repeated(commit) {
        Some(written) => written,
        None => model.accept(commit, Some(actual.recorded_at), Some(actual.epoch)),
    };
    receipt(&written, actual)?;
    Ok(written)
}

/// Commits to the store and the model. Fine where both answer alike.
///
/// # Errors
/// The first difference, and a failure that is no refusal.
pub fn commit(
    store: &dyn EventStore,
    model: &mut Model,
    commit: &Commit<'static>,
    now: Timestamp,
) -> Check {
    let refusals = model.refusals(commit, now);
    match store.commit(commit) {
        Ok(_) if !refusals.is_empty() => {
            Err(format!("a commit was taken in spite of {refusals:?}"))
        }
        Ok(receipt) => accepted(model, commit, &receipt).map(|_| ()),
        Err(error) => refusal(&refusals, &error),
    }
}

/// Fine where the store refused for one of the reasons that hold.
///
/// # Errors
/// What it said instead.
pub fn refusal(expected: &[ErrorKind], actual: &Error) -> Check {
    if expected.iter().any(|expected| same_kind(expected, actual.kind())) {
        Ok(())
    } else {
        let kind = actual.kind();
        Err(format!("the commit failed with {kind:?}, not with one of {expected:?}: {actual}"))
    }
}

/// All fields of an event.
#[derive(Debug, PartialEq)]
struct Fields<'a> {
    position: Position,
    stream: &'a str,
    version: Version,
    event_type: &'a str,
    schema: u32,
    content: ContentKind,
    data: &'a [u8],
    metadata: &'a [u8],
    tags: Vec<&'a str>,
    id: (EventId, bool),
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    occurred_at: Option<OccurredAt>,
    recorded_at: Timestamp,
    epoch: u32,
}

impl<'a> Fields<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            position: event.position(),
            stream: event.stream(),
            version: event.version(),
            event_type: event.event_type(),
            schema: event.schema(),
            content: event.content(),
            data: event.data(),
            metadata: event.metadata(),
            tags: event.tags().collect(),
            id: (event.id(), event.has_own_id()),
            correlation_id: event.correlation_id(),
            causation_id: event.causation_id(),
            occurred_at: event.occurred_at(),
            recorded_at: event.recorded_at(),
            epoch: event.epoch(),
        }
    }
}

/// Fine where both readers give the same for `read`: events in every field, or the error's kind.
///
/// # Errors
/// The first difference.
pub fn same_reading(expected: &dyn EventReader, actual: &dyn EventReader, read: &Read) -> Check {
    let (mut expected, mut actual) = (expected.read(read.clone()), actual.read(read.clone()));
    loop {
        let same = match (expected.next(), actual.next()) {
            (None, None) => return Ok(()),
            (expected, actual) => same_item(expected, actual),
        };
        same.map_err(|error| format!("{read:?}: {error}"))?;
    }
}

fn same_item(expected: Option<StoreResult<Event>>, actual: Option<StoreResult<Event>>) -> Check {
    match (&expected, &actual) {
        (Some(Ok(expected)), Some(Ok(actual))) => {
            equal("the event", Fields::of(expected), Fields::of(actual))
        }
        (Some(Err(expected)), Some(Err(actual))) => refusal(&[expected.kind().clone()], actual),
        (None, None) => Ok(()),
        _ => Err(format!("{} was due, not {}", short(&expected), short(&actual))),
    }
}

/// Fine where both readers say the same of the end of `stream`.
///
/// # Errors
/// The first difference.
pub fn same_stream_end(
    expected: &dyn EventReader,
    actual: &dyn EventReader,
    stream: &str,
) -> Check {
    let last = |reader: &dyn EventReader| reader.last_event(stream).transpose();
    same_item(last(expected), last(actual))
        .map_err(|error| format!("the newest event of {stream:?}: {error}"))?;
    match (expected.version(stream), actual.version(stream)) {
        (Ok(expected), Ok(actual)) => equal("the version", expected, actual),
        (Err(expected), Err(actual)) => refusal(&[expected.kind().clone()], &actual),
        (expected, actual) => Err(format!("the version is {actual:?}, not {expected:?}")),
    }
    .map_err(|error| format!("{stream:?}: {error}"))
}

/// Fine where both readers list the same streams.
///
/// # Errors
/// Both listings.
pub fn same_streams(expected: &dyn EventReader, actual: &dyn EventReader, prefix: &str) -> Check {
    let list = |reader: &dyn EventReader| reader.streams(prefix).collect::<StoreResult<Vec<_>>>();
    match (list(expected), list(actual)) {
        (Ok(expected), Ok(actual)) => equal("the listing", expected, actual),
        (expected, actual) => Err(format!("the listing is {actual:?}, not {expected:?}")),
    }
    .map_err(|error| format!("streams {prefix:?}: {error}"))
}

/// Fine where both readers answer alike: everything, each stream, what queries name.
///
/// # Errors
/// The first difference.
pub fn same_answers(
    expected: &dyn EventReader,
    actual: &dyn EventReader,
    queries: &[Query],
) -> Check {
    equal("the head", expected.position(), actual.position())?;
    same_reading(expected, actual, &Read::all())?;
    same_reading(expected, actual, &Read::all().backward())?;
    same_streams(expected, actual, "")?;
    for stream in expected.streams("") {
        let name = stream.map_err(|error| error.to_string())?.name;
        same_reading(expected, actual, &Read::stream(&name))?;
        same_reading(expected, actual, &Read::stream(&name).backward())?;
        same_stream_end(expected, actual, &name)?;
    }
    for query in queries {
        let matching = Read::all().matching(query.clone());
        same_reading(expected, actual, &matching)?;
        same_reading(expected, actual, &matching.backward())?;
    }
    same_stream_end(expected, actual, "nobody-wrote-this")?;
    same_reading(expected, actual, &Read::stream("nobody-wrote-this"))
}
