//! SQLite: WAL, `synchronous` FULL for durable rows and NORMAL for buffered ones, prepared
//! statements, a map of the file and 64 MiB of cache. Streams are numbered, so that the index by
//! (stream, version) is small. One connection: appends of several threads that meet become one
//! transaction, each checked by itself. Streams' versions are kept in memory.
//!
//! Two layouts: a table by position with an index by stream, and a second, clustered copy of all
//! events by stream, which costs twice the bytes and makes reads of streams sequential.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use annals::Durability;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};

use super::group::Group;
use super::{NO_MOMENTS, in_parts};
use crate::engine::{Append, Each, Engine, Kind, Seen, Settings, Task, Terms};

/// With an index by stream.
pub const INDEXED: Kind = Kind {
    name: "SQLite",
    open: |path, settings| Box::new(Sqlite::open(path, settings, Layout::Indexed)),
    cannot: &[
        (Task::Moments, NO_MOMENTS),
        (Task::Pipeline, "has no appends that are waited for later"),
    ],
};

/// With a second copy by stream.
pub const CLUSTERED: Kind = Kind {
    name: "SQLite, second copy",
    open: |path, settings| Box::new(Sqlite::open(path, settings, Layout::Clustered)),
    ..INDEXED
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Indexed,
    Clustered,
}

struct Sqlite {
    state: Mutex<State>,
    group: Group,
    sql: OfStream,
    layout: Layout,
    tagged: bool,
}

struct State {
    connection: Connection,
    /// Number and version of each stream that was written.
    heads: HashMap<String, (i64, u64)>,
}

/// Appends of one transaction of a load.
const LOADING: usize = 1_000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        version INTEGER NOT NULL,
        type TEXT NOT NULL,
        metadata BLOB NOT NULL,
        data BLOB NOT NULL,
        recorded_at INTEGER NOT NULL
    );";
