//! Carrying out a repair.

use std::path::Path;
use std::sync::Arc;

use annals_env::{Access, Env};
use annals_types::{Epoch, Place};

use super::rewrite::Rewriter;
use super::salvage::{Piece, Salvage, Stretch};
use super::{Epochs, RepairPlan, Repaired, Step, aside};
use crate::error::{LogError, Result};
use crate::format::control::{Control, Lost};
use crate::format::segment_header::SegmentHeader;
use crate::link;
use crate::loss::LostStream;
use crate::recovery::{Inventory, Recovered};
use crate::segment::{self, LOG_FOLDER, Segment};
use crate::walk::CheckedFrame;
use crate::writer::FIRST_RESERVE_BYTES;

/// Bytes of names and figures of streams in one note of a loss.
const NOTE_BYTES: usize = 1 << 20;
/// Bytes of a stream in a note, but for its name.
const NOTE_STREAM_BYTES: usize = 18;

impl Epochs {
    /// The epoch with this number. Where its id is lost, a new one is drawn: what was derived from
    /// it is lost with it.
    fn numbered(&mut self, number: u32, env: &Env) -> Epoch {
        let number = number.max(1);
        if let Some(known) = self.known.iter().find(|epoch| epoch.number == number) {
            return *known;
        }
        let epoch = Epoch { number, id: env.random.u64() };
        self.known.push(epoch);
        epoch
    }
}

impl RepairPlan {
    /// Does it. Nobody else may have the store open for writing. `progress` is told the bytes done
    /// and in all.
    ///
    /// # Errors
    /// [`LogError::DiskFull`] and I/O errors: the log is then as it was, or a part of the repair is
    /// done, and doing it again does the rest.
    pub fn execute(mut self, env: &Env, progress: &mut dyn FnMut(u64, u64)) -> Result<Repaired> {
        let mut repaired = Repaired::default();
        if self.is_empty() {
            return Ok(repaired);
        }
        aside::make_folder(&*env.fs, &self.root)?;
        // The room is needed.
        self.unfinished.iter().try_for_each(|path| remove(env, path))?;
        for name in std::mem::take(&mut self.strays) {
            let to = aside::put(&*env.fs, &self.root, &name)?;
            repaired.set_aside.push((name, to));
        }
        let (mut done, total) = (0, self.bytes);
        for step in std::mem::take(&mut self.steps) {
            match step {
                Step::Fill(stretch) => repaired.filled.push(self.fill(env, &stretch)?),
                Step::Rewrite { segment, end, behind } => {
                    let to = aside::copy(&*env.fs, &self.root, &segment.name)?;
                    repaired.set_aside.push((segment.name.clone(), to));
                    let salvage = Salvage::new(Arc::clone(&segment), end, behind);
                    let new = self.rewrite(env, &segment, salvage, &mut |bytes| {
                        progress(done + bytes, total);
                    })?;
                    repaired.rewritten.push(new);
                    // It is durably there under its new name, and a copy of the old one too.
                    remove(env, &self.root.join(&segment.name))?;
                    done += segment.file_bytes()?;
                }
            }
        }
        aside::put_aside(&*env.fs, &self.root, &self.superseded)?;
        sync_log(env, &self.root)?;
        end_behind_loss(env, &self.root)?;
        seal_all(env, &self.root)?;
        progress(self.bytes, self.bytes);
        Ok(repaired)
    }

    fn fill(&mut self, env: &Env, stretch: &Stretch) -> Result<String> {
        let before = self.reader.epoch_before(stretch.first);
        let header = SegmentHeader {
            store: self.reader.store(),
            salt: env.random.u64(),
            first: stretch.first,
            generation: self.next_generation(env, stretch.first)?,
            epoch: before,
        };
        let mut new = Rewriter::new(env, &self.root, header)?;
        let stretch = Stretch { epoch: stretch.epoch.max(before.number), ..*stretch };
        self.note(env, &mut new, &stretch)?;
        new.publish()
    }

    fn rewrite(
        &mut self,
        env: &Env,
        segment: &Arc<Segment>,
        mut salvage: Salvage,
        progress: &mut dyn FnMut(u64),
    ) -> Result<String> {
        let generation = self.next_generation(env, segment.header.first)?;
        let header = SegmentHeader { salt: env.random.u64(), generation, ..segment.header };
        let mut new = Rewriter::new(env, &self.root, header)?;
        while let Some(piece) = salvage.next()? {
            match piece {
                Piece::Frame(checked) => {
                    let streams = self.streams_in(&checked);
                    new.frame(salvage.walk(), &checked, &streams)?;
                }
                Piece::Lost(stretch) => self.note(env, &mut new, &stretch)?,
            }
            progress(salvage.offset());
        }
        new.publish()
    }

