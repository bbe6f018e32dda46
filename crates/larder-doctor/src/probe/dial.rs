//! Connections for requests: each host is looked at closely once, and all that was met there is kept.
//!
//! Requests for one host begin at the same moment. The first of them opens the connection; the others wait to hear how that
//! went, so that a host that is silent is waited for once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::http::origin;
use super::{HostProbe, Network, Target, Wire, look_closer, open};
use crate::System;
use crate::symptom::Trouble;

/// Opens connections.
pub(super) struct Dialer {
    network: Network,
    until: Instant,
    /// The first opening of each host: what went wrong, if anything.
    known: Mutex<HashMap<String, Arc<OnceCell<Option<Trouble>>>>>,
    hosts: Mutex<Vec<HostProbe>>,
}

impl Dialer {
    pub(super) fn new(system: &System, until: Instant) -> Self {
        Self { network: Network::read(system), until, known: Mutex::default(), hosts: Mutex::default() }
    }

    /// Returns what was met at each host, after a second look at those that could not be reached.
    pub(super) async fn hosts(&self) -> Vec<HostProbe> {
        let hosts = std::mem::take(&mut *self.hosts.lock().expect("nobody panics while it is held"));
        let looks = hosts.into_iter().map(|mut host| async {
            look_closer(&self.network, &mut host, self.until).await;
            host
        });
        futures_util::future::join_all(looks).await
    }

    /// Connects to the host of a URL.
    pub(super) async fn dial(&self, role: &str, url: &Url) -> Result<Wire, Trouble> {
        let Some(target) = Target::of(role, url) else {
            return Err(Trouble::BadRedirect {
                text: format!("unsupported protocol scheme \"{}\"", url.scheme()),
            });
        };
        let known = {
            let mut known = self.known.lock().expect("nobody panics while it is held");
            known.entry(origin(url)).or_default().clone()
        };
        let mut first = None;
        let trouble = known
            .get_or_init(|| async {
                let opened = open(&self.network, &target, self.until).await;
                let trouble = opened.probe.trouble.clone();
                self.hosts.lock().expect("nobody panics while it is held").push(opened.probe);
                first = opened.wire;
                trouble
            })
            .await;
        match (first, trouble) {
            (Some(wire), _) => Ok(wire),
            (None, Some(trouble)) => Err(trouble.clone()),
            (None, None) => {
                let opened = open(&self.network, &target, self.until).await;
                opened.wire.ok_or_else(|| opened.probe.trouble.unwrap_or_default())
            }
        }
    }
}
