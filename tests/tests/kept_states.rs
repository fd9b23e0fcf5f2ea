//! States that folds came to, kept in the log: found again after reopening, from every index, beside
//! a writer and in views; and what is said of those that cannot be kept or read.

use annals::{
    Checkpoint, ContentKind, Durability, Epoch, ErrorKind, ExpectedVersion, IndexKind, KeptState,
    NewEvent, NewState, Options, Place, Position, ReadOnlyStore, StateKey, StateRole, Store,
    Version, limits, rebuild_index,
};
use annals_env::Faults;
use annals_tests::simulation::process::Process;
use annals_tests::world::{World, new_disk};
use annals_tests::{files, kinds};

fn options(index: IndexKind) -> Options {
    Store::options().segment_bytes(Options::SEGMENT_BYTES_MIN).index(index)
}

fn key(stream: &str) -> StateKey {
    StateKey { role: StateRole::Snapshot, name: stream.into(), fold: "Order".into() }
}

fn projection(name: &str) -> StateKey {
    StateKey { role: StateRole::Projection, name: name.into(), fold: String::new() }
}

/// Appends an event to the stream, whose version and position it gives as a state's.
fn append(store: &Store, stream: &str) -> NewState {
    let event = [NewEvent::json("Noted", format!("\"{}\"", "x".repeat(300)))];
    let receipt = store.append(stream, ExpectedVersion::Any, &event).unwrap();
    let checkpoint = Checkpoint { epoch: receipt.epoch, position: receipt.position };
    let data = format!("state at {}", receipt.version);
    NewState {
        key: key(stream),
        schema: 1,
        version: receipt.version,
        checkpoint,
        content: ContentKind::Json,
        data: data.into(),
    }
}

fn newest(store: &Store, key: &StateKey) -> Option<KeptState> {
    store.head().kept_state(key, None).unwrap()
}

/// The versions of all states kept under the key, the newest first.
fn versions(store: &Store, key: &StateKey) -> Vec<u64> {
    let (mut all, mut before) = (Vec::new(), None);
    while let Some(kept) = store.head().kept_state(key, before).unwrap() {
        assert!(before.is_none_or(|before| kept.place < before));
        assert_eq!(kept.state.key, *key);
        all.push(kept.state.version.get());
        before = Some(kept.place);
    }
    all
}

#[test]
fn a_state_is_found_again() {
    for kind in kinds() {
        let folder = tempfile::tempdir().unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        let first = append(&store, "order-1");
        assert_eq!(newest(&store, &first.key), None);
        let place = store.keep_state(&first, &[]).unwrap();
        let kept = newest(&store, &first.key).unwrap();
        assert_eq!((&kept.state, kept.place), (&first, place));
        // Another's is another's.
        assert_eq!(newest(&store, &key("order-2")), None);
        let others = StateKey { fold: "Other".into(), ..first.key.clone() };
        assert_eq!(newest(&store, &others), None);
        assert_eq!(newest(&store, &projection("order-1")), None);
        // Many segments and several openings further on it is still there.
        let mut wanted = vec![1];
        for round in 2..6 {
            for _ in 0..200 {
                append(&store, "order-2");
            }
            let state = append(&store, "order-1");
            store.keep_state(&state, &[]).unwrap();
            wanted.insert(0, round);
            assert_eq!(versions(&store, &first.key), wanted);
        }
        store.close().unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        assert_eq!(versions(&store, &first.key), wanted);
        assert!(store.verify_deep(&mut |_, _| {}).unwrap().is_clean());
        store.close().unwrap();
        rebuild_index(folder.path(), kind, &mut |_, _| {}).unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        assert_eq!(versions(&store, &first.key), wanted);
    }
}

#[test]
fn what_is_superseded_is_found_no_more() {
    for kind in kinds() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = options(kind).open(folder.path()).unwrap();
        let key = key("order-1");
        let mut places = Vec::new();
        for round in 1..=6_usize {
            let state = append(&store, "order-1");
            // Of each three one stays.
            let old: Vec<Place> = if round % 3 == 0 { std::mem::take(&mut places) } else { vec![] };
            places.push(store.keep_state(&state, &old).unwrap());
            let expected: &[u64] = [&[1][..], &[2, 1], &[3], &[4, 3], &[5, 4, 3], &[6]][round - 1];
            assert_eq!(versions(&store, &key), expected);
            match round % 3 {
                0 => store.save_index().unwrap(),
                1 => {}
                _ => {
                    store.close().unwrap();
                    store = options(kind).open(folder.path()).unwrap();
                }
            }
            assert_eq!(versions(&store, &key), expected);
        }
        assert!(store.verify_deep(&mut |_, _| {}).unwrap().is_clean());
        store.close().unwrap();
        rebuild_index(folder.path(), kind, &mut |_, _| {}).unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        assert_eq!(versions(&store, &key), [6]);
    }
}

