//! Identities: of a store, of an epoch of its history, of an event.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A store's identity, drawn at random when it is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

/// One opening of the store for writing. Positions that a crash took away are assigned again only
/// under a later epoch, so (epoch, position) names an event for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch {
    /// 1, 2, 3 … along the log.
    pub number: u32,
    /// Drawn at random; tells two forks of one history apart.
    pub id: u64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.id)
    }
}

/// An event's identity: 128 bits, written like a UUID.
///
/// An event whose caller set none gets one derived from the store, the epoch and its position
/// (a version 8 UUID as of RFC 9562); it takes no space in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    const POSITION_BITS: u32 = 62;
    const POSITION_MASK: u64 = (1 << Self::POSITION_BITS) - 1;

    /// The id with these bytes, most significant first as in a UUID.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id with this number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number).into_bytes())
    }

    /// Its number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        Uuid::from_bytes(self.0).as_u128()
    }

    /// The id of the event at `position` whose caller set none; `history` stands for the store
    /// and the epoch and gives 60 of its bits.
    #[must_use]
    pub fn derived(history: u64, position: u64) -> Self {
        let high = ((history >> 16) << 16) | 0x8000 | ((history >> 4) & 0x0fff);
        let low = 0x8000_0000_0000_0000 | (position & Self::POSITION_MASK);
        Self::from_u128((u128::from(high) << 64) | u128::from(low))
    }

    /// The position in an id that has the form of a derived one.
    #[must_use]
    pub fn derived_position(self) -> Option<u64> {
        let number = self.as_u128();
        let is_version_8 = (number >> 76) & 0xf == 8 && (number >> 62) & 0b11 == 0b10;
        let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
        is_version_8.then_some(low & Self::POSITION_MASK)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Uuid::parse_str(text)?.into_bytes()))
    }
}

impl From<Uuid> for EventId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.into_bytes())
    }
}

impl From<EventId> for Uuid {
    fn from(id: EventId) -> Self {
        Self::from_bytes(id.0)
    }
}

impl From<u128> for EventId {
    fn from(number: u128) -> Self {
        Self::from_u128(number)
    }
}
