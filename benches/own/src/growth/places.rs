//! The limit of reading: the bytes of the events, where they lie, from the store's own files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Bytes in front of a segment's first frame.
const FRAMES_START: u64 = 4096;

/// Where events lie. The frames of the workload have all the same length, so that this follows from
/// their number in the segment; a few control records between them do not matter.
#[derive(Debug)]
pub struct Places {
    /// The first position of each segment, and its file.
    segments: Vec<(u64, File)>,
    frame_bytes: u64,
}

impl Places {
    /// Those of the store in `store`, with frames so long.
    #[must_use]
    pub fn new(store: &Path, frame_bytes: u64) -> Self {
        let mut segments: Vec<_> = files(&store.join("log"))
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
                Some((name.split('-').next()?.parse().ok()?, File::open(&path).unwrap()))
            })
            .collect();
        segments.sort_by_key(|(first, _)| *first);
        Self { segments, frame_bytes }
    }

    /// Reads the bytes of the events at these positions, and sums each.
    pub fn read(&self, positions: &[u64]) {
        let mut bytes = vec![0; self.frame_bytes as usize];
        let mut sum = 0;
        for &position in positions {
            let behind = self.segments.partition_point(|(first, _)| *first <= position);
            let (first, file) = &self.segments[behind.saturating_sub(1)];
            let offset = FRAMES_START + position.saturating_sub(*first) * self.frame_bytes;
            file.read_exact_at(&mut bytes, offset).unwrap();
            sum ^= crc32fast::hash(&bytes);
        }
        std::hint::black_box(sum);
    }

    /// Reads all of the files in their order, and sums what would be an event each.
    pub fn scan(&self) {
        let mut bytes = vec![0; PIECE_BYTES];
        let mut sum = 0;
        for (_, file) in &self.segments {
            for at in (0..).step_by(PIECE_BYTES) {
                let read = file.read_at(&mut bytes, at).unwrap();
                if read == 0 {
                    break;
                }
                let frames = bytes[..read].chunks(self.frame_bytes as usize);
                sum ^= frames.map(crc32fast::hash).fold(0, |sum, next| sum ^ next);
            }
        }
        std::hint::black_box(sum);
    }
}

/// What [`Places::scan`] reads at once.
const PIECE_BYTES: usize = 1 << 20;

/// Has the system forget what it holds of the store's files. Nobody has the store open.
pub fn forget(store: &Path) {
    for path in files(store) {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

/// Bytes of all files in a folder and below.
#[must_use]
pub fn bytes(folder: &Path) -> u64 {
    files(folder).map(|path| path.metadata().unwrap().len()).sum()
}

fn files(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    for folder in folders {
        files.extend(self::files(&folder));
    }
    files.into_iter()
}
