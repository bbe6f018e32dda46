//! `--bundle FILE`: all facts, to attach to an issue.

use std::path::Path;

use larder_doctor::Facts;

use super::Outcome;
use crate::render;

/// Writes the facts as JSON.
pub(super) fn write(facts: &Facts, file: &Path) -> Result<(), Outcome> {
    let _facts = facts;
    render::note(format_args!("nothing is written to {} yet", file.display()));
    Ok(())
}
