//! The limit: a plain file, written and read as an engineer would who needs nothing of a store but
//! its bytes. No index on disk, no expected version, no recovery.
//!
//! A frame is one event: `[u32 length][u32 CRC-32][body]`, little-endian; the body is name, version,
//! time, type, metadata and data, each text with its length in front.

mod read;
mod write;

use annals::NewEvent;

pub use read::PlainReader;
pub use write::{GroupFile, PlainFile};

/// Bytes in front of a body: length and checksum.
const PREFIX_BYTES: usize = 8;

/// An event in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The stream's name.
    pub stream: &'a [u8],
    /// Its number in the stream.
    pub version: u64,
    /// Microseconds since 1970.
    pub time: u64,
    /// Its type.
    pub event_type: &'a [u8],
    /// Its metadata.
    pub metadata: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
}

/// Appends the frames of a call to `out`; the first has the version behind `version`.
fn put_frames(out: &mut Vec<u8>, stream: &str, version: u64, events: &[NewEvent]) {
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
    for (version, event) in (version + 1..).zip(events) {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        put_body(out, stream, version, time, event);
        let body = &out[start + PREFIX_BYTES..];
        let (length, sum) = (body.len() as u32, crc32fast::hash(body));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Appends an event to `out` as the body of a frame.
pub fn put_body(out: &mut Vec<u8>, stream: &str, version: u64, time: u64, event: &NewEvent) {
    put(out, stream.as_bytes());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&time.to_le_bytes());
    put(out, event.event_type.as_bytes());
    put(out, &event.metadata);
    put(out, &event.data);
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The frame that `bytes` begin with, its checksum verified, and its length; `None` where they end
/// within it.
#[must_use]
pub fn take_frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let mut rest = bytes;
    let length = u32::from_le_bytes(take_array(&mut rest)?) as usize;
    let sum = u32::from_le_bytes(take_array(&mut rest)?);
    let body = rest.get(..length)?;
    assert_eq!(crc32fast::hash(body), sum, "the plain file is damaged");
    Some((take_body(body)?, PREFIX_BYTES + length))
}

/// The event of a body; `None` where it ends too early.
#[must_use]
pub fn take_body(mut body: &[u8]) -> Option<Frame<'_>> {
    Some(Frame {
        stream: take(&mut body)?,
        version: u64::from_le_bytes(take_array(&mut body)?),
        time: u64::from_le_bytes(take_array(&mut body)?),
        event_type: take(&mut body)?,
        metadata: take(&mut body)?,
        data: take(&mut body)?,
    })
}

fn take_array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*bytes)
}

fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take_array(from)?) as usize;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}
