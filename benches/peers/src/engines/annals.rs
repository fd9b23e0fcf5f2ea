//! Annals as its documentation says: one handle, default options but for durability and index.

use std::path::Path;

use annals::{
    Commit, Event, Events, ExpectedVersion, IndexKind, Position, Query, QueryItem, Read, Store,
    Version,
};

use super::in_window;
use crate::engine::{Append, Each, Engine, Kind, Seen, Settings, Terms};

/// With the index in RocksDB, which is the default.
pub const ROCKSDB: Kind = Kind {
    name: "Annals",
    open: |path, settings| open(path, settings, IndexKind::RocksDb),
    cannot: &[],
};

/// With the index in memory.
pub const MEMORY: Kind = Kind {
    name: "Annals, memory index",
    open: |path, settings| open(path, settings, IndexKind::Memory),
    cannot: &[],
};

fn open(path: &Path, settings: &Settings, index: IndexKind) -> Box<dyn Engine> {
    let options = Store::options().durability(settings.durability).index(index);
    Box::new(options.open(path).unwrap())
}

fn commit<'a>(append: &Append<'a>) -> Commit<'a> {
    Commit::new().append(append.stream, ExpectedVersion::at(append.version), append.events)
}

fn query(terms: &Terms<'_>) -> Query {
    let item = QueryItem::new().tags(terms.tags.iter().copied());
    terms.event_type.into_iter().fold(item, QueryItem::event_type).into()
}

fn give(events: Events, each: Each<'_>) {
    events.for_each(|event| each(seen(&event.unwrap())));
}

fn seen(event: &Event) -> Seen<'_> {
    Seen {
        version: event.version().get(),
        event_type: event.event_type().as_bytes(),
        metadata: event.metadata(),
        data: event.data(),
    }
}

impl Engine for Store {
    fn append(&self, append: Append<'_>) {
        let Append { stream, version, events } = append;
        self.append(stream, ExpectedVersion::at(version), events).unwrap();
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        let submit = |append| self.submit(&commit(&append)).unwrap();
        in_window(appends, in_flight, submit, |one| drop(one.wait().unwrap()));
    }

    fn settle(&self) {
        self.sync().unwrap();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        give(self.read(Read::stream(name).from_version(Version::new(from))), each);
    }

    fn last(&self, name: &str, each: Each<'_>) {
        if let Some(event) = self.last_event(name).unwrap() {
            each(seen(&event));
        }
    }

    fn scan(&self, each: Each<'_>) {
        give(self.read_all(), each);
    }

    fn position(&self) -> u64 {
        self.position().get()
    }

    fn query(&self, terms: &Terms<'_>, each: Each<'_>) {
        give(self.read(Read::all().matching(query(terms))), each);
    }

    fn append_if(&self, append: Append<'_>, terms: &Terms<'_>, after: u64) {
        self.commit(&commit(&append).fail_if(query(terms), Position::new(after))).unwrap();
    }

    fn close(self: Box<Self>) {
        Store::close(*self).unwrap();
    }
}
