//! Looking names up.
//!
//! The system's resolver does it, as for the go command, so that the machine's hosts file and search domains hold.
//! It blocks a thread for as long as it likes, and the threads that read stored files come from the same pool; so
//! look-ups are few at a time and given up in time, or a dead name server would keep hits waiting.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::classify::LookupFailed;

/// Look-ups at a time.
const AT_A_TIME: usize = 32;

/// Addresses that are being looked up, or why there are none.
pub type LookingUp<'a> = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, String>> + Send + 'a>>;

/// Looks names up in the system's stead.
pub trait LookUp: fmt::Debug + Send + Sync {
    /// Returns the addresses of a host; port 0 stands for the usual one of the scheme.
    fn look_up<'a>(&'a self, host: &'a str) -> LookingUp<'a>;
}

/// The system's resolver, with limits and an error type of our own.
#[derive(Clone)]
pub(crate) struct SystemResolver {
    turns: Arc<Semaphore>,
    limit: Duration,
    instead: Option<Arc<dyn LookUp>>,
}

impl SystemResolver {
    /// Half of the time that a connection may take is left for the connection itself.
    pub(crate) fn new(connect: Duration, instead: Option<Arc<dyn LookUp>>) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_A_TIME)), limit: connect / 2, instead }
    }

    /// Looks a name up within the limit.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, LookupFailed> {
        let work = async {
            match &self.instead {
                Some(instead) => instead.look_up(host).await,
                None => look_up(host.to_owned(), Arc::clone(&self.turns)).await,
            }
        };
        let found = timeout(self.limit, work).await.unwrap_or_else(|_| {
            Err(format!("no answer from the name servers within {:.1} s", self.limit.as_secs_f64()))
        });
        found.map_err(|reason| LookupFailed { host: host.to_owned(), reason })
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = resolver.addresses(&host).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Looks a name up; the turn is given back when the system is done, not when nobody waits any more.
async fn look_up(host: String, turns: Arc<Semaphore>) -> Result<Vec<SocketAddr>, String> {
    let Ok(turn) = turns.acquire_owned().await else { return Err("shutting down".to_owned()) };
    let work = tokio::spawn(async move {
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        drop(turn);
        found.map(Iterator::collect::<Vec<_>>)
    });
    match work.await {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("it has no address".to_owned()),
        Ok(Ok(addresses)) => Ok(addresses),
        // The library puts words of its own before the system's.
        Ok(Err(error)) => Err(error.to_string().rsplit(": ").next().unwrap_or_default().to_owned()),
        Err(_) => Err("the look-up broke off".to_owned()),
    }
}
