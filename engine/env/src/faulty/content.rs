//! A file's bytes, and what a power cut can make of them.

use std::collections::BTreeMap;
use std::io;

use super::choices::{Choices, pick};
use crate::pages::Pages;

/// The unit that a disk writes whole.
pub const SECTOR_BYTES: usize = 512;
/// As an offset.
const SECTOR: u64 = SECTOR_BYTES as u64;
/// Most versions of a sector that are remembered, so that one rewritten for ever stays small.
const VERSIONS_MAX: usize = 256;
/// Most places at sector boundaries where a write under way is cut.
const CUTS_MAX: usize = 16;

type Sector = [u8; SECTOR_BYTES];

/// The bytes that everyone sees, and what of them is not durable.
#[derive(Clone, Default)]
pub(super) struct Content {
    live: Pages,
    durable_len: u64,
    /// The lengths that it had since and that are not durable, growing.
    lengths: Vec<u64>,
    /// How far the writes since the last sync reach, be it a good or a failed one.
    written_to: u64,
    /// By number of the sector.
    pending: BTreeMap<u64, Pending>,
}

/// A sector that is not durable.
#[derive(Clone)]
struct Pending {
    /// The durable version first, the one that everyone sees last.
    versions: Vec<Sector>,
    /// Whether the next sync makes it durable. Not so after a failed one, until it is written again.
    dirty: bool,
}

impl Content {
    /// A file with these bytes, all durable.
    pub(super) fn durable(bytes: &[u8]) -> io::Result<Self> {
        let mut live = Pages::default();
        live.write(bytes, 0)?;
        Ok(Self::settled(live))
    }

    fn settled(live: Pages) -> Self {
        Self { durable_len: live.len(), live, ..Self::default() }
    }

    pub(super) const fn live(&self) -> &Pages {
        &self.live
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset.saturating_add(bytes.len() as u64);
        let before = self.live.len();
        let numbers = offset / SECTOR..end.div_ceil(SECTOR);
        let old: Vec<Sector> = numbers.clone().map(|number| sector(&self.live, number)).collect();
        self.live.write(bytes, offset)?;
        for (number, old) in numbers.zip(old) {
            self.note(number, old);
        }
        self.written_to = self.written_to.max(end);
        if self.live.len() > before {
            self.lengths.push(end);
        }
        Ok(())
    }

    /// Remembers that a sector was written. What did not change it gives no choice.
    fn note(&mut self, number: u64, old: Sector) {
        let new = sector(&self.live, number);
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.dirty = true;
            if new != old {
                pending.versions.push(new);
            }
            if pending.versions.len() > VERSIONS_MAX {
                pending.versions.remove(1);
            }
        } else if new != old {
            self.pending.insert(number, Pending { versions: vec![old, new], dirty: true });
        }
    }

    /// Everything written since the last sync becomes durable.
    pub(super) fn sync(&mut self) {
        self.pending.retain(|_, pending| !pending.dirty);
        self.durable_len = self.durable_len.max(self.written_to);
        self.lengths.retain(|len| *len > self.durable_len);
        self.written_to = 0;
    }

    /// The next sync no longer knows of what was written before.
    pub(super) fn fail_sync(&mut self) {
        for pending in self.pending.values_mut() {
            pending.dirty = false;
        }
        self.written_to = 0;
    }

    pub(super) fn flip_bit(&mut self, offset: u64, bit: u32) -> io::Result<()> {
        let mut byte = [0];
        let mask = 1_u8.checked_shl(bit).unwrap_or(0);
        if mask == 0 || self.live.read(&mut byte, offset) == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.live.write(&byte.map(|byte| byte ^ mask), offset)?;
        let within = usize::try_from(offset % SECTOR).unwrap_or(0);
        if let Some(pending) = self.pending.get_mut(&(offset / SECTOR)) {
            for byte in pending.versions.iter_mut().filter_map(|version| version.get_mut(within)) {
                *byte ^= mask;
            }
        }
        Ok(())
    }

    /// What a power cut leaves.
    pub(super) fn power_cut(&self, torn_sectors: bool, choices: &mut dyn Choices) -> Self {
        let lengths = [&[self.durable_len], self.lengths.as_slice()].concat();
        let len = pick(choices, lengths).unwrap_or(self.durable_len);
        let mut live = self.live.clone();
        live.set_len(len);
        for (number, pending) in &self.pending {
            let start = number * SECTOR;
            if start >= len {
                break;
            }
            let visible =
                usize::try_from(len - start).map_or(SECTOR_BYTES, |n| n.min(SECTOR_BYTES));
            let kept = pick(choices, pending.options(torn_sectors, visible));
            if let Some(kept) = kept.as_ref().and_then(|sector| sector.get(..visible)) {
                // Inside the length, so there is nothing that can fail.
                let _ = live.write(kept, start);
            }
        }
        Self::settled(live)
    }

    /// As if the power cut found a write under way: it may keep any part of it.
    pub(super) fn write_under_way(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let before = self.live.len();
        self.write(bytes, offset)?;
        if self.live.len() > before {
            let whole = self.lengths.pop();
            let cuts = cuts(bytes.len(), offset).into_iter().map(|cut| offset + cut as u64);
            self.lengths.extend(cuts.filter(|len| *len > before && Some(*len) != whole));
            self.lengths.extend(whole);
        }
        Ok(())
    }
}

