//! Projections: state and checkpoint agree after everything that can happen to them, each event
//! counts once, and whatever way the events are cut, the state is the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use annals::{
    Applied, Checkpoint, Commit, Durability, Epoch, Error, ErrorKind, Event, EventReader,
    EventStore, ExpectedVersion, Fold, Invalid, KeptState, NewEvent, NewState, Position,
    Projection, Projector, Query, QueryItem, Read, ReplayCause, Result, Started, StateKey,
    StateRole, Store, StoreId, Timestamp, catch_up_together, limits,
};
use annals_env::MemoryFs;
use annals_tests::model::ReferenceStore;
use annals_tests::rigged::{Rig, Rigged};
use annals_tests::setting::each_setting;
use annals_tests::world::World;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const TYPES: [&str; 4] = ["Placed", "Paid", "Sent", "Closed"];

/// The positions folded in, in order: shows what was left out, and what came twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trail(Vec<u64>);

impl Projection for Trail {
    const NAME: &'static str = "trail";

    fn apply(&mut self, event: &Event) -> Applied {
        self.0.push(event.position().get());
        Ok(())
    }
}

fn trail(name: &'static str) -> Fold<Trail> {
    Fold::new(name, Trail::apply)
}

fn event(n: u64) -> NewEvent {
    let kind = TYPES[usize::try_from(n % 4).unwrap()];
    NewEvent::json(kind, format!(r#"{{"n":{n},"more":"{:64}"}}"#, "")).tag(format!("n:{}", n % 3))
}

fn write(store: &dyn EventStore, from: u64, events: u64) {
    for n in from..from + events {
        let stream = format!("{}-{}", ["order", "user"][usize::from(n % 5 == 0)], n % 7);
        store.commit(&Commit::new().append(stream, ANY, vec![event(n)])).unwrap();
    }
}

fn store_of(events: u64) -> Store {
    let store = Store::in_memory().unwrap();
    write(&store, 0, events);
    store
}

fn named(store: &dyn EventReader, query: &Query) -> Vec<u64> {
    let events = store.read(Read::all()).map(Result::unwrap);
    events.filter(|event| query.matches(event)).map(|event| event.position().get()).collect()
}

fn up_to(position: u64) -> Trail {
    Trail((1..=position).collect())
}

fn kept<S>(store: &dyn EventReader, fold: &Fold<S>) -> Option<KeptState> {
    let name = fold.name().to_owned();
    let key = StateKey { role: StateRole::Projection, name, fold: String::new() };
    store.kept_state(&key, None).unwrap()
}

/// Dies after some events were read.
struct Dying {
    events_left: AtomicU64,
    dead: AtomicBool,
}

impl Dying {
    fn after(store: &Store, events: u64) -> Rigged<Store, Self> {
        let (events_left, dead) = (AtomicU64::new(events), AtomicBool::new(false));
        Rigged::new(store.clone(), Self { events_left, dead })
    }

    fn dies<T>(&self) -> Result<T> {
        self.dead.store(true, Ordering::Relaxed);
        Err(Error::from_other(ErrorKind::Io, "the machine stopped"))
    }
}

impl Rig for Dying {
    fn event(&self, event: Result<Event>) -> Result<Event> {
        let left = self.events_left.load(Ordering::Relaxed);
        if left == 0 {
            return self.dies();
        }
        self.events_left.store(left - 1, Ordering::Relaxed);
        event
    }

    fn keep(&self) -> Result<()> {
        if self.dead.load(Ordering::Relaxed) { self.dies() } else { Ok(()) }
    }
}

/// Counts what is read and kept.
#[derive(Default)]
struct Counting {
    events: AtomicU64,
    saves: AtomicU64,
}

impl Rig for Counting {
    fn event(&self, event: Result<Event>) -> Result<Event> {
        self.events.fetch_add(1, Ordering::Relaxed);
        event
    }

    fn keep(&self) -> Result<()> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Its kept states are not what was kept.
struct Lying(fn(&mut NewState));

impl Rig for Lying {
    fn found(&self, mut kept: Option<KeptState>) -> Option<KeptState> {
        kept.iter_mut().for_each(|kept| self.0(&mut kept.state));
        kept
    }
}

#[test]
fn what_was_kept_behind_events_that_are_not_durable_is_found() {
    let world = World::new(MemoryFs::new(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    write(&store, 0, 25);
    store.sync().unwrap();
    let mut one = Projector::<Trail>::open(store.clone()).unwrap();
    one.catch_up().unwrap();
    let checkpoint = one.checkpoint();
    // Nothing syncs these, as no background step runs.
    write(&store, 25, 10);
    one.save().unwrap();
    drop(one);
    let one = Projector::<Trail>::open(store.clone()).unwrap();
    assert_eq!(one.started(), &Started::Resumed(checkpoint));
}

#[test]
fn caught_up_and_resumed() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 25);
        store.sync().unwrap();
        let mut one = Projector::<Trail>::open(store.clone()).unwrap();
        assert_eq!((one.started(), one.checkpoint()), (&Started::New, Checkpoint::START));
        one.catch_up().unwrap();
        assert_eq!(one.state(), &up_to(25));
        assert_eq!(one.checkpoint(), store.head().checkpoint());
        one.catch_up().unwrap();
        assert_eq!(one.state(), &up_to(25));
        let checkpoint = one.checkpoint();
        drop(one);

        write(&store, 25, 10);
        store.sync().unwrap();
        let mut one = Projector::<Trail>::open(store.clone()).unwrap();
        assert_eq!(one.started(), &Started::Resumed(checkpoint));
        assert_eq!((one.state(), one.checkpoint()), (&up_to(25), checkpoint));
        one.catch_up().unwrap();
        assert_eq!(one.state(), &up_to(35));
        assert_eq!(one.into_state(), Trail::over(&store).unwrap());
    });
}

#[test]
fn only_what_is_durable_is_folded_in() {
    each_setting(|setting| {
        if setting.durability == Durability::Sync {
            return;
        }
        let options = setting.options().sync_interval(std::time::Duration::from_secs(3600));
        let store = options.open(setting.path()).unwrap();
        write(&store, 0, 5);
        store.sync().unwrap();
        write(&store, 5, 5);
        let mut one = Projector::<Trail>::open(store.clone()).unwrap();
        one.catch_up().unwrap();
        assert_eq!(one.state(), &up_to(5));
        store.sync().unwrap();
        one.catch_up().unwrap();
        assert_eq!(one.state(), &up_to(10));
    });
}

#[test]
fn state_and_checkpoint_agree_wherever_it_dies() {
    const EVENTS: u64 = 40;
    let query = Query::from(QueryItem::new().event_types(["Paid", "Sent"]));
    for fold in [trail("all"), trail("some").matching(query.clone())] {
        for dies_after in 0..=EVENTS {
            let store = store_of(EVENTS);
            let all = fold.over(&store).unwrap();
            let dying = Dying::after(&store, dies_after);
            let mut one = Projector::with(dying, fold.clone()).unwrap().save_every(3);
            let reading = all.0.len() as u64;
            assert_eq!(one.catch_up().is_ok(), dies_after >= reading, "{dies_after}");
            assert_eq!(one.failure().is_some(), dies_after < reading);
            drop(one);

            let mut one = Projector::with(store.clone(), fold.clone()).unwrap();
            let then = store.as_of(one.checkpoint().position).unwrap();
            assert_eq!(one.state(), &fold.over(&then).unwrap(), "after {dies_after} events");
            // What is due was kept: at most 3 events are folded in again.
            assert!(one.state().0.len() as u64 + 3 > dies_after.min(reading));
            one.catch_up().unwrap();
            assert_eq!(one.state(), &all);
        }
    }
}

#[test]
fn saved_only_by_hand() {
    let store = store_of(20);
    let fold = trail("by-hand");
    let mut one = Projector::with(store.clone(), fold.clone()).unwrap().save_by_hand();
    one.catch_up().unwrap();
    assert!(kept(&store, &fold).is_none());
    one.save().unwrap();
    let first = kept(&store, &fold).unwrap();
    assert_eq!(first.state.checkpoint, one.checkpoint());
    write(&store, 20, 5);
    one.catch_up().unwrap();
    assert_eq!(kept(&store, &fold).unwrap(), first);
    one.save().unwrap();
    let second = kept(&store, &fold).unwrap();
    assert_eq!(second.state.checkpoint.position, Position::new(25));
    let key = second.state.key.clone();
    assert_eq!(store.kept_state(&key, Some(second.place)).unwrap(), None, "it was superseded");
}

#[test]
fn a_checkpoint_that_moves_over_events_of_others() {
    let store = store_of(50);
    let fold = trail("nothing").matching(QueryItem::new().event_type("Nothing"));
    let mut one = Projector::with(store.clone(), fold.clone()).unwrap().save_every(20);
    let kept_at = || kept(&store, &fold).map(|kept| kept.state.checkpoint.position.get());
    one.catch_up().unwrap();
    assert_eq!(kept_at(), Some(50));
    for (written, expected) in [(10, 50), (9, 50), (1, 70), (19, 70)] {
        write(&store, 0, written);
        one.catch_up().unwrap();
        assert_eq!(one.checkpoint(), store.head().checkpoint());
        assert_eq!(kept_at(), Some(expected));
    }
}

#[test]
fn saving_writes_no_more_than_was_read() {
    for state_bytes in [1, 1_000, 5_000, 1_000_000] {
        let store = store_of(300);
        let read: usize = store.read(Read::all()).map(|event| event.unwrap().data().len()).sum();
        let fold = Fold::new("saves", move |text: &mut String, _: &Event| {
            text.clear();
            text.push_str(&"x".repeat(state_bytes));
            Ok(())
        });
        let counting = Rigged::new(store.clone(), Counting::default());
        let mut one = Projector::with(counting.clone(), fold).unwrap().save_every(10);
        one.catch_up().unwrap();
        let saves = usize::try_from(counting.rig().saves.load(Ordering::Relaxed)).unwrap();
        // The first one and the last one come in any case.
        assert!(
            saves > 0 && saves.saturating_sub(2) * state_bytes <= read,
            "{saves} of {state_bytes} bytes"
        );
        assert!(state_bytes > 1 || saves == 30, "{saves} saves, of each 10 events");
    }
}

#[test]
fn another_schema_or_what_does_not_decode_begins_again() {
    let store = store_of(12);
    let fold = trail("changed");
    Projector::with(store.clone(), fold.clone()).unwrap().catch_up().unwrap();
    let mut other = Projector::with(store.clone(), fold.clone().schema(2)).unwrap();
    assert_eq!(other.started(), &Started::OtherSchema(1));
    assert_eq!((other.state(), other.checkpoint()), (&up_to(0), Checkpoint::START));
    other.catch_up().unwrap();
    assert_eq!(other.state(), &up_to(12));
    assert_eq!(kept(&store, &fold).unwrap().state.schema, 2);

    let counted = Fold::new("changed", |count: &mut u64, _| {
        *count += 1;
        Ok(())
    });
    let mut counted = Projector::with(store.clone(), counted.schema(2)).unwrap();
    assert!(matches!(counted.started(), Started::Undecodable(why) if why.contains("u64")));
    counted.catch_up().unwrap();
    assert_eq!(*counted.state(), 12);
    let again = Projector::with(store, fold.schema(2)).unwrap();
    assert!(matches!(again.started(), Started::Undecodable(_)));
}

#[test]
fn a_lost_history_begins_again() {
    let store = store_of(12);
    Projector::<Trail>::open(store.clone()).unwrap().catch_up().unwrap();
    let lying = Rigged::new(
        store.clone(),
        Lying(|state| state.checkpoint.epoch = Epoch { number: 1, id: 7 }),
    );
    let mut one = Projector::<Trail, _>::open(lying).unwrap();
    let lost = Checkpoint { epoch: Epoch { number: 1, id: 7 }, position: Position::new(12) };
    assert_eq!(one.started(), &Started::HistoryLost(lost));
    assert_eq!(one.state(), &up_to(0));
    one.catch_up().unwrap();
    assert_eq!(one.state(), &up_to(12));
}

#[test]
fn rebuilt() {
    let store = store_of(15);
    let wrong = Fold::new("rebuilt", |trail: &mut Trail, event: &Event| {
        trail.0.push(event.position().get() * 2);
        Ok(())
    });
    Projector::with(store.clone(), wrong).unwrap().catch_up().unwrap();
    let mut one = Projector::with(store.clone(), trail("rebuilt")).unwrap();
    assert_eq!(one.state().0[14], 30);
    one.rebuild().unwrap();
    assert_eq!(one.state(), &up_to(15));
    let again = Projector::with(store.clone(), trail("rebuilt")).unwrap();
    assert_eq!(again.state(), &up_to(15));

    // One that fails does not go back to what was kept.
    let failing = failing("rebuilt", 9, |_| Err("no".into()));
    let mut one = Projector::with(store, failing).unwrap();
    one.rebuild().unwrap_err();
    assert_eq!(one.state(), &up_to(8));
}

#[test]
fn as_of_any_position() {
    let store = store_of(40);
    let query = Query::any([
        QueryItem::new().event_type("Paid").tag("n:1"),
        QueryItem::new().category("user"),
    ]);
    let fold = trail("then").matching(query.clone());
    for position in (0..=40).map(Position::new) {
        let view = store.as_of(position).unwrap();
        assert_eq!(Trail::over(&view).unwrap(), up_to(position.get()));
        assert_eq!(fold.over(&view).unwrap().0, named(&view, &query));
    }
    assert!(kept(&store, &fold).is_none(), "nothing is kept");
}

#[test]
fn several_in_one_pass() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 30);
        store.sync().unwrap();
        let queries = [
            Query::all(),
            QueryItem::new().event_type("Paid").into(),
            QueryItem::new().category("user").into(),
            Query::any([QueryItem::new().tag("n:2"), QueryItem::new().event_type("Paid")]),
        ];
        let names = ["a", "b", "c", "d"];
        let mut all: Vec<Projector<Trail>> = names
            .iter()
            .zip(&queries)
            .map(|(name, query)| {
                let fold = trail(name).matching(query.clone());
                Projector::with(store.clone(), fold).unwrap().save_every(4)
            })
            .collect();
        let check = |all: &[Projector<Trail>]| {
            for (one, query) in all.iter().zip(&queries) {
                assert_eq!(one.state().0, named(&store, query));
                assert_eq!(one.checkpoint(), store.head().checkpoint());
            }
        };
        // Each of them stands elsewhere.
        for (from, index) in [(30, 2), (40, 0), (50, 3)] {
            all[index].catch_up().unwrap();
            write(&store, from, 10);
            store.sync().unwrap();
        }
        let mut together: Vec<&mut dyn annals::AnyProjector> = Vec::new();
        for one in &mut all {
            together.push(one);
        }
        catch_up_together(&mut together).unwrap();
        check(&all);
        let mut resumed: Vec<Projector<Trail>> = names
            .iter()
            .zip(&queries)
            .map(|(name, query)| {
                let fold = trail(name).matching(query.clone());
                Projector::with(store.clone(), fold).unwrap()
            })
            .collect();
        for one in &mut resumed {
            assert!(matches!(one.started(), Started::Resumed(_)), "{}", one.name());
            one.catch_up().unwrap();
        }
        check(&resumed);
    });
    catch_up_together(&mut []).unwrap();
}