    fn note(&mut self, env: &Env, new: &mut Rewriter<'_>, stretch: &Stretch) -> Result<()> {
        let epoch = self.epochs.numbered(stretch.epoch, env);
        let (mut first, end) = (stretch.first, stretch.up_to);
        let from = first.position.plus(1);
        let known =
            self.losses.iter().filter(|loss| from <= loss.first && loss.last <= end.position);
        let mut known = known.flat_map(|loss| &loss.streams).peekable();
        // In several notes where very many streams have lost events.
        loop {
            let (mut streams, mut bytes) = (Vec::new(), 0);
            while let Some(lost) = known.next_if(|_| bytes < NOTE_BYTES) {
                bytes += NOTE_STREAM_BYTES + lost.stream.len();
                streams.push(lost.clone());
            }
            let up_to = match (streams.last(), known.peek()) {
                (Some(last), Some(_)) => Place::event(last.position),
                _ => end,
            };
            new.lost(first, &Control::Lost(Lost { epoch, up_to, streams }), epoch)?;
            if up_to >= end {
                return Ok(());
            }
            first = up_to.next();
        }
    }

    /// A generation of the segment that begins at `first` that no file has by name or header.
    fn next_generation(&self, env: &Env, first: Place) -> Result<u32> {
        let fail = |error| LogError::io(format!("listing {LOG_FOLDER}"), error);
        let entries = env.fs.list(&self.root.join(LOG_FOLDER)).map_err(fail)?;
        let names = entries.iter().filter_map(|entry| segment::parse_file_name(&entry.name));
        let named = names.filter(|name| name.0 == first).map(|name| name.1);
        let segments = self.reader.segments();
        let headers = segments.iter().map(|segment| segment.header);
        let headers = headers.filter(|header| header.first == first);
        let newest = named.chain(headers.map(|header| header.generation)).max().unwrap_or(0);
        newest.checked_add(1).ok_or_else(|| LogError::Unsupported {
            segment: LOG_FOLDER.to_owned(),
            what: "the last generation of a segment that can be told apart".to_owned(),
        })
    }

    /// What is known of the events that a frame has lost.
    fn streams_in(&self, checked: &CheckedFrame) -> Vec<LostStream> {
        if checked.is_whole() {
            return Vec::new();
        }
        let (first, last) = (checked.frame.position(0), checked.frame.header.last().position);
        let inside = self.losses.iter().filter(|loss| first <= loss.first && loss.last <= last);
        inside.flat_map(|loss| loss.streams.iter().cloned()).collect()
    }
}

fn remove(env: &Env, path: &Path) -> Result<()> {
    match env.fs.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::io(format!("removing {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

fn sync_log(env: &Env, root: &Path) -> Result<()> {
    segment::sync_folder(&*env.fs, root)
        .map_err(|error| LogError::io("syncing the log's folder", error))
}

/// Where the log ends in a loss, it goes on in a segment of its own: the table of a segment has an
/// entry for each position from its first one on.
fn end_behind_loss(env: &Env, root: &Path) -> Result<()> {
    let Some(recovered) = recovered(env, root)? else { return Ok(()) };
    let reader = recovered.reader();
    let lost = reader.losses().last().is_some_and(|loss| loss.last == recovered.head());
    if !lost || recovered.tail.is_none() {
        return Ok(());
    }
    let header = SegmentHeader {
        store: reader.store(),
        salt: env.random.u64(),
        first: recovered.last().next(),
        generation: 0,
        epoch: reader.epoch(),
    };
    let fail = |error| LogError::io("making a segment", error);
    segment::create(&*env.fs, root, header, FIRST_RESERVE_BYTES).map_err(fail)?;
    sync_log(env, root)
}

/// The log as it is now, with no damage any more.
fn recovered(env: &Env, root: &Path) -> Result<Option<Recovered>> {
    let Some(inventory) = Inventory::take(&*env.fs, root, Access::ReadWrite)? else {
        return Ok(None);
    };
    let recovered = inventory.recover(None)?;
    match recovered.damage().first() {
        Some(damage) => Err(LogError::damaged(damage.clone())),
        None => Ok(Some(recovered)),
    }
}

/// Seals and links every full segment that is not: those behind it may be, and would miss it.
fn seal_all(env: &Env, root: &Path) -> Result<()> {
    let Some(recovered) = recovered(env, root)? else { return Ok(()) };
    let Recovered { reader, full, .. } = recovered;
    // Whoever wrote the newest footer may have been killed before it was durable; those behind it
    // rely on it.
    if let Some(sealed) = reader.segments().iter().rfind(|segment| segment.summary.is_some()) {
        let fail = |error| LogError::io(format!("syncing {}", sealed.name), error);
        sealed.file.sync().map_err(fail)?;
    }
    for full in full {
        reader.replace_segment(&Arc::new(full.seal()?));
    }
    // They are derived: what cannot be linked is told of by verification.
    link::link_all(&reader).ok();
    Ok(())
}
