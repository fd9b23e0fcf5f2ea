//! Bringing an index up to the end of the log.

use annals_index::{Covers, Entry, Index, Terms};
use annals_log::{Damage, Event, KeptRecord, LogError, LogReader, LostStream};
use annals_types::{Place, Position};
use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kept;

/// Events between two reports of progress.
const PROGRESS_EVENTS: u64 = 10_000;

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
        let mut event_terms = SmallVec::new();
        let losses = self.reader.losses();
        let lost = losses.iter().flat_map(|loss| &loss.streams);
        let mut lost =
            lost.filter(|lost| start < lost.position && lost.position <= head).peekable();
        for event in self.reader.scan(start.plus(1), head) {
            let event = match (event, &mut over_damage) {
                (Ok(event), _) => event,
                (Err(LogError::Damaged(damage)), Some(noted)) => {
                    self.apply_lost(&damage);
                    noted.push(*damage);
                    continue;
                }
                (Err(error), _) => return Err(error.into()),
            };
            while let Some(lost) = lost.next_if(|lost| lost.position < event.position()) {
                self.apply_end(lost);
            }
            event_terms.clear();
            terms.of(&event, &mut event_terms);
            if let Err(error) = self.apply(&event, &event_terms) {
                match (error.damage(), &mut over_damage) {
                    (Some(damage), Some(noted)) => noted.push(damage.clone()),
                    _ => return Err(error),
                }
                continue;
            }
            let at = event.position();
            if at.get() - saved.get() >= self.index.save_events() && self.durable.is_some() {
                // What is saved up to here has the kept states up to here.
                let here = |next: &KeptRecord| next.kept.place < Place::event(at);
                while let Some(record) = kept.next_if(|next| next.as_ref().map_or(true, here)) {
                    self.keep(&terms, &record?);
                }
                self.save(at)?;
                saved = at;
            }
            let done = at.get().saturating_sub(start.get());
            if done.is_multiple_of(PROGRESS_EVENTS) {
                progress(done, total);
            }
        }
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
        self.index.apply(&mut std::iter::once(entry));
    }

    fn apply(&self, event: &Event, terms: &[annals_index::Term]) -> Result<()> {
        let position = event.position();
        let entry = Entry {
            position,
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
        self.index.apply(&mut std::iter::once(entry));
        if self.index.covers() == position {
            return Ok(());
        }
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
            return Err(Error::new(ErrorKind::Damaged(Box::new(damage)), message));
        }
        let message = format!(
            "the index takes no more at event {position} (stream {stream}, version {version}): \
             it is full"
        );
        Err(Error::new(ErrorKind::Io, message))
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
