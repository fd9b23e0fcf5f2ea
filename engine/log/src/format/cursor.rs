//! Reading fields out of bytes that may say anything.

/// What is left to read. Every read gives `None` where the bytes end before the field does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    #[inline(always)]
    pub(crate) const fn left(&self) -> &'a [u8] {
        self.left
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(taken)
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// An unsigned LEB128 number in its shortest form.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let (value, left) = match self.left.split_first() {
            // Most numbers are that short.
            Some((&byte @ 0..0x80, left)) => (u64::from(byte), left),
            _ => long_varint(self.left)?,
        };
        self.left = left;
        Some(value)
    }

    #[inline(always)]
    pub(crate) fn varint_usize(&mut self) -> Option<usize> {
        self.varint().and_then(|value| usize::try_from(value).ok())
    }

    #[inline(always)]
    pub(crate) fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

/// A number of any length, and what is left behind it. Not of the cursor itself, which stays in
/// registers as long as nobody points to it.
#[cold]
fn long_varint(mut bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, left) = bytes.split_first()?;
        bytes = left;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some((value, left));
        }
    }
    None
}

const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Whether bytes are UTF-8. Names and types are short and nearly always ASCII, which is quicker told.
#[inline(always)]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        // All of it, some perhaps twice.
        (Some(&first), Some(&last)) if bytes.len() <= 2 * size_of::<u64>() => {
            let all = u64::from_le_bytes(first) | u64::from_le_bytes(last);
            all & NOT_ASCII == 0 || std::str::from_utf8(bytes).is_ok()
        }
        _ => is_other_text(bytes),
    }
}

#[inline(never)]
fn is_other_text(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks();
    let mut all = eights.iter().fold(0, |all, &eight| all | u64::from_le_bytes(eight));
    match bytes.last_chunk() {
        Some(&last) => all |= u64::from_le_bytes(last),
        None => all |= rest.iter().fold(0, |all, &byte| all | u64::from(byte)),
    }
    all & NOT_ASCII == 0 || std::str::from_utf8(bytes).is_ok()
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint(), Some(value));
            assert!(cursor.left().is_empty());
            assert_eq!(Cursor::new(&bytes[..bytes.len() - 1]).varint(), None);
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_zigzag(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).zigzag(), Some(value));
        }
        assert_eq!(Cursor::new(&[0x80, 0x00]).varint(), None, "longer than needed");
        assert_eq!(Cursor::new(&[0xff; 10]).varint(), None, "above 64 bits");
    }
}
