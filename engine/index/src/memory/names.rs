//! The names of all streams, end to end in blocks of text: one allocation for thousands of names.

const BLOCK_BYTES: usize = 1 << 16;

/// Where a name stands.
#[derive(Clone, Copy)]
pub(super) struct Name {
    block: u32,
    start: u16,
    bytes: u16,
}

/// The text of all names.
pub(super) struct Names {
    blocks: Vec<String>,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new() }
    }

    /// Keeps a name. `None`: it has more than 65,535 bytes, or there is no place left.
    pub(super) fn push(&mut self, text: &str) -> Option<Name> {
        let bytes = u16::try_from(text.len()).ok()?;
        let fits = |block: &String| {
            block.capacity() - block.len() >= text.len() && u16::try_from(block.len()).is_ok()
        };
        if !self.blocks.last().is_some_and(fits) {
            self.blocks.push(String::with_capacity(BLOCK_BYTES));
        }
        let block = u32::try_from(self.blocks.len() - 1).ok()?;
        let last = self.blocks.last_mut()?;
        let start = u16::try_from(last.len()).ok()?;
        last.push_str(text);
        Some(Name { block, start, bytes })
    }

    pub(super) fn get(&self, name: Name) -> Option<&str> {
        let start = usize::from(name.start);
        self.blocks.get(name.block as usize)?.get(start..start + usize::from(name.bytes))
    }

    /// Whether the name is this.
    #[inline]
    pub(super) fn is(&self, name: Name, text: &str) -> bool {
        let start = usize::from(name.start);
        usize::from(name.bytes) == text.len()
            && self.blocks.get(name.block as usize).is_some_and(|block| {
                block.as_bytes().get(start..start + text.len()) == Some(text.as_bytes())
            })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.len() * (BLOCK_BYTES + size_of::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_come_back() {
        let mut names = Names::new();
        let long = "é".repeat(40_000);
        let kept: Vec<_> = (0..2000).map(|n| long.get(..(n * 26) & !1).unwrap()).collect();
        let places: Vec<_> = kept.iter().map(|text| names.push(text).unwrap()).collect();
        for (text, place) in kept.iter().zip(places) {
            assert_eq!(names.get(place), Some(*text));
            assert!(names.is(place, text) && !names.is(place, "é"));
        }
        assert!(names.push(&long).is_none());
        assert!(names.memory_bytes() >= kept.iter().map(|text| text.len()).sum());
    }
}
