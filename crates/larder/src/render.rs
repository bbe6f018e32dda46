//! Writing to the terminal: data to standard output, everything else to standard error, a closed pipe is no error.

pub(crate) mod doctor;
pub(crate) mod run;

use std::fmt::Display;
use std::io::Write;

/// Prints one line of data.
pub(crate) fn line(text: impl Display) {
    let _closed = writeln!(anstream::stdout(), "{text}");
}

/// Prints one line for the person who watches.
pub(crate) fn note(text: impl Display) {
    let _closed = writeln!(anstream::stderr(), "{text}");
}

/// Writes over the terminal's last line, for the person who waits; nothing clears it.
pub(crate) fn progress(text: &str) {
    let mut out = anstream::stderr();
    let _closed = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &serde_json::Value) {
    line(format_args!("{value:#}"));
}

/// Prints rows in columns as wide as their widest cell; the last column runs free.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> =
        (0..columns.saturating_sub(1)).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(widths.iter().chain(std::iter::repeat(&0))) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.chars().count())));
        }
        line(text.trim_end());
    }
}
