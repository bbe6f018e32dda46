//! The project that is built: go.mod, go.work, go.sum and vendor, read as the go command reads them.

mod collect;
mod vendored;

use serde::{Deserialize, Serialize};

pub use collect::collect;
pub(crate) use collect::writable;

/// What was found there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectFacts {
    /// The go.mod that the go command would use; none outside of a module.
    pub go_mod: Option<String>,
    /// The main module's path.
    pub module: Option<String>,
    /// The go line.
    pub go_line: Option<String>,
    /// The toolchain line.
    pub toolchain_line: Option<String>,
    /// What is required: path, version, whether it is indirect.
    pub requires: Vec<(String, String, bool)>,
    /// Replacements: what, by what (path and version, or a folder), and whether the folder has a go.mod (true for modules).
    pub replaces: Vec<(String, String, bool)>,
    /// What is wrong with go.mod, one line each: `go.mod:7: unknown directive: <<<<<<<`.
    pub go_mod_problems: Vec<String>,
    /// The go.work in force.
    pub go_work: Option<String>,
    /// Whether go.work uses this module; none without one.
    pub in_workspace: Option<bool>,
    /// Folders that go.work uses and that have no go.mod.
    pub missing_uses: Vec<String>,
    /// Whether there is a go.sum.
    pub has_go_sum: bool,
    /// What is wrong with go.sum, with line numbers.
    pub go_sum_problems: Vec<String>,
    /// Requirements without a line in go.sum: `M@V` or `M@V/go.mod`.
    pub missing_sums: Vec<String>,
    /// Whether go.sum could be written.
    pub go_sum_writable: bool,
    /// Lines of go.sum for the modules of interest: module, version, h1.
    pub sums: Vec<(String, String, String)>,
    /// Whether there is a vendor folder with modules.txt; none without the folder.
    pub vendor: Option<bool>,
    /// Whether the go command would use it, and why.
    pub vendor_used: Option<(bool, String)>,
    /// What modules.txt and go.mod say differently.
    pub vendor_differences: Vec<String>,
    /// A folder above that has a go.mod in the temporary folder's root, which go ignores.
    pub ignored_go_mod: Option<String>,
}

#[cfg(test)]
mod tests;
