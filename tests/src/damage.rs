//! What a damaged store may answer: what is right, or an error that names the damage.

use std::collections::BTreeSet;
use std::path::Path;

use annals::{Damage, Durability, Error, ErrorKind, Event, Position, Read, Report, Result};

use crate::check::{self, Check};
use crate::folder::{Folder, Sample};
use crate::history;
use crate::model::{Append, Filter, Model, Recorded};
use crate::query::Query;
use crate::reader::Reader;
use crate::workload::seeded;

/// What became of a damaged store.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// The events that could not be read any more.
    pub lost: BTreeSet<Position>,
    /// What verify found.
    pub damage: Vec<Damage>,
    /// Whether it still opens for writing.
    pub opens: bool,
}

impl Finding {
    /// Nothing was noticed, and nothing was there to notice.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.damage.is_empty()
    }

    /// Fine where some damage covers the byte at `offset` of the file at `path`.
    ///
    /// # Errors
    /// What was found instead.
    pub fn locates(&self, path: &Path, offset: u64) -> Check {
        let covers =
            |damage: &&Damage| damage.offset <= offset && offset < damage.offset + damage.bytes;
        if self.names(path).any(|damage| covers(&damage)) {
            Ok(())
        } else {
            Err(format!("verify does not locate it: {:?}", self.damage))
        }
    }

    /// What was found in the file at `path`.
    pub fn names<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Damage> {
        self.damage.iter().filter(move |damage| path.ends_with(&damage.segment))
    }
}

/// Opens the damaged `folder` both ways and holds every answer against what the store was.
///
/// # Errors
/// A wrong event, an event that is missing without a word, a healthy store that is refused.
pub fn examine(folder: &Folder, sample: &Sample) -> Check<Finding> {
    let mut finding =
        examine_read_only(folder, &sample.model).map_err(|error| format!("read-only: {error}"))?;
    examine_writable(&folder.copy(), &sample.model, &mut finding)
        .map_err(|error| format!("for writing: {error}"))?;
    Ok(finding)
}

fn examine_read_only(folder: &Folder, model: &Model) -> Check<Finding> {
    let before = folder.contents();
    let store = folder.world().open_read_only().map_err(|error| tell("opening", &error))?;
    let report = store.verify(&mut |_, _| {}).map_err(|error| tell("verify", &error))?;
    let readings = Readings { reader: &store, model, report: &report, told: store.damage() };
    let lost = readings.examine()?;
    if report.is_clean() {
        check::equal("what opening found and verify did not", &[][..], store.damage())?;
    }
    drop(store);
    if before != folder.contents() {
        return Err("the folder was changed".to_owned());
    }
    Ok(Finding { lost, damage: report.damage, opens: false })
}

fn examine_writable(folder: &Folder, model: &Model, finding: &mut Finding) -> Check {
    let world = folder.world();
    let store = match world.open(Durability::Sync) {
        Ok(store) => store,
        Err(error) if is_damage(&error) && !finding.is_harmless() => return Ok(()),
        Err(error) => return Err(tell("opening", &error)),
    };
    finding.opens = true;
    // Positions of lost events must not be given to others.
    check::equal("the head", model.head(), store.position())?;
    let report = store.verify(&mut |_, _| {}).map_err(|error| tell("verify", &error))?;
    let lost = Readings { reader: &store, model, report: &report, told: &[] }.examine()?;
    if !lost.is_subset(&finding.lost) {
        return Err(format!("{lost:?} are lost, read-only only {:?}", finding.lost));
    }
    let append = Append::any("order-1", seeded::events(99_000_000, 2, 90));
    let receipt = history::append_to(&store, &append).map_err(|error| tell("append", &error))?;
    let mut model = model.clone();
    let written = model.accept(&append, Some(receipt.recorded_at), Some(receipt.epoch.number));
    check::receipt(&written, &receipt)?;
    store.close().map_err(|error| tell("closing", &error))?;
    let store = folder.world().open(Durability::Sync);
    let store = store.map_err(|error| tell("opening again", &error))?;
    if finding.is_harmless() {
        check::answers(&store, &model, model.head())?;
    }
    check::stream_end(&store, &model, "order-1", model.head())
}

fn tell(what: &str, error: &Error) -> String {
    format!("{what}: {error} ({:?})", error.kind())
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged(_))
}

