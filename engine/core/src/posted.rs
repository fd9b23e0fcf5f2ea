//! The events at the positions that the postings give.

use annals_log::{EventCursor, Scan};
use annals_types::Position;

use crate::candidates::Candidates;
use crate::error::{Error, Result};
use crate::plan::DENSE;
use crate::{Event, View};

/// Positions taken from the postings at once, at first and at most: who wants one event should not
/// wait for many.
const PAGE_MIN: usize = 8;
const PAGE_MAX: usize = 256;

/// Candidates of a query, in order; whether they match is for the caller to see.
pub(crate) struct PostedEvents {
    view: View,
    candidates: Candidates,
    backward: bool,
    /// How many positions the next page will have.
    size: usize,
    /// Positions to read one by one, the next one last.
    page: Vec<Position>,
    cursor: EventCursor,
    /// A page whose events are read in a row.
    row: Option<Box<Scan>>,
}

impl PostedEvents {
    pub(crate) fn new(view: &View, candidates: Candidates, backward: bool) -> Self {
        let cursor = view.source.reader.events();
        let (view, page) = (view.clone(), Vec::new());
        Self { view, candidates, backward, size: PAGE_MIN, page, cursor, row: None }
    }

    pub(crate) fn next(&mut self) -> Option<Result<Event>> {
        loop {
            if let Some(row) = &mut self.row {
                match row.next() {
                    Some(event) => return Some(event.map_err(Error::from)),
                    None => self.row = None,
                }
            }
            if let Some(position) = self.page.pop() {
                match self.cursor.get(position).map_err(Error::from).transpose() {
                    // Gone for good.
                    None => continue,
                    event => return event,
                }
            }
            match self.turn_page() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Takes the next positions; `false` where there are none.
    fn turn_page(&mut self) -> Result<bool> {
        let index = &*self.view.source.index;
        while self.page.len() < self.size {
            let Some(position) = self.candidates.next(index)? else { break };
            self.page.push(position);
        }
        self.size = (self.size * 2).min(PAGE_MAX);
        let (Some(&first), Some(&last)) = (self.page.first(), self.page.last()) else {
            return Ok(false);
        };
        let span = last.get().abs_diff(first.get()) + 1;
        // Backward, events are read one by one in any case.
        if !self.backward && span < DENSE * self.page.len() as u64 && self.page.len() > PAGE_MIN {
            self.row = Some(Box::new(self.view.source.reader.scan(first, last)));
            self.page.clear();
        }
        self.page.reverse();
        Ok(true)
    }
}
