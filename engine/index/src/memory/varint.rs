//! Numbers in 1 to 10 bytes: seven bits a byte, lowest first, the top bit set in all but the last.

/// Most bytes of one number.
pub(super) const BYTES_MAX: usize = 10;

/// The bytes of `value`, and how many of them there are.
#[inline]
pub(super) fn encode(mut value: u64) -> ([u8; BYTES_MAX], usize) {
    let mut bytes = [0; BYTES_MAX];
    // Most steps are short.
    if value < 0x80 {
        let [low, ..] = value.to_le_bytes();
        let [first, ..] = &mut bytes;
        *first = low;
        return (bytes, 1);
    }
    let mut length = 0;
    for byte in &mut bytes {
        length += 1;
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            *byte = low;
            break;
        }
        *byte = low | 0x80;
    }
    (bytes, length)
}

/// Writes `value` to the front of `room`. Gives how many bytes it has; `None`: they do not fit.
#[inline]
pub(super) fn write(room: &mut [u8], value: u64) -> Option<usize> {
    let ([low, ..], [high, ..]) = (value.to_le_bytes(), (value >> 7).to_le_bytes());
    match (room, value) {
        ([one, ..], 0..0x80) => {
            *one = low;
            Some(1)
        }
        ([one, two, ..], 0..0x4000) => {
            (*one, *two) = (low | 0x80, high);
            Some(2)
        }
        (room, _) => {
            let (bytes, length) = encode(value);
            room.get_mut(..length)?.copy_from_slice(bytes.get(..length)?);
            Some(length)
        }
    }
}

/// Appends `value` to `out`.
pub(crate) fn put(out: &mut Vec<u8>, value: u64) {
    let (bytes, length) = encode(value);
    out.extend(bytes.iter().take(length));
}

/// Takes a number from a source of bytes. `None`: the source ended, or it is no number of 64 bits.
pub(crate) fn take(mut next: impl FnMut() -> Option<u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = next()?;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_longer_ones_are_refused() {
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift, u64::MAX - (1 << shift)] {
                let mut out = Vec::new();
                put(&mut out, value);
                let mut bytes = out.iter().copied();
                assert_eq!(take(|| bytes.next()), Some(value));
                assert_eq!(bytes.next(), None);
            }
        }
        for bytes in [vec![0x80], vec![0xff; 10], vec![0x80; 11], [vec![0xff; 9], vec![2]].concat()]
        {
            let mut bytes = bytes.into_iter();
            assert_eq!(take(|| bytes.next()), None);
        }
    }
}
