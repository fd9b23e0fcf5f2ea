//! A store beside its model, and histories that are done to both: every answer is compared, field by
//! field, and of refusals the kind.
//!
//! The store runs with a clock that stands still and background steps that run in a random order, in
//! the smallest segments, so that it rotates and seals all the time.

use std::path::PathBuf;
use std::sync::Arc;

use annals::{
    Commit, Durability, Error, ErrorKind, EventReader, EventStore, IndexKind, Position, Query,
    Read, Receipt, Store, Timestamp, View,
};
use annals_env::{FaultyFs, Fs, LastChoices, RealFs};
use tempfile::TempDir;

use crate::check::{self, Check};
use crate::files::{self, Files};
use crate::kinds;
use crate::model::{Filter, ReferenceStore, ReferenceView};
use crate::seen;
use crate::states::{self, Sure};
use crate::workload::random::{self, CommitPlan, End, IndexFate, Op, Reopen, STREAMS, Twist};
use crate::world::{BEGINNING, STORE, World};

/// Where the store lies.
#[derive(Debug)]
pub enum Disk {
    /// On a simulated disk.
    Simulated(FaultyFs),
    /// In a folder of the machine.
    Real(TempDir),
}

impl Disk {
    /// A new folder of the machine.
    ///
    /// # Panics
    /// Where none can be made.
    #[must_use]
    pub fn real() -> Self {
        Self::Real(tempfile::tempdir().expect("a folder for the store"))
    }

    fn fs(&self) -> Arc<dyn Fs> {
        match self {
            Self::Simulated(disk) => Arc::new(disk.clone()),
            Self::Real(_) => Arc::new(RealFs),
        }
    }

    fn root(&self) -> PathBuf {
        match self {
            Self::Simulated(_) => STORE.into(),
            Self::Real(folder) => folder.path().join("store"),
        }
    }

    fn index(&self) -> PathBuf {
        self.root().join("index")
    }

    fn world(&self, seed: u64, now: Timestamp) -> World {
        match self {
            Self::Simulated(disk) => World::at(disk.clone(), seed, now),
            Self::Real(_) => World::at(RealFs, seed, now).with_root(self.root()),
        }
    }

    /// What is left where the process dies now.
    fn killed(&self) -> Self {
        match self {
            Self::Simulated(disk) => Self::Simulated(disk.kill(&mut LastChoices)),
            Self::Real(_) => {
                let copy = Self::real();
                files::replace(&RealFs, &copy.root(), &files::read(&RealFs, &self.root()));
                copy
            }
        }
    }
}

/// A store beside its model.
#[derive(Debug)]
pub struct Pair {
    disk: Disk,
    world: World,
    /// `None` only while it is opened again.
    store: Option<Store>,
    model: ReferenceStore,
    /// What was committed, to be repeated.
    commits: Vec<Commit<'static>>,
    /// Views, and what they must keep showing.
    views: Vec<(View, ReferenceView)>,
    /// States that were kept.
    sure: Sure,
    /// The index's files as they were at some time.
    copy: Option<Files>,
    openings: u64,
    /// The latest moment that the clock has shown.
    latest: Timestamp,
}

fn told(error: Error) -> String {
    format!("{error} ({:?})", error.kind())
}

impl Pair {
    /// A new store.
    ///
    /// # Panics
    /// Where it does not open.
    #[must_use]
    pub fn new(disk: Disk, kind: IndexKind, buffered: bool) -> Self {
        let world = disk.world(1, BEGINNING).with_index(kind);
        let store = world.open(durability(buffered)).expect("a new store opens");
        let stats = store.stats().expect("a new store has figures");
        let model = ReferenceStore::new(stats.store);
        model.begin_epoch(stats.epoch);
        let latest = world.now();
        Self {
            disk,
            world,
            store: Some(store),
            model,
            commits: Vec::new(),
            views: Vec::new(),
            sure: Sure::default(),
            copy: None,
            openings: 1,
            latest,
        }
    }

    /// Does a whole history to both, and what belongs to its end.
    ///
    /// # Errors
    /// The first difference, with the operation in which it showed.
    pub fn run(mut self, history: &[Op]) -> Check {
        for (number, op) in history.iter().enumerate() {
            self.act(op).map_err(|error| format!("operation {number}, {op:?}: {error}"))?;
        }
        self.finish()
    }

