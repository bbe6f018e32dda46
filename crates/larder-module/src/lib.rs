//! Go's module rules, pure: no sockets, no files, no clocks, no logging.
//!
//! Everything that the go command decides by rule alone is decided here, with the same verdict as
//! golang.org/x/mod: names and versions ([`path`], [`version`], [`semver`], [`pseudo`], [`escape`]), patterns and
//! lists of proxies ([`pattern`], [`goproxy`]), where repositories are ([`hosting`], [`govcs`]), requests ([`request`]), and the files of a module ([`gomod`],
//! [`gowork`], [`gosum`], [`info`]), the tops of Go files ([`gofile`]), netrc files ([`netrc`]), and what the go.mod files of a project select ([`graph`]).

pub mod defaults;
pub mod dirhash;
pub mod escape;
pub mod gofile;
pub mod gomod;
pub mod goproxy;
pub mod gosum;
pub mod govcs;
pub mod gowork;
pub mod graph;
pub mod hosting;
pub mod info;
pub mod netrc;
pub mod path;
pub mod pattern;
pub mod pseudo;
pub mod request;
pub mod semver;
pub mod sumdb;
pub mod time;
pub mod unicode;
pub mod version;
pub mod zip;

pub use path::ModulePath;
pub use request::{ChecksumRequest, ObjectKind, ProxyRequest};
pub use version::{ModuleVersion, Query, Version};
