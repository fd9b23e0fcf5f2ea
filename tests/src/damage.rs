//! What a damaged store may answer: what is right, or an error that names the damage.

use std::collections::BTreeSet;
use std::path::Path;

use annals::{
    Damage, Durability, Error, ErrorKind, Event, EventReader, Events, Keep, Position, QueryItem,
    Read, Receipt, Report, Result, Store,
};

use crate::check::{self, Check};
use crate::folder::{self, COUNTER, Folder, Sample};
use crate::model::{self, Filter, Model, Recorded};
use crate::workload::seeded;
use crate::{counter, states};

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
    examine_some(folder, sample, Share { of: 1, turn: 0 })
}

/// The same, but of queries, conditions and repeated commits only a share: where there are very many
/// experiments, they take turns.
///
/// # Errors
/// As [`examine`].
pub fn examine_in_turn(folder: &Folder, sample: &Sample, turn: usize) -> Check<Finding> {
    examine_some(folder, sample, Share { of: 7, turn })
}

/// One of so many takes part.
#[derive(Clone, Copy, Debug)]
struct Share {
    of: usize,
    turn: usize,
}

impl Share {
    fn take<T>(self, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        all.into_iter().skip(self.turn % self.of).step_by(self.of)
    }
}

fn examine_some(folder: &Folder, sample: &Sample, share: Share) -> Check<Finding> {
    let mut finding =
        examine_read_only(folder, sample, share).map_err(|error| format!("read-only: {error}"))?;
    examine_writable(&folder.copy(), sample, share, &mut finding)
        .map_err(|error| format!("for writing: {error}"))?;
    Ok(finding)
}

fn examine_read_only(folder: &Folder, sample: &Sample, share: Share) -> Check<Finding> {
    let before = folder.contents();
    let store = folder.world().open_read_only().map_err(|error| tell("opening", &error))?;
    let report = store.verify(&mut |_, _| {}).map_err(|error| tell("verify", &error))?;
    let told = store.damage();
    let readings = Readings { reader: &store, sample, report: &report, told, share };
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

fn examine_writable(
    folder: &Folder,
    sample: &Sample,
    share: Share,
    finding: &mut Finding,
) -> Check {
    let model = &sample.model;
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
    let lost = Readings { reader: &store, sample, report: &report, told: &[], share }.examine()?;
    if !lost.is_subset(&finding.lost) {
        return Err(format!("{lost:?} are lost, read-only only {:?}", finding.lost));
    }
    repeats_are_known(&store, model, share, finding)?;
    let commit = model::any("order-1", seeded::events(99_000_000, 2, 90));
    let receipt = store.commit(&commit).map_err(|error| tell("append", &error))?;
    let mut model = model.clone();
    check::accepted(&mut model, &commit, &receipt)?;
    store.close().map_err(|error| tell("closing", &error))?;
    let store = folder.world().open(Durability::Sync);
    let store = store.map_err(|error| tell("opening again", &error))?;
    if finding.is_harmless() {
        check::answers_without_queries(&store, &model, model.head())?;
    }
    check::stream_end(&store, &model, "order-1", model.head())
}

/// Over damage too nothing is taken that is there, or that a condition stands against.
fn repeats_are_known(store: &Store, model: &Model, share: Share, finding: &Finding) -> Check {
    let told = |answer: Result<Receipt>, fine: &dyn Fn(&Result<Receipt>) -> bool| match &answer {
        Err(error) if is_damage(error) && !finding.is_harmless() => Ok(()),
        answer if fine(answer) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    let repeatable = model.commits().filter(|(commit, _)| commit.ids().next().is_some());
    for (commit, end) in share.take(repeatable) {
        let is_known = |answer: &Result<Receipt>| {
            answer.as_ref().is_ok_and(|receipt| receipt.repeated && receipt.position == end)
        };
        told(store.commit(commit), &is_known)
            .map_err(|error| format!("the commit up to {end}, tried again: {error}"))?;
    }
    for (event, number) in share.take(model.events(Position::MAX).iter().zip(0..)) {
        let named = QueryItem::new().event_type(event.event.event_type.to_string());
        let tags = event.event.tags.iter().map(ToString::to_string);
        let after = event.position.minus(1);
        let commit = model::any("order-1", seeded::events(98_000_000 + number, 1, 50));
        let is_refused = |answer: &Result<Receipt>| {
            let kind = answer.as_ref().err().map(|error| error.kind().clone());
            matches!(kind, Some(ErrorKind::ConditionFailed { position }) if position == event.position)
        };
        told(store.commit(&commit.fail_if(named.tags(tags), after)), &is_refused)
            .map_err(|error| format!("a condition on event {}: {error}", event.position))?;
    }
    Ok(())
}

fn tell(what: &str, error: &Error) -> String {
    format!("{what}: {error} ({:?})", error.kind())
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged(_))
}

/// The readings of one opening.
struct Readings<'a> {
    reader: &'a dyn EventReader,
    sample: &'a Sample,
    report: &'a Report,
    /// Damage that the opening told of: it stands for what is lost behind the head.
    told: &'a [Damage],
    share: Share,
}

