//! Decisions: loaded, decided, appended if nobody was faster; over a stream, and over a query.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use annals::{
    Aggregates, Codec, Commit, Decision, Error, ErrorKind, EventReader, EventStore, ExecuteError,
    ExpectedVersion, NewEvent, Payloads, QueryItem, Read, Snapshots, Store, TypedEvent, Version,
};
use annals_tests::ledger::{Ledger, LedgerEvent, REFUSED, plain_fold};
use annals_tests::model::ReferenceStore;
use annals_tests::setting::each_kind;

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn added(amount: i64) -> LedgerEvent {
    LedgerEvent::Added { amount }
}

fn attempts(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

type Outcome<T> = Result<T, ExecuteError<String>>;

#[test]
fn what_is_decided_is_appended_and_in_the_state() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let done = ledgers.execute("a-1", |ledger| -> Result<_, String> {
        assert_eq!((ledger.version, ledger.state.sum), (Version::NONE, 0));
        Ok(vec![added(3), LedgerEvent::Noted("n".to_owned())])
    });
    let done = done.unwrap();
    let receipt = done.receipt.unwrap();
    assert_eq!((receipt.version.get(), done.attempts), (2, 1));
    assert!(done.snapshot.is_none());
    assert_eq!(done.loaded.version, receipt.version);
    assert_eq!(done.loaded.position, receipt.position);
    assert_eq!(done.loaded.state, plain_fold(&store, "a-1", &Payloads::default()));

    // Beside the data.
    let typed = TypedEvent::new(added(4)).tag("t:1").id(7).correlation_id(8).causation_id(9);
    let typed = typed.metadata(r#"{"by":"ada"}"#);
    ledgers.execute("a-1", |_| Ok::<_, String>(vec![typed.clone()])).unwrap();
    let event = store.last_event("a-1").unwrap().unwrap();
    assert_eq!(event.tags().collect::<Vec<_>>(), ["t:1"]);
    assert_eq!((event.id(), event.data()), (7.into(), &br#"{"amount":4}"#[..]));
    assert_eq!(event.metadata(), br#"{"by":"ada"}"#);
    assert_eq!((event.correlation_id(), event.causation_id()), (Some(8.into()), Some(9.into())));

    // The same ids again: nothing is appended, and the state has it once.
    let again = ledgers.execute("a-1", |_| Ok::<_, String>(vec![typed.clone()])).unwrap();
    assert!(again.receipt.unwrap().repeated);
    assert_eq!((again.loaded.state.sum, again.loaded.version.get()), (7, 3));
}

#[test]
fn nothing_is_appended_where_nothing_is_decided_or_it_is_refused() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let done = ledgers.execute("a-1", |_| Ok::<Vec<LedgerEvent>, String>(Vec::new())).unwrap();
    assert!(done.receipt.is_none());
    let refused: Outcome<_> = ledgers.execute("a-1", |_| Err::<Vec<LedgerEvent>, _>("no".into()));
    assert!(matches!(&refused, Err(ExecuteError::Refused(why)) if why == "no"));
    assert_eq!(refused.unwrap_err().to_string(), "refused: no");
    let query = QueryItem::new().tag("t");
    let decided = ledgers.decide(query.clone(), |_| Ok::<_, String>(Decision::new())).unwrap();
    assert!(decided.receipt.is_none());
    let refused = ledgers.decide(query, |_| Err("no".to_owned()));
    assert!(matches!(refused, Err(ExecuteError::Refused(why)) if why == "no"));
    let named: Outcome<_> = ledgers.execute("", |_| Ok(vec![added(1)]));
    assert!(
        matches!(named, Err(ExecuteError::Store(e)) if matches!(e.kind(), ErrorKind::Invalid(_)))
    );
    assert_eq!(store.position().get(), 0);
}

#[test]
fn what_is_appended_and_cannot_be_folded_says_that_it_is_appended() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let refused = LedgerEvent::Noted(REFUSED.to_owned());
    let outcome: Outcome<_> = ledgers.execute("a-1", |_| Ok(vec![added(1), refused.clone()]));
    let Err(ExecuteError::Unfolded { receipt, cause }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.version.get(), 2);
    assert!(matches!(cause.kind(), ErrorKind::Replay(fault) if fault.version.get() == 2));
    assert_eq!(store.version("a-1").unwrap().get(), 2);
}

#[test]
fn a_decision_that_conflicts_for_ever_ends() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone()).attempts(attempts(5));
    let meddle = |stream: &str, tag: &str| {
        store.append(stream, ANY, &[NewEvent::json("Cleared", "{}").tag(tag.to_owned())]).unwrap()
    };
    let mut seen = Vec::new();
    let outcome: Outcome<_> = ledgers.execute("a-1", |ledger| {
        seen.push(ledger.version.get());
        meddle("a-1", "t");
        Ok(vec![added(1)])
    });
    let Err(ExecuteError::Conflict { attempts: 5, last }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(last.conflict().map(Version::get), Some(5));
    // Each time on what was new.
    assert_eq!(seen, [0, 1, 2, 3, 4]);

    let mut seen = Vec::new();
    let outcome = ledgers.decide(QueryItem::new().tag("u"), |ledger| {
        seen.push(ledger.state.events);
        meddle("b-1", "u");
        Ok::<_, String>(Decision::new().append("b-2", ANY, [added(1)]))
    });
    let Err(ExecuteError::Conflict { attempts: 5, last }) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(last.kind(), ErrorKind::ConditionFailed { .. }));
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert_eq!(store.version("b-2").unwrap(), Version::NONE);

    // One who is faster once costs one more attempt.
    let mut first = true;
    let done = ledgers.execute("c-1", |_| {
        if std::mem::take(&mut first) {
            meddle("c-1", "t");
        }
        Ok::<_, String>(vec![added(1)])
    });
    let done = done.unwrap();
    assert_eq!((done.attempts, done.loaded.version.get(), done.loaded.state.sum), (2, 2, 1));

    // An expectation of the decision's own is not tried again.
    let tried = AtomicU32::new(0);
    let outcome = ledgers.decide(QueryItem::new().tag("v"), |_| {
        tried.fetch_add(1, Ordering::Relaxed);
        Ok::<_, String>(Decision::new().append("a-1", ExpectedVersion::NoStream, [added(1)]))
    });
    assert!(matches!(outcome, Err(ExecuteError::Store(error)) if error.conflict().is_some()));
    assert_eq!(tried.into_inner(), 1);
}

