//! One file of the log, and its name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Access, File, Fs};
use annals_types::{Place, Position};

use crate::Damage;
use crate::error::{LogError, Result};
use crate::format::footer::{Summary, TRAILER_BYTES, TRAILER_FROM_END, Trailer};
use crate::format::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentHeaderFault};
use crate::offsets::{EVENT_BYTES_MIN, LiveOffsets, OFFSETS_MAX, OffsetTable};

/// The folder of the segments, inside the store's.
pub(crate) const LOG_FOLDER: &str = "log";
/// A segment that is being made has this behind its name.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";
/// Where the two copies of the header lie, each in a sector of its own.
const HEADER_OFFSETS: [usize; 2] = [0, 512];
/// Bytes in front of the first frame.
const HEADER_PAGE_BYTES: usize = 1024;
/// Where the first frame begins.
pub(crate) const FRAMES_START: u64 = HEADER_PAGE_BYTES as u64;
/// No segment's file is longer: the largest segment, a commit beyond it and the footer fit in. What
/// lies behind in a file made to look longer is not read.
pub(crate) const FILE_BYTES_MAX: u64 = 2 << 30;
/// Files grow in multiples of this.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// A segment and how to find events in it.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its file inside the store's folder, e.g. `log/….seg`.
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: SegmentHeader,
    pub(crate) offsets: OffsetTable,
    /// What its footer says, once sealed.
    pub(crate) summary: Option<Arc<Summary>>,
}

/// The file name of the segment that begins at `first`.
pub(crate) fn file_name(first: Place, generation: u32) -> String {
    format!("{:020}-{:010}-{generation:010}.seg", first.position.get(), first.k)
}

/// Reads a file name; `None` where it is not exactly one that [`file_name`] makes.
pub(crate) fn parse_file_name(name: &str) -> Option<(Place, u32)> {
    let mut parts = name.strip_suffix(".seg")?.split('-');
    let position = Position::new(parts.next()?.parse().ok()?);
    let first = Place { position, k: parts.next()?.parse().ok()? };
    let generation = parts.next()?.parse().ok()?;
    (name == file_name(first, generation)).then_some((first, generation))
}

/// Whether a file of this name in a log folder is a segment, or one that is being made.
#[must_use]
pub fn is_segment_name(name: &str) -> bool {
    parse_file_name(name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name)).is_some()
}

pub(crate) fn path_of(root: &Path, name: &str) -> PathBuf {
    root.join(name)
}

/// What the header of a segment's file is, in both its copies.
pub(crate) enum OpenedHeader {
    Whole(SegmentHeader),
    /// One copy serves; the other, or the zeros beside them, are damaged.
    Half(SegmentHeader, Damage),
    Unreadable(Damage),
}

/// Opens the file `log/<file_name>` and reads its header.
pub(crate) fn open(
    fs: &dyn Fs,
    root: &Path,
    file_name: &str,
    access: Access,
) -> Result<(String, Arc<dyn File>, OpenedHeader)> {
    let name = format!("{LOG_FOLDER}/{file_name}");
    let fail = |error| LogError::io(format!("opening {name}"), error);
    let file = fs.open(&path_of(root, &name), access).map_err(fail)?;
    let mut page = [0; HEADER_PAGE_BYTES];
    let read = file.read_at(&mut page, 0).map_err(fail)?;
    let page = page.get(..read).unwrap_or_default();
    let mut whole = None;
    let mut damaged = None;
    for offset in HEADER_OFFSETS {
        match SegmentHeader::decode(page.get(offset..).unwrap_or_default()) {
            Ok(header) => whole = whole.or(Some(header)),
            Err(SegmentHeaderFault::Format { format, revision }) => {
                let what = format!("storage format {format}.{revision}");
                return Err(LogError::Unsupported { segment: name, what });
            }
            Err(_) => damaged = Some(offset),
        }
    }
    let damage = |offset: usize, bytes: usize, what: &str| Damage {
        segment: name.clone(),
        offset: offset as u64,
        bytes: bytes as u64,
        positions: None,
        stream: None,
        streams: Vec::new(),
        what: what.to_owned(),
    };
    let stray = HEADER_OFFSETS.iter().find_map(|&start| {
        let padding = start + SEGMENT_HEADER_BYTES;
        let bytes = page.get(padding..start + HEADER_PAGE_BYTES / HEADER_OFFSETS.len())?;
        Some(padding + bytes.iter().position(|&byte| byte != 0)?)
    });
    let header = match (whole, damaged, stray) {
        (Some(header), None, None) => OpenedHeader::Whole(header),
        (Some(header), Some(offset), _) => {
            let what = "one of the two copies of the segment's header is damaged";
            OpenedHeader::Half(header, damage(offset, SEGMENT_HEADER_BYTES, what))
        }
        (Some(header), None, Some(offset)) => {
            OpenedHeader::Half(header, damage(offset, 1, "bytes that nothing accounts for"))
        }
        (None, ..) => {
            let what = "both copies of the segment's header are damaged";
            OpenedHeader::Unreadable(damage(0, HEADER_PAGE_BYTES, what))
        }
    };
    Ok((name, file, header))
}