type Fails = fn(&Event) -> Applied;

/// A fold that does `what` at a position, after it has changed the state.
fn failing(name: &'static str, position: u64, what: Fails) -> Fold<Trail> {
    Fold::new(name, move |trail: &mut Trail, event: &Event| {
        trail.0.push(event.position().get());
        if event.position().get() == position { what(event) } else { Ok(()) }
    })
}

#[test]
fn a_fault_names_its_event_and_leaves_the_state_in_front_of_it() {
    let faults: [(Fails, ReplayCause, &str); 3] = [
        (|_| Err("no such order".into()), ReplayCause::Refused, "no such order"),
        (|_| panic!("the reducer fell over"), ReplayCause::Panicked, "the reducer fell over"),
        (
            |event| Ok(serde_json::from_slice::<u8>(event.data()).map(|_| ())?),
            ReplayCause::Payload,
            "invalid type: map, expected u8",
        ),
    ];
    for (what, cause, text) in faults {
        for at in [1, 2, 11, 30] {
            for save_every in [1, 7, 1000] {
                let store = store_of(30);
                let fold = failing("failing", at, what);
                let mut one = Projector::with(store.clone(), fold).unwrap().save_every(save_every);
                for _ in 0..2 {
                    let error = one.catch_up().unwrap_err();
                    let ErrorKind::Replay(fault) = error.kind() else { panic!("{error}") };
                    let event = store.read(Read::all().after(Position::new(at - 1))).next();
                    let event = event.unwrap().unwrap();
                    assert_eq!(
                        (fault.position, fault.version, fault.stream.as_str(), fault.cause),
                        (event.position(), event.version(), event.stream(), cause)
                    );
                    assert_eq!(fault.event_type, event.event_type());
                    assert!(error.to_string().contains(text), "{error}");
                    assert_eq!(one.state(), &up_to(at - 1));
                    assert_eq!(one.checkpoint().position, Position::new(at - 1));
                }
                drop(one);
                // Mended code goes on from there.
                let mut one = Projector::with(store, trail("failing")).unwrap();
                assert_eq!(one.state(), &up_to(at - 1));
                one.catch_up().unwrap();
                assert_eq!(one.state(), &up_to(30));
            }
        }
    }
}

