//! `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as Go's HTTP client reads them.
//!
//! The HTTP library has a rule of its own that differs where it hurts: it knows no exemption for
//! loopback addresses, no ports in `NO_PROXY`, and it reads `ALL_PROXY`, which Go does not. A machine
//! on which the go command reaches a proxy must let Larder reach it the same way, so this is Go's rule
//! (golang.org/x/net/http/httpproxy), given to the library as a function.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use url::Url;

use crate::name::printable_url;

/// The three values, as text; empty ones count as not set.
#[derive(Clone, Default)]
pub struct ForwardProxySettings {
    /// `HTTP_PROXY`, else `http_proxy`.
    pub http: String,
    /// `HTTPS_PROXY`, else `https_proxy`.
    pub https: String,
    /// `NO_PROXY`, else `no_proxy`.
    pub none: String,
}

impl fmt::Debug for ForwardProxySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        ForwardProxy::new(self).fmt(formatter)
    }
}

/// Decides which forward proxy a request goes through.
#[derive(Clone, Default)]
pub struct ForwardProxy {
    http: Option<Url>,
    https: Option<Url>,
    exempt: Exempt,
    problems: Vec<String>,
}

#[derive(Clone, Default)]
struct Exempt {
    everything: bool,
    addresses: Vec<AddressRule>,
    domains: Vec<DomainRule>,
}

#[derive(Clone)]
enum AddressRule {
    Network { address: IpAddr, bits: u8 },
    Address { address: IpAddr, port: String },
}

#[derive(Clone)]
struct DomainRule {
    /// With a leading dot.
    suffix: String,
    port: String,
    also_itself: bool,
}

impl ForwardProxy {
    /// Reads the three values.
    pub fn new(settings: &ForwardProxySettings) -> Self {
        let mut problems = Vec::new();
        let mut read = |name: &str, value: &str| match parse_proxy(value) {
            Ok(url) => url,
            Err(reason) => {
                problems.push(format!("{name} is not used: {reason}"));
                None
            }
        };
        let http = read("HTTP_PROXY", &settings.http);
        let https = read("HTTPS_PROXY", &settings.https);
        Self { http, https, exempt: Exempt::parse(&settings.none), problems }
    }

    /// Returns the forward proxy for a URL, or nothing when it is asked directly.
    pub fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        }?;
        let port = url.port_or_known_default().map_or_else(String::new, |port| port.to_string());
        self.exempt.uses_proxy(url.host_str().unwrap_or_default(), &port).then_some(proxy)
    }

    /// Returns what is wrong with the values. Go ignores such a value, and so does Larder, but not silently.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Debug for ForwardProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &Option<Url>| url.as_ref().map(printable_url);
        formatter
            .debug_struct("ForwardProxy")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .finish_non_exhaustive()
    }
}

/// Reads a proxy's URL; a value without a scheme, or one that makes no sense with it, is read as `http://`.
fn parse_proxy(value: &str) -> Result<Option<Url>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    // `host:8080` is read as a URL of the scheme `host`, which has no host part.
    let parsed = match Url::parse(value) {
        Ok(url) if url.has_host() => Ok(url),
        _ => Url::parse(&format!("http://{value}")),
    };
    match parsed {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") => Ok(Some(url)),
        Ok(url) => Err(format!("a forward proxy speaks http, https or socks5, not {}", url.scheme())),
        Err(reason) => Err(format!("it is not a URL ({reason})")),
    }
}

impl Exempt {
    fn parse(value: &str) -> Self {
        let mut exempt = Self::default();
        for entry in value.split(',') {
            let entry = entry.trim().to_lowercase();
            if entry.is_empty() {
                continue;
            }
            if entry == "*" {
                return Self { everything: true, ..Self::default() };
            }
            if let Some((address, bits)) = parse_network(&entry) {
                exempt.addresses.push(AddressRule::Network { address, bits });
                continue;
            }
            let (host, port) = match split_host_port(&entry) {
                Some((host, port)) => (host.to_owned(), port.to_owned()),
                None => (entry, String::new()),
            };
            if host.is_empty() {
                continue;
            }
            if let Ok(address) = host.parse::<IpAddr>() {
                exempt.addresses.push(AddressRule::Address { address: address.to_canonical(), port });
                continue;
            }
            let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(&host);
            let also_itself = !host.starts_with('.');
            let bare = host.strip_prefix('.').unwrap_or(host);
            exempt.domains.push(DomainRule { suffix: format!(".{}", ascii_domain(bare)), port, also_itself });
        }
        exempt
    }

