//! What is written: accounts of 100 entries and a long one of 10,000, interleaved as a service
//! would write them, one event a commit; and what it comes to. The same seed gives the same history.

use std::collections::BTreeMap;

use annals::{Codec, NewEvent, Payloads};
use annals_benches::workload::{DATA_BYTES, METADATA_BYTES, SEED, Tally};
use annals_env::{Random, SeededRandom};

use crate::account::{Account, Entry, Posting};

/// What the labels say of it.
pub const LABEL: &str = "256 B payload in postcard, 32 B metadata, streams of 100 events";
/// Events of an account.
pub const ACCOUNT_EVENTS: usize = 100;
/// Events of the long account.
pub const LONG_EVENTS: usize = 10_000;
/// The stream of the long account.
pub const LONG: &str = "account-long";

/// Different events; they are written in turn.
const POOL: usize = 4_096;
/// Bytes of a memo, so that an event's data has [`DATA_BYTES`].
const MEMO_BYTES: usize = DATA_BYTES - 13;

/// Events in the order in which they are written.
#[derive(Debug)]
pub struct History {
    streams: Vec<String>,
    pool: Vec<(Entry, NewEvent)>,
    /// The number of each event's stream.
    order: Vec<u32>,
}

/// One event of it.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// Its place in the order of all, from 1 on.
    pub position: u64,
    /// The number of its stream.
    pub number: usize,
    /// Its stream.
    pub stream: &'a str,
    /// Its number in the stream, from 1 on.
    pub version: u64,
    /// What happened.
    pub entry: &'a Entry,
    /// The same as an event to append.
    pub event: &'a NewEvent,
}

impl History {
    /// So many events of accounts, and the long account.
    #[must_use]
    pub fn new(events: usize) -> Self {
        let random = SeededRandom::new(SEED);
        let accounts = events / ACCOUNT_EVENTS;
        let mut streams: Vec<String> =
            (0..accounts).map(|number| format!("account-{number:08}")).collect();
        shuffle(&mut streams, &random);
        streams.push(LONG.to_owned());
        let each = (0..accounts).flat_map(|number| [number as u32; ACCOUNT_EVENTS]);
        let mut order: Vec<u32> = each.chain([accounts as u32; LONG_EVENTS]).collect();
        shuffle(&mut order, &random);
        let pool = (0..POOL).map(|number| event(&random, number)).collect();
        Self { streams, pool, order }
    }

    /// How many events there are.
    #[expect(clippy::len_without_is_empty, reason = "the long account is always there")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Written<'_>> {
        let mut versions = vec![0; self.streams.len()];
        self.order.iter().enumerate().map(move |(at, &number)| {
            let number = number as usize;
            versions[number] += 1;
            let (entry, event) = &self.pool[at % POOL];
            let (position, version) = (at as u64 + 1, versions[number]);
            Written { position, number, stream: &self.streams[number], version, entry, event }
        })
    }
}

/// What a history comes to, folded by hand: what every engine must answer.
#[derive(Debug)]
pub struct Answers {
    /// The accounts, by stream, in no order.
    pub accounts: Vec<(String, Account)>,
    /// The position of each event of the long account, and the account behind it.
    pub long: Vec<(u64, Account)>,
    /// All entries as if they were of one account.
    pub total: Account,
    /// Events by type.
    pub by_type: BTreeMap<String, u64>,
    /// All events.
    pub all: Tally,
}

impl Answers {
    /// Of this history.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let empty = |name: &String| (name.clone(), Account::default());
        let mut accounts: Vec<(String, Account)> = history.streams.iter().map(empty).collect();
        let (mut long, mut by_type) = (Vec::new(), BTreeMap::<&str, u64>::new());
        let (mut total, mut all) = (Account::default(), Tally::default());
        for Written { position, number, stream, version, entry, event } in history.events() {
            let account = &mut accounts[number].1;
            account.post(entry.clone());
            if stream == LONG {
                long.push((position, account.clone()));
            }
            total.post(entry.clone());
            *by_type.entry(&event.event_type).or_default() += 1;
            all.add(version, &event.metadata, &event.data);
        }
        accounts.pop();
        let by_type = by_type.into_iter().map(|(name, events)| (name.to_owned(), events));
        Self { accounts, long, total, by_type: by_type.collect(), all }
    }

    /// The version of the long account behind the event at `position`.
    #[must_use]
    pub fn long_version(&self, position: u64) -> usize {
        self.long.partition_point(|&(at, _)| at <= position)
    }
}

fn shuffle<T>(all: &mut [T], random: &SeededRandom) {
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last as u64 + 1) as usize);
    }
}

fn event(random: &SeededRandom, number: usize) -> (Entry, NewEvent) {
    let noise: String = (0..MEMO_BYTES / 32).map(|_| format!("{:016x}", random.u64())).collect();
    let text = "status=open;currency=EUR;".chars().cycle();
    let posting = Posting {
        // Three bytes and eight.
        cents: (1 << 14) + random.below(1 << 20),
        booked: 1_772_000_000_000_000 + random.below(1 << 40),
        memo: noise.chars().chain(text).take(MEMO_BYTES).collect(),
    };
    let entry = match number % 20 {
        0 => Entry::FeeCharged(posting),
        1 => Entry::InterestCredited(posting),
        2..=8 => Entry::Withdrawn(posting),
        _ => Entry::Deposited(posting),
    };
    let metadata = format!(r#"{{"by":"bench","number":"{number:06}"}}"#);
    let event = Payloads::new(Codec::Postcard).encode(&entry).unwrap().metadata(metadata);
    assert_eq!((event.data.len(), event.metadata.len()), (DATA_BYTES, METADATA_BYTES));
    (entry, event)
}