#[test]
fn state_and_checkpoint_agree_where_going_back_fails_too() {
    for at in [2, 11, 30] {
        for events in 0..2 * at {
            let store = store_of(30);
            // Reading ends after so many events, in the pass or when its state is made again.
            let rigged = Dying::after(&store, events);
            let fold = failing("failing", at, |_| Err("no such order".into()));
            let mut one = Projector::with(rigged, fold).unwrap().save_by_hand();
            assert!(one.catch_up().is_err());
            let position = one.checkpoint().position.get();
            assert_eq!(one.state(), &up_to(position), "{events} events, refused at {at}");
        }
    }
}

#[test]
fn going_back_begins_at_what_was_kept_in_the_same_pass() {
    let store = store_of(30);
    let writer = store.clone();
    // Others append meanwhile: what is kept then stands behind all that the pass reads.
    let fold = Fold::new("busy", move |trail: &mut Trail, event: &Event| {
        if event.position().get() == 1 {
            write(&writer, 30, 1);
        }
        if event.position().get() == 20 { Err("no".into()) } else { trail.apply(event) }
    });
    let counting = Rigged::new(store, Counting::default());
    let mut one = Projector::with(counting.clone(), fold).unwrap().save_every(1);
    assert!(one.catch_up().is_err());
    assert_eq!(one.state(), &up_to(19));
    let read = counting.rig().events.load(Ordering::Relaxed);
    // All up to the one that fails, and on from the last that was kept.
    assert!(read <= 22, "{read} events were read");
}

