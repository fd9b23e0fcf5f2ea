//! A crash at every operation of short histories, and every disk that it can leave.
//!
//! Each history is crashed at each of its operations that change the disk. Then the disks that a
//! power cut can leave are made: all of them where their number is within the bound, else both ends
//! (all lost, all kept) and a seeded sample; and those that the death of the process can leave. On
//! each, the store is opened read-only and for writing and must show a prefix of what was attempted,
//! in whole commits, with everything acknowledged in it; then it takes further appends and shows the
//! same when opened once more. Some of the images get a second life, which is crashed again at every
//! operation of the reopening and of a few appends after it.
//!
//! `ANNALS_SWEEP_IMAGES` sets the images tried after each crash point (default: see [`IMAGES`]).
//! Run with `--nocapture` to see how many cases each history had.

use std::time::Duration;

use annals::{
    Commit, Durability, ExpectedVersion as Exp, NewEvent, Options, Position, QueryItem, StateKey,
    Timestamp,
};
use annals_env::Faults;
use annals_tests::budget;
use annals_tests::history::{self, Action};
use annals_tests::model::{any, expecting};
use annals_tests::sweep::{SYNC_PAUSE, Sweep};
use annals_tests::workload::seeded;
use annals_tests::world::{BEGINNING, new_disk};
use annals_tests::{seen, states};

/// Images tried after each crash point unless the environment says otherwise.
const IMAGES: usize = 40;

/// Larger than what is reserved ahead.
const LARGE_SEGMENT_BYTES: u64 = 1 << 20;

const SYNC: Action = Action::Open(Durability::Sync);
const BUFFERED: Action = Action::Open(Durability::Buffered);

fn append(stream: &str, seed: u64, count: u64, data_bytes: usize) -> Action {
    Action::Commit(any(stream, seeded::events(seed, count, data_bytes)))
}

fn durable(stream: &str, seed: u64) -> Action {
    Action::Commit(any(stream, seeded::events(seed, 1, 50)).durable())
}

/// Over two streams or three, one of them in two parts; all events have ids.
fn over_streams(seed: u64, data_bytes: usize) -> Commit<'static> {
    let events = |from: u64, count| with_ids(seed + from, count, data_bytes);
    let commit = any("order-1", events(0, 2)).append("cart-1", Exp::Any, events(2, 1));
    if seed.is_multiple_of(20) {
        return commit;
    }
    commit.append("order-2", Exp::Any, events(3, 2)).append("order-1", Exp::Any, events(5, 1))
}

fn with_ids(seed: u64, count: u64, data_bytes: usize) -> Vec<NewEvent> {
    let ids = (seed..).map(seeded::id);
    let events = seeded::events(seed, count, data_bytes).into_iter();
    events.zip(ids).map(|(event, id)| NewEvent { id: Some(id), ..event }).collect()
}

/// With the smallest segments.
fn sweep(name: &str, actions: Vec<Action>) {
    let sweep = Sweep { actions, ..plain() };
    sweep_both(name, &sweep);
}

/// With segments that are larger than what is reserved at once.
fn sweep_large(name: &str, actions: Vec<Action>) {
    let sweep = Sweep { actions, segment_bytes: LARGE_SEGMENT_BYTES, ..plain() };
    sweep_both(name, &sweep);
}

fn plain() -> Sweep {
    let images = budget::sweep_images(IMAGES);
    Sweep {
        actions: Vec::new(),
        faults: Faults::default(),
        segment_bytes: Options::SEGMENT_BYTES_MIN,
        bare: false,
        images,
        nested_every: 97,
        nested_images: images.div_ceil(6),
    }
}

