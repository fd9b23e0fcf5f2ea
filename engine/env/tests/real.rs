//! What only the machine's file system has: modes, links, FIFOs, names that are not text.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use annals_env::{Access, EntryKind, Fs, RealFs};
use tempfile::tempdir;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn only_the_owner_may_enter_and_read() {
    let dir = tempdir().unwrap();
    let store = dir.path().join("above/store");
    RealFs.create_dir_all(&store).unwrap();
    RealFs.create(&store.join("file")).unwrap();
    RealFs.lock(&store.join("lock")).unwrap().unwrap();
    assert_eq!(mode(&dir.path().join("above")), 0o700);
    assert_eq!(mode(&store), 0o700);
    assert_eq!(mode(&store.join("file")), 0o600);
    assert_eq!(mode(&store.join("lock")), 0o600);
}

#[test]
fn links_are_not_followed() {
    let dir = tempdir().unwrap();
    let (file, link, dangling) =
        (dir.path().join("file"), dir.path().join("link"), dir.path().join("dangling"));
    RealFs.create(&file).unwrap().write_at(b"kept", 0).unwrap();
    symlink(&file, &link).unwrap();
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    for link in [&link, &dangling] {
        assert!(RealFs.open(link, Access::Read).is_err());
        assert!(RealFs.open(link, Access::ReadWrite).is_err());
        assert!(RealFs.lock(link).is_err());
        assert_eq!(RealFs.create(link).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    assert!(!dir.path().join("nowhere").exists());
    // What replaces or removes a link leaves its target alone.
    RealFs.remove(&link).unwrap();
    symlink(&file, &link).unwrap();
    RealFs.create(&dir.path().join("new")).unwrap();
    RealFs.rename(&dir.path().join("new"), &link).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
}

#[test]
fn folders_above_may_be_links() {
    let dir = tempdir().unwrap();
    RealFs.create_dir_all(&dir.path().join("real")).unwrap();
    symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    RealFs.create_dir_all(&dir.path().join("link")).unwrap();
    RealFs.create(&dir.path().join("link/file")).unwrap();
    RealFs.open(&dir.path().join("real/file"), Access::Read).unwrap();
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let dir = tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [fifo.as_path(), socket.as_path(), Path::new("/dev/null")] {
        assert!(RealFs.open(path, Access::Read).is_err(), "{}", path.display());
        assert!(RealFs.open(path, Access::ReadWrite).is_err(), "{}", path.display());
        assert!(RealFs.lock(path).is_err(), "{}", path.display());
        assert_eq!(RealFs.create(path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}

#[test]
fn list_shows_what_the_engine_never_opens() {
    let dir = tempdir().unwrap();
    symlink("nowhere", dir.path().join("link")).unwrap();
    let listed = RealFs.list(dir.path()).unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].kind), ("link", EntryKind::Other));
}

#[test]
fn a_name_that_is_not_text_matches_nothing() {
    let dir = tempdir().unwrap();
    // Some systems refuse to make it.
    if std::fs::write(dir.path().join(OsStr::from_bytes(b"a\xff")), b"").is_ok() {
        assert_eq!(RealFs.list(dir.path()).unwrap()[0].name, "a\u{fffd}");
    }
}

#[test]
fn a_lock_ends_with_its_process() {
    const ROLE: &str = "ANNALS_ENV_LOCK_PATH";
    if let Some(path) = std::env::var_os(ROLE) {
        let held = RealFs.lock(Path::new(&path)).unwrap().unwrap();
        std::io::stdout().write_all(b"locked\n").unwrap();
        std::mem::forget(held);
        std::io::stdin().read_line(&mut String::new()).unwrap();
        std::process::abort();
    }
    let dir = tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_lock_ends_with_its_process", "--nocapture"])
        .env(ROLE, &path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output);
    assert!(lines.any(|line| line.unwrap().contains("locked")));
    assert!(RealFs.is_locked(&path).unwrap());
    assert!(RealFs.lock(&path).unwrap().is_none());
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
    assert!(!RealFs.is_locked(&path).unwrap());
    assert!(RealFs.lock(&path).unwrap().is_some());
}