#[test]
fn nothing_new_is_nothing_to_save() {
    let counting = Rigged::new(store_of(5), Counting::default());
    let mut one = Projector::<Trail, _>::open(counting.clone()).unwrap().save_every(0);
    one.catch_up().unwrap();
    let saves = || counting.rig().saves.load(Ordering::Relaxed);
    let before = saves();
    (0..5).for_each(|_| one.catch_up().unwrap());
    assert_eq!(saves(), before);
}

#[test]
fn more_useless_states_than_one_may_supersede() {
    let store = store_of(3);
    let checkpoint = store.head().checkpoint();
    let useless = NewState {
        key: StateKey {
            role: StateRole::Projection,
            name: Trail::NAME.to_owned(),
            fold: String::new(),
        },
        schema: 77,
        version: Default::default(),
        checkpoint,
        content: annals::ContentKind::Json,
        data: "[]".into(),
    };
    for _ in 0..limits::SUPERSEDED_MAX + 10 {
        store.keep_state(&useless, &[]).unwrap();
    }
    for started in [Started::OtherSchema(77), Started::Resumed(checkpoint)] {
        let mut one = Projector::<Trail>::open(store.clone()).unwrap();
        assert_eq!(one.started(), &started);
        one.catch_up().unwrap();
        one.save().unwrap();
        assert_eq!(one.state(), &up_to(3));
    }
}

