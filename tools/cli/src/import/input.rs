//! Where lines come from: a file or standard input, plain or gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::failure::Failure;
use crate::messages;

const BUFFER_BYTES: usize = 256 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// An opened input.
pub(super) struct Input {
    name: String,
    raw: Counted,
    bytes_total: Option<u64>,
}

impl Input {
    /// These bytes, as if a file had them.
    #[cfg(fuzzing)]
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let raw = Counted { source: Box::new(io::Cursor::new(bytes)), bytes: Arc::default() };
        Self { name: "input".to_owned(), raw, bytes_total: None }
    }

    /// Opens the file, or standard input where it is `-`.
    pub(super) fn open(file: &str) -> Result<Self, Failure> {
        let failed = |error| Failure::failed(format!("{file} cannot be read: {error}"));
        let (name, source, bytes_total): (_, Box<dyn Read + Send>, _) = if file == "-" {
            if io::stdin().is_terminal() {
                messages::say("reading JSON lines from the terminal; Ctrl-D ends them");
            }
            ("standard input".to_owned(), Box::new(io::stdin()), None)
        } else {
            let opened = File::open(file).map_err(failed)?;
            let metadata = opened.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(Failure::failed(format!("{file} is a folder"))
                    .hint("give a file of JSON lines, or - for standard input"));
            }
            // A pipe or a device has no size.
            let total = metadata.is_file().then_some(metadata.len());
            (file.to_owned(), Box::new(opened), total)
        };
        let raw = Counted { source, bytes: Arc::default() };
        Ok(Self { name, raw, bytes_total })
    }

    /// Its size where it has one, packed if it is.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// How much of that has been read; goes up as it is.
    pub(super) fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.raw.bytes)
    }

    /// Begins to read: the text, unpacked, and what to say where reading fails.
    pub(super) fn unpack(self) -> io::Result<(BufReader<Box<dyn Read + Send>>, Broken)> {
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, self.raw);
        let start = raw.fill_buf()?;
        if start.starts_with(ZSTD_MAGIC) {
            let hint =
                "it is packed with zstd: unpack it first, as in zstdcat FILE | annals import -";
            return Err(io::Error::new(io::ErrorKind::Unsupported, hint));
        }
        let gzip = start.starts_with(GZIP_MAGIC);
        let text: Box<dyn Read + Send> =
            if gzip { Box::new(MultiGzDecoder::new(raw)) } else { Box::new(raw) };
        Ok((BufReader::with_capacity(BUFFER_BYTES, text), Broken { name: self.name, gzip }))
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Says what an error of reading means.
#[derive(Debug)]
pub(super) struct Broken {
    name: String,
    gzip: bool,
}

impl Broken {
    /// The message for an error behind line `lines`.
    pub(super) fn message(&self, error: &io::Error, lines: u64) -> String {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof if self.gzip => {
                "the gzip data ends in the middle, the file is cut off".to_owned()
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if self.gzip => {
                format!("the gzip data is damaged ({error})")
            }
            _ => format!("reading failed: {error}"),
        };
        format!("{}: {what}, behind line {lines}", self.name)
    }
}

/// Counts what is read, for the progress bar.
struct Counted {
    source: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
