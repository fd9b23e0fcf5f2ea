//! Which names were looked up lately: whoever appends asks for a stream, and again where its events
//! are applied, and a few streams get most events. A look here needs no keyed hash.

use annals_env::sync::atomic::{AtomicU64, Ordering};

/// A name takes the place of another that falls on the same slot. The model checker, which looks at
/// each slot by itself, gets few.
const SLOTS: usize = if cfg!(shuttle) { 4 } else { 4096 };

/// The numbers of such names. What it says is a hint: whoever asks holds it against the name.
pub(super) struct Recent(Box<[AtomicU64]>);

/// What is quickly told of a name. Strangers can choose names that share one, and gain nothing but
/// that these are looked up by their keyed hashes.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

impl Mark {
    /// By the name's length and its ends, where names differ.
    #[inline]
    pub(super) fn of(name: &str) -> Self {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let name = name.as_bytes();
        let (front, back) = match (name.first_chunk(), name.last_chunk()) {
            (Some(&front), Some(&back)) => (u64::from_le_bytes(front), u64::from_le_bytes(back)),
            _ => (0, name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))),
        };
        let mixed = front.wrapping_mul(ODD) ^ back ^ name.len() as u64;
        // Both halves of the product: every bit of it then depends on every byte.
        let (low, high) = mixed.carrying_mul(ODD, 0);
        Self(low ^ high)
    }

    /// What the slot keeps of it, in the upper half.
    const fn kept(self) -> u64 {
        self.0 & !NUMBER
    }
}

/// Where a slot has the number, counted from 1 so that 0 says none.
const NUMBER: u64 = 0xffff_ffff;

impl Recent {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// The number that the name with this mark has, if it is the one that was kept.
    #[inline]
    pub(super) fn get(&self, mark: Mark) -> Option<u32> {
        let slot = self.slot(mark)?.load(Ordering::Relaxed);
        let number = u32::try_from(slot & NUMBER).ok()?.checked_sub(1)?;
        (slot & !NUMBER == mark.kept()).then_some(number)
    }

    /// Keeps the number of a name.
    #[inline]
    pub(super) fn put(&self, mark: Mark, number: u32) {
        if let Some(slot) = self.slot(mark) {
            slot.store(mark.kept() | u64::from(number.saturating_add(1)), Ordering::Relaxed);
        }
    }

    #[inline]
    fn slot(&self, mark: Mark) -> Option<&AtomicU64> {
        let [low, high, ..] = mark.0.to_le_bytes();
        self.0.get(usize::from(u16::from_le_bytes([low, high])) % SLOTS)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_give_them_fall_on_different_slots() {
        let recent = Recent::new();
        let names = (0..300).flat_map(|n| {
            [format!("order-{n}"), format!("payment-{n:08}"), format!("{n}"), format!("user{n}-x")]
        });
        let names: Vec<String> = names.collect();
        for (name, number) in names.iter().zip(0..) {
            recent.put(Mark::of(name), number);
            assert_eq!(recent.get(Mark::of(name)), Some(number));
        }
        let there = |(name, number): &(&String, u32)| recent.get(Mark::of(name)) == Some(*number);
        let there = names.iter().zip(0..).filter(there).count();
        // By chance one in seven meets another that came later.
        assert!(there > 900, "{there} of {}", names.len());
        assert_eq!(recent.get(Mark::of("")), None);
    }
}
