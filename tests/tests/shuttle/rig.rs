//! A machine for races, and the oracles that they share.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals::{
    Durability, Event, EventReader, IndexKind, NewEvent, Options, Read, Receipt, Store, Timestamp,
};
use annals_env::{
    Clock, Env, FaultyFs, FirstChoices, LastChoices, Scheduler, SeededRandom, Step, Task,
    ThreadScheduler,
};
use annals_tests::budget;
use annals_tests::world::{BEGINNING, STORE};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, UncontrolledNondeterminismCheckScheduler,
};
use shuttle::{Config, MaxSteps, Runner};

/// Both durabilities.
pub use annals_tests::setting::DURABILITIES;

/// Room for the engine on the stack of each thread.
const STACK_BYTES: usize = 512 << 10;
/// No run of these races comes near: beyond it they turn in circles.
const STEPS_MAX: usize = 2_000_000;
/// How often the scheduler that goes by priorities changes them.
const PCT_DEPTH: usize = 3;

/// Runs the race again and again, each time in another order of its threads' steps.
pub fn explore(race: impl Fn() + Send + Sync + 'static) {
    explore_times(budget::from_env("ANNALS_SHUTTLE_ITERATIONS", 100), race);
}

/// The same so many times by each scheduler.
pub fn explore_times(iterations: usize, race: impl Fn() + Send + Sync + 'static) {
    let seed = budget::from_env("ANNALS_SHUTTLE_SEED", 1);
    let race = Arc::new(race);
    let once = || {
        let race = Arc::clone(&race);
        move || race()
    };
    let config = config();
    if let Ok(schedule) = std::env::var("ANNALS_SHUTTLE_SCHEDULE") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config).run(once());
        return;
    }
    let random = RandomScheduler::new_from_seed(seed, iterations);
    Runner::new(random, config.clone()).run(once());
    let pct = PctScheduler::new_from_seed(seed, PCT_DEPTH, iterations);
    Runner::new(pct, config).run(once());
}

/// Runs each order of a race twice, and fails where the second time is another: then a printed
/// schedule would not lead back to a failure.
pub fn check_that_it_repeats(race: impl Fn() + Send + Sync + 'static) {
    let random = RandomScheduler::new_from_seed(1, 20);
    Runner::new(UncontrolledNondeterminismCheckScheduler::new(random), config()).run(race);
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config
}

/// A machine with a simulated disk. Its background steps run on threads of the race, and each look
/// at its clock finds it 10 ms later.
#[derive(Clone)]
pub struct Machine {
    pub disk: FaultyFs,
    env: Env,
    durability: Durability,
}

#[derive(Debug, Default)]
struct PassingClock(AtomicU64);

