//! Appends that are not waited for at once: they keep their order, share syncs, and tell their
//! outcome to whoever asks, with or without a runtime.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use annals::{
    Commit, Durability, ErrorKind, ExpectedVersion, NewEvent, Options, Position, QueryItem,
    Receipt, Result, Store, Submitted, Version,
};
use annals_env::{Env, Faults, FaultyFs, FirstChoices, OperationKind};
use annals_tests::setting::each_setting;
use annals_tests::world::{STORE, World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const MANY: u64 = 64;

fn event() -> NewEvent {
    NewEvent::json("Ticked", "{}")
}

fn tick(expected: impl Into<ExpectedVersion>) -> Commit<'static> {
    Commit::new().append("clock", expected, vec![event()])
}

fn submit_many(store: &Store) -> Vec<Submitted> {
    (0..MANY).map(|n| store.submit(&tick(ExpectedVersion::at(n))).unwrap()).collect()
}

fn syncs(store: &Store) -> u64 {
    store.counters().log.syncs
}

#[test]
fn many_from_one_thread_share_syncs() {
    each_setting(|setting| {
        let store = setting.open();
        let before = syncs(&store);
        let submitted = submit_many(&store);
        for (number, submitted) in (1..).zip(submitted) {
            assert_eq!(submitted.receipt().version.get(), number);
            let expected = submitted.receipt().clone();
            assert_eq!(submitted.wait().unwrap(), expected);
            assert!(store.position() >= expected.position);
        }
        let shared = syncs(&store) - before;
        assert!(shared <= MANY / 2, "{MANY} commits took {shared} syncs");
        let versions = store.read_stream("clock").map(|event| event.unwrap().version().get());
        assert!(versions.eq(1..=MANY));
    });
}

/// Where nobody but the first to wait syncs, one sync does it for all.
#[test]
fn one_sync_for_all_that_were_submitted_before_it() {
    let world = World::new(new_disk(Faults::default()), 1);
    let store = world.open(Durability::Sync).unwrap();
    world.scheduler.run_until_idle();
    for background in [false, true] {
        let before = syncs(&store);
        let from = store.version("clock").unwrap();
        let submitted: Vec<Submitted> = (0..MANY)
            .map(|n| store.submit(&tick(ExpectedVersion::Version(from.plus(n)))).unwrap())
            .collect();
        assert_eq!(store.version("clock").unwrap(), from, "nothing is visible yet");
        if background {
            world.scheduler.run_until_idle();
            assert_eq!(store.version("clock").unwrap(), from.plus(MANY));
        }
        for submitted in submitted {
            submitted.wait().unwrap();
        }
        assert_eq!(syncs(&store) - before, 1);
    }
}

#[test]
fn waited_for_in_any_order() {
    each_setting(|setting| {
        let store = setting.open();
        let mut submitted: Vec<Option<Submitted>> =
            submit_many(&store).into_iter().map(Some).collect();
        for n in (0..submitted.len()).map(|n| (n * 37 + 11) % 64) {
            let submitted = submitted[n].take().unwrap();
            let receipt = submitted.wait().unwrap();
            assert_eq!(receipt.version.get(), n as u64 + 1);
            assert!(store.version("clock").unwrap() >= receipt.version);
        }
    });
}

#[test]
fn dropped_receipts_lose_nothing() {
    each_setting(|setting| {
        let store = setting.open();
        drop(submit_many(&store));
        store.close().unwrap();
        let store = setting.open();
        assert_eq!(store.version("clock").unwrap().get(), MANY);
        for n in MANY..MANY + 10 {
            drop(store.submit(&tick(ExpectedVersion::at(n))).unwrap());
        }
        // The store closes with its last handle.
        drop(store);
        assert_eq!(setting.open().version("clock").unwrap().get(), MANY + 10);
    });
}

/// They become visible by themselves: nobody waits, appends or closes.
#[test]
fn they_come_through_by_themselves() {
    each_setting(|setting| {
        let store = setting.open();
        let mut follower = store.follow().start().unwrap();
        drop(submit_many(&store));
        for n in 1..=MANY {
            assert_eq!(follower.next().unwrap().unwrap().version().get(), n);
        }
    });
}

