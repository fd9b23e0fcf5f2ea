//! A segment written anew as its next generation.

use std::path::PathBuf;
use std::sync::Arc;

use annals_env::{Env, File};
use annals_types::{Epoch, Place, Timestamp};

use crate::error::{LogError, Result};
use crate::format::control::Control;
use crate::format::cursor::Cursor;
use crate::format::draft::{Draft, Stamp};
use crate::format::event::RecordHead;
use crate::format::frame::FrameHeader;
use crate::format::segment_header::SegmentHeader;
use crate::frames::{FrameRecord, FrameRecords};
use crate::loss::LostStream;
use crate::segment::{self, FRAMES_START, LOG_FOLDER, PAGE_BYTES, TEMPORARY_SUFFIX, write_zeros};
use crate::walk::{CheckedFrame, Walk};

/// What is written at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// A segment in the making. It is in the log, whole, once [`Rewriter::publish`] has returned; before
/// that it is not there at all.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    env: &'a Env,
    root: PathBuf,
    header: SegmentHeader,
    file: Arc<dyn File>,
    temporary: PathBuf,
    /// Where `buffer` begins in the file.
    offset: u64,
    buffer: Vec<u8>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(env: &'a Env, root: &std::path::Path, header: SegmentHeader) -> Result<Self> {
        let name = segment::file_name(header.first, header.generation);
        let temporary = root.join(LOG_FOLDER).join(format!("{name}{TEMPORARY_SUFFIX}"));
        let fail = |error| LogError::io(format!("making {LOG_FOLDER}/{name}"), error);
        match env.fs.remove(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let file = env.fs.create(&temporary).map_err(fail)?;
        segment::write_headers(&*file, &header).map_err(fail)?;
        let (root, buffer) = (root.to_owned(), Vec::new());
        Ok(Self { env, root, header, file, temporary, offset: FRAMES_START, buffer })
    }

    /// The frame as it was, with holes where records are lost. `streams` tells whose events those
    /// were, as far as the frame does not.
    pub(super) fn frame(
        &mut self,
        walk: &mut Walk,
        checked: &CheckedFrame,
        streams: &[LostStream],
    ) -> Result<()> {
        let frame = &checked.frame;
        let known = |position| streams.iter().find(|lost| lost.position == position);
        let mut draft = Draft::again(frame.streams.as_ref());
        let mut records = FrameRecords::new(frame.clone());
        while let Some(record) = records.next(&mut walk.window, &walk.segment)? {
            match record {
                FrameRecord::Whole { index, .. } if checked.contradicts() => {
                    draft.hole(frame.streams.as_ref(), known(frame.position(index)));
                }
                FrameRecord::Whole { record, .. } => {
                    let mut cursor = Cursor::new(&record.payload);
                    RecordHead::decode(&mut cursor);
                    draft.copy(cursor.left());
                }
                FrameRecord::Lost { first, last, .. } => {
                    for index in first..=last {
                        draft.hole(frame.streams.as_ref(), known(frame.position(index)));
                    }
                }
            }
        }
        self.put(draft, &frame.header)
    }

    /// A note of what is lost between `first`, where it stands, and what it tells.
    pub(super) fn lost(&mut self, first: Place, control: &Control, epoch: Epoch) -> Result<()> {
        let now = self.env.clock.now();
        self.append(Draft::control(&control.encode()), first, epoch.number, now, Place::START)
    }

    fn put(&mut self, mut draft: Draft, header: &FrameHeader) -> Result<()> {
        draft.finish_digest();
        self.append(draft, header.first, header.epoch, header.recorded_at, header.synced)
    }

    fn append(
        &mut self,
        mut draft: Draft,
        first: Place,
        epoch: u32,
        recorded_at: Timestamp,
        synced: Place,
    ) -> Result<()> {
        let epoch = Epoch { number: epoch, id: 0 };
        let offset = self.offset + self.buffer.len() as u64;
        let salt = self.header.salt;
        let (bytes, _) = draft.finish(&Stamp { first, epoch, recorded_at, synced, salt, offset });
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.file.write_at(&self.buffer, self.offset);
        written.map_err(|error| self.fail(error))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn fail(&self, error: std::io::Error) -> LogError {
        LogError::io(format!("writing {}", self.temporary.display()), error)
    }

    /// Makes it durable and gives it its name. The name survives a power cut once the log's folder
    /// is synced.
    pub(super) fn publish(mut self) -> Result<String> {
        self.flush()?;
        let end = self.offset.next_multiple_of(PAGE_BYTES);
        write_zeros(&*self.file, self.offset, end).1.map_err(|error| self.fail(error))?;
        self.file.sync().map_err(|error| self.fail(error))?;
        let name = segment::file_name(self.header.first, self.header.generation);
        let to = self.root.join(LOG_FOLDER).join(&name);
        self.env.fs.rename(&self.temporary, &to).map_err(|error| self.fail(error))?;
        segment::sync_folder(&*self.env.fs, &self.root).map_err(|error| self.fail(error))?;
        Ok(format!("{LOG_FOLDER}/{name}"))
    }
}
