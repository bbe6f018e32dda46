//! What can be set about asking version control.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder_module::pattern::Patterns;
use larder_module::{ModulePath, Version};
use larder_upstream::Secret;

use crate::discover::Govcs;

/// Everything that [`crate::Direct`] needs to know. The binary reads files and environment; nothing here does.
#[derive(Clone, Debug)]
pub struct DirectSettings {
    /// The folder of the mirrors, `<data>/mirrors`; created when first needed.
    pub mirrors: PathBuf,
    /// The folder for zips in the making, on the same disk as the store's staging.
    pub staging: PathBuf,
    /// What the mirrors may take on disk together; the least recently used go first.
    pub budget: u64,
    /// What one repository may take on disk.
    pub repository_limit: u64,
    /// The git program.
    pub program: PathBuf,
    /// Runs of git at a time.
    pub processes: usize,
    /// How long one run that talks to a forge may take.
    pub network_deadline: Duration,
    /// How long one run on a mirror may take.
    pub local_deadline: Duration,
    /// How long what `ls-remote` said counts as current.
    pub refs_freshness: Duration,
    /// How long a discovered repository root counts as current.
    pub root_freshness: Duration,
    /// Explicit mappings, first match wins.
    pub repositories: Vec<RepositoryRule>,
    /// Hosts that may be at private addresses: those that a private pattern, a route or a mapping names without wildcard.
    pub listed_hosts: Vec<String>,
    /// `GOINSECURE`: paths whose pages and clones may use plain http.
    pub insecure: Patterns,
    /// `GOVCS`.
    pub govcs: Govcs,
    /// Which module paths are private.
    pub private: Patterns,
    /// The environment that git gets: `HOME`, `PATH`, `SSH_AUTH_SOCK`, `GIT_SSH_COMMAND`, forward proxies and the like.
    pub environment: Vec<(OsString, OsString)>,
    /// PEM files with authorities that git trusts in addition (`upstream.ca`).
    pub certificate_authorities: Vec<PathBuf>,
    /// The program with its arguments that does nothing but call [`crate::git::guard`] on its standard input; without one, runs of
    /// git that are going on when this process is killed end by themselves only.
    pub guardian: Vec<OsString>,
    /// Tokens by host, sent as basic authentication.
    pub tokens: Vec<HostToken>,
    /// Who is told what should not go unnoticed.
    pub observer: Arc<dyn Observer>,
}

/// `[[repository]]`: module paths to a clone URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RepositoryRule {
    /// A module path prefix or a pattern as in `GOPRIVATE`; `git.corp.example/*/*` is the root of each repository there.
    pub pattern: String,
    /// The clone URL. `{path}` is the matched path without its host, `{host}` the host, `{1}`, `{2}` ... the elements that a `*` matched.
    pub url: String,
}

/// A credential for one host, for git over https and for go-import pages.
#[derive(Clone, Debug)]
pub struct HostToken {
    /// The host, with a port if it isn't the usual one.
    pub host: String,
    /// The user name (`x-access-token`, `oauth2`, `gitlab-ci-token`, a person).
    pub user: String,
    /// The password or token.
    pub secret: Secret,
}

/// Is told what happened to repositories.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A tag that a version was made from points elsewhere now.
    fn tag_moved(&self, moved: &MovedTag);
}

/// A tag that moved after a version had been made from it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MovedTag {
    /// The module.
    pub module: ModulePath,
    /// The version whose bytes are kept.
    pub version: Version,
    /// The repository, without user info.
    pub repository: String,
    /// The tag's full name.
    pub tag: String,
    /// The commit that the version was made from.
    pub was: String,
    /// The commit that it names now; nothing when it is gone.
    pub now: Option<String>,
}
