//! `larder doctor [MODULE[@VERSION]]`: look at this place.

use std::io::IsTerminal;

use larder_doctor::examine;

use super::{Desk, Outcome, block_on, subject};
use crate::render;

/// Looks, and shows what was found.
pub(super) fn run(desk: &Desk<'_>, asked: Option<&str>) -> Result<(), Outcome> {
    let asked = asked.map(subject).transpose()?;
    let system = desk.system()?;
    let watched = std::io::stderr().is_terminal();
    if watched {
        render::note(render::doctor::words(desk.language).looking);
    }
    let facts = block_on(examine(&system, desk.look(asked)))?;
    desk.conclude(&facts, |text| render::line(text.trim_end()))
}
