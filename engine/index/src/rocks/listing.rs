//! The streams in the order of their names, out of the database and the windows.

use annals_types::Position;

use super::db::Db;
use super::keys::{self, List};
use super::list::{self, Damaged};
use super::row::Stream;
use super::window::Windows;
use crate::memory::Span;
use crate::{Index, Result, StreamFilter, StreamHead};

/// Where a listed stream stands.
enum Found {
    /// Here.
    Head(StreamHead),
    /// Somewhere before its newest event.
    Before(Stream),
}

/// See [`Index::streams`].
pub(super) fn list(
    db: &Db,
    windows: &Windows,
    filter: &StreamFilter,
    after: Option<&str>,
    up_to: Position,
    limit: usize,
    out: &mut Vec<(String, StreamHead)>,
) -> Result<()> {
    if limit == 0 {
        return Ok(());
    }
    let cut = up_to.get().min(windows.after);
    let mut found = Vec::new();
    // The newest first: of the same names the first is taken.
    for window in windows.iter().rev() {
        let mut page = Vec::new();
        window.index.streams(filter, after, up_to, limit, &mut page)?;
        found.extend(page.into_iter().map(|(name, head)| (name, Found::Head(head))));
    }
    saved(db, filter, after, cut, limit, &mut found)?;
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.dedup_by(|(later, _), (first, _)| later == first);
    for (name, found) in found.into_iter().take(limit) {
        let head = match found {
            Found::Head(head) => Some(head),
            Found::Before(stream) => match List::of_stream(&name) {
                Some(list) => list::head(db, &list, &stream, cut)?,
                None => None,
            },
        };
        out.extend(head.map(|head| (name, head)));
    }
    Ok(())
}

/// Appends at most `limit` of those in the database that have begun at `cut`.
fn saved(
    db: &Db,
    filter: &StreamFilter,
    after: Option<&str>,
    cut: u64,
    limit: usize,
    found: &mut Vec<(String, Found)>,
) -> Result<()> {
    if cut == 0 {
        return Ok(());
    }
    let end = found.len().saturating_add(limit);
    let mut rows = db.all();
    for span in Span::of(filter) {
        rows.seek(&keys::stream(span.begin(after)));
        while found.len() < end
            && let Some((key, value)) = rows.row()?
            && !keys::is_behind_streams(key)
        {
            let name = keys::stream_name(key).ok_or(Damaged)?;
            if !span.is_before(name, after) {
                if !span.has(name) {
                    break;
                }
                let stream = Stream::read(value).ok_or(Damaged)?;
                if stream.first.position.get() <= cut {
                    let newest = stream.newest;
                    let there = if newest.position.get() <= cut {
                        Found::Head(newest)
                    } else {
                        Found::Before(stream)
                    };
                    found.push((name.to_owned(), there));
                }
            }
            rows.next();
        }
    }
    Ok(())
}
