//! Proptest strategies: events, appends, readings and whole histories. Bounds and expectations are
//! given relative to the store's state, so that they stay near it while a case shrinks.

use std::time::Duration;

use annals::{
    ContentKind, EventId, ExpectedVersion, NewEvent, OccurredAt, Position, Timestamp, Version,
};
use proptest::prelude::*;

use crate::model::{Append, Filter, Model};
use crate::query::Query;

/// Streams of the histories: few, so that they collide; some are prefixes of others.
pub const STREAMS: [&str; 8] = [
    "order-1",
    "order-12",
    "order-2",
    "order",
    "cart-1",
    "settings",
    "ünï-çödé name 漢字",
    "a-very-long-name-0123456789012345678901234567890123456789012345678901234567890123456789",
];

/// One thing that is done to a store.
#[derive(Clone, Debug)]
pub enum Op {
    /// Appends.
    Append(AppendPlan),
    /// Reads events.
    Read(QueryPlan),
    /// Lists streams.
    Streams(Filter),
    /// Asks for a stream's end.
    StreamEnd(usize),
    /// Makes all durable.
    Sync,
    /// Checks every byte.
    Verify,
    /// Takes a view, to be compared at the end.
    View,
    /// Opens read-only beside the writer.
    ReadOnly,
    /// Both clocks move on.
    Advance(Duration),
    /// The wall clock is set to so many milliseconds beside its time.
    Jump(i64),
    /// Runs one due background step.
    Step(u64),
    /// Runs all due background steps.
    Steps,
    /// Ends this opening and begins another.
    Reopen(Reopen),
}

/// How one opening of a store ends and how the next begins.
#[derive(Clone, Copy, Debug)]
pub struct Reopen {
    /// How it ends.
    pub end: End,
    /// Whether the index folder is deleted in between.
    pub without_index: bool,
    /// Whether the next opening is buffered.
    pub buffered: bool,
    /// The segment size of the next opening, in bytes.
    pub segment_bytes: u64,
}

/// How one opening of a store ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed.
    Close,
    /// Dropped.
    Drop,
    /// The process died: nothing of ours ran.
    Kill,
}

/// An append relative to the store's state.
#[derive(Clone, Debug)]
pub struct AppendPlan {
    stream: usize,
    expected: Expected,
    events: Vec<NewEvent>,
    stamp: Stamp,
    durable: bool,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Any,
    NoStream,
    Exists,
    /// So far beside the stream's version.
    Beside(i64),
}

#[derive(Clone, Copy, Debug)]
enum Stamp {
    Clock,
    /// Microseconds beside the newest event's stamp.
    BesideNewest(i64),
    /// Microseconds beside the clock.
    BesideNow(i64),
}

impl AppendPlan {
    /// The append that is meant while the store is as `model` and its clock shows `now`.
    #[must_use]
    pub fn resolve(&self, model: &Model, now: Timestamp) -> Append {
        let stream = STREAMS[self.stream];
        let version = model.version(stream, Position::MAX).get();
        let expected = match self.expected {
            Expected::Any => ExpectedVersion::Any,
            Expected::NoStream => ExpectedVersion::NoStream,
            Expected::Exists => ExpectedVersion::Exists,
            Expected::Beside(by) => ExpectedVersion::at(version.saturating_add_signed(by)),
        };
        let newest = model.newest_stamp().unwrap_or(now);
        let recorded_at = match self.stamp {
            Stamp::Clock => None,
            Stamp::BesideNewest(by) => Some(Timestamp::from_micros(newest.as_micros() + by)),
            Stamp::BesideNow(by) => Some(Timestamp::from_micros(now.as_micros() + by)),
        };
        Append {
            stream: stream.to_owned(),
            expected,
            events: self.events.clone(),
            recorded_at,
            durable: self.durable,
        }
    }
}

/// A reading relative to the store's state.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    stream: Option<usize>,
    /// Parts of the stream's version, in 64ths.
    from_version: Option<u64>,
    /// Parts of the head, in 64ths.
    from: Option<u64>,
    after: Option<u64>,
    /// Parts of the head whose event's stamp is meant, and microseconds beside it.
    since: Option<(u64, i64)>,
    until: Option<(u64, i64)>,
    backward: bool,
    limit: Option<u64>,
}

