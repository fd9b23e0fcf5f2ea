//! Writing an image.

use std::io;
use std::sync::Arc;

use annals_env::File;
use annals_env::sync::atomic::Ordering;

use super::block::Writer;
use super::header::{HEADER_BYTES, Header, sum_of};
use super::{IMAGE_NAME, ImageError, UNFINISHED_NAME};
use crate::memory::postings::{Chain, Part};
use crate::memory::state::State;
use crate::memory::varint;
use crate::memory::{Folder, MemoryIndex};
use crate::{Covers, Index};

/// About how much is encoded under one lock.
const BYTES_PER_LOCK: usize = 1 << 14;
/// Most ids that are encoded under one lock.
const IDS_PER_LOCK: usize = 1024;

impl MemoryIndex {
    /// Writes what the index holds up to `covers.place` to the image in its folder, in place of an
    /// earlier one; makes the folder where it is missing. Without a folder it does nothing. Events
    /// may be applied meanwhile; those above the place are left out.
    ///
    /// Everything up to the place must be durable in the log before this is called.
    ///
    /// # Errors
    /// [`ImageError::NotCovered`] where the index does not reach so far, [`ImageError::Foreign`]
    /// where `covers` names another store, and what the file system says. After an error the
    /// earlier image is there, or the new one.
    pub fn save_image(&self, covers: Covers) -> Result<(), ImageError> {
        let Some(Folder { fs, path: dir }) = &self.folder else {
            return Ok(());
        };
        let path = dir.join(IMAGE_NAME);
        if covers.store != self.store {
            return Err(ImageError::Foreign { path, found: covers.store });
        }
        let (reached, wanted) = (self.covers(), covers.place.position);
        if reached < wanted {
            return Err(ImageError::NotCovered { covers: reached, wanted });
        }
        let _saving = self.saving.lock();
        fs.create_dir_all(dir).map_err(ImageError::io("creating", dir))?;
        let unfinished = dir.join(UNFINISHED_NAME);
        // One that a crash or a full disk left behind.
        if let Err(error) = fs.remove(&unfinished)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(ImageError::io("removing", &unfinished)(error));
        }
        let file = fs.create(&unfinished).map_err(ImageError::io("creating", &unfinished))?;
        let written = self.write(&file, covers).and_then(|bytes| file.sync().map(|()| bytes));
        let bytes = written.map_err(|error| {
            // Its bytes may be what the disk lacks. If this fails too, the next save does it.
            let _ = fs.remove(&unfinished);
            ImageError::io("writing", &unfinished)(error)
        })?;
        fs.rename(&unfinished, &path).map_err(ImageError::io("renaming", &unfinished))?;
        self.image_bytes.store(bytes, Ordering::Relaxed);
        fs.sync_dir(dir).map_err(ImageError::io("syncing", dir))?;
        self.state.write().kept.forget_superseded(covers.place);
        Ok(())
    }

    /// Gives how many bytes it wrote.
    fn write(&self, file: &Arc<dyn File>, covers: Covers) -> io::Result<u64> {
        let cut = covers.place.position.get();
        let (streams, ids, terms) = {
            let state = self.state.read();
            (state.directory.count_at(cut), state.ids.count_at(cut), state.lists.count_at(cut))
        };
        let kept: Vec<_> = {
            let state = self.state.read();
            let there = state.kept.at(covers.place);
            there.filter_map(|(key, place, stands)| stands.then_some((key, place))).collect()
        };
        let header = Header {
            covers,
            streams: streams.into(),
            ids: ids.into(),
            terms: terms.into(),
            kept: kept.len() as u64,
        };
        let header = header.encode();
        file.write_at(&header, 0)?;
        let mut writer = Writer::new(Arc::clone(file), HEADER_BYTES as u64, sum_of(&header));
        let mut piece = Vec::with_capacity(2 * BYTES_PER_LOCK);

        self.write_chains(Walk::new(Kind::Stream, cut, streams), &mut writer, &mut piece)?;

        let mut before = 0;
        let mut numbers = (0..ids).peekable();
        while numbers.peek().is_some() {
            let state = self.state.read();
            for id in numbers.by_ref().take(IDS_PER_LOCK).filter_map(|at| state.ids.get(at)) {
                piece.extend(id.hash.to_le_bytes());
                varint::put(&mut piece, id.position - before);
                before = id.position;
            }
            drop(state);
            writer.write(&piece)?;
            piece.clear();
        }

        self.write_chains(Walk::new(Kind::Term, cut, terms), &mut writer, &mut piece)?;

        for some in kept.chunks(IDS_PER_LOCK) {
            for (key, place) in some {
                piece.extend(key.get().to_le_bytes());
                varint::put(&mut piece, place.position.get());
                varint::put(&mut piece, place.k.into());
            }
            writer.write(&piece)?;
            piece.clear();
        }
        writer.flush()?;
        Ok(writer.offset())
    }

    fn write_chains(
        &self,
        mut walk: Walk,
        writer: &mut Writer,
        piece: &mut Vec<u8>,
    ) -> io::Result<()> {
        while walk.number < walk.count {
            walk.put(&self.state.read(), piece);
            writer.write(piece)?;
            piece.clear();
        }
        Ok(())
    }
}

