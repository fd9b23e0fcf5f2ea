//! The thread that reads and parses lines, and Ctrl-C, both told to the thread that writes.
//!
//! Reading has a thread of its own because it can block for ever (a pipe in which nothing comes),
//! and Ctrl-C must be answered all the same.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::input::Input;
use super::line::{self, Line};
use super::lines::{Found, LINE_BYTES_MAX, next_line};
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Lines that are handed over together, at most.
const CHUNK_LINES_MAX: usize = 1_000;
/// Their bytes, about.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Chunks that wait to be written.
const CHUNKS_WAITING_MAX: usize = 4;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line with its number, from 1; or why it is bad.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) line: Result<Line, String>,
}

/// How the lines end.
#[derive(Debug)]
pub(super) enum Ending {
    /// With the input.
    Complete,
    /// With a failure to read more.
    Broken(String),
    /// With Ctrl-C.
    Interrupted,
}

/// What the writing thread is told.
#[derive(Debug)]
pub(super) enum Message {
    Lines(Vec<Numbered>),
    End(Ending),
    /// Look whether you are interrupted.
    Wake,
}

/// Lines on their way.
#[derive(Debug)]
pub(super) struct Feed {
    messages: Receiver<Message>,
    interrupt: Interrupt,
}

impl Feed {
    /// Begins to read, and to listen to Ctrl-C.
    pub(super) fn start(input: Input) -> Result<Self, Failure> {
        let (sender, messages) = sync_channel(CHUNKS_WAITING_MAX);
        let sender = Arc::new(sender);
        // Weak: when the reading thread is gone, nobody keeps the writing one waiting.
        let waker = Arc::downgrade(&sender);
        let interrupt = Interrupt::listen(move || {
            if let Some(waker) = waker.upgrade() {
                // Where the channel is full the writer is awake.
                let _ = waker.try_send(Message::Wake);
            }
        })?;
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || read(input, &sender))
            .map_err(|error| Failure::failed(format!("no thread can be started: {error}")))?;
        Ok(Self { messages, interrupt })
    }

    /// Waits for the next message.
    pub(super) fn receive(&self) -> Message {
        let died = || Message::End(Ending::Broken("the thread that reads has died".to_owned()));
        self.messages.recv().unwrap_or_else(|_| died())
    }

    /// Whether Ctrl-C was pressed.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_pressed()
    }
}

pub(super) fn read(input: Input, sender: &SyncSender<Message>) {
    let name = input.name().to_owned();
    let (ending, rest) = match input.unpack() {
        Ok((mut text, broken)) => {
            let mut reader = Reader { sender, number: 0, chunk: Vec::new(), bytes: 0 };
            let ending = match reader.run(&mut text) {
                Ok(()) => Ending::Complete,
                Err(error) => Ending::Broken(broken.message(&error, reader.number)),
            };
            (ending, reader.chunk)
        }
        Err(error) => (Ending::Broken(format!("{name}: {error}")), Vec::new()),
    };
    // Who does not listen any more has stopped for a reason of its own.
    let _ = sender.send(Message::Lines(rest)).and_then(|()| sender.send(Message::End(ending)));
}

struct Reader<'a> {
    sender: &'a SyncSender<Message>,
    /// Lines read so far.
    number: u64,
    chunk: Vec<Numbered>,
    bytes: usize,
}

impl Reader<'_> {
    /// Reads to the end; the last lines stay in the chunk.
    fn run(&mut self, text: &mut BufReader<impl Read>) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let found = next_line(text, &mut buffer)?;
            if found == Found::End {
                return Ok(());
            }
            self.number += 1;
            self.take(&found, &buffer);
            // What is complete is not held back while the next line is waited for.
            let more = memchr::memchr(b'\n', text.buffer()).is_some();
            if !more || self.chunk.len() >= CHUNK_LINES_MAX || self.bytes >= CHUNK_BYTES_MAX {
                self.bytes = 0;
                if self.sender.send(Message::Lines(std::mem::take(&mut self.chunk))).is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, found: &Found, buffer: &[u8]) {
        let mut bytes = buffer;
        if self.number == 1 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        let line = match found {
            Found::TooLong => Err(format!("longer than the {LINE_BYTES_MAX} bytes allowed")),
            // An empty line says nothing, and so loses nothing.
            _ if bytes.trim_ascii().is_empty() => return,
            _ => line::parse(bytes),
        };
        self.bytes += bytes.len();
        self.chunk.push(Numbered { number: self.number, line });
    }
}
