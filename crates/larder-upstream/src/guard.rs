//! Keeping what strangers name out of the network that Larder stands in.
//!
//! A host that the operator named is *listed* and may be anywhere. Any other is looked up once, every one of its addresses is
//! judged, and the connection is made to exactly those: a name that changes its mind between look-up and connection has
//! nobody to tell. Behind a forward proxy it is the proxy that looks names up, so only listed hosts are asked there.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::clean::one_line;
use crate::error::FetchCause;
use crate::resolver::SystemResolver;
use crate::version_control::{DirectFault, DirectFaultKind};

/// Says why an address is refused, if it is.
pub(crate) type Judge = fn(IpAddr) -> Option<&'static str>;

/// The hosts that the operator named: private addresses are theirs by right.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ListedHosts(Arc<HashSet<String>>);

impl ListedHosts {
    /// Collects hosts; one with a port (`git.corp.example:8443`) is listed at that port only.
    pub fn new<T: AsRef<str>>(hosts: impl IntoIterator<Item = T>) -> Self {
        let hosts = hosts.into_iter().map(|host| plain(host.as_ref())).filter(|host| !host.is_empty());
        Self(Arc::new(hosts.collect()))
    }

    /// Reports whether a host is listed, at a port.
    pub fn contains(&self, host: &str, port: Option<u16>) -> bool {
        let host = plain(host);
        self.0.contains(&host) || port.is_some_and(|port| self.0.contains(&format!("{host}:{port}")))
    }

    /// Reports whether the host of a URL is listed.
    pub fn lists(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.contains(host, url.port_or_known_default()))
    }
}

impl fmt::Debug for ListedHosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter()).finish()
    }
}

fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// A host that isn't asked because of where it is; our own error, so that it can be told from others.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{host} is at {address}, {what}, and isn't listed")]
pub(crate) struct NotPublic {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
    pub(crate) what: &'static str,
}

impl NotPublic {
    pub(crate) fn cause(&self) -> FetchCause {
        let host = one_line(&self.host);
        refused(format!(
            "{host} is not asked: it is at {} ({}); to allow it, name the host without wildcard in a private pattern, \
             a route or a [[repository]]",
            self.address, self.what
        ))
    }
}

/// Judges all addresses of a host.
pub(crate) fn judge_all(host: &str, addresses: &[SocketAddr], judge: Judge) -> Result<(), NotPublic> {
    for address in addresses.iter().map(SocketAddr::ip) {
        if let Some(what) = judge(address) {
            return Err(NotPublic { host: host.to_owned(), address, what });
        }
    }
    Ok(())
}

/// Judges a URL whose host is an address already; nobody looks that up.
pub(crate) fn judge_literal(url: &Url, judge: Judge) -> Result<(), NotPublic> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    judge_all(&address.to_string(), &[SocketAddr::new(address, 0)], judge)
}

/// Returns the cause for an unlisted host behind a forward proxy.
pub(crate) fn behind_a_proxy(url: &Url) -> FetchCause {
    let host = one_line(url.host_str().unwrap_or_default());
    refused(format!(
        "{host} is not asked: a forward proxy would look it up, so its address can't be checked; to allow it, name \
         the host without wildcard in a private pattern, a route or a [[repository]]"
    ))
}

fn refused(text: String) -> FetchCause {
    FetchCause::Direct(DirectFault { kind: DirectFaultKind::Refused, text: text.into() })
}

/// A resolver that gives out public addresses only.
pub(crate) struct GuardedResolver {
    pub(crate) inner: SystemResolver,
    pub(crate) judge: Judge,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (inner, judge) = (self.inner.clone(), self.judge);
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = inner.addresses(&host).await?;
            judge_all(&host, &addresses, judge)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::not_public;

    #[test]
    fn listed_hosts_are_found_however_they_are_spelled() {
        let listed =
            ListedHosts::new(["Git.Corp.example", "forge.corp.example:8443", "", "10.0.0.7", "[fd00::7]"]);
        for url in [
            "https://git.corp.example/x",
            "https://GIT.corp.example.:9/",
            "http://git.corp.example",
            "https://forge.corp.example:8443/",
            "https://10.0.0.7/",
            "https://0xa.7/",
            "https://[fd00:0::7]/",
        ] {
            assert!(listed.lists(&Url::parse(url).unwrap()), "{url}");
        }
        for url in [
            "https://forge.corp.example/",
            "https://sub.git.corp.example/",
            "https://git.corp.example.evil.example/",
            "https://10.0.0.8/",
            "https://git.corp.example@evil.example/",
            "file:///git.corp.example",
        ] {
            assert!(!listed.lists(&Url::parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn addresses_in_disguise_are_seen_through() {
        for url in [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://127.1/",
            "http://0177.1/",
            "http://0x7f.0.0.1/",
            "http://127.0.0.1./",
            "http://a@127.0.0.1/",
            "http://8.8.8.8@127.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://127。0。0。1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://0/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:a00:1::]/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://169.254.43518/",
            "http:\\\\127.0.0.1\\",
            "http:/127.0.0.1/",
            "http://[fe80::1]/",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(judge_literal(&url, not_public).is_err(), "{url}");
        }
        assert_eq!(judge_literal(&Url::parse("http://134744072/").unwrap(), not_public), Ok(()));
    }
}
