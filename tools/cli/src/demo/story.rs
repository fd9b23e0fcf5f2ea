//! The demo's scenes, one after the other.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Durability, ErrorKind, ExpectedVersion, NewEvent, Read, Store, Version};
use clap::builder::styling::{AnsiColor, Style};

use super::shop::{Commit, Shop, stream};
use crate::event_printer::{cells, columns};
use crate::failure::{Failure, explain};
use crate::humane::{bytes, counted, duration, grouped, quoted, rate};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::table::Table;
use crate::{verify, writing};

/// Commits that are made up ahead, so that the clock sees the store at work and not the story-teller.
const AHEAD_COMMITS_MAX: usize = 5_000;
const AHEAD_COMMITS_MIN: usize = 200;
/// The longest that durable appends are shown.
const DURABLE_TIME_MAX: Duration = Duration::from_millis(1_000);
const DURABLE_COMMITS_MAX: u64 = 2_000;
const HEAD: Style = AnsiColor::Green.on_default().bold();

pub(super) struct Story<'a> {
    folder: &'a Path,
    shop: Shop,
    out: Output,
    scene: u32,
}

/// What was appended in what time.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    commits: u64,
    events: u64,
    time: Duration,
}

impl<'a> Story<'a> {
    pub(super) fn new(folder: &'a Path, seed: u64) -> Self {
        Self { folder, shop: Shop::new(seed), out: Output::new(), scene: 0 }
    }

    pub(super) fn tell(mut self, events: u64) -> Result<(), Failure> {
        let store = writing::open(self.folder, Durability::Buffered, true)?;
        let folder = self.folder.display();
        self.out.line(&format!("Annals, shown on the history of a small shop, in {folder}"))?;
        self.fill(&store, events)?;
        self.close(store)?;
        let store = writing::open(self.folder, Durability::Sync, false)?;
        self.append_durably(&store)?;
        let order = self.shop.order_in_hand();
        self.contest(&store, order)?;
        self.read(&store, order)?;
        let store = self.reopen(store)?;
        self.verify(&store)?;
        self.weigh(&store)?;
        self.close(store)?;
        self.farewell(order)
    }

    /// Begins a scene.
    fn scene(&mut self, title: &str) -> Result<(), Failure> {
        self.scene += 1;
        let title = format!("{}. {title}", self.scene);
        let title = if self.out.is_styled() { format!("{HEAD}{title}{HEAD:#}") } else { title };
        self.out.line(&format!("\n{title}"))?;
        self.out.flush()
    }

    fn say(&mut self, text: impl Display) -> Result<(), Failure> {
        self.out.line(&format!("   {text}"))
    }

    fn failed(&self, error: &annals::Error) -> Failure {
        Failure::store(error, self.folder)
    }

    fn close(&self, store: Store) -> Result<(), Failure> {
        store.close().map_err(|error| self.failed(&error))
    }

    /// Appends the commits, and adds to the pace.
    fn append(&self, store: &Store, commits: &[Commit], pace: &mut Pace) -> Result<(), Failure> {
        let begun = Instant::now();
        for commit in commits {
            store
                .append(&commit.stream, commit.expected, &commit.events)
                .map_err(|error| self.failed(&error))?;
            pace.events += commit.events.len() as u64;
            pace.commits += 1;
        }
        pace.time += begun.elapsed();
        Ok(())
    }

    fn fill(&mut self, store: &Store, events: u64) -> Result<(), Failure> {
        self.scene("Fill it, buffered: an append is there when it returns, the disk follows")?;
        let progress = Progress::new("   writing", Unit::Events, Some(events));
        let mut pace = Pace::default();
        while pace.events < events {
            // Not far more than was asked for: a commit has up to five events.
            let left = usize::try_from((events - pace.events) / 5).unwrap_or(usize::MAX);
            let commits = left.clamp(AHEAD_COMMITS_MIN, AHEAD_COMMITS_MAX);
            let commits: Vec<Commit> = (0..commits).map(|_| self.shop.next()).collect();
            self.append(store, &commits, &mut pace)?;
            progress.advance_to(pace.events);
        }
        let begun = Instant::now();
        store.sync().map_err(|error| self.failed(&error))?;
        let synced = begun.elapsed();
        drop(progress);
        self.say(format_args!(
            "{} in {}, {}: {} events/s, and {} to have the last of it on the disk",
            counted(pace.events, "event"),
            counted(pace.commits, "append"),
            duration(pace.time),
            rate(pace.events, pace.time),
            duration(synced)
        ))?;
        self.say("customers, orders, payments and shipments, each with a stream of its own")
    }

    fn append_durably(&mut self, store: &Store) -> Result<(), Failure> {
        self.scene("Append durably: an append returns when it has survived a power cut")?;
        let mut pace = Pace::default();
        while pace.commits < DURABLE_COMMITS_MAX && pace.time < DURABLE_TIME_MAX {
            let commit = self.shop.next();
            self.append(store, &[commit], &mut pace)?;
        }
        self.say(format_args!(
            "{} in {}, one after the other: {} appends/s, each waiting for the disk",
            counted(pace.commits, "append"),
            duration(pace.time),
            rate(pace.commits, pace.time)
        ))?;
        self.say("(with many threads, one sync serves all that wait)")
    }

