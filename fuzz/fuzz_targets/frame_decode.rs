//! The codecs of the log, against bytes that may say anything: no panic, no allocation that a
//! length claims and no checksum covers, and what is decoded is encoded to the same bytes. And the
//! way back: any events, encoded, come out equal.

#![no_main]

use annals::{Place, Position, Timestamp, Version};
use annals_fuzz::{Bounded, event, text};
use annals_log::fuzzing::{self, Spot};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else { return };
    match mode & 3 {
        0 => plain(rest),
        1 => sealed_frame(rest),
        2 => sealed_page(rest),
        // An input that is too short for what it begins is no case.
        _ => round_trip(&mut Unstructured::new(rest)).unwrap_or_default(),
    }
});

/// The bytes as they are, as everything that can stand in a store's files.
fn plain(bytes: &[u8]) {
    let (salt, offset) = (0, 0);
    fuzzing::segment_header(bytes);
    fuzzing::state(bytes);
    fuzzing::footer(bytes, salt, offset);
    fuzzing::control(bytes);
    fuzzing::frame(bytes, salt, offset);
}

/// The bytes as a frame that a malicious hand gave the right checksums.
fn sealed_frame(bytes: &[u8]) {
    let (salt, offset) = (0x0123_4567_89ab_cdef, 1024);
    let mut bytes = bytes.to_vec();
    if let Some(marker) = bytes.get_mut(4..6) {
        marker.copy_from_slice(b"AN");
    }
    if fuzzing::seal(&mut bytes, salt, offset).is_some() {
        fuzzing::frame(&bytes, salt, offset);
    }
}

/// The bytes as what has its magic at the front and its checksum at the end, both made right.
fn sealed_page(bytes: &[u8]) {
    for (magic, length) in [(b"\x89ANL\r\n\x1a\n", 128), (b"ANLSTATE", 96), (b"ANLSEALD", 32), (b"ANLCHAIN", 128)] {
        let mut bytes = bytes.to_vec();
        let Some((fields, sum)) =
            bytes.get_mut(..length).and_then(|bytes| bytes.split_last_chunk_mut::<4>())
        else {
            continue;
        };
        fields[..8].copy_from_slice(magic);
        *sum = fuzzing::crc(fields).to_le_bytes();
        fuzzing::segment_header(&bytes);
        fuzzing::state(&bytes);
        // The mask of this salt and offset is 0.
        fuzzing::footer(&bytes, 0, 0);
    }
}

fn round_trip(input: &mut Unstructured<'_>) -> Result<()> {
    let first = Place::event(Position::new(input.int_in_range(1..=u64::MAX >> 3)?));
    let synced = Place {
        position: Position::new(input.int_in_range(0..=first.position.get() - 1)?),
        k: input.arbitrary()?,
    };
    let spot = Spot {
        salt: input.arbitrary()?,
        offset: input.int_in_range(1024..=1 << 30)?,
        first,
        epoch: input.int_in_range(1..=u32::MAX)?,
        recorded_at: Timestamp::from_micros(input.arbitrary()?),
        synced,
    };
    let stream = text(input, 512)?;
    let version = Version::new(input.int_in_range(1..=u64::MAX >> 1)?);
    let mut events = vec![event(input)?];
    while events.len() < 64 && input.arbitrary()? {
        events.push(event(input)?);
    }
    fuzzing::round_trip(&stream, version, &events, &spot);
    Ok(())
}