/// On a disk that writes sectors whole and on one that tears them.
fn sweep_both(name: &str, sweep: &Sweep) {
    for torn_sectors in [false, true] {
        let faults = Faults { torn_sectors, ..Faults::default() };
        let sweep = Sweep { faults, ..sweep.clone() };
        let tally = sweep.run().unwrap_or_else(|error| panic!("{name}: {error}"));
        let torn = if torn_sectors { ", torn sectors" } else { "" };
        println!("{name}{torn}: {tally}");
        assert!(tally.power_cuts >= tally.crash_points, "each crash leaves a disk");
        assert!(tally.nested_points > 0, "no second life was crashed");
    }
}

#[test]
fn creation_of_the_store() {
    sweep("creation", vec![SYNC, Action::Steps, append("order-1", 1, 1, 40), Action::Close]);
}

#[test]
fn creation_below_missing_folders() {
    let actions = vec![SYNC, append("order-1", 1, 1, 40), Action::Close];
    let sweep = Sweep { actions, bare: true, ..plain() };
    sweep_both("creation below missing folders", &sweep);
}

#[test]
fn creation_of_a_buffered_store() {
    sweep("buffered creation", vec![BUFFERED, append("order-1", 1, 1, 40), Action::Drop]);
}

#[test]
fn single_appends() {
    sweep(
        "single appends",
        vec![
            SYNC,
            append("order-1", 1, 1, 40),
            append("order-2", 2, 1, 300),
            Action::Steps,
            append("order-1", 3, 1, 0),
            append("order-1", 4, 1, 700),
        ],
    );
}

#[test]
fn commits_of_several_events() {
    sweep(
        "commits of several events",
        vec![
            SYNC,
            append("order-1", 1, 5, 100),
            append("order-2", 10, 9, 350),
            Action::Steps,
            append("order-1", 20, 3, 600),
        ],
    );
}

#[test]
fn segments_that_fill_are_sealed_and_the_index_is_saved() {
    let mut actions = vec![SYNC];
    for seed in 0..9 {
        actions.push(append(["order-1", "order-2", "cart-1"][seed % 3], seed as u64 * 10, 2, 1500));
        if seed % 2 == 0 {
            actions.push(Action::Steps);
        }
    }
    actions.extend([Action::Steps, Action::Close]);
    sweep("rotation and sealing", actions);
}

#[test]
fn a_segment_that_fills_while_no_step_runs() {
    let mut actions = vec![SYNC];
    actions.extend((0..4).map(|seed| append("order-1", seed * 10, 3, 2000)));
    actions.push(Action::Drop);
    sweep("rotation without steps", actions);
}

#[test]
fn a_commit_larger_than_a_segment() {
    sweep(
        "a large commit",
        vec![
            SYNC,
            append("order-1", 1, 1, 100),
            append("order-2", 10, 3, 7000),
            append("order-1", 20, 1, 100),
            Action::Steps,
            Action::Close,
        ],
    );
}

#[test]
fn buffered_appends_with_syncs() {
    sweep(
        "buffered with syncs",
        vec![
            BUFFERED,
            append("order-1", 1, 2, 200),
            append("order-2", 10, 1, 40),
            Action::Sync,
            append("order-1", 20, 1, 600),
            durable("order-1", 30),
            append("order-2", 40, 1, 100),
            Action::Steps,
            Action::Advance(SYNC_PAUSE),
            Action::Steps,
            append("order-1", 50, 3, 100),
            Action::Close,
        ],
    );
}

#[test]
fn a_buffered_segment_that_fills() {
    let mut actions = vec![BUFFERED];
    for seed in 0..7 {
        actions.push(append("order-1", seed * 10, 2, 2000));
        if seed % 3 == 2 {
            actions.extend([Action::Steps, Action::Advance(SYNC_PAUSE), Action::Steps]);
        }
    }
    sweep("buffered rotation", actions);
}

#[test]
fn space_reserved_ahead_by_the_keeper_and_by_appends() {
    sweep_large(
        "reserved space",
        vec![
            SYNC,
            append("order-1", 1, 2, 3000),
            Action::Steps,
            append("order-2", 10, 3, 20_000),
            append("order-1", 20, 1, 100),
            Action::Steps,
            append("order-1", 30, 2, 40_000),
            append("order-2", 40, 1, 300),
        ],
    );
}

