//! What must hold of a store that was opened again.

use std::collections::BTreeMap;

use annals::{Commit, Epoch, Event, EventReader, Position, Read, Store, Timestamp};

use super::dice::Dice;
use super::draws::Draws;
use super::keeping;
use super::{counting, projecting};
use crate::check::{self, Check};
use crate::model::Model;
use crate::states::Sure;

/// A store opened again, and what is known of it. The model was cut to its head.
pub struct Reopened<'a> {
    pub(super) store: &'a Store,
    pub(super) model: &'a mut Model,
    /// Those of earlier openings.
    pub(super) epochs: &'a [Epoch],
    /// That of this one.
    pub(super) epoch: Epoch,
    pub(super) now: Timestamp,
    pub(super) sure: &'a Sure,
    pub(super) dice: &'a Dice,
}

/// Fine, or what is broken.
type Oracle = for<'a, 'b> fn(&'b mut Reopened<'a>) -> Check;

/// All oracles, in the order in which they are asked.
pub(super) const ORACLES: &[(&str, Oracle)] = &[
    ("epochs", epochs),
    ("a plain scan", scan),
    ("answers through the index", answers),
    ("queries", queries),
    ("ids", ids),
    ("kept states", keeping::oracle),
    ("aggregates", counting::oracle),
    ("projections", projecting::oracle),
    ("verify", verify),
];

/// The number of an epoch is new: no (epoch, position) names two events.
fn epochs(reopened: &mut Reopened<'_>) -> Check {
    let known = reopened.model.epochs().map(|(epoch, _)| epoch.number).max();
    if known.is_some_and(|known| reopened.epoch.number <= known) {
        return Err(format!("the epoch {} comes behind epoch {known:?}", reopened.epoch));
    }
    reopened.model.begin_epoch(reopened.epoch);
    Ok(())
}

/// All events without the index: gapless, stamps and epochs in order. The model learns what only
/// the store could know.
fn scan(reopened: &mut Reopened<'_>) -> Check {
    let numbers: BTreeMap<u32, Epoch> =
        reopened.epochs.iter().map(|epoch| (epoch.number, *epoch)).collect();
    let mut before: Option<Event> = None;
    let mut due = Position::new(1);
    for event in reopened.store.read_all() {
        let event = event.map_err(|error| error.to_string())?;
        check::equal("the position", due, event.position())?;
        due = due.plus(1);
        if let Some(before) = &before
            && (event.recorded_at() < before.recorded_at() || event.epoch() < before.epoch())
        {
            let position = event.position();
            return Err(format!("the stamp or the epoch of event {position} goes backwards"));
        }
        reopened.model.learn_stamp(event.position(), event.recorded_at());
        reopened.model.learn_derived_id(event.position(), event.id());
        let known = reopened.model.event(event.position());
        let known = known.ok_or_else(|| format!("event {} is not known", event.position()))?;
        check::event(known, &event)?;
        if !numbers.contains_key(&event.epoch()) {
            return Err(format!("nobody knows the epoch of event {}", event.position()));
        }
        before = Some(event);
    }
    check::equal("the last position", reopened.model.head(), due.minus(1))
}

/// Each stream, both ways, and the listing.
fn answers(reopened: &mut Reopened<'_>) -> Check {
    let head = reopened.model.head();
    let store: &dyn EventReader = reopened.store;
    check::answers_without_queries(store, reopened.model, head)
}

/// What queries of each kind name.
fn queries(reopened: &mut Reopened<'_>) -> Check {
    let model = &*reopened.model;
    let head = model.head();
    let draws = Draws { dice: reopened.dice, model, now: reopened.now };
    let drawn = (0..4).map(|_| draws.query());
    for query in check::queries(model, Position::MAX).into_iter().chain(drawn) {
        let matching = Read::all().matching(query);
        let read = if reopened.dice.chance(50) { matching.backward() } else { matching };
        check::read(reopened.store, model, &read, head)?;
    }
    Ok(())
}

/// Commits that are tried again are known by their ids.
const REPEATED: usize = 3;

fn ids(reopened: &mut Reopened<'_>) -> Check {
    let has_ids = |commit: &Commit<'_>| commit.ids().next().is_some();
    let commits: Vec<Commit<'static>> = reopened
        .model
        .commits()
        .filter(|(commit, _)| has_ids(commit))
        .map(|(commit, _)| commit.clone())
        .collect();
    for _ in 0..REPEATED.min(commits.len()) {
        let commit = reopened.dice.pick(&commits);
        let receipt = reopened.store.commit(commit);
        let receipt = receipt.map_err(|error| format!("a repeated commit fails: {error}"))?;
        let written = reopened.model.repeated(commit).ok_or("the model does not repeat it")?;
        check::receipt(&written, &receipt)?;
    }
    Ok(())
}

/// Now and then every byte is checked.
fn verify(reopened: &mut Reopened<'_>) -> Check {
    if !reopened.dice.chance(15) {
        return Ok(());
    }
    let report = reopened.store.verify_deep(&mut |_, _| {}).map_err(|error| error.to_string())?;
    check::equal("the index against the log", Vec::new(), report.index_faults)?;
    check::equal("the damage", Vec::new(), report.damage)?;
    check::equal("the torn tail", None, report.torn_tail)?;
    check::equal("the head", reopened.model.head(), report.head)?;
    check::equal("the events", reopened.model.head().get(), report.events)
}
