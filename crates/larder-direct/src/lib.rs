//! Modules straight from version control, without a Go toolchain: what `direct` in a chain stands for.
//!
//! Four steps, one folder each, arrows one way: [`discover`] finds the repository of a module path, [`git`] keeps a bare mirror of
//! it and answers what is in it, [`code`] applies Go's rules for turning tags and commits into versions, and [`Direct`] puts them
//! together behind [`larder_upstream::VersionControl`]. Only the `git` program is run, never a shell, never anything that a
//! repository brings along.

pub mod code;
mod direct;
pub mod discover;
mod error;
pub mod git;
mod settings;

pub use direct::Direct;
pub use error::DirectError;
pub use settings::{DirectSettings, HostToken, MovedTag, Observer, RepositoryRule};
