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
        let (mut damage, mut notes, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
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
                damage.push(file_damage(&format!("{LOG_FOLDER}/{}", entry.name), what));
                continue;
            }
            let (name, file, header) = segment::open(fs, root, &entry.name, access)?;
            let length =
                file.len().map_err(|error| LogError::io(format!("reading {name}"), error))?;
            if length > FILE_BYTES_MAX {
                damage.push(file_damage(&name, "the file is longer than any segment"));
            }
            match header {
                OpenedHeader::Whole(header) => segments.push((Listed { name, file, header }, None)),
                OpenedHeader::Half(header, note) => {
                    segments.push((Listed { name, file, header }, Some(note)));
                }
                OpenedHeader::Unreadable(unreadable) => damage.push(unreadable),
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
                continue;
            }
            if listed.header.generation != 0 {
                let what = format!("generation {}", listed.header.generation);
                return Err(LogError::Unsupported { segment: listed.name, what });
            }
            let own_name = file_name_of(&listed.header);
            if listed.name != own_name {
                let what = format!("the segment is named for another place; it is {own_name}");
                damage.push(file_damage(&listed.name, &what));
            }
            if let Some(before) = kept.last_mut()
                && before.header.first == listed.header.first
            {
                // Two copies of one segment: the one under its own name counts.
                if before.name != own_name {
                    *before = listed;
                }
                continue;
            }
            notes.extend(note);
            kept.push(listed);
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
        }
        Ok(Some(Self {
            root: root.to_owned(),
            store,
            segments: kept,
            damage,
            notes,
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
        what: what.to_owned(),
    }
}
