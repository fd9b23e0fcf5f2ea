//! Prints how queries, append conditions, ids and the index stand, as Markdown tables: medians of
//! rounds that take turns with what stands beside them.
//!
//! `queries [EVENTS]`: so many events in the store (1,000,000 where nothing is said).

use std::path::Path;
use std::time::Instant;

use annals::{
    Commit, Durability, ExpectedVersion, IndexKind, NewEvent, Options, Position, Query, QueryItem,
    Read, Store,
};
use annals_benches::folder;
use annals_benches::limit::{PlainFile, PlainReader};

const EVENTS: u64 = 1_000_000;
const ROUNDS: usize = 7;
/// Events of one append of the rows on importing.
const BATCH: u64 = 100;
/// Appends that one round of the rows on conditions makes.
const APPENDS: u64 = 5_000;

fn main() {
    let events = std::env::args().nth(1).map_or(EVENTS, |arg| arg.parse().expect("a number"));
    println!("{events} events, 256 B payload; {}; medians of {ROUNDS} rounds", folder::describe());
    for kind in kinds() {
        println!("\n## Index: {kind:?}\n");
        let folder = folder::fresh();
        let store = filled(folder.path(), kind, events, 10_000);
        queries(&store, folder.path(), events);
        conditions(&store);
        drop(store);
        sizes(kind, events);
        opening(kind, events);
        import(kind, events);
    }
}

fn kinds() -> Vec<IndexKind> {
    vec![
        IndexKind::Memory,
        #[cfg(feature = "rocksdb")]
        IndexKind::RocksDb,
    ]
}

fn options(kind: IndexKind) -> Options {
    Store::options().durability(Durability::Buffered).index(kind)
}

/// The event with this number: one in 1,000 has the tag `rare`, every second one `even`, the others
/// `odd`, and one in 1,000 both of these.
fn event(number: u64) -> NewEvent {
    let data = vec![b'x'; 256];
    let mut event = NewEvent::binary(format!("Type{:02}", number % 20), data);
    if number.is_multiple_of(1_000) {
        event = event.tag("rare").tag("odd");
    }
    let parity = if number.is_multiple_of(2) { "even" } else { "odd" };
    event.tag(parity).tag(format!("customer:{}", number * 7 % 10_007))
}

fn filled(folder: &Path, kind: IndexKind, events: u64, streams: u64) -> Store {
    let store = options(kind).open(folder.join("store")).unwrap();
    for number in 0..events {
        let stream = format!("account-{}", number * 31 % streams);
        store.append(&stream, ExpectedVersion::Any, &[event(number)]).unwrap();
    }
    store.sync().unwrap();
    store
}

fn queries(store: &Store, folder: &Path, events: u64) {
    let path = folder.join("plain");
    let mut file = PlainFile::create(&path);
    for number in 0..events {
        file.append("account", number, &[event(number)]);
    }
    drop(file);
    let plain = PlainReader::open(&path);
    println!(
        "| query | matches | plain file at known offsets, ms | annals, ms | ratio | scan, ms |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, query) in [
        ("one tag, 1 in 1,000", Query::from(QueryItem::new().tag("rare"))),
        ("two tags on half of all events, both on 1 in 1,000", tags(["even", "odd"])),
        ("one type, 1 in 20", QueryItem::new().event_type("Type07").into()),
        (
            "a type and a tag of 100 events",
            QueryItem::new().event_type("Type07").tag("customer:7").into(),
        ),
    ] {
        let read = Read::all().matching(query.clone());
        let positions: Vec<u64> =
            store.read(read.clone()).map(|event| event.unwrap().position().get()).collect();
        let scanned = store.read_all().filter(|event| query.matches(event.as_ref().unwrap()));
        assert_eq!(scanned.count(), positions.len());
        let [limit, annals, scan] = rounds([
            &|| plain.at(&positions, &mut |_| {}),
            &|| assert_eq!(store.read(read.clone()).count(), positions.len()),
            &|| {
                let matching = |event: &annals::Event| query.matches(event);
                let found = store.read_all().filter(|event| matching(event.as_ref().unwrap()));
                assert_eq!(found.count(), positions.len());
            },
        ]);
        let matches = positions.len();
        let ratio = limit / annals;
        println!(
            "| {name} | {matches} | {:.3} | {:.3} | {ratio:.2} | {:.1} |",
            limit * 1e3,
            annals * 1e3,
            scan * 1e3
        );
    }
}

fn tags<const N: usize>(tags: [&str; N]) -> Query {
    QueryItem::new().tags(tags).into()
}

