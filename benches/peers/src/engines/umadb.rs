//! UmaDB: a store for dynamic consistency boundaries, with its own writer thread, which takes all
//! requests that wait into one commit. A stream is a tag, and the expected version a condition: no
//! event with the tag lies behind the stream's last one. Its events have no versions: they stand in
//! front of the data. Pages are read through a map. Every commit is synced.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use annals::NewEvent;
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::pager::ReadMethod;
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{
    DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem, DcbResult,
    DcbSequencedEvent,
};

use super::NO_MOMENTS;
use crate::engine::{Append, Each, Engine, Kind, Seen, Settings, Task, Terms};

/// UmaDB.
pub const KIND: Kind = Kind {
    name: "UmaDB",
    open: |path, settings| Box::new(Uma::open(path, settings)),
    cannot: &[(Task::Moments, NO_MOMENTS), (Task::Buffered, "syncs every commit")],
};

/// Requests that may wait for the writer.
const QUEUE: usize = 4_096;
/// Events that its writer takes into one commit.
const BATCH_EVENTS: usize = 1_000;
/// Events read at once.
const PAGE: u32 = 1_000;
const METADATA: &str = "metadata";

struct Uma {
    db: UmaDb,
    requests: mpsc::Sender<WriterThreadRequest>,
    writer: Option<JoinHandle<()>>,
    /// The version of each stream that was written, and the position of its last event.
    heads: Mutex<HashMap<String, (u64, u64)>>,
    tagged: bool,
}

/// An append on its way.
struct Submitted(oneshot::Receiver<DcbResult<u64>>);

impl Submitted {
    fn wait(self) -> u64 {
        self.0.blocking_recv().unwrap().unwrap()
    }
}

impl Uma {
    fn open(path: &Path, settings: &Settings) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = StorageOptions::default().db_path(path).read_method(ReadMethod::Mmap);
        let mvcc = Arc::new(Mvcc::new(false, options).unwrap());
        let db = UmaDb::from_arc(Arc::clone(&mvcc));
        let (requests, queue) = mpsc::channel(QUEUE);
        let (head, _) = watch::channel(None);
        let write = move || writer_thread_blocking(mvcc, queue, head, BATCH_EVENTS);
        let writer = Some(std::thread::spawn(write));
        Self { db, requests, writer, heads: Mutex::default(), tagged: settings.tagged }
    }

    fn submit(&self, append: &Append<'_>, condition: Option<DcbAppendCondition>) -> Submitted {
        let versions = append.version + 1..;
        let event = |(version, event)| self.event(append.stream, version, event);
        let events = versions.zip(append.events).map(event).collect();
        let (response_tx, answer) = oneshot::channel();
        let request = WriterThreadRequest::Append {
            events,
            condition,
            tracking_info: None,
            response_tx,
            cancel: None,
        };
        self.requests.blocking_send(request).ok().expect("the writer runs");
        Submitted(answer)
    }

    fn event(&self, stream: &str, version: u64, event: &NewEvent) -> DcbEvent {
        let mut tags = vec![stream_tag(stream)];
        if self.tagged {
            // It finds nothing by type alone.
            tags.push(type_tag(&event.event_type));
            tags.extend(event.tags.iter().map(ToString::to_string));
        }
        let metadata = str::from_utf8(&event.metadata).unwrap();
        DcbEvent {
            event_type: event.event_type.to_string(),
            tags,
            data: [&version.to_le_bytes(), &event.data[..]].concat(),
            uuid: None,
            metadata: vec![(METADATA.to_owned(), metadata.to_owned())],
        }
    }

    /// The version of a stream and the position of its last event.
    fn head(&self, stream: &str) -> (u64, u64) {
        let known = self.heads.lock().unwrap().get(stream).copied();
        known.unwrap_or_else(|| {
            let last = self.db.read(Some(of_stream(stream)), None, true, Some(1)).unwrap();
            let last = last.last().map(Result::unwrap);
            last.map_or((0, 0), |found| (seen(&found).version, found.position))
        })
    }

    fn unchanged(&self, append: &Append<'_>) -> DcbAppendCondition {
        let (version, position) = self.head(append.stream);
        assert_eq!(version, append.version, "{} is elsewhere", append.stream);
        DcbAppendCondition::new(of_stream(append.stream)).after(Some(position))
    }

    fn appended(&self, append: &Append<'_>, position: u64) {
        let head = (append.version + append.events.len() as u64, position);
        self.heads.lock().unwrap().insert(append.stream.to_owned(), head);
    }

    fn pages(&self, query: Option<&DcbQuery>, each: Each<'_>) {
        let mut from = None;
        loop {
            let page = self.db.read(query.cloned(), from, false, Some(PAGE)).unwrap();
            let mut events = 0;
            for found in page {
                let found = found.unwrap();
                each(seen(&found));
                from = Some(found.position + 1);
                events += 1;
            }
            if events < PAGE {
                return;
            }
        }
    }
}

