//! What the binary tells the server: addresses, limits, files. Nothing here reads the environment.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Everything the listener needs to know besides what it serves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen, as `host:port`; port 0 lets the system choose.
    pub listen: String,
    /// The prefix under which a reverse proxy publishes this server.
    pub base_path: BasePath,
    /// Certificate and key; without them the server speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Bounds on connections, heads, bodies and waiting.
    pub limits: Limits,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: IpPrefixes,
    /// Addresses that may see private modules while there are no tokens.
    pub private_clients: IpPrefixes,
    /// How long a downstream cache may keep a list, `@latest` or a query's answer.
    pub answer_lifetime: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3000".to_owned(),
            base_path: BasePath::default(),
            tls: None,
            limits: Limits::default(),
            trusted_proxies: IpPrefixes::none(),
            private_clients: IpPrefixes::loopback(),
            answer_lifetime: Duration::from_secs(60),
        }
    }
}

/// The files that TLS needs, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// Bounds that keep one client from taking the server away from the others.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; beyond it, half-open and idle ones make room.
    pub connections: usize,
    /// Time for a request head (or a TLS handshake) to arrive in full.
    pub head_timeout: Duration,
    /// Time that a kept-alive connection may rest between requests. The default is above the go
    /// command's own 90 s, so that the client is the one who closes.
    pub idle_timeout: Duration,
    /// The window over which [`Self::least_rate`] is judged.
    pub write_window: Duration,
    /// Bytes a second that a reader has to take while something is there for it to read.
    pub least_rate: u64,
    /// Bytes of a request head, request line included.
    pub head_bytes: usize,
    /// Streams that one HTTP/2 connection may have open.
    pub streams: u32,
    /// Time for requests in flight to finish after the stop signal.
    pub drain: Duration,
    /// Threads that serve connections; 0 stands for one a core.
    pub threads: usize,
    /// Memory for body pieces on their way from disk to sockets, all connections together.
    pub piece_budget: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 800,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_window: Duration::from_secs(60),
            least_rate: 100,
            head_bytes: 16 << 10,
            streams: 100,
            drain: Duration::from_secs(30),
            threads: 0,
            piece_budget: 32 << 20,
        }
    }
}

/// The path prefix of a deployment behind another server: empty, or `/a/b` without a slash at its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BasePath {
    path: String,
    is_secret: bool,
}

impl BasePath {
    /// Returns the prefix as one that only those know who may ask: no reply outside of it names it.
    #[must_use]
    pub fn unnamed(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Returns the prefix, unless it is nobody's business.
    pub(crate) fn named(&self) -> Option<&str> {
        (!self.is_secret).then_some(self.path.as_str())
    }

    /// Returns the prefix, empty when there is none.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns `path` without the prefix, or `None` when it lies outside it.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.path.as_str())?;
        match rest.as_bytes().first() {
            None => Some("/"),
            Some(b'/') => Some(rest),
            Some(_) => None,
        }
    }
}

/// A base path that can't be one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("base path {text:?} must look like /larder: letters, digits and -._~ between single slashes")]
pub struct BasePathError {
    text: String,
}

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim_end_matches('/');
        let fine = trimmed.is_empty()
            || trimmed.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|element| {
                    !element.is_empty()
                        && element != "."
                        && element != ".."
                        && element.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
                })
            });
        if fine {
            Ok(Self { path: trimmed.to_owned(), is_secret: false })
        } else {
            Err(BasePathError { text: text.to_owned() })
        }
    }
}

/// A set of address blocks, such as `127.0.0.0/8, ::1, 10.0.0.0/8`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IpPrefixes(Vec<IpPrefix>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct IpPrefix {
    /// Everything as IPv6, IPv4 in its mapped form: one comparison for both.
    base: u128,
    bits: u32,
}

/// Text that names no address block.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no address or address block (such as 10.0.0.0/8 or ::1)")]
pub struct IpPrefixError {
    text: String,
}

