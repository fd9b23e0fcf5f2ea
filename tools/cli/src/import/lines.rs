//! Lines out of a reader, none of them longer than allowed.

use std::io::{self, BufRead};

use annals::limits::{DATA_BYTES_MAX, METADATA_BYTES_MAX};

/// Longest line, in bytes: the largest data and metadata with every byte written as `\u00..`, and
/// 1 MiB for the rest.
pub(super) const LINE_BYTES_MAX: usize = 6 * (DATA_BYTES_MAX + METADATA_BYTES_MAX) + (1 << 20);

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A line; it is in the buffer, without its line feed.
    Line,
    /// A line longer than [`LINE_BYTES_MAX`], which was passed over.
    TooLong,
    /// The end of the input.
    End,
}

/// Reads the next line into `line`, which is emptied first.
pub(super) fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Found> {
    bounded_line(input, line, LINE_BYTES_MAX)
}

fn bounded_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> io::Result<Found> {
    line.clear();
    let mut seen = false;
    let mut too_long = false;
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        let end = memchr::memchr(b'\n', buffer);
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
        let at_end = buffer.is_empty();
        seen |= !at_end;
        if line.len() + piece.len() > bytes_max {
            // Let go of the memory: the rest of the line is only counted off.
            too_long = true;
            *line = Vec::new();
        }
        if !too_long {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() || at_end {
            return Ok(match (seen, too_long) {
                (false, _) => Found::End,
                (true, true) => Found::TooLong,
                (true, false) => Found::Line,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(text: &str, bytes_max: usize) -> Vec<Result<String, ()>> {
        // A tiny buffer, so that lines lie across its refills.
        let mut input = BufReader::with_capacity(3, text.as_bytes());
        let mut line = Vec::new();
        let mut lines = Vec::new();
        loop {
            match bounded_line(&mut input, &mut line, bytes_max).unwrap() {
                Found::Line => lines.push(Ok(String::from_utf8(line.clone()).unwrap())),
                Found::TooLong => lines.push(Err(())),
                Found::End => return lines,
            }
        }
    }

    #[test]
    fn lines_are_split_at_line_feeds() {
        let line = |text: &str| Ok(text.to_owned());
        assert_eq!(all("", 9), []);
        assert_eq!(all("\n", 9), [line("")]);
        assert_eq!(
            all("one\n\nthree\r\nlast", 9),
            [line("one"), line(""), line("three\r"), line("last")]
        );
    }

    #[test]
    fn a_line_too_long_is_passed_over() {
        let line = |text: &str| Ok(text.to_owned());
        assert_eq!(all("12345\n123456\n1\n", 5), [line("12345"), Err(()), line("1")]);
        assert_eq!(all("1\n1234567", 5), [line("1"), Err(())]);
    }
}
