//! Bytes of the log, as `storage-format.md` defines them. Pure: no I/O, no clock, no policy.

pub(crate) mod checksum;
pub(crate) mod control;
pub(crate) mod cursor;
pub(crate) mod draft;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod kept;
pub(crate) mod link;
pub(crate) mod segment_header;
pub(crate) mod state;

/// The format that this build writes. It is 0 until the format is frozen; a store of format 0 is
/// read only by builds of the same [`REVISION`].
pub const FORMAT: u16 = 0;
/// Counts the changes of format 0.
pub const REVISION: u16 = 4;

/// No position is higher: a derived id has 62 bits for it. Places near the last that 64 bits can say
/// are none that a writer came to.
pub(crate) const POSITION_MAX: u64 = (1 << 62) - 1;
