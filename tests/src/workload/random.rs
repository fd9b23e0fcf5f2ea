//! Proptest strategies: events, appends, readings and whole histories. Bounds and expectations are
//! given relative to the store's state, so that they stay near it while a case shrinks.

use std::time::Duration;

use annals::{
    Checkpoint, Commit, ContentKind, EventId, ExpectedVersion, NewEvent, OccurredAt, Position,
    Query, QueryItem, Read, Timestamp, Version,
};
use proptest::prelude::*;

use crate::model::{Filter, Model};

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

/// Types, tags and ids of the histories: few, so that queries and conditions find something.
const TYPES: [&str; 4] = ["OrderPlaced", "OrderPaid", "x", "Ünïcode™ 漢字"];
const TAGS: [&str; 6] =
    ["customer:1", "customer:2", "region:n", "region:s", "t", "täg mit Leerzeichen"];
const CATEGORIES: [&str; 5] = ["order", "cart", "settings", "a", "none"];
const RELATED_IDS: u128 = 5;

/// One thing that is done to a store.
#[derive(Clone, Debug)]
pub enum Op {
    /// Commits.
    Commit(CommitPlan),
    /// Commits several without waiting in between; then waits for all, the last one first.
    Submit(Vec<CommitPlan>),
    /// Commits again what was committed so many commits ago.
    Repeat(usize, Twist),
    /// Reads events.
    Read(ReadPlan),
    /// Lists streams.
    Streams(Filter),
    /// Asks for a stream's end.
    StreamEnd(usize),
    /// Keeps a state of a stream, or behind the last one of a projection; in the place of those
    /// before it, or beside them.
    Keep(usize, bool),
    /// Looks for all states that were kept.
    FindStates,
    /// Makes all durable.
    Sync,
    /// Checks every byte.
    Verify,
    /// Takes a view, to be compared at the end.
    View,
    /// Looks at the state at parts of the head, in 64ths; and at its moment, so many microseconds
    /// beside it.
    AsOf(u64, i64),
    /// Opens read-only beside the writer.
    ReadOnly,
    /// Keeps a copy of the index's files.
    CopyIndex,
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

/// How a repeated commit differs from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Not at all.
    Same,
    /// Not in its events, but in what it expects.
    Expectations,
    /// Without its last event.
    Shorter,
    /// With one more event.
    Longer,
    /// In the data of its last event.
    Data,
    /// In the order of its parts.
    Order,
    /// With another stream.
    Stream,
}

