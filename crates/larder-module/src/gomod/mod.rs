//! go.mod files: leniently for dependencies, strictly for main modules.
//!
//! The verdicts are those of modfile's `ParseLax` and `Parse` without a version fixer, oddities included.

pub(crate) mod directive;
mod module_line;
mod syntax;
mod words;

pub use self::module_line::module_path;

use directive::{Dialect, Keep};
use std::sync::Arc;

/// A go.mod file.
///
/// After the lenient reading, `toolchain`, `godebug`, `exclude`, `replace` and `tool` are empty: they count in main
/// modules only, and newer go commands may write what this one can't read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GoMod {
    /// The module path as written; not checked. `None` if there is no module line.
    pub module: Option<String>,
    /// The deprecation message; empty if the module is not deprecated.
    pub deprecated: String,
    /// The go line, such as `1.21`.
    pub go: Option<String>,
    /// The toolchain line.
    pub toolchain: Option<String>,
    /// The godebug settings.
    pub godebug: Vec<GoDebug>,
    /// What it requires.
    pub require: Vec<Require>,
    /// What it excludes.
    pub exclude: Vec<Exclude>,
    /// What it replaces.
    pub replace: Vec<Replace>,
    /// What it retracts.
    pub retract: Vec<Retract>,
    /// The package paths of its tools.
    pub tool: Vec<String>,
    /// The folders it ignores.
    pub ignore: Vec<String>,
}

/// A godebug setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GoDebug {
    /// The setting's name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A requirement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Require {
    /// The module path as written; not checked.
    pub path: String,
    /// The version, canonical.
    pub version: String,
    /// Reports whether the line carries the comment `// indirect`.
    pub indirect: bool,
}

/// An exclusion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exclude {
    /// The module path as written; not checked.
    pub path: String,
    /// The version, canonical.
    pub version: String,
}

/// A replacement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replace {
    /// The path of the module that is replaced.
    pub old_path: String,
    /// Its version; empty for all of them.
    pub old_version: String,
    /// The path of the module or folder in its place.
    pub new_path: String,
    /// Its version; empty for a folder.
    pub new_version: String,
}

/// A retraction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retract {
    /// The first retracted version as written; not checked by the lenient reading.
    pub low: String,
    /// The last retracted version as written.
    pub high: String,
    /// Why, from the comments; the lines of a block may share it.
    pub rationale: Arc<str>,
}

/// A file that the go command refuses, with the first reasons it has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct GoModError(pub Vec<LineError>);

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line of a go.mod or go.work file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineFault {
    /// Text that can't be split into words, lines and blocks.
    #[error("syntax error: {0}")]
    Syntax(&'static str),
    /// A directive that this kind of file does not have.
    #[error("unknown directive {0:?}")]
    UnknownDirective(String),
    /// A block that this kind of file does not have.
    #[error("unknown block {0:?}")]
    UnknownBlock(String),
    /// A directive that may stand once only.
    #[error("repeated {0} directive")]
    Repeated(&'static str),
    /// A directive with no argument or more than one.
    #[error("{0} directive expects exactly one argument")]
    OneArgument(&'static str),
    /// A directive of another shape.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// A go version that is none.
    #[error("invalid go version {0:?}")]
    GoVersion(String),
    /// A toolchain that can't be called so.
    #[error("invalid toolchain {0:?}")]
    Toolchain(String),
    /// A wrongly quoted string.
    #[error("invalid quoted string {0}")]
    QuotedString(String),
    /// A version that is none.
    #[error("version {0:?} invalid: must be of the form v1.2.3")]
    Version(String),
    /// A module path with an impossible version suffix.
    #[error("invalid module path {0:?}")]
    ModulePath(String),
    /// A version of another major version than its path.
    #[error(transparent)]
    Major(crate::path::PathMajorError),
    /// A retraction that is neither a version nor `[low, high]`.
    #[error("expected a version or [low, high]")]
    Interval,
    /// A word too many.
    #[error("unexpected word after version: {0:?}")]
    Unexpected(String),
    /// A replacement that is no folder and has no version.
    #[error("replacement {0:?} is no folder and has no version")]
    ReplacementWithoutVersion(String),
    /// A replacement that is a folder and has a version.
    #[error("replacement folder {0:?} can't have a version")]
    FolderWithVersion(String),
    /// A replacement folder written as on Windows.
    #[error("replacement folder {0:?} is a Windows path")]
    WindowsFolder(String),
}

impl GoMod {
    /// Reads the go.mod file of a dependency, ignoring what only main modules need and what is unknown.
    ///
    /// # Errors
    ///
    /// Lists the first lines that the go command would refuse.
    pub fn parse_lax(data: &[u8]) -> Result<Self, GoModError> {
        directive::read(data, Dialect::Lax, Keep::Everything).map(|(file, _)| file)
    }

    /// Reads the go.mod file of a dependency with the verdict of [`GoMod::parse_lax`], and keeps what stands in it once and the first few
    /// retractions, without their reasons. Its requirements, folders and other retractions are checked and not kept, so that a hostile file
    /// takes no more memory than a good one.
    ///
    /// # Errors
    ///
    /// As [`GoMod::parse_lax`].
    pub fn parse_outline(data: &[u8], retractions: usize) -> Result<Self, GoModError> {
        directive::read(data, Dialect::Lax, Keep::Outline { retractions }).map(|(file, _)| file)
    }

    /// Reads the go.mod file of a main module.
    ///
    /// # Errors
    ///
    /// Lists the first lines that the go command would refuse.
    pub fn parse_strict(data: &[u8]) -> Result<Self, GoModError> {
        directive::read(data, Dialect::Strict, Keep::Everything).map(|(file, _)| file)
    }
}

#[cfg(test)]
mod tests;
