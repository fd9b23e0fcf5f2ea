//! Room for bytes, given out in small pieces from large blocks.

const BLOCK_BYTES: usize = 1 << 18;

/// A piece never crosses the end of a block. No piece is ever given back.
pub(super) struct Arena {
    blocks: Vec<Vec<u8>>,
    /// How much of the last block is given out.
    used: usize,
}

impl Arena {
    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), used: BLOCK_BYTES }
    }

    /// Gives out a piece of `bytes`, far fewer than a block has, and says where it begins.
    pub(super) fn reserve(&mut self, bytes: usize) -> u64 {
        if self.used + bytes > BLOCK_BYTES {
            self.blocks.push(vec![0; BLOCK_BYTES]);
            self.used = 0;
        }
        let start = (self.blocks.len() - 1) * BLOCK_BYTES + self.used;
        self.used += bytes;
        start as u64
    }

    /// Writes `bytes` at `at`, inside a piece. `None`: there is no such piece.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Option<()> {
        self.room(at, bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// The `bytes` at `at`, inside a piece, to be written.
    pub(super) fn room(&mut self, at: u64, bytes: usize) -> Option<&mut [u8]> {
        let at = usize::try_from(at).ok()?;
        let (block, start) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
        self.blocks.get_mut(block)?.get_mut(start..start + bytes)
    }

    /// The `bytes` at `at`, inside a piece.
    pub(super) fn read(&self, at: u64, bytes: usize) -> Option<&[u8]> {
        let at = usize::try_from(at).ok()?;
        let (block, start) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
        self.blocks.get(block)?.get(start..start + bytes)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.len() * (BLOCK_BYTES + size_of::<Vec<u8>>())
    }
}
