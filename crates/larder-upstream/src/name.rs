//! Names of upstreams that are safe to print, and the origins that secrets are bound to.

use std::fmt;
use std::sync::Arc;

use url::Url;

/// The name of one upstream as people see it: its URL without user info and without query values.
///
/// It is what logs, error bodies and metrics show, so it must never hold a secret.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UpstreamName(Arc<str>);

impl UpstreamName {
    /// Returns the printable name of an upstream URL.
    pub fn of_url(url: &Url) -> Self {
        Self(printable_url(url).trim_end_matches('/').into())
    }

    /// Returns the name of the chain entry `direct`.
    pub fn direct() -> Self {
        Self("direct".into())
    }

    /// Returns the name of the chain entry `off`.
    pub fn off() -> Self {
        Self("off".into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for UpstreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// Returns a URL for people: no user info, no fragment, and of a query only that there is one.
///
/// Signed download URLs carry their signature in the query, so it is as secret as a password.
pub(crate) fn printable_url(url: &Url) -> String {
    let mut text = format!("{}://", url.scheme());
    if let Some(host) = url.host_str() {
        text.push_str(host);
    }
    if let Some(port) = url.port() {
        text.push_str(&format!(":{port}"));
    }
    text.push_str(url.path());
    if url.query().is_some() {
        text.push_str("?...");
    }
    text
}

/// Scheme, host and port: what a secret is bound to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Returns the origin of an `http` or `https` URL, or nothing for any other.
    pub fn of_url(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_ascii_lowercase(),
            port: url.port_or_known_default()?,
        })
    }

    /// Returns the host, brackets of an IPv6 address included.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the scheme, `http` or `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.scheme == "https" { 443 } else { 80 };
        write!(formatter, "{}://{}", self.scheme, self.host)?;
        if self.port != default {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Reports whether a URL points at this machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_no_secret() {
        let url = Url::parse("https://user:canary@Proxy.example.com:8443/go/?token=canary#canary").unwrap();
        let name = UpstreamName::of_url(&url);
        assert_eq!(name.as_str(), "https://proxy.example.com:8443/go/?...");
        assert!(!format!("{name:?}").contains("canary"));
        let url = Url::parse("https://proxy.example.com/").unwrap();
        assert_eq!(UpstreamName::of_url(&url).as_str(), "https://proxy.example.com");
    }

    #[test]
    fn origins_know_default_ports() {
        let origin = |text: &str| Origin::of_url(&Url::parse(text).unwrap());
        assert_eq!(origin("https://a.example.com"), origin("https://A.example.com:443/x"));
        assert_ne!(origin("https://a.example.com"), origin("http://a.example.com:443"));
        assert_ne!(origin("https://a.example.com"), origin("https://a.example.com:8443"));
        assert_eq!(origin("file:///srv"), None);
    }
}