#[test]
fn a_decision_writes_several_streams_and_expects_of_others() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let query = || QueryItem::new().tag("t");
    let decided = ledgers.decide(query(), |_| {
        let tagged = |amount| TypedEvent::new(added(amount)).tag("t");
        Ok::<_, String>(
            Decision::new()
                .append("a-1", ExpectedVersion::NoStream, [tagged(1), tagged(2)])
                .append("b-1", ANY, [tagged(4)])
                .append::<LedgerEvent>("c-1", ExpectedVersion::NoStream, []),
        )
    });
    assert_eq!(decided.unwrap().receipt.unwrap().streams.len(), 2);
    let decided = ledgers.decide(query(), |ledger| {
        assert_eq!((ledger.state.sum, ledger.state.events), (7, 3));
        let none = Decision::new().append::<LedgerEvent>("c-1", ExpectedVersion::Exists, []);
        Ok::<_, String>(none.append("a-1", ANY, [added(1)]))
    });
    assert!(matches!(decided, Err(ExecuteError::Store(error)) if error.conflict().is_some()));
}

#[test]
fn the_sum_of_what_many_threads_add_is_right() {
    each_kind(|setting| {
        const THREADS: i64 = 8;
        const EACH: i64 = 25;
        let store = setting.open();
        let snapshots = Snapshots::default().every(7).times_its_size(0);
        let ledgers = Aggregates::<Ledger>::new(store.clone())
            .codec(Codec::Postcard)
            .snapshots(snapshots)
            .attempts(attempts(10_000));
        let retried = AtomicU32::new(0);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (ledgers, retried) = (&ledgers, &retried);
                scope.spawn(move || {
                    for round in 0..EACH {
                        // No two see the same sum.
                        let done = ledgers.execute("a-1", |ledger| {
                            let note = LedgerEvent::Noted(ledger.state.events.to_string());
                            Ok::<_, String>(vec![added(number * EACH + round), note])
                        });
                        let done = done.unwrap();
                        retried.fetch_add(done.attempts - 1, Ordering::Relaxed);
                        assert!(done.snapshot.is_none_or(|made| made.is_ok()));
                    }
                });
            }
        });
        let loaded = ledgers.load("a-1").unwrap();
        let total = THREADS * EACH;
        assert_eq!(loaded.state.sum, total * (total - 1) / 2);
        let notes: Vec<u64> = loaded.state.notes.iter().map(|n| n.parse().unwrap()).collect();
        assert_eq!(notes, (0..total as u64).map(|n| n * 2).collect::<Vec<_>>());
        assert!(loaded.replayed.snapshot.is_some());
        assert_eq!(loaded.state, plain_fold(&store, "a-1", ledgers.payloads()));
        let checked = ledgers.check_snapshots("a-1").unwrap();
        assert!(checked.good > 0 && checked.bad.is_empty(), "{checked:?}");
    });
}

