//! The rows that read, from a store and a plain file that hold the same.

use std::ops::RangeInclusive;

use annals::{Event, Read, Store, Version};
use annals_env::SeededRandom;
use tempfile::TempDir;

use crate::limit::{Frame, PlainReader};
use crate::workload::{Call, SEED, Tally, Workload};
use crate::{append, folder};

/// A row that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Whole streams of about 100 events.
    Stream,
    /// The second half of such streams.
    Middle,
    /// Whole streams of about 10,000 events.
    Long,
    /// The last event of streams.
    Last,
    /// All events, oldest first.
    Scan,
    /// All events, newest first.
    ScanBack,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Stream, Self::Middle, Self::Long, Self::Last, Self::Scan, Self::ScanBack];

    /// What it is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stream => "read a whole stream of about 100 events",
            Self::Middle => "read a stream of about 100 events from its middle",
            Self::Long => "read a whole stream of about 10,000 events",
            Self::Last => "read the last event of a stream",
            Self::Scan => "scan in global order",
            Self::ScanBack => "scan backward",
        }
    }

    /// The same in a word or two.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Stream => "stream of 100",
            Self::Middle => "from the middle",
            Self::Long => "stream of 10,000",
            Self::Last => "last event",
            Self::Scan => "scan",
            Self::ScanBack => "scan backward",
        }
    }

    /// What its ratio to the limit should at least be; empty where nothing is said.
    #[must_use]
    pub const fn floor(self) -> &'static str {
        match self {
            Self::Stream | Self::Scan => "1.0",
            Self::Middle | Self::Last => "0.7",
            Self::Long | Self::ScanBack => "",
        }
    }
}

/// Events in a stream of about 100.
const SHORT: RangeInclusive<u64> = 50..=200;
/// Events in a stream of about 10,000.
const LONG: RangeInclusive<u64> = 5_000..=20_000;

/// A store and a plain file with the same events.
#[derive(Debug)]
pub struct Loaded {
    store: Store,
    plain: PlainReader,
    all: Tally,
    whole: Vec<Wanted>,
    middle: Vec<Wanted>,
    long: Vec<Wanted>,
    last: Vec<Wanted>,
    _folder: TempDir,
}

/// A stream to read, the version behind which to begin, and what is there.
#[derive(Debug)]
struct Wanted {
    stream: String,
    version: u64,
    tally: Tally,
}

impl Loaded {
    /// Appends calls of `batch` events, so many events in all, to both.
    #[must_use]
    pub fn new(workload: &Workload, events: usize, batch: usize) -> Self {
        let calls = [workload.calls(events / batch, batch)];
        let folder = folder::fresh();
        let durability = annals::Durability::Buffered;
        let (store, _) = append::annals(folder.path(), workload, &calls, durability);
        let (plain, _) = append::limit(folder.path(), workload, &calls, durability);
        store.sync().unwrap();
        let streams = shuffled(workload, &calls[0]);
        let of = |sizes: RangeInclusive<u64>, begin: &dyn Fn(u64) -> u64| -> Vec<Wanted> {
            let wanted = streams.iter().filter_map(|(name, calls)| {
                let newest = calls.last().map(|last| last.version() + last.count())?;
                let version = begin(newest);
                sizes.contains(&newest).then(|| Wanted::of(workload, name, calls, version))
            });
            wanted.collect()
        };
        Self {
            whole: of(SHORT, &|_| 0),
            middle: of(SHORT, &|newest| newest / 2),
            long: of(LONG, &|_| 0),
            last: of(1..=u64::MAX, &|newest| newest - 1),
            all: Tally::of(workload, &calls[0]),
            store,
            plain,
            _folder: folder,
        }
    }

    /// How many events one run of the row reads.
    #[must_use]
    pub fn events(&self, row: Row) -> u64 {
        match row {
            Row::Scan | Row::ScanBack => self.all.events,
            _ => self.wanted(row).iter().map(|wanted| wanted.tally.events).sum(),
        }
    }

    fn wanted(&self, row: Row) -> &[Wanted] {
        match row {
            Row::Stream => &self.whole,
            Row::Middle => &self.middle,
            Row::Long => &self.long,
            Row::Last => &self.last,
            Row::Scan | Row::ScanBack => &[],
        }
    }

    /// Runs a row on the store.
    pub fn annals(&self, row: Row) {
        let read = match row {
            Row::Stream | Row::Long => {
                |store: &Store, wanted: &Wanted| tally_events(store.read_stream(&wanted.stream))
            }
            Row::Middle => |store: &Store, wanted: &Wanted| {
                let from = Version::new(wanted.version + 1);
                tally_events(store.read(Read::stream(&wanted.stream).from_version(from)))
            },
            Row::Last => |store: &Store, wanted: &Wanted| {
                tally_events(store.last_event(&wanted.stream).transpose())
            },
            Row::Scan => return assert_eq!(tally_events(self.store.read_all()), self.all),
            Row::ScanBack => {
                let events = self.store.read(Read::all().backward());
                return assert_eq!(tally_events(events), self.all);
            }
        };
        for wanted in self.wanted(row) {
            assert_eq!(read(&self.store, wanted), wanted.tally, "{}", wanted.stream);
        }
    }

    /// Runs a row on the plain file.
    pub fn limit(&self, row: Row) {
        match row {
            Row::Scan => return assert_eq!(tally(|each| self.plain.scan(each)), self.all),
            Row::ScanBack => return assert_eq!(tally(|each| self.plain.scan_back(each)), self.all),
            Row::Stream | Row::Middle | Row::Long | Row::Last => {}
        }
        for wanted in self.wanted(row) {
            let Wanted { stream, version, .. } = wanted;
            let read = match row {
                Row::Last => tally(|each| self.plain.last(stream, each)),
                _ => tally(|each| self.plain.stream(stream, *version, each)),
            };
            assert_eq!(read, wanted.tally, "{stream}");
        }
    }
}

impl Wanted {
    fn of(workload: &Workload, stream: &str, calls: &[Call], version: u64) -> Self {
        let mut tally = Tally::default();
        for call in calls {
            for (number, event) in (call.version() + 1..).zip(workload.events(call)) {
                if number > version {
                    tally.add(number, &event.metadata, &event.data);
                }
            }
        }
        Self { stream: stream.to_owned(), version, tally }
    }
}

/// The calls of each stream, in an order that has nothing to do with where its events lie.
fn shuffled<'a>(workload: &'a Workload, calls: &[Call]) -> Vec<(&'a str, Vec<Call>)> {
    let mut streams = workload.by_stream(calls);
    let random = SeededRandom::new(SEED);
    for last in (1..streams.len()).rev() {
        streams.swap(last, random.below(last as u64 + 1) as usize);
    }
    streams
}

fn tally_events(events: impl IntoIterator<Item = annals::Result<Event>>) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        let event = event.unwrap();
        tally.add(event.version().get(), event.metadata(), event.data());
    }
    tally
}

fn tally(read: impl FnOnce(&mut dyn FnMut(Frame<'_>))) -> Tally {
    let mut tally = Tally::default();
    read(&mut |frame| tally.add(frame.version, frame.metadata, frame.data));
    tally
}
