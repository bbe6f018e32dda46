//! What this server would do about a module, and what happened lately: for the person whose download failed.

use std::sync::Arc;

use larder_module::goproxy::Separator;
use larder_module::path::ModulePath;
use larder_upstream::{Route, UpstreamKind, VerifyMode};

use crate::access::Access;
use crate::causes::KEPT_FOR;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::policy::private_clients;

/// The server's side of a module's story. Nobody is asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explained {
    /// The module.
    pub module: ModulePath,
    /// The name of the route that decides about it.
    pub route: String,
    /// Its patterns; none for the route of all others.
    pub patterns: Vec<String>,
    /// Whether it is private.
    pub private: bool,
    /// Whether the checksum database has a say: `required`, `when-reachable`, `off`.
    pub verify: &'static str,
    /// The checksum database that is asked.
    pub checksum_database: Option<String>,
    /// Whom the route asks, in order.
    pub chain: Vec<Hop>,
    /// How many versions of it are stored.
    pub stored: usize,
    /// Why fetches failed lately, the newest first: `asked 40 s ago: ...`.
    pub causes: Vec<String>,
}

/// One entry of the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hop {
    /// Its name, without a login.
    pub upstream: String,
    /// `proxy`, `file`, `direct` or `off`.
    pub kind: &'static str,
    /// `,` or `|`: what has to happen for the next entry to be asked.
    pub separator: &'static str,
    /// The state of its breaker, where it has one: `closed`, `half-open`, `open`.
    pub breaker: Option<&'static str>,
}

impl Engine {
    /// Explains what is done about a module.
    ///
    /// # Errors
    ///
    /// Fails if the module is private and the client may not see such.
    pub async fn explain(
        self: &Arc<Self>,
        module: &ModulePath,
        access: &Access,
    ) -> Result<Explained, Failure> {
        let routes = self.routes();
        let route = routes.route(module.as_str());
        if route.private && !access.client_is_private_ok {
            return Err(private_clients(module));
        }
        let causes = self.causes.recall(&self.store, &self.settings.clock, module, KEPT_FOR).await;
        let database = self.databases.as_ref().and_then(|databases| databases.name());
        Ok(Explained {
            module: module.clone(),
            route: route.name.clone(),
            patterns: route.patterns.iter().map(str::to_owned).collect(),
            private: route.private,
            verify: match route.verify {
                VerifyMode::Required => "required",
                VerifyMode::WhenReachable => "when-reachable",
                VerifyMode::Off => "off",
            },
            checksum_database: database.filter(|_| route.verify != VerifyMode::Off).map(str::to_owned),
            chain: self.hops(route),
            stored: self.stored_versions(module).await.len(),
            causes,
        })
    }

    fn hops(&self, route: &Route) -> Vec<Hop> {
        let states = self.upstream_states();
        route
            .chain
            .entries()
            .iter()
            .map(|entry| {
                let upstream = entry.upstream.name();
                let breaker =
                    states.iter().find(|state| state.name == upstream).map(|state| state.breaker.as_str());
                Hop {
                    upstream: upstream.to_string(),
                    kind: match entry.upstream.kind() {
                        UpstreamKind::Http => "proxy",
                        UpstreamKind::File => "file",
                        UpstreamKind::Direct => "direct",
                        UpstreamKind::Off => "off",
                    },
                    separator: match entry.separator {
                        Separator::Comma => ",",
                        Separator::Pipe => "|",
                        Separator::End => "",
                    },
                    breaker,
                }
            })
            .collect()
    }
}