    fn uses_proxy(&self, host: &str, port: &str) -> bool {
        if host == "localhost" {
            return false;
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if self.everything || address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        match address {
            Some(address) => !self.addresses.iter().any(|rule| rule.covers(address, port)),
            None => {
                let host = host.trim().to_lowercase();
                !self.domains.iter().any(|rule| rule.covers(&host, port))
            }
        }
    }
}

impl AddressRule {
    fn covers(&self, asked: IpAddr, asked_port: &str) -> bool {
        match self {
            Self::Address { address, port } => *address == asked && (port.is_empty() || port == asked_port),
            Self::Network { address, bits } => match (address, asked) {
                (IpAddr::V4(network), IpAddr::V4(asked)) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                    network.to_bits() & mask == asked.to_bits() & mask
                }
                (IpAddr::V6(network), IpAddr::V6(asked)) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                    network.to_bits() & mask == asked.to_bits() & mask
                }
                _ => false,
            },
        }
    }
}

impl DomainRule {
    fn covers(&self, host: &str, asked_port: &str) -> bool {
        let named = host.ends_with(&self.suffix) || (self.also_itself && host == &self.suffix[1..]);
        named && (self.port.is_empty() || self.port == asked_port)
    }
}

fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || !bits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    match address {
        IpAddr::V4(_) => (bits <= 32).then_some((address, bits)),
        IpAddr::V6(long) => match mapped(long) {
            Some(short) if (96..=128).contains(&bits) => Some((short, bits - 96)),
            _ => (bits <= 128).then_some((address, bits)),
        },
    }
}

fn mapped(address: Ipv6Addr) -> Option<IpAddr> {
    address.to_ipv4_mapped().map(IpAddr::V4)
}

/// Splits `host:port` and `[address]:port`; anything else is not such a pair.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.contains(['[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

