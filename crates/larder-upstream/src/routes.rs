//! Routes: which chain is asked about which module.
//!
//! The first route whose patterns match decides alone. There is no falling through to another one, or an
//! outage of a private upstream would send private names to a public one.

use larder_module::pattern::Patterns;

use crate::chain::Chain;

/// What to do about the checksum database.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VerifyMode {
    /// Nothing unverified is published.
    #[default]
    Required,
    /// What can't be verified now is served, marked, and checked later.
    WhenReachable,
    /// The checksum database is not asked.
    Off,
}

/// What is fetched ahead of clients.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Prefetch {
    /// Nothing.
    Off,
    /// go.mod files only.
    Mods,
    /// Whatever the client will ask for, as far as that can be told.
    #[default]
    Full,
}

/// Patterns, and what holds for the modules that match.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name for people: logs and error texts.
    pub name: String,
    /// Which modules.
    pub patterns: Patterns,
    /// Whom to ask.
    pub chain: Chain,
    /// Names and answers stay inside.
    pub private: bool,
    /// What to do about the checksum database.
    pub verify: VerifyMode,
    /// What is fetched ahead of clients.
    pub prefetch: Prefetch,
}

/// All routes.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
    fallback: Route,
}

impl Routes {
    /// Puts routes in order; `fallback` holds where none matches, whatever its own patterns say.
    pub fn new(routes: Vec<Route>, fallback: Route) -> Self {
        Self { routes, fallback }
    }

    /// Returns the route of a module path: the first that matches.
    pub fn route(&self, path: &str) -> &Route {
        self.routes.iter().find(|route| route.patterns.matches(path)).unwrap_or(&self.fallback)
    }

    /// Returns the route that holds where no other matches.
    pub fn fallback(&self) -> &Route {
        &self.fallback
    }

    /// Returns all routes in order, the fallback last.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().chain(std::iter::once(&self.fallback))
    }
}
