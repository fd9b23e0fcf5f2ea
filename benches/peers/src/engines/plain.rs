//! The limit: plain files of checksummed frames. One `write` a call, one `fdatasync` a group; reads
//! of streams from a memory map, with a table in memory of where each event lies; reads of all with
//! positional reads of a megabyte. No index on disk, no expected version, no recovery. Each frame's
//! checksum is verified whenever it is read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use annals::Durability;
use annals_benches::limit::{Frame, GroupFile, PlainFile, PlainReader, take_frame};
use memmap2::Mmap;

use crate::engine::{Append, Each, Engine, Kind, Seen, Task};

/// Plain files.
pub const KIND: Kind = Kind {
    name: "limit",
    open: |folder, settings| Box::new(Plain::create(folder, settings.durability)),
    cannot: &[(Task::Pipeline, "is its groups of 64"), (Task::Tags, "is read at known places")],
};

/// The name of the file in its folder.
const FILE: &str = "plain";

/// A file that is written, and then read.
#[derive(Debug)]
pub struct Plain {
    path: PathBuf,
    writer: Writer,
    written: OnceLock<Written>,
}

#[derive(Debug)]
enum Writer {
    Buffered(Mutex<PlainFile>),
    Sync(GroupFile),
}

/// The file as it is once it is written.
#[derive(Debug)]
struct Written {
    reader: PlainReader,
    map: Mmap,
    /// Where each event lies.
    starts: Vec<usize>,
    /// The same for those of each stream.
    streams: HashMap<String, Vec<usize>>,
}

impl Plain {
    /// A new file in a folder.
    #[must_use]
    pub fn create(folder: &Path, durability: Durability) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(FILE);
        let writer = match durability {
            Durability::Buffered => Writer::Buffered(Mutex::new(PlainFile::create(&path))),
            Durability::Sync => Writer::Sync(GroupFile::create(&path)),
        };
        Self { path, writer, written: OnceLock::new() }
    }

    /// Gives the events at these positions, which a table in memory would know.
    pub fn at(&self, positions: &[u64], each: Each<'_>) {
        let written = self.written();
        for &position in positions {
            written.at(written.starts[position as usize - 1], each);
        }
    }

    fn written(&self) -> &Written {
        self.written.get_or_init(|| Written::open(&self.path))
    }
}

impl Engine for Plain {
    fn append(&self, append: Append<'_>) {
        let Append { stream, version, events } = append;
        match &self.writer {
            Writer::Buffered(file) => file.lock().unwrap().append(stream, version, events),
            Writer::Sync(file) => {
                thread_local!(static BUFFER: RefCell<Vec<u8>> = RefCell::default());
                BUFFER.with_borrow_mut(|buffer| file.append(buffer, stream, version, events));
            }
        }
    }

    fn settle(&self) {
        self.written();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        let written = self.written();
        for &start in written.streams.get(name).into_iter().flatten().skip(from as usize - 1) {
            written.at(start, each);
        }
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let written = self.written();
        if let Some(&start) = written.streams.get(name).and_then(|starts| starts.last()) {
            written.at(start, each);
        }
    }

    fn scan(&self, each: Each<'_>) {
        self.written().reader.scan(&mut |frame| each(seen(&frame)));
    }
}

impl Written {
    fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        #[expect(unsafe_code, reason = "nothing changes the file as long as it is mapped")]
        // SAFETY: it is written, and nobody else knows of it.
        let map = unsafe { Mmap::map(&file) }.unwrap();
        let (mut starts, mut streams) = (Vec::new(), HashMap::<String, Vec<usize>>::new());
        let mut at = 0;
        while let Some((frame, length)) = take_frame(&map[at..]) {
            let name = str::from_utf8(frame.stream).unwrap();
            match streams.get_mut(name) {
                Some(starts) => starts.push(at),
                None => drop(streams.insert(name.to_owned(), vec![at])),
            }
            starts.push(at);
            at += length;
        }
        Self { reader: PlainReader::open(path), map, starts, streams }
    }

    fn at(&self, start: usize, each: Each<'_>) {
        each(seen(&take_frame(&self.map[start..]).unwrap().0));
    }
}

/// Goes through the file in a folder once, as whoever opens it without an index must; gives how many
/// events there are.
#[must_use]
pub fn open_by_scan(folder: &Path) -> u64 {
    PlainReader::open(&folder.join(FILE)).events()
}

fn seen<'a>(frame: &Frame<'a>) -> Seen<'a> {
    let Frame { version, event_type, metadata, data, .. } = *frame;
    Seen { version, event_type, metadata, data }
}