/// Cannot be written the first time that it has two elements.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Fragile(Vec<u64>);

impl Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        static FALLEN: AtomicBool = AtomicBool::new(false);
        if self.0.len() == 2 && !FALLEN.swap(true, Ordering::Relaxed) {
            panic!("writing the state fell over");
        }
        self.0.serialize(serializer)
    }
}

#[test]
fn what_is_saved_after_a_panic_is_the_state_at_its_checkpoint() {
    let store = store_of(3);
    let fold = || {
        Fold::new("fragile", |state: &mut Fragile, event: &Event| {
            state.0.push(event.position().get());
            Ok(())
        })
    };
    let mut one = Projector::with(store.clone(), fold()).unwrap().save_every(1);
    let fallen = catch_unwind(AssertUnwindSafe(|| one.catch_up()));
    assert!(fallen.is_err());
    // Whoever goes on with it all the same.
    one.save().unwrap();
    drop(one);
    let mut one = Projector::with(store.clone(), fold()).unwrap().save_by_hand();
    one.catch_up().unwrap();
    assert_eq!(one.state(), &Fragile(vec![1, 2, 3]));
}

#[test]
fn one_that_fails_does_not_hold_the_others() {
    let store = store_of(30);
    let mut bad = Projector::with(store.clone(), failing("bad", 11, |_| Err("no".into()))).unwrap();
    let mut good = Projector::with(store.clone(), trail("good")).unwrap();
    let error = catch_up_together(&mut [&mut bad, &mut good]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Replay(_)));
    assert_eq!(bad.failure().map(ToString::to_string), Some(error.to_string()));
    assert_eq!((bad.state(), good.state()), (&up_to(10), &up_to(30)));
    assert!(good.failure().is_none());
    let error = Trail::over(&store).and(failing("bad", 11, |_| Err("no".into())).over(&store));
    assert_eq!(error.unwrap_err().to_string(), "event 11 (Sent, version 1 of user-3): no");
}

