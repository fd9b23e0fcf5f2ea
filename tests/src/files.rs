//! All files below a folder, on any file system, to be copied, put back and taken away.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use annals_env::{Access, EntryKind, Fs, RealFs};

/// Paths below a folder and the bytes of the files there.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Reads all files below `folder`; none where it is not there. Names that vanish meanwhile are left
/// out.
///
/// # Panics
/// Where something cannot be read.
#[must_use]
pub fn read(fs: &dyn Fs, folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(next) = folders.pop() {
        for entry in there(fs.list(&folder.join(&next))).unwrap_or_default() {
            let path = next.join(&entry.name);
            match entry.kind {
                EntryKind::Folder => folders.push(path),
                EntryKind::File => {
                    if let Some(bytes) = there(read_file(fs, &folder.join(&path))) {
                        files.insert(path, bytes);
                    }
                }
                EntryKind::Other => panic!("{} is no file", path.display()),
            }
        }
    }
    files
}

fn read_file(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    let file = fs.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).expect("it fits into memory")];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn there<T>(found: io::Result<T>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// Makes `files` all that there is below `folder`.
///
/// # Panics
/// Where something cannot be written.
pub fn replace(fs: &dyn Fs, folder: &Path, files: &Files) {
    for path in read(fs, folder).into_keys() {
        fs.remove(&folder.join(path)).expect("it was there");
    }
    for (path, bytes) in files {
        let path = folder.join(path);
        fs.create_dir_all(path.parent().unwrap_or(folder)).expect("there is room");
        let file = fs.create(&path).expect("it was removed");
        file.write_at(bytes, 0).and_then(|()| file.sync()).expect("there is room");
    }
}

/// Flips a bit of the first place in the log of the store in `root` where this text stands.
///
/// # Panics
/// Where it stands nowhere, or the files cannot be read and written.
pub fn damage_text(root: &Path, text: &[u8]) {
    let mut files = read(&RealFs, &root.join("log"));
    let found = files.iter_mut().find_map(|(path, bytes)| {
        let at = bytes.windows(text.len()).position(|there| there == text)?;
        bytes[at] ^= 1;
        Some((path, bytes))
    });
    let (path, bytes) = found.expect("the text stands in the log");
    std::fs::write(root.join("log").join(path), bytes).expect("the file can be written");
}