/// Appends under a condition that nothing newer matches, whatever lies before its position.
fn conditions(store: &Store) {
    let ten = [0; 10].map(|_| NewEvent::json("Few", "{}").tag("few"));
    store.append("few", ExpectedVersion::Any, &ten).unwrap();
    let append = |condition: Option<&Query>| {
        for _ in 0..APPENDS {
            let event = [NewEvent::json("Counted", "{}")];
            let mut commit = Commit::new().append("counter", ExpectedVersion::Any, &event);
            if let Some(query) = condition {
                commit = commit.fail_if(query.clone(), store.position());
            }
            store.commit(&commit).unwrap();
        }
    };
    let few = Query::from(QueryItem::new().tag("few"));
    let many = Query::from(QueryItem::new().category("account"));
    let both = tags(["even", "odd"]);
    let [none, few, many, both] =
        rounds([&|| append(None), &|| append(Some(&few)), &|| append(Some(&many)), &|| {
            append(Some(&both))
        }]);
    println!("\n| append, one event | appends/s | of the one without a condition |");
    println!("| --- | ---: | ---: |");
    for (name, time) in [
        ("without a condition", none),
        ("on a tag with 10 earlier matches", few),
        ("on a category with all earlier events as matches", many),
        ("on two tags with long lists", both),
    ] {
        println!("| {name} | {:.0} | {:.2} |", APPENDS as f64 / time, none / time);
    }
}

fn sizes(kind: IndexKind, events: u64) {
    println!("\n| streams | index on disk, B an event | in memory, B an event | log, B an event |");
    println!("| ---: | ---: | ---: | ---: |");
    for streams in [10_000, events] {
        let folder = folder::fresh();
        filled(folder.path(), kind, events, streams).close().unwrap();
        let store = options(kind).open(folder.path().join("store")).unwrap();
        let stats = store.stats().unwrap();
        let each = |bytes: u64| bytes as f64 / events as f64;
        println!(
            "| {streams} | {:.1} | {:.1} | {:.1} |",
            each(stats.index_disk_bytes),
            each(stats.index_memory_bytes),
            each(stats.log_bytes)
        );
    }
}

/// Until the first append and the first read are answered.
fn opening(kind: IndexKind, events: u64) {
    let (clean, killed) = (folder::fresh(), folder::fresh());
    let store = filled(clean.path(), kind, events, 10_000);
    copy(&clean.path().join("store"), &killed.path().join("store"));
    store.close().unwrap();
    let open = |folder: &Path| {
        let copied = folder::fresh();
        copy(&folder.join("store"), &copied.path().join("store"));
        let start = Instant::now();
        let store = options(kind).open(copied.path().join("store")).unwrap();
        store.append("first", ExpectedVersion::Any, &[NewEvent::json("First", "{}")]).unwrap();
        assert!(store.last_event("account-0").unwrap().is_some());
        start.elapsed().as_secs_f64()
    };
    println!("\n| open, first append and first read | ms |");
    println!("| --- | ---: |");
    for (name, folder) in [("after a clean close", &clean), ("after a kill", &killed)] {
        let times = (0..ROUNDS).map(|_| open(folder.path())).collect();
        println!("| {name} | {:.1} |", median(times) * 1e3);
    }
}

/// Appends with and without ids, and the same again.
fn import(kind: IndexKind, events: u64) {
    let mut rates = [const { Vec::new() }; 3];
    let append = |store: &Store, ids: bool| {
        let start = Instant::now();
        for batch in 0..events / BATCH {
            let events: Vec<NewEvent> = (batch * BATCH..(batch + 1) * BATCH)
                .map(|number| {
                    let event = event(number);
                    if ids { event.id(u128::from(number) << 64 | 0xabcd) } else { event }
                })
                .collect();
            let stream = format!("import-{}", batch % 1_000);
            store.append(&stream, ExpectedVersion::Any, &events).unwrap();
        }
        events as f64 / start.elapsed().as_secs_f64()
    };
    for _ in 0..3 {
        let (plain, with_ids) = (folder::fresh(), folder::fresh());
        let store = options(kind).open(plain.path().join("store")).unwrap();
        rates[0].push(append(&store, false));
        drop(store);
        let store = options(kind).open(with_ids.path().join("store")).unwrap();
        rates[1].push(append(&store, true));
        rates[2].push(append(&store, true));
        assert_eq!(store.position(), Position::new(events));
    }
    println!("\n| import in commits of {BATCH} | events/s | of the one without ids |");
    println!("| --- | ---: | ---: |");
    let [plain, ids, again] = rates.map(median);
    for (name, rate) in [("without ids", plain), ("with ids", ids), ("the same again", again)] {
        println!("| {name} | {rate:.0} | {:.2} |", rate / plain);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Median seconds of each, taking turns.
fn rounds<const N: usize>(runs: [&dyn Fn(); N]) -> [f64; N] {
    runs.iter().for_each(|run| run());
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (run, times) in runs.iter().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.map(median)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