/// Wakes the thread that waits, and counts.
struct Bell {
    thread: Thread,
    rung: AtomicU64,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), rung: AtomicU64::new(0) })
    }

    fn rung(&self) -> u64 {
        self.rung.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// The smallest executor: one future, one thread.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Bell::new());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn poll(submitted: &mut Submitted, bell: &Arc<Bell>) -> Poll<Result<Receipt>> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(submitted).poll(&mut Context::from_waker(&waker))
}

#[test]
fn awaited_without_a_runtime() {
    each_setting(|setting| {
        let store = setting.open();
        let one_by_one = async {
            for n in 0..10 {
                let receipt = store.submit(&tick(ExpectedVersion::at(n)))?.await?;
                assert_eq!(receipt.version.get(), n + 1);
                assert!(store.version("clock")?.get() > n);
            }
            Ok::<(), annals::Error>(())
        };
        block_on(one_by_one).unwrap();
        let durable = store.submit(&tick(ANY).durable()).unwrap();
        assert_eq!(block_on(durable).unwrap().version.get(), 11);
    });
}

/// Many at once on one thread, each with its own waker.
#[test]
fn awaited_all_together() {
    each_setting(|setting| {
        let store = setting.open();
        let durable = |n| Commit::new().append(format!("s-{n}"), ANY, vec![event()]).durable();
        let mut waiting: Vec<(Submitted, Arc<Bell>, u64)> =
            (0..MANY).map(|n| (store.submit(&durable(n)).unwrap(), Bell::new(), 0)).collect();
        let mut done = 0;
        while !waiting.is_empty() {
            waiting.retain_mut(|(submitted, bell, seen)| {
                // Only who was woken, or was never asked, is asked.
                let rung = bell.rung() + 1;
                if *seen == rung {
                    return true;
                }
                *seen = rung;
                match poll(submitted, bell) {
                    Poll::Ready(outcome) => {
                        outcome.unwrap();
                        done += 1;
                        false
                    }
                    Poll::Pending => true,
                }
            });
            if !waiting.is_empty() {
                thread::park_timeout(Duration::from_secs(10));
            }
        }
        assert_eq!(done, MANY);
        assert_eq!(store.streams().count() as u64, MANY);
    });
}

#[test]
fn a_waker_is_called_when_it_is_done() {
    let world = World::new(new_disk(Faults::default()), 1);
    let store = world.open(Durability::Sync).unwrap();
    let (mut first, mut second) =
        (store.submit(&tick(ANY)).unwrap(), store.submit(&tick(ANY)).unwrap());
    let (one, two) = (Bell::new(), Bell::new());
    assert!(poll(&mut first, &one).is_pending() && poll(&mut second, &two).is_pending());
    // Whoever asked last is called.
    let other = Bell::new();
    assert!(poll(&mut first, &other).is_pending());
    world.scheduler.run_until_idle();
    assert!(other.rung() > 0 && two.rung() > 0);
    for (submitted, bell) in [(&mut first, &one), (&mut second, &two)] {
        assert!(matches!(poll(submitted, bell), Poll::Ready(Ok(_))));
    }
}

#[test]
fn a_waker_is_called_when_it_failed() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    let mut submitted = store.submit(&tick(ANY)).unwrap();
    let bell = Bell::new();
    assert!(poll(&mut submitted, &bell).is_pending());
    disk.fail_next(OperationKind::Sync, io::ErrorKind::Other);
    world.scheduler.run_until_idle();
    assert!(bell.rung() > 0, "nobody would ever ask again");
    let Poll::Ready(Err(error)) = poll(&mut submitted, &bell) else { panic!("it failed") };
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(*submitted.wait().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let refused = store.submit(&tick(ANY)).unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Failed, "{refused}");
    assert_eq!(store.position(), Position::START);
}

#[test]
fn a_waker_is_called_when_the_store_closes() {
    for durability in [Durability::Sync, Durability::Buffered] {
        let world = World::new(new_disk(Faults::default()), 1);
        let store = world.open(durability).unwrap();
        let mut submitted = store.submit(&tick(ANY).durable()).unwrap();
        let bell = Bell::new();
        assert!(poll(&mut submitted, &bell).is_pending());
        let other = store.clone();
        store.close().unwrap();
        assert!(bell.rung() > 0);
        // Closing made it durable.
        assert!(matches!(poll(&mut submitted, &bell), Poll::Ready(Ok(_))));
        assert_eq!(*other.submit(&tick(ANY)).unwrap_err().kind(), ErrorKind::Closed);
        drop((other, submitted));
        assert_eq!(world.open(durability).unwrap().position(), Position::new(1));
    }
}