    /// Two clerks decide on the same version: one is refused, looks again, and tries again.
    fn contest(&mut self, store: &Store, order: u64) -> Result<(), Failure> {
        self.scene("Two clerks change the same order: one is refused, nothing is overwritten")?;
        let name = &stream("order", order);
        let seen = store.version(name).map_err(|error| self.failed(&error))?;
        self.say(format_args!("both read {name} at version {seen}"))?;
        let expected = ExpectedVersion::Version(seen);
        let gift =
            NewEvent::json("GiftWrapAdded", format!(r#"{{"order":{order},"paper":"stars"}}"#));
        let receipt = store.append(name, expected, &[gift]).map_err(|error| self.failed(&error))?;
        self.say(format_args!("one adds a gift wrap: version {}", receipt.version))?;

        let note =
            [NewEvent::json("NoteAdded", format!(r#"{{"order":{order},"note":"ring twice"}}"#))];
        let refused = match store.append(name, expected, &note) {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict { .. }) => error,
            Err(error) => return Err(self.failed(&error)),
            Ok(_) => return Err(Failure::failed("the second clerk was not refused")),
        };
        self.say(format_args!("the other adds a note:  refused: {}", explain(&refused)))?;

        let news = store.read(Read::stream(name).from_version(seen.plus(1)));
        for event in news {
            let event = event.map_err(|error| self.failed(&error))?;
            let (kind, version) = (event.event_type(), event.version());
            self.say(format_args!("it reads what is new ({version}: {kind}), decides again,"))?;
        }
        let now = refused.conflict().unwrap_or(Version::NONE);
        let receipt = store
            .append(name, ExpectedVersion::Version(now), &note)
            .map_err(|error| self.failed(&error))?;
        self.say(format_args!("and tries again, expecting {now}: version {}", receipt.version))
    }

    fn read(&mut self, store: &Store, order: u64) -> Result<(), Failure> {
        self.scene("Read what happened to that order")?;
        let mut table = Table::new(columns(false, false));
        for event in store.read_stream(&stream("order", order)) {
            let event = event.map_err(|error| self.failed(&error))?;
            table.row(&mut self.out, cells(&event, false, false))?;
        }
        table.finish(&mut self.out)
    }

    fn reopen(&mut self, store: Store) -> Result<Store, Failure> {
        self.scene("Close it and open it again")?;
        let begun = Instant::now();
        self.close(store)?;
        let closed = begun.elapsed();
        let begun = Instant::now();
        let store = writing::open(self.folder, Durability::Sync, false)?;
        let opened = begun.elapsed();
        let head = grouped(store.position().get());
        self.say(format_args!(
            "closed in {}, opened in {}, at position {head}",
            duration(closed),
            duration(opened)
        ))?;
        Ok(store)
    }

    fn verify(&mut self, store: &Store) -> Result<(), Failure> {
        self.scene("Verify it: every byte is read, every checksum checked")?;
        let begun = Instant::now();
        let progress = Progress::new("   verifying", Unit::Bytes, Some(0));
        let report = store
            .verify(&mut |done, total| progress.set(done, total))
            .map_err(|error| self.failed(&error))?;
        drop(progress);
        for line in verify::lines(&report, begun.elapsed()) {
            self.say(line)?;
        }
        if report.is_clean() {
            return Ok(());
        }
        self.out.flush()?;
        Err(Failure::failed("the demo's store is damaged: check the disk and the memory"))
    }

    fn weigh(&mut self, store: &Store) -> Result<(), Failure> {
        self.scene("Weigh it")?;
        let stats = store.stats().map_err(|error| self.failed(&error))?;
        let each = stats.log_bytes.checked_div(stats.events).unwrap_or(0);
        self.say(format_args!(
            "{}, {}: {} of log, {each} bytes an event (space reserved ahead included)",
            counted(stats.events, "event"),
            counted(stats.streams, "stream"),
            bytes(stats.log_bytes)
        ))
    }

    fn farewell(mut self, order: u64) -> Result<(), Failure> {
        self.scene("Try next")?;
        let program = std::env::args().next().unwrap_or_else(|| "annals".to_owned());
        let program = quoted(&program).into_owned();
        let folder = self.folder.display().to_string();
        let annals = format!("{program} -s {}", quoted(&folder));
        let name = stream("order", order);
        for (command, why) in [
            (format!("{annals} stats"), "figures about it"),
            (format!("{annals} events --backward --limit 5"), "what happened last"),
            (format!("{annals} streams --prefix customer-0000"), "who is there"),
            (
                format!("{annals} events --tag customer:7 --type OrderPlaced"),
                "what a customer ordered",
            ),
            (format!("{annals} stats --as-of 1000"), "the store as it was"),
            (format!("{annals} read {}", stream("payment", 42)), "how an order was paid"),
            (format!("{annals} state {name} --at 2"), "what an order had come to"),
            (format!("{annals} history {name}"), "and what each event changed"),
            (format!("{annals} append {name} --type NoteAdded --expect 1"), "be refused yourself"),
            (
                format!("{annals} events --format jsonl | {program} -s copy import -"),
                "move it to another store",
            ),
            (format!("rm -r {}", quoted(&folder)), "and away with it"),
        ] {
            self.say(format_args!("{why}:"))?;
            self.say(format_args!("    {command}"))?;
        }
        self.out.flush()
    }
}
