//! What the process takes of the machine. The kernel tells it on Linux only.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Bytes that a line of `/proc/self/status` names: `RssAnon`, memory of its own, with no file behind
/// it; `VmHWM`, the most that ever was there, mapped files included.
#[must_use]
pub fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// Bytes that this process has had read from disks so far, for maps of files as well.
#[must_use]
pub fn disk_reads() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Does `work`, and gives the most `RssAnon` that was there meanwhile.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let look = || most.fetch_max(status("RssAnon"), Ordering::Relaxed);
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                look();
                thread::sleep(EVERY);
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    look();
    (result, most.into_inner())
}