impl QueryPlan {
    /// The reading that is meant while the store is as `model`.
    #[must_use]
    pub fn resolve(&self, model: &Model) -> Query {
        let head = model.head().get();
        let part = |of: u64, part: u64| (of * part).div_ceil(64);
        let position = |parts: Option<u64>| parts.map(|parts| Position::new(part(head, parts)));
        let moment = |bound: Option<(u64, i64)>| {
            bound.map(|(parts, by)| {
                let event = model.event(Position::new(part(head, parts)));
                let stamp = event.and_then(|event| event.recorded_at).unwrap_or_default();
                Timestamp::from_micros(stamp.as_micros() + by)
            })
        };
        let stream = self.stream.map(|stream| STREAMS[stream].to_owned());
        let version = stream.as_ref().map_or(8, |name| model.version(name, Position::MAX).get());
        Query {
            from_version: self.from_version.map(|parts| Version::new(part(version, parts))),
            stream,
            from: position(self.from),
            after: position(self.after),
            since: moment(self.since),
            until: moment(self.until),
            backward: self.backward,
            limit: self.limit,
        }
    }
}

/// A history of 1 to `max` operations.
pub fn history(max: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..=max)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => append().prop_map(Op::Append),
        20 => query().prop_map(Op::Read),
        4 => filter().prop_map(Op::Streams),
        4 => (0..STREAMS.len()).prop_map(Op::StreamEnd),
        3 => Just(Op::Sync),
        1 => Just(Op::Verify),
        2 => Just(Op::View),
        1 => Just(Op::ReadOnly),
        4 => (0_u64..400_000).prop_map(|micros| Op::Advance(Duration::from_micros(micros))),
        2 => (-5_000_i64..5_000).prop_map(Op::Jump),
        6 => any::<u64>().prop_map(Op::Step),
        4 => Just(Op::Steps),
        5 => reopen().prop_map(Op::Reopen),
    ]
}

fn reopen() -> impl Strategy<Value = Reopen> {
    let end = prop_oneof![Just(End::Close), Just(End::Drop), Just(End::Kill)];
    let segment_bytes = prop_oneof![
        3 => Just(16_u64 << 10),
        1 => Just(40_000_u64),
        1 => Just(1_u64 << 20),
    ];
    (end, prop::bool::weighted(0.2), any::<bool>(), segment_bytes).prop_map(
        |(end, without_index, buffered, segment_bytes)| Reopen {
            end,
            without_index,
            buffered,
            segment_bytes,
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let text = prop_oneof![
        Just("order"),
        Just("order-"),
        Just("order-1"),
        Just(""),
        Just("cart"),
        Just("nothing"),
        Just("ünï"),
    ];
    prop_oneof![
        Just(Filter::All),
        text.clone().prop_map(|text| Filter::Category(text.to_owned())),
        text.prop_map(|text| Filter::Prefix(text.to_owned())),
    ]
}

fn append() -> impl Strategy<Value = AppendPlan> {
    let expected = prop_oneof![
        4 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        1 => Just(Expected::Exists),
        3 => Just(Expected::Beside(0)),
        1 => (-2_i64..3).prop_map(Expected::Beside),
    ];
    let stamp = prop_oneof![
        12 => Just(Stamp::Clock),
        1 => (-2_i64..3).prop_map(Stamp::BesideNewest),
        1 => (-2_i64..3).prop_map(Stamp::BesideNow),
    ];
    let events = prop_oneof![
        6 => prop::collection::vec(event(), 1),
        3 => prop::collection::vec(event(), 2..8),
        1 => prop::collection::vec(event(), 20..60),
        1 => Just(Vec::new()),
    ];
    (0..STREAMS.len(), expected, events, stamp, any::<bool>()).prop_map(
        |(stream, expected, events, stamp, durable)| AppendPlan {
            stream,
            expected,
            events,
            stamp,
            durable,
        },
    )
}

fn query() -> impl Strategy<Value = QueryPlan> {
    let parts = || prop::option::weighted(0.3, 0_u64..80);
    let moment = || prop::option::weighted(0.2, (0_u64..66, -1_i64..2));
    (
        prop::option::weighted(0.6, 0..STREAMS.len()),
        prop::option::weighted(0.3, 0_u64..80),
        parts(),
        parts(),
        moment(),
        moment(),
        any::<bool>(),
        prop::option::weighted(0.4, prop_oneof![0_u64..12, Just(u64::MAX)]),
    )
        .prop_map(|(stream, from_version, from, after, since, until, backward, limit)| {
            QueryPlan { stream, from_version, from, after, since, until, backward, limit }
        })
}

/// An event with any choice of fields.
pub fn event() -> impl Strategy<Value = NewEvent> {
    let texts = (event_type(), content_and_data(), metadata(), tags());
    let ids = (own_id(), other_id(), other_id());
    (texts, ids, prop::option::of(occurred_at()), schema()).prop_map(
        |((event_type, (content, data), metadata, tags), ids, occurred_at, schema)| {
            let (id, correlation_id, causation_id) = ids;
            let mut event = NewEvent::new(event_type, content, data).schema(schema);
            event.metadata = metadata.into();
            event.tags = tags.into_iter().map(Into::into).collect();
            event.id = id;
            event.correlation_id = correlation_id;
            event.causation_id = causation_id;
            event.occurred_at = occurred_at;
            event
        },
    )
}

fn event_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("OrderPlaced".to_owned()),
        Just("x".to_owned()),
        Just("T02 Check confirmation".to_owned()),
        Just("Ünïcode™ 漢字".to_owned()),
        "[A-Za-z0-9_.:/-]{1,256}",
    ]
}

