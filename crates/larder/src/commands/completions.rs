//! `larder completions`: scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use crate::cli::Cli;
use crate::render;

/// Prints the script for `shell`.
pub(crate) fn run(shell: Shell) -> Result<(), Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "larder", &mut script);
    render::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
