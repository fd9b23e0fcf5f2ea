//! What ends, and who is told: stores that close under those who wait, handles that go, syncs that
//! nobody asked for.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use annals::{
    Commit, Durability, ExpectedVersion, Followed, NewEvent, Options, Position, QueryItem, Store,
};
use annals_env::{Faults, Fs};
use annals_tests::kinds;
use annals_tests::world::{STORE, World, new_disk};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn buffered() -> Options {
    Store::options().durability(Durability::Buffered).sync_interval(Duration::from_secs(60))
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_segment_that_ends_wakes_those_who_wait_for_its_sync() {
    let dir = TempDir::new().unwrap();
    let store = buffered().segment_bytes(1 << 20).open(dir.path()).unwrap();
    let large = [NewEvent::binary("Large", vec![b'x'; 700 << 10])];
    let commit = Commit::new().append("a-1", ExpectedVersion::Any, &large).durable();
    let mut submitted = pin!(store.submit(&commit).unwrap());
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    assert!(submitted.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let follower = thread::spawn({
        let mut follower = store.follow().start().unwrap();
        move || follower.next_within(PATIENCE).unwrap()
    });
    // It does not fit into the segment, which is synced and ended, and then it is refused.
    let beyond = Position::new(1 << 40);
    let refused = Commit::new()
        .append("a-2", ExpectedVersion::Any, &large)
        .fail_if(QueryItem::new().tag("never"), beyond);
    store.commit(&refused).unwrap_err();
    eventually("the task is woken", || flag.0.load(Ordering::SeqCst));
    assert!(submitted.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert!(matches!(follower.join().unwrap(), Followed::Event(_)));
}

#[test]
fn a_follower_gets_what_closing_makes_durable() {
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let store = buffered().open(dir.path()).unwrap();
        for _ in 0..50 {
            store.append("a-1", ExpectedVersion::Any, &[NewEvent::json("Told", "{}")]).unwrap();
        }
        let begun = Arc::new(AtomicBool::new(false));
        let follower = thread::spawn({
            let (mut follower, begun) = (store.follow().start().unwrap(), Arc::clone(&begun));
            move || {
                let mut events = 0;
                loop {
                    begun.store(true, Ordering::SeqCst);
                    match follower.next_within(Duration::from_micros(20)).unwrap() {
                        Followed::Event(_) => events += 1,
                        Followed::Nothing => {}
                        Followed::Ended => return events,
                    }
                }
            }
        });
        eventually("the follower runs", || begun.load(Ordering::SeqCst));
        store.close().unwrap();
        assert_eq!(follower.join().unwrap(), 50);
    }
}

#[test]
fn followers_views_and_commits_on_their_way_do_not_keep_a_store_open() {
    for kind in kinds() {
        let dir = TempDir::new().unwrap();
        let store = buffered().index(kind).open(dir.path()).unwrap();
        let event = [NewEvent::json("Told", "{}")];
        let commit = Commit::new().append("a-1", ExpectedVersion::Any, &event).durable();
        let submitted = store.submit(&commit).unwrap();
        let view = store.head();
        let mut follower = store.follow().start().unwrap();
        drop(store);
        // What was under way came through first.
        assert_eq!(submitted.wait().unwrap().position.get(), 1);
        assert_eq!(follower.next().unwrap().unwrap().position().get(), 1);
        assert!(follower.next().is_none());
        let again = buffered().index(kind).open(dir.path()).unwrap();
        assert_eq!(again.position(), view.position());
    }
}

#[test]
fn the_last_handle_closes_the_store_also_while_its_index_is_saved() {
    for kind in kinds() {
        let dir = TempDir::new().unwrap();
        let events: Vec<_> = (0..40_000)
            .map(|n| NewEvent::json("Told", "{}").tag(format!("n:{}", n % 977)))
            .collect();
        for round in 1..=3 {
            let store = buffered().index(kind).open(dir.path()).unwrap();
            for stream in ["a-1", "a-2"] {
                store.append(stream, ExpectedVersion::Any, &events).unwrap();
            }
            drop(store);
            let store = buffered().index(kind).open(dir.path()).unwrap();
            assert_eq!(store.position().get(), round * 80_000);
        }
    }
}

#[test]
fn a_closed_store_takes_nothing_and_says_so() {
    for kind in kinds() {
        let dir = TempDir::new().unwrap();
        let store = buffered().index(kind).open(dir.path()).unwrap();
        let event = [NewEvent::json("Told", "{}").id(7)];
        let commit = Commit::new().append("a-1", ExpectedVersion::Any, &event);
        store.commit(&commit).unwrap();
        store.clone().close().unwrap();
        // Neither a repeat nor a refusal: nothing is decided any more.
        let error = store.commit(&commit).unwrap_err();
        assert_eq!(*error.kind(), annals::ErrorKind::Closed);
        let refused = Commit::new().append("a-1", ExpectedVersion::NoStream, &event);
        assert_eq!(*store.submit(&refused).unwrap_err().kind(), annals::ErrorKind::Closed);
    }
}

/// Events of a mebibyte.
fn large(count: usize) -> Vec<NewEvent> {
    vec![NewEvent::binary("Large", vec![b'x'; 1 << 20]); count]
}

/// Who closes a store that was filled leaves the next opening little to walk through.
#[test]
fn a_close_ends_a_long_segment() {
    for (events, is_sealed) in [(1, false), (9, true)] {
        let dir = TempDir::new().unwrap();
        let store = buffered().open(dir.path()).unwrap();
        store.append("a-1", ExpectedVersion::NoStream, &large(events)).unwrap();
        store.close().unwrap();
        let segments = std::fs::read_dir(dir.path().join("log")).unwrap();
        let first = segments.map(|entry| entry.unwrap().path()).min().unwrap();
        let bytes = std::fs::read(first).unwrap();
        assert_eq!(bytes[bytes.len() - 160..].starts_with(b"ANLSEALD"), is_sealed);
        let store = buffered().open(dir.path()).unwrap();
        let next = store.append("a-1", ExpectedVersion::Any, &large(1)).unwrap();
        assert_eq!(next.first_position.get(), events as u64 + 1);
        let report = store.verify_deep(&mut |_, _| {}).unwrap();
        assert!(report.damage.is_empty(), "{report:?}");
    }
}

/// What a close could not do is not done later: the store may be another's by then.
#[test]
fn a_closed_store_is_never_written_to() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 5).with_segments(64 << 20);
    let store = world.open(Durability::Sync).unwrap();
    let follower = store.follow().start().unwrap();
    store.append("a-1", ExpectedVersion::NoStream, &large(9)).unwrap();
    // No room for the next segment.
    disk.set_capacity(Some(0));
    store.close().unwrap();
    disk.set_capacity(None);
    let other = World::new(disk.clone(), 6).with_segments(64 << 20);
    let store = other.open(Durability::Sync).unwrap();
    store.append("a-1", ExpectedVersion::Any, &large(2)).unwrap();
    let files = || disk.list(&Path::new(STORE).join("log")).unwrap().len();
    let before = files();
    drop(follower);
    assert_eq!(files(), before);
    let report = store.verify_deep(&mut |_, _| {}).unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!(store.read_all().count(), 11);
}
