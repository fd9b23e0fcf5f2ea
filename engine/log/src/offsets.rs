//! From a position to the bytes of its event: the log's own table, one entry an event.

use std::sync::{Arc, OnceLock};

use annals_env::prefetch;
use annals_env::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use annals_types::Place;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder};

use crate::error::Result;
use crate::format::footer::OFFSET_BYTES;
use crate::segment::Segment;
use crate::walk::Walk;

/// Entries of one chunk of a live table.
const CHUNK: usize = 8192;
/// Bytes of an entry in the footer.
const ENTRY_BYTES: usize = size_of::<u32>();
const _: () = assert!(ENTRY_BYTES as u64 == OFFSET_BYTES, "as the format says");
/// Largest segment, in bytes.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Chunks that the largest segment needs.
const CHUNKS: usize = (SEGMENT_BYTES_MAX / EVENT_BYTES_MIN) as usize / CHUNK + 1;
/// Fewest bytes that an event takes in a segment: prefix, back, index, flags, content kind, schema
/// and a type of one character.
pub(crate) const EVENT_BYTES_MIN: u64 = 15;

/// Most entries of a table: those of the largest segment, full of the smallest events.
pub(crate) const OFFSETS_MAX: usize = (SEGMENT_BYTES_MAX / EVENT_BYTES_MIN) as usize;

/// The table of a segment, wherever it is.
#[derive(Debug)]
pub(crate) enum OffsetTable {
    /// In memory, growing with the segment.
    Live(Arc<LiveOffsets>),
    /// In the segment's footer.
    Sealed { at: u64, count: u32, checksum: u32 },
}

/// A table that one thread appends to while others read what was published.
#[derive(Debug)]
pub(crate) struct LiveOffsets {
    chunks: Box<[OnceLock<Box<[AtomicU32]>>]>,
    /// There are control records that say more than where an epoch begins.
    has_notes: AtomicBool,
}

impl LiveOffsets {
    /// An empty table.
    pub(crate) fn new() -> Self {
        let chunks = (0..CHUNKS).map(|_| OnceLock::new()).collect();
        Self { chunks, has_notes: AtomicBool::new(false) }
    }

    /// Sets the offset of the segment's event number `index`, counted from 0.
    pub(crate) fn set(&self, index: usize, offset: u32) {
        self.set_row(index, std::iter::once(offset));
    }

    /// Sets the offsets of the segment's events from number `index` on.
    #[inline]
    pub(crate) fn set_row(
        &self,
        mut index: usize,
        mut offsets: impl ExactSizeIterator<Item = u32>,
    ) {
        while offsets.len() > 0 {
            let Some(chunk) = self.chunks.get(index / CHUNK) else { return };
            let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU32::new(0)).collect());
            let entries = chunk.get(index % CHUNK..).unwrap_or_default();
            index += entries.len();
            for (entry, offset) in entries.iter().zip(&mut offsets) {
                entry.store(offset, Ordering::Relaxed);
            }
        }
    }

    /// The segment has a control record that says more than where an epoch begins.
    pub(crate) fn note(&self) {
        self.has_notes.store(true, Ordering::Release);
    }

    /// Whether it may have one.
    pub(crate) fn has_notes(&self) -> bool {
        self.has_notes.load(Ordering::Acquire)
    }

    /// The last event at or before `index` that has an offset.
    fn floor(&self, index: usize) -> Option<usize> {
        let last = index.min(self.chunks.len() * CHUNK - 1);
        let chunks = self.chunks.get(..=last / CHUNK)?.iter().enumerate().rev();
        for (number, chunk) in chunks {
            let Some(chunk) = chunk.get() else { continue };
            let upto = (last - number * CHUNK + 1).min(CHUNK);
            let entries = chunk.get(..upto)?;
            if let Some(entry) =
                entries.iter().rposition(|entry| entry.load(Ordering::Relaxed) != 0)
            {
                return Some(number * CHUNK + entry);
            }
        }
        None
    }

    /// The table of the first `events` events as it stands in a footer: up to the last one that has an
    /// offset. Behind them there may be entries of a commit that was cut off.
    pub(crate) fn to_bytes(&self, events: usize) -> Vec<u8> {
        let last = events.checked_sub(1).and_then(|last| self.floor(last));
        let entries = last.map_or(0, |last| last + 1);
        (0..entries).flat_map(|index| self.get(index).to_le_bytes()).collect()
    }

    /// The offset of event number `index`; 0 where it is not there.
    fn get(&self, index: usize) -> u32 {
        self.entry(index).map_or(0, |entry| entry.load(Ordering::Relaxed))
    }

    fn entry(&self, index: usize) -> Option<&AtomicU32> {
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }
}