#[test]
fn of_many_threads_that_decide_over_a_tag_none_sees_what_another_saw() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone()).attempts(attempts(10_000));
    thread::scope(|scope| {
        for number in 0..8 {
            let ledgers = &ledgers;
            scope.spawn(move || {
                for _ in 0..20 {
                    let decided = ledgers.decide(QueryItem::new().tag("t"), |ledger| {
                        let note = LedgerEvent::Noted(ledger.state.events.to_string());
                        let event = TypedEvent::new(note).tag("t");
                        let stream = format!("a-{number}");
                        Ok::<_, String>(Decision::new().append(stream, ANY, [event]))
                    });
                    decided.unwrap();
                }
            });
        }
    });
    let tagged = Read::all().matching(QueryItem::new().tag("t"));
    for (number, event) in store.read(tagged).enumerate() {
        let note: LedgerEvent = ledgers.payloads().decode(&event.unwrap()).unwrap();
        assert_eq!(note, LedgerEvent::Noted(number.to_string()));
    }
    assert_eq!(store.position().get(), 160);
}

/// Everything is written against the traits: another store behind them gives the same.
#[test]
fn another_store_behind_the_traits_will_do() {
    let reference = Arc::new(ReferenceStore::new(annals::StoreId([7; 16])));
    let now = annals::Timestamp::from_micros(1_000);
    reference.expect(annals::Timestamp::from_micros(2_000), now);
    let ledgers = Aggregates::<Ledger, _>::new(Arc::clone(&reference))
        .snapshots(Snapshots::default().every(3).times_its_size(0));
    for number in 0..10 {
        let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![added(number)])).unwrap();
        assert_eq!(done.loaded.version.get(), number as u64 + 1);
        assert_eq!(done.snapshot.is_some(), number % 3 == 2, "{number}");
    }
    let loaded = ledgers.load("a-1").unwrap();
    assert_eq!(loaded.replayed.snapshot.map(Version::get), Some(9));
    assert_eq!(loaded.state, plain_fold(&reference, "a-1", &Payloads::default()));
    assert_eq!(ledgers.load_at("a-1", Version::new(5)).unwrap().state.sum, 10);
    assert_eq!(ledgers.load_as_of("a-1", now).unwrap().version.get(), 10);
    let commit = Commit::new().append("b-1", ANY, vec![NewEvent::json("Cleared", "{}")]);
    let boxed: Box<dyn EventStore> = Box::new(Arc::clone(&reference));
    boxed.commit(&commit).unwrap();
    assert_eq!(Aggregates::<Ledger, _>::new(&boxed).load("b-1").unwrap().version.get(), 1);
    assert_eq!(boxed.checkpoint().position.get(), 11);
}

#[test]
fn who_decides_is_told_what_the_state_lacks() {
    let store = Store::in_memory().unwrap();
    let payloads = annals::Payloads::default();
    for event in [LedgerEvent::Added { amount: 1 }, LedgerEvent::Noted(REFUSED.to_owned())] {
        let event = payloads.encode(&event).unwrap().tag("t");
        store.append("a-1", annals::ExpectedVersion::Any, &[event]).unwrap();
    }
    let ledgers = Aggregates::<Ledger>::new(store).faults(annals::Faults::Collect(5));
    let decided = ledgers.decide(QueryItem::new().tag("t"), |ledger| {
        assert_eq!((ledger.state.sum, ledger.faults.len()), (1, 1));
        Ok::<_, String>(Decision::new())
    });
    assert_eq!(decided.unwrap().loaded.faults.len(), 1);
}
