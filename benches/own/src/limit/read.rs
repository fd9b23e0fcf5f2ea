//! Reading the plain file.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memmap2::Mmap;

use super::{Frame, take_frame};

/// Bytes read at once by whoever goes through the file.
const PIECE_BYTES: usize = 1 << 20;

/// The file, and where in it each event lies. Who goes through it reads it piece by piece; single
/// events are read where they lie in a memory map.
#[derive(Debug)]
pub struct PlainReader {
    file: File,
    map: Mmap,
    spans: Vec<Span>,
    streams: HashMap<String, Vec<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    length: usize,
}

impl PlainReader {
    /// Opens a file and goes through it once for the table.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let (mut spans, mut streams) = (Vec::new(), HashMap::<String, Vec<u64>>::new());
        go_through(&file, &mut |frame, span| {
            spans.push(span);
            let name = str::from_utf8(frame.stream).unwrap();
            match streams.get_mut(name) {
                Some(starts) => starts.push(span.start),
                None => drop(streams.insert(name.to_owned(), vec![span.start])),
            }
        });
        #[expect(unsafe_code, reason = "nothing changes the file as long as it is mapped")]
        // SAFETY: it is written, and nobody else knows of it.
        let map = unsafe { Mmap::map(&file) }.unwrap();
        Self { file, map, spans, streams }
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.spans.len() as u64
    }

    /// All events, in order.
    pub fn scan(&self, each: &mut dyn FnMut(Frame<'_>)) {
        go_through(&self.file, &mut |frame, _| each(frame));
    }

    /// All events, newest first.
    pub fn scan_back(&self, each: &mut dyn FnMut(Frame<'_>)) {
        let mut piece = Vec::new();
        let mut left = &self.spans[..];
        while let Some(last) = left.last() {
            let end = last.start + last.length as u64;
            let first = left.partition_point(|span| span.start + (PIECE_BYTES as u64) < end);
            let first = first.min(left.len() - 1);
            let base = left[first].start;
            piece.resize((end - base) as usize, 0);
            self.file.read_exact_at(&mut piece, base).unwrap();
            for span in left[first..].iter().rev() {
                each(take_frame(&piece[(span.start - base) as usize..]).unwrap().0);
            }
            left = &left[..first];
        }
    }

    /// The events at these positions (1, 2, 3 …).
    pub fn at(&self, positions: &[u64], each: &mut dyn FnMut(Frame<'_>)) {
        for &position in positions {
            each(self.frame(self.spans[position as usize - 1].start));
        }
    }

    /// The events of a stream, in order, from the version behind `version` on.
    pub fn stream(&self, name: &str, version: u64, each: &mut dyn FnMut(Frame<'_>)) {
        let starts = self.streams.get(name).map(Vec::as_slice).unwrap_or_default();
        for &start in &starts[version as usize..] {
            each(self.frame(start));
        }
    }

    /// The last event of a stream.
    pub fn last(&self, name: &str, each: &mut dyn FnMut(Frame<'_>)) {
        if let Some(&start) = self.streams.get(name).and_then(|starts| starts.last()) {
            each(self.frame(start));
        }
    }

    fn frame(&self, start: u64) -> Frame<'_> {
        take_frame(&self.map[start as usize..]).unwrap().0
    }
}

fn go_through(file: &File, each: &mut dyn FnMut(Frame<'_>, Span)) {
    let mut piece = vec![0; PIECE_BYTES];
    // The piece holds the file from `base` on, as far as `filled`.
    let (mut base, mut filled) = (0, 0);
    loop {
        let read = file.read_at(&mut piece[filled..], base + filled as u64).unwrap();
        filled += read;
        let mut at = 0;
        while let Some((frame, length)) = take_frame(&piece[at..filled]) {
            each(frame, Span { start: base + at as u64, length });
            at += length;
        }
        piece.copy_within(at..filled, 0);
        base += at as u64;
        filled -= at;
        if read == 0 {
            assert_eq!(filled, 0, "the plain file ends within a frame");
            return;
        }
    }
}