/// Where the events of a segment stand.
#[derive(Clone, Debug)]
pub(crate) enum Offsets {
    Live(Arc<LiveOffsets>),
    /// In the segment's footer, looked up there one by one. An entry is a hint: only the event that is
    /// found there proves it.
    Footer,
    /// The whole table, proven.
    Sealed(Arc<[u32]>),
}

impl Offsets {
    /// It is soon asked where event number `index` of `segment`, whose offsets these are, stands.
    pub(crate) fn prefetch(&self, segment: &Segment, index: usize) {
        match self {
            Self::Live(offsets) => offsets.entry(index).map_or((), prefetch),
            Self::Footer => {
                if let Some(at) = entry_at(segment, index) {
                    segment.file.prefetch(at, ENTRY_BYTES);
                }
            }
            Self::Sealed(table) => table.get(index).map_or((), prefetch),
        }
    }

    /// Where this is read in the segment's file, if it is.
    pub(crate) fn in_file(&self, segment: &Segment, index: usize) -> Option<u64> {
        matches!(self, Self::Footer).then(|| entry_at(segment, index)).flatten()
    }

    /// Where the record of event number `index` of `segment`, whose offsets these are, begins; `None`
    /// where that is not said.
    #[inline]
    pub(crate) fn get(&self, segment: &Segment, index: usize) -> Option<u64> {
        let offset = match self {
            Self::Live(offsets) => offsets.get(index),
            Self::Footer => {
                let mut entry = [0; ENTRY_BYTES];
                segment.file.read_exact_at(&mut entry, entry_at(segment, index)?).ok()?;
                u32::from_le_bytes(entry)
            }
            Self::Sealed(table) => table.get(index).copied().unwrap_or_default(),
        };
        (offset != 0).then_some(u64::from(offset))
    }
}

/// Where in the file the entry of event number `index` lies, once the segment is sealed.
#[inline]
fn entry_at(segment: &Segment, index: usize) -> Option<u64> {
    let OffsetTable::Sealed { at, count, .. } = segment.offsets else { return None };
    (index < count as usize).then(|| at + index as u64 * OFFSET_BYTES)
}

/// Tables of sealed segments that were read lately, bounded in bytes.
#[derive(Debug)]
pub(crate) struct TableCache {
    tables: Cache<Place, Arc<[u32]>, TableWeight>,
}

#[derive(Clone, Debug)]
struct TableWeight;

impl quick_cache::Weighter<Place, Arc<[u32]>> for TableWeight {
    fn weight(&self, _: &Place, table: &Arc<[u32]>) -> u64 {
        (table.len() * size_of::<u32>()) as u64 + 64
    }
}

impl TableCache {
    /// Most bytes of tables kept.
    const BYTES_MAX: u64 = 32 << 20;

    pub(crate) fn new() -> Self {
        Self::of(Self::BYTES_MAX)
    }