/// Makes the segment that begins at `header.first`, with `reserved` bytes of room. After an error it
/// is not there; after a crash it is there whole or not at all. It is there for good once the folder
/// is synced ([`sync_folder`]), which must be before anything in it is acknowledged.
pub(crate) fn create(
    fs: &dyn Fs,
    root: &Path,
    header: SegmentHeader,
    reserved: u64,
) -> io::Result<Segment> {
    let folder = root.join(LOG_FOLDER);
    let file_name = file_name(header.first, header.generation);
    let temporary = folder.join(format!("{file_name}{TEMPORARY_SUFFIX}"));
    match fs.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create(&temporary)?;
    let made = (|| {
        write_zeros(&*file, 0, reserved).1?;
        write_headers(&*file, &header)?;
        file.sync()?;
        fs.rename(&temporary, &folder.join(&file_name))
    })();
    if let Err(error) = made {
        // Best effort: what stays is removed at the next opening.
        fs.remove(&temporary).ok();
        return Err(error);
    }
    let offsets = OffsetTable::Live(Arc::new(LiveOffsets::new()));
    Ok(Segment { name: format!("{LOG_FOLDER}/{file_name}"), file, header, offsets, summary: None })
}

/// Writes both copies of the header, and the zeros beside them.
pub(crate) fn write_headers(file: &dyn File, header: &SegmentHeader) -> io::Result<()> {
    let mut page = [0; HEADER_PAGE_BYTES];
    for offset in HEADER_OFFSETS {
        if let Some(copy) = page.get_mut(offset..offset + SEGMENT_HEADER_BYTES) {
            copy.copy_from_slice(&header.encode());
        }
    }
    file.write_at(&page, 0)
}

/// Makes the names in the log's folder survive a power cut.
pub(crate) fn sync_folder(fs: &dyn Fs, root: &Path) -> io::Result<()> {
    fs.sync_dir(&root.join(LOG_FOLDER))
}

/// Writes zeros from `from` to `to` in pieces: one large write would make the page cache use large
/// folios, and every small append to them would then write all of one back.
/// Gives also how far it came.
pub(crate) fn write_zeros(file: &dyn File, from: u64, to: u64) -> (u64, io::Result<()>) {
    static PIECE: [u8; 32 << 10] = [0; 32 << 10];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).map_or(PIECE.len(), |left| left.min(PIECE.len()));
        if let Err(error) = file.write_at(PIECE.get(..length).unwrap_or_default(), at) {
            return (at, Err(error));
        }
        at += length as u64;
    }
    (at, Ok(()))
}

/// The length of a segment's file, as far as it is read.
pub(crate) fn length(file: &dyn File) -> io::Result<u64> {
    Ok(file.len()?.min(FILE_BYTES_MAX))
}

/// What stands at the end of a segment's file.
pub(crate) enum Footer {
    /// A trailer that is whole, and all that it promises.
    Sealed(Summary, OffsetTable),
    /// No trailer, or half of one: the segment was never sealed to the end.
    None,
    /// A trailer, but not whole, or not what it promises.
    Damaged(Damage),
}