impl IpPrefixes {
    /// Returns the empty set.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the set of this machine's own addresses.
    pub fn loopback() -> Self {
        let v4 = IpPrefix { base: 0xffff_7f00_0000, bits: 104 };
        let v6 = IpPrefix { base: 1, bits: 128 };
        Self(vec![v4, v6])
    }

    /// Reports whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reports whether `address` lies in one of the blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let wide = widen(address);
        self.0.iter().any(|prefix| {
            let shift = 128 - prefix.bits;
            shift == 128 || (wide ^ prefix.base) >> shift == 0
        })
    }
}

impl FromStr for IpPrefixes {
    type Err = IpPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split([',', ' '])
            .filter(|part| !part.is_empty())
            .map(parse_prefix)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse_prefix(text: &str) -> Result<IpPrefix, IpPrefixError> {
    let wrong = || IpPrefixError { text: text.to_owned() };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (most, shift) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let length = match length {
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse::<u32>().ok().filter(|&bits| bits <= most).ok_or_else(wrong)?
        }
        Some(_) => return Err(wrong()),
        None => most,
    };
    Ok(IpPrefix { base: widen(address), bits: length + shift })
}

fn widen(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
    }
}

/// What `/-/version` says about this build.
#[derive(Clone, Debug, serde::Serialize)]
pub struct VersionFacts {
    /// Always `larder`.
    pub name: String,
    /// The version of the release.
    pub version: String,
    /// The commit it was built from, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// What the start page teaches besides the address.
#[derive(Clone, Debug, Default)]
pub struct StartPageFacts {
    /// The patterns of private routes: what a client has to put into `GONOSUMDB`.
    pub private_patterns: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths() {
        for (text, want) in [("", ""), ("/", ""), ("/x", "/x"), ("/x/", "/x"), ("/a/b.c", "/a/b.c")] {
            assert_eq!(text.parse::<BasePath>().expect(text).as_str(), want);
        }
        for text in ["x", "//", "/a//b", "/..", "/a/./b", "/a?b", "/%41", "/a b"] {
            let parsed = text.parse::<BasePath>();
            assert!(parsed.is_err() || parsed.expect("checked").as_str().is_empty(), "{text}");
        }
        let base: BasePath = "/x".parse().expect("fine");
        assert_eq!(base.strip("/x"), Some("/"));
        assert_eq!(base.strip("/x/"), Some("/"));
        assert_eq!(base.strip("/x/y"), Some("/y"));
        assert_eq!(base.strip("/xy"), None);
        assert_eq!(base.strip("/y"), None);
        assert_eq!(BasePath::default().strip("/y"), Some("/y"));
    }

    #[test]
    fn prefixes() {
        let set: IpPrefixes = "10.0.0.0/8, ::1 192.168.1.7,2001:db8::/32".parse().expect("fine");
        for inside in ["10.1.2.3", "::1", "192.168.1.7", "2001:db8::5", "::ffff:10.1.1.1"] {
            assert!(set.contains(inside.parse().expect(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "::2", "192.168.1.8", "2001:db9::5", "127.0.0.1"] {
            assert!(!set.contains(outside.parse().expect(outside)), "{outside}");
        }
        let all: IpPrefixes = "0.0.0.0/0, ::/0".parse().expect("fine");
        assert!(all.contains("8.8.8.8".parse().expect("address")));
        for wrong in ["10.0.0.0/33", "::/129", "host", "10.0.0.0/+8", "10.0.0.0/", "1.2.3"] {
            assert!(wrong.parse::<IpPrefixes>().is_err(), "{wrong}");
        }
        assert!(IpPrefixes::loopback().contains("127.9.9.9".parse().expect("address")));
        assert!(IpPrefixes::loopback().contains("::1".parse().expect("address")));
        assert!(!IpPrefixes::loopback().contains("128.0.0.1".parse().expect("address")));
    }
}
