//! What can be typed after `larder`.

pub(crate) mod doctor;
pub(crate) mod warm;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Flags;

const AFTER_HELP: &str = "\
Start here:
  larder serve                              serve on http://127.0.0.1:3000, with what the go command would use
  export GOPROXY=http://127.0.0.1:3000      in the shell where go runs
  larder warm                               fetch beforehand what this project needs
  larder config                             every setting in force, and where it comes from
  larder run -- go build ./...              one command, with a proxy that fetches ahead of it
  larder doctor                             why a module download fails here

Exit codes: 0 fine, 1 a problem was found, 2 wrong usage or a start that can't work.";

/// A Go module proxy that verifies what it serves and keeps serving when everything upstream is down.
#[derive(Debug, Parser)]
#[command(name = "larder", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
#[command(infer_long_args = false, disable_help_subcommand = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve modules to go commands until SIGTERM or ctrl-c.
    #[command(after_help = SERVE_HELP)]
    Serve(Common),
    /// Print the effective configuration with the origin of every value.
    Config {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        output: Output,
    },
    /// Re-hash the store against its index and the checksum records; move what is wrong to quarantine.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        output: Output,
        /// Start from the beginning, not where an interrupted run stopped.
        #[arg(long)]
        restart: bool,
        /// Rebuild the index from the store first.
        #[arg(long)]
        rebuild_index: bool,
    },
    /// Fetch beforehand what the go command will ask for: all modules of a project, or single versions.
    #[command(after_help = warm::WARM_HELP)]
    Warm(Box<warm::Warm>),
    /// Print the h1: hash of zips, folders and go.mod files, as go.sum would say it.
    #[command(after_help = HASH_HELP)]
    Hash {
        /// Module zips, extracted module folders (named ...@version), or go.mod files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The module and version that a folder holds, when its name doesn't say.
        #[arg(long, value_name = "MODULE@VERSION")]
        module: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Run one command with a module proxy of its own that fetches ahead of it.
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Name the cause of a module download that fails, show the proof, and give the cure.
    #[command(after_help = doctor::DOCTOR_HELP)]
    Doctor(Box<doctor::Doctor>),
    /// End the runs of git of a server that is gone. The server starts this by itself.
    #[command(hide = true)]
    GuardGit,
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete in.
        shell: Shell,
    },
}

const SERVE_HELP: &str = "\
With no flag and no file Larder listens on 127.0.0.1:3000, keeps its store in the platform's data
folder and asks whom the go command of this machine would ask (GOPROXY, GOPRIVATE, GOSUMDB, ... from
the environment, the go/env file, the Go SDK, or Go's defaults). Every setting can stand in a TOML
file (--config), in the environment (LARDER_LISTEN, LARDER_LIMITS_CONNECT, ...) or, for the most
used ones, in a flag; `larder config` shows them all.

SIGTERM or ctrl-c: running downloads get time to finish. SIGHUP: TLS files are read again.";

const VERIFY_HELP: &str = "\
Runs beside a serving Larder. An interrupted run goes on where it stopped. Exit code 1 when
something was wrong; what was wrong lies in <data>/quarantine and is fetched again when asked for.";

const HASH_HELP: &str = "\
Examples:
  larder hash v1.4.0.zip
  larder hash ~/go/pkg/mod/github.com/!burnt!sushi/toml@v1.4.0
  larder hash --module example.com/m@v1.0.0 ./extracted
  larder hash go.mod            the line that ends in /go.mod in go.sum";

const RUN_HELP: &str = "\
Examples:
  larder run -- go build ./...
  larder run -- go mod download
  larder run --report where-the-time-went.html -- make test

The command runs as if it had been started alone: same input and output, same signals, same exit
code (128 and the signal's number when a signal ended it, 127 when there is no such command). Its
go commands ask Larder, which has read the project before and asks for many things at once where
they ask for two. GOFLAGS, GOPRIVATE, GONOPROXY, GOSUMDB and the rest keep their meaning: what go
fetches without a proxy it still fetches without one. What was fetched is kept for the next run.";

/// Flags of the commands that work on a store.
#[expect(clippy::doc_markdown, reason = "these comments are printed as they stand")]
#[derive(Args, Debug, Default)]
pub(crate) struct Common {
    /// Address to serve on, such as 127.0.0.1:3000, 0.0.0.0:8080 or :8080 (LARDER_LISTEN).
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Data folder (LARDER_DATA).
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Configuration file (LARDER_CONFIG).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Path prefix behind a front proxy, such as /go (LARDER_BASE_PATH).
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// How much is logged: error, warn, info, debug, trace (LARDER_LOG_LEVEL).
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

impl Common {
    /// Returns what these flags say as settings.
    pub(crate) fn flags(&self) -> Flags {
        [
            ("listen", &self.listen, "listen"),
            ("data", &self.data, "data"),
            ("base_path", &self.base_path, "base-path"),
            ("log.level", &self.log, "log"),
        ]
        .into_iter()
        .filter_map(|(key, value, flag)| Some((key, value.clone()?, flag)))
        .collect()
    }
}

/// What `larder run` is given.
#[expect(clippy::doc_markdown, reason = "these comments are printed as they stand")]
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Folder for what is kept between runs (LARDER_DATA); default: larder in the user's cache folder.
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Configuration file (LARDER_CONFIG).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How much is logged: error, warn, info, debug, trace (LARDER_LOG_LEVEL); default: error.
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Write a page that shows every request and where the time went.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Leave out the two lines at the end.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command with its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl Run {
    /// Returns what these flags say as settings.
    pub(crate) fn flags(&self) -> Flags {
        [("data", &self.data, "data"), ("log.level", &self.log, "log")]
            .into_iter()
            .filter_map(|(key, value, flag)| Some((key, value.clone()?, flag)))
            .collect()
    }
}

/// How a command prints.
#[derive(Args, Debug)]
pub(crate) struct Output {
    /// Form of the output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// The forms of output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
