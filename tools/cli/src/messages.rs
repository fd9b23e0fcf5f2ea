//! What the command says to its user, on stderr.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};

use crate::failure::Failure;
use crate::humane::plain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();

/// A plain line.
pub(crate) fn say(text: impl Display) {
    write(None, &text.to_string());
}

/// Something that the user should know and that is no failure.
pub(crate) fn note(text: impl Display) {
    write(Some((NOTE, "note:")), &text.to_string());
}

/// A piece of damage.
pub(crate) fn damaged(text: impl Display) {
    write(Some((ERROR, "damaged:")), &text.to_string());
}

/// Why the command failed and what to do about it.
pub(crate) fn failure(failure: &Failure) {
    if failure.message().is_empty() {
        return;
    }
    write(Some((ERROR, "error:")), failure.message());
    if let Some(hint) = failure.way_out() {
        write(Some((HINT, "hint:")), hint);
    }
}

/// One line in one piece, flushed at once: others may read it while we go on. Nobody is left to
/// tell where stderr itself fails.
fn write(label: Option<(Style, &str)>, text: &str) {
    let text = plain(text);
    let mut line = Vec::with_capacity(text.len() + 32);
    let _ = match label {
        Some((style, label)) => writeln!(line, "{style}{label}{style:#} {text}"),
        None => writeln!(line, "{text}"),
    };
    let mut stderr = AutoStream::auto(io::stderr().lock());
    let _ = stderr.write_all(&line).and_then(|()| stderr.flush());
}
