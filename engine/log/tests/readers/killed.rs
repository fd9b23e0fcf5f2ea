//! A reader outlives writers that are killed, as other processes.

#![expect(clippy::unwrap_used, reason = "these are tests")]
#![expect(clippy::disallowed_methods, reason = "a writer in a process of its own takes its time")]

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use annals_env::RealFs;
use annals_log::SyncMode;
use annals_types::Position;

use super::support::{BUFFERED, SYNC, World, check_from};

const ROLE: &str = "ANNALS_LOG_WRITER_IN";

/// In the child: writes until it is killed.
fn write_for_ever(root: &Path, sync: SyncMode) -> ! {
    let writer = World::threaded(Arc::new(RealFs), root).write(sync).unwrap();
    for n in 0.. {
        writer.append(n % 5 + 1).unwrap();
    }
    std::process::abort()
}

fn start(test: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, root)
        .spawn()
        .unwrap()
}

fn outlives(test: &str, sync: SyncMode) {
    if let Some(root) = std::env::var_os(ROLE) {
        write_for_ever(Path::new(&root), sync);
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::threaded(Arc::new(RealFs), dir.path());
    world.write(sync).unwrap().append(1).unwrap();
    let mut live = world.read().unwrap();
    let mut seen = check_from(live.reader(), Position::START);
    for round in 1..=6_u64 {
        let mut child = start(test, dir.path());
        let began = seen;
        let mut looks = 0;
        while seen.get() < began.get() + 400 * round {
            let visible = live.refresh().unwrap();
            assert!(visible >= seen);
            seen = check_from(live.reader(), seen);
            looks += 1;
            if looks % 16 == 0 {
                let other = world.read().unwrap();
                assert_eq!(other.damage(), []);
                check_from(other.reader(), Position::new(seen.get().saturating_sub(100)));
            }
            std::thread::sleep(Duration::from_micros(round * 100));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen = live.refresh().unwrap();
        // Nothing of what was seen is ever taken back, and who opens now sees no less.
        let again = world.read().unwrap();
        assert!(again.reader().visible() >= seen);
        assert_eq!(again.damage(), []);
        check_from(again.reader(), Position::START);
    }
    assert!(live.reader().epoch().number >= 7);
    assert_eq!(check_from(live.reader(), Position::START), seen);
}

#[test]
fn a_reader_outlives_synced_writers() {
    outlives("killed::a_reader_outlives_synced_writers", SYNC);
}

#[test]
fn a_reader_outlives_buffered_writers() {
    outlives("killed::a_reader_outlives_buffered_writers", BUFFERED);
}
