//! Which streams had events where the log is damaged, as far as the index still knows.

use annals_index::{Index, StreamFilter};
use annals_log::{Loss, LostStream};
use annals_types::Position;

use crate::Damage;
use crate::error::Result;

/// Streams of a page of the listing.
const PAGE: usize = 1 << 10;

/// Most look-ups of a stream in a range for a report: very many streams and very many damaged places
/// are not brought together there.
const LOOKUPS_MAX: u64 = 20_000_000;

/// Of each range of positions, the streams that the index has events of in it, each with the last of
/// them, in the order of positions. Nothing where that would be too much work.
pub(crate) fn streams_between(
    index: &dyn Index,
    head: Position,
    ranges: &[(Position, Position)],
    lookups_max: u64,
) -> Result<Vec<Vec<LostStream>>> {
    let mut found = vec![Vec::new(); ranges.len()];
    let lookups = index.stream_count(head)?.saturating_mul(ranges.len() as u64);
    if ranges.is_empty() || lookups > lookups_max {
        return Ok(found);
    }
    let mut after: Option<String> = None;
    loop {
        let mut page = Vec::new();
        index.streams(&StreamFilter::All, after.as_deref(), Position::MAX, PAGE, &mut page)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (stream, head) in &page {
            for ((first, last), found) in ranges.iter().zip(&mut found) {
                if head.position < *first {
                    continue;
                }
                if let Some(inside) = index.head(stream, first.minus(1), *last)? {
                    let (position, version) = (inside.position, inside.version);
                    found.push(LostStream { position, version, stream: stream.clone() });
                }
            }
        }
    }
    for streams in &mut found {
        streams.sort_by_key(|lost| lost.position);
        // Each event is of one stream; an index that says otherwise is wrong.
        streams.dedup_by_key(|lost| lost.position);
    }
    Ok(found)
}

/// Says of damage that does not tell itself which streams it concerns.
pub(crate) fn name_streams(index: &dyn Index, head: Position, damage: &mut [Damage]) -> Result<()> {
    let mut nameless: Vec<&mut Damage> =
        damage.iter_mut().filter(|damage| damage.streams.is_empty()).collect();
    nameless.retain(|damage| damage.positions.is_some());
    let ranges: Vec<_> = nameless.iter().filter_map(|damage| damage.positions).collect();
    let found = streams_between(index, head, &ranges, LOOKUPS_MAX)?;
    for (damage, streams) in nameless.into_iter().zip(found) {
        damage.streams = streams.into_iter().map(|lost| lost.stream).collect();
    }
    Ok(())
}

/// Losses that follow each other as one.
pub(crate) fn merged(losses: &[Loss]) -> Vec<Loss> {
    let mut merged: Vec<Loss> = Vec::new();
    for loss in losses {
        match merged.last_mut().filter(|before| before.last.plus(1) == loss.first) {
            Some(before) => {
                before.last = loss.last;
                before.streams.retain(|old| loss.streams.iter().all(|s| s.stream != old.stream));
                before.streams.extend_from_slice(&loss.streams);
            }
            None => merged.push(loss.clone()),
        }
    }
    merged
}
