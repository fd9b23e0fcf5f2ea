//! UmaDB: a store for dynamic consistency boundaries, with its own writer thread, which takes all
//! requests that wait into one commit. A stream is a tag. Its events have no versions: they stand in
//! front of the data, and streams' versions are kept in memory, which is cheaper than a condition on
//! each append. Pages are read through a map, and kept decoded in its cache. Every commit is synced.

use std::path::Path;
use std::sync::Arc;
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

use super::heads::Heads;
use super::{NO_MOMENTS, in_window};
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
/// Pages that it keeps decoded.
const CACHE_MEBIBYTES: usize = 256;
const METADATA: &str = "metadata";

struct Uma {
    db: UmaDb,
    requests: mpsc::Sender<WriterThreadRequest>,
    writer: Option<JoinHandle<()>>,
    heads: Heads,
    tagged: bool,
}

/// An append on its way.
struct Submitted(oneshot::Receiver<DcbResult<u64>>);

impl Submitted {
    fn wait(self) {
        self.0.blocking_recv().unwrap().unwrap();
    }
}

impl Uma {
    fn open(path: &Path, settings: &Settings) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = StorageOptions::default().db_path(path).read_method(ReadMethod::Mmap);
        let options = options.page_cache_max_mb(CACHE_MEBIBYTES);
        let mvcc = Arc::new(Mvcc::new(false, options).unwrap());
        let db = UmaDb::from_arc(Arc::clone(&mvcc));
        let (requests, queue) = mpsc::channel(QUEUE);
        let (head, _) = watch::channel(None);
        let write = move || writer_thread_blocking(mvcc, queue, head, BATCH_EVENTS);
        let writer = Some(std::thread::spawn(write));
        let heads = Heads::new(db.head().unwrap().unwrap_or(0));
        Self { db, requests, writer, heads, tagged: settings.tagged }
    }

    fn submit(&self, append: &Append<'_>, condition: Option<DcbAppendCondition>) -> Submitted {
        self.heads.take(append, || self.version(append.stream));
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
        self.requests.blocking_send(request).expect("the writer runs");
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

    fn version(&self, stream: &str) -> u64 {
        let mut last = self.db.read(Some(of_stream(stream)), None, true, Some(1)).unwrap();
        last.next().map_or(0, |found| seen(&found.unwrap()).version)
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
        self.submit(&append, None).wait();
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        let submit = |append| self.submit(&append, None);
        in_window(appends, in_flight, submit, Submitted::wait);
    }

    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        self.pipeline(appends, QUEUE);
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        if from == 1 {
            return self.pages(Some(&of_stream(name)), each);
        }
        // Versions are unknown to it, but how many events there are from that one on is known.
        let behind = (self.version(name) + 1).saturating_sub(from);
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
        let condition = DcbAppendCondition::new(query(terms)).after(Some(after));
        self.submit(&append, Some(condition)).wait();
    }
}

impl Drop for Uma {
    fn drop(&mut self) {
        self.requests.blocking_send(WriterThreadRequest::Shutdown).ok();
        self.writer.take().map(JoinHandle::join);
    }
}
