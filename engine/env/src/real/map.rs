//! Shared maps: an append into space that is there already, and a read of what is there, cost no
//! system call.

#![expect(unsafe_code, reason = "a map is raw memory; this is the one place that touches any")]

use std::fs::File;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::fstatfs;

/// Bytes mapped at once for writing. Before the system writes a page to the disk it tells every
/// processor that may have it mapped as writable, page by page: of a large window, a sync would take
/// longer for that than for the disk.
const WINDOW_BYTES: u64 = 2 << 20;

/// A map for reading has room for the file it is for, and one in so many parts of it more.
const SPARE_PART: u64 = 8;

/// What systems read ahead by themselves, mostly.
const READ_AHEAD_BYTES: usize = 128 << 10;

/// What the processor fetches at once.
const CACHE_LINE_BYTES: usize = 64;

/// File systems that write a block again where it lies (`f_type` of statfs(2)). On others, such as
/// those that copy on write, a store into a page needs new space, and a full disk would be SIGBUS.
const IN_PLACE: [i64; 3] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x0102_1994, // tmpfs
];

/// The pieces of a file that are mapped for writing: the one that is appended to and the next.
#[derive(Debug, Default)]
pub(super) struct WriteMap {
    windows: Vec<Arc<Window>>,
    /// The file is at least so long.
    length: u64,
    /// This file cannot be mapped, or must not be.
    refused: bool,
}

#[derive(Debug)]
pub(super) struct Window {
    base: u64,
    map: MmapRaw,
}

impl WriteMap {
    /// Writes `bytes` at `offset` if they lie within the file and one window; `false` where they
    /// are to be written another way.
    pub(super) fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> bool {
        let base = offset - offset % WINDOW_BYTES;
        let end = offset.saturating_add(bytes.len() as u64);
        if self.refused || end > base.saturating_add(WINDOW_BYTES) || !self.reaches(file, end) {
            return false;
        }
        let Some(window) = self.window(file, base) else { return false };
        let Ok(start) = usize::try_from(offset - base) else { return false };
        // SAFETY: `start + bytes.len()` is at most `WINDOW_BYTES`, the length of the map, and the
        // file reaches to `end`, so every page written to has a part of the file behind it (no one
        // shortens a file: the contract of `File`). No reference to the map's memory is ever made,
        // so the bytes of the argument cannot overlap it; everyone reads the file with read(2).
        unsafe {
            let to = window.map.as_mut_ptr().add(start);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        true
    }

    /// Has the pages of these bytes, as far as the file reaches, made ready to be written.
    pub(super) fn expect(this: &Mutex<Self>, file: &File, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let mut at = offset;
        while at < end {
            let base = at - at % WINDOW_BYTES;
            let to = end.min(base.saturating_add(WINDOW_BYTES));
            let (window, gone) = {
                let mut map = this.lock();
                if map.refused || !map.reaches(file, to) {
                    return;
                }
                let gone = map.forget_before(base.saturating_sub(WINDOW_BYTES));
                (map.window(file, base).map(Arc::clone), gone)
            };
            // Unmapped here, where no append waits for it.
            drop(gone);
            let Some(window) = window else { return };
            let range = (usize::try_from(at - base), usize::try_from(to - at));
            if let (Ok(from), Ok(count)) = range {
                // Older kernels do not know it; the pages then come one by one, as they are written.
                window.map.advise_range(Advice::PopulateWrite, from, count).ok();
            }
            at = to;
        }
    }

    /// Gives what is mapped, to be let go of.
    pub(super) fn end(&mut self) -> Vec<Arc<Window>> {
        std::mem::take(&mut self.windows)
    }

    #[inline]
    fn reaches(&mut self, file: &File, end: u64) -> bool {
        if end > self.length {
            self.length = file.metadata().map_or(0, |metadata| metadata.len());
        }
        end <= self.length
    }

    /// The window at `base`, mapped where it is not.
    #[inline]
    fn window(&mut self, file: &File, base: u64) -> Option<&Arc<Window>> {
        match self.windows.iter().position(|window| window.base == base) {
            Some(known) => self.windows.get(known),
            None => self.new_window(file, base),
        }
    }

    #[cold]
    fn new_window(&mut self, file: &File, base: u64) -> Option<&Arc<Window>> {
        let Some(map) = Self::map(file, base) else {
            self.refused = true;
            return None;
        };
        drop(self.forget_before(base.saturating_sub(2 * WINDOW_BYTES)));
        self.windows.push(Arc::new(Window { base, map }));
        self.windows.last()
    }

    /// Takes out the windows before `base`.
    fn forget_before(&mut self, base: u64) -> Vec<Arc<Window>> {
        self.windows.extract_if(.., |window| window.base < base).collect()
    }

    fn map(file: &File, base: u64) -> Option<MmapRaw> {
        let kind = fstatfs(file).ok()?.f_type;
        #[expect(clippy::useless_conversion, reason = "it is narrower on other machines")]
        let kind = i64::from(kind);
        if !cfg!(target_os = "linux") || !IN_PLACE.contains(&kind) {
            return None;
        }
        let length = usize::try_from(WINDOW_BYTES).ok()?;
        MmapOptions::new().offset(base).len(length).map_raw(file).ok()
    }
}

/// A file, mapped for reading.
#[derive(Debug)]
pub(super) struct ReadMap {
    map: MmapRaw,
    /// So much of the map has the file behind it; never less than before.
    length: AtomicU64,
}

impl ReadMap {
    /// Room for a file of `capacity` bytes and some more, or as long as it is now; `None` where it
    /// cannot be mapped.
    pub(super) fn of(file: &File, capacity: u64) -> Option<Self> {
        // Only addresses; what is put behind a full file is then mapped too.
        let capacity = capacity.saturating_add(capacity / SPARE_PART);
        let length = usize::try_from(capacity.max(file.metadata().ok()?.len())).ok()?;
        let map = MmapOptions::new().len(length).map_raw_read_only(file).ok()?;
        // A read of one event must not have the system fetch what lies around it. Where it does not
        // listen, reads are as right as before.
        map.advise(Advice::Random).ok();
        Some(Self { map, length: AtomicU64::new(0) })
    }

