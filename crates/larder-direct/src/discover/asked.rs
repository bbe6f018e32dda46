//! May git be sent to a repository, and to which addresses.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use larder_upstream::{DirectFaultKind, ListedHosts, Upstreams};

use super::RepositoryPlace;
use super::clone_url::{CloneUrl, Scheme};
use super::memo::{Keep, Memo};
use super::page::kind_of;
use crate::error::DirectError;
use crate::git::Mirrors;

/// An answer of git that is being waited for.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, DirectError>> + Send + 'a>>;

/// What discovery has to know of git: the operator's configuration, and whether a URL works.
pub trait Git: fmt::Debug + Send + Sync {
    /// Returns the URL that git would really use (`insteadOf`), as `git ls-remote --get-url` prints it.
    fn rewritten<'a>(&'a self, url: &'a str) -> Asking<'a, String>;

    /// Reports whether the operator's git configuration says `protocol.<name>.allow = always`.
    fn allows<'a>(&'a self, protocol: &'a str) -> Asking<'a, bool>;

    /// Asks the repository for its references, to see whether it is there.
    fn answers<'a>(&'a self, place: &'a RepositoryPlace) -> Asking<'a, ()>;
}

impl Git for Arc<Mirrors> {
    fn rewritten<'a>(&'a self, url: &'a str) -> Asking<'a, String> {
        Box::pin(Mirrors::rewritten(self, url))
    }

    fn allows<'a>(&'a self, protocol: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { Ok(self.allowed_protocols().await?.iter().any(|allowed| allowed == protocol)) })
    }

    fn answers<'a>(&'a self, place: &'a RepositoryPlace) -> Asking<'a, ()> {
        Box::pin(async move { self.repository(place)?.tags("").await.map(drop) })
    }
}

/// Judges clone URLs.
#[derive(Debug)]
pub(super) struct Judge {
    upstreams: Upstreams,
    listed: ListedHosts,
    rewritten: Memo<String>,
    addresses: Memo<Vec<SocketAddr>>,
}

/// Addresses are looked up anew after this; forges move.
const ADDRESSES: Duration = Duration::from_secs(60);
const MOST: usize = 10_000;

impl Judge {
    pub(super) fn new(upstreams: Upstreams, listed: ListedHosts, freshness: Duration) -> Self {
        let briefly = Duration::from_secs(3);
        let keep = |good| Keep { good, absence: briefly, failure: briefly, through_outages: Duration::ZERO };
        Self {
            upstreams,
            listed,
            rewritten: Memo::new(keep(freshness), MOST),
            addresses: Memo::new(keep(ADDRESSES.min(freshness)), MOST),
        }
    }

    /// Lets a place pass, with the addresses that git has to use, or refuses it.
    pub(super) async fn pass(
        &self,
        mut place: RepositoryPlace,
        git: &dyn Git,
    ) -> Result<RepositoryPlace, DirectError> {
        let url = CloneUrl::parse(&place.url)
            .map_err(|reason| refused(format!("the repository of {} is not asked: {reason}", place.root)))?;
        let rewritten = self.rewritten.get(&place.url, || git.rewritten(&place.url)).await?;
        // Where the operator's own git configuration leads is the operator's word.
        if rewritten.trim_end() != place.url {
            return Ok(place);
        }
        let allowed = url.scheme() != Scheme::Https && git.allows(url.scheme().protocol()).await?;
        if !url.scheme().is_secure() && !place.insecure && !allowed {
            return Err(refused(format!(
                "{} is not asked: it would be {} in the clear; to allow it, name {} in GOINSECURE",
                url.printable(),
                url.scheme().protocol(),
                place.root
            )));
        }
        // A host that is listed may be anywhere, and so may one of a protocol that the operator allows for all.
        if allowed || self.listed.lists(url.url()) || self.is_listed_by_name(&url) {
            return Ok(place);
        }
        match url.scheme() {
            Scheme::Https | Scheme::Http => {
                place.pinned = self.public_addresses(&url).await?;
                Ok(place)
            }
            Scheme::File if place.insecure => Ok(place),
            Scheme::Ssh | Scheme::Git | Scheme::File => Err(refused(format!(
                "{} is not asked: by {} only hosts are asked that a private pattern, a route or a [[repository]] names \
                 without wildcard",
                url.printable(),
                url.scheme().protocol()
            ))),
        }
    }

    /// A port that isn't the scheme's usual one is only known to the URL itself.
    fn is_listed_by_name(&self, url: &CloneUrl) -> bool {
        url.url().host_str().is_some_and(|host| self.listed.contains(host, url.url().port()))
    }

    async fn public_addresses(&self, url: &CloneUrl) -> Result<Vec<SocketAddr>, DirectError> {
        let host = url.host().unwrap_or_default();
        let key = format!("{}://{host}", url.scheme().protocol());
        let find = || async {
            let found = self.upstreams.public_addresses(url.url()).await;
            found.map_err(|cause| DirectError::new(kind_of(&cause), cause.to_string()))
        };
        self.addresses.get(&key, find).await
    }
}

pub(super) fn refused(text: String) -> DirectError {
    DirectError::new(DirectFaultKind::Refused, text)
}
