//! Reading an image.

use std::io;
use std::path::Path;
use std::sync::Arc;

use annals_env::{Access, Fs};
use annals_types::{Place, Position, StoreId};

use super::block::{Fault, Reader};
use super::header::{HEADER_BYTES, Header, Refused, sum_of};
use super::{IMAGE_NAME, ImageError};
use crate::memory::ids::IdHash;
use crate::memory::postings::{CHUNK_BYTES_MAX, Chain, Postings};
use crate::memory::state::State;
use crate::memory::{Folder, MemoryIndex};
use crate::{Covers, Term};

/// A stream has at least the length of its name, a run of one event and its end.
const STREAM_BYTES_MIN: u64 = 5;
/// An id has at least its hash and one byte of a position.
const ID_BYTES_MIN: u64 = 9;
/// A term has at least its number, a run of one event and its end.
const TERM_BYTES_MIN: u64 = 11;
/// A kept state has at least its key and a byte for each number of its place.
const KEPT_BYTES_MIN: u64 = 10;
/// Most bytes of a name.
const NAME_BYTES_MAX: u64 = u16::MAX as u64;

impl MemoryIndex {
    /// The index that was saved in the folder `dir`, which its next image goes to, and what it
    /// covers. `None`: there is none.
    ///
    /// Whether the log still holds what it covers is for the caller to find out.
    ///
    /// # Errors
    /// Where the image is damaged, another store's, of another format version or cannot be read.
    /// It is of no use then, and the index must be made from the log.
    pub fn load(
        fs: Arc<dyn Fs>,
        dir: &Path,
        store: StoreId,
    ) -> Result<Option<(Self, Covers)>, ImageError> {
        let path = dir.join(IMAGE_NAME);
        let file = match fs.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ImageError::io("opening", &path)(error)),
        };
        let damaged = |offset, fault| match fault {
            Fault::Io(error) => ImageError::io("reading", &path)(error),
            Fault::Damaged(reason) => ImageError::Damaged { path: path.clone(), offset, reason },
        };
        let mut bytes = [0; HEADER_BYTES];
        let end = file
            .len()
            .and_then(|end| file.read_exact_at(&mut bytes, 0).map(|()| end))
            .map_err(|error| damaged(0, error.into()))?;
        let header = Header::decode(&bytes).map_err(|refused| match refused {
            Refused::Damaged(reason) => damaged(0, Fault::Damaged(reason)),
            Refused::UnknownVersion(found) => {
                ImageError::UnknownVersion { path: path.clone(), found }
            }
        })?;
        let covers = header.covers;
        if covers.store != store {
            return Err(ImageError::Foreign { path, found: covers.store });
        }
        let mut reader = Reader::new(file, HEADER_BYTES as u64, end, sum_of(&bytes));
        let state = read(&mut reader, &header).map_err(|fault| damaged(reader.offset(), fault))?;
        let folder = Folder { fs, path: dir.to_owned() };
        Ok(Some((Self::from_state(store, state, Some(folder), end), covers)))
    }
}

fn read(reader: &mut Reader, header: &Header) -> Result<State, Fault> {
    let streams = header.streams.saturating_mul(STREAM_BYTES_MIN);
    let ids = header.ids.saturating_mul(ID_BYTES_MIN);
    let terms = header.terms.saturating_mul(TERM_BYTES_MIN);
    let kept = header.kept.saturating_mul(KEPT_BYTES_MIN);
    let least = [ids, terms, kept].into_iter().fold(streams, u64::saturating_add);
    if least > reader.left() {
        return Err(Fault::Damaged("it is too short for what its header says"));
    }
    let covers = header.covers.place.position.get();
    let mut state = State::new(header.covers.store);
    state.covers = covers;
    // The positions of a run.
    let mut run = Vec::new();
    let mut first = 0;
    for _ in 0..header.streams {
        first = read_stream(reader, &mut state, &mut run, first)?;
    }
    let mut position = 0;
    for _ in 0..header.ids {
        let hash = u64::from_le_bytes(reader.array()?);
        position = read_position(reader, position, covers)?;
        let entry = IdHash { hash, position };
        state.ids.insert_hash(entry).ok_or(Fault::Damaged("it has too many ids"))?;
    }
    let mut first = 0;
    for _ in 0..header.terms {
        first = read_term(reader, &mut state, &mut run, first)?;
    }
    let mut before = None;
    for _ in 0..header.kept {
        let kept = read_kept(reader, header.covers.place)?;
        if before.is_some_and(|before| before >= kept) {
            return Err(Fault::Damaged("a kept state is out of order"));
        }
        state.kept.keep(kept.0, kept.1, &[]);
        before = Some(kept);
    }
    reader.finish()?;
    Ok(state)
}

