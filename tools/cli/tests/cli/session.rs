//! A store of its own for each test, and the command run on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use snapbox::cmd::{Command, OutputAssert, cargo_bin};
use tempfile::TempDir;

pub(crate) struct Session {
    folder: TempDir,
}

impl Session {
    /// No store yet.
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A store with these lines in it.
    pub(crate) fn with(lines: &str) -> Self {
        let session = Self::new();
        session.import(lines, &[]).success();
        session
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The command on the store of this session.
    pub(crate) fn annals(&self, args: &[&str]) -> Command {
        annals().current_dir(self.folder.path()).args(["-s", "store"]).args(args)
    }

    pub(crate) fn run(&self, args: &[&str]) -> OutputAssert {
        self.annals(args).assert()
    }

    pub(crate) fn import(&self, lines: &str, options: &[&str]) -> OutputAssert {
        self.annals(&["import", "-"]).args(options).stdin(lines.to_owned()).assert()
    }

    /// The command as a process that goes on beside the test.
    pub(crate) fn spawn(&self, args: &[&str]) -> process::Child {
        process::Command::new(cargo_bin!("annals"))
            .env_remove("ANNALS_STORE")
            .current_dir(self.folder.path())
            .args(["-s", "store"])
            .args(args)
            .stdin(process::Stdio::piped())
            .stdout(process::Stdio::piped())
            .stderr(process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// What a verb that must succeed prints, as lines of JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        stdout(&self.run(args).success())
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What a verb prints that may fail as yet, as one line of JSON.
    pub(crate) fn json_or_nothing(&self, args: &[&str]) -> Option<Value> {
        serde_json::from_slice(&self.run(args).get_output().stdout).ok()
    }

    /// One field of all events that a verb prints.
    pub(crate) fn field(&self, args: &[&str], field: &str) -> Vec<Value> {
        self.json(args).into_iter().map(|mut event| event[field].take()).collect()
    }

    /// The log's segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut segments: Vec<PathBuf> = std::fs::read_dir(self.store().join("log"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .collect();
        segments.sort();
        segments
    }
}

/// The command, with nothing of the user's surroundings that would change what it prints.
pub(crate) fn annals() -> Command {
    Command::new(cargo_bin!("annals")).env_remove("ANNALS_STORE").env("NO_COLOR", "1")
}

pub(crate) fn stdout(run: &OutputAssert) -> String {
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

pub(crate) fn stderr(run: &OutputAssert) -> String {
    String::from_utf8(run.get_output().stderr.clone()).unwrap()
}

/// Fails unless all of these stand in what was said on stderr.
#[track_caller]
pub(crate) fn said(run: &OutputAssert, texts: &[&str]) {
    let stderr = stderr(run);
    for text in texts {
        assert!(stderr.contains(text), "{text:?} is not in:\n{stderr}");
    }
}

/// So many plain lines: `order-1` … `order-3` in turn, `{"n":1}` and on.
pub(crate) fn lines(count: u64) -> String {
    (1..=count).map(line).collect()
}

pub(crate) fn line(n: u64) -> String {
    format!("{{\"stream\":\"order-{}\",\"type\":\"Counted\",\"data\":{{\"n\":{n}}}}}\n", n % 3 + 1)
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Copies a store, so that a test can break the copy.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
