//! Random queries of random events, read in every way: by the index, forward and backward, from
//! anywhere, in parts, in views of the past, as a condition of an append. All agree with what
//! [`Query::matches`] says of each event, and a query that is refused is refused by all.

#![no_main]

use annals::{
    Commit, ContentKind, ErrorKind, EventId, ExpectedVersion, NewEvent, Position, Query, QueryItem,
    Read, Store,
};
use annals_fuzz::Bounded;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Few of each, so that they meet; some begin like others, some are of no use in a query.
const STREAMS: [&str; 7] = ["a-1", "a-2", "a", "ab-1", "-x", "b-1-2", "b"];
const CATEGORIES: [&str; 7] = ["a", "ab", "", "b", "none", "a-1", "ä"];
const TYPES: [&str; 6] = ["T", "U", "Ü", "T2", "a", "k:1"];
const TAGS: [&str; 6] = ["k:1", "k:2", "k", "a", "T", "Ü"];
const EVENTS_MAX: usize = 300;

fuzz_target!(|input: &[u8]| {
    // An input that is too short for what it begins is no case.
    run(&mut Unstructured::new(input)).unwrap_or_default();
});

fn some(
    input: &mut Unstructured<'_>,
    all: &[&'static str],
    most: usize,
) -> Result<Vec<&'static str>> {
    let count = input.int_in_range(0..=most)?;
    (0..count).map(|_| input.choose(all).copied()).collect()
}

fn id(input: &mut Unstructured<'_>) -> Result<Option<EventId>> {
    let number: u8 = input.int_in_range(0..=7)?;
    Ok((number < 3).then(|| EventId::from_u128(number.into())))
}

fn event(input: &mut Unstructured<'_>) -> Result<NewEvent> {
    let mut event = NewEvent::new(*input.choose(&TYPES)?, ContentKind::Json, "{}");
    event.tags = some(input, &TAGS, 4)?.into_iter().map(Into::into).collect();
    event.correlation_id = id(input)?;
    event.causation_id = id(input)?;
    Ok(event)
}

fn query(input: &mut Unstructured<'_>) -> Result<Query> {
    if input.ratio(1, 16)? {
        return Ok(Query::all());
    }
    let mut items = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        let mut item = QueryItem::new().event_types(some(input, &TYPES, 2)?);
        item = item.tags(some(input, &TAGS, 3)?);
        if input.ratio(1, 3)? {
            item = item.category(*input.choose(&CATEGORIES)?);
        }
        if let Some(id) = id(input)? {
            item = item.correlation_id(id);
        }
        if let Some(id) = id(input)? {
            item = item.causation_id(id);
        }
        items.push(item);
    }
    Ok(Query::any(items))
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let store = Store::in_memory().unwrap();
    let mut count = 0;
    // Commits of one stream and of several, some of them long.
    for _ in 0..input.int_in_range(1..=24)? {
        let mut commit = Commit::new();
        for _ in 0..input.int_in_range(1..=3)? {
            let mut events = vec![event(input)?];
            if input.ratio(1, 8)? {
                events = vec![events[0].clone(); input.int_in_range(1..=60)?];
            }
            count += events.len();
            commit = commit.append(*input.choose(&STREAMS)?, ExpectedVersion::Any, events);
        }
        if count > EVENTS_MAX {
            break;
        }
        store.commit(&commit).unwrap();
    }
    while !input.is_empty() {
        ask(&store, &query(input)?, input)?;
    }
    Ok(())
}

fn positions(events: impl IntoIterator<Item = annals::Result<annals::Event>>) -> Vec<Position> {
    events.into_iter().map(|event| event.unwrap().position()).collect()
}

fn ask(store: &Store, query: &Query, input: &mut Unstructured<'_>) -> Result<()> {
    let head = store.position();
    let read = || Read::all().matching(query.clone());
    if let Err(invalid) = query.check() {
        let kind = ErrorKind::Invalid(invalid);
        assert_eq!(store.read(read()).next().unwrap().unwrap_err().kind(), &kind);
        assert_eq!(store.explain(&read()).unwrap_err().kind(), &kind);
        return Ok(());
    }
    let all: Vec<_> = store.read_all().map(|event| event.unwrap()).collect();
    let named = |event: &&annals::Event| query.matches(*event);
    let expected = positions(all.iter().filter(named).cloned().map(Ok));

    let (from, up_to) =
        (input.int_in_range(0..=head.get() + 1)?, input.int_in_range(0..=head.get())?);
    let (from, up_to) = (Position::new(from), Position::new(up_to));
    let limit: u8 = input.int_in_range(0..=20)?;
    let stream = *input.choose(&STREAMS)?;
    let reverse = |mut positions: Vec<Position>| {
        positions.reverse();
        positions
    };
    let of = |wanted: &dyn Fn(Position) -> bool| {
        expected.iter().copied().filter(|position| wanted(*position)).collect::<Vec<_>>()
    };

    assert_eq!(positions(store.read(read())), expected);
    assert_eq!(reverse(positions(store.read(read().backward()))), expected);
    assert_eq!(positions(store.read(read().after(from))), of(&|position| position > from));
    assert_eq!(positions(store.read(read().from(from))), of(&|position| position >= from));
    let some = positions(store.read(read().limit(limit.into())));
    assert_eq!(some, expected[..expected.len().min(limit.into())]);
    let last = positions(store.read(read().backward().limit(limit.into())));
    assert_eq!(reverse(last), expected[expected.len().saturating_sub(limit.into())..]);
    let past = store.as_of(up_to).unwrap();
    assert_eq!(positions(past.read(read())), of(&|position| position <= up_to));
    let in_stream = |event: &&annals::Event| event.stream() == stream && query.matches(*event);
    let in_stream = positions(all.iter().filter(in_stream).cloned().map(Ok));
    let of_stream = || Read::stream(stream).matching(query.clone());
    assert_eq!(positions(store.read(of_stream())), in_stream);
    assert_eq!(reverse(positions(store.read(of_stream().backward()))), in_stream);
    store.explain(&read()).unwrap();
    store.explain(&of_stream()).unwrap();

    // A condition fails exactly where a read finds something, and names the first.
    let added = NewEvent::json("Added", "{}").tag("added");
    let commit = Commit::new().append("added", ExpectedVersion::Any, vec![added]);
    let outcome = store.commit(&commit.fail_if(query.clone(), up_to));
    match of(&|position| position > up_to).first() {
        Some(&position) => {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::ConditionFailed { position });
        }
        None => assert_eq!(outcome.unwrap().position, head.plus(1)),
    }
    Ok(())
}
