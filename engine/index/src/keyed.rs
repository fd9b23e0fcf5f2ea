//! The keyed hash of names, terms and ids: SipHash-1-3 (Aumasson and Bernstein, 2012) with the store's
//! id as its key, so that nobody who does not know it can choose texts that meet in one place.

use std::hash::Hasher;

use annals_types::StoreId;
use siphasher::sip::SipHasher13;

/// Hashes texts of one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed(SipHasher13);

impl Keyed {
    pub(crate) fn new(store: StoreId) -> Self {
        Self(SipHasher13::new_with_key(&store.0))
    }

    /// The hash of a text.
    #[inline]
    pub(crate) fn of(&self, text: &[u8]) -> u64 {
        self.0.hash(text)
    }

    /// The hash of a text and one byte behind it.
    #[inline]
    pub(crate) fn of_both(&self, text: &[u8], byte: u8) -> u64 {
        let mut hasher = self.0;
        hasher.write(text);
        hasher.write_u8(byte);
        hasher.finish()
    }
}