/// Whose events they are.
#[derive(Clone, Copy)]
enum Kind {
    Stream,
    Term,
}

/// A walk over all streams or terms, which can pause between any two runs of events.
struct Walk {
    kind: Kind,
    cut: u64,
    count: u32,
    number: u32,
    /// Where to go on in the stream or term; `None`: it has not begun.
    part: Option<Part>,
    /// Its first position.
    first: u64,
    /// Version and position of the event before.
    version: u64,
    position: u64,
    positions: Vec<u64>,
}

impl Walk {
    /// The first `count` of them, with their events at or below `cut`.
    const fn new(kind: Kind, cut: u64, count: u32) -> Self {
        Self {
            kind,
            cut,
            count,
            number: 0,
            part: None,
            first: 0,
            version: 0,
            position: 0,
            positions: Vec::new(),
        }
    }

    /// Appends the next of them to `out`.
    fn put(&mut self, state: &State, out: &mut Vec<u8>) {
        while out.len() < BYTES_PER_LOCK && self.number < self.count {
            let part = self.part.or_else(|| self.begin(state, out));
            self.part = part.and_then(|part| self.put_run(state, part, out));
            if self.part.is_none() {
                varint::put(out, 0);
                self.number += 1;
            }
        }
    }

    fn begin(&mut self, state: &State, out: &mut Vec<u8>) -> Option<Part> {
        match self.kind {
            Kind::Stream => {
                let name = state.directory.name(self.number)?;
                varint::put(out, name.len() as u64);
                out.extend_from_slice(name.as_bytes());
            }
            Kind::Term => out.extend(state.lists.term(self.number)?.get().to_le_bytes()),
        }
        let chain = self.chain(state)?;
        self.version = 0;
        self.position = self.first;
        self.first = chain.first();
        state.postings.first_part(chain)
    }

    /// Appends the events of a part. Gives the part behind it, if anything of that may be wanted.
    fn put_run(&mut self, state: &State, part: Part, out: &mut Vec<u8>) -> Option<Part> {
        let run = state.postings.run(self.chain(state)?, part)?;
        let (first_version, count) = (run.first_version, run.count);
        self.positions.clear();
        self.positions.extend(run.positions().take_while(|position| *position <= self.cut));
        if self.positions.is_empty() {
            return None;
        }
        varint::put(out, self.positions.len() as u64);
        if matches!(self.kind, Kind::Stream) {
            varint::put(out, first_version - self.version - 1);
        }
        for position in &self.positions {
            varint::put(out, position - self.position);
            self.position = *position;
        }
        self.version = first_version - 1 + self.positions.len() as u64;
        if self.positions.len() < count {
            return None;
        }
        state.postings.after(self.chain(state)?, part)
    }

    fn chain<'a>(&self, state: &'a State) -> Option<&'a Chain> {
        match self.kind {
            Kind::Stream => state.directory.chain(self.number),
            Kind::Term => state.lists.chain(self.number),
        }
    }
}