/// Returns the ASCII form of a domain with other letters; everything else stays as it is.
fn ascii_domain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(domain)) => domain,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(http: &str, https: &str, none: &str, url: &str) -> Option<String> {
        let settings = ForwardProxySettings { http: http.into(), https: https.into(), none: none.into() };
        ForwardProxy::new(&settings).for_url(&Url::parse(url).unwrap()).map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_value_may_lack_its_scheme() {
        for (value, expected) in [
            ("proxy.example.com", Some("http://proxy.example.com/")),
            ("proxy.example.com:8080", Some("http://proxy.example.com:8080/")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080/")),
            ("http://proxy.example.com", Some("http://proxy.example.com/")),
            ("https://proxy.example.com", Some("https://proxy.example.com/")),
            ("socks5://proxy.example.com", Some("socks5://proxy.example.com")),
            ("ftp://proxy.example.com", None),
            ("", None),
        ] {
            assert_eq!(decide(value, "", "", "http://a.example.com").as_deref(), expected, "{value}");
        }
        let bad = ForwardProxySettings { https: "ftp://user:canary@x".into(), ..Default::default() };
        let problems = ForwardProxy::new(&bad).problems().join(" ");
        assert!(problems.contains("HTTPS_PROXY") && !problems.contains("canary"), "{problems}");
    }

    #[test]
    fn each_scheme_has_its_own_variable() {
        let proxies = ("http://p.example.com", "http://s.example.com");
        assert_eq!(
            decide(proxies.0, proxies.1, "", "http://a.example.com").unwrap(),
            "http://p.example.com/"
        );
        assert_eq!(
            decide(proxies.0, proxies.1, "", "https://a.example.com").unwrap(),
            "http://s.example.com/"
        );
        assert_eq!(decide(proxies.0, "", "", "https://a.example.com"), None);
        assert_eq!(decide("", proxies.1, "", "http://a.example.com"), None);
    }

    #[test]
    fn this_machine_is_always_asked_directly() {
        for host in
            ["localhost", "localhost:8080", "127.0.0.1", "127.9.9.9:81", "[::1]:80", "[::ffff:127.0.0.1]"]
        {
            assert_eq!(decide("p.example.com", "", "", &format!("http://{host}/")), None, "{host}");
        }
    }

    #[test]
    fn exemptions() {
        // NO_PROXY, URL, whether it is asked directly
        let table: &[(&str, &str, bool)] = &[
            ("*", "http://a.example.com", true),
            ("b.example.com, *", "http://192.0.2.1", true),
            ("example.com", "http://example.com", true),
            ("example.com", "http://a.example.com", true),
            ("example.com", "http://aexample.com", false),
            ("EXAMPLE.com", "http://a.Example.com", true),
            (".example.com", "http://example.com", false),
            (".example.com", "http://a.example.com", true),
            ("*.example.com", "http://example.com", false),
            ("*.example.com", "http://a.example.com", true),
            ("a*.example.com", "http://ab.example.com", false),
            ("example.com:80", "http://example.com", true),
            ("example.com:8080", "http://example.com", false),
            ("example.com:8080", "http://a.example.com:8080", true),
            ("example.com:443", "https://example.com", true),
            ("example.com:", "http://example.com:81", true),
            (":80", "http://example.com", false),
            (" , ,example.com ", "http://example.com", true),
            ("192.0.2.1", "http://192.0.2.1:81", true),
            ("192.0.2.1:80", "http://192.0.2.1", true),
            ("192.0.2.1:80", "http://192.0.2.1:81", false),
            ("192.0.2.0/24", "http://192.0.2.200", true),
            ("192.0.2.0/24", "http://192.0.3.1", false),
            ("192.0.2.7/24", "http://192.0.2.200", true),
            ("0.0.0.0/0", "http://198.51.100.1", true),
            ("192.0.2.0/+8", "http://192.0.2.1", false),
            ("192.0.2.0/33", "http://192.0.2.0", false),
            ("192.0.2", "http://192.0.2.1", false),
            ("2001:db8::1", "http://[2001:db8::1]", true),
            ("[2001:db8::1]:80", "http://[2001:db8::1]", true),
            ("[2001:db8::1]:81", "http://[2001:db8::1]", false),
            ("[2001:db8::1]", "http://[2001:db8::1]", false),
            ("2001:db8::/32", "http://[2001:db8:1::9]", true),
            ("::ffff:192.0.2.0/120", "http://192.0.2.9", true),
            ("2001:db8::/32", "http://192.0.2.1", false),
            // A name rule never covers an address.
            ("0.2.1", "http://192.0.2.1", false),
            ("bücher.example.com", "http://xn--bcher-kva.example.com", true),
        ];
        for (none, url, direct) in table {
            let proxied = decide("p.example.com", "p.example.com", none, url).is_some();
            assert_eq!(!proxied, *direct, "NO_PROXY={none:?} {url}");
        }
    }

    #[test]
    fn credentials_of_a_forward_proxy_do_not_print() {
        let settings =
            ForwardProxySettings { http: "http://user:canary@p.example.com".into(), ..Default::default() };
        assert!(!format!("{settings:?}").contains("canary"));
        assert!(!format!("{:?}", ForwardProxy::new(&settings)).contains("canary"));
    }

    proptest! {
        #[test]
        fn no_value_makes_the_reader_panic(proxy in "[ -~]{0,30}", none in "([0-9a-f.:/\\[\\]*,-]|.){0,40}") {
            let settings = ForwardProxySettings { http: proxy, https: String::new(), none };
            let forward = ForwardProxy::new(&settings);
            for url in ["http://a.example.com", "http://192.0.2.1:8080", "http://[2001:db8::1]"] {
                let _ = forward.for_url(&Url::parse(url).unwrap());
            }
            prop_assert!(forward.for_url(&Url::parse("http://127.0.0.1").unwrap()).is_none());
        }
    }
}
