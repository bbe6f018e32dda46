//! Questions about zips, hashes and the checksum database.

use super::Question;
use crate::Rng;
use std::path::Path;

/// Returns the questions; zips are written to `folder`.
pub(super) fn questions(_rng: &mut Rng, _folder: &Path) -> Vec<Question> {
    Vec::new()
}