#[test]
fn several_read_the_log_once() {
    let store = store_of(30);
    let counting = Rigged::new(store.clone(), Counting::default());
    let open = |name| Projector::with(counting.clone(), trail(name)).unwrap();
    let (mut one, mut two, mut three) = (open("1"), open("2"), open("3"));
    one.catch_up().unwrap();
    write(&store, 30, 30);
    two.catch_up().unwrap();
    write(&store, 60, 30);
    let before = counting.rig().events.load(Ordering::Relaxed);
    catch_up_together(&mut [&mut one, &mut two, &mut three]).unwrap();
    let read = counting.rig().events.load(Ordering::Relaxed) - before;
    // The first event behind the place where another one joins is looked at twice.
    assert_eq!(read, 90 + 2);
    assert!([&one, &two, &three].iter().all(|one| one.state() == &up_to(90)));
}

#[test]
fn one_of_another_store_is_refused() {
    for (caught_up, events) in [(true, 30), (false, 30), (false, 0), (false, 20)] {
        let (store, other) = (store_of(20), store_of(events));
        let mut here = Projector::<Trail>::open(store).unwrap();
        let mut there = Projector::<Trail>::open(other).unwrap();
        if caught_up {
            there.catch_up().unwrap();
        }
        let (before, checkpoint) = (there.state().clone(), there.checkpoint());
        let error = catch_up_together(&mut [&mut here, &mut there]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
        assert!(error.to_string().starts_with("projections of different stores"), "{error}");
        assert_eq!((here.state(), here.failure().is_none()), (&up_to(20), true));
        assert_eq!((there.state(), there.checkpoint()), (&before, checkpoint));
        there.catch_up().unwrap();
        assert_eq!(there.state(), &up_to(events));
    }
}

#[test]
fn two_of_one_name_do_not_harm_each_other() {
    let store = store_of(10);
    let open = || Projector::<Trail>::open(store.clone()).unwrap().save_every(1);
    let (mut one, mut two) = (open(), open());
    for round in 1..=4 {
        one.catch_up().unwrap();
        write(&store, round, 3);
        two.catch_up().unwrap();
        assert_eq!(open().state(), two.state());
        assert_eq!(two.state(), &up_to(10 + 3 * round));
    }
    one.rebuild().unwrap();
    assert_eq!(one.state(), two.state());
    assert_eq!(open().state(), two.state());
}

#[test]
fn what_reading_fails_at_is_not_left_out() {
    let store = store_of(30);
    let mut one = Projector::<Trail, _>::open(Dying::after(&store, 12)).unwrap().save_by_hand();
    assert_eq!(one.catch_up().unwrap_err().kind(), &ErrorKind::Io);
    assert_eq!((one.state(), one.checkpoint().position), (&up_to(12), Position::new(12)));
}

#[test]
fn a_state_that_is_too_large_goes_on_in_memory() {
    let store = store_of(10);
    let fold = Fold::new("large", |text: &mut String, event: &Event| {
        if event.position().get() == 5 {
            text.push_str(&"x".repeat(limits::STATE_BYTES_MAX));
        }
        text.push('y');
        Ok(())
    });
    let mut one = Projector::with(store.clone(), fold.clone()).unwrap().save_every(1);
    for _ in 0..2 {
        let error = one.catch_up().unwrap_err();
        let what = "projection's state";
        let (actual, max) = (limits::STATE_BYTES_MAX + 12, limits::STATE_BYTES_MAX);
        let invalid = Invalid::TooLarge { what, actual, max, unit: "bytes" };
        assert_eq!(error.kind(), &ErrorKind::Invalid(invalid));
        assert!(error.to_string().starts_with("the projection large cannot be kept: "), "{error}");
        assert_eq!(one.state().len(), limits::STATE_BYTES_MAX + 10);
        assert_eq!(one.save().unwrap_err().kind(), error.kind());
        one = Projector::with(store.clone(), fold.clone()).unwrap().save_every(1);
        assert_eq!(one.checkpoint().position, Position::new(4), "what was kept stays");
    }
}

#[test]
fn bad_names_and_queries() {
    let store = store_of(1);
    let invalid = |fold: Fold<Trail>| {
        let error = Projector::with(store.clone(), fold).unwrap_err();
        matches!(error.kind(), ErrorKind::Invalid(_))
    };
    assert!(invalid(Fold::new("", Trail::apply)));
    assert!(invalid(Fold::new("x".repeat(limits::FOLD_NAME_BYTES_MAX + 1), Trail::apply)));
    let longest = Fold::new("x".repeat(limits::FOLD_NAME_BYTES_MAX), Trail::apply);
    assert!(Projector::with(store.clone(), longest).is_ok());
    assert!(invalid(trail("none").matching(Query::any([]))));
    assert!(trail("none").matching(Query::any([])).over(&store).is_err());
    let mut unwritable = Projector::with(
        store.clone(),
        Fold::new("keys", |map: &mut std::collections::BTreeMap<(u8, u8), u8>, _| {
            map.insert((1, 2), 3);
            Ok(())
        }),
    )
    .unwrap();
    let error = unwritable.catch_up().unwrap_err();
    assert_eq!(error.to_string(), "the projection keys cannot be kept: key must be a string");
}

#[test]
fn more_terms_than_one_query_may_name() {
    let store = store_of(30);
    let tags = |from: usize| (from..from + 1000).map(|n| QueryItem::new().tag(format!("n:{n}")));
    let mut one = Projector::with(store.clone(), trail("1").matching(Query::any(tags(0)))).unwrap();
    let mut two = Projector::with(store.clone(), trail("2").matching(Query::any(tags(2)))).unwrap();
    catch_up_together(&mut [&mut one, &mut two]).unwrap();
    assert_eq!(one.state(), &up_to(30));
    assert_eq!(two.state().0, named(&store, &QueryItem::new().tag("n:2").into()));
}

/// How events come, and what is done between.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    CatchUp,
    Together,
    Save,
    Reopen { save_every: Option<u64> },
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..12_u64).prop_map(Step::Append),
        3 => Just(Step::CatchUp),
        2 => Just(Step::Together),
        1 => Just(Step::Save),
        2 => proptest::option::of(1..9_u64).prop_map(|save_every| Step::Reopen { save_every }),
        1 => Just(Step::Rebuild),
    ]
}

