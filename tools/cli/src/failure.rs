//! What went wrong, as one line of error, one line of hint and an exit code.

use std::error::Error as _;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use annals::{ErrorKind, Version};

use crate::humane::quoted;

/// How the command went, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Fine = 0,
    /// Damage was found, or the operation failed.
    Failed = 1,
    /// The arguments are not usable.
    Usage = 2,
    /// The stream is not at the expected version.
    Conflict = 3,
    /// The user stopped it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The operation failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// The arguments are not usable.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// The user stopped it.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self { exit: Exit::Interrupted, ..Self::failed(message) }
    }

    /// Who reads our output has enough: an end, but nothing to complain about.
    fn closed_pipe() -> Self {
        Self { exit: Exit::Fine, message: String::new(), hint: None }
    }

    /// Writing to stdout failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::closed_pipe();
        }
        Self::failed(format!("the output cannot be written: {error}"))
    }

    /// The store in `folder` refused or failed.
    pub(crate) fn store(error: &annals::Error, folder: &Path) -> Self {
        let mut message = explain(error);
        let exit = match error.kind() {
            ErrorKind::Conflict { stream, expected, actual } => {
                let state = match *actual {
                    Version::NONE => "does not exist (version 0)".to_owned(),
                    version => format!("is at version {version}"),
                };
                message = format!("conflict: stream {stream:?} {state}, expected was {expected}");
                Exit::Conflict
            }
            ErrorKind::ConditionFailed { .. } => Exit::Conflict,
            ErrorKind::Invalid(_) => Exit::Usage,
            ErrorKind::IdReused { .. } => Exit::Failed,
            _ => {
                let path = folder.display().to_string();
                if !names(&message, &path) {
                    message = format!("{path}: {message}");
                }
                Exit::Failed
            }
        };
        Self { exit, message, hint: way_out(error, folder) }
    }

    /// Adds what to do about it, in place of an earlier hint.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds one more thing that can be done about it.
    pub(crate) fn also(self, hint: &str) -> Self {
        let hint = match &self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint.to_owned(),
        };
        self.hint(hint)
    }

    /// Puts words before the message.
    pub(crate) fn context(mut self, context: impl Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Empty where there is nothing to say.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn way_out(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Whether the path stands in the message, and not only as a piece of another word.
fn names(message: &str, path: &str) -> bool {
    let ends = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    message.match_indices(path).any(|(start, found)| {
        let (before, after) = (message.get(..start), message.get(start + found.len()..));
        ends(before.and_then(|text| text.chars().next_back()))
            && ends(after.and_then(|text| text.chars().next()))
    })
}

/// The message with those of its causes that it does not repeat itself.
pub(crate) fn explain(error: &annals::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = source.source();
    }
    message
}

fn way_out(error: &annals::Error, folder: &Path) -> Option<String> {
    let annals = format!("annals -s {}", quoted(&folder.display().to_string()));
    let hint = match error.kind() {
        ErrorKind::Conflict { stream, .. } => format!(
            "look at what happened (`{annals} read {}`), decide again and expect that version",
            quoted(stream)
        ),
        ErrorKind::IdReused { position, .. } => format!(
            "look at the event that has it (`{annals} events --after {} --limit 1`); give this one \
             an id of its own",
            position.minus(1)
        ),
        ErrorKind::Invalid(_) => return None,
        ErrorKind::NotAStore => "check the path given with -s or ANNALS_STORE; `annals import`, \
             `annals append` and `annals demo` make a new store in a missing or empty folder"
            .to_owned(),
        ErrorKind::Locked => "one process at a time can write: stop the one that has the store \
             open, then try again"
            .to_owned(),
        ErrorKind::Unsupported => {
            "use the version of annals that wrote it; nothing was changed".to_owned()
        }
        ErrorKind::HistoryLost { .. } => {
            "read it again from the start: a crash or a restored copy \
             took events away, and others may have their positions now"
                .to_owned()
        }
        ErrorKind::Damaged(_) => format!(
            "`{annals} verify` lists all damage and `{annals} events` gives every undamaged event; \
             to write again, restore a copy"
        ),
        ErrorKind::Replay(fault) => format!(
            "`{annals} read {} --from {} --limit 1` shows the event",
            quoted(&fault.stream),
            fault.version
        ),
        ErrorKind::DiskFull => {
            "make room on the disk first; what failed was not written".to_owned()
        }
        ErrorKind::OutcomeUnknown => {
            format!("look whether it is there (`{annals} events --backward --limit 1`)")
        }
        ErrorKind::Failed | ErrorKind::Closed => {
            "check the disk first; what was acknowledged is kept".to_owned()
        }
        _ if is_forbidden(error) => {
            "check who owns the folder and what you may do in it (ls -la)".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

/// Whether the operating system refused for lack of permission.
fn is_forbidden(error: &annals::Error) -> bool {
    let mut cause = error.source();
    while let Some(source) = cause {
        let io = source.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = source.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_path_is_named_as_a_word() {
        assert!(names("opening a/b: denied", "a/b"));
        assert!(names("a/b/log is gone", "a/b"));
        assert!(!names("damage at offset 7", "t"));
        assert!(names("t is damaged at offset 7", "t"));
    }
}