impl Twist {
    /// The commit so changed; it may have no events left.
    #[must_use]
    pub fn apply(self, commit: &Commit<'static>) -> Commit<'static> {
        let mut parts: Vec<(String, Vec<NewEvent>)> = commit
            .parts()
            .iter()
            .map(|part| (part.stream.to_string(), part.events.to_vec()))
            .collect();
        let Some((stream, events)) = parts.last_mut() else { return commit.clone() };
        match self {
            Self::Same => return commit.clone(),
            Self::Expectations => {}
            Self::Shorter => _ = events.pop(),
            Self::Longer => events.push(NewEvent::json("x", "{}")),
            Self::Data => {
                if let Some(event) = events.last_mut() {
                    event.data = b"changed".to_vec().into();
                }
            }
            Self::Order => parts.reverse(),
            Self::Stream => stream.push('x'),
        }
        parts.into_iter().fold(Commit::new(), |commit, (stream, events)| {
            commit.append(stream, ExpectedVersion::Any, events)
        })
    }
}

/// How one opening of a store ends and how the next begins.
#[derive(Clone, Copy, Debug)]
pub struct Reopen {
    /// How it ends.
    pub end: End,
    /// What becomes of the index's files in between.
    pub index: IndexFate,
    /// Which index the next opening has, counted through those there are.
    pub kind: usize,
    /// Whether the next opening is buffered.
    pub buffered: bool,
    /// The segment size of the next opening, in bytes.
    pub segment_bytes: u64,
}

/// What becomes of the index's files between two openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFate {
    /// They stay.
    Kept,
    /// They are lost.
    Lost,
    /// The last copy takes their place.
    Older,
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

/// A commit relative to the store's state.
#[derive(Clone, Debug)]
pub struct CommitPlan {
    parts: Vec<(usize, Expected, Vec<NewEvent>)>,
    /// Streams that are not, or not only, written.
    others: Vec<(usize, Expected)>,
    /// Queries, and how far behind the head their positions lie.
    conditions: Vec<(Query, i64)>,
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

impl Expected {
    fn resolve(self, model: &Model, stream: &str) -> ExpectedVersion {
        let version = model.version(stream, Position::MAX).get();
        match self {
            Self::Any => ExpectedVersion::Any,
            Self::NoStream => ExpectedVersion::NoStream,
            Self::Exists => ExpectedVersion::Exists,
            Self::Beside(by) => ExpectedVersion::at(version.saturating_add_signed(by)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Stamp {
    Clock,
    /// Microseconds beside the newest event's stamp.
    BesideNewest(i64),
    /// Microseconds beside the clock.
    BesideNow(i64),
}

impl CommitPlan {
    /// The commit that is meant while the store is as `model` and its clock shows `now`.
    #[must_use]
    pub fn resolve(&self, model: &Model, now: Timestamp) -> Commit<'static> {
        let mut commit = Commit::new();
        for (stream, expected, events) in &self.parts {
            let stream = STREAMS[*stream];
            commit = commit.append(stream, expected.resolve(model, stream), events.clone());
        }
        for (stream, expected) in &self.others {
            let stream = STREAMS[*stream];
            commit = commit.expect(stream, expected.resolve(model, stream));
        }
        let head = i64::try_from(model.head().get()).unwrap_or(i64::MAX);
        for (query, behind) in &self.conditions {
            let after = u64::try_from(head - behind).unwrap_or(0);
            commit = commit.fail_if(query.clone(), Position::new(after));
        }
        let newest = model.newest_stamp().unwrap_or(now);
        let beside = |moment: Timestamp, by| Timestamp::from_micros(moment.as_micros() + by);
        commit = match self.stamp {
            Stamp::Clock => commit,
            Stamp::BesideNewest(by) => commit.recorded_at(beside(newest, by)),
            Stamp::BesideNow(by) => commit.recorded_at(beside(now, by)),
        };
        if self.durable { commit.durable() } else { commit }
    }
}

/// A reading relative to the store's state.
#[derive(Clone, Debug)]
pub struct ReadPlan {
    stream: Option<usize>,
    query: Option<Query>,
    /// Parts of the stream's version, in 64ths.
    from_version: Option<u64>,
    /// Parts of the head, in 64ths.
    from: Option<u64>,
    after: Option<u64>,
    /// Parts of the head whose event's checkpoint is meant, and whether its epoch is a false one.
    resume: Option<(u64, bool)>,
    /// Parts of the head whose event's stamp is meant, and microseconds beside it.
    since: Option<(u64, i64)>,
    until: Option<(u64, i64)>,
    backward: bool,
    limit: Option<u64>,
}

fn part(of: u64, part: u64) -> u64 {
    (of * part).div_ceil(64)
}

/// The position at so many 64ths of the head.
#[must_use]
pub fn position(model: &Model, parts: u64) -> Position {
    Position::new(part(model.head().get(), parts))
}

impl ReadPlan {
    /// The reading that is meant while the store is as `model`.
    #[must_use]
    pub fn resolve(&self, model: &Model) -> Read {
        let moment = |(parts, by): (u64, i64)| {
            let event = model.event(position(model, parts));
            let stamp = event.and_then(|event| event.recorded_at).unwrap_or_default();
            Timestamp::from_micros(stamp.as_micros() + by)
        };
        let mut version = 8;
        let mut read = Read::all();
        if let Some(stream) = self.stream {
            version = model.version(STREAMS[stream], Position::MAX).get();
            read = Read::stream(STREAMS[stream]);
        }
        if let Some(query) = &self.query {
            read = read.matching(query.clone());
        }
        if let Some(parts) = self.from_version {
            read = read.from_version(Version::new(part(version, parts)));
        }
        if let Some(parts) = self.from {
            read = read.from(position(model, parts));
        }
        if let Some(parts) = self.after {
            read = read.after(position(model, parts));
        }
        if let Some((parts, is_false)) = self.resume {
            let at = position(model, parts);
            let mut checkpoint =
                model.checkpoint(at).unwrap_or(Checkpoint { position: at, ..Checkpoint::START });
            checkpoint.epoch.id ^= u64::from(is_false);
            read = read.resume(checkpoint);
        }
        if let Some(bound) = self.since {
            read = read.since(moment(bound));
        }
        if let Some(bound) = self.until {
            read = read.until(moment(bound));
        }
        if let Some(limit) = self.limit {
            read = read.limit(limit);
        }
        if self.backward { read.backward() } else { read }
    }
}

/// A history of 1 to `max` operations.
pub fn history(max: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..=max)
}

/// One operation.
pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        36 => commit().prop_map(Op::Commit),
        6 => prop::collection::vec(commit(), 1..6).prop_map(Op::Submit),
        8 => (0_usize..12, twist()).prop_map(|(ago, twist)| Op::Repeat(ago, twist)),
        24 => read().prop_map(Op::Read),
        4 => filter().prop_map(Op::Streams),
        4 => (0..STREAMS.len()).prop_map(Op::StreamEnd),
        4 => (0..=STREAMS.len(), any::<bool>()).prop_map(|(key, instead)| Op::Keep(key, instead)),
        2 => Just(Op::FindStates),
        3 => Just(Op::Sync),
        1 => Just(Op::Verify),
        3 => Just(Op::View),
        3 => (0_u64..66, -1_i64..2).prop_map(|(parts, by)| Op::AsOf(parts, by)),
        1 => Just(Op::ReadOnly),
        2 => Just(Op::CopyIndex),
        4 => (0_u64..400_000).prop_map(|micros| Op::Advance(Duration::from_micros(micros))),
        2 => (-5_000_i64..5_000).prop_map(Op::Jump),
        6 => any::<u64>().prop_map(Op::Step),
        4 => Just(Op::Steps),
        6 => reopen().prop_map(Op::Reopen),
    ]
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        6 => Just(Twist::Same),
        2 => Just(Twist::Expectations),
        1 => Just(Twist::Shorter),
        1 => Just(Twist::Longer),
        1 => Just(Twist::Data),
        1 => Just(Twist::Order),
        1 => Just(Twist::Stream),
    ]
}

fn reopen() -> impl Strategy<Value = Reopen> {
    let end = prop_oneof![Just(End::Close), Just(End::Drop), Just(End::Kill)];
    let index = prop_oneof![
        3 => Just(IndexFate::Kept),
        1 => Just(IndexFate::Lost),
        2 => Just(IndexFate::Older),
    ];
    let segment_bytes = prop_oneof![
        3 => Just(16_u64 << 10),
        1 => Just(40_000_u64),
        1 => Just(1_u64 << 20),
    ];
    (end, index, 0_usize..2, any::<bool>(), segment_bytes).prop_map(
        |(end, index, kind, buffered, segment_bytes)| Reopen {
            end,
            index,
            kind,
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

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        6 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        2 => Just(Expected::Exists),
        6 => Just(Expected::Beside(0)),
        1 => (-2_i64..3).prop_map(Expected::Beside),
    ]
}

fn commit() -> impl Strategy<Value = CommitPlan> {
    let stamp = prop_oneof![
        12 => Just(Stamp::Clock),
        1 => (-2_i64..3).prop_map(Stamp::BesideNewest),
        1 => (-2_i64..3).prop_map(Stamp::BesideNow),
    ];
    let events = || {
        prop_oneof![
            30 => prop::collection::vec(event(), 1),
            15 => prop::collection::vec(event(), 2..6),
            1 => prop::collection::vec(event(), 20..60),
            1 => Just(Vec::new()),
        ]
    };
    let part = || (0..STREAMS.len(), expected(), events());
    let parts = prop_oneof![
        6 => prop::collection::vec(part(), 1),
        4 => prop::collection::vec(part(), 2..5),
    ];
    let others = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec((0..STREAMS.len(), expected()), 1..3),
    ];
    let behind =
        prop_oneof![6 => Just(0_i64), 6 => 1_i64..12, 2 => Just(i64::MAX), 1 => Just(-1_i64)];
    let conditions = prop_oneof![
        4 => Just(Vec::new()),
        2 => prop::collection::vec((query(), behind), 1..3),
    ];
    (parts, others, conditions, stamp, any::<bool>()).prop_map(
        |(parts, others, conditions, stamp, durable)| CommitPlan {
            parts,
            others,
            conditions,
            stamp,
            durable,
        },
    )
}

/// A query that often names something; now and then one that is refused.
pub fn query() -> impl Strategy<Value = Query> {
    let texts = |texts: &'static [&'static str], most: usize| {
        prop::collection::vec(prop::sample::select(texts), 0..=most)
    };
    let related = || prop::option::weighted(0.15, 0..RELATED_IDS + 1);
    let category = prop::option::weighted(0.25, prop::sample::select(&CATEGORIES[..]));
    let item = (category, texts(&TYPES, 2), texts(&TAGS, 2), related(), related()).prop_map(
        |(category, types, tags, correlation, causation)| {
            let mut item = QueryItem::new().event_types(types).tags(tags);
            if let Some(category) = category {
                item = item.category(category);
            }
            if let Some(id) = correlation {
                item = item.correlation_id(id);
            }
            if let Some(id) = causation {
                item = item.causation_id(id);
            }
            // An empty item makes the query a wrong one; that often is enough.
            if item == QueryItem::new() { item.tag(TAGS[0]) } else { item }
        },
    );
    prop_oneof![
        12 => item.clone().prop_map(Query::from),
        6 => prop::collection::vec(item, 2..4).prop_map(Query::any),
        2 => Just(Query::all()),
        1 => Just(Query::any([])),
    ]
}