/// Floats too: adding them in another order, or rounding them on the way, would show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    trail: Trail,
    thirds: f64,
}

fn sums_query() -> Query {
    QueryItem::new().event_types(["Placed", "Closed"]).into()
}

fn sums() -> Fold<Sums> {
    let fold = Fold::new("sums", |sums: &mut Sums, event: &Event| {
        sums.thirds += 1.0 / event.position().get() as f64;
        sums.trail.apply(event)
    });
    fold.matching(sums_query())
}

fn any_split<E: EventStore + Clone>(store: &E, steps: &[Step]) {
    let open = |save_every: Option<u64>| {
        let one = Projector::with(store.clone(), sums()).unwrap();
        match save_every {
            Some(events) => one.save_every(events),
            None => one.save_by_hand(),
        }
    };
    let mut one = open(Some(2));
    let mut other = Projector::<Trail, E>::open(store.clone()).unwrap();
    let mut written = 0;
    for step in steps {
        match step {
            Step::Append(events) => {
                write(store, written, *events);
                written += events;
            }
            Step::CatchUp => one.catch_up().unwrap(),
            Step::Together => catch_up_together(&mut [&mut other, &mut one]).unwrap(),
            Step::Save => one.save().unwrap(),
            Step::Reopen { save_every } => one = open(*save_every),
            Step::Rebuild => one.rebuild().unwrap(),
        }
        let at = one.checkpoint().position.get();
        let mut expected = named(store, &sums_query());
        expected.retain(|position| *position <= at);
        assert_eq!(one.state().trail.0, expected);
    }
    catch_up_together(&mut [&mut one, &mut other]).unwrap();
    assert_eq!(one.state(), &sums().over(store).unwrap());
    assert_eq!(other.state(), &up_to(written));
}

fn reference() -> ReferenceStore {
    let store = ReferenceStore::new(StoreId::default());
    store.begin_epoch(Epoch { number: 1, id: 1 });
    store.expect(Timestamp::from_micros(1), Timestamp::from_micros(1));
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_events_comes_to_the_same(steps in prop::collection::vec(step(), 1..30)) {
        any_split(&Store::in_memory().unwrap(), &steps);
        any_split(&reference(), &steps);
    }
}
