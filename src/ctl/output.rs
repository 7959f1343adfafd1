//! Where answers go: tables and lines for people, JSON for programs.
//!
//! Text that came from elsewhere (names, error details) loses its control characters before it reaches a terminal.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use ratatui::crossterm::terminal;
use serde::Serialize;
use serde_json::Value;

/// Cells up to this width without a blank (ids, times) are never broken.
const WHOLE: usize = 40;
/// What a column whose cells may be broken must have.
const BROKEN: usize = 20;
/// Between two columns.
const GAP: u16 = 2;

/// The writer of one command.
pub(super) struct Output<'w> {
    writer: &'w mut dyn Write,
    json: bool,
    tty: bool,
}

impl<'w> Output<'w> {
    /// An output to `writer`; `tty`: a person watches it.
    pub(super) fn new(writer: &'w mut dyn Write, json: bool, tty: bool) -> Self {
        Self { writer, json, tty }
    }

    /// Whether JSON is wanted.
    pub(super) const fn json(&self) -> bool {
        self.json
    }

    /// Whether a person watches.
    pub(super) const fn tty(&self) -> bool {
        self.tty
    }

    /// One line.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        for part in text.split('\n') {
            writeln!(self.writer, "{}", clean(part))?;
        }
        self.writer.flush()
    }

    /// A value as JSON, indented by two.
    pub(super) fn value<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }

    /// What was done: the answer itself as JSON, or a line that says so.
    pub(super) fn said<T: Serialize>(&mut self, answer: &T, text: &str) -> io::Result<()> {
        if self.json { self.value(answer) } else { self.line(text) }
    }

    /// A line for people that is no part of the answer: to standard error, so that JSON stays alone on standard output.
    pub(super) fn note(&self, text: &str) {
        // Whoever reads it may have left.
        let _reader_left = text.split('\n').try_for_each(|line| writeln!(io::stderr().lock(), "{}", clean(line)));
    }

    /// Bytes as they are (a completion script, a cleared screen).
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }

    /// A list: the answer itself as JSON, or its rows as a table; `nothing` when there are none.
    pub(super) fn list(
        &mut self,
        answer: &Value,
        nothing: &str,
        head: &[&str],
        rows: Vec<Vec<String>>,
    ) -> io::Result<()> {
        if self.json {
            return self.value(answer);
        }
        if rows.is_empty() {
            return self.line(nothing);
        }
        self.table(head, rows)
    }

    /// A table: numbers to the right; on a terminal, long texts are broken to fit, ids and times never.
    pub(super) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        let columns: Vec<Vec<&str>> =
            (0..head.len()).map(|n| rows.iter().filter_map(|row| Some(row.get(n)?.as_str())).collect()).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
        table.add_rows(&rows);
        let width = self.tty.then(terminal::size).and_then(Result::ok).map(|(width, _)| width);
        let fits = width.filter(|width| least_width(head, &columns) <= usize::from(*width));
        if let Some(width) = fits {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        for (column, cells) in table.column_iter_mut().zip(&columns) {
            column.set_padding((0, GAP));
            if is_numeric(cells) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if fits.is_some() && is_whole(cells) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for line in table.to_string().lines() {
            writeln!(self.writer, "{}", line.trim_end())?;
        }
        self.writer.flush()
    }

    /// One thing, a line per property; those without a value are left out.
    pub(super) fn card(&mut self, answer: &Value, rows: Vec<(&str, String)>) -> io::Result<()> {
        if self.json {
            return self.value(answer);
        }
        let rows: Vec<_> = rows.into_iter().filter(|(_, v)| !v.is_empty()).collect();
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            writeln!(self.writer, "{name:width$}  {}", clean(&value))?;
        }
        self.writer.flush()
    }
}

/// The least a table needs so that nothing is broken that must not be.
fn least_width(head: &[&str], columns: &[Vec<&str>]) -> usize {
    let widest = |cells: &[&str]| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let one = |(head, cells): (&&str, &Vec<&str>)| {
        let widest = widest(cells).max(head.len());
        usize::from(GAP) + if is_whole(cells) { widest } else { widest.min(BROKEN) }
    };
    head.iter().zip(columns).map(one).sum()
}

fn is_whole(cells: &[&str]) -> bool {
    cells.iter().all(|cell| cell.chars().count() <= WHOLE && !cell.contains(char::is_whitespace))
}

/// Whether a column holds numbers: `3`, `1.25`, `2/64`, `40%`.
fn is_numeric(cells: &[&str]) -> bool {
    let number = |cell: &&str| {
        let digits = cell.strip_prefix('-').unwrap_or(cell);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || "./%".contains(c))
    };
    let mut filled = cells.iter().filter(|cell| !cell.is_empty()).peekable();
    filled.peek().is_some() && filled.all(number)
}

/// Text without control characters.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A JSON value in a table's cell: text as it is, nothing for null, else its JSON.
pub(super) fn cell(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Rows of a list whose items are objects, by their keys.
pub(super) fn rows(items: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    items.iter().map(|item| keys.iter().map(|key| cell(item, key)).collect()).collect()
}

/// Every property of an object that is no object itself, in its own order.
pub(super) fn properties(value: &Value) -> Vec<(&str, String)> {
    value.as_object().map(|map| map.keys().map(|key| (key.as_str(), cell(value, key))).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(head: &[&str], rows: &[&[&str]]) -> String {
        let mut bytes = Vec::new();
        let rows = rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        Output::new(&mut bytes, false, false).table(head, rows).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_stand_to_the_right_and_names_to_the_left() {
        let rows: &[&[&str]] = &[&["a", "5", "1/5", "2026-01-01"], &["bb", "-12.5", "", "2026-01-02"]];
        let shown = table(&["NAME", "N", "OF", "DAY"], rows);
        assert_eq!(shown, "NAME      N   OF  DAY\na         5  1/5  2026-01-01\nbb    -12.5       2026-01-02\n");
    }

    #[test]
    fn what_must_not_be_broken_counts_in_full() {
        let id = "019a0000-0000-7000-8000-000000000000";
        let columns = vec![vec![id], vec!["no answer in time from the Pod Manager"]];
        assert_eq!(least_width(&["ID", "WHY"], &columns), 36 + 2 + BROKEN + 2);
    }

    #[test]
    fn a_hostile_name_cannot_speak_to_the_terminal() {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, false, true).table(&["NAME"], vec![vec!["\x1b[2Jgone".into()]]).unwrap();
        assert!(!bytes.contains(&0x1b));
    }
}