#[test]
fn a_view_finds_what_stood_there_then() {
    let store = Store::in_memory().unwrap();
    let mut views = vec![store.head()];
    for _ in 0..3 {
        let state = append(&store, "order-1");
        let before = store.head();
        store.keep_state(&state, &[]).unwrap();
        // Behind the view's last event, and made from nothing else.
        assert_eq!(before.kept_state(&state.key, None).unwrap().unwrap().state, state);
        views.push(store.head());
    }
    for (version, view) in views.iter().enumerate() {
        let kept = view.kept_state(&key("order-1"), None).unwrap();
        assert_eq!(kept.map_or(0, |kept| kept.state.version.get()), version as u64);
    }
}

#[test]
fn a_reading_process_finds_them() {
    for kind in kinds() {
        let folder = tempfile::tempdir().unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        let first = append(&store, "order-1");
        store.keep_state(&first, &[]).unwrap();
        let reader = ReadOnlyStore::open(folder.path()).unwrap();
        let find = || reader.head().kept_state(&first.key, None).unwrap().unwrap().state.version;
        assert_eq!(find(), first.version);
        // Nothing but a state is new.
        let again = NewState { data: "again".into(), ..first.clone() };
        store.keep_state(&again, &[]).unwrap();
        reader.refresh().unwrap();
        assert_eq!(reader.head().kept_state(&first.key, None).unwrap().unwrap().state, again);
        let second = append(&store, "order-1");
        store.keep_state(&second, &[]).unwrap();
        assert_eq!(find(), first.version);
        reader.refresh().unwrap();
        assert_eq!(find(), second.version);
        // Saved by the writer and taken over by a new reader.
        store.save_index().unwrap();
        let late = ReadOnlyStore::open(folder.path()).unwrap();
        assert_eq!(late.head().kept_state(&first.key, None).unwrap().unwrap().state, second);
        assert!(late.verify_deep(&mut |_, _| {}).unwrap().is_clean());
    }
}