fn stream_tag(stream: &str) -> String {
    format!("stream:{stream}")
}

fn type_tag(event_type: &str) -> String {
    format!("type:{event_type}")
}

fn with_tags(tags: impl IntoIterator<Item = String>) -> DcbQuery {
    DcbQuery::new().item(DcbQueryItem::new().tags(tags))
}

fn of_stream(stream: &str) -> DcbQuery {
    with_tags([stream_tag(stream)])
}

fn query(terms: &Terms<'_>) -> DcbQuery {
    let tags = terms.tags.iter().map(|&tag| tag.to_owned());
    with_tags(tags.chain(terms.event_type.map(type_tag)))
}

fn seen(found: &DcbSequencedEvent) -> Seen<'_> {
    let event = &found.event;
    let (version, data) = event.data.split_first_chunk().unwrap();
    Seen {
        version: u64::from_le_bytes(*version),
        event_type: event.event_type.as_bytes(),
        metadata: event.metadata[0].1.as_bytes(),
        data,
    }
}

impl Engine for Uma {
    fn append(&self, append: Append<'_>) {
        let position = self.submit(&append, Some(self.unchanged(&append))).wait();
        self.appended(&append, position);
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        let mut submitted = VecDeque::<(Append<'_>, Submitted)>::with_capacity(in_flight);
        let settle = |(append, one): (Append<'_>, Submitted)| self.appended(&append, one.wait());
        for append in appends {
            // A stream's position is known once what is on its way is there.
            let same = |(one, _): &(Append<'_>, Submitted)| one.stream == append.stream;
            while submitted.len() == in_flight || submitted.iter().any(same) {
                settle(submitted.pop_front().unwrap());
            }
            let request = self.submit(&append, Some(self.unchanged(&append)));
            submitted.push_back((append, request));
        }
        submitted.into_iter().for_each(settle);
    }

    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        let mut submitted = VecDeque::with_capacity(QUEUE);
        for append in appends {
            if submitted.len() == QUEUE {
                let first: Submitted = submitted.pop_front().unwrap();
                first.wait();
            }
            submitted.push_back(self.submit(&append, None));
        }
        for one in submitted {
            one.wait();
        }
        self.heads.lock().unwrap().clear();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        if from == 1 {
            return self.pages(Some(&of_stream(name)), each);
        }
        // Versions are unknown to it, but how many events there are from that one on is known.
        let behind = (self.head(name).0 + 1).saturating_sub(from);
        let newest = self.db.read(Some(of_stream(name)), None, true, Some(behind as u32)).unwrap();
        let newest: Vec<_> = newest.map(Result::unwrap).collect();
        newest.iter().rev().for_each(|found| each(seen(found)));
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let last = self.db.read(Some(of_stream(name)), None, true, Some(1)).unwrap();
        last.for_each(|found| each(seen(&found.unwrap())));
    }

    fn scan(&self, each: Each<'_>) {
        self.pages(None, each);
    }

    fn position(&self) -> u64 {
        self.db.head().unwrap().unwrap_or(0)
    }

    fn query(&self, terms: &Terms<'_>, each: Each<'_>) {
        self.pages(Some(&query(terms)), each);
    }

    fn append_if(&self, append: Append<'_>, terms: &Terms<'_>, after: u64) {
        // A condition has one position: the stream's version is checked here.
        assert_eq!(self.head(append.stream).0, append.version, "{} is elsewhere", append.stream);
        let condition = DcbAppendCondition::new(query(terms)).after(Some(after));
        let position = self.submit(&append, Some(condition)).wait();
        self.appended(&append, position);
    }
}

impl Drop for Uma {
    fn drop(&mut self) {
        self.requests.blocking_send(WriterThreadRequest::Shutdown).ok();
        self.writer.take().map(JoinHandle::join);
    }
}
