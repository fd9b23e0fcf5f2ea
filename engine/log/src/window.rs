//! A piece of a segment in memory, moved along as a reader goes.

use std::io;
use std::sync::Arc;

use annals_env::File;

use crate::read_ahead::ReadAhead;
use crate::slice::Slice;

/// How a reader moves through a file, and so how much to fetch around what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stride {
    /// Bytes to fetch at once.
    chunk: usize,
    /// Of these, bytes in front of what is asked for.
    lead: u64,
}

impl Stride {
    /// From the front to the back.
    pub(crate) const FORWARD: Self = Self { chunk: 64 << 10, lead: 0 };
    /// The same in a file that is mapped: what the nearest cache of a processor keeps.
    pub(crate) const FORWARD_MAPPED: Self = Self { chunk: 4 << 10, lead: 0 };
    /// Behind a writer: mostly a few frames, and each time anew.
    pub(crate) const FOLLOWING: Self = Self { chunk: 16 << 10, lead: 0 };
    /// One event here, one there; the lead mostly holds the header of a one-event commit.
    pub(crate) const RANDOM: Self = Self { chunk: 1024, lead: 192 };
    /// The same in a file that is mapped: no more than most events have.
    pub(crate) const MAPPED: Self = Self { chunk: 512, lead: 128 };

    /// What is fetched for a record at `offset`: begin and length.
    pub(crate) fn around(self, offset: u64) -> (u64, usize) {
        (offset.saturating_sub(self.lead), self.chunk)
    }

    /// What to fetch next in a row, behind this. Ever more: it may be a short one.
    fn along(self, row: Row, most: usize) -> Self {
        let chunk = (self.chunk * 4).min(most);
        match row {
            Row::Forward => Self { chunk, lead: Self::RANDOM.lead },
            // What is asked for comes last; most of it is within the rest.
            Row::Backward => Self { chunk, lead: chunk as u64 - Self::RANDOM.chunk as u64 / 2 },
        }
    }
}

/// Neighbours that are read one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Forward,
    Backward,
}

