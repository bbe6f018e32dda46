//! What can be typed after `larder warm`.

use std::path::PathBuf;

use clap::Args;

use super::Output;
use crate::config::Flags;

pub(crate) const WARM_HELP: &str = "\
What can be named:
  a folder          the project that a go command run there would work on (the default: this folder)
  go.mod, go.work   that project, whatever GOWORK says
  go.sum            exactly what its lines name, each file compared with its line
  MODULE@VERSION    a version, a branch, a commit or a query such as latest, v1 or >=v1.2.0, and all that
                    its packages need; a package path such as example.com/m/cmd/x@latest does as well

Fetched is what `go mod download` would ask for, and what go.sum says of it is compared. Interrupted
runs go on where they stopped. No go is needed. Exit code 1 when something could not be had.";

/// Flags of `larder warm`.
#[expect(clippy::doc_markdown, reason = "these comments are printed as they stand")]
#[derive(Args, Debug)]
pub(crate) struct Warm {
    /// Folders, go.mod, go.work or go.sum files, or MODULE@VERSION.
    #[arg(value_name = "PATH|MODULE@VERSION")]
    pub(crate) targets: Vec<String>,
    /// Fill a running Larder (or any module proxy) by asking it, in place of the local store.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Read the graph's go.mod files only, and say what else would be fetched.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The zips of the whole build list, as `go mod download all`: what `go mod tidy` may look into.
    #[arg(long)]
    pub(crate) all: bool,
    /// Of a MODULE@VERSION fetch just that, not what its packages need.
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// The Go toolchain that the project names, too, for this platform or another one.
    #[arg(long, value_name = "GOOS/GOARCH", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    pub(crate) toolchain: Option<String>,
    /// Requests at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: u16,
    /// Data folder (LARDER_DATA).
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Configuration file (LARDER_CONFIG).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How much is logged: error, warn, info, debug, trace (LARDER_LOG_LEVEL).
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Warm {
    /// Returns what these flags say as settings.
    pub(crate) fn flags(&self) -> Flags {
        let flags = [("data", &self.data, "data"), ("log.level", &self.log, "log")];
        flags.into_iter().filter_map(|(key, value, flag)| Some((key, value.clone()?, flag))).collect()
    }

    /// Returns the defaults that differ from those of a server: who waits here wants the thing, and no log.
    pub(crate) fn defaults() -> Vec<(&'static str, String)> {
        vec![("log.level", "error".to_owned()), ("limits.client_wait", "10m".to_owned())]
    }
}
