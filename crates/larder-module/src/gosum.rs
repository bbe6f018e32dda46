//! go.sum: lines of module path, version and hash.

use std::fmt;

/// One line of a go.sum file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GoSumLine {
    /// The module path.
    pub module: String,
    /// The version; with `/go.mod` behind it, the hash is that of the go.mod file alone.
    pub version: String,
    /// The hash, as in `h1:...`.
    pub hash: String,
}

impl GoSumLine {
    /// Returns the version without `/go.mod`, and whether it was there.
    #[must_use]
    pub fn split_version(&self) -> (&str, bool) {
        match self.version.strip_suffix("/go.mod") {
            Some(version) => (version, true),
            None => (&self.version, false),
        }
    }
}

impl fmt::Display for GoSumLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.module, self.version, self.hash)
    }
}

/// A line that has not three fields.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed go.sum: line {line} has {fields} fields, not 3")]
pub struct GoSumError {
    /// The line's number, from 1.
    pub line: usize,
    /// How many fields it has.
    pub fields: usize,
}

/// The hash of an empty go.mod, which old go commands recorded for what was no module; it counts for nothing.
const EMPTY_GO_MOD: &str = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";

/// Reads a go.sum file as the go command does: blank lines are skipped, every other has three fields.
///
/// # Errors
///
/// Names the first malformed line.
pub fn parse(data: &[u8]) -> Result<Vec<GoSumLine>, GoSumError> {
    let text = crate::unicode::lossy(data);
    let mut lines = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [] | [_, _, EMPTY_GO_MOD] => {}
            [module, version, hash] => {
                lines.push(GoSumLine { module: module.into(), version: version.into(), hash: hash.into() });
            }
            _ => return Err(GoSumError { line: index + 1, fields: fields.len() }),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let read =
            parse(b"example.com/a v1.0.0 h1:x=\n\n example.com/a\tv1.0.0/go.mod  h1:y=\r\n").expect("sound");
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].split_version(), ("v1.0.0", true));
        assert_eq!(read[0].to_string(), "example.com/a v1.0.0 h1:x=");
        assert_eq!(parse(b"a b c\nx y\n"), Err(GoSumError { line: 2, fields: 2 }));
        assert_eq!(parse(format!("a b {EMPTY_GO_MOD}").as_bytes()), Ok(Vec::new()));
    }
}