fn read() -> impl Strategy<Value = ReadPlan> {
    let parts = || prop::option::weighted(0.3, 0_u64..80);
    let moment = || prop::option::weighted(0.2, (0_u64..66, -1_i64..2));
    let range = (
        prop::option::weighted(0.2, 0_u64..80),
        parts(),
        parts(),
        prop::option::weighted(0.2, (0_u64..66, prop::bool::weighted(0.2))),
        moment(),
        moment(),
    );
    (
        prop::option::weighted(0.4, 0..STREAMS.len()),
        prop::option::weighted(0.6, query()),
        range,
        any::<bool>(),
        prop::option::weighted(0.4, prop_oneof![0_u64..12, Just(u64::MAX)]),
    )
        .prop_map(|(stream, query, range, backward, limit)| {
            let (from_version, from, after, resume, since, until) = range;
            ReadPlan {
                stream,
                query,
                from_version,
                from,
                after,
                resume,
                since,
                until,
                backward,
                limit,
            }
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
        12 => prop::sample::select(&TYPES[..]).prop_map(str::to_owned),
        1 => Just("T02 Check confirmation".to_owned()),
        1 => "[A-Za-z0-9_.:/-]{1,256}",
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
    let tag = "[a-z]{1,8}:[0-9]{1,4}";
    let known = prop::sample::select(&TAGS[..]).prop_map(str::to_owned);
    prop_oneof![
        4 => Just(Vec::new()),
        12 => prop::collection::vec(known, 0..4),
        2 => prop::collection::vec(tag, 0..5),
        // More than one byte of count.
        1 => prop::collection::vec(tag, 128),
    ]
}

fn own_id() -> impl Strategy<Value = Option<EventId>> {
    prop_oneof![
        8 => Just(None),
        // A small pool, so that ids are reused.
        1 => (0_u128..40).prop_map(|id| Some(EventId::from_u128(id))),
        4 => any::<u128>().prop_map(|id| Some(EventId::from_u128(id))),
    ]
}

fn other_id() -> impl Strategy<Value = Option<EventId>> {
    prop_oneof![
        6 => Just(None),
        3 => (0..RELATED_IDS).prop_map(|id| Some(EventId::from_u128(id))),
        1 => any::<u128>().prop_map(|id| Some(EventId::from_u128(id))),
    ]
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
