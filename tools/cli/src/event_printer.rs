//! Events on their way to stdout, in either format.

use annals::{ContentKind, Event};

use crate::event_json::put_event;
use crate::failure::Failure;
use crate::format::Format;
use crate::humane::counted;
use crate::moment;
use crate::output::{self, Output};
use crate::table::{Column, Table};

/// From this width on a terminal has room for both times.
const WIDE_COLUMNS: usize = 140;
/// What a cell takes of the data on a terminal, in bytes: more than any is wide.
const CELL_BYTES_MAX: usize = 4 << 10;

/// Writes events as they come.
#[derive(Debug)]
pub(crate) struct EventPrinter {
    out: Output,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Lines(Vec<u8>),
    Table { table: Table, streams: bool, wide: bool },
}

impl EventPrinter {
    /// `streams` says whether the events are of several streams.
    pub(crate) fn new(format: Format, streams: bool) -> Self {
        let shape = match format {
            Format::Jsonl => Shape::Lines(Vec::new()),
            Format::Table => {
                let wide = output::terminal_columns().is_none_or(|width| width >= WIDE_COLUMNS);
                Shape::Table { table: Table::new(columns(streams, wide)), streams, wide }
            }
        };
        Self { out: Output::new(), shape }
    }

    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match &mut self.shape {
            Shape::Lines(line) => {
                line.clear();
                put_event(line, event);
                self.out.json_line(line)
            }
            Shape::Table { table, streams, wide } => {
                table.row(&mut self.out, cells(event, *streams, *wide))
            }
        }
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.shape, Shape::Table { .. })
    }

    /// Hands on what is held back. To be called at the end, and where somebody waits for it.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if let Shape::Table { table, .. } = &mut self.shape {
            table.finish(&mut self.out)?;
        }
        self.out.flush()
    }
}

/// The columns of a table of events.
pub(crate) fn columns(streams: bool, wide: bool) -> Vec<Column> {
    let mut columns = vec![Column::number("POSITION")];
    if streams {
        columns.push(Column::text("STREAM"));
    }
    columns.extend([Column::number("VERSION"), Column::text("TYPE"), Column::text("RECORDED AT")]);
    if wide {
        columns.push(Column::text("OCCURRED AT"));
    }
    columns.push(Column::text("DATA"));
    columns
}

/// An event's cells in those columns.
pub(crate) fn cells(event: &Event, streams: bool, wide: bool) -> Vec<String> {
    let mut cells = vec![event.position().to_string()];
    if streams {
        cells.push(event.stream().to_owned());
    }
    cells.extend([
        event.version().to_string(),
        event.event_type().to_owned(),
        moment::short(&event.recorded_at().to_string()),
    ]);
    if wide {
        let moment = event.occurred_at().map(|moment| moment::short(&moment.to_string()));
        cells.push(moment.unwrap_or_default());
    }
    cells.push(data_cell(event));
    cells
}

fn data_cell(event: &Event) -> String {
    let data = event.data();
    if event.content() == ContentKind::Binary {
        return format!("<{}>", counted(data.len() as u64, "byte"));
    }
    let shown = if output::is_terminal() { data.len().min(CELL_BYTES_MAX) } else { data.len() };
    String::from_utf8_lossy(data.get(..shown).unwrap_or(data)).into_owned()
}