/// In a buffered store there is nothing to wait for, unless the disk is asked for.
#[test]
fn in_a_buffered_store() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    let mut plain = store.submit(&tick(ANY)).unwrap();
    assert_eq!(store.position(), plain.receipt().position, "it is visible already");
    let mut durable = store.submit(&tick(ANY).durable()).unwrap();
    let bell = Bell::new();
    assert!(matches!(poll(&mut plain, &bell), Poll::Ready(Ok(_))));
    assert!(poll(&mut durable, &bell).is_pending());
    world.scheduler.run_until_idle();
    assert_eq!(bell.rung(), 0, "the interval is not over");
    world.clock.advance(Options::SYNC_INTERVAL_DEFAULT);
    world.scheduler.run_until_idle();
    assert_eq!(bell.rung(), 1);
    assert!(matches!(poll(&mut durable, &bell), Poll::Ready(Ok(_))));
    let image = disk.power_cut(&mut FirstChoices);
    assert_eq!(World::new(image, 2).open(Durability::Sync).unwrap().position().get(), 2);
}

#[test]
fn they_conflict_with_each_other() {
    each_setting(|setting| {
        let store = setting.open();
        let submitted = submit_many(&store);
        for wrong in [0, 1, MANY - 1, MANY + 1] {
            let error = store.submit(&tick(ExpectedVersion::at(wrong))).unwrap_err();
            let actual = error.conflict().unwrap_or_else(|| panic!("{error}"));
            assert!(actual.get() <= MANY && actual.get() != wrong, "{error}");
            assert!(store.version("clock").unwrap() >= actual);
        }
        let condition = QueryItem::new().event_type("Ticked");
        let after = submitted[4].receipt().position;
        let late = store.submit(&tick(ANY).fail_if(condition.clone(), after)).unwrap_err();
        let first = ErrorKind::ConditionFailed { position: after.plus(1) };
        assert_eq!(*late.kind(), first, "{late}");
        let newest = submitted.last().unwrap().receipt().position;
        let next = store.submit(&tick(ANY).fail_if(condition, newest)).unwrap();
        assert_eq!(next.wait().unwrap().version.get(), MANY + 1);
        assert!(submitted.into_iter().all(|submitted| submitted.wait().is_ok()));
    });
}

/// Some threads submit while a sync fails: what was acknowledged is there afterwards, what failed
/// before it was written is not, and nobody waits for ever.
#[test]
fn while_the_disk_fails_under_several_threads() {
    for failing in [1, 2, 3, 5, 8, 13, 21, 34] {
        let disk = FaultyFs::default();
        let env = Env { fs: Arc::new(disk.clone()), ..Env::in_memory() };
        let options = Store::options().env(env);
        let store = options.open(STORE).unwrap();
        disk.fail_at(disk.operations() + failing, io::ErrorKind::Other);
        let work = |thread: u64| {
            let mut outcomes = Vec::new();
            for n in 0..20 {
                let stream = format!("s-{thread}-{n}");
                let commit = Commit::new().append(stream.clone(), ANY, vec![event()]);
                match store.submit(&commit) {
                    Ok(submitted) if n % 3 == 0 => outcomes.push((stream, submitted.wait())),
                    Ok(submitted) if n % 3 == 1 => outcomes.push((stream, block_on(submitted))),
                    Ok(submitted) => drop(submitted),
                    Err(error) => outcomes.push((stream, Err(error))),
                }
            }
            outcomes
        };
        let outcomes: Vec<(String, Result<Receipt>)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || work(n))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        drop(store);
        let store = options.open(STORE).unwrap();
        let mut failed = 0;
        for (stream, outcome) in outcomes {
            let version = store.version(&stream).unwrap();
            match outcome.map_err(|error| error.kind().clone()) {
                Ok(receipt) => assert_eq!(version, receipt.version, "{stream}"),
                Err(ErrorKind::Failed) => {
                    failed += 1;
                    assert_eq!(version, Version::NONE, "{stream}");
                }
                Err(ErrorKind::OutcomeUnknown) => failed += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(failed > 0, "operation {failing} is not one of these");
    }
}
