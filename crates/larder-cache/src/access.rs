//! What the engine needs to know about the one who asks.

use std::net::IpAddr;

use larder_upstream::Trail;

/// The connection a request came over, and whose it is. Requests of one connection are of one mind: one run of the go command,
/// most likely. Behind a front proxy one connection carries several clients, so the address counts too.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Session {
    /// A number that no other connection of this process has.
    pub connection: u64,
    /// The client's address.
    pub client: IpAddr,
}

/// The rights and wishes of one client request.
#[derive(Clone, Debug)]
pub struct Access {
    /// Reports whether the client's address may see modules of private routes.
    pub client_is_private_ok: bool,
    /// The client wants nothing fetched: the store alone answers.
    pub cached_only: bool,
    /// The client could not tell a broken body from a whole one (HTTP/1.0, say), so it is answered only after verification.
    pub whole_status: bool,
    /// The id under which the request is logged.
    pub request_id: String,
    /// The proxies that the request has come through, passed on to upstreams so that loops are seen.
    pub trail: Trail,
    /// Where the request belongs to, for fetching ahead; requests of no session cause none.
    pub session: Option<Session>,
}

impl Access {
    /// Returns the access of a client with every right, who can see a cut body and has no special wish.
    #[must_use]
    pub fn trusted(request_id: impl Into<String>) -> Self {
        Self {
            client_is_private_ok: true,
            cached_only: false,
            whole_status: false,
            request_id: request_id.into(),
            trail: Trail::default(),
            session: None,
        }
    }
}
