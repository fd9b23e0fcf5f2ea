//! The two shapes of data on stdout.

use crate::output;

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// The main fields in columns, for people; on a terminal what is long is shortened
    Table,
    /// Everything, one JSON object a line, for programs
    Jsonl,
}

/// The `--format` of a verb.
#[derive(Debug, clap::Args)]
pub(crate) struct FormatArg {
    /// How to write it [default: table on a terminal, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

impl FormatArg {
    pub(crate) fn get(&self) -> Format {
        let usual = if output::is_terminal() { Format::Table } else { Format::Jsonl };
        self.format.unwrap_or(usual)
    }
}