/// Reads a stream, using `run`; the one before it began at `before`. Gives where this one begins.
fn read_stream(
    reader: &mut Reader,
    state: &mut State,
    run: &mut Vec<u64>,
    before: u64,
) -> Result<u64, Fault> {
    let bytes = reader.varint()?;
    if bytes > NAME_BYTES_MAX {
        return Err(Fault::Damaged("a name is too long"));
    }
    let name = String::from_utf8(reader.bytes(bytes)?)
        .map_err(|_| Fault::Damaged("a name is not UTF-8"))?;
    let Err(hash) = state.directory.look_up(&name) else {
        return Err(Fault::Damaged("a name comes twice"));
    };
    let mut chain = None;
    let (mut version, mut position) = (0_u64, before);
    loop {
        let count = read_count(reader)?;
        if count == 0 {
            break;
        }
        let skipped = reader.varint()?;
        let first_version = version.checked_add(skipped).and_then(|version| version.checked_add(1));
        let first_version = first_version.ok_or(Fault::Damaged("a version is too high"))?;
        version = first_version - 1;
        version = version.checked_add(count).ok_or(Fault::Damaged("a version is too high"))?;
        run.clear();
        for _ in 0..count {
            position = read_position(reader, position, state.covers)?;
            run.push(position);
        }
        chain = take_run(&mut state.postings, chain, first_version, run);
        if chain.is_none() {
            return Err(Fault::Damaged("it has too many streams or events"));
        }
    }
    let chain = chain.ok_or(Fault::Damaged("a stream has no event"))?;
    let inserted = state.directory.insert(&name, hash, chain);
    inserted.ok_or(Fault::Damaged("it has too many streams or events"))?;
    Ok(chain.first())
}

/// The chain with a run of events more, whose first has this version. `None`: they do not fit.
fn take_run(
    postings: &mut Postings,
    chain: Option<Chain>,
    version: u64,
    positions: &[u64],
) -> Option<Chain> {
    let (mut chain, version, positions) = match chain {
        Some(chain) => (chain, version, positions),
        None => {
            let (&first, others) = positions.split_first()?;
            (postings.start(version, first)?, version.saturating_add(1), others)
        }
    };
    postings.push_run(&mut chain, version, positions)?;
    Some(chain)
}

/// Reads a term, using `run`; the one before it began at `before`. Gives where this one begins.
fn read_term(
    reader: &mut Reader,
    state: &mut State,
    run: &mut Vec<u64>,
    before: u64,
) -> Result<u64, Fault> {
    let term = Term::new(u64::from_le_bytes(reader.array()?));
    if state.lists.find(term).is_some() {
        return Err(Fault::Damaged("a term comes twice"));
    }
    let mut chain = None;
    let mut version = 1;
    // Many terms may begin at one position, but none at 0.
    let (mut position, mut above) = (before, before.saturating_sub(1));
    loop {
        let count = read_count(reader)?;
        if count == 0 {
            break;
        }
        run.clear();
        for _ in 0..count {
            position = read_step(reader, position, above, state.covers)?;
            above = position;
            run.push(position);
        }
        chain = take_run(&mut state.postings, chain, version, run);
        if chain.is_none() {
            return Err(Fault::Damaged("it has too many terms or events"));
        }
        version += count;
    }
    let chain = chain.ok_or(Fault::Damaged("a term has no event"))?;
    let inserted = state.lists.insert(term, chain);
    inserted.ok_or(Fault::Damaged("it has too many terms or events"))?;
    Ok(chain.first())
}

/// Key and place of a kept state.
fn read_kept(reader: &mut Reader, covers: Place) -> Result<(Term, Place), Fault> {
    let key = Term::new(u64::from_le_bytes(reader.array()?));
    let (position, k) = (reader.varint()?, reader.varint()?);
    let k = u32::try_from(k).ok().filter(|&k| k > 0);
    let place = k.map(|k| Place { position: Position::new(position), k });
    let place = place.filter(|place| *place <= covers);
    Ok((key, place.ok_or(Fault::Damaged("a kept state is out of order"))?))
}

/// How many events a run has; 0: there is no run.
fn read_count(reader: &mut Reader) -> Result<u64, Fault> {
    let count = reader.varint()?;
    if count > u64::from(CHUNK_BYTES_MAX) {
        return Err(Fault::Damaged("a run has too many events"));
    }
    Ok(count)
}

/// The position behind `before`, none above `covers`.
fn read_position(reader: &mut Reader, before: u64, covers: u64) -> Result<u64, Fault> {
    read_step(reader, before, before, covers)
}

/// The position so many steps behind `before` as come next; above `above`, not above `covers`.
fn read_step(reader: &mut Reader, before: u64, above: u64, covers: u64) -> Result<u64, Fault> {
    let step = reader.varint()?;
    match before.checked_add(step) {
        Some(position) if position > above && position <= covers => Ok(position),
        _ => Err(Fault::Damaged("a position is out of order")),
    }
}
