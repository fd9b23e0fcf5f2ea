//! A run of bytes as checksummed blocks of a file.

use std::io;
use std::sync::Arc;

use annals_env::File;

use crate::memory::varint;

/// Most bytes of a block's content, 1 MiB; also what a reader or a writer holds in memory.
const CONTENT_BYTES_MAX: usize = 1 << 20;
const HEAD_BYTES: usize = 8;

/// The checksum of a block. It also covers where the block belongs: one of another image or another
/// place does not pass.
fn checksum(seed: [u8; 4], number: u64, content: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&seed);
    sum.update(&number.to_le_bytes());
    sum.update(&length_of(content));
    sum.update(content);
    sum.finalize().to_le_bytes()
}

fn length_of(content: &[u8]) -> [u8; 4] {
    u32::try_from(content.len()).unwrap_or_default().to_le_bytes()
}

/// Writes blocks.
pub(super) struct Writer {
    file: Arc<dyn File>,
    seed: [u8; 4],
    offset: u64,
    number: u64,
    /// The next block, its head still empty.
    block: Vec<u8>,
}

impl Writer {
    /// Writes to `file` from `offset` on; `seed` is the checksum of what stands before.
    pub(super) fn new(file: Arc<dyn File>, offset: u64, seed: [u8; 4]) -> Self {
        let mut block = Vec::with_capacity(HEAD_BYTES + CONTENT_BYTES_MAX);
        block.resize(HEAD_BYTES, 0);
        Self { file, seed, offset, number: 0, block }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = HEAD_BYTES + CONTENT_BYTES_MAX - self.block.len();
            let (fits, rest) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(fits);
            bytes = rest;
            if fits.len() == room {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what has been held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some((head, content)) = self.block.split_first_chunk_mut::<HEAD_BYTES>() else {
            return Ok(());
        };
        if content.is_empty() {
            return Ok(());
        }
        let sum = checksum(self.seed, self.number, content);
        for (to, from) in head.iter_mut().zip(length_of(content).into_iter().chain(sum)) {
            *to = from;
        }
        self.file.write_at(&self.block, self.offset)?;
        self.offset += self.block.len() as u64;
        self.number += 1;
        self.block.truncate(HEAD_BYTES);
        Ok(())
    }

    /// Where the next block goes.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }
}

/// Why no more can be read.
pub(super) enum Fault {
    /// The file system failed.
    Io(io::Error),
    /// The bytes are not those that were written.
    Damaged(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("the file ends too early"),
            _ => Self::Io(error),
        }
    }
}

/// Reads blocks, and hands out only bytes whose checksum was right.
pub(super) struct Reader {
    file: Arc<dyn File>,
    seed: [u8; 4],
    /// Where the next block begins, and where the file ends.
    offset: u64,
    end: u64,
    number: u64,
    content: Vec<u8>,
    /// How much of the content was handed out.
    taken: usize,
}

impl Reader {
    /// Reads `file` from `offset` to `end`; `seed` is the checksum of what stands before.
    pub(super) fn new(file: Arc<dyn File>, offset: u64, end: u64, seed: [u8; 4]) -> Self {
        Self { file, seed, offset, end, number: 0, content: Vec::new(), taken: 0 }
    }

    /// Where the next block begins: the damage is in the one before, or at it.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// No more bytes than this are left.
    pub(super) fn left(&self) -> u64 {
        (self.content.len() - self.taken) as u64 + self.end.saturating_sub(self.offset)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        loop {
            if let Some(byte) = self.content.get(self.taken) {
                self.taken += 1;
                return Ok(*byte);
            }
            self.next_block()?;
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    pub(super) fn bytes(&mut self, count: u64) -> Result<Vec<u8>, Fault> {
        if count > self.left() {
            return Err(Fault::Damaged("a length goes beyond the end of the file"));
        }
        let mut bytes = Vec::new();
        let mut missing = usize::try_from(count).unwrap_or(usize::MAX);
        while missing > 0 {
            let there = self.content.get(self.taken..).unwrap_or_default();
            let taken = there.get(..missing).unwrap_or(there);
            bytes.extend_from_slice(taken);
            self.taken += taken.len();
            missing -= taken.len();
            if missing > 0 {
                self.next_block()?;
            }
        }
        Ok(bytes)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        // Nearly all are steps of one or two bytes, and lie in the block at hand.
        match self.content.get(self.taken..) {
            Some(&[low, ..]) if low < 0x80 => {
                self.taken += 1;
                Ok(low.into())
            }
            Some(&[low, high, ..]) if high < 0x80 => {
                self.taken += 2;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut fault = Fault::Damaged("a number has more than 64 bits");
        let next = || self.byte().map_err(|error| fault = error).ok();
        varint::take(next).ok_or(fault)
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.left() {
            0 => Ok(()),
            _ => Err(Fault::Damaged("there is something behind the end")),
        }
    }

    fn next_block(&mut self) -> Result<(), Fault> {
        self.content.clear();
        self.taken = 0;
        let left = self.end.saturating_sub(self.offset);
        if left < HEAD_BYTES as u64 {
            return Err(Fault::Damaged("the file ends too early"));
        }
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, self.offset)?;
        let mut sum = [0; 4];
        self.file.read_exact_at(&mut sum, self.offset + 4)?;
        let length = u32::from_le_bytes(length) as usize;
        if !(1..=CONTENT_BYTES_MAX).contains(&length) || (HEAD_BYTES + length) as u64 > left {
            return Err(Fault::Damaged("a block has an impossible length"));
        }
        let mut content = std::mem::take(&mut self.content);
        content.resize(length, 0);
        self.file.read_exact_at(&mut content, self.offset + HEAD_BYTES as u64)?;
        if checksum(self.seed, self.number, &content) != sum {
            return Err(Fault::Damaged("a block's checksum does not match"));
        }
        self.content = content;
        self.offset += (HEAD_BYTES + length) as u64;
        self.number += 1;
        Ok(())
    }
}
