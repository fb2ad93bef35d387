//! Columns for people.

use std::fmt;

/// Rows under a header, each column as wide as its widest cell.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self::with_header(&header.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    pub(crate) fn with_header(header: &[String]) -> Self {
        let header = header.iter().map(|cell| one_line(cell)).collect();
        Self { header, rows: Vec::new() }
    }

    /// Adds a row with as many cells as the header has.
    pub(crate) fn row(&mut self, cells: &[String]) {
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Text without what could move a terminal's cursor or change its colours.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As [`one_line`], line breaks kept.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(self.header[column].chars().count())
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(f, "{}", line(&mut self.header.iter().map(String::as_str)))?;
        self.rows
            .iter()
            .try_for_each(|row| writeln!(f, "{}", line(&mut row.iter().map(String::as_str))))
    }
}
