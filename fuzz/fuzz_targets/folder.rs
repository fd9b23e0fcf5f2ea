//! Opening a store whose files were lost, copied, renamed, cut, grown, swapped, taken from another
//! time or from another store, or changed in some bytes: segments, the `state` page, the saved
//! index, and names that nobody knows. What `recovery` checks, and that an event that is read is one
//! that was appended, at its position.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use annals_env::{Fs, MemoryFs};
use annals_fuzz::Bounded;
use annals_fuzz::opening::{ROOT, Sample, check};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| Sample::new(2));
/// The same store as it was when it was younger.
static YOUNGER: LazyLock<Sample> = LazyLock::new(|| Sample::new(1));
static OTHER: LazyLock<Sample> = LazyLock::new(|| Sample::of_seed(1, 2));
const STREAMS: [&str; 3] = ["order-1", "order-2", "cart-1"];
/// Names beside those of segments.
const NAMES: [&str; 6] =
    ["state", "lock", "index/memory/image", "index/memory/image.tmp", "log/x", "x"];

fuzz_target!(|input: &[u8]| {
    let fs = SAMPLE.fs.fork();
    // What an input that ends early has done is done.
    let input = &mut Unstructured::new(input);
    while !input.is_empty() && change(&fs, input).is_ok() {}
    let events = check(&fs, &STREAMS);
    // The other store may have taken the folder over.
    assert!(SAMPLE.has(&events) || OTHER.has(&events));
});

fn change(fs: &MemoryFs, input: &mut Unstructured<'_>) -> Result<()> {
    let files = fs.files();
    let path = input.choose(&files)?;
    let mut bytes = fs.read_file(path).unwrap();
    match input.int_in_range(0..=9)? {
        0 => fs.remove(path).unwrap(),
        1 => fs.rename(path, &name(input)?).unwrap(),
        2 => fs.write_file(&name(input)?, &bytes).unwrap(),
        3 => {
            bytes.truncate(place(&bytes, input)?);
            fs.write_file(path, &bytes).unwrap();
        }
        4 => {
            bytes.resize(bytes.len() + usize::from(input.arbitrary::<u16>()?), 0);
            fs.write_file(path, &bytes).unwrap();
        }
        5 => {
            let other = input.choose(&files)?;
            fs.write_file(path, &fs.read_file(other).unwrap()).unwrap();
            fs.write_file(other, &bytes).unwrap();
        }
        6 => {
            let from = if input.arbitrary()? { &YOUNGER.fs } else { &OTHER.fs };
            let taken = from.files();
            let taken = input.choose(&taken)?;
            let to = if input.arbitrary()? { path.clone() } else { taken.clone() };
            fs.write_file(&to, &from.read_file(taken).unwrap()).unwrap();
        }
        7 => {
            // A stretch from elsewhere in the folder.
            let other = fs.read_file(input.choose(&files)?).unwrap();
            let from = place(&other, input)?;
            let to = place(&bytes, input)?;
            let length = usize::from(input.arbitrary::<u16>()?);
            let taken = &other[from..other.len().min(from + length)];
            bytes[to..].iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
            fs.write_file(path, &bytes).unwrap();
        }
        8 => {
            let at = place(&bytes, input)?;
            let length = usize::from(input.arbitrary::<u16>()?);
            bytes[at..].iter_mut().take(length).for_each(|byte| *byte = 0);
            fs.write_file(path, &bytes).unwrap();
        }
        _ => {
            let at = place(&bytes, input)?;
            let change: u8 = input.arbitrary()?;
            bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= change);
            fs.write_file(path, &bytes).unwrap();
        }
    }
    Ok(())
}

/// A place in these bytes; their end too.
fn place(bytes: &[u8], input: &mut Unstructured<'_>) -> Result<usize> {
    let block = input.ratio(1, 2)?;
    let at = input.int_in_range(0..=bytes.len())?;
    Ok(if block { at - at % 512 } else { at })
}

/// A path that has a meaning in a store's folder, or none.
fn name(input: &mut Unstructured<'_>) -> Result<PathBuf> {
    let root = Path::new(ROOT);
    if input.ratio(1, 4)? {
        return Ok(root.join(*input.choose(&NAMES)?));
    }
    let (position, k): (u64, u32) = match input.int_in_range(0..=2)? {
        0 => (0, 1),
        1 => (input.int_in_range(0..=SAMPLE.events.len() as u64 + 1)?, input.int_in_range(0..=2)?),
        _ => (input.arbitrary()?, input.arbitrary()?),
    };
    let generation = u32::from(input.ratio(1, 8)?);
    let suffix = if input.ratio(1, 8)? { ".tmp" } else { "" };
    Ok(root.join(format!("log/{position:020}-{k:010}-{generation:010}.seg{suffix}")))
}
