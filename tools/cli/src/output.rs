//! Data on its way to stdout.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use crate::humane::plain_json;

const BUFFER_BYTES: usize = 64 << 10;

/// Stdout, locked and buffered.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    styled: bool,
    terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let styled = AutoStream::choice(&stdout) != ColorChoice::Never;
        let terminal = is_terminal();
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, stdout.lock()), styled, terminal }
    }

    /// Whether colours and the like are welcome.
    pub(crate) fn is_styled(&self) -> bool {
        self.styled
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())?;
        self.write(b"\n")
    }

    /// A line of JSON, line feed included: byte for byte, but to a terminal, which it must not drive.
    pub(crate) fn json_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        if self.terminal { self.write(&plain_json(line)) } else { self.write(line) }
    }

    /// One value as a line of JSON.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| Failure::failed(format!("the output cannot be written: {error}")))?;
        line.push(b'\n');
        self.json_line(&line)
    }

    /// Hands on what is buffered. To be called at the end: dropping would hide a failure.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))
    }
}

/// Whether nobody reads stdout any more: the other end of a pipe is gone. Writing would tell too.
pub(crate) fn is_closed() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Whether a person looks at stdout.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The columns of the terminal behind stdout; `None` where there is none.
pub(crate) fn terminal_columns() -> Option<usize> {
    if !is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}
