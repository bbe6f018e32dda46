//! Looking names up.
//!
//! The system's resolver does it, as for the go command, so that the machine's hosts file and search domains hold.
//! It blocks a thread for as long as it likes, and the threads that read stored files come from the same pool; so
//! look-ups are few at a time and given up in time, or a dead name server would keep hits waiting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::classify::LookupFailed;

/// Look-ups at a time.
const AT_A_TIME: usize = 32;

/// The system's resolver, with limits and an error type of our own.
pub(crate) struct SystemResolver {
    turns: Arc<Semaphore>,
    limit: Duration,
}

impl SystemResolver {
    /// Half of the time that a connection may take is left for the connection itself.
    pub(crate) fn new(connect: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_A_TIME)), limit: connect / 2 }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (turns, limit) = (Arc::clone(&self.turns), self.limit);
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found = timeout(limit, look_up(host.clone(), turns)).await.unwrap_or_else(|_| {
                Err(format!("no answer from the name servers within {:.1} s", limit.as_secs_f64()))
            });
            match found {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                Err(reason) => Err(LookupFailed { host, reason }.into()),
            }
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
