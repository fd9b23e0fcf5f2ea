//! Keys of events in their streams, for engines whose keys are bytes.

/// The key of an event: the stream's name, a zero, the version.
pub(super) fn key(stream: &str, version: u64) -> Vec<u8> {
    [stream.as_bytes(), &[0], &version.to_be_bytes()].concat()
}

/// Makes it the key of another version.
pub(super) fn set_version(key: &mut [u8], version: u64) {
    *key.last_chunk_mut().unwrap() = version.to_be_bytes();
}

/// The version, or other number, that a key ends in.
pub(super) fn number(key: &[u8]) -> u64 {
    u64::from_be_bytes(*key.last_chunk().unwrap())
}
