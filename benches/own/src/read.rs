//! The rows that read, from a store and a plain file that hold the same.

use annals::{Event, Read, Store};
use tempfile::TempDir;

use crate::limit::{Frame, PlainReader};
use crate::workload::{Call, Tally, Workload};
use crate::{append, folder};

/// A row that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Whole streams of about 100 events.
    Stream,
    /// The last event of streams.
    Last,
    /// All events, oldest first.
    Scan,
    /// All events, newest first.
    ScanBack,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stream, Self::Last, Self::Scan, Self::ScanBack];

    /// What it is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stream => "read a whole stream of about 100 events",
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
            Self::Last => "last event",
            Self::Scan => "scan",
            Self::ScanBack => "scan backward",
        }
    }
}

/// Events in a stream that is read whole.
const STREAM_EVENTS: u64 = 100;
/// Streams read in one run.
const WHOLE_STREAMS: usize = 50;
/// Streams whose last event is read in one run.
const LAST_STREAMS: usize = 1_000;

/// A store and a plain file with the same events.
#[derive(Debug)]
pub struct Loaded {
    store: Store,
    plain: PlainReader,
    all: Tally,
    /// Streams to read whole, with what is in them.
    whole: Vec<(String, Tally)>,
    /// Streams whose last event is read, with that.
    last: Vec<(String, Tally)>,
    _folder: TempDir,
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
        let streams = workload.by_stream(&calls[0]);
        let whole = nearest(workload, &streams);
        let step = streams.len().div_ceil(LAST_STREAMS);
        let last = streams.iter().step_by(step).map(|(name, calls)| {
            let last = calls.last().unwrap();
            let event = workload.events(last).last().unwrap();
            let mut tally = Tally::default();
            tally.add(last.version() + last.count(), &event.metadata, &event.data);
            ((*name).to_owned(), tally)
        });
        let last = last.collect();
        let all = Tally::of(workload, &calls[0]);
        Self { store, plain, all, whole, last, _folder: folder }
    }

    /// How many events one run of the row reads.
    #[must_use]
    pub fn events(&self, row: Row) -> u64 {
        let sum = |streams: &[(String, Tally)]| streams.iter().map(|(_, all)| all.events).sum();
        match row {
            Row::Stream => sum(&self.whole),
            Row::Last => sum(&self.last),
            Row::Scan | Row::ScanBack => self.all.events,
        }
    }

    /// Runs a row on the store.
    pub fn annals(&self, row: Row) {
        match row {
            Row::Stream => check(&self.whole, |name| tally_events(self.store.read_stream(name))),
            Row::Last => {
                check(&self.last, |name| tally_events(self.store.last_event(name).transpose()))
            }
            Row::Scan => assert_eq!(tally_events(self.store.read_all()), self.all),
            Row::ScanBack => {
                assert_eq!(tally_events(self.store.read(Read::all().backward())), self.all)
            }
        }
    }

    /// Runs a row on the plain file.
    pub fn limit(&self, row: Row) {
        match row {
            Row::Stream => check(&self.whole, |name| tally(|each| self.plain.stream(name, each))),
            Row::Last => check(&self.last, |name| tally(|each| self.plain.last(name, each))),
            Row::Scan => assert_eq!(tally(|each| self.plain.scan(each)), self.all),
            Row::ScanBack => assert_eq!(tally(|each| self.plain.scan_back(each)), self.all),
        }
    }
}

/// The streams whose size is nearest to [`STREAM_EVENTS`].
fn nearest(workload: &Workload, streams: &[(&str, Vec<Call>)]) -> Vec<(String, Tally)> {
    let tally =
        |(name, calls): &(&str, Vec<Call>)| (str::to_owned(name), Tally::of(workload, calls));
    let mut all: Vec<(String, Tally)> = streams.iter().map(tally).collect();
    all.sort_by_key(|(_, tally)| tally.events.abs_diff(STREAM_EVENTS));
    all.truncate(WHOLE_STREAMS);
    all
}

/// Reads each stream and compares.
fn check(streams: &[(String, Tally)], read: impl Fn(&str) -> Tally) {
    for (name, wanted) in streams {
        assert_eq!(read(name), *wanted, "{name}");
    }
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
