//! SQLite, as an expert would set it up: it holds each event twice, so that every row finds the
//! events one behind the other in the order in which it reads them.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Params, params};

use crate::account::{Account, Entry};
use crate::history::History;
use crate::peer::Peer;

/// A database, open for reading.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

const TABLES: &str = "
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        version INTEGER NOT NULL,
        type TEXT NOT NULL,
        data BLOB NOT NULL,
        metadata BLOB NOT NULL,
        recorded_at INTEGER NOT NULL
    );
    CREATE TABLE by_stream (
        stream TEXT NOT NULL,
        version INTEGER NOT NULL,
        type TEXT NOT NULL,
        data BLOB NOT NULL,
        metadata BLOB NOT NULL,
        recorded_at INTEGER NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;";

impl Sqlite {
    /// Writes the history to a new database in `folder`, and opens it again.
    #[must_use]
    pub fn new(folder: &Path, history: &History) -> Self {
        let path = folder.join("sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "NORMAL").unwrap();
        connection.execute_batch(TABLES).unwrap();
        let transaction = connection.unchecked_transaction().unwrap();
        let insert = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let mut insert = transaction.prepare(insert).unwrap();
        for written in history.events() {
            let (position, version) = (written.position as i64, written.version as i64);
            let event = written.event;
            let (data, metadata) = (&event.data[..], &event.metadata[..]);
            let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
            let row =
                params![position, written.stream, version, event.event_type, data, metadata, time];
            insert.execute(row).unwrap();
        }
        drop(insert);
        let again = "INSERT INTO by_stream SELECT stream, version, type, data, metadata, \
                     recorded_at FROM events ORDER BY stream, version";
        transaction.execute(again, []).unwrap();
        transaction.commit().unwrap();
        connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
        connection.close().unwrap();
        Self::open(&path)
    }

    fn open(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).unwrap();
        connection.pragma_update(None, "cache_size", -(1 << 20)).unwrap();
        connection.pragma_update(None, "mmap_size", i64::from(i32::MAX)).unwrap();
        Self { connection }
    }

    /// Gives type and data of every row.
    fn each(&self, sql: &str, params: impl Params, mut each: impl FnMut(&[u8], &[u8])) {
        let mut select = self.connection.prepare_cached(sql).unwrap();
        let mut rows = select.query(params).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let column = |number| match row.get_ref(number).unwrap() {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                other => panic!("neither text nor bytes: {other:?}"),
            };
            each(column(0), column(1));
        }
    }
}

const STREAM: &str = "SELECT type, data FROM by_stream WHERE stream = ?1 ORDER BY version";
const ALL: &str = "SELECT type, data FROM events ORDER BY position";

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn load(&self, stream: &str) -> Account {
        let mut account = Account::default();
        self.each(STREAM, [stream], |event_type, data| {
            account.post(Entry::decode(event_type, data));
        });
        account
    }

    fn by_type(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::<String, u64>::new();
        self.each(ALL, [], |event_type, data| {
            black_box(data.first_chunk::<8>());
            let event_type = str::from_utf8(event_type).unwrap();
            match counts.get_mut(event_type) {
                Some(events) => *events += 1,
                None => drop(counts.insert(event_type.to_owned(), 1)),
            }
        });
        counts
    }

    fn total(&self) -> Account {
        let mut total = Account::default();
        self.each(ALL, [], |event_type, data| total.post(Entry::decode(event_type, data)));
        total
    }
}
