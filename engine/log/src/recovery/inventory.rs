//! Which files a log has, before any frame is looked at.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Access, EntryKind, File, Fs};
use annals_types::{Place, StoreId};

use crate::Damage;
use crate::error::{LogError, Result};
use crate::format::segment_header::SegmentHeader;
use crate::format::state::State;
use crate::offsets::{LiveOffsets, OffsetTable};
use crate::segment::{self, FILE_BYTES_MAX, LOG_FOLDER, OpenedHeader, Segment, TEMPORARY_SUFFIX};
use crate::state_page::{self, STATE_FILE};

/// The files of a log and what their headers say.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) root: PathBuf,
    pub(crate) store: StoreId,
    /// In the order of the log.
    pub(crate) segments: Vec<Listed>,
    /// What is wrong with files as a whole.
    pub(crate) damage: Vec<Damage>,
    /// What is wrong and has a second copy.
    pub(crate) notes: Vec<Damage>,
    /// The names of `segments`.
    pub(crate) listed: Vec<String>,
    /// Files in the log's folder that are not taken for a part of it, and are damage.
    pub(crate) strays: Vec<String>,
    /// Segments of which there is a newer generation.
    pub(crate) superseded: Vec<String>,
    /// Segments whose making was not finished.
    pub(crate) unfinished: Vec<PathBuf>,
    pub(crate) state: Option<State>,
}

#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: SegmentHeader,
}

impl Listed {
    pub(crate) fn has_own_name(&self) -> bool {
        self.name == file_name_of(&self.header)
    }

    /// The segment, without a footer and with an empty table.
    pub(crate) fn unsealed(self) -> Segment {
        let Self { name, file, header } = self;
        let offsets = OffsetTable::Live(Arc::new(LiveOffsets::new()));
        Segment { name, file, header, offsets, summary: None }
    }
}

impl Inventory {
    /// Looks at the log in the store's folder `root`. `None` where there is none: no segment, and
    /// no `state` page that knows of one.
    ///
    /// # Errors
    /// [`LogError::Unsupported`] for another format, [`LogError::Damaged`] where not even the
    /// store's identity can be read, and I/O errors.
    pub fn take(fs: &dyn Fs, root: &Path, access: Access) -> Result<Option<Self>> {
        let page = state_page::read(fs, root)?;
        Self::take_with(fs, root, access, &page)
    }

    /// As [`Inventory::take`], with a `state` page that was read before: so all that it tells of is
    /// in the files that are listed after it.
    pub(super) fn take_with(
        fs: &dyn Fs,
        root: &Path,
        access: Access,
        page: &[u8],
    ) -> Result<Option<Self>> {
        let entries = match fs.list(&root.join(LOG_FOLDER)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(LogError::io(format!("listing {LOG_FOLDER}"), error)),
        };
        let mut segments: Vec<(Listed, Option<Damage>)> = Vec::new();
        let (mut damage, mut notes) = (Vec::new(), Vec::new());
        let (mut strays, mut superseded, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            if let Some(stem) = entry.name.strip_suffix(TEMPORARY_SUFFIX)
                && segment::parse_file_name(stem).is_some()
            {
                unfinished.push(root.join(LOG_FOLDER).join(&entry.name));
                continue;
            }
            if segment::parse_file_name(&entry.name).is_none() {
                continue;
            }
            if entry.kind != EntryKind::File {
                let what = "a link or special file stands where a segment should";
                let name = format!("{LOG_FOLDER}/{}", entry.name);
                damage.push(file_damage(&name, what));
                strays.push(name);
                continue;
            }
            let (name, file, header) = segment::open(fs, root, &entry.name, access)?;
            let length =
                file.len().map_err(|error| LogError::io(format!("reading {name}"), error))?;
            if length > FILE_BYTES_MAX {
                let what = "the file is longer than any segment";
                let (offset, bytes) = (FILE_BYTES_MAX, length - FILE_BYTES_MAX);
                damage.push(Damage { offset, bytes, ..file_damage(&name, what) });
            }
            match header {
                OpenedHeader::Whole(header) => segments.push((Listed { name, file, header }, None)),
                OpenedHeader::Half(header, note) => {
                    segments.push((Listed { name, file, header }, Some(note)));
                }
                OpenedHeader::Unreadable(unreadable) => {
                    damage.push(unreadable);
                    strays.push(name);
                }
            }
        }
        let of_state = State::store_of(page);
        // The log is the truth: the page decides only where the segments do not agree.
        let of_log = |store| segments.iter().filter(|found| found.0.header.store == store).count();
        let candidates = segments.iter().map(|found| found.0.header.store).chain(of_state);
        let Some(store) = candidates.max_by_key(|&store| (of_log(store), of_state == Some(store)))
        else {
            return match damage.into_iter().next() {
                Some(damage) => Err(LogError::damaged(damage)),
                None => Ok(None),
            };
        };
        let mut kept: Vec<Listed> = Vec::new();
        segments.sort_by_key(|(listed, _)| (listed.header.first, listed.header.generation));
        for (listed, note) in segments {
            if listed.header.store != store {
                damage.push(file_damage(&listed.name, "the segment belongs to another store"));
                strays.push(listed.name);
                continue;
            }
            if !listed.has_own_name() {
                let own_name = file_name_of(&listed.header);
                let what = format!("the segment is named for another place; it is {own_name}");
                damage.push(file_damage(&listed.name, &what));
            }
            let Some(before) = kept.pop_if(|before| before.header.first == listed.header.first)
            else {
                notes.extend(note);
                kept.push(listed);
                continue;
            };
            let same = before.header.generation == listed.header.generation;
            // Of two copies of one segment the one under its own name counts, else the newer.
            let (counts, other) =
                if same && before.has_own_name() { (before, listed) } else { (listed, before) };
            if counts.has_own_name() && other.has_own_name() {
                superseded.push(other.name);
            } else {
                strays.push(other.name);
            }
            kept.push(counts);
        }
        if kept.is_empty() && damage.is_empty() {
            damage.push(file_damage(
                STATE_FILE,
                "the page tells of a log, but there is no segment: restore the log folder",
            ));
        }
        let state = State::decode(page, store);
        if of_state.is_some() && state.is_none() {
            notes.push(file_damage(STATE_FILE, "the page belongs to another store"));
            strays.push(STATE_FILE.to_owned());
        }
        Ok(Some(Self {
            root: root.to_owned(),
            store,
            listed: kept.iter().map(|listed| listed.name.clone()).collect(),
            segments: kept,
            damage,
            notes,
            strays,
            superseded,
            unfinished,
            state,
        }))
    }

    /// Forgets the files that begin behind `last`, and what is wrong with them.
    pub(super) fn cut_behind(&mut self, last: Place) {
        self.segments.retain(|listed| listed.header.first <= last);
        let counts = |damage: &Damage| {
            let name = Path::new(&damage.segment).file_name().and_then(|name| name.to_str());
            let first = name.and_then(segment::parse_file_name).map(|(first, _)| first);
            first.is_none_or(|first| first <= last)
        };
        self.damage.retain(counts);
        self.notes.retain(counts);
    }

    /// The store that the log belongs to.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.store
    }
}

fn file_name_of(header: &SegmentHeader) -> String {
    format!("{LOG_FOLDER}/{}", segment::file_name(header.first, header.generation))
}

pub(crate) fn file_damage(name: &str, what: &str) -> Damage {
    Damage {
        segment: name.to_owned(),
        offset: 0,
        bytes: 0,
        positions: None,
        stream: None,
        streams: Vec::new(),
        what: what.to_owned(),
    }
}
