//! A piece of a segment in memory, moved along as a reader goes.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use annals_env::File;
use annals_types::Bytes;
use bytes::BytesMut;

/// How a reader moves through a file, and so how much to fetch around what it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stride {
    /// Bytes to fetch at once.
    chunk: usize,
    /// Of these, bytes in front of what is asked for.
    lead: u64,
}

impl Stride {
    /// From the front to the back.
    pub(crate) const FORWARD: Self = Self { chunk: 128 << 10, lead: 0 };
    /// From the back to the front.
    pub(crate) const BACKWARD: Self = Self { chunk: 128 << 10, lead: 120 << 10 };
    /// Behind a writer: mostly a few frames, and each time anew.
    pub(crate) const FOLLOWING: Self = Self { chunk: 16 << 10, lead: 0 };
    /// One event here, one there; the lead mostly holds the header of a one-event commit.
    pub(crate) const RANDOM: Self = Self { chunk: 1024, lead: 192 };
    /// The same in a file that is mapped: no more than most events have.
    pub(crate) const MAPPED: Self = Self { chunk: 512, lead: 128 };
}

impl Stride {
    /// What is fetched for a record at `offset`: begin and length.
    pub(crate) fn around(self, offset: u64) -> (u64, usize) {
        (offset.saturating_sub(self.lead), self.chunk)
    }
}

/// Bytes of one file from `base` on.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn File>,
    stride: Stride,
    base: u64,
    bytes: Bytes,
    /// What was held before.
    spare: Bytes,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn File>, stride: Stride) -> Self {
        Self { file, stride, base: 0, bytes: Bytes::new(), spare: Bytes::new() }
    }

    /// The `length` bytes at `offset`, or those that are there before the file ends.
    #[inline]
    pub(crate) fn peek(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let range = self.range(offset, length)?;
        Ok(self.bytes.get(range).unwrap_or_default())
    }

    /// As [`Window::peek`]; what is handed out stays valid when the window moves on.
    #[inline]
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let range = self.range(offset, length)?;
        Ok(self.bytes.slice(range))
    }

    #[inline]
    fn range(&mut self, offset: u64, length: usize) -> io::Result<Range<usize>> {
        if let Some(range) = self.held(offset, length) {
            return Ok(range);
        }
        self.fetch(offset, length)?;
        let start = usize::try_from(offset - self.base).unwrap_or(usize::MAX);
        let start = start.min(self.bytes.len());
        Ok(start..start.saturating_add(length).min(self.bytes.len()))
    }

    #[inline]
    fn held(&self, offset: u64, length: usize) -> Option<Range<usize>> {
        let start = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        let end = start.checked_add(length)?;
        (end <= self.bytes.len()).then_some(start..end)
    }

    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<()> {
        // A length is a claim of the file until its checksum is proven: never reserve beyond what
        // the file has.
        let lead = self.stride.lead.min(offset);
        let base = offset - lead;
        let wanted = usize::try_from(lead).unwrap_or(0).saturating_add(length);
        let size = wanted.max(self.stride.chunk);
        let size = if size > self.stride.chunk {
            let left = self.file.len()?.saturating_sub(base);
            size.min(usize::try_from(left).unwrap_or(usize::MAX))
        } else {
            size
        };
        let mut buffer = self.buffer();
        buffer.resize(size, 0);
        let read = self.file.read_at(&mut buffer, base)?;
        buffer.truncate(read);
        self.base = base;
        self.bytes = buffer.freeze();
        Ok(())
    }

    /// A buffer that nobody looks at any more. Mostly the one held now is still in use, by the event
    /// handed out last, and the one before is free again.
    fn buffer(&mut self) -> BytesMut {
        let held = std::mem::take(&mut self.bytes);
        let spare = std::mem::take(&mut self.spare);
        match (held.try_into_mut(), spare.try_into_mut()) {
            (Ok(held), _) => held,
            (Err(held), spare) => {
                self.spare = held;
                spare.unwrap_or_default()
            }
        }
    }

    /// Drops what is held, so that the next read sees the file anew.
    pub(crate) fn forget(&mut self) {
        self.bytes = Bytes::new();
    }
}
