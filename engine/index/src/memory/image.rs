//! The image: one file with everything that the index holds up to a place, so that opening a store
//! need not read its whole log.
//!
//! An image is a help and never the truth. Whoever cannot use it throws it away and builds the
//! index from the log. It is written under another name, synced and renamed, so that there is a
//! whole one or none. Nothing read from it is believed before its checksum, and no length before it
//! was compared with what is left of the file.
//!
//! # Format
//!
//! All fixed numbers are little-endian. A *varint* has seven bits a byte, lowest first, the top bit
//! set in all but the last byte, at most 10 bytes. The file `image` is a header and blocks, and
//! ends with the last block.
//!
//! | offset | bytes | header |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `ANNALSIX` |
//! | 8 | 2 | format version, [`IMAGE_VERSION`] |
//! | 10 | 2 | 0 |
//! | 12 | 16 | store id |
//! | 28 | 4 | number of the epoch in which it was written |
//! | 32 | 8 | id of that epoch |
//! | 40 | 8 | place that it covers: position |
//! | 48 | 4 | place that it covers: k |
//! | 52 | 8 | how many streams are in it |
//! | 60 | 8 | how many ids are in it |
//! | 68 | 8 | how many terms are in it |
//! | 76 | 8 | how many kept states are in it |
//! | 84 | 4 | CRC-32 (IEEE) of bytes 0 to 83 |
//!
//! | offset | bytes | block |
//! | ---: | ---: | --- |
//! | 0 | 4 | length of its content: 1 to 1,048,576 |
//! | 4 | 4 | CRC-32 of the header's checksum (4), the block's number 0, 1, … (8), the length (4), the content |
//! | 8 | length | content |
//!
//! The contents of all blocks, end to end, are one run of bytes: the streams, the ids, the terms,
//! then the kept states, each as often as the header says, and nothing behind them. Whatever is in
//! it may cross from one block to the next.
//!
//! | size | stream, in the order of the first positions |
//! | --- | --- |
//! | varint | length of the name, at most 65,535 |
//! | length | the name, UTF-8 |
//! | … | runs: events with consecutive versions, at least one run |
//! | varint | 0: no further run |
//!
//! | size | run |
//! | --- | --- |
//! | varint | how many events, 1 to 4096 |
//! | varint | how many versions lie between the event before (version 0 in the first run) and this one; 0 unless the log lost some |
//! | varint, for each event | its position, less that of the event before; for the first event of a stream less that of the stream before, or 0; at least 1 |
//!
//! | size | id, in the order of the positions |
//! | --- | --- |
//! | 8 | SipHash-1-3 of the id's 16 bytes, the key being the store id's 16 bytes |
//! | varint | the position of its event, less that of the id before, or 0; at least 1 |
//!
//! | size | term, in the order of the first positions |
//! | --- | --- |
//! | 8 | the term's number |
//! | … | runs: the next events that carry it, at least one run |
//! | varint | 0: no further run |
//!
//! | size | run of a term |
//! | --- | --- |
//! | varint | how many events, 1 to 4096 |
//! | varint, for each event | its position, less that of the event before; for the first event of a term less that of the term before, or 0; at least 1, but for the first event of a term, at which another may have begun |
//!
//! | size | kept state, in the order of the keys and then of the places |
//! | --- | --- |
//! | 8 | its key: a term's number |
//! | varint | its place: position |
//! | varint | its place: k, at least 1 |
//!
//! No position of an event is 0 or above the one that is covered, no place lies behind the one that is
//! covered, and no name and no term comes twice.

mod block;
mod header;
mod load;
mod save;

use std::io;
use std::path::{Path, PathBuf};

use annals_types::{Position, StoreId};
use thiserror::Error;

/// The image's name in its folder.
pub const IMAGE_NAME: &str = "image";
/// Its name while it is written.
const UNFINISHED_NAME: &str = "image.tmp";
/// The version of the image's format that this build writes, and the only one that it reads.
pub const IMAGE_VERSION: u16 = 3;

/// Why an image could not be written or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file system failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no image, or its bytes are not those that were written.
    #[error("the index image {} is damaged near byte {offset}: {reason}; delete it, the index is \
             made again from the log", path.display())]
    Damaged {
        /// The image.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// It is another store's.
    #[error("the index image {} belongs to the store {found}; delete it, the index is made again \
             from the log", path.display())]
    Foreign {
        /// The image.
        path: PathBuf,
        /// Whose it is.
        found: StoreId,
    },
    /// Another version of this software wrote it.
    #[error("the index image {} has the format version {found}, this build reads \
             {IMAGE_VERSION}; delete it, the index is made again from the log", path.display())]
    UnknownVersion {
        /// The image.
        path: PathBuf,
        /// Its format version.
        found: u16,
    },
    /// It was to cover what the index has not taken in.
    #[error(
        "the index has taken in the events up to {covers} and cannot be saved as covering \
             {wanted}: apply the rest first"
    )]
    NotCovered {
        /// What the index covers.
        covers: Position,
        /// What the image was to cover.
        wanted: Position,
    },
}

impl ImageError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
