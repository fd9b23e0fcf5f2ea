//! Bringing an index up to the end of the log.

use annals_index::{Covers, Entry, Index, Term, Terms};
use annals_log::{Damage, Event, KeptRecord, LogError, LogReader, LostStream};
use annals_types::{Place, Position};
use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kept;

/// Events that are taken in at once.
const BATCH_EVENTS: usize = 256;
/// Bytes of them: fewer are taken in at once where they are large.
const BATCH_BYTES: usize = 1 << 20;
/// With so many times [`Index::save_events`] not saved, it is saved on the way. What a crash leaves to
/// take in is seldom as much, and an opening then need not wait for a save.
const BEHIND_MAX: u64 = 2;

type EventTerms = SmallVec<[Term; 6]>;

/// An index and the log that it is made from.
pub(crate) struct CatchUp<'a> {
    pub(crate) reader: &'a LogReader,
    pub(crate) index: &'a dyn Index,
    /// The kept states up to here are in the index.
    pub(crate) kept: Place,
    /// Everything up to here is durable in the log: the index may be saved on the way, so that its
    /// memory stays bounded.
    pub(crate) durable: Option<Place>,
}

impl CatchUp<'_> {
    /// Applies all events behind what the index covers, and all kept states behind those that are in
    /// it, up to `last`. Damage ends it, unless `over_damage` takes note of it. `progress` is told the
    /// events done and in all.
    pub(crate) fn run(
        &self,
        last: Place,
        mut over_damage: Option<&mut Vec<Damage>>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let head = last.position;
        let terms = Terms::new(self.reader.store());
        let mut kept = self.reader.kept(self.kept, last).peekable();
        let start = self.index.covers();
        let total = head.get().saturating_sub(start.get());
        let mut saved = start;
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_EVENTS), 0);
        let losses = self.reader.losses();
        let lost = losses.iter().flat_map(|loss| &loss.streams);
        let mut lost =
            lost.filter(|lost| start < lost.position && lost.position <= head).peekable();
        for event in self.reader.scan(start.plus(1), head) {
            let event = match (event, &mut over_damage) {
                (Ok(event), _) => event,
                (Err(LogError::Damaged(damage)), Some(_)) => {
                    self.apply_all(&mut batch, &mut over_damage)?;
                    self.apply_lost(&damage);
                    over_damage.iter_mut().for_each(|noted| noted.push((*damage).clone()));
                    continue;
                }
                (Err(error), _) => return Err(error.into()),
            };
            let at = event.position();
            if lost.peek().is_some_and(|lost| lost.position < at) {
                self.apply_all(&mut batch, &mut over_damage)?;
            }
            while let Some(lost) = lost.next_if(|lost| lost.position < at) {
                self.apply_end(lost);
            }
            let mut event_terms = SmallVec::new();
            terms.of(&event, &mut event_terms);
            bytes += event.data().len() + event.metadata().len();
            batch.push((event, event_terms));
            if batch.len() < BATCH_EVENTS && bytes < BATCH_BYTES {
                continue;
            }
            self.apply_all(&mut batch, &mut over_damage)?;
            bytes = 0;
            progress(at.get().saturating_sub(start.get()), total);
            let due = self.index.save_events().saturating_mul(BEHIND_MAX);
            if at.get() - saved.get() >= due && self.durable.is_some() {
                // What is saved up to here has the kept states up to here.
                let here = |next: &KeptRecord| next.kept.place < Place::event(at);
                while let Some(record) = kept.next_if(|next| next.as_ref().map_or(true, here)) {
                    self.keep(&terms, &record?);
                }
                self.save(at)?;
                saved = at;
            }
        }
        self.apply_all(&mut batch, &mut over_damage)?;
        lost.for_each(|lost| self.apply_end(lost));
        for record in kept {
            self.keep(&terms, &record?);
        }
        progress(total, total);
        Ok(())
    }

    fn keep(&self, terms: &Terms, record: &KeptRecord) {
        #[cfg(annals_canary)]
        if annals_env::canary::is("kept states are forgotten by an opening") {
            return;
        }
        let key = kept::term(terms, &record.kept.state.key);
        self.index.keep(key, record.kept.place, &record.superseded);
    }

    /// The last event of a stream that is gone for good counts for the stream's version.
    fn apply_end(&self, lost: &LostStream) {
        let LostStream { position, version, stream } = lost;
        let (position, version) = (*position, *version);
        let entry = Entry { position, stream, version, id: None, terms: &[] };
        self.index.take_in(&[entry]);
    }

    /// Takes in events in a row. One that the index refuses ends it, unless `over_damage` takes note of
    /// it.
    fn apply_all(
        &self,
        batch: &mut Vec<(Event, EventTerms)>,
        over_damage: &mut Option<&mut Vec<Damage>>,
    ) -> Result<()> {
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let entries: Vec<Entry<'_>> = rest.iter().map(|it| entry(&it.0, &it.1)).collect();
            self.index.take_in(&entries);
            let covers = self.index.covers();
            let taken = rest.partition_point(|(event, _)| event.position() <= covers);
            let Some(((refused, _), others)) = rest.get(taken..).and_then(<[_]>::split_first)
            else {
                break;
            };
            let error = self.refused(refused)?;
            match (error.damage(), &mut *over_damage) {
                (Some(damage), Some(noted)) => noted.push(damage.clone()),
                _ => return Err(error),
            }
            rest = others;
        }
        batch.clear();
        Ok(())
    }

    /// Why the index does not take in an event.
    fn refused(&self, event: &Event) -> Result<Error> {
        let position = event.position();
        let (stream, version) = (event.stream().to_owned(), event.version());
        let head = self.index.head(&stream, Position::START, Position::MAX)?;
        if head.is_some_and(|head| head.version >= version) {
            let damage = Damage {
                segment: "log".to_owned(),
                offset: 0,
                bytes: 0,
                positions: Some((position, position)),
                streams: vec![stream.clone()],
                stream: Some((stream, version)),
                what: "the version is not above that of the stream's event before it".to_owned(),
            };
            let message = damage.to_string();
            return Ok(Error::new(ErrorKind::Damaged(Box::new(damage)), message));
        }
        let message = format!(
            "the index takes no more at event {position} (stream {stream}, version {version}): \
             it is full"
        );
        Ok(Error::new(ErrorKind::Io, message))
    }

    /// Events that cannot be read have their place in their stream all the same, where it is known:
    /// who reads the stream then meets the damage instead of a shorter stream.
    fn apply_lost(&self, damage: &Damage) {
        if let (Some((first, last)), Some((stream, version))) = (damage.positions, &damage.stream) {
            self.index.apply(&mut (0..=last.get() - first.get()).map(|n| Entry {
                position: first.plus(n),
                stream,
                version: version.plus(n),
                id: None,
                terms: &[],
            }));
        }
    }

    /// Saves what is applied so far, where that is wanted.
    fn save(&self, at: Position) -> Result<()> {
        let Some(durable) = self.durable else { return Ok(()) };
        let place = Place::event(at).min(durable);
        let covers = Covers { store: self.reader.store(), epoch: self.reader.epoch(), place };
        Ok(self.index.save(covers)?)
    }
}

/// The event as the index takes it in.
fn entry<'a>(event: &'a Event, terms: &'a [Term]) -> Entry<'a> {
    let entry = Entry {
        position: event.position(),
        stream: event.stream(),
        version: event.version(),
        id: event.has_own_id().then(|| event.id()),
        terms,
    };
    #[cfg(annals_canary)]
    let entry = match annals_env::canary::is("ids are forgotten by an opening") {
        true => Entry { id: None, ..entry },
        false => entry,
    };
    entry
}
