//! `larder doctor log [FILE|-]`: what the words of a build mean.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::Path;

use larder_doctor::read_log;

use super::{Desk, Outcome};
use crate::render;

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// Reads a log and shows what it says.
pub(super) fn run(desk: &Desk<'_>, file: Option<&Path>) -> Result<(), Outcome> {
    let input: Box<dyn BufRead> = match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let opened = fs_err::File::open(file).map_err(|error| Outcome::usage(&error, None))?;
            Box::new(BufReader::with_capacity(BUFFER, opened))
        }
        None => {
            if std::io::stdin().is_terminal() {
                render::note(render::doctor::words(desk.language).paste);
            }
            Box::new(BufReader::with_capacity(BUFFER, std::io::stdin()))
        }
    };
    let facts = read_log(input).map_err(|error| Outcome::usage(&error, None))?;
    desk.conclude(&facts, |text| render::line(text.trim_end()))
}
