//! What a damaged entry of a segment's table may do: nothing. No event is taken for another, and no
//! event is said to be damaged that is not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Access, File, Fs, MemoryFs, RealFs};
use annals_log::LogReader;
use annals_types::Position;

use super::support::{BUFFERED, SEGMENT_BYTES, World, Writer, assert_right};

/// Where the frames of a segment begin: with the record of an epoch.
const FRAMES_START: u32 = 1024;
/// The trailer and the link.
const TRAILER_FROM_END: usize = 160;

/// A sealed segment and its table of offsets.
struct Sealed {
    file: Arc<dyn File>,
    at: u64,
    entries: Vec<u32>,
}

impl Sealed {
    /// The first segment, which begins with the first event.
    fn first(fs: &dyn Fs, root: &Path) -> Self {
        let folder = root.join("log");
        let names = fs.list(&folder).unwrap();
        let path: PathBuf = folder.join(&names.first().unwrap().name);
        let file = fs.open(&path, Access::ReadWrite).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let (body, trailer) = bytes.split_at(bytes.len() - TRAILER_FROM_END);
        assert_eq!(&trailer[..8], b"ANLSEALD");
        let number = |at: usize| u32::from_le_bytes(trailer[at..at + 4].try_into().unwrap());
        let (summary, count) = (number(8) as usize, number(16) as usize);
        let at = body.len() - summary - 4 * count;
        let entries = body[at..at + 4 * count].as_chunks().0.iter();
        let entries = entries.map(|&entry| u32::from_le_bytes(entry)).collect();
        Self { file, at: at as u64, entries }
    }

    fn set(&self, index: usize, offset: u32) {
        self.file.write_at(&offset.to_le_bytes(), self.at + 4 * index as u64).unwrap();
    }

    /// Where else an entry might lead.
    fn elsewhere(&self) -> Vec<u32> {
        let length = u32::try_from(self.file.len().unwrap()).unwrap();
        let mut offsets = vec![0, 1, 512, length - 4, length, length + 1, 1 << 31, u32::MAX];
        // Other events whole, their frames, the epoch's record, and what lies within them.
        offsets.extend(&self.entries);
        offsets.extend(FRAMES_START..FRAMES_START + 1200);
        offsets
    }
}

fn sealed(fs: Arc<dyn Fs>, root: &Path) -> (World, Writer) {
    let world = World::threaded(fs, root);
    let writer = world.write(BUFFERED).unwrap();
    // Full of commits of one event, and of several.
    while writer.log.reader().size().unwrap().0 < 4 * SEGMENT_BYTES {
        for events in [1, 1, 7, 1] {
            writer.append(events).unwrap();
        }
    }
    while writer.log.reader().size().unwrap().2 < 2 {
        writer.append(1).unwrap();
        std::thread::yield_now();
    }
    (world, writer)
}

/// The event, and those beside it in a row.
fn reads_right(reader: &LogReader, position: u64) {
    let alone = reader.event(Position::new(position)).unwrap().unwrap();
    assert_eq!(alone.position(), Position::new(position));
    assert_right(&alone);
    let mut cursor = reader.events();
    for at in [position + 1, position, position.saturating_sub(1).max(1), position] {
        let event = cursor.get(Position::new(at)).unwrap().unwrap();
        assert_eq!(event.position(), Position::new(at));
        assert_right(&event);
    }
    let mut back = reader.scan_back(Position::new(position), Position::new(1));
    assert_eq!(back.next().unwrap().unwrap().position(), Position::new(position));
    let mut scan = reader.scan(Position::new(position), Position::MAX);
    assert_eq!(scan.next().unwrap().unwrap().position(), Position::new(position));
}

#[test]
fn an_entry_of_a_mapped_table_that_leads_elsewhere_costs_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let (_, writer) = sealed(Arc::new(RealFs), &root);
    let table = Sealed::first(&RealFs, &root);
    for index in [0, 1, 2, 5, table.entries.len() - 1] {
        for offset in table.elsewhere() {
            table.set(index, offset);
            reads_right(writer.log.reader(), index as u64 + 1);
        }
        table.set(index, table.entries[index]);
    }
}

#[test]
fn an_entry_of_a_table_read_whole_that_leads_elsewhere_costs_no_event() {
    let (fs, root) = (MemoryFs::new(), Path::new("store"));
    let (world, _writer) = sealed(Arc::new(fs.clone()), root);
    let table = Sealed::first(&fs, root);
    for index in [0, 3] {
        for offset in table.elsewhere().into_iter().step_by(13) {
            table.set(index, offset);
            reads_right(world.read().unwrap().reader(), index as u64 + 1);
        }
        table.set(index, table.entries[index]);
    }
}

#[test]
fn a_damaged_event_is_told_of_alike_however_its_table_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let (world, writer) = sealed(Arc::new(RealFs), &root);
    drop(writer);
    let table = Sealed::first(&RealFs, &root);
    for (index, within) in [(0, 9), (3, 0), (3, 20), (6, 4), (6, 9)] {
        let at = u64::from(table.entries[index]) + within;
        let mut byte = [0];
        table.file.read_exact_at(&mut byte, at).unwrap();
        for entry in [table.entries[index], 0, table.entries[index + 2], u32::MAX] {
            table.file.write_at(&[byte[0] ^ 4], at).unwrap();
            table.set(index, entry);
            // Neither knows the table yet.
            let (mapped, whole) = (world.write(BUFFERED).unwrap(), world.read_beside().unwrap());
            let position = Position::new(index as u64 + 1);
            let told = mapped.log.reader().event(position).unwrap_err().to_string();
            assert_eq!(told, whole.reader().event(position).unwrap_err().to_string());
            assert!(told.contains(&format!("{position}")), "{told}");
            let neighbour = Position::new(index as u64 + 9);
            assert_right(&mapped.log.reader().event(neighbour).unwrap().unwrap());
        }
        table.file.write_at(&byte, at).unwrap();
        table.set(index, table.entries[index]);
    }
}
