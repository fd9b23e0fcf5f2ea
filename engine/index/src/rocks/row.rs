//! The values that stand alone: what is covered, and the streams.

use annals_types::{Epoch, Place, Position, StoreId, Version};

use crate::memory::varint;
use crate::{Covers, StreamHead};

/// Raised with every change of keys or values: what an older layout wrote is made again.
const LAYOUT_VERSION: u8 = 2;

/// What the database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) covers: Covers,
    /// How many streams have begun there.
    pub(super) streams: u64,
}

impl Saved {
    pub(super) fn write(&self) -> Vec<u8> {
        let Covers { store, epoch, place } = self.covers;
        let mut out = vec![LAYOUT_VERSION];
        out.extend(store.0);
        for number in
            [epoch.number.into(), epoch.id, place.position.get(), place.k.into(), self.streams]
        {
            varint::put(&mut out, number);
        }
        out
    }

    /// `None`: it was not written by this version.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (&LAYOUT_VERSION, rest) = value.split_first()? else {
            return None;
        };
        let (store, numbers) = rest.split_first_chunk()?;
        let [number, id, position, k, streams] = take_numbers(numbers)?;
        let epoch = Epoch { number: u32::try_from(number).ok()?, id };
        let place = Place { position: Position::new(position), k: u32::try_from(k).ok()? };
        let covers = Covers { store: StoreId(*store), epoch, place };
        (streams <= position).then_some(Self { covers, streams })
    }
}

/// A stream's first event and its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) first: StreamHead,
    pub(super) newest: StreamHead,
}

impl Stream {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (first, newest) = (self.first, self.newest);
        varint::put(out, first.version.get());
        varint::put(out, first.position.get());
        varint::put(out, newest.version.get() - first.version.get());
        varint::put(out, newest.position.get() - first.position.get());
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let [version, position, versions, positions] = take_numbers(value)?;
        let head = |version, position| StreamHead {
            version: Version::new(version),
            position: Position::new(position),
        };
        let first = head(version, position);
        let newest = head(version.checked_add(versions)?, position.checked_add(positions)?);
        let ascending = (versions == 0) == (positions == 0);
        (version > 0 && position > 0 && ascending).then_some(Self { first, newest })
    }
}

/// Exactly so many numbers.
fn take_numbers<const COUNT: usize>(bytes: &[u8]) -> Option<[u64; COUNT]> {
    let mut rest = bytes.iter();
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = varint::take(|| rest.next().copied())?;
    }
    rest.as_slice().is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_others_are_refused() {
        let saved = Saved {
            covers: Covers {
                store: StoreId([9; 16]),
                epoch: Epoch { number: u32::MAX, id: u64::MAX },
                place: Place { position: Position::new(1 << 40), k: 7 },
            },
            streams: 1 << 40,
        };
        let written = saved.write();
        assert_eq!(Saved::read(&written), Some(saved));
        let head = |version, position| StreamHead {
            version: Version::new(version),
            position: Position::new(position),
        };
        let streams = [
            Stream { first: head(1, 1), newest: head(1, 1) },
            Stream { first: head(5, 77), newest: head(9, u64::MAX) },
        ];
        for stream in streams {
            let mut out = Vec::new();
            stream.write(&mut out);
            assert_eq!(Stream::read(&out), Some(stream));
            for length in 0..out.len() {
                assert_eq!(Stream::read(&out[..length]), None);
            }
            out.push(0);
            assert_eq!(Stream::read(&out), None);
        }
        for length in 0..written.len() {
            assert_eq!(Saved::read(&written[..length]), None);
        }
        for wrong in [[0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 2, 0], [1, 1, 0, 1]] {
            assert_eq!(Stream::read(&wrong), None);
        }
    }
}