impl PassingClock {
    fn passed(&self) -> Duration {
        Duration::from_millis(10 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Clock for PassingClock {
    fn now(&self) -> Timestamp {
        let micros = i64::try_from(self.passed().as_micros()).unwrap();
        Timestamp::from_micros(BEGINNING.as_micros() + micros)
    }

    fn steady(&self) -> Duration {
        self.passed()
    }
}

impl Machine {
    pub fn new(durability: Durability) -> Self {
        Self::on(FaultyFs::default(), durability, 1, Arc::new(ThreadScheduler))
    }

    fn on(
        disk: FaultyFs,
        durability: Durability,
        seed: u64,
        scheduler: Arc<dyn Scheduler>,
    ) -> Self {
        let env = Env {
            fs: Arc::new(disk.clone()),
            clock: Arc::new(PassingClock::default()),
            random: Arc::new(SeededRandom::new(seed)),
            scheduler,
        };
        Self { disk, env, durability }
    }

    pub fn options(&self) -> Options {
        let options = Store::options().env(self.env.clone()).index(IndexKind::Memory);
        options.durability(self.durability).segment_bytes(Options::SEGMENT_BYTES_MIN)
    }

    pub fn open(&self) -> Store {
        self.options().open(STORE).unwrap()
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(STORE)
    }

    /// The store as it is found after the least that may be left at this moment: after a power cut
    /// where each commit is synced, else after a kill.
    pub fn after_a_crash(&self) -> Store {
        let image = match self.durability {
            Durability::Sync => self.disk.power_cut(&mut FirstChoices),
            _ => self.disk.kill(&mut LastChoices),
        };
        Self::at_rest(image, self.durability)
    }

    /// The store as it is found after a power cut that takes all that it may.
    pub fn after_a_power_cut(&self) -> Store {
        Self::at_rest(self.disk.power_cut(&mut FirstChoices), Durability::Sync)
    }

    /// The store as the next process finds it, where this one's has ended.
    pub fn opened_again(&self) -> Store {
        Self::at_rest(self.disk.kill(&mut LastChoices), self.durability)
    }

    fn at_rest(disk: FaultyFs, durability: Durability) -> Store {
        Self::on(disk, durability, 2, Arc::new(NoSteps)).open()
    }
}

/// Runs no background step: a store must answer without.
#[derive(Debug)]
struct NoSteps;

impl Scheduler for NoSteps {
    fn start(&self, _: Arc<dyn Step>) -> io::Result<Box<dyn Task>> {
        Ok(Box::new(Self))
    }
}

impl Task for NoSteps {
    fn wake(&self) {}
}

/// An event that tells its writer and its place in the commit.
pub fn event(writer: u64, number: u64) -> NewEvent {
    sized(writer, number, 0)
}

/// The same with so many bytes of data.
pub fn sized(writer: u64, number: u64, bytes: usize) -> NewEvent {
    let filler = "x".repeat(bytes);
    let data = format!(r#"{{"writer":{writer},"number":{number},"filler":"{filler}"}}"#);
    NewEvent::json("Raced", data).tag(format!("writer:{writer}"))
}

/// The commit of `count` events, each with a tag that says which it is.
pub fn whole(writer: u64, count: u64, bytes: usize) -> Vec<NewEvent> {
    (0..count).map(|n| sized(writer, n, bytes).tag(format!("part:{n}/{count}"))).collect()
}

/// All events of what is shown there: positions and versions without gaps, stamps that do not go
/// back, commits of [`whole`] in one piece.
pub fn check_all(shown: &dyn EventReader) -> Vec<Event> {
    let head = shown.position();
    let events: Vec<Event> =
        shown.read(Read::all()).map(Result::unwrap).take_while(|e| e.position() <= head).collect();
    assert_eq!(events.len() as u64, head.get(), "it ends elsewhere than it says");
    let mut versions = HashMap::<&str, u64>::new();
    let mut open = None;
    for (event, number) in events.iter().zip(1..) {
        assert_eq!(event.position().get(), number);
        let version = versions.entry(event.stream()).or_default();
        *version += 1;
        assert_eq!(event.version().get(), *version, "{}", event.stream());
        let part = event.tags().find_map(|tag| tag.strip_prefix("part:"));
        let part = part.and_then(|part| part.split_once('/'));
        let part: Option<(u64, u64)> =
            part.map(|(n, count)| (n.parse().unwrap(), count.parse().unwrap()));
        assert_eq!(open.unwrap_or_default(), part.map_or(0, |part| part.0), "a commit is cut");
        open = part.map(|(n, count)| (n + 1) % count);
    }
    assert_eq!(open.unwrap_or_default(), 0, "the last commit is cut");
    assert!(events.is_sorted_by_key(|event| event.recorded_at()));
    events
}

/// The receipts are of different commits, and together they are all that is there.
pub fn check_receipts(store: &Store, receipts: &[Receipt]) {
    let mut taken: Vec<u64> =
        receipts.iter().flat_map(|r| r.first_position.get()..=r.position.get()).collect();
    taken.sort_unstable();
    assert!(taken.iter().copied().eq(1..=store.position().get()), "{taken:?}");
    for receipt in receipts {
        let last = store.head().event(receipt.position).unwrap().unwrap();
        assert_eq!(last.recorded_at(), receipt.recorded_at);
    }
}

/// Runs each closure on a thread of its own and gives what they gave, in their order.
pub fn together<T: Send + 'static>(racers: Vec<Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let threads: Vec<_> = racers.into_iter().map(shuttle::thread::spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// `count` racers that do the same, each told its number.
pub fn racers<T: Send + 'static>(
    count: u64,
    race: impl Fn(u64) -> T + Clone + Send + 'static,
) -> Vec<Box<dyn FnOnce() -> T + Send>> {
    (0..count)
        .map(|number| {
            let race = race.clone();
            Box::new(move || race(number)) as Box<dyn FnOnce() -> T + Send>
        })
        .collect()
}