#[test]
fn space_reserved_ahead_of_buffered_appends() {
    sweep_large(
        "reserved space, buffered",
        vec![
            BUFFERED,
            append("order-1", 1, 2, 3000),
            Action::Steps,
            append("order-2", 10, 2, 30_000),
            append("order-1", 20, 1, 100),
            Action::Sync,
            append("order-1", 30, 1, 20_000),
            Action::Steps,
            append("order-2", 40, 1, 300),
            Action::Drop,
        ],
    );
}

#[test]
fn opened_again_and_again() {
    sweep(
        "reopening",
        vec![
            SYNC,
            append("order-1", 1, 1, 100),
            Action::Close,
            BUFFERED,
            append("order-1", 2, 2, 100),
            Action::Drop,
            SYNC,
            append("order-2", 10, 1, 400),
            Action::Drop,
            SYNC,
            Action::Close,
        ],
    );
}

#[test]
fn an_import_with_stamps_of_its_own() {
    let stamped = |seed: u64, seconds: i64| {
        let moment = BEGINNING.as_micros() - 1_000_000_000_000 + seconds * 1_000_000;
        let commit = any("order-1", seeded::events(seed, 2, 150));
        Action::Commit(commit.recorded_at(Timestamp::from_micros(moment)))
    };
    sweep(
        "import",
        vec![
            BUFFERED,
            stamped(1, 0),
            stamped(10, 0),
            stamped(20, 5),
            Action::Sync,
            stamped(30, 7),
            Action::Advance(Duration::from_secs(1)),
            append("order-1", 40, 1, 50),
            Action::Close,
        ],
    );
}

#[test]
fn refused_appends_leave_nothing() {
    let refused = expecting("order-1", Exp::at(7), seeded::events(50, 2, 100));
    sweep(
        "refusals",
        vec![
            SYNC,
            append("order-1", 1, 1, 100),
            Action::Commit(refused.clone()),
            append("order-1", 2, 1, 100),
            Action::Commit(refused),
            Action::Close,
        ],
    );
}

#[test]
fn commits_over_several_streams() {
    let actions = |open| {
        vec![
            open,
            Action::Commit(over_streams(10, 60).expect("customer-1", Exp::NoStream)),
            Action::Commit(over_streams(20, 700).expect("order-2", Exp::at(2))),
            // Refused by a stream that it does not write.
            Action::Commit(over_streams(30, 60).expect("customer-1", Exp::Exists)),
            Action::Steps,
            Action::Commit(over_streams(50, 900)),
            Action::Close,
        ]
    };
    sweep("several streams", actions(SYNC));
    sweep("several streams, buffered", actions(BUFFERED));
}

#[test]
fn conditions() {
    let noted = || QueryItem::new().event_type("Once").tag("name:ada");
    let once = |seed: u64, after: u64| {
        let event = NewEvent::json("Once", "{}").tag("name:ada").id(seeded::id(seed));
        let commit = any(format!("user-{seed}"), vec![event]);
        Action::Commit(commit.fail_if(noted(), Position::new(after)))
    };
    sweep(
        "conditions",
        vec![
            SYNC,
            append("order-1", 1, 2, 100),
            once(100, 0),
            // Refused: it happened.
            once(101, 0),
            Action::Close,
            BUFFERED,
            once(102, 2),
            // Known to the caller.
            once(103, 3),
            Action::Sync,
            // The very commit that was there first.
            once(100, 0),
            once(104, 3),
        ],
    );
}

#[test]
fn commits_tried_again() {
    let (one, two) = (over_streams(10, 200), over_streams(20, 60));
    let changed = any("order-1", with_ids(10, 1, 200));
    sweep(
        "retries",
        vec![
            BUFFERED,
            Action::Commit(one.clone()),
            Action::Commit(one.clone().durable()),
            Action::Submit(two.clone()),
            Action::Commit(two.clone()),
            // An id of another commit.
            Action::Commit(changed),
            Action::Close,
            SYNC,
            Action::Commit(one.expect("order-1", Exp::NoStream)),
            Action::Commit(two),
            append("order-1", 40, 1, 100),
        ],
    );
}