    /// The store.
    ///
    /// # Panics
    /// Never: it is missing only inside of an operation.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.store.as_ref().expect("a store is open between operations")
    }

    /// Does one operation to both.
    ///
    /// # Errors
    /// The first difference.
    pub fn act(&mut self, op: &Op) -> Check {
        match op {
            Op::Commit(plan) => {
                let commit = self.resolve(plan);
                self.commit(&commit)
            }
            Op::Submit(plans) => self.submit(plans),
            Op::Repeat(ago, twist) => self.repeat(*ago, *twist),
            Op::Read(plan) => {
                let read = self.model.with(|model| plan.resolve(model));
                check::same_reading(&self.model, self.store(), &read)
            }
            Op::Streams(filter) => {
                let listing = self.store().streams();
                let listing = match filter {
                    Filter::All => listing,
                    Filter::Category(category) => listing.category(category),
                    Filter::Prefix(prefix) => {
                        check::same_streams(&self.model, self.store(), prefix)?;
                        listing.prefix(prefix)
                    }
                };
                self.model.with(|model| check::streams(listing, model, filter, model.head()))
            }
            Op::StreamEnd(stream) => {
                check::same_stream_end(&self.model, self.store(), STREAMS[*stream])
            }
            Op::Keep(key, instead) => self.keep(*key, *instead),
            Op::FindStates => self.find_states(),
            Op::Sync => {
                let synced = self.store().sync().map_err(told)?;
                check::equal("the synced position", self.model.position(), synced)
            }
            Op::Verify => self.verify(),
            Op::View => {
                let (view, model) = (self.store().head(), self.model.as_of(self.model.position()));
                check::equal("the view's head", model.position(), view.position())?;
                let checkpoint = self.model.with(|model| model.checkpoint(view.position()));
                check::equal("its checkpoint", checkpoint, Some(view.checkpoint()))?;
                self.views.push((view, model));
                Ok(())
            }
            Op::AsOf(parts, by) => self.as_of(*parts, *by),
            Op::ReadOnly => {
                let reader = self.world.open_read_only().map_err(told)?;
                // It may lag behind a buffered writer, never show something else.
                let shown = self.model.as_of(reader.position());
                check::same_answers(&shown, &reader, &self.queries())
            }
            Op::CopyIndex => {
                self.copy = Some(files::read(&*self.disk.fs(), &self.disk.index()));
                Ok(())
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

    fn resolve(&self, plan: &CommitPlan) -> Commit<'static> {
        self.model.with(|model| plan.resolve(model, self.world.now()))
    }

    /// Queries worth asking now, more than [`check::answers`] would.
    fn queries(&self) -> Vec<Query> {
        self.model.with(|model| check::queries(model, Position::MAX))
    }

    /// Commits to both.
    ///
    /// # Errors
    /// The first difference.
    pub fn commit(&mut self, commit: &Commit<'static>) -> Check {
        let visible = self.model.position();
        let store: &dyn EventStore = self.store();
        let answer = store.commit(commit);
        self.compare(commit, answer, visible)?;
        for (stream, _) in commit.expectations().iter().take(3) {
            check::same_stream_end(&self.model, self.store(), stream)?;
        }
        check::equal("the head", self.model.position(), self.store().position())
    }

    /// What the store answered, while it showed what was there up to `visible`, is what the model
    /// does, which commits too.
    fn compare(
        &mut self,
        commit: &Commit<'static>,
        answer: annals::Result<Receipt>,
        visible: Position,
    ) -> Check {
        let now = self.world.now();
        match answer {
            Ok(receipt) => {
                let newest = self.model.with(|model| model.newest_stamp());
                self.model.expect(now, receipt.recorded_at);
                let model: &dyn EventStore = &self.model;
                let expected = model.commit(commit).map_err(|refused| {
                    format!("a commit was taken, but in the model {}", told(refused))
                })?;
                check::equal("the receipt", &expected, &receipt)?;
                check::equal("its checkpoint", expected.checkpoint(), receipt.checkpoint())?;
                if !receipt.repeated {
                    self.commits.push(commit.clone());
                    if commit.wanted_stamp().is_none() {
                        return self.is_timely(receipt.recorded_at, newest);
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.model.expect(now, now);
                match self.model.decide(commit) {
                    Ok(_) => Err(format!("nothing speaks against it, but: {}", told(error))),
                    Err(refusals) => check::refusal(&refusals, &error).or_else(|wrong| {
                        self.is_conflict_in_view(&error, visible).then_some(()).ok_or(wrong)
                    }),
                }
            }
        }
    }

    /// Whether the error is a conflict with what a read finds, although a commit in flight makes it
    /// a conflict with something else.
    fn is_conflict_in_view(&self, error: &Error, visible: Position) -> bool {
        let ErrorKind::Conflict { stream, expected, actual } = error.kind() else { return false };
        let version = |head| self.model.with(|model| model.version(stream, head));
        let range = version(visible)..=version(Position::MAX);
        range.contains(actual) && !expected.holds(*actual) && !expected.holds(*range.end())
    }

    /// Stamps of control records may hold a stamp above both the newest one and the clock.
    fn is_timely(&self, stamp: Timestamp, newest: Option<Timestamp>) -> Check {
        let now = self.world.now();
        let least = newest.map_or(now, |newest| newest.max(now));
        let bounds = least..=self.latest.max(least);
        if bounds.contains(&stamp) {
            Ok(())
        } else {
            Err(format!("the stamp {stamp} is not in {bounds:?}"))
        }
    }

    fn submit(&mut self, plans: &[CommitPlan]) -> Check {
        let mut submitted = Vec::new();
        for plan in plans {
            let commit = self.resolve(plan);
            let visible = self.store().position();
            let answer = self.store().submit(&commit);
            match answer {
                Ok(one) => {
                    self.compare(&commit, Ok(one.receipt().clone()), visible)?;
                    submitted.push(one);
                }
                Err(error) => self.compare(&commit, Err(error), visible)?,
            }
        }
        for one in submitted.into_iter().rev() {
            let promised = one.receipt().clone();
            check::equal("the receipt in the end", promised, one.wait().map_err(told)?)?;
        }
        check::equal("the head", self.model.position(), self.store().position())
    }

    fn repeat(&mut self, ago: usize, twist: Twist) -> Check {
        match self.commits.iter().rev().nth(ago) {
            Some(commit) => self.commit(&twist.apply(commit)),
            None => Ok(()),
        }
    }

    /// Keeps a state, which is then found first.
    fn keep(&mut self, key: usize, instead: bool) -> Check {
        let key = match STREAMS.get(key) {
            Some(stream) => states::snapshot(stream, "Fold"),
            None => seen::key("everything"),
        };
        let head = self.store().position();
        let state = self.model.with(|model| states::state(model, key, head));
        let Some(state) = state else { return Ok(()) };
        let before = states::places(self.store(), &state.key).map_err(told)?;
        let superseded = if instead { &before[..] } else { &[] };
        let place = self.store().keep_state(&state, superseded).map_err(told)?;
        self.sure.kept(&state.key, place, false);
        let now = states::places(self.store(), &state.key).map_err(told)?;
        let left = if instead { 0 } else { before.len() };
        check::equal("how many states are kept", left + 1, now.len())?;
        check::equal("the newest", Some(&place), now.first())
    }

    fn find_states(&self) -> Check {
        self.model.with(|model| self.sure.holds_for(self.store(), model, model.head()))?;
        for (view, model) in &self.views {
            for key in self.sure.written.keys() {
                let found = states::all(view, key)?;
                let is_right =
                    |kept| self.model.with(|all| states::is_right(all, kept, model.position()));
                found.iter().try_for_each(is_right)?;
            }
        }
        Ok(())
    }

    fn as_of(&self, parts: u64, by: i64) -> Check {
        let position = self.model.with(|model| random::position(model, parts));
        match self.store().as_of(position) {
            Ok(view) => check::same_answers(&self.model.as_of(position), &view, &self.queries())?,
            Err(error) if position > self.model.position() && check::is_invalid(&error) => {}
            Err(error) => return Err(told(error)),
        }
        let stamp = self.model.with(|model| model.event(position).and_then(|it| it.recorded_at));
        let Some(stamp) = stamp else { return Ok(()) };
        let moment = Timestamp::from_micros(stamp.as_micros() + by);
        let head = self.model.position();
        let past = self.model.with(|model| model.position_at(moment, head));
        match self.store().as_of(moment) {
            Ok(view) if moment < self.world.now() => {
                self.model.tell(moment);
                check::equal("the position at a moment", past, view.position())
            }
            Err(error) if moment >= self.world.now() && check::is_invalid(&error) => Ok(()),
            other => Err(format!("{moment} gives {other:?}, it is {}", self.world.now())),
        }
    }

    fn verify(&self) -> Check {
        let report = self.store().verify_deep(&mut |_, _| {}).map_err(told)?;
        check::equal("the index against the log", Vec::new(), report.index_faults)?;
        check::equal("the damage", Vec::new(), report.damage)?;
        check::equal("the head", self.model.position(), report.head)?;
        check::equal("the events", self.model.position().get(), report.events)
    }

    fn reopen(&mut self, how: Reopen) -> Check {
        self.check_views()?;
        self.views.clear();
        let store = self.store.take();
        match how.end {
            End::Close => store.map_or(Ok(()), Store::close).map_err(told)?,
            End::Drop => drop(store),
            End::Kill => {
                let killed = self.disk.killed();
                // Its folder is still there: an index that cannot be saved takes its time.
                drop(store);
                self.disk = killed;
            }
        }
        let (fs, index) = (self.disk.fs(), self.disk.index());
        match (how.index, &self.copy) {
            (IndexFate::Lost, _) => files::replace(&*fs, &index, &Files::new()),
            (IndexFate::Older, Some(copy)) => files::replace(&*fs, &index, copy),
            (IndexFate::Kept, _) | (IndexFate::Older, None) => {}
        }
        self.openings += 1;
        let kinds = kinds();
        self.world = self
            .disk
            .world(self.openings, self.world.now())
            .with_index(kinds[how.kind % kinds.len()])
            .with_segments(how.segment_bytes);
        let store = self
            .world
            .open(durability(how.buffered))
            .map_err(|error| format!("opening again: {}", told(error)))?;
        self.model.begin_epoch(store.stats().map_err(told)?.epoch);
        check::same_answers(&self.model, &store, &self.queries())
            .map_err(|error| format!("opened again: {error}"))?;
        self.store = Some(store);
        self.find_states()
    }

    fn check_views(&self) -> Check {
        let queries = self.queries();
        for (view, model) in &self.views {
            check::same_answers(model, view, &queries)
                .map_err(|error| format!("the view at {}: {error}", view.position()))?;
        }
        Ok(())
    }

    /// Follows from each checkpoint that a commit gave: what lies behind it, and nothing else.
    fn resume_everywhere(&self) -> Check {
        let step = self.commits.len().div_ceil(8).max(1);
        let ends: Vec<Position> =
            self.model.with(|model| model.commits().map(|(_, end)| end).step_by(step).collect());
        for end in ends {
            let checkpoint = self.model.with(|model| model.checkpoint(end));
            let read = Read::all().resume(checkpoint.expect("the model knows all epochs"));
            check::same_reading(&self.model, self.store(), &read)?;
        }
        Ok(())
    }

    /// Compares everything, before and after further openings.
    ///
    /// # Errors
    /// The first difference.
    pub fn finish(mut self) -> Check {
        self.store().sync().map_err(told)?;
        check::same_answers(&self.model, self.store(), &self.queries())?;
        self.resume_everywhere()?;
        self.verify()?;
        let mut end = Reopen {
            end: End::Close,
            index: IndexFate::Kept,
            kind: 0,
            buffered: false,
            segment_bytes: 16 << 10,
        };
        for kind in 0..kinds().len() {
            end.kind = kind;
            self.reopen(end)?;
            self.reopen(Reopen { index: IndexFate::Lost, ..end })?;
        }
        self.resume_everywhere()?;
        self.verify()
    }
}

fn durability(buffered: bool) -> Durability {
    if buffered { Durability::Buffered } else { Durability::Sync }
}
