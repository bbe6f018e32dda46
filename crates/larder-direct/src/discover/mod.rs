//! Which repository holds a module: explicit mappings, well-known hosts, paths with a `.git` element, go-import pages.

use std::sync::Arc;

use larder_module::ModulePath;

use crate::error::DirectError;
use crate::settings::DirectSettings;

/// Where a module's code is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A git repository.
    Repository(RepositoryPlace),
    /// A module proxy (go-import of kind `mod`), asked instead.
    Proxy {
        /// The root path that the page named.
        root: String,
        /// The proxy's URL.
        url: String,
    },
}

/// A git repository and the part of the module namespace that it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RepositoryPlace {
    /// The module path prefix of the repository's root.
    pub root: String,
    /// The clone URL as found; user info may be in it, so it is never printed as it is.
    pub url: String,
    /// The folder of the repository that stands for the root (go-import's fourth field), usually empty.
    pub subdirectory: String,
    /// Plain http (and file, git) may be used, because the path is listed as insecure or the mapping says so.
    pub insecure: bool,
    /// The addresses that git must use, already judged; empty where git may resolve by itself (listed hosts, ssh, forward proxies).
    pub pinned: Vec<std::net::SocketAddr>,
}

/// Finds repositories and remembers them.
#[derive(Debug)]
pub struct Discovery {
    _settings: Arc<DirectSettings>,
}

impl Discovery {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Fails when TLS can't be set up.
    pub fn new(settings: Arc<DirectSettings>) -> Result<Self, DirectError> {
        Ok(Self { _settings: settings })
    }

    /// Finds the place of a module path. Paths below a known root are answered without asking anybody.
    ///
    /// # Errors
    ///
    /// Fails with absence only if the host positively said that there is nothing.
    pub async fn find(&self, module: &ModulePath, private: bool) -> Result<Place, DirectError> {
        let _ = (module, private);
        todo!()
    }
}

/// `GOVCS`: which version control systems may be used for which paths.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Govcs {
    _rules: Vec<(String, Vec<String>)>,
}