#[test]
fn commits_that_nobody_waits_for() {
    let submit = |seed: u64, data_bytes| Action::Submit(over_streams(seed, data_bytes));
    let actions = |open| {
        vec![
            open,
            submit(10, 60),
            submit(20, 700),
            Action::Steps,
            submit(30, 60),
            append("order-1", 40, 1, 100),
            submit(50, 1_500),
            submit(60, 100),
            submit(70, 100),
            Action::Advance(SYNC_PAUSE),
            Action::Steps,
            submit(80, 300),
            Action::Drop,
            SYNC,
            submit(90, 40),
            Action::Sync,
            submit(100, 40),
            Action::Close,
        ]
    };
    sweep("submitted", actions(SYNC));
    sweep("submitted, buffered", actions(BUFFERED));
}

#[test]
fn states_that_are_kept() {
    let keep = |key: &StateKey| Action::Keep(key.clone());
    let instead = |key: &StateKey| Action::KeepInstead(key.clone());
    let (order, other) =
        (states::snapshot("order-1", "Order"), states::snapshot("order-1", "Other"));
    let all = seen::key("everything");
    let actions = |open: Action| {
        vec![
            open.clone(),
            append("order-1", 1, 2, 200),
            keep(&order),
            keep(&all),
            append("order-2", 10, 1, 600),
            instead(&all),
            append("order-1", 20, 1, 40),
            keep(&order),
            Action::Steps,
            durable("order-1", 30),
            keep(&other),
            instead(&order),
            Action::Close,
            open,
            instead(&all),
            append("order-1", 40, 1, 40),
            keep(&all),
            Action::Drop,
        ]
    };
    sweep("kept states", actions(SYNC));
    sweep("kept states, buffered", actions(BUFFERED));
}

/// Segments end between what is kept and what it takes the place of, and behind an event that has
/// only such records in its segment.
#[test]
fn states_that_are_kept_while_segments_fill() {
    let key = states::snapshot("order-1", "Order");
    let all = seen::key("everything");
    let actions = |open| {
        let mut actions = vec![open];
        for seed in 0..5 {
            actions.push(append("order-1", seed * 10, 2, 1900));
            actions.push(Action::KeepInstead(key.clone()));
            actions.push(Action::Keep(all.clone()));
            if seed == 3 {
                actions.push(Action::Steps);
            }
        }
        actions.push(Action::Close);
        actions
    };
    sweep("kept states and rotation", actions(SYNC));
    sweep("kept states and rotation, buffered", actions(BUFFERED));
}

/// The canary: a disk that only says that it syncs must be found out.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let sweep = Sweep {
        actions: vec![SYNC, append("order-1", 1, 1, 40), append("order-1", 2, 1, 40)],
        faults: Faults { lying_sync: true, ..Faults::default() },
        ..plain()
    };
    let error = sweep.run().unwrap_err();
    println!("the canary: {error}");
    assert!(error.contains("power cut"), "{error}");
}

/// What a seed has shown can be shown again only where nothing is left to chance.
#[test]
fn a_history_runs_alike_each_time() {
    let actions = vec![
        BUFFERED,
        append("order-1", 1, 3, 2000),
        append("order-2", 10, 5, 2500),
        Action::Steps,
        Action::Advance(SYNC_PAUSE),
        Action::Steps,
        append("order-1", 20, 1, 100),
        Action::Close,
    ];
    let run = || {
        let disk = new_disk(Faults::default());
        let trace = history::run(&disk, Options::SEGMENT_BYTES_MIN, &actions).unwrap();
        assert!(trace.failure.is_none());
        (disk.fingerprint(), disk.operations(), trace.durable)
    };
    assert_eq!(run(), run());
}
