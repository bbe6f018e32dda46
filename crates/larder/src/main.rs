//! The `larder` command: read the configuration, build, announce, wait, drain.

mod cli;
mod clock;
mod commands;
mod config;
mod findings;
mod git_figures;
mod logging;
mod project;
mod render;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use cli::{Cli, Command, Common};
use commands::Outcome;
use config::{Config, Environment};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(common) => {
            configured(&common, |config, environment| commands::serve::run(&config, environment))
        }
        Command::Config { common, output } => {
            configured(&common, |config, _| commands::config::run(&config, output.format))
        }
        Command::Verify { common, output, restart, rebuild_index } => {
            let options = commands::verify::Options { format: output.format, restart, rebuild_index };
            configured(&common, |config, _| commands::verify::run(&config, &options))
        }
        Command::Warm(asked) => warm(&asked),
        Command::Hash { paths, module, output } => {
            commands::hash::run(&paths, module.as_deref(), output.format)
        }
        Command::Run(asked) => run(asked),
        Command::Doctor(asked) => commands::doctor::run(*asked, &Environment::of_this_process()),
        Command::GuardGit => {
            larder_direct::git::guard(std::io::stdin());
            Ok(())
        }
        Command::Completions { shell } => commands::completions::run(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(outcome) => outcome.report(),
    }
}

/// Resolves the configuration for `larder warm`, whose defaults are not a server's.
fn warm(asked: &cli::warm::Warm) -> Result<(), Outcome> {
    let environment = Environment::of_this_process();
    let defaults = cli::warm::Warm::defaults();
    let config = Config::resolve_over(&environment, asked.config.clone(), asked.flags(), defaults)
        .map_err(Outcome::Configuration)?;
    commands::warm::run(&config, &environment, asked)
}

/// Runs a command with a proxy of its own.
fn run(asked: cli::Run) -> Result<(), Outcome> {
    let environment = Environment::of_this_process();
    let config = commands::run::configuration(&environment, asked.config.clone(), asked.flags())
        .map_err(Outcome::Configuration)?;
    let options = commands::run::Options { report: asked.report, quiet: asked.quiet, command: asked.command };
    commands::run::run(&config, &environment, &options)
}

/// Resolves the configuration for a command; all mistakes are usage errors.
fn configured(
    common: &Common,
    command: impl FnOnce(Config, &Environment) -> Result<(), Outcome>,
) -> Result<(), Outcome> {
    let environment = Environment::of_this_process();
    let config = Config::resolve(&environment, common.config.clone(), common.flags())
        .map_err(Outcome::Configuration)?;
    command(config, &environment)
}