const INDEX: &str = "CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON events (stream, version);";
const COPY: &str = "
    CREATE TABLE IF NOT EXISTS by_stream (
        stream INTEGER NOT NULL,
        version INTEGER NOT NULL,
        type TEXT NOT NULL,
        metadata BLOB NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;";
const TAGS: &str = "
    CREATE INDEX IF NOT EXISTS by_type ON events (type, position);
    CREATE TABLE IF NOT EXISTS tags (
        tag TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (tag, position)
    ) WITHOUT ROWID;";

const INSERT: &str = "INSERT INTO events (stream, version, type, metadata, data, recorded_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_COPY: &str = "INSERT INTO by_stream VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_TAG: &str = "INSERT INTO tags VALUES (?1, ?2)";
const NUMBER: &str = "SELECT number FROM streams WHERE name = ?1";
const INSERT_STREAM: &str = "INSERT INTO streams (name) VALUES (?1)";
const ALL: &str = "SELECT version, type, metadata, data FROM events ORDER BY position";
const POSITION: &str = "SELECT coalesce(max(position), 0) FROM events";

/// The statements on the events of a stream.
struct OfStream {
    head: String,
    stream: String,
    last: String,
}

impl OfStream {
    fn new(layout: Layout) -> Self {
        let table = match layout {
            Layout::Indexed => "events",
            Layout::Clustered => "by_stream",
        };
        let select = format!(
            "SELECT version, type, metadata, data FROM {table}
            WHERE stream = (SELECT number FROM streams WHERE name = ?1)"
        );
        Self {
            head: format!("SELECT coalesce(max(version), 0) FROM {table} WHERE stream = ?1"),
            stream: format!("{select} AND version >= ?2 ORDER BY version"),
            last: format!("{select} ORDER BY version DESC LIMIT 1"),
        }
    }
}

impl Sqlite {
    fn open(path: &Path, settings: &Settings, layout: Layout) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let connection = Connection::open(path.join("sqlite")).unwrap();
        let synchronous = match settings.durability {
            Durability::Sync => "FULL",
            Durability::Buffered => "NORMAL",
        };
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", synchronous).unwrap();
        connection.pragma_update(None, "cache_size", -(64 << 10)).unwrap();
        connection.pragma_update(None, "mmap_size", i64::from(i32::MAX)).unwrap();
        connection.set_prepared_statement_cache_capacity(32);
        let by_stream = if layout == Layout::Clustered { COPY } else { INDEX };
        let tags = if settings.tagged { TAGS } else { "" };
        connection.execute_batch(&format!("{TABLES}{by_stream}{tags}")).unwrap();
        let state = Mutex::new(State { connection, heads: HashMap::new() });
        let (group, sql) = (Group::default(), OfStream::new(layout));
        Self { state, group, sql, layout, tagged: settings.tagged }
    }

    /// Writes these as one transaction.
    fn write(&self, appends: &[Append<'_>], check: impl FnOnce(&Connection)) {
        let State { connection, heads } = &mut *self.state.lock().unwrap();
        let transaction = connection.unchecked_transaction().unwrap();
        check(connection);
        let mut insert = connection.prepare_cached(INSERT).unwrap();
        for &Append { stream, version: before, events } in appends {
            let (number, version) = match heads.get_mut(stream) {
                Some(head) => head,
                None => heads.entry(stream.to_owned()).or_insert(self.head(connection, stream)),
            };
            assert_eq!(*version, before, "{stream} is elsewhere");
            for event in events {
                *version += 1;
                let (metadata, data) = (&event.metadata[..], &event.data[..]);
                let at = super::now() as i64;
                let row = params![*number, *version as i64, event.event_type, metadata, data, at];
                insert.execute(row).unwrap();
                let position = connection.last_insert_rowid();
                if self.layout == Layout::Clustered {
                    let mut copy = connection.prepare_cached(INSERT_COPY).unwrap();
                    let row = params![*number, *version as i64, event.event_type, metadata, data];
                    copy.execute(row).unwrap();
                }
                if self.tagged {
                    let mut insert = connection.prepare_cached(INSERT_TAG).unwrap();
                    for tag in &event.tags {
                        insert.execute(params![tag, position]).unwrap();
                    }
                }
            }
        }
        drop(insert);
        transaction.commit().unwrap();
    }

    /// Number and version of a stream, which is made where there is none.
    fn head(&self, connection: &Connection, stream: &str) -> (i64, u64) {
        let mut number = connection.prepare_cached(NUMBER).unwrap();
        let Some(number) = number.query_row([stream], |row| row.get(0)).optional().unwrap() else {
            let mut insert = connection.prepare_cached(INSERT_STREAM).unwrap();
            return (insert.insert([stream]).unwrap(), 0);
        };
        let mut head = connection.prepare_cached(&self.sql.head).unwrap();
        let version: i64 = head.query_row([number], |row| row.get(0)).unwrap();
        (number, version as u64)
    }

    fn each(&self, sql: &str, params: impl Params, each: Each<'_>) {
        let state = self.state.lock().unwrap();
        let mut select = state.connection.prepare_cached(sql).unwrap();
        let mut rows = select.query(params).unwrap();
        while let Some(row) = rows.next().unwrap() {
            each(Seen {
                version: row.get::<_, i64>(0).unwrap() as u64,
                event_type: bytes(row, 1),
                metadata: bytes(row, 2),
                data: bytes(row, 3),
            });
        }
    }
}

fn bytes<'a>(row: &'a Row<'_>, column: usize) -> &'a [u8] {
    match row.get_ref(column).unwrap() {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        other => panic!("neither text nor bytes: {other:?}"),
    }
}

/// What selects the positions of the events that match, and the values in it.
fn positions(terms: &Terms<'_>) -> (String, Vec<Value>) {
    let (mut tables, mut wheres, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for &tag in terms.tags {
        let name = tables.len();
        tables.push(format!("tags AS t{name}"));
        values.push(Value::from(tag.to_owned()));
        wheres.push(format!("t{name}.tag = ?{}", values.len()));
    }
    if let Some(event_type) = terms.event_type {
        tables.push("events AS e".to_owned());
        values.push(Value::from(event_type.to_owned()));
        wheres.push(format!("e.type = ?{}", values.len()));
    }
    let mut joined = tables.remove(0);
    for table in tables {
        joined += &format!(" JOIN {table} USING (position)");
    }
    (format!("SELECT position FROM {joined} WHERE {}", wheres.join(" AND ")), values)
}

impl Engine for Sqlite {
    fn append(&self, append: Append<'_>) {
        self.group.append(append, |appends| self.write(appends, |_| {}));
    }

    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        in_parts(appends, LOADING, |part| self.write(part, |_| {}));
    }

    fn settle(&self) {
        let state = self.state.lock().unwrap();
        let tidy = "ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);";
        state.connection.execute_batch(tidy).unwrap();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        self.each(&self.sql.stream, params![name, from as i64], each);
    }

    fn last(&self, name: &str, each: Each<'_>) {
        self.each(&self.sql.last, [name], each);
    }

    fn scan(&self, each: Each<'_>) {
        self.each(ALL, [], each);
    }

    fn position(&self) -> u64 {
        let state = self.state.lock().unwrap();
        let mut select = state.connection.prepare_cached(POSITION).unwrap();
        let position: i64 = select.query_row([], |row| row.get(0)).unwrap();
        position as u64
    }

    fn query(&self, terms: &Terms<'_>, each: Each<'_>) {
        let (positions, values) = positions(terms);
        let sql = format!(
            "SELECT version, type, metadata, data FROM ({positions}) JOIN events USING (position)
            ORDER BY position"
        );
        self.each(&sql, params_from_iter(values), each);
    }

    fn append_if(&self, append: Append<'_>, terms: &Terms<'_>, after: u64) {
        let (positions, mut values) = positions(terms);
        values.push(Value::from(after as i64));
        let sql = format!("{positions} AND position > ?{} LIMIT 1", values.len());
        self.write(&[append], |connection| {
            let mut select = connection.prepare_cached(&sql).unwrap();
            assert!(!select.exists(params_from_iter(values)).unwrap(), "the condition fails");
        });
    }

    fn close(self: Box<Self>) {
        self.state.into_inner().unwrap().connection.close().unwrap();
    }
}
