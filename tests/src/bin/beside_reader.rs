//! Follows a store that another process writes, from its start, and says on its standard output
//! what it saw: `saw POSITION SEED INDEX`. Once its standard input ends and nothing more comes, it
//! says `end POSITION` and is done. It goes down with a message where it meets a hole, a double, half
//! a commit or an error.
//!
//! Arguments: folder, `durable` or `visible`.

use std::collections::HashMap;
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::{ErrorKind, Event, Followed, Position, Read, ReadOnlyStore, View};
use annals_tests::workload::seeded;

/// A picture is looked at after so many events.
const LOOK_EVENTS: u64 = 32;
/// Of a picture, so many events are looked at again later.
const KEPT_EVENTS: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, what] = &arguments[..] else {
        panic!("usage: beside_reader FOLDER durable|visible");
    };
    let over = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        heard.store(true, Ordering::SeqCst);
    });
    let store = open(Path::new(folder));
    let follow = match what.as_str() {
        "durable" => store.follow(),
        "visible" => store.follow().visible(),
        other => panic!("{other:?} is nothing to follow"),
    };
    let mut follower = follow.start().expect("the start is in every history");
    let mut seen = Seen::default();
    loop {
        let last_look = over.load(Ordering::SeqCst);
        match follower.next_within(Duration::from_millis(20)).expect("nothing is lost or damaged") {
            Followed::Event(event) => {
                let (seed, _, index) = seen.take(&event);
                say(&format!("saw {} {seed} {index}", event.position()));
                if event.position().get().is_multiple_of(LOOK_EVENTS) {
                    seen.look(&store);
                }
            }
            Followed::Nothing if last_look => break,
            Followed::Nothing => seen.look(&store),
            Followed::Ended => panic!("a store that another process writes never ends"),
        }
    }
    say(&format!("end {}", seen.position));
}

/// Waits for the store to be made.
fn open(folder: &Path) -> ReadOnlyStore {
    loop {
        match ReadOnlyStore::open(folder) {
            Ok(store) => return store,
            Err(error) if *error.kind() == ErrorKind::NotAStore => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What was followed so far.
#[derive(Default)]
struct Seen {
    position: Position,
    versions: HashMap<String, u64>,
    /// Seed, count and index of the last event.
    mark: Option<(u64, u64, u64)>,
    /// An earlier picture and the last events that it showed.
    earlier: Option<(View, Vec<Shown>)>,
}

/// Position, seed and index of an event.
type Shown = (Position, u64, u64);

/// The newest events of a picture.
fn newest(view: &View) -> Vec<Shown> {
    let read = view.read(Read::all().backward().limit(KEPT_EVENTS));
    let events = read.map(|event| event.expect("it is readable"));
    events.map(|event| (event.position(), mark(&event).0, mark(&event).2)).collect()
}

impl Seen {
    /// The event is the next one, and at its place in its stream and its commit.
    fn take(&mut self, event: &Event) -> (u64, u64, u64) {
        assert_eq!(event.position(), self.position.plus(1), "a hole or a double");
        self.position = event.position();
        let version = self.versions.entry(event.stream().to_owned()).or_default();
        *version += 1;
        assert_eq!(event.version().get(), *version, "{}", event.stream());
        let mark = mark(event);
        match self.mark {
            Some((seed, count, index)) if index + 1 < count => {
                assert_eq!(mark, (seed, count, index + 1), "a commit is cut");
            }
            _ => assert_eq!(mark.2, 0, "a commit without its beginning"),
        }
        self.mark = Some(mark);
        mark
    }

    /// The store's picture ends with a whole commit, and all its verbs agree.
    fn look(&mut self, store: &ReadOnlyStore) {
        let view = store.head();
        let shown = newest(&view);
        if let Some((earlier, before)) = self.earlier.replace((view.clone(), shown)) {
            assert!(view.position() >= earlier.position(), "it went back");
            assert_eq!(newest(&earlier), before, "an earlier picture has changed");
        }
        assert!(view.position() >= self.position, "it went back");
        if let Some(newest) = view.read(Read::all().backward().limit(1)).next() {
            let newest = newest.expect("it is readable");
            assert_eq!(newest.position(), view.position());
            let (_, count, index) = mark(&newest);
            assert_eq!(index + 1, count, "half a commit is shown");
            let of_stream = view.last_event(newest.stream()).expect("it is readable");
            assert_eq!(of_stream.map(|event| event.position()), Some(newest.position()));
        }
        let mut streams = 0;
        for stream in view.streams() {
            let stream = stream.expect("it is readable");
            let known = self.versions.get(&stream.name).copied().unwrap_or_default();
            assert!(stream.version.get() >= known, "{} went back", stream.name);
            assert_eq!(view.version(&stream.name).expect("it is readable"), stream.version);
            streams += 1;
        }
        assert!(streams >= self.versions.len());
    }
}

fn mark(event: &Event) -> (u64, u64, u64) {
    event.tags().find_map(seeded::mark).expect("each event has a mark")
}

/// One write a line.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone already.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
