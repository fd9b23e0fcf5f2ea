//! The file of the `state` page.

use std::io;
use std::path::Path;
use std::sync::Arc;

use annals_env::sync::atomic::{Ordering, fence};
use annals_env::{Access, File, Fs};
use annals_types::{Epoch, Place, StoreId};

use crate::error::{LogError, Result};
use crate::format::state::{SLOT_OFFSETS, STATE_BYTES, State};

/// Its name in the store's folder.
pub(crate) const STATE_FILE: &str = "state";

/// Reads the page; empty where there is none.
pub(crate) fn read(fs: &dyn Fs, root: &Path) -> Result<Vec<u8>> {
    let fail = |error| LogError::io(format!("reading {STATE_FILE}"), error);
    let file = match fs.open(&root.join(STATE_FILE), Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut page = vec![0; STATE_BYTES];
    let read = file.read_at(&mut page, 0).map_err(fail)?;
    page.truncate(read);
    Ok(page)
}

/// How often a page without a whole slot is looked at again.
const READS_MAX: u32 = 16;

/// Reads the page while somebody may be writing it: one slot is always whole, but a slow read can
/// meet the one half written and, a moment later, the other.
pub(crate) fn read_beside_writer(fs: &dyn Fs, root: &Path) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    for _ in 0..READS_MAX {
        page = read(fs, root)?;
        if State::store_of(&page).is_some() || page.iter().all(|&byte| byte == 0) {
            break;
        }
    }
    Ok(page)
}

/// The page, opened for writing.
#[derive(Debug)]
pub(crate) struct StatePage {
    file: Arc<dyn File>,
    store: StoreId,
    sequence: u64,
}

impl StatePage {
    /// Opens the page, or makes one. `sequence` is the highest that a reader may have seen.
    pub(crate) fn open(
        fs: &dyn Fs,
        root: &Path,
        store: StoreId,
        sequence: u64,
    ) -> io::Result<Self> {
        let path = root.join(STATE_FILE);
        let file = match fs.open(&path, Access::ReadWrite) {
            Ok(file) if file.len()? == STATE_BYTES as u64 => {
                // Written again, so that no copy of the file shares the page with it: slots are
                // stored through a map, and that must need no room.
                let mut page = [0; STATE_BYTES];
                file.read_exact_at(&mut page, 0)?;
                file.write_at(&page, 0)?;
                file
            }
            Ok(_) => {
                // Cut short or grown by another hand.
                fs.remove(&path)?;
                Self::make(fs, root)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(fs, root)?,
            Err(error) => return Err(error),
        };
        Ok(Self { file, store, sequence })
    }

    fn make(fs: &dyn Fs, root: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs.create(&root.join(STATE_FILE))?;
        file.write_at(&[0; STATE_BYTES], 0)?;
        file.sync()?;
        fs.sync_dir(root)?;
        Ok(file)
    }

    /// Says how far the log is durable and visible. Not synced: an older slot stays true.
    pub(crate) fn write(&mut self, epoch: Epoch, durable: Place, visible: Place) -> io::Result<()> {
        self.sequence += 1;
        let state = State { store: self.store, sequence: self.sequence, epoch, durable, visible };
        let [even, odd] = SLOT_OFFSETS;
        let offset = if self.sequence.is_multiple_of(2) { even } else { odd };
        // Both go through maps: who reads the slot in another process must find the frames.
        fence(Ordering::Release);
        self.file.append_at(&state.encode(), offset)
    }
}
