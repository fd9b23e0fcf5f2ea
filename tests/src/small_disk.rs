//! Real file systems so small that a test fills them, where the machine lets it mount them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system, unmounted where this value is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    /// What kind of file system it is.
    pub kind: &'static str,
    root: PathBuf,
    /// Holds its mount point, and its image where it has one.
    _folder: TempDir,
}

impl SmallDisk {
    /// Size of each of them.
    pub const BYTES: u64 = 32 << 20;

    /// Those that this machine lets us mount; it says which it does not.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let made = [Self::tmpfs(), Self::ext4()];
        made.into_iter()
            .filter_map(|made| made.map_err(|error| println!("skipped: {error}")).ok())
            .collect()
    }

    fn tmpfs() -> io::Result<Self> {
        let size = format!("size={}", Self::BYTES);
        Self::mount("tmpfs", |root, _| run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", root]))
    }

    fn ext4() -> io::Result<Self> {
        Self::mount("ext4", |root, image| {
            File::create(image)?.set_len(Self::BYTES)?;
            // Nothing kept for the superuser, who we are.
            run(&["mkfs.ext4", "-q", "-F", "-m", "0", image])?;
            run(&["mount", "-o", "loop", image, root])
        })
    }

    fn mount(
        kind: &'static str,
        mount: impl FnOnce(&str, &str) -> io::Result<()>,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (root, image) = (folder.path().join("disk"), folder.path().join("image"));
        std::fs::create_dir(&root)?;
        mount(&root.to_string_lossy(), &image.to_string_lossy())?;
        Ok(Self { kind, root, _folder: folder })
    }

    /// A path on it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Leaves about so many bytes free: all else is taken by a file, made longer or shorter.
    ///
    /// # Panics
    /// Where that fails otherwise than by the disk being full.
    pub fn leave(&self, bytes: u64) {
        let path = self.path("filler");
        let mut filler =
            OpenOptions::new().append(true).create(true).open(&path).expect("the filler opens");
        let piece = vec![0x5a; 64 << 10];
        let mut step = piece.len();
        // The last bytes too: what is too large for the rest is halved.
        while step > 0 {
            match filler.write(&piece[..step]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => step /= 2,
                Err(error) => panic!("filling the disk: {error}"),
            }
        }
        // What was only promised may still fail.
        let _ = filler.sync_all();
        let length = filler.metadata().expect("its length").len();
        filler.set_len(length.saturating_sub(bytes)).expect("room is made");
        filler.sync_all().expect("room is made");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let root = self.root.to_string_lossy();
        // Files that are still open, where the test failed, must not keep it mounted.
        if run(&["umount", &root]).is_err() {
            let _ = run(&["umount", "-l", &root]);
        }
    }
}

fn run(command: &[&str]) -> io::Result<()> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let output = Command::new(program).args(arguments).output();
    let output =
        output.map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{}: {}", command.join(" "), said.trim())))
}
