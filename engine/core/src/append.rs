//! Appending a commit: decided in two steps, so that the log's lock is held only for what is new.
//!
//! 1. `examine`, outside the lock: ids, versions and conditions against everything that is visible
//!    at a pinned position, through the index and, where that names a candidate, the log.
//! 2. `decide`, inside: only against what came behind the pinned position, in the index's newest
//!    part and among the commits in flight. It never reads the log: where something may stand
//!    against the commit, it is examined again.

use annals_env::sync::atomic::Ordering;
use annals_log::{Appended, Draft, LogError, LogGuard};
use annals_types::{
    AppendCondition, Commit, EventId, ExpectedVersion, Invalid, Position, Timestamp, Version,
};
use smallvec::SmallVec;

use crate::candidates::Candidates;
use crate::error::{Error, ErrorKind, Result};
use crate::lookup::Lookup;
use crate::pending::Pending;
use crate::prepared::Prepared;
use crate::receipt::{Receipt, StreamReceipt};
use crate::store::Engine;

/// A commit on its way in.
struct Attempt<'c, 'a> {
    commit: &'c Commit<'a>,
    prepared: Prepared<&'c str>,
    conditions: Vec<Condition<'c>>,
    /// Everything up to here was taken into account outside the lock.
    pinned: Position,
    /// The versions of the streams that the commit expects something of, as far as they are known.
    versions: SmallVec<[Version; 1]>,
}

/// A condition, and what the index is asked for it.
struct Condition<'a> {
    condition: &'a AppendCondition,
    lookup: Lookup,
}

/// What the step inside the lock says.
enum Decision {
    /// Nothing stands against it.
    Free,
    /// A commit in flight up to this position may stand against it: whether that survives decides.
    Wait(Position),
    /// Something visible that is new may stand against it.
    Again,
}

