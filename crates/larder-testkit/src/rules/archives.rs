//! The operations on zips, hashes and the checksum database.

use super::Answer;

/// Answers one question, if it is about archives.
pub(super) fn answer(_operation: &str, _inputs: &[&str]) -> Option<Answer> {
    None
}
