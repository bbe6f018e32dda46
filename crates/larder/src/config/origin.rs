//! Where a value came from: the first question of whoever wonders why a setting has no effect.

use std::fmt;
use std::path::PathBuf;

/// The place that decided a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// Larder's own default.
    Default,
    /// A line of the configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable, `LARDER_...` or one of Go's.
    Environment(String),
    /// A command-line flag.
    Flag(&'static str),
    /// The file that `go env -w` writes, or the one that `GOENV` names.
    GoEnvFile(PathBuf),
    /// The defaults that a Go SDK ships.
    GoRoot(PathBuf),
    /// What the go command does when nobody says anything.
    GoBuiltIn,
    /// Another of Go's settings, which this one falls back to.
    GoFallback(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line } => write!(out, "{}:{line}", path.display()),
            Self::Environment(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag --{name}"),
            Self::GoEnvFile(path) => write!(out, "go/env file {}", path.display()),
            Self::GoRoot(path) => write!(out, "Go SDK {}", path.display()),
            Self::GoBuiltIn => out.write_str("Go's built-in default"),
            Self::GoFallback(name) => write!(out, "falls back to {name}"),
        }
    }
}