impl Readings<'_> {
    /// Every answer is right or names damage. Gives the events that cannot be read.
    fn examine(self) -> Check<BTreeSet<Position>> {
        let (lost, errors) = self.reading_told(&Read::all())?;
        check::equal("what is lost backward", &lost, &self.reading(&Read::all().backward())?)?;
        for position in &lost {
            self.is_reported(*position)?;
        }
        self.states(&lost)?;
        for stream in self.sample.model.streams(&Filter::All, Position::MAX) {
            let all = Read::stream(&stream.name);
            let inside = self.reading(&all)?;
            let beyond: Vec<&Position> = inside.difference(&lost).collect();
            check::equal("what only its stream loses", Vec::new(), beyond)
                .map_err(|error| format!("{:?}: {error}", stream.name))?;
            self.reading(&all.backward())?;
            self.stream_end(&stream.name)?;
        }
        for query in self.share.take(check::queries(&self.sample.model, Position::MAX)) {
            let all = Read::all().matching(query);
            let inside = self.reading(&all)?;
            let beyond: Vec<&Position> = inside.difference(&lost).collect();
            check::equal("what only a query loses", Vec::new(), beyond)
                .map_err(|error| format!("{all:?}: {error}"))?;
            self.reading(&all.backward())?;
        }
        if lost.is_empty() {
            check::equal("what reading tells of", 0, errors)?;
            check::answers_without_queries(
                self.reader,
                &self.sample.model,
                self.sample.model.head(),
            )?;
        }
        Ok(lost)
    }

    /// The states that are found are right, and all are where nothing is damaged; what an aggregate
    /// is loaded from them too.
    fn states(&self, lost: &BTreeSet<Position>) -> Check {
        let (model, head) = (&self.sample.model, self.reader.position());
        let found = folder::states(self.reader).map_err(|error| tell("kept states", &error))?;
        for (key, place) in &found {
            let kept = self.reader.kept_state(key, Some(place.next()));
            let kept = kept.map_err(|error| tell("kept states", &error))?;
            let kept = kept.ok_or_else(|| format!("{key:?} at {place} is found no more"))?;
            states::is_right(model, &kept, head)?;
        }
        if self.report.is_clean() {
            check::equal("the kept states", &self.sample.states, &found)?;
        }
        match counter::counters(self.reader, Keep::All).load(COUNTER) {
            Ok(loaded) => counter::is_right(model, COUNTER, model.version(COUNTER, head), &loaded),
            Err(error) if is_damage(&error) && !lost.is_empty() => Ok(()),
            Err(error) => Err(tell("loading", &error)),
        }
    }

    /// The events of a reading are the right ones in the right order; damage stands where some are
    /// missing. Gives the missing ones.
    fn reading(&self, read: &Read) -> Check<BTreeSet<Position>> {
        self.reading_told(read).map(|(missing, _)| missing)
    }

    /// The same, and how often damage was told of.
    fn reading_told(&self, read: &Read) -> Check<(BTreeSet<Position>, usize)> {
        let expected = self.sample.model.read(read, Position::MAX);
        let expected = expected.map_err(|refusal| format!("{read:?} is refused: {refusal:?}"))?;
        let mut missing = BTreeSet::new();
        let mut expected = expected.into_iter();
        let mut errors = 0;
        for item in bounded(self.reader.read(read.clone()), &self.sample.model)? {
            match item {
                Ok(event) => skip_to(&mut expected, &event, &mut missing)
                    .map_err(|error| format!("{read:?}: {error}"))?,
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
            return Err(format!("{read:?}: {missing:?} are missing without a word"));
        }
        Ok((missing, errors))
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
                let expected = self.sample.model.last_event(stream, head);
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
            Ok(version) => {
                check::equal("the version", self.sample.model.version(stream, head), version)
            }
        }
    }
}

/// Whether the damage concerns the event, or cannot know which it concerns.
fn names(damage: &Damage, position: Position) -> bool {
    damage.positions.is_none_or(|(first, last)| first <= position && position <= last)
}

/// A reading that gives more than there can be does not end.
fn bounded(events: Events, model: &Model) -> Check<Vec<Result<Event>>> {
    let bound = usize::try_from(model.head().get()).unwrap_or(usize::MAX) * 2 + 1_000;
    let items: Vec<Result<Event>> = events.take(bound).collect();
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
