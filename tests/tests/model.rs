//! Random histories against the reference model, with every way to end and begin an opening.
//!
//! The store runs on a simulated disk with a clock that stands still and background steps that run
//! in a random order, in the smallest segments, so that it rotates and seals all the time. Every
//! answer is compared with the model's, field by field. `PROPTEST_CASES` sets the number of
//! histories (default 1,000).

use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::{Durability, Position, Store, Timestamp, View};
use annals_env::{FaultyFs, Fs, LastChoices};
use annals_tests::budget;
use annals_tests::check;
use annals_tests::history;
use annals_tests::model::Model;
use annals_tests::workload::random::{self, AppendPlan, End, Op, Reopen, STREAMS};
use annals_tests::world::{STORE, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

/// A store beside its model.
struct Pair {
    disk: FaultyFs,
    world: World,
    /// `None` only while it is opened again.
    store: Option<Store>,
    model: Model,
    /// Views, and the heads that they must keep showing.
    views: Vec<(View, Position)>,
    openings: u64,
    /// The latest moment that the clock has shown.
    latest: Timestamp,
}

type Outcome<T = ()> = Result<T, String>;

impl Pair {
    fn new(buffered: bool) -> Self {
        let disk = FaultyFs::default();
        let world = World::new(disk.clone(), 1);
        let store = world.open(durability(buffered)).unwrap();
        let latest = world.now();
        Self {
            disk,
            world,
            store: Some(store),
            model: Model::new(),
            views: Vec::new(),
            openings: 1,
            latest,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("a store is open between operations")
    }

    fn act(&mut self, op: &Op) -> Outcome {
        let head = self.model.head();
        match op {
            Op::Append(plan) => self.append(plan),
            Op::Read(plan) => {
                check::query(self.store(), &self.model, &plan.resolve(&self.model), head)
            }
            Op::Streams(filter) => check::streams(self.store(), &self.model, filter, head),
            Op::StreamEnd(stream) => {
                check::stream_end(self.store(), &self.model, STREAMS[*stream], head)
            }
            Op::Sync => {
                let synced = self.store().sync().map_err(|error| error.to_string())?;
                check::equal("the synced position", head, synced)
            }
            Op::Verify => self.verify(),
            Op::View => {
                let view = self.store().view();
                check::equal("the view's head", head, view.position())?;
                self.views.push((view, head));
                Ok(())
            }
            Op::ReadOnly => {
                let reader = self.world.open_read_only().map_err(|error| error.to_string())?;
                // It may lag behind a buffered writer, never show something else.
                let shown = reader.position();
                check::answers(&reader, &self.model, shown)
            }
            Op::Advance(by) => {
                self.world.clock.advance(*by);
                self.latest = self.latest.max(self.world.now());
                Ok(())
            }
            Op::Jump(millis) => {
                let now = self.world.now().as_micros() + millis * 1_000;
                self.world.clock.set(Timestamp::from_micros(now));
                self.latest = self.latest.max(self.world.now());
                Ok(())
            }
            Op::Step(choice) => {
                self.world.scheduler.run_any(*choice);
                Ok(())
            }
            Op::Steps => {
                self.world.scheduler.run_until_idle();
                Ok(())
            }
            Op::Reopen(how) => self.reopen(*how),
        }
    }

    fn append(&mut self, plan: &AppendPlan) -> Outcome {
        let now = self.world.now();
        let append = plan.resolve(&self.model, now);
        let refusals = self.model.refusals(&append, now);
        let newest = self.model.newest_stamp();
        let receipt = match history::append_to(self.store(), &append) {
            Ok(receipt) if refusals.is_empty() => receipt,
            Ok(_) => return Err(format!("an append was taken in spite of {refusals:?}")),
            Err(error) => return check::refusal(&refusals, &error),
        };
        let stamp = receipt.recorded_at;
        match append.recorded_at {
            Some(asked) => check::equal("the stamp", asked, stamp)?,
            None => {
                // Stamps of control records may hold it above both.
                let least = newest.map_or(now, |newest| newest.max(now));
                let bounds = least..=self.latest.max(least);
                if !bounds.contains(&stamp) {
                    return Err(format!("the stamp {stamp} is not in {bounds:?}"));
                }
            }
        }
        let written = self.model.accept(&append, Some(stamp), Some(receipt.epoch.number));
        check::receipt(&written, &receipt)?;
        let last = self.store().last_event(&append.stream).map_err(|error| error.to_string())?;
        let last = last.ok_or("the append is not visible")?;
        self.model.learn_derived_id(last.position(), last.id());
        check::stream_end(self.store(), &self.model, &append.stream, self.model.head())
    }

    fn verify(&self) -> Outcome {
        let report = self.store().verify(&mut |_, _| {}).map_err(|error| error.to_string())?;
        check::equal("the damage", Vec::new(), report.damage)?;
        check::equal("the head", self.model.head(), report.head)?;
        check::equal("the events", self.model.head().get(), report.events)
    }

    fn reopen(&mut self, how: Reopen) -> Outcome {
        self.check_views()?;
        self.views.clear();
        let store = self.store.take();
        match how.end {
            End::Close => {
                store.map_or(Ok(()), Store::close).map_err(|error| error.to_string())?;
            }
            End::Drop => drop(store),
            End::Kill => {
                self.disk = self.disk.kill(&mut LastChoices);
                drop(store);
            }
        }
        if how.without_index {
            delete_index(&self.disk);
        }
        self.openings += 1;
        self.world = World::at(self.disk.clone(), self.openings, self.world.now());
        let options = self.world.options().durability(durability(how.buffered));
        let store = options
            .segment_bytes(how.segment_bytes)
            .open(STORE)
            .map_err(|error| format!("opening again: {error}"))?;
        check::answers(&store, &self.model, self.model.head())
            .map_err(|error| format!("opened again: {error}"))?;
        self.store = Some(store);
        Ok(())
    }

    fn check_views(&self) -> Outcome {
        for (view, head) in &self.views {
            check::answers(view, &self.model, *head)
                .map_err(|error| format!("the view at {head}: {error}"))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        check::answers(self.store(), &self.model, self.model.head())?;
        self.verify()?;
        let end = Reopen {
            end: End::Close,
            without_index: false,
            buffered: false,
            segment_bytes: 16 << 10,
        };
        self.reopen(end)?;
        self.reopen(Reopen { without_index: true, ..end })?;
        self.verify()
    }
}

fn durability(buffered: bool) -> Durability {
    if buffered { Durability::Buffered } else { Durability::Sync }
}

/// Deletes every file below the index folder.
fn delete_index(disk: &FaultyFs) {
    let index = Path::new(STORE).join("index");
    let files: Vec<PathBuf> =
        disk.files().into_iter().filter(|path| path.starts_with(&index)).collect();
    for file in files {
        disk.remove(&file).unwrap();
    }
}

proptest! {
    #![proptest_config(Config {
        cases: budget::from_env("PROPTEST_CASES", 1_000),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/model.txt")))),
        ..Config::default()
    })]

    #[test]
    fn the_store_answers_as_the_model_does(
        buffered in any::<bool>(),
        history in random::history(60),
    ) {
        let mut pair = Pair::new(buffered);
        for (number, op) in history.iter().enumerate() {
            if let Err(error) = pair.act(op) {
                return Err(TestCaseError::fail(format!("operation {number}, {op:?}: {error}")));
            }
        }
        pair.finish().map_err(TestCaseError::fail)?;
    }
}

/// One long history, for what only builds up over many openings and segments.
#[test]
fn a_long_history_of_many_openings() {
    let mut pair = Pair::new(true);
    for round in 0..12_u64 {
        for seed in 0..60 {
            let stream = STREAMS[usize::try_from(seed % 8).unwrap()];
            let events = annals_tests::workload::seeded::events(round * 1_000 + seed * 5, 3, 250);
            let append = annals_tests::model::Append::any(stream, events);
            let receipt = history::append_to(pair.store(), &append).unwrap();
            let stamp = Some(receipt.recorded_at);
            pair.model.accept(&append, stamp, Some(receipt.epoch.number));
            pair.act(&Op::Step(seed)).unwrap();
            pair.act(&Op::Advance(Duration::from_millis(7))).unwrap();
        }
        let end = [End::Close, End::Drop, End::Kill][usize::try_from(round % 3).unwrap()];
        let reopen = Reopen {
            end,
            without_index: round % 4 == 3,
            buffered: round % 2 == 0,
            segment_bytes: 16 << 10,
        };
        pair.reopen(reopen).unwrap();
    }
    assert!(pair.store().stats().unwrap().segments_sealed > 10);
    pair.finish().unwrap();
}
