//! A list that grows in fixed blocks: nothing in it ever moves, so growing never copies what is
//! there.

const BLOCK_ITEMS: usize = 4096;

/// Items by number, 0, 1, 2 …
pub(super) struct Blocks<T> {
    blocks: Vec<Vec<T>>,
    count: u32,
}

impl<T> Blocks<T> {
    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), count: 0 }
    }

    /// How many items there are; each has a number below it.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Appends an item and gives its number. `None`: there is no number left for it.
    pub(super) fn push(&mut self, item: T) -> Option<u32> {
        let number = self.count;
        let count = number.checked_add(1)?;
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK_ITEMS) {
            self.blocks.push(Vec::with_capacity(BLOCK_ITEMS));
        }
        self.blocks.last_mut()?.push(item);
        self.count = count;
        Some(number)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.blocks.get(number / BLOCK_ITEMS)?.get(number % BLOCK_ITEMS)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let number = number as usize;
        self.blocks.get_mut(number / BLOCK_ITEMS)?.get_mut(number % BLOCK_ITEMS)
    }

    /// How many items at the front are as `holds` says, where none is behind the first that is not.
    pub(super) fn partition_point(&self, holds: impl Fn(&T) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&holds) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.len() * (BLOCK_ITEMS * size_of::<T>() + size_of::<Vec<T>>())
    }
}
