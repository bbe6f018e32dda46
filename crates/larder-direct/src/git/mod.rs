//! Git repositories: a bare mirror of each, asked only through the `git` program.
//!
//! [`Mirrors`] owns the folder, the budget and the limit on runs; a [`Repository`] is one mirror and answers what the go command's own
//! repository type answers, fetching no more than a question needs.
//!
//! The remote's references are asked for with `ls-remote` and remembered for a while; they alone decide what a name means. The
//! mirror on disk only holds commits. So a tag that moved or vanished is never answered from old knowledge, and two questions about
//! one repository never disagree.

mod address;
mod archive;
mod authorities;
mod budget;
mod command;
mod disk;
mod fetch;
mod guardian;
mod history;
mod listing;
mod mirror;
mod mirrors;
mod operator;
mod refs;
mod repository;
mod revision;
mod run;
mod said;
mod transfer;

pub use budget::DiskUse;
pub use guardian::guard;
pub use mirrors::{Follow, Following, Mirrors};
pub use refs::Tags;
pub use repository::Repository;
pub use run::RunCounts;

/// A commit that a revision resolved to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// The full hash.
    pub hash: String,
    /// The twelve digits that pseudo-versions use.
    pub short: String,
    /// The commit time in seconds since 1970.
    pub time: i64,
    /// The tag that was asked for, else the hash (Go's `RevInfo.Version`).
    pub version: String,
    /// All tags that name this commit, sorted.
    pub tags: Vec<String>,
    /// The full reference that was resolved (`refs/tags/v1.0.0`, `refs/heads/main`, `HEAD`), if one was: Go's `Origin.Ref`.
    pub reference: Option<String>,
}

/// A commit's files as `git archive` packed them: a zip without compression in a temporary file.
#[derive(Debug)]
pub struct SourceArchive {
    /// The file, positioned at its start.
    pub file: std::fs::File,
    /// Its length.
    pub len: u64,
    /// What stands before each name in it, slash included.
    pub prefix: String,
}
