//! What the fuzz targets share. Each target's own page says what it tries; `fuzz/run` runs them.

pub mod opening;

use std::alloc::{GlobalAlloc, Layout, System};

use annals::{ContentKind, EventId, NewEvent, OccurredAt};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

/// Ends the process when one allocation is larger than any that an input of a fuzz target can
/// justify: a length was believed before its checksum.
pub struct Bounded;

/// Inputs have at most 1 MiB; a reader's pieces and tables are far smaller.
const ALLOCATION_BYTES_MAX: usize = 32 << 20;

// SAFETY: everything is handed on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(bytes, layout) }
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: as above.
        unsafe { System.realloc(bytes, layout, size) }
    }
}

fn check(size: usize) {
    if size > ALLOCATION_BYTES_MAX {
        eprintln!("one allocation of {size} bytes");
        std::process::abort();
    }
}

/// A text of at most `max` bytes, at least one.
pub fn text(input: &mut Unstructured<'_>, max: usize) -> Result<String> {
    let length = input.int_in_range(1..=max)?;
    let bytes = input.bytes(length.min(input.len()))?;
    let text: String = String::from_utf8_lossy(bytes).chars().take(length / 4 + 1).collect();
    Ok(if text.is_empty() { "x".to_owned() } else { text })
}

fn some<T>(
    input: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if input.ratio(1, 3)? { make(input).map(Some) } else { Ok(None) }
}

/// An event within the limits.
pub fn event(input: &mut Unstructured<'_>) -> Result<NewEvent> {
    let id = |input: &mut Unstructured<'_>| input.arbitrary().map(EventId::from_bytes);
    let content = [ContentKind::Json, ContentKind::Text, ContentKind::Binary];
    let mut event =
        NewEvent::new(text(input, 64)?, *input.choose(&content)?, input.arbitrary::<Vec<u8>>()?);
    event.schema = input.arbitrary()?;
    event.id = some(input, id)?;
    event.correlation_id = some(input, id)?;
    event.causation_id = some(input, id)?;
    event.metadata = input.arbitrary::<Vec<u8>>()?.into();
    for _ in 0..input.int_in_range(0..=3)? {
        event.tags.push(text(input, 64)?.into());
    }
    event.occurred_at = some(input, occurred_at)?.flatten();
    Ok(event)
}

fn occurred_at(input: &mut Unstructured<'_>) -> Result<Option<OccurredAt>> {
    let digits = input.int_in_range(0..=9)?;
    let unit = 10_u32.pow(9 - u32::from(digits));
    let nanos = input.int_in_range(0..=999_999_999)? / unit * unit;
    let seconds = input.int_in_range(-400_000_000_000..=300_000_000_000)?;
    Ok(OccurredAt::new(seconds, nanos, digits, input.int_in_range(-1500..=1500)?))
}