impl Pending {
    /// The different possibilities for the first `visible` bytes, from the durable to the newest.
    fn options(&self, torn_sectors: bool, visible: usize) -> Vec<Sector> {
        let mut options: Vec<Sector> = Vec::new();
        let mut add = |mut option: Sector| {
            if let Some(hidden) = option.get_mut(visible..) {
                hidden.fill(0);
            }
            options.push(option);
        };
        self.versions.first().copied().into_iter().for_each(&mut add);
        for (old, new) in self.versions.iter().zip(self.versions.iter().skip(1)) {
            if torn_sectors {
                torn(old, new).into_iter().for_each(&mut add);
            }
            add(*new);
        }
        different(options)
    }
}

/// Leaves out what was there before; but the newest stays last, even where it equals the first.
fn different(mut options: Vec<Sector>) -> Vec<Sector> {
    let newest = options.pop();
    let mut different: Vec<Sector> = Vec::new();
    for option in options {
        if !different.contains(&option) && Some(option) != newest || different.is_empty() {
            different.push(option);
        }
    }
    if different.len() != 1 || different.first() != newest.as_ref() {
        different.extend(newest);
    }
    different
}

/// A few of the sectors whose first bytes are `new` and whose rest is `old`.
fn torn(old: &Sector, new: &Sector) -> Vec<Sector> {
    let differs = |index: &usize| old.get(*index) != new.get(*index);
    let Some(first) = (0..SECTOR_BYTES).find(differs) else {
        return Vec::new();
    };
    let end = (0..SECTOR_BYTES).rfind(differs).unwrap_or(first) + 1;
    let width = end - first;
    let mut cuts =
        vec![first + 1, first + width / 4, first + width / 2, first + width / 4 * 3, end - 1];
    cuts.retain(|cut| (first + 1..end).contains(cut));
    cuts.dedup();
    let tear = |cut: usize| {
        let mut sector = *old;
        for (to, from) in sector.iter_mut().zip(new).take(cut) {
            *to = *from;
        }
        sector
    };
    cuts.into_iter().map(tear).collect()
}

/// After how many of its bytes a write can be cut: not at all, at boundaries of sectors, at odd
/// places near the ends, and behind its last byte.
pub(super) fn cuts(len: usize, offset: u64) -> Vec<usize> {
    let to_boundary = SECTOR_BYTES - usize::try_from(offset % SECTOR).unwrap_or(0);
    let boundaries: Vec<usize> = (to_boundary..len).step_by(SECTOR_BYTES).collect();
    let step = boundaries.len().div_ceil(CUTS_MAX).max(1);
    let mut cuts = vec![0, 1, len.saturating_sub(1), len];
    cuts.extend(boundaries.into_iter().step_by(step));
    cuts.retain(|cut| *cut <= len);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn sector(pages: &Pages, number: u64) -> Sector {
    let mut sector = [0; SECTOR_BYTES];
    pages.read(&mut sector, number * SECTOR);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(byte: u8) -> Sector {
        [byte; SECTOR_BYTES]
    }

    #[test]
    fn options_go_from_durable_to_newest_without_doubles() {
        let [a, b, c] = [filled(1), filled(2), filled(3)];
        for (versions, expected) in [
            (vec![a, b], vec![a, b]),
            (vec![a, b, c], vec![a, b, c]),
            (vec![a, b, b, c], vec![a, b, c]),
            (vec![a, b, a], vec![a, b, a]),
            (vec![a, b, c, b], vec![a, c, b]),
            (vec![a, a], vec![a]),
        ] {
            let pending = Pending { versions, dirty: true };
            assert_eq!(pending.options(false, SECTOR_BYTES), expected);
        }
    }

    #[test]
    fn what_the_length_hides_gives_no_choice() {
        let mut new = filled(1);
        new[100] = 2;
        let pending = Pending { versions: vec![filled(1), new], dirty: true };
        assert_eq!(pending.options(false, 101).len(), 2);
        assert_eq!(pending.options(false, 100).len(), 1);
    }

    #[test]
    fn torn_sectors_lie_between_the_two() {
        let mut new = filled(0);
        new[100..110].fill(9);
        let torn = torn(&filled(0), &new);
        assert_eq!(torn.len(), 5);
        for sector in torn {
            assert!(sector != filled(0) && sector != new);
            let kept = sector[100..110].iter().take_while(|byte| **byte == 9).count();
            assert!((1..10).contains(&kept));
            assert_eq!(sector.iter().filter(|byte| **byte == 9).count(), kept);
        }
        new = filled(0);
        new[7] = 1;
        assert!(super::torn(&filled(0), &new).is_empty());
    }

    #[test]
    fn cuts_keep_to_the_write() {
        assert_eq!(cuts(0, 7), [0]);
        assert_eq!(cuts(1, 7), [0, 1]);
        assert_eq!(cuts(1024, 0), [0, 1, 512, 1023, 1024]);
        assert_eq!(cuts(1024, 500), [0, 1, 12, 524, 1023, 1024]);
        assert!(cuts(1 << 20, 0).len() <= CUTS_MAX + 4);
    }

    #[test]
    fn a_sector_written_for_ever_stays_small() {
        let mut content = Content::durable(&[0; 8]).unwrap();
        for n in 0..10_000_u32 {
            content.write(&n.to_le_bytes(), 0).unwrap();
        }
        let pending = &content.pending[&0];
        assert_eq!(pending.versions.len(), VERSIONS_MAX);
        assert_eq!(pending.versions[0], filled(0));
        assert_eq!(pending.versions[VERSIONS_MAX - 1][..4], 9_999_u32.to_le_bytes());
    }
}
