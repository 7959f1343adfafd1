//! Where answers go: tables and lines for people, JSON for programs.
//!
//! Text that came from elsewhere (names, error details) loses its control characters before it reaches a terminal.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

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

    /// A table.
    pub(super) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
        for row in rows {
            table.add_row(row.iter().map(|cell| clean(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
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

    #[test]
    fn a_hostile_name_cannot_speak_to_the_terminal() {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, false, true).table(&["NAME"], vec![vec!["\x1b[2Jgone".into()]]).unwrap();
        assert!(!bytes.contains(&0x1b));
    }
}
