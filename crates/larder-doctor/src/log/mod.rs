//! Reading what somebody pasted: escapes and prefixes away, then the grammar of the go command's errors, into symptoms.

use std::io::BufRead;

use crate::symptom::Symptom;

/// What a log says.
#[derive(Debug, Default)]
pub struct LogFacts {
    /// What went wrong.
    pub symptoms: Vec<Symptom>,
    /// The client's version, if a line says it.
    pub go: Option<crate::GoVersion>,
    /// Settings and commands that a line shows, with the line's number.
    pub seen_settings: Vec<(usize, String)>,
    /// Lines of the go command that look like a failure and that nobody understands.
    pub unexplained: Vec<String>,
}

/// Reads a log, line by line, in bounded memory.
///
/// # Errors
///
/// Returns an error if the log can't be read.
pub fn read(_log: impl BufRead) -> std::io::Result<LogFacts> {
    Ok(LogFacts::default())
}
