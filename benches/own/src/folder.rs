//! Where the files of a run lie: in `ANNALS_BENCH_DIR`, or else in the folder for temporary files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// The folder that all runs use.
#[must_use]
pub fn base() -> PathBuf {
    std::env::var_os("ANNALS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A new folder that goes with its value.
#[must_use]
pub fn fresh() -> TempDir {
    tempfile::Builder::new().prefix("annals-bench-").tempdir_in(base()).unwrap()
}

/// Runs `run` so many times, each in a new folder, and adds up the times that it gives.
pub fn each(runs: u64, run: impl Fn(&Path) -> Duration) -> Duration {
    (0..runs).map(|_| run(fresh().path())).sum()
}

/// Says which file system the figures are of.
#[must_use]
pub fn describe() -> String {
    let kind = file_system(&base()).unwrap_or_else(|| "an unknown file system".to_owned());
    let memory = if kind == "tmpfs" { ": no disk, set ANNALS_BENCH_DIR" } else { "" };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("files on {kind}{memory}; {cores} cores")
}

/// The type of the file system that `folder` lies in, where the system tells.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    mounts
        .filter(|(at, _)| folder.starts_with(at))
        .max_by_key(|(at, _)| at.components().count())
        .map(|(_, kind)| kind.to_owned())
}