/// The readings of one opening.
struct Readings<'a> {
    reader: &'a dyn Reader,
    model: &'a Model,
    report: &'a Report,
    /// Damage that the opening told of: it stands for what is lost behind the head.
    told: &'a [Damage],
}

impl Readings<'_> {
    /// Every answer is right or names damage. Gives the events that cannot be read.
    fn examine(self) -> Check<BTreeSet<Position>> {
        let lost = self.reading(&Query::all())?;
        check::equal("what is lost backward", &lost, &self.reading(&Query::all().backward())?)?;
        for position in &lost {
            self.is_reported(*position)?;
        }
        for stream in self.model.streams(&Filter::All, Position::MAX) {
            let query = Query::stream(&stream.name);
            let inside = self.reading(&query)?;
            let beyond: Vec<&Position> = inside.difference(&lost).collect();
            check::equal("what only its stream loses", Vec::new(), beyond)
                .map_err(|error| format!("{:?}: {error}", stream.name))?;
            self.reading(&query.backward())?;
            self.stream_end(&stream.name)?;
        }
        if lost.is_empty() {
            check::answers(self.reader, self.model, self.model.head())?;
        }
        Ok(lost)
    }

    /// The events of a reading are the right ones in the right order; damage stands where some are
    /// missing. Gives the missing ones.
    fn reading(&self, query: &Query) -> Check<BTreeSet<Position>> {
        let expected = self.model.read(query, Position::MAX).ok_or("a query that is refused")?;
        let mut missing = BTreeSet::new();
        let mut expected = expected.into_iter();
        let mut errors = 0;
        for item in bounded(query.of(self.reader), self.model)? {
            match item {
                Ok(event) => skip_to(&mut expected, &event, &mut missing)
                    .map_err(|error| format!("{query:?}: {error}"))?,
                Err(error) => {
                    error.damage().ok_or_else(|| tell("reading", &error))?;
                    errors += 1;
                }
            }
        }
        missing.extend(expected.map(|event| event.position));
        let behind = |position: &Position| {
            *position > self.reader.position() && self.told.iter().any(|d| names(d, *position))
        };
        if errors == 0 && !missing.iter().all(behind) {
            return Err(format!("{query:?}: {missing:?} are missing without a word"));
        }
        Ok(missing)
    }

    /// Some damage names the event, or cannot know which events it concerns.
    fn is_reported(&self, position: Position) -> Check {
        if self.report.damage.iter().any(|damage| names(damage, position)) {
            Ok(())
        } else {
            Err(format!("event {position} is lost and not in {:?}", self.report.damage))
        }
    }

    fn stream_end(&self, stream: &str) -> Check {
        let head = self.reader.position();
        match self.reader.last_event(stream) {
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(tell("the newest event", &error)),
            Ok(event) => {
                let expected = self.model.last_event(stream, head);
                match (expected, event) {
                    (None, None) => {}
                    (Some(expected), Some(event)) => check::event(expected, &event)?,
                    (expected, _) => {
                        let expected = expected.map(|event| event.position);
                        return Err(format!("{stream:?} should end with {expected:?}"));
                    }
                }
            }
        }
        match self.reader.version(stream) {
            Err(error) if is_damage(&error) => Ok(()),
            Err(error) => Err(tell("the version", &error)),
            Ok(version) => check::equal("the version", self.model.version(stream, head), version),
        }
    }
}

/// Whether the damage concerns the event, or cannot know which it concerns.
fn names(damage: &Damage, position: Position) -> bool {
    damage.positions.is_none_or(|(first, last)| first <= position && position <= last)
}

/// A reading that gives more than there can be does not end.
fn bounded(read: Read, model: &Model) -> Check<Vec<Result<Event>>> {
    let bound = usize::try_from(model.head().get()).unwrap_or(usize::MAX) * 2 + 1_000;
    let items: Vec<Result<Event>> = read.into_iter().take(bound).collect();
    if items.len() < bound { Ok(items) } else { Err("the reading does not end".to_owned()) }
}

fn skip_to<'a>(
    expected: &mut impl Iterator<Item = &'a Recorded>,
    event: &Event,
    missing: &mut BTreeSet<Position>,
) -> Check {
    for next in expected.by_ref() {
        if next.position == event.position() {
            return check::event(next, event);
        }
        missing.insert(next.position);
    }
    Err(format!("event {} is not to be read here", event.position()))
}