/// Bytes of one file from `base` on.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn File>,
    stride: Stride,
    /// The row that is read, and what was fetched last for it.
    row: Option<Row>,
    fetched: Stride,
    base: u64,
    /// So much of the piece holds bytes of the file.
    filled: usize,
    piece: Arc<Vec<u8>>,
    /// The piece before.
    spare: Arc<Vec<u8>>,
    ahead: ReadAhead,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn File>, stride: Stride) -> Self {
        let nothing = Arc::new(Vec::new());
        let spare = Arc::clone(&nothing);
        let (row, fetched) = (None, stride);
        let ahead = ReadAhead::default();
        Self { file, stride, row, fetched, base: 0, filled: 0, piece: nothing, spare, ahead }
    }

    /// How to go through the file from the front to the back.
    pub(crate) fn forward(file: &dyn File) -> Stride {
        if file.is_mapped() { Stride::FORWARD_MAPPED } else { Stride::FORWARD }
    }

    /// What comes next is one of a row, or nobody knows.
    #[inline]
    pub(crate) fn expect(&mut self, row: Option<Row>) {
        self.row = row;
    }

    /// The `length` bytes at `offset`, or those that are there before the file ends.
    #[inline]
    pub(crate) fn peek(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let start = self.hold(offset, length)?;
        let held = self.held(start);
        Ok(held.get(..length).unwrap_or(held))
    }

    /// As [`Window::peek`]; what is handed out stays valid when the window moves on.
    #[inline]
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> io::Result<Slice> {
        let start = self.hold(offset, length)?;
        Ok(self.share(start, length.min(self.held(start).len())))
    }

    /// Has the `length` bytes at `offset` in the piece, or those that are there before the file ends,
    /// and says where in it they begin.
    #[inline]
    pub(crate) fn hold(&mut self, offset: u64, length: usize) -> io::Result<usize> {
        let start = offset.wrapping_sub(self.base);
        // What lies before the piece is far beyond it so.
        if start.saturating_add(length as u64) <= self.filled as u64 {
            return Ok(usize::try_from(start).unwrap_or(usize::MAX));
        }
        self.fetch(offset, length)?;
        Ok(usize::try_from(offset - self.base).unwrap_or(usize::MAX))
    }

    /// What the piece has from there on, until something else is held.
    #[inline]
    pub(crate) fn held(&self, start: usize) -> &[u8] {
        self.piece.get(start..self.filled).unwrap_or_default()
    }

    /// So many bytes of it, for longer than the window stays.
    #[inline]
    pub(crate) fn share(&self, start: usize, length: usize) -> Slice {
        Slice::of(&self.piece, start..start.saturating_add(length))
    }

    #[inline(never)]
    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<()> {
        // A length is a claim of the file until its checksum is proven: never reserve beyond what
        // the file has.
        let most = Self::forward(&*self.file).chunk;
        self.fetched = self.row.map_or(self.stride, |row| self.fetched.along(row, most));
        let lead = self.fetched.lead.min(offset);
        let base = offset - lead;
        let wanted = usize::try_from(lead).unwrap_or(0).saturating_add(length);
        let mut size = self.fetched.chunk;
        if wanted > size && wanted <= Stride::FORWARD.chunk {
            size = wanted.next_power_of_two();
        } else if wanted > size {
            let left = self.file.len()?.saturating_sub(base);
            size = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let held = self.base..self.base + self.filled as u64;
        self.ahead.next(&*self.file, &held, &(base..base + size as u64));
        self.filled = 0;
        self.make_room(size);
        let Some(piece) = Arc::get_mut(&mut self.piece) else { return Ok(()) };
        self.filled = self.file.read_at(piece, base)?;
        self.base = base;
        Ok(())
    }

    /// A piece of so many bytes that nobody looks at. Mostly the one held now is still in use, by the
    /// event handed out last, and the one before is free again. Of exactly so many: who keeps an event
    /// must not keep a large piece for it that was needed before.
    fn make_room(&mut self, size: usize) {
        let fits = |piece: &Arc<Vec<u8>>| Arc::strong_count(piece) == 1 && piece.len() == size;
        if !fits(&self.piece) {
            std::mem::swap(&mut self.piece, &mut self.spare);
            if !fits(&self.piece) {
                self.piece = Arc::new(vec![0; size]);
            }
        }
    }

    /// Drops what is held, so that the next read sees the file anew.
    pub(crate) fn forget(&mut self) {
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use annals_env::{Fs, MemoryFs};

    use super::*;

    /// Bytes that a slice keeps in memory.
    fn kept(slice: &Slice) -> usize {
        slice.piece_bytes()
    }

    fn file() -> Arc<dyn File> {
        let file = MemoryFs::new().create(Path::new("file")).unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        file.write_at(&bytes, 0).unwrap();
        file
    }

    #[test]
    fn what_is_kept_of_a_piece_is_bounded() {
        for (stride, most) in [(Stride::RANDOM, 1024), (Stride::MAPPED, 512)] {
            let mut window = Window::new(file(), stride);
            // One alone, one behind a larger one, and one in a row.
            assert_eq!(kept(&window.get(5_000, 300).unwrap()), most);
            assert!(kept(&window.get(50_000, 200_000).unwrap()) <= 200_192);
            assert_eq!(kept(&window.get(500, 300).unwrap()), most);
            window.expect(Some(Row::Forward));
            for at in (1_000..900_000).step_by(300) {
                let slice = window.get(at, 300).unwrap();
                assert!(kept(&slice) <= 64 << 10, "{}", kept(&slice));
                assert_eq!(slice[0], (at % 251) as u8);
            }
            window.expect(None);
            assert_eq!(kept(&window.get(5_000, 300).unwrap()), most);
        }
    }

    #[test]
    fn what_was_handed_out_stays_as_it_is() {
        let mut window = Window::new(file(), Stride::RANDOM);
        let places: Vec<u64> = (0..100).map(|n| n * 7919 % 900_000).collect();
        let slices: Vec<Slice> = places.iter().map(|&at| window.get(at, 300).unwrap()).collect();
        for (at, slice) in places.iter().zip(slices) {
            let wanted = (*at..at + 300).map(|n| (n % 251) as u8);
            assert!(slice.iter().copied().eq(wanted));
        }
    }
}