fn content_and_data() -> impl Strategy<Value = (ContentKind, Vec<u8>)> {
    let json = prop_oneof![
        Just("{}".to_owned()),
        Just("null".to_owned()),
        Just(r#"{ "total" : 1.50e3, "note":"ä\u0000" }"#.to_owned()),
        Just("not JSON at all: the engine never looks".to_owned()),
    ];
    prop_oneof![
        json.prop_map(|text| (ContentKind::Json, text.into_bytes())),
        "\\PC{0,80}".prop_map(|text| (ContentKind::Text, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|data| (ContentKind::Binary, data)),
        (any::<u8>(), 0_usize..6_000)
            .prop_map(|(byte, length)| (ContentKind::Binary, vec![byte; length])),
    ]
}

fn metadata() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(br#"{"user":"ann","trace":[1,2,3]}"#.to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    let tag = prop_oneof!["[a-z]{1,8}:[0-9]{1,4}", Just("täg mit Leerzeichen".to_owned())];
    prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(tag.clone(), 0..5),
        // More than one byte of count.
        1 => prop::collection::vec(tag, 128),
    ]
}

fn own_id() -> impl Strategy<Value = Option<EventId>> {
    prop_oneof![
        6 => Just(None),
        // A small pool, so that ids are reused.
        2 => (0_u128..40).prop_map(|id| Some(EventId::from_u128(id))),
        2 => any::<u128>().prop_map(|id| Some(EventId::from_u128(id))),
    ]
}

fn other_id() -> impl Strategy<Value = Option<EventId>> {
    prop::option::weighted(0.3, any::<u128>().prop_map(EventId::from_u128))
}

fn schema() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(1), 1 => any::<u32>()]
}

fn occurred_at() -> impl Strategy<Value = OccurredAt> {
    let seconds = prop_oneof![
        3 => 0_i64..2_000_000_000,
        1 => -62_135_596_800_i64..253_402_000_000,
    ];
    let offset = -OccurredAt::OFFSET_MINUTES_MAX..=OccurredAt::OFFSET_MINUTES_MAX;
    (seconds, 0_u32..1_000_000_000, 0_u8..10, offset).prop_map(
        |(seconds, nanos, digits, offset)| {
            let unit = 10_u32.pow(9 - u32::from(digits));
            OccurredAt::new(seconds, nanos / unit * unit, digits, offset)
                .expect("its parts are in range")
        },
    )
}
