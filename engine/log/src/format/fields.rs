//! Short fields on their way into bytes that grow: gathered first, then appended by one copy of a
//! fixed size, which costs less than to append them one by one.

/// Most bytes of the fields that are gathered at once.
pub(crate) const FIELDS_BYTES: usize = 32;

/// Fields that stand behind each other, of at most [`FIELDS_BYTES`] bytes together.
pub(crate) struct Fields {
    bytes: [u8; FIELDS_BYTES],
    length: usize,
}

impl Fields {
    /// None yet, behind so many zeros.
    #[inline(always)]
    pub(crate) const fn behind_zeros(zeros: usize) -> Self {
        Self { bytes: [0; FIELDS_BYTES], length: zeros }
    }

    /// Adds a byte.
    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        debug_assert!(self.length < FIELDS_BYTES, "what is gathered is known to have room");
        if let Some(field) = self.bytes.get_mut(self.length) {
            *field = byte;
            self.length += 1;
        }
    }

    /// Adds a number, as [`put_varint`](super::cursor::put_varint) does.
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: u64) {
        // Most are that short.
        match value {
            0..0x80 => self.byte((value & 0x7f) as u8),
            _ => self.long_varint(value),
        }
    }

    #[inline]
    fn long_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.byte((value & 0x7f) as u8);
    }

    /// Appends them.
    #[inline(always)]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.length;
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cursor::put_varint;

    #[test]
    fn fields_are_appended_as_if_one_by_one() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let (mut gathered, mut one_by_one) = (b"before".to_vec(), b"before".to_vec());
            let mut fields = Fields::behind_zeros(8);
            fields.varint(value);
            fields.byte(7);
            fields.append_to(&mut gathered);
            one_by_one.extend_from_slice(&[0; 8]);
            put_varint(&mut one_by_one, value);
            one_by_one.push(7);
            assert_eq!(gathered, one_by_one);
        }
    }
}
