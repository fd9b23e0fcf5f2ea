//! Columns of text for people, written as rows come in.
//!
//! The first rows set the widths, so nothing is held back but those. On a terminal, what does not
//! fit is shortened; elsewhere everything is written in full.

use clap::builder::styling::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::failure::Failure;
use crate::humane::plain;
use crate::output::{self, Output};

/// Rows that are looked at before the widths are set.
const ROWS_SEEN: usize = 100;
/// The widest a column gets on a terminal, the last one excepted.
const COLUMN_WIDTH_MAX: usize = 40;
/// The least that is left to the last column, however narrow the terminal.
const LAST_WIDTH_MIN: usize = 20;
const GAP: &str = "  ";
const HEAD: Style = Style::new().bold();

/// A column: its title, and whether its cells are numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) number: bool,
}

impl Column {
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, number: false }
    }

    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, number: true }
    }
}

/// A table on its way out.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    /// The first rows, until the widths are set.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    terminal: Option<usize>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        let terminal = output::terminal_columns();
        Self { columns, waiting: Vec::new(), widths: None, terminal }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, out: &mut Output, cells: Vec<String>) -> Result<(), Failure> {
        match &self.widths {
            Some(widths) => out.line(&self.line(widths, &cells)),
            None => {
                self.waiting.push(cells);
                if self.waiting.len() < ROWS_SEEN { Ok(()) } else { self.begin(out) }
            }
        }
    }

    /// Writes what is still held back. A table without rows writes nothing.
    pub(crate) fn finish(&mut self, out: &mut Output) -> Result<(), Failure> {
        if self.widths.is_none() && !self.waiting.is_empty() { self.begin(out) } else { Ok(()) }
    }

    fn begin(&mut self, out: &mut Output) -> Result<(), Failure> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.title.len()).collect();
        for row in &self.waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if let Some(terminal) = self.terminal {
            self.fit(&mut widths, terminal);
        }
        let titles: Vec<String> = self.columns.iter().map(|c| c.title.to_owned()).collect();
        let titles = self.line(&widths, &titles);
        if out.is_styled() {
            out.line(&format!("{HEAD}{titles}{HEAD:#}"))?;
        } else {
            out.line(&titles)?;
        }
        for row in std::mem::take(&mut self.waiting) {
            out.line(&self.line(&widths, &row))?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// Gives the last column what the others, each bounded, leave of the terminal.
    fn fit(&self, widths: &mut [usize], terminal: usize) {
        let Some((last, others)) = widths.split_last_mut() else {
            return;
        };
        let mut used = 0;
        for width in others {
            *width = (*width).min(COLUMN_WIDTH_MAX);
            used += *width + GAP.len();
        }
        if !self.columns.last().is_some_and(|column| column.number) {
            *last = terminal.saturating_sub(used).max(LAST_WIDTH_MIN);
        }
    }

    /// A row as a line.
    fn line(&self, widths: &[usize], cells: &[String]) -> String {
        let mut line = String::new();
        for ((column, width), cell) in self.columns.iter().zip(widths).zip(cells) {
            if !line.is_empty() {
                line.push_str(GAP);
            }
            let cell = plain(cell);
            let cell = match self.terminal {
                Some(_) if !column.number => shortened(&cell, *width),
                _ => cell.into_owned(),
            };
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if column.number {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// The text in at most `width` columns, an ellipsis standing for the rest.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("order-42", 8), "order-42");
        assert_eq!(shortened("order-42", 7), "order-…");
        assert_eq!(shortened("注文注文", 7), "注文注…");
        assert_eq!(shortened("注文注文", 6), "注文…");
    }
}
