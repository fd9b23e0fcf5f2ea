//! Writing the plain file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use annals::NewEvent;

use super::put_frames;

/// A file that one thread writes, with one `write` a call and no sync.
#[derive(Debug)]
pub struct PlainFile {
    file: File,
    buffer: Vec<u8>,
}

impl PlainFile {
    /// A new file.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        Self { file: File::create_new(path).unwrap(), buffer: Vec::new() }
    }

    /// Appends the events of a call.
    pub fn append(&mut self, stream: &str, version: u64, events: &[NewEvent]) {
        self.buffer.clear();
        put_frames(&mut self.buffer, stream, version, events);
        self.file.write_all(&self.buffer).unwrap();
    }
}

/// A file that many threads write, durably: whoever finds nobody at it writes what all have brought
/// and syncs once. One thread alone syncs each call.
#[derive(Debug)]
pub struct GroupFile {
    file: File,
    group: Mutex<Group>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Group {
    pending: Vec<u8>,
    spare: Vec<u8>,
    /// The number of the group that gathers.
    gathering: u64,
    /// Groups below this are on disk.
    durable: u64,
    leading: bool,
}

impl GroupFile {
    /// A new file.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        let file = File::create_new(path).unwrap();
        Self { file, group: Mutex::default(), changed: Condvar::new() }
    }

    /// Appends the events of a call and returns once they are on disk. `buffer` is the thread's own.
    pub fn append(&self, buffer: &mut Vec<u8>, stream: &str, version: u64, events: &[NewEvent]) {
        buffer.clear();
        put_frames(buffer, stream, version, events);
        let mut group = self.group.lock().unwrap();
        group.pending.extend_from_slice(buffer);
        let mine = group.gathering;
        while group.durable <= mine {
            if group.leading {
                group = self.changed.wait(group).unwrap();
                continue;
            }
            group.leading = true;
            group.gathering += 1;
            let (spare, durable) = (std::mem::take(&mut group.spare), group.gathering);
            let mut bytes = std::mem::replace(&mut group.pending, spare);
            drop(group);
            (&self.file).write_all(&bytes).unwrap();
            self.file.sync_data().unwrap();
            bytes.clear();
            group = self.group.lock().unwrap();
            group.leading = false;
            group.durable = durable;
            group.spare = bytes;
            self.changed.notify_all();
        }
    }
}