    /// Has the system fetch these bytes from disk, where they are not in memory, and does not wait.
    pub(super) fn read_ahead(&self, offset: u64, length: u64) {
        let end = offset.saturating_add(length).min(self.length.load(Ordering::Acquire));
        // One call fetches at most what the system reads ahead by itself, and drops the rest.
        for at in (offset..end).step_by(READ_AHEAD_BYTES) {
            let length = (end - at).min(READ_AHEAD_BYTES as u64);
            let (Ok(at), Ok(length)) = (usize::try_from(at), usize::try_from(length)) else {
                return;
            };
            self.map.advise_range(Advice::WillNeed, at, length).ok();
        }
    }

    /// The file has become longer.
    pub(super) fn grown(&self, file: &File) {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        self.length.fetch_max(length.min(self.map.len() as u64), Ordering::Release);
    }

    /// Copies the bytes at `offset`; `false` where not all of them are in the map.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> bool {
        let end = offset.saturating_add(buf.len() as u64);
        if end > self.length.load(Ordering::Acquire) {
            return false;
        }
        let Ok(start) = usize::try_from(offset) else { return false };
        // SAFETY: `start + buf.len()` is at most `length`, which is within the map, and the file has
        // that much and is not shortened (the contract of `map_reads`). No reference to the map's
        // memory is ever made, so the bytes of `buf` cannot overlap it; what others write there
        // meanwhile comes out as it may, as from read(2).
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.map.as_ptr().add(start),
                buf.as_mut_ptr(),
                buf.len(),
            );
        }
        true
    }

    /// Has the processor fetch these bytes, where it can be told to.
    pub(super) fn prefetch(&self, offset: u64, length: usize) {
        let Ok(start) = usize::try_from(offset) else { return };
        let end = start.saturating_add(length).min(self.map.len());
        for at in (start..end).step_by(CACHE_LINE_BYTES) {
            fetch(self.map.as_ptr().wrapping_add(at));
        }
    }
}

/// Has the processor fetch what lies there, where it can be told to.
#[inline]
pub fn prefetch<T>(what: &T) {
    fetch(std::ptr::from_ref(what).cast());
}

#[inline]
fn fetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads nothing that anybody sees, and does nothing where there is
        // nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
