//! Finding out that an upstream leads back to us over proxies that pass no headers on.
//!
//! In such a loop a question waits for itself: it comes back as a client's question for the very thing that is being
//! fetched. So an upstream that stays silent for a while is asked for a module that only this process can know of,
//! and if that question arrives at our own server ([`Instance::recognizes`](crate::Instance::recognizes)), the loop is
//! proved, those who wait are told, and the upstream is left alone for a minute.
//!
//! Only upstreams at local and private addresses are checked. A public proxy can't have us as its upstream.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::name::Origin;
use crate::transport::Transport;

/// How long a result holds.
const HOLDS: Duration = Duration::from_secs(60);

/// What is known about one upstream.
#[derive(Debug)]
pub(crate) struct Suspect {
    leads_back: watch::Sender<bool>,
    probing: Mutex<Probing>,
}

#[derive(Debug, Default)]
enum Probing {
    #[default]
    Never,
    Now,
    Done(Instant),
}

impl Default for Suspect {
    fn default() -> Self {
        Self { leads_back: watch::Sender::new(false), probing: Mutex::default() }
    }
}

impl Suspect {
    /// Reports whether the upstream is known to lead back; after a while it gets another chance.
    pub(crate) fn leads_back(&self) -> bool {
        if !*self.leads_back.borrow() {
            return false;
        }
        let holds = matches!(*self.probing(), Probing::Done(when) if when.elapsed() < HOLDS);
        if !holds {
            self.leads_back.send_replace(false);
        }
        holds
    }

    /// Ends when the upstream has been found to lead back, else never. `probe` sends a request for a path.
    pub(crate) async fn found_out<Sent: Future<Output = ()>>(
        &self,
        transport: &Transport,
        origin: &Origin,
        probe: impl FnOnce(String) -> Sent,
    ) {
        sleep(transport.timeouts.suspicion).await;
        let mut told = self.leads_back.subscribe();
        if let Some(claim) = self.claim()
            && is_near(origin.host()).await
        {
            let number = crate::random::number();
            probe(transport.instance.probe_path(number)).await;
            if transport.instance.has_returned(number) {
                self.leads_back.send_replace(true);
            }
            claim.done();
        }
        if told.wait_for(|leads_back| *leads_back).await.is_err() {
            std::future::pending().await
        }
    }

    /// Takes on the probe, unless somebody else has or the last one is fresh.
    fn claim(&self) -> Option<Claim<'_>> {
        let mut probing = self.probing();
        let free = match *probing {
            Probing::Never => true,
            Probing::Now => false,
            Probing::Done(when) => when.elapsed() >= HOLDS,
        };
        free.then(|| {
            *probing = Probing::Now;
            Claim { suspect: self, next: Probing::Never }
        })
    }

    fn probing(&self) -> MutexGuard<'_, Probing> {
        self.probing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to probe; a request that ends earlier leaves it to the next.
struct Claim<'a> {
    suspect: &'a Suspect,
    next: Probing,
}

impl Claim<'_> {
    fn done(mut self) {
        self.next = Probing::Done(Instant::now());
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        *self.suspect.probing() = std::mem::take(&mut self.next);
    }
}

/// Reports whether a host has an address of this machine or of a private network.
async fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(addresses) = tokio::net::lookup_host((host, 0)).await else { return false };
    addresses.into_iter().any(|address| match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
    })
}
