//! Reading the log from the newest event back.

use annals_types::Position;

use crate::error::{LogError, Result};
use crate::format::event::Event;
use crate::lookup::EventCursor;
use crate::reader::LogReader;

/// The events of a range of positions, newest first. Behind a damaged event it goes on; any other
/// error ends it. What is lost for good is passed over.
#[derive(Debug)]
pub struct ScanBack {
    cursor: EventCursor,
    next: Position,
    to: Position,
}

impl ScanBack {
    pub(crate) fn new(reader: LogReader, from: Position, to: Position) -> Self {
        let from = from.min(reader.visible());
        Self { cursor: EventCursor::new(reader), next: from, to }
    }
}

impl Iterator for ScanBack {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        let event = loop {
            if self.next < self.to || self.next == Position::START {
                return None;
            }
            match self.cursor.get(self.next) {
                Ok(Some(event)) => break Ok(event),
                Ok(None) => self.next = self.cursor.reader().before_loss(self.next),
                Err(error) => break Err(error),
            }
        };
        match event {
            Ok(_) => self.next = self.next.minus(1),
            Err(LogError::Damaged(mut damage)) => {
                let last = self.next;
                // What stands nowhere is told of once, however much it is.
                self.next = match self.cursor.reader().floor(last.minus(1)) {
                    Ok(next) => next.unwrap_or_default().max(self.to.minus(1)),
                    Err(error) => {
                        self.next = Position::START;
                        return Some(Err(error));
                    }
                };
                damage.positions = Some((self.next.plus(1), last));
                return Some(Err(LogError::Damaged(damage)));
            }
            Err(_) => self.next = Position::START,
        }
        Some(event)
    }
}