impl Engine {
    /// Appends and waits for it.
    pub(crate) fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        let durable = commit.is_durable();
        match self.enter(commit, |guard, appended| guard.finish(appended, durable))? {
            (receipt, Some(_)) => {
                self.appended(receipt.position);
                Ok(receipt)
            }
            (receipt, None) => {
                if durable {
                    self.log.wait_durable(receipt.position)?;
                }
                Ok(receipt)
            }
        }
    }

    /// Decides on the commit and gives it its place, and `finish` the log, still locked. A commit that
    /// was in the store before is given nothing.
    pub(crate) fn enter(
        &self,
        commit: &Commit<'_>,
        finish: impl FnOnce(LogGuard<'_, Pending>, &Appended) -> Result<(), LogError>,
    ) -> Result<(Receipt, Option<Appended>)> {
        let entered = self.try_enter(commit, finish);
        match &entered {
            Ok((_, Some(_))) => {}
            Ok((_, None)) => self.counters.repeated.add(1),
            Err(error) if is_refusal(error) => self.counters.conflicts.add(1),
            Err(error) if *error.kind() == ErrorKind::DiskFull => self.counters.disk_full.add(1),
            Err(_) => {}
        }
        entered
    }

    fn try_enter(
        &self,
        commit: &Commit<'_>,
        finish: impl FnOnce(LogGuard<'_, Pending>, &Appended) -> Result<(), LogError>,
    ) -> Result<(Receipt, Option<Appended>)> {
        commit.check()?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(LogError::Closed.into());
        }
        let mut draft = Draft::commit(commit);
        let mut attempt = Attempt {
            commit,
            prepared: Prepared::new(&self.terms, commit),
            conditions: commit.conditions().iter().map(|it| self.condition(it)).collect(),
            pinned: Position::START,
            versions: SmallVec::new(),
        };
        let mut settled = attempt.prepared.ids().next().is_none();
        loop {
            match self.examine(&mut attempt) {
                Ok(None) => {}
                Ok(Some(repeated)) => return Ok((repeated, None)),
                // Perhaps its own first try, still in flight, is what stands against it.
                Err(refused) if !settled && is_refusal(&refused) => {
                    self.settle_ids(commit)?;
                    settled = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let mut guard = self.log.lock();
            guard.make_room(&draft)?;
            match self.decide(&mut guard, &mut attempt)? {
                Decision::Free => {}
                Decision::Wait(position) => {
                    guard.wait_visible(position)?;
                    continue;
                }
                Decision::Again => continue,
            }
            if let Some(moment) = commit.wanted_stamp() {
                self.check_stamp(moment, guard.stamp(), guard.told())?;
            }
            attempt.give_versions(&mut draft)?;
            let appended = guard.append(&mut draft, commit.wanted_stamp())?;
            let receipt = receipt(&attempt.prepared, &appended);
            guard.publisher().push(appended.first, &mut attempt.prepared);
            // It was copied, and the sync may take long.
            drop(draft);
            finish(guard, &appended)?;
            return Ok((receipt, Some(appended)));
        }
    }

    fn condition<'a>(&self, condition: &'a AppendCondition) -> Condition<'a> {
        Condition { condition, lookup: Lookup::new(&self.terms, &condition.query) }
    }

    /// The first step, outside the lock. Gives the receipt of a commit that is in the store already.
    fn examine(&self, attempt: &mut Attempt<'_, '_>) -> Result<Option<Receipt>> {
        let commit = attempt.commit;
        // What readers see: the index may have come further for a moment.
        let pinned = self.log.reader().visible();
        attempt.pinned = pinned;
        for (id, _) in attempt.prepared.ids() {
            if let Some(position) = self.find_id(id, pinned)? {
                // Before any expectation: a retry meets what its first try has changed.
                let repeated = self.repeated(commit, position)?;
                return repeated.ok_or_else(|| id_reused(id, position)).map(Some);
            }
        }
        attempt.versions.clear();
        for (stream, expected) in commit.expectations() {
            let head = self.index.head(stream, Position::START, pinned)?;
            let version = head.map(|head| head.version).unwrap_or_default();
            // What comes later may make it so, but not unmake it: a stream never goes back.
            if !may_hold_later(*expected, version) {
                return Err(self.conflict(stream, *expected, version));
            }
            attempt.versions.push(version);
        }
        for Condition { condition, lookup } in &attempt.conditions {
            if let Some(position) = self.first_match(condition, lookup, pinned)? {
                return Err(self.condition_failed(condition, position));
            }
        }
        Ok(None)
    }

    /// The second step, inside the lock.
    fn decide(
        &self,
        guard: &mut LogGuard<'_, Pending>,
        attempt: &mut Attempt<'_, '_>,
    ) -> Result<Decision> {
        let (pinned, visible) = (attempt.pinned, self.index.covers());
        let newest = guard.assigned();
        for (id, _) in attempt.prepared.ids() {
            match self.log.reader().derived_position(id) {
                // Of an epoch that is over no such id is given any more.
                Some((position, epoch)) if epoch == self.log.reader().epoch() => {
                    if position > newest {
                        let message =
                            format!("the id {id} is one that the store will give by itself");
                        return Err(Invalid::Other(message).into());
                    }
                    if position > visible {
                        return Ok(Decision::Wait(position));
                    }
                }
                _ => {}
            }
            #[cfg(annals_canary)]
            if annals_env::canary::is("ids in flight are forgotten") {
                continue;
            }
            if let Some(position) = guard.publisher().find_id(id) {
                return Ok(Decision::Wait(position));
            }
            if visible > pinned {
                let mut candidates = Vec::new();
                self.index.find_id(id, pinned, &mut candidates)?;
                let derived = self.derived_position(id, visible);
                if !candidates.is_empty() || derived.is_some_and(|position| position > pinned) {
                    return Ok(Decision::Again);
                }
            }
        }
        let expectations = attempt.commit.expectations().iter();
        for ((stream, expected), version) in expectations.zip(&mut attempt.versions) {
            let newer = if visible > pinned {
                self.index.head(stream, pinned, Position::MAX)?
            } else {
                None
            };
            let seen = newer.map_or(*version, |head| head.version);
            let in_flight = guard.publisher().head(stream);
            #[cfg(annals_canary)]
            let in_flight =
                in_flight.filter(|_| !annals_env::canary::is("versions in flight are forgotten"));
            *version = in_flight.map_or(seen, |head| head.0);
            if !expected.holds(*version) {
                #[cfg(annals_canary)]
                if annals_env::canary::is("a conflict with what is in flight is told at once") {
                    return Err(self.conflict(stream, *expected, *version));
                }
                return match in_flight {
                    // Only what is in flight stands against it.
                    Some((_, position)) if expected.holds(seen) => Ok(Decision::Wait(position)),
                    _ => Err(self.conflict(stream, *expected, seen)),
                };
            }
        }
        for Condition { condition, lookup } in &attempt.conditions {
            if condition.after > newest {
                return Err(beyond_head("an append condition", condition.after, newest).into());
            }
            let from = condition.after.max(pinned).plus(1);
            if from <= visible && self.has_candidate(lookup, from, visible)? {
                return Ok(Decision::Again);
            }
            #[cfg(annals_canary)]
            if annals_env::canary::is("conditions do not see commits in flight") {
                continue;
            }
            if let Some(position) = guard.publisher().find(lookup)
                && position > condition.after
            {
                return Ok(Decision::Wait(position));
            }
        }
        Ok(Decision::Free)
    }

    /// Waits for the commits in flight that have an id of this one.
    fn settle_ids(&self, commit: &Commit<'_>) -> Result<()> {
        let mut guard = self.log.lock();
        let in_flight = commit.ids().filter_map(|id| guard.publisher().find_id(id)).max();
        match in_flight {
            Some(position) => Ok(guard.wait_visible(position)?),
            None => Ok(()),
        }
    }

    /// The position of the visible event with this id, at or below `pinned`.
    fn find_id(&self, id: EventId, pinned: Position) -> Result<Option<Position>> {
        let mut candidates = Vec::new();
        self.index.find_id(id, Position::START, &mut candidates)?;
        candidates.retain(|&position| position <= pinned);
        candidates.extend(self.derived_position(id, pinned));
        for position in candidates {
            let event = self.log.reader().event(position)?;
            if event.is_some_and(|event| event.id() == id) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// The event that has this id because its caller set none.
    fn derived_position(&self, id: EventId, up_to: Position) -> Option<Position> {
        let (derived, _) = self.log.reader().derived_position(id)?;
        (Position::START < derived && derived <= up_to).then_some(derived)
    }

    /// The receipt of the commit with the event at `position`, if it is this very commit.
    fn repeated(&self, commit: &Commit<'_>, position: Position) -> Result<Option<Receipt>> {
        let reader = self.log.reader();
        let (first, last) = reader.commit_range(position)?;
        let mut wanted = commit.events();
        let mut versions: Vec<StreamReceipt> = Vec::new();
        let mut stamp = Timestamp::default();
        for event in reader.scan(first, last) {
            let event = event?;
            let same = wanted
                .next()
                .is_some_and(|(stream, new)| stream == event.stream() && event.has_content(new));
            if !same {
                return Ok(None);
            }
            stamp = event.recorded_at();
            match versions.iter_mut().find(|known| &*known.stream == event.stream()) {
                Some(known) => known.version = event.version(),
                None => versions.push(StreamReceipt {
                    stream: event.stream().into(),
                    first_version: event.version(),
                    version: event.version(),
                }),
            }
        }
        let Some((first_stream, others)) = versions.split_first() else { return Ok(None) };
        if wanted.next().is_some() {
            return Ok(None);
        }
        Ok(Some(Receipt {
            first_version: first_stream.first_version,
            version: first_stream.version,
            first_position: first,
            position: last,
            recorded_at: stamp,
            epoch: reader.epoch_at(first).unwrap_or_default(),
            repeated: true,
            streams: if others.is_empty() { Vec::new() } else { versions },
        }))
    }

    /// The first event behind the condition's position, and at or below `pinned`, that it names.
    fn first_match(
        &self,
        condition: &AppendCondition,
        lookup: &Lookup,
        pinned: Position,
    ) -> Result<Option<Position>> {
        let from = condition.after.plus(1);
        if lookup.is_all() {
            return Ok((from <= pinned).then_some(from));
        }
        let mut candidates = Candidates::new(lookup, from, pinned, false);
        let mut events = self.log.reader().events();
        while let Some(position) = candidates.next(&*self.index)? {
            let event = events.get(position)?;
            if event.is_some_and(|event| condition.query.matches(&event)) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    fn has_candidate(&self, lookup: &Lookup, from: Position, to: Position) -> Result<bool> {
        let found = lookup.is_all()
            || Candidates::new(lookup, from, to, false).next(&*self.index)?.is_some();
        Ok(found)
    }

    fn check_stamp(&self, moment: Timestamp, newest: Timestamp, told: Timestamp) -> Result<()> {
        let message = if moment < newest {
            format!("recorded-at {moment} lies before the newest event's stamp {newest}")
        } else if moment <= told {
            format!(
                "recorded-at {moment} does not lie behind {told}, as of which the store was looked \
                 at: what it held then does not change while it is open"
            )
        } else if moment > self.env.clock.now() {
            format!("recorded-at {moment} lies in the future")
        } else {
            return Ok(());
        };
        Err(Invalid::Other(message).into())
    }

    fn conflict(&self, stream: &str, expected: ExpectedVersion, actual: Version) -> Error {
        let kind = ErrorKind::Conflict { stream: stream.to_owned(), expected, actual };
        let is = if actual == Version::NONE {
            "does not exist".to_owned()
        } else {
            format!("is at version {actual}")
        };
        Error::new(kind, format!("the stream {stream} {is}; {expected} was expected"))
    }

    fn condition_failed(&self, condition: &AppendCondition, position: Position) -> Error {
        let message = format!(
            "the append condition does not hold: event {position} matches it and lies behind {}",
            condition.after
        );
        Error::new(ErrorKind::ConditionFailed { position }, message)
    }
}

impl Attempt<'_, '_> {
    /// Gives each stream's first event the version behind the stream's.
    #[inline(always)]
    fn give_versions(&mut self, draft: &mut Draft) -> Result<()> {
        for (stream, number) in self.prepared.streams.iter_mut().zip(0..) {
            let mut version = Version::NONE;
            for ((name, _), before) in self.commit.expectations().iter().zip(&self.versions) {
                // As a rule it is the very same text.
                if std::ptr::eq(&**name, stream.name) || name == stream.name {
                    version = *before;
                    break;
                }
            }
            if version.get().checked_add(stream.events).is_none() {
                let message = format!("the stream {} has no versions left", stream.name);
                return Err(Invalid::Other(message).into());
            }
            stream.first_version = version.plus(1);
            draft.set_first_version(number, stream.first_version);
        }
        Ok(())
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict { .. } | ErrorKind::ConditionFailed { .. })
}

/// Whether a stream at `version` can become as expected by growing, or is so.
fn may_hold_later(expected: ExpectedVersion, version: Version) -> bool {
    match expected {
        ExpectedVersion::Any | ExpectedVersion::Exists => true,
        ExpectedVersion::NoStream => version == Version::NONE,
        ExpectedVersion::Version(expected) => version <= expected,
    }
}

fn receipt(prepared: &Prepared<&str>, appended: &Appended) -> Receipt {
    let each = prepared.streams.iter().map(|stream| StreamReceipt {
        stream: stream.name.into(),
        first_version: stream.first_version,
        version: stream.first_version.plus(stream.events).minus(1),
    });
    let first = prepared.streams.first();
    let first_version = first.map(|first| first.first_version).unwrap_or_default();
    let events = first.map_or(0, |first| first.events);
    Receipt {
        first_version,
        version: first_version.plus(events).minus(1),
        first_position: appended.first,
        position: appended.last.position,
        recorded_at: appended.recorded_at,
        epoch: appended.epoch,
        repeated: false,
        streams: if prepared.streams.len() > 1 { each.collect() } else { Vec::new() },
    }
}

fn id_reused(id: EventId, position: Position) -> Error {
    let message = format!(
        "the id {id} is that of event {position} already, in a commit that was not this one: \
         an append is repeated with the same events in the same order, or has new ids"
    );
    Error::new(ErrorKind::IdReused { id, position }, message)
}

/// Somebody names a position that the store has not come to.
pub(crate) fn beyond_head(what: &str, position: Position, head: Position) -> Invalid {
    Invalid::Other(format!(
        "{what} names the position {position}, but the newest event is at {head}: \
         is it another store's, or from before a crash?"
    ))
}
