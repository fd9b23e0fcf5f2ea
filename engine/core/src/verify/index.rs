//! The index held against the log: every event is found by its stream, its terms and its id, and a
//! stream's head is its newest event. What the index has too much of does no harm: every answer is
//! verified in the log.

use std::collections::HashMap;
use std::fmt;

use annals_index::{Index, StreamFilter, Term};
use annals_log::LogError;
use annals_types::{Position, Version};
use smallvec::SmallVec;

use super::Report;
use crate::Event;
use crate::error::{Error, Result};
use crate::view::Source;

/// A place where the index is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFault {
    /// The event concerned.
    pub position: Position,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.position, self.what)
    }
}

/// Events compared at once: what is held in memory of them is bounded by it.
const WINDOW: usize = 1 << 16;

/// Streams of a page of the listing.
const PAGE: usize = 1 << 10;

/// Compares the index of `source` with its log up to `head`. `progress` is told the events done.
pub(super) fn compare(
    source: &Source,
    head: Position,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<IndexFault>> {
    let mut compared = Compared { source, faults: Vec::new(), damaged: Vec::new() };
    let mut window = Window::default();
    for event in source.reader.scan(Position::new(1), head) {
        let event = match event {
            Ok(event) => event,
            // The log's own fault, told of as such.
            Err(LogError::Damaged(damage)) => {
                compared.damaged.extend(damage.positions);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        window.add(source, &event);
        compared.id(&event)?;
        if window.events >= WINDOW {
            compared.window(&std::mem::take(&mut window))?;
            progress(event.position().get());
        }
        if compared.is_full() {
            return Ok(compared.faults);
        }
    }
    compared.window(&window)?;
    compared.heads(head)?;
    compared.ends_of_losses(head)?;
    compared.faults.truncate(Report::INDEX_FAULTS_MAX);
    Ok(compared.faults)
}

/// Some events in a row, as the index should know them.
#[derive(Default)]
struct Window {
    events: usize,
    first: Position,
    last: Position,
    streams: HashMap<String, Vec<(Version, Position)>>,
    terms: HashMap<Term, Vec<Position>>,
}

impl Window {
    fn add(&mut self, source: &Source, event: &Event) {
        let position = event.position();
        if self.events == 0 {
            self.first = position;
        }
        self.events += 1;
        self.last = position;
        let entry = (event.version(), position);
        match self.streams.get_mut(event.stream()) {
            Some(entries) => entries.push(entry),
            None => {
                self.streams.insert(event.stream().to_owned(), vec![entry]);
            }
        }
        let mut terms = SmallVec::new();
        source.terms.of(event, &mut terms);
        for &term in &terms {
            let positions = self.terms.entry(term).or_default();
            // An event counts once for each of its terms.
            if positions.last() != Some(&position) {
                positions.push(position);
            }
        }
    }
}

struct Compared<'a> {
    source: &'a Source,
    faults: Vec<IndexFault>,
    /// Positions that cannot be read, first and last.
    damaged: Vec<(Position, Position)>,
}

impl Compared<'_> {
    fn index(&self) -> &dyn Index {
        &*self.source.index
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= Report::INDEX_FAULTS_MAX
    }

    fn fault(&mut self, position: Position, what: String) {
        self.faults.push(IndexFault { position, what });
    }

    fn id(&mut self, event: &Event) -> Result<()> {
        if !event.has_own_id() {
            return Ok(());
        }
        let position = event.position();
        let mut found = Vec::new();
        self.index().find_id(event.id(), position.minus(1), &mut found)?;
        if !found.contains(&position) {
            self.fault(position, format!("not found by its id {}", event.id()));
        }
        Ok(())
    }

    fn window(&mut self, window: &Window) -> Result<()> {
        for (stream, entries) in &window.streams {
            self.stream(stream, entries, window.last)?;
        }
        for (&term, positions) in &window.terms {
            self.term(term, positions, window)?;
        }
        self.faults.sort_by_key(|fault| fault.position);
        Ok(())
    }

    /// `entries` are the events of the stream in a window that ends at `last`.
    fn stream(
        &mut self,
        stream: &str,
        entries: &[(Version, Position)],
        last: Position,
    ) -> Result<()> {
        let Some(&(from, _)) = entries.first() else { return Ok(()) };
        let mut found = Vec::new();
        self.index().positions(stream, from, last, usize::MAX, &mut found)?;
        for &(version, position) in entries {
            if found.binary_search(&position).is_err() {
                let what = format!("not found as version {version} of its stream {stream}");
                self.fault(position, what);
            }
        }
        let known = |position: &Position| entries.binary_search_by_key(position, |e| e.1).is_ok();
        let lost = |position: Position| {
            self.source.reader.lost_between(position, position) > 0
                || self.damaged.iter().any(|(first, last)| *first <= position && position <= *last)
        };
        let strange = found.iter().find(|position| !known(position) && !lost(**position));
        if let Some(&strange) = strange
            && self.source.whole
        {
            self.fault(strange, format!("found in the stream {stream}, which is not its own"));
        }
        Ok(())
    }

    fn term(&mut self, term: Term, positions: &[Position], window: &Window) -> Result<()> {
        let mut found = Vec::new();
        let mut from = window.first;
        loop {
            let before = found.len();
            self.index().postings(term, from, window.last, &mut found)?;
            match found.get(before..).and_then(<[Position]>::last) {
                Some(last) => from = last.plus(1),
                None => break,
            }
        }
        for &position in positions {
            if found.binary_search(&position).is_err() {
                let what = "not found by one of its terms (category, type, tag, ids)".to_owned();
                self.fault(position, what);
            }
        }
        Ok(())
    }

    /// A stream that has lost its end counts on from there.
    fn ends_of_losses(&mut self, head: Position) -> Result<()> {
        let losses = self.source.reader.losses();
        for lost in losses.iter().flat_map(|loss| &loss.streams) {
            let known = self.index().head(&lost.stream, Position::START, head)?;
            if known.is_none_or(|known| known.version < lost.version) {
                let what = format!("version {} of {} is not counted", lost.version, lost.stream);
                self.fault(lost.position, what);
            }
        }
        Ok(())
    }

    /// The head of each stream is an event of it, with the version that the index gives it.
    fn heads(&mut self, head: Position) -> Result<()> {
        let mut events = self.source.reader.events();
        let mut after: Option<String> = None;
        loop {
            let mut page = Vec::new();
            let all = StreamFilter::All;
            self.index().streams(&all, after.as_deref(), head, PAGE, &mut page)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (stream, at) in page {
                let right = match events.get(at.position) {
                    Ok(Some(event)) => event.stream() == stream && event.version() == at.version,
                    Ok(None) | Err(LogError::Damaged(_)) => true,
                    Err(error) => return Err(Error::from(error)),
                };
                if !right {
                    let version = at.version;
                    let what = format!("not version {version} of the stream {stream}, its head");
                    self.fault(at.position, what);
                }
                if self.is_full() {
                    return Ok(());
                }
            }
        }
    }
}