#[test]
fn many_behind_one_event() {
    let folder = tempfile::tempdir().unwrap();
    let store = options(IndexKind::Memory).open(folder.path()).unwrap();
    let state = append(&store, "order-1");
    let many = |n: usize| NewState {
        key: projection(&format!("p{n}")),
        version: Version::NONE,
        data: vec![0x5a; 700].into(),
        ..state.clone()
    };
    // They fill segments of their own.
    for n in 0..300 {
        store.keep_state(&many(n), &[]).unwrap();
    }
    assert!(store.stats().unwrap().segments > 3);
    store.close().unwrap();
    let store = options(IndexKind::Memory).open(folder.path()).unwrap();
    append(&store, "order-1");
    store.close().unwrap();
    rebuild_index(folder.path(), IndexKind::Memory, &mut |_, _| {}).unwrap();
    let store = options(IndexKind::Memory).open(folder.path()).unwrap();
    for n in 0..300 {
        assert_eq!(newest(&store, &many(n).key).unwrap().state, many(n));
    }
    assert!(store.verify_deep(&mut |_, _| {}).unwrap().is_clean());
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let store = Store::in_memory().unwrap();
    let state = append(&store, "order-1");
    let refused = |state: NewState| store.keep_state(&state, &[]).unwrap_err();
    let large = vec![0; limits::STATE_BYTES_MAX + 1];
    let error = refused(NewState { data: large.into(), ..state.clone() });
    assert_eq!(
        error.to_string(),
        "the kept state has 16777217 bytes, more than the 16777216 allowed"
    );
    let cases = [
        NewState { version: Version::NONE, ..state.clone() },
        NewState { key: projection("p"), ..state.clone() },
        NewState { key: key(""), ..state.clone() },
        NewState { version: Version::new(2), ..state.clone() },
        NewState { key: key("order-2"), ..state.clone() },
        NewState { checkpoint: Checkpoint::START, ..state.clone() },
        NewState {
            key: StateKey { fold: "Order".into(), ..projection("p") },
            version: Version::NONE,
            ..state.clone()
        },
        NewState { key: projection("p "), version: Version::NONE, ..state.clone() },
        NewState { key: StateKey { fold: String::new(), ..key("a") }, ..state.clone() },
        NewState {
            checkpoint: Checkpoint { position: Position::new(2), ..state.checkpoint },
            ..state.clone()
        },
    ];
    for case in cases {
        let error = refused(case);
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
    }
    let epoch = Epoch { id: 7, ..state.checkpoint.epoch };
    // What it takes the place of: an event, what is not there yet, out of order.
    let place = |position, k| Place { position: Position::new(position), k };
    for superseded in [place(1, 0), place(1, 99), place(7, 1)] {
        let error = store.keep_state(&state, &[superseded]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
    }
    let lost = NewState { checkpoint: Checkpoint { epoch, ..state.checkpoint }, ..state.clone() };
    assert!(matches!(refused(lost).kind(), ErrorKind::HistoryLost { .. }));
    // As large as may be, and nothing was written by the others.
    let largest = NewState { data: vec![7; limits::STATE_BYTES_MAX].into(), ..state.clone() };
    store.keep_state(&largest, &[]).unwrap();
    assert_eq!(versions(&store, &state.key), [1]);
    assert_eq!(newest(&store, &state.key).unwrap().state.data.len(), limits::STATE_BYTES_MAX);
    let head = store.head();
    store.close().unwrap();
    assert!(head.kept_state(&state.key, None).is_ok());
}

#[test]
fn a_damaged_one_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = options(IndexKind::Memory).open(folder.path()).unwrap();
    for _ in 0..2 {
        let state = append(&store, "order-1");
        store.keep_state(&state, &[]).unwrap();
    }
    append(&store, "order-1");
    store.close().unwrap();
    files::damage_text(folder.path(), b"state at 2");
    let reader = ReadOnlyStore::open(folder.path()).unwrap();
    let kept = reader.head().kept_state(&key("order-1"), None).unwrap().unwrap();
    assert_eq!(kept.state.version.get(), 1);
    assert!(!reader.verify(&mut |_, _| {}).unwrap().is_clean());
    assert_eq!(reader.read_all().filter(Result::is_ok).count(), 3);
}

#[test]
fn one_of_very_many_is_found_in_a_few_reads() {
    let process = Process::new(new_disk(Faults::default()));
    let store = World::new(process.clone(), 1).open(Durability::Buffered).unwrap();
    let state = append(&store, "order-1");
    let one = |n: u64| NewState {
        key: projection(&format!("p{n}")),
        version: Version::NONE,
        // Larger than what a reader fetches at once, so that each that is passed is a read.
        data: vec![0x5a; 20_000].into(),
        ..state.clone()
    };
    const MANY: u64 = 500;
    for n in 0..MANY {
        store.keep_state(&one(n), &[]).unwrap();
    }
    let most_reads = |rounds: u64| {
        let look_up = |n: u64| {
            let before = process.reads();
            assert!(newest(&store, &one(n * 7 % MANY).key).is_some());
            process.reads() - before
        };
        (0..rounds).map(look_up).max().unwrap()
    };
    // Until all were passed once, who looks for one may have to pass all.
    most_reads(MANY);
    let most = most_reads(MANY);
    assert!(most < 100, "{most} reads to find one of {MANY}");
}

#[test]
fn what_another_key_supersedes_stands() {
    let store = Store::in_memory().unwrap();
    let one = append(&store, "order-1");
    let other = append(&store, "order-2");
    let place = store.keep_state(&one, &[]).unwrap();
    store.keep_state(&other, &[place]).unwrap();
    assert_eq!(newest(&store, &one.key).map(|kept| kept.place), Some(place));
    assert!(store.verify_deep(&mut |_, _| {}).unwrap().is_clean());
}

#[test]
fn what_is_kept_behind_the_last_event_is_in_the_saved_index() {
    for kind in kinds() {
        let folder = tempfile::tempdir().unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        let state = append(&store, "order-1");
        store.save_index().unwrap();
        store.keep_state(&state, &[]).unwrap();
        store.save_index().unwrap();
        assert_eq!(store.counters().index_saves, 2);
        store.save_index().unwrap();
        assert_eq!(store.counters().index_saves, 2);
        store.close().unwrap();
        let store = options(kind).open(folder.path()).unwrap();
        assert_eq!(versions(&store, &state.key), [1]);
    }
}
