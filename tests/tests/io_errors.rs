//! One operation of the disk fails, each in turn: what was acknowledged is there, what was refused
//! is not, and nothing is written after a failure that leaves open what the disk holds.

use std::io;

use annals::{Commit, Durability, ErrorKind, ExpectedVersion, Position, Store};
use annals_env::{Faults, FaultyFs, LastChoices, OperationKind};
use annals_tests::check::{self, Check};
use annals_tests::model::{Model, any};
use annals_tests::sweep::SYNC_PAUSE;
use annals_tests::workload::seeded;
use annals_tests::world::{World, new_disk};

/// How a history is run.
#[derive(Clone, Copy, Debug)]
struct Shape {
    durability: Durability,
    segment_bytes: u64,
}

/// Segments that the history fills, and some that are larger than what is reserved at once.
fn shapes() -> impl Iterator<Item = Shape> {
    [Durability::Sync, Durability::Buffered].into_iter().flat_map(|durability| {
        [16 << 10, 1 << 20].map(|segment_bytes| Shape { durability, segment_bytes })
    })
}

impl Shape {
    fn world(self, disk: &FaultyFs, seed: u64) -> World {
        World::new(disk.clone(), seed).with_segments(self.segment_bytes)
    }
}

/// What is known of the commits tried while an operation failed.
#[derive(Clone)]
struct Tried {
    /// All that may be there, in order.
    model: Model,
    acknowledged: Position,
    durable: Position,
}

/// Appends large and small commits, goes on whatever fails, and closes or not.
fn work(disk: &FaultyFs, shape: Shape, close: bool) -> Check<Tried> {
    let world = shape.world(disk, 1);
    let mut tried =
        Tried { model: Model::new(), acknowledged: Position::START, durable: Position::START };
    let Ok(store) = world.open(shape.durability) else { return Ok(tried) };
    let mut failed = false;
    for seed in 0..20_u64 {
        let bytes = [900, 30, 4_000, 60, 11_000][usize::try_from(seed % 5).unwrap()];
        let commit = any("order-1", seeded::events(seed * 10, 1 + seed % 3, bytes));
        let commit = if seed % 7 == 4 { commit.durable() } else { commit };
        if !failed || seed % 4 == 0 {
            failed |= try_commit(&store, &commit, shape.durability, failed, &mut tried)?;
        }
        world.clock.advance(SYNC_PAUSE / 3);
        if seed % 3 == 0 {
            world.scheduler.run_until_idle();
        }
        if seed == 11 && store.sync().is_ok() {
            tried.durable = tried.acknowledged;
        }
    }
    let shown = store.position();
    check::answers(&store, &tried.model, shown)?;
    if shown < tried.acknowledged {
        return Err(format!("it shows {shown}, but {} was acknowledged", tried.acknowledged));
    }
    if close && store.close().is_ok() {
        tried.durable = tried.acknowledged;
    }
    Ok(tried)
}

/// Whether the store has failed for good.
fn try_commit(
    store: &Store,
    commit: &Commit<'static>,
    durability: Durability,
    failed: bool,
    tried: &mut Tried,
) -> Check<bool> {
    match store.commit(commit) {
        Ok(_) if failed => Err("an append was taken after a failure".to_owned()),
        Ok(receipt) => {
            check::accepted(&mut tried.model, commit, &receipt)?;
            tried.acknowledged = receipt.position;
            if durability == Durability::Sync || commit.is_durable() {
                tried.durable = receipt.position;
            }
            Ok(false)
        }
        Err(error) => match error.kind() {
            ErrorKind::DiskFull if !failed => Ok(false),
            ErrorKind::Failed => Ok(true),
            ErrorKind::OutcomeUnknown if !failed => {
                tried.model.accept(commit, None, None);
                Ok(true)
            }
            other => Err(format!("an append failed with {other:?}: {error}")),
        },
    }
}

/// What is on the disk is what was promised. Gives the store, which syncs, and its head.
fn is_kept(disk: &FaultyFs, tried: &Tried, least: Position) -> Check<(Store, Position)> {
    let store = World::new(disk.clone(), 2)
        .open(Durability::Sync)
        .map_err(|error| format!("opening again: {error}"))?;
    let head = store.position();
    if head < least {
        return Err(format!("it ends at {head}, but {least} was acknowledged"));
    }
    check::answers(&store, &tried.model, head)?;
    let report = store.verify(&mut |_, _| {}).map_err(|error| error.to_string())?;
    check::equal("the damage", Vec::new(), report.damage)?;
    store
        .append("further", ExpectedVersion::NoStream, &seeded::events(9_999, 1, 50))
        .map_err(|error| format!("a further append: {error}"))?;
    Ok((store, head))
}

