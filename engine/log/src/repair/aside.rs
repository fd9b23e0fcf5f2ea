//! Where a repair keeps what it takes out of the log.

use std::io;
use std::path::{Path, PathBuf};

use annals_env::{Access, File, Fs};

use crate::error::{LogError, Result};

/// The folder of what repairs took out of the log, inside the store's.
pub const DAMAGED_FOLDER: &str = "damaged";

const PIECE_BYTES: usize = 64 << 10;

/// Makes the folder.
pub(super) fn make_folder(fs: &dyn Fs, root: &Path) -> Result<()> {
    let fail = |error| LogError::io(format!("making {DAMAGED_FOLDER}"), error);
    fs.create_dir_all(&root.join(DAMAGED_FOLDER)).map_err(fail)?;
    fs.sync_dir(root).map_err(fail)
}

/// Moves files of the store's folder there, each durably.
pub(crate) fn put_aside(fs: &dyn Fs, root: &Path, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    make_folder(fs, root)?;
    names.iter().try_for_each(|name| put(fs, root, name).map(|_| ()))
}

/// Copies the file `name` of the store's folder there, durably. Gives the copy's name.
pub(super) fn copy(fs: &dyn Fs, root: &Path, name: &str) -> Result<String> {
    let (to, path) = free_name(fs, root, name)?;
    let fail = |error| LogError::io(format!("copying {name} to {to}"), error);
    let from = fs.open(&root.join(name), Access::Read).map_err(fail)?;
    let copy = fs.create(&path).map_err(fail)?;
    if let Err(error) = copy_bytes(&*from, &*copy) {
        // A part of a copy is of no use to anybody.
        fs.remove(&path).ok();
        return Err(fail(error));
    }
    fs.sync_dir(&root.join(DAMAGED_FOLDER)).map_err(fail)?;
    Ok(to)
}

fn copy_bytes(from: &dyn File, to: &dyn File) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    loop {
        let read = from.read_at(&mut piece, at)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        to.write_at(bytes, at)?;
        at += read as u64;
    }
    to.sync()
}

/// Moves whatever has this name in the store's folder there. Gives its new name.
pub(super) fn put(fs: &dyn Fs, root: &Path, name: &str) -> Result<String> {
    let (to, path) = free_name(fs, root, name)?;
    let fail = |error| LogError::io(format!("moving {name} to {to}"), error);
    fs.rename(&root.join(name), &path).map_err(fail)?;
    // There before it is gone from where it was.
    fs.sync_dir(&root.join(DAMAGED_FOLDER)).map_err(fail)?;
    let from = root.join(name);
    fs.sync_dir(from.parent().unwrap_or(root)).map_err(fail)?;
    Ok(to)
}

/// A name in the folder that is not taken: an earlier repair may have put a file of the same name
/// there.
fn free_name(fs: &dyn Fs, root: &Path, name: &str) -> Result<(String, PathBuf)> {
    let folder = root.join(DAMAGED_FOLDER);
    let fail = |error: io::Error| LogError::io(format!("listing {DAMAGED_FOLDER}"), error);
    let taken = fs.list(&folder).map_err(fail)?;
    let own = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or(name);
    let mut free = own.to_owned();
    for number in 1_u32.. {
        if taken.iter().all(|entry| entry.name != free) {
            break;
        }
        free = format!("{own}.{number}");
    }
    let path = folder.join(&free);
    Ok((format!("{DAMAGED_FOLDER}/{free}"), path))
}
