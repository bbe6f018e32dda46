//! Who may see what, before anything is looked up.

use larder_module::{path::ModulePath, request::ChecksumRequest};
use larder_upstream::Route;

use crate::{Access, Failure, Reason, Served, engine::Engine, paste};

impl Engine {
    /// Lets the request in or not; reports whether the module is private.
    pub(crate) fn gate(&self, module: &ModulePath, access: &Access) -> Result<bool, Failure> {
        let routes = self.routes();
        let route = routes.route(module.as_str());
        if route.private && !access.client_is_private_ok {
            return Err(private_clients(module));
        }
        Ok(route.private)
    }

    /// Answers for a checksum database; a private name goes nowhere.
    pub(crate) async fn serve_checksum(
        &self,
        database: &str,
        request: &ChecksumRequest,
        access: &Access,
    ) -> Result<Served, Failure> {
        let routes = self.routes();
        let route = match request {
            ChecksumRequest::Lookup { module, .. } => {
                let route = routes.route(module.as_str());
                if route.private {
                    return Err(self.private_lookup(module, route, access));
                }
                route
            }
            ChecksumRequest::Supported | ChecksumRequest::Latest | ChecksumRequest::Tile(_) => {
                routes.fallback()
            }
        };
        let Some(databases) = &self.databases else {
            return Err(Failure::new(
                Reason::Absent,
                &format!("not found: the checksum database {database} is not served here"),
                &[],
                &[],
            ));
        };
        let chain = route.chain.on_behalf_of(&access.trail);
        databases.serve(database, request, &chain, access).await
    }

    /// Refuses to look a private module up, with the line that makes the client stop asking.
    fn private_lookup(&self, module: &ModulePath, route: &Route, access: &Access) -> Failure {
        if !access.client_is_private_ok {
            return private_clients(module);
        }
        let routes = self.routes();
        let patterns: Vec<&str> =
            routes.iter().filter(|route| route.private).flat_map(|route| route.patterns.iter()).collect();
        let patterns = patterns.join(",");
        // A line that does not fit would be cut, and pasted cut.
        let patterns =
            if patterns.len() > 120 { route.patterns.iter().collect::<Vec<_>>().join(",") } else { patterns };
        let mut failure = Failure::new(
            Reason::PrivateLookup,
            &format!("{module} is private here: no checksum database is asked about it"),
            &[],
            &[
                &format!(
                    "beside GOPROXY, where go runs: export {}",
                    paste::assignment("GONOSUMDB", &patterns)
                ),
                paste::BYPASS_WARNING,
            ],
        );
        failure.private = true;
        failure
    }
}

pub(crate) fn private_clients(module: &ModulePath) -> Failure {
    let mut failure = Failure::new(
        Reason::PrivateClients,
        &format!("{module} belongs to a private route, and this client's address may not see such modules"),
        &[],
        &["add the address to `private_clients` in Larder's configuration"],
    );
    failure.private = true;
    failure
}