/// Looks at what is left after a failure: at once, after a power cut, and after a power cut that
/// follows another opening on the same machine, whose syncs say that all is well.
///
/// Not where a folder's sync failed: there a later one that succeeds is believed (see
/// `storage-format.md` on what is assumed of file systems), which the simulated disk does not do.
fn examine(disk: &FaultyFs, tried: &Tried, failed: OperationKind, seed: u64) -> Check {
    for (index, image) in disk.power_cuts(6, seed).images.iter().enumerate() {
        is_kept(image, tried, tried.durable)
            .map_err(|error| format!("power cut, image {index}: {error}"))?;
    }
    let (store, head) = is_kept(disk, tried, tried.acknowledged)?;
    disk.crash();
    drop(store);
    if failed == OperationKind::SyncDir {
        return Ok(());
    }
    let mut later = tried.clone();
    later.model.cut(head);
    let further = any("further", seeded::events(9_999, 1, 50));
    let written = later.model.accept(&further, None, None);
    for (index, image) in disk.power_cuts(4, seed).images.iter().enumerate() {
        let store = World::new(image.clone(), 3)
            .open(Durability::Sync)
            .map_err(|error| format!("opening after both: {error}"))?;
        check::answers(&store, &later.model, written.position)
            .map_err(|error| format!("power cut in the second opening, image {index}: {error}"))?;
    }
    Ok(())
}

/// What the operation with this number is.
fn kind_of(number: u64, shape: Shape) -> Check<OperationKind> {
    let disk = new_disk(Faults::default());
    disk.crash_at(number);
    // The crash may show as an error of any kind; only the operation is asked for.
    let _ = work(&disk, shape, true);
    disk.crashed_in().map(|operation| operation.kind).ok_or("there is no such operation".to_owned())
}

fn fail_at(number: u64, kind: io::ErrorKind, shape: Shape) -> Check {
    let failed = kind_of(number, shape)?;
    for close in [true, false] {
        let disk = new_disk(Faults::default());
        disk.fail_at(number, kind);
        let tried = work(&disk, shape, close)?;
        examine(&disk, &tried, failed, number)
            .map_err(|error| format!("closed {close}: {error}"))?;
    }
    Ok(())
}

fn fail_each(kind: io::ErrorKind) {
    for shape in shapes() {
        let disk = new_disk(Faults::default());
        let before = disk.operations();
        let tried = work(&disk, shape, true).unwrap();
        assert_eq!(tried.durable, tried.model.head(), "without a failure all is well");
        let operations = disk.operations();
        assert!(operations > before + 40);
        for number in before + 1..=operations {
            fail_at(number, kind, shape).unwrap_or_else(|error| {
                panic!("{shape:?}, operation {number} fails: {error}");
            });
        }
        println!("{shape:?}, {kind:?}: {} operations failed one by one", operations - before);
    }
}

#[test]
fn each_operation_fails_once() {
    fail_each(io::ErrorKind::Other);
}

#[test]
fn each_operation_finds_the_disk_full_once() {
    fail_each(io::ErrorKind::StorageFull);
}

/// An error while reading costs the answer, never the store.
#[test]
fn a_read_that_fails() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    let mut model = Model::new();
    for seed in 0..12 {
        let commit = any("order-1", seeded::events(seed * 10, 2, 900));
        let receipt = store.commit(&commit).unwrap();
        check::accepted(&mut model, &commit, &receipt).unwrap();
        world.scheduler.run_until_idle();
    }
    for _ in 0..6 {
        disk.fail_next(OperationKind::Read, io::ErrorKind::Other);
        let items: Vec<_> = store.read_all().collect();
        let errors: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
        for error in &errors {
            assert_eq!(*error.kind(), ErrorKind::Io, "{error}");
        }
        for (event, position) in items.iter().flatten().zip(1..) {
            assert_eq!(event.position(), Position::new(position));
        }
        let whole = items.iter().flatten().count() as u64 == model.head().get();
        assert!(whole || errors.len() == 1, "events are missing without a word");
    }
    // Appends are not held up by what only a reading met.
    disk.set_faults(|faults| faults.read_error = 0.0);
    while store.read_all().any(|item| item.is_err()) {}
    check::answers(&store, &model, model.head()).unwrap();
    store.commit(&any("order-1", seeded::events(900, 2, 100))).unwrap();
}

/// A store on a disk whose reads fail now and then is opened, or says why not.
#[test]
fn openings_whose_reads_fail() {
    let disk = new_disk(Faults::default());
    let shape = Shape { durability: Durability::Sync, segment_bytes: 16 << 10 };
    let tried = work(&disk, shape, true).unwrap();
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..60 {
        let copy = disk.kill(&mut LastChoices);
        copy.set_faults(|faults| {
            faults.read_error = 0.02;
            faults.seed = seed;
        });
        let world = World::new(copy.clone(), seed);
        match world.open(Durability::Sync) {
            Ok(store) => {
                opened += 1;
                assert_eq!(store.position(), tried.acknowledged);
            }
            Err(error) => {
                refused += 1;
                assert_eq!(*error.kind(), ErrorKind::Io, "{error}");
            }
        }
        copy.set_faults(|faults| faults.read_error = 0.0);
        is_kept(&copy, &tried, tried.acknowledged).unwrap();
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}