    fn of(bytes: u64) -> Self {
        // One shard: several would each refuse a table larger than their share.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(256)
            .weight_capacity(bytes)
            .build();
        let tables = match options {
            Ok(options) => Cache::with_options(
                options,
                TableWeight,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(256, bytes, TableWeight),
        };
        Self { tables }
    }

    /// Where the events of the segment stand; hints, where to look at one costs less than to read all
    /// of the table.
    pub(crate) fn offsets(&self, segment: &Arc<Segment>) -> Result<Offsets> {
        match segment.offsets {
            OffsetTable::Sealed { count, .. }
                if segment.file.is_mapped() || !self.has_room(segment, count) =>
            {
                Ok(Offsets::Footer)
            }
            _ => self.proven(segment),
        }
    }

    /// The same, and no hints.
    pub(crate) fn proven(&self, segment: &Arc<Segment>) -> Result<Offsets> {
        Ok(match &segment.offsets {
            OffsetTable::Live(offsets) => Offsets::Live(Arc::clone(offsets)),
            OffsetTable::Sealed { .. } => Offsets::Sealed(self.table(segment)?),
        })
    }

    /// Whether the segment's table, of so many entries, is here or takes no other's place.
    fn has_room(&self, segment: &Segment, count: u32) -> bool {
        let more = u64::from(count) * OFFSET_BYTES;
        self.tables.contains_key(&segment.header.first)
            || self.tables.weight() + more < self.tables.capacity()
    }

    /// The number of the last event at or before `index` of which the table tells.
    pub(crate) fn floor(&self, segment: &Arc<Segment>, index: usize) -> Result<Option<usize>> {
        Ok(match &segment.offsets {
            OffsetTable::Live(offsets) => offsets.floor(index),
            OffsetTable::Sealed { .. } => {
                let table = self.table(segment)?;
                let upto = table.len().min(index.saturating_add(1));
                table.get(..upto).and_then(|table| table.iter().rposition(|&offset| offset != 0))
            }
        })
    }

    /// A sealed segment's table; made from its frames where the one in the footer is damaged.
    fn table(&self, segment: &Arc<Segment>) -> Result<Arc<[u32]>> {
        let make = || {
            Ok(match read_table(segment)? {
                Some(table) => table.into(),
                None => make_table(segment)?.into(),
            })
        };
        let place = &segment.header.first;
        if cfg!(shuttle) {
            // Who finds the table being made by another would wait where `shuttle` does not see it.
            let known = self.tables.get(place);
            return known.map_or_else(make, Ok).inspect(|table| {
                self.tables.insert(*place, Arc::clone(table));
            });
        }
        self.tables.get_or_insert_with(place, make)
    }
}

/// The table of a sealed segment as its frames give it; 0 for events that are not readable.
fn make_table(segment: &Arc<Segment>) -> Result<Vec<u32>> {
    let OffsetTable::Sealed { count, .. } = segment.offsets else { return Ok(Vec::new()) };
    let mut table = vec![0; count as usize];
    let mut walk = Walk::new(Arc::clone(segment));
    loop {
        let Some(frame) = walk.frame()? else {
            match walk.find_next()? {
                Some(frame) => walk.skip_to(&frame),
                None => return Ok(table),
            }
            continue;
        };
        let (first, commit) = (frame.header.first.position, frame.streams.is_some());
        let first = first.get().saturating_sub(segment.first_event().get());
        let checked = walk.check(frame, |index, offset| {
            let entry = usize::try_from(first + u64::from(index)).ok();
            let entry = entry.filter(|_| commit).and_then(|entry| table.get_mut(entry));
            if let (Some(entry), Ok(offset)) = (entry, u32::try_from(offset)) {
                *entry = offset;
            }
        })?;
        walk.advance(&checked);
    }
}

/// Reads the table from a sealed segment's footer; `None` where its checksum is wrong.
pub(crate) fn read_table(segment: &Segment) -> Result<Option<Vec<u32>>> {
    let OffsetTable::Sealed { at, count, checksum } = segment.offsets else {
        return Ok(None);
    };
    let mut bytes = vec![0; count as usize * size_of::<u32>()];
    segment.file.read_ahead(at, bytes.len() as u64);
    segment.file.read_exact_at(&mut bytes, at).map_err(|error| segment.io(error))?;
    if crc32fast::hash(&bytes) != checksum {
        return Ok(None);
    }
    let entries = bytes.as_chunks().0.iter().map(|&entry| u32::from_le_bytes(entry));
    Ok(Some(entries.collect()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use annals_env::{Fs, MemoryFs};
    use annals_types::{Epoch, Position, StoreId};

    use super::*;
    use crate::format::segment_header::SegmentHeader;

    /// A segment that is nothing but a table.
    fn sealed(fs: &MemoryFs, first: u64, entries: &[u32]) -> Arc<Segment> {
        let file = fs.create(Path::new(&first.to_string())).unwrap();
        let table: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        file.write_at(&table, 5).unwrap();
        let (count, checksum) = (u32::try_from(entries.len()).unwrap(), crc32fast::hash(&table));
        let first = Place::event(Position::new(first));
        let (store, epoch) = (StoreId([1; 16]), Epoch::default());
        let header = SegmentHeader { store, salt: 1, first, generation: 0, epoch };
        let offsets = OffsetTable::Sealed { at: 5, count, checksum };
        Arc::new(Segment { name: String::new(), file, header, offsets, summary: None })
    }

    #[test]
    fn a_full_cache_takes_no_other_table_for_one_look() {
        let fs = MemoryFs::new();
        let entries: Vec<u32> = (0..1_000).map(|n| n * 7).collect();
        let segments = [1, 2_000, 4_000].map(|first| sealed(&fs, first, &entries));
        let cache = TableCache::of(9_000);
        let all = || segments.iter().map(|segment| (segment, cache.offsets(segment).unwrap()));
        for _ in 0..3 {
            let kept = all().map(|(_, offsets)| matches!(offsets, Offsets::Sealed(_)));
            assert_eq!(kept.collect::<Vec<_>>(), [true, true, false]);
        }
        for (segment, offsets) in all() {
            let proven = cache.proven(segment).unwrap();
            assert!(matches!(proven, Offsets::Sealed(_)));
            for offsets in [offsets, proven] {
                assert_eq!(offsets.get(segment, 0), None, "it says nothing");
                assert_eq!(offsets.get(segment, 999), Some(6_993));
                assert_eq!(offsets.get(segment, 1_000), None);
            }
        }
    }
}
