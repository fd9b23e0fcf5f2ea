//! Listing streams.

use annals_index::{StreamFilter, StreamHead};
use annals_types::{Position, Version};

use crate::View;
use crate::error::Result;

/// Streams taken from the index at once.
const PAGE: usize = 256;

/// The streams of a view, ordered by name. An iterator that reads the index page by page.
#[derive(Clone, Debug)]
pub struct Streams {
    view: View,
    filter: StreamFilter,
    /// The page under way, last name first.
    page: Vec<(String, StreamHead)>,
    after: Option<String>,
    ended: bool,
}

/// A stream in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// Its version in the view.
    pub version: Version,
    /// The position of its newest event in the view.
    pub position: Position,
}

impl StreamInfo {
    /// For other implementations of [`EventReader`](crate::EventReader).
    #[must_use]
    pub fn from_other(name: impl Into<String>, version: Version, position: Position) -> Self {
        Self { name: name.into(), version, position }
    }
}

impl Streams {
    pub(crate) fn new(view: View) -> Self {
        Self { view, filter: StreamFilter::All, page: Vec::new(), after: None, ended: false }
    }

    /// Only those of this category, instead of any filter set before (see [`category`](crate::category)).
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.filter = StreamFilter::Category(category.into());
        self
    }

    /// Only those whose name begins so, instead of any filter set before.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.filter = StreamFilter::Prefix(prefix.into());
        self
    }
}

impl Iterator for Streams {
    type Item = Result<StreamInfo>;

    fn next(&mut self) -> Option<Result<StreamInfo>> {
        if self.page.is_empty() && !self.ended {
            let after = self.after.as_deref();
            let index = &self.view.source.index;
            let listed =
                index.streams(&self.filter, after, self.view.position, PAGE, &mut self.page);
            if let Err(error) = listed {
                self.ended = true;
                self.page.clear();
                return Some(Err(error.into()));
            }
            self.ended = self.page.len() < PAGE;
            self.after = self.page.last().map(|(name, _)| name.clone());
            self.page.reverse();
        }
        let (name, head) = self.page.pop()?;
        Some(Ok(StreamInfo { name, version: head.version, position: head.position }))
    }
}
