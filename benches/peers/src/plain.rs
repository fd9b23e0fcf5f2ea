//! The limit: a plain file of checksummed frames in a memory map, and in memory where in it the
//! events of each stream lie.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use annals_benches::limit::{PlainFile, take_frame};
use memmap2::Mmap;

use crate::account::{Account, Entry};
use crate::history::History;

/// The file, read through a map.
#[derive(Debug)]
pub struct Plain {
    map: Mmap,
    streams: HashMap<String, Vec<usize>>,
}

impl Plain {
    /// Writes the history to a new file in `folder`.
    #[must_use]
    pub fn new(folder: &Path, history: &History) -> Self {
        let path = folder.join("plain");
        let mut file = PlainFile::create(&path);
        let (mut streams, mut at) = (HashMap::<String, Vec<usize>>::new(), 0);
        for written in history.events() {
            let event = std::slice::from_ref(written.event);
            file.append(written.stream, written.version - 1, event);
        }
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        #[expect(unsafe_code, reason = "nothing changes the file as long as it is mapped")]
        // SAFETY: it is written, and nobody else knows of it.
        let map = unsafe { Mmap::map(&file) }.unwrap();
        while let Some((frame, length)) = take_frame(&map[at..]) {
            let name = str::from_utf8(frame.stream).unwrap();
            match streams.get_mut(name) {
                Some(starts) => starts.push(at),
                None => drop(streams.insert(name.to_owned(), vec![at])),
            }
            at += length;
        }
        Self { map, streams }
    }

    /// The account, from its events: each frame's checksum is verified.
    #[must_use]
    pub fn load(&self, stream: &str) -> Account {
        let mut account = Account::default();
        for &start in self.streams.get(stream).into_iter().flatten() {
            let (frame, _) = take_frame(&self.map[start..]).unwrap();
            account.post(Entry::decode(frame.event_type, frame.data));
        }
        account
    }
}
