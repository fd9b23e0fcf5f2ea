//! Telling the system what a reader comes to, so that it fetches it from disk meanwhile. Who reads here
//! and there costs it nothing more than what is asked for.

use std::ops::Range;

use annals_env::File;

/// Pieces so large, one beside the other, are read by who goes on like this.
const ROW_BYTES: u64 = 4 << 10;
/// A piece so large is worth telling of by itself.
const LARGE_BYTES: u64 = 32 << 10;
/// Most bytes told of at once.
const STEP_BYTES_MAX: u64 = 1 << 20;

/// How far ahead of one reader the system was told to fetch.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// It was told of these bytes.
    told: Range<u64>,
    /// Bytes told of last: ever more, as it may be a short way.
    step: u64,
}

impl ReadAhead {
    /// The piece `next` of `file` is fetched now, `held` was before.
    #[inline]
    pub(crate) fn next(&mut self, file: &dyn File, held: &Range<u64>, next: &Range<u64>) {
        if next.end - next.start >= ROW_BYTES {
            self.go(file, held, next);
        }
    }

    fn go(&mut self, file: &dyn File, held: &Range<u64>, next: &Range<u64>) {
        let is_forward = (held.start..=held.end).contains(&next.start);
        let is_backward = (next.start..=next.end).contains(&held.start);
        if held.is_empty() || !(is_forward || is_backward) {
            *self = Self::default();
            let length = next.end - next.start;
            if length >= LARGE_BYTES {
                file.read_ahead(next.start, length);
            }
            return;
        }
        if !self.told.contains(&next.start) {
            *self = Self { told: next.clone(), step: ROW_BYTES };
        }
        // Told of anew when half of the last is passed.
        let half = self.step / 2;
        if is_forward && next.end + half >= self.told.end {
            self.step = (self.step * 2).min(STEP_BYTES_MAX);
            file.read_ahead(self.told.end, self.step);
            self.told.end += self.step;
        } else if is_backward && next.start <= self.told.start + half {
            self.step = (self.step * 2).min(STEP_BYTES_MAX).min(self.told.start);
            self.told.start -= self.step;
            file.read_ahead(self.told.start, self.step);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use annals_env::sync::Mutex;

    use super::*;

    /// Notes what it is told of.
    #[derive(Debug, Default)]
    struct Noted(Mutex<Vec<Range<u64>>>);

    impl File for Noted {
        fn len(&self) -> io::Result<u64> {
            Ok(u64::MAX)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }

        fn read_ahead(&self, offset: u64, length: u64) {
            self.0.lock().push(offset..offset + length);
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is told of while these pieces are read.
    fn told(pieces: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
        let (file, mut ahead, mut held) = (Noted::default(), ReadAhead::default(), 0..0);
        for piece in pieces {
            ahead.next(&file, &held, &piece);
            held = piece;
        }
        file.0.lock().clone()
    }

    #[test]
    fn a_row_is_told_of_once_and_before_it_is_read() {
        let pieces = (0..1_000).map(|n| n * ROW_BYTES..(n + 1) * ROW_BYTES);
        let forward = told(pieces.clone());
        assert!(forward.windows(2).all(|pair| pair[0].end == pair[1].start), "{forward:?}");
        assert_eq!(forward[0], 2 * ROW_BYTES..4 * ROW_BYTES, "little at first");
        let end = forward.last().map_or(0, |last| last.end);
        assert!((1_000 * ROW_BYTES..=1_000 * ROW_BYTES + 2 * STEP_BYTES_MAX).contains(&end));
        assert!((forward.len() as u64) < 1_000 * ROW_BYTES / STEP_BYTES_MAX + 10);
        let backward = told(pieces.rev());
        assert!(backward.windows(2).all(|pair| pair[1].end == pair[0].start), "{backward:?}");
        assert_eq!(backward[0].end, 998 * ROW_BYTES);
        assert_eq!(backward.last().map(|last| last.start), Some(0));
    }

    #[test]
    fn of_what_is_read_here_and_there_only_large_pieces_are_told_of() {
        assert_eq!(told((0..100).map(|n| n * 512..(n + 1) * 512)), []);
        assert_eq!(told((0..100).map(|n| n * 999_999..n * 999_999 + ROW_BYTES)), []);
        let large = (1..100).map(|n| n * 999_999..n * 999_999 + LARGE_BYTES);
        assert_eq!(told(large.clone()), large.collect::<Vec<_>>());
    }
}
