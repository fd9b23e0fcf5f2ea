//! One operation of the disk fails, each in turn: what was acknowledged is there, what was refused
//! is not, and nothing is written after a failure that leaves open what the disk holds.

use std::io;

use annals::{Durability, ErrorKind, Position, Store};
use annals_env::{Faults, FaultyFs, LastChoices, OperationKind};
use annals_tests::check::{self, Check};
use annals_tests::history;
use annals_tests::model::{Append, Model};
use annals_tests::sweep::SYNC_PAUSE;
use annals_tests::workload::seeded;
use annals_tests::world::{World, new_disk};

/// What is known of the commits tried while an operation failed.
struct Tried {
    /// All that may be there, in order.
    model: Model,
    acknowledged: Position,
    durable: Position,
}

/// Appends through several segments, goes on whatever fails, and closes.
fn work(disk: &FaultyFs, durability: Durability) -> Check<Tried> {
    let world = World::new(disk.clone(), 1);
    let mut tried =
        Tried { model: Model::new(), acknowledged: Position::START, durable: Position::START };
    let Ok(store) = world.open(durability) else { return Ok(tried) };
    let mut failed = false;
    for seed in 0..16 {
        let append = Append {
            durable: seed % 5 == 4,
            ..Append::any("order-1", seeded::events(seed * 10, 1 + seed % 3, 900))
        };
        if !failed || seed % 4 == 0 {
            failed |= try_append(&store, &append, durability, failed, &mut tried)?;
        }
        world.clock.advance(SYNC_PAUSE / 3);
        if seed % 3 == 0 {
            world.scheduler.run_until_idle();
        }
    }
    let shown = store.position();
    check::answers(&store, &tried.model, shown)?;
    if shown < tried.acknowledged {
        return Err(format!("it shows {shown}, but {} was acknowledged", tried.acknowledged));
    }
    if store.close().is_ok() {
        tried.durable = tried.acknowledged;
    }
    Ok(tried)
}

/// Whether the store has failed for good.
fn try_append(
    store: &Store,
    append: &Append,
    durability: Durability,
    failed: bool,
    tried: &mut Tried,
) -> Check<bool> {
    match history::append_to(store, append) {
        Ok(_) if failed => Err("an append was taken after a failure".to_owned()),
        Ok(receipt) => {
            let stamp = Some(receipt.recorded_at);
            let written = tried.model.accept(append, stamp, Some(receipt.epoch.number));
            check::receipt(&written, &receipt)?;
            tried.acknowledged = receipt.position;
            if durability == Durability::Sync || append.durable {
                tried.durable = receipt.position;
            }
            Ok(false)
        }
        Err(error) => match error.kind() {
            ErrorKind::DiskFull if !failed => Ok(false),
            ErrorKind::Failed => Ok(true),
            ErrorKind::OutcomeUnknown if !failed => {
                tried.model.accept(append, None, None);
                Ok(true)
            }
            other => Err(format!("an append failed with {other:?}: {error}")),
        },
    }
}

/// What is on the disk is what was promised.
fn is_kept(disk: FaultyFs, tried: &Tried, least: Position) -> Check {
    let store = World::new(disk, 2)
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
        .append("further", annals::ExpectedVersion::NoStream, &seeded::events(9_999, 1, 50))
        .map_err(|error| format!("a further append: {error}"))?;
    Ok(())
}

fn fail_at(number: u64, kind: io::ErrorKind, durability: Durability) -> Check {
    let disk = new_disk(Faults::default());
    disk.fail_at(number, kind);
    let tried = work(&disk, durability)?;
    let killed = disk.kill(&mut LastChoices);
    is_kept(killed, &tried, tried.acknowledged).map_err(|error| format!("kill: {error}"))?;
    for (index, image) in disk.power_cuts(6, number).images.into_iter().enumerate() {
        is_kept(image, &tried, tried.durable)
            .map_err(|error| format!("power cut, image {index}: {error}"))?;
    }
    Ok(())
}

fn fail_each(kind: io::ErrorKind) {
    for durability in [Durability::Sync, Durability::Buffered] {
        let disk = new_disk(Faults::default());
        let tried = work(&disk, durability).unwrap();
        assert_eq!(tried.durable, tried.model.head(), "without a failure all is well");
        let operations = disk.operations();
        assert!(operations > 40);
        for number in 1..=operations {
            fail_at(number, kind, durability).unwrap_or_else(|error| {
                panic!("{durability:?}, operation {number} fails: {error}");
            });
        }
        println!("{durability:?}, {kind:?}: {operations} operations failed one by one");
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
        let append = Append::any("order-1", seeded::events(seed * 10, 2, 900));
        let receipt = history::append_to(&store, &append).unwrap();
        model.accept(&append, Some(receipt.recorded_at), None);
        world.scheduler.run_until_idle();
    }
    for _ in 0..6 {
        disk.fail_next(OperationKind::Read, io::ErrorKind::Other);
        let items: Vec<_> = store.read_all().into_iter().collect();
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
    while store.read_all().into_iter().any(|item| item.is_err()) {}
    check::answers(&store, &model, model.head()).unwrap();
    let append = Append::any("order-1", seeded::events(900, 2, 100));
    history::append_to(&store, &append).unwrap();
}

/// A store on a disk whose reads fail now and then is opened, or says why not.
#[test]
fn openings_whose_reads_fail() {
    let disk = new_disk(Faults::default());
    let tried = work(&disk, Durability::Sync).unwrap();
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
        is_kept(copy, &tried, tried.acknowledged).unwrap();
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}