/// Reads the footer of a segment with this header.
pub(crate) fn read_footer(name: &str, file: &dyn File, header: &SegmentHeader) -> Result<Footer> {
    let fail = |error| LogError::io(format!("reading {name}"), error);
    let length = length(file).map_err(fail)?;
    let Some(at) = length.checked_sub(TRAILER_FROM_END as u64).filter(|&at| at >= FRAMES_START)
    else {
        return Ok(Footer::None);
    };
    let mut bytes = [0; TRAILER_BYTES];
    file.read_exact_at(&mut bytes, at).map_err(fail)?;
    let damaged = |offset: u64, what: &str| {
        Footer::Damaged(Damage {
            segment: name.to_owned(),
            offset,
            bytes: length - offset,
            positions: None,
            stream: None,
            streams: Vec::new(),
            what: what.to_owned(),
        })
    };
    let Some(trailer) = Trailer::decode(&bytes, header.salt, at) else {
        if Trailer::is_damaged(&bytes, header.salt, at) {
            return Ok(damaged(at, "the trailer of the footer is damaged"));
        }
        return Ok(Footer::None);
    };
    let summary_at = at.checked_sub(u64::from(trailer.summary_length));
    let offsets_at = length.checked_sub(trailer.footer_bytes());
    let (Some(summary_at), Some(offsets_at)) = (summary_at, offsets_at) else {
        return Ok(damaged(at, "the trailer of the footer is damaged"));
    };
    let mut bytes = vec![0; trailer.summary_length as usize];
    file.read_exact_at(&mut bytes, summary_at).map_err(fail)?;
    if crate::format::checksum::sealed(&bytes, header.salt, summary_at) != trailer.summary_checksum
    {
        return Ok(damaged(summary_at, "the summary of the footer is damaged"));
    }
    let summary = Summary::decode(&bytes).filter(|summary| {
        summary.first == header.first
            && summary.events == trailer.offsets
            && (FRAMES_START..=offsets_at).contains(&summary.frames_end)
            // Entries of lost events have no bytes in the frames.
            && summary.events as usize <= OFFSETS_MAX
            && (!summary.losses.is_empty()
                || u64::from(summary.events)
                    <= (summary.frames_end - FRAMES_START) / EVENT_BYTES_MIN)
    });
    let Some(summary) = summary else {
        return Ok(damaged(summary_at, "the summary of the footer contradicts itself"));
    };
    let offsets = OffsetTable::Sealed {
        at: offsets_at,
        count: trailer.offsets,
        checksum: summary.offsets_checksum,
    };
    Ok(Footer::Sealed(summary, offsets))
}

/// Segments that are not sealed although later ones are.
pub(crate) fn without_footer(segments: &[Arc<Segment>]) -> impl Iterator<Item = &Arc<Segment>> {
    let sealed = segments.iter().rposition(|segment| segment.summary.is_some()).unwrap_or(0);
    segments.iter().take(sealed).filter(|segment| segment.summary.is_none())
}

impl Segment {
    pub(crate) fn has_own_name(&self) -> bool {
        let own = file_name(self.header.first, self.header.generation);
        self.name.strip_prefix(LOG_FOLDER).and_then(|name| name.strip_prefix('/')) == Some(&own)
    }

    /// The position of the first event that can stand in it.
    pub(crate) fn first_event(&self) -> Position {
        self.header.first.position.plus(1)
    }

    pub(crate) fn io(&self, error: io::Error) -> LogError {
        LogError::io(format!("reading {}", self.name), error)
    }

    pub(crate) fn damage(
        &self,
        offset: u64,
        bytes: u64,
        positions: Option<(Position, Position)>,
        what: &str,
    ) -> Damage {
        Damage {
            segment: self.name.clone(),
            offset,
            bytes,
            positions,
            stream: None,
            streams: Vec::new(),
            what: what.to_owned(),
        }
    }

    /// No frame reaches beyond this: the end of the frames once sealed, else no bound but the file.
    pub(crate) fn frames_bound(&self) -> u64 {
        self.summary.as_ref().map_or(u64::MAX >> 1, |summary| summary.frames_end)
    }

    pub(crate) fn file_bytes(&self) -> Result<u64> {
        length(&*self.file).map_err(|error| self.io(error))
    }
}
