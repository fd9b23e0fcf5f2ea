//! The bytes of a file in memory.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

/// A file grows by so many bytes without copying what it has.
const PAGE_BYTES: usize = 16 << 10;
/// The longest file in memory (64 GiB), so that one wild offset does not eat the machine.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 30;

type Page = [u8; PAGE_BYTES];
static ZEROS: Page = [0; PAGE_BYTES];

/// A sparse byte array. A clone shares the pages until one of the two writes to them.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    len: u64,
    /// What is missing is zeros, and so is what lies beyond `len`.
    pages: Vec<Option<Arc<Page>>>,
}

impl Pages {
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Reads what there is from `offset` on, at most `buf.len()` bytes.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buf.len().min(there);
        let (mut rest, _) = buf.split_at_mut(count);
        let mut at = offset;
        while !rest.is_empty() {
            let (index, start) = place(at);
            let (now, later) = rest.split_at_mut(rest.len().min(PAGE_BYTES - start));
            let page = self.pages.get(index).and_then(Option::as_deref).unwrap_or(&ZEROS);
            if let Some(part) = page.get(start..start + now.len()) {
                now.copy_from_slice(part);
            }
            at += now.len() as u64;
            rest = later;
        }
        count
    }

    /// Writes all of `bytes`, growing where needed.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if end > self.len {
            self.set_len(end);
        }
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let (index, start) = place(at);
            let (now, later) = rest.split_at(rest.len().min(PAGE_BYTES - start));
            if let Some(slot) = self.pages.get_mut(index) {
                // Zeros in a hole need no page: space that is zeroed ahead costs nothing.
                if slot.is_some() || ZEROS.get(..now.len()) != Some(now) {
                    let page = Arc::make_mut(slot.get_or_insert_with(|| Arc::new(ZEROS)));
                    if let Some(part) = page.get_mut(start..start + now.len()) {
                        part.copy_from_slice(now);
                    }
                }
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Cuts, or grows with zeros. At most [`FILE_BYTES_MAX`].
    pub(crate) fn set_len(&mut self, len: u64) {
        let len = len.min(FILE_BYTES_MAX);
        let (whole, rest) = place(len);
        self.pages.resize(whole + usize::from(rest > 0), None);
        if len < self.len
            && let Some(Some(page)) = self.pages.get_mut(whole)
            && let Some(tail) = Arc::make_mut(page).get_mut(rest..)
        {
            tail.fill(0);
        }
        self.len = len;
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        self.read(&mut bytes, 0);
        bytes
    }
}

impl Hash for Pages {
    /// The same for a page of zeros and for a missing one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        for (index, page) in self.pages.iter().enumerate() {
            if let Some(page) = page.as_deref().filter(|page| **page != ZEROS) {
                index.hash(state);
                page.hash(state);
            }
        }
    }
}

/// The page of an offset, and the place in it.
fn place(offset: u64) -> (usize, usize) {
    let page = PAGE_BYTES as u64;
    let index = usize::try_from(offset / page).unwrap_or(usize::MAX);
    (index, usize::try_from(offset % page).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn hash(pages: &Pages) -> u64 {
        let mut hasher = DefaultHasher::new();
        pages.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn a_cut_leaves_no_old_bytes_behind() {
        let mut pages = Pages::default();
        pages.write(&[7; 3 * PAGE_BYTES], 5).unwrap();
        pages.set_len(PAGE_BYTES as u64 + 3);
        pages.set_len(3 * PAGE_BYTES as u64);
        let bytes = pages.to_vec();
        assert_eq!(bytes.len(), 3 * PAGE_BYTES);
        assert!(bytes[5..PAGE_BYTES + 3].iter().all(|byte| *byte == 7));
        assert!(bytes[PAGE_BYTES + 3..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_clone_keeps_what_it_saw() {
        let mut pages = Pages::default();
        pages.write(b"before", 0).unwrap();
        let clone = pages.clone();
        pages.write(b"after!", 0).unwrap();
        assert_eq!(clone.to_vec(), b"before");
        assert_eq!(pages.to_vec(), b"after!");
    }

    #[test]
    fn written_zeros_and_holes_are_the_same() {
        let mut written = Pages::default();
        written.write(&[1; 10], 0).unwrap();
        written.write(&[0; 10], 0).unwrap();
        let mut hole = Pages::default();
        hole.write(&[0; 10], 0).unwrap();
        assert!(hole.pages.iter().all(Option::is_none));
        assert_eq!(hash(&written), hash(&hole));
        hole.set_len(11);
        assert_ne!(hash(&written), hash(&hole));
    }

    #[test]
    fn a_wild_offset_is_refused() {
        let error = Pages::default().write(b"x", u64::MAX - 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
