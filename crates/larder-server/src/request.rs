//! What a request asks for, judged before anything is looked up.
//!
//! The port answers `GET` and `HEAD` without a body and nothing else. Whatever could make another server
//! in front of this one see different requests in the same bytes is refused and the connection closed.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, Version, request::Parts};
use larder_module::path::ModulePath;
use larder_module::request::{ProxyRequest, RequestError};
use larder_upstream::Instance;

use crate::explained;
use crate::known::{KnownPath, KnownPaths};
use crate::settings::{BasePath, IpPrefixes};

/// The header by which a client asks for what is stored only.
pub(crate) const DISABLE_MODULE_FETCH: HeaderName = HeaderName::from_static("disable-module-fetch");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The only page with a query string.
const EXPLAIN: &str = "/-/api/v1/explain";

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    StartPage,
    Style,
    Robots,
    Health,
    Ready,
    Version,
    Metrics,
    Findings,
    Explain(ModulePath),
    Protocol { path: Arc<KnownPath>, cached_only: bool },
}

/// Why a request is answered without asking the engine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    Method,
    MethodWithBody,
    Body,
    Upgrade,
    Host,
    Target,
    Query,
    NoModule,
    Loop,
    OutsideBasePath,
    NoSuchPage,
    Path(RequestError),
    Condition,
    Range,
}

impl Refusal {
    /// Returns the word for the log.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Method | Self::MethodWithBody => "method",
            Self::Body => "request-body",
            Self::Upgrade => "upgrade",
            Self::Host => "host",
            Self::Target => "request-target",
            Self::Query | Self::NoModule => "query-string",
            Self::Loop => "loop",
            Self::OutsideBasePath | Self::NoSuchPage => "no-such-page",
            Self::Path(_) => "path",
            Self::Condition => "condition",
            Self::Range => "range",
        }
    }

    /// Returns what the client reads, most important line first.
    pub(crate) fn lines(&self, base: &BasePath) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Method | Self::MethodWithBody => one("only GET and HEAD are answered here"),
            Self::Body => one("bad request: a request with a body is not answered here"),
            Self::Upgrade => one("bad request: no other protocol can be switched to here"),
            Self::Host => one("bad request: exactly one sound Host header is needed"),
            Self::Target => one("bad request: the request target must be a path on this server"),
            Self::Query => one("bad request: a module proxy has no query strings"),
            Self::NoModule => one("bad request: ask with ?module= and a module path, such as example.com/a"),
            Self::Loop => vec![
                "this request has come back to the Larder that sent it: its upstreams lead to itself".to_owned(),
                "take this server's own address out of `chain` (or GOPROXY), here and in the proxy that passed it on".to_owned(),
            ],
            Self::OutsideBasePath => match base.named() {
                Some(base) => vec![format!("not found: everything here lies below {base}/")],
                None => vec!["not found".to_owned()],
            },
            Self::NoSuchPage => one("not found: there is no such page"),
            Self::Path(error) => vec![match error.fault() {
                larder_module::request::Fault::Malformed => format!("bad request: {error}"),
                larder_module::request::Fault::Absent => format!("not found: {error}"),
            }],
            Self::Condition => one("precondition failed: the object is another one than the request names"),
            Self::Range => one("range not satisfiable: the body ends before it"),
        }
    }
}

/// Judges a request's head; `has_body` says whether anything follows it.
pub(crate) fn judge(
    parts: &Parts,
    has_body: bool,
    base: &BasePath,
    own: &Instance,
    known: &KnownPaths,
) -> Result<Target, Refusal> {
    check_shape(parts, has_body)?;
    let target = match base.strip(parts.uri.path()) {
        Some(EXPLAIN) => {
            explained::asked_module(parts.uri.query()).map(Target::Explain).ok_or(Refusal::NoModule)
        }
        _ if parts.uri.query().is_some() => Err(Refusal::Query),
        Some(path) => find(path, asks_for_stored_only(&parts.headers), known),
        None => Err(Refusal::OutsideBasePath),
    };
    // Both are asked: a probe has to be taken note of also when `Via` tells the same.
    let is_probe = is_own_probe(&target, own);
    if is_probe || (parts.headers.contains_key(http::header::VIA) && own.has_seen(&parts.headers)) {
        return Err(Refusal::Loop);
    }
    target
}

/// Reports whether this is the question by which this process finds out about loops over proxies that pass no `Via` on.
fn is_own_probe(target: &Result<Target, Refusal>, own: &Instance) -> bool {
    match target {
        Ok(Target::Protocol { path, .. }) => match &path.request {
            ProxyRequest::List(module) => own.recognizes(module.as_str()),
            _ => false,
        },
        _ => false,
    }
}

fn check_shape(parts: &Parts, has_body: bool) -> Result<(), Refusal> {
    let headers = &parts.headers;
    let declares_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|value| value.as_bytes() != b"0");
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(if has_body || declares_body { Refusal::MethodWithBody } else { Refusal::Method });
    }
    if has_body || declares_body {
        return Err(Refusal::Body);
    }
    if headers.contains_key(UPGRADE) || connection_names(headers, "upgrade") {
        return Err(Refusal::Upgrade);
    }
    check_host(parts)?;
    if !parts.uri.path().starts_with('/') { Err(Refusal::Target) } else { Ok(()) }
}

fn connection_names(headers: &HeaderMap, token: &str) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|&b| b == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Checks that there is one host, and that an absolute target agrees with it.
fn check_host(parts: &Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(Refusal::Host);
    }
    match (parts.version, parts.uri.authority(), host) {
        (Version::HTTP_11, None, None) => Err(Refusal::Host),
        (_, Some(authority), Some(host))
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err(Refusal::Host)
        }
        (_, Some(authority), _) if !is_host(authority.as_str().as_bytes()) => Err(Refusal::Host),
        _ => Ok(()),
    }
}

/// Reports whether the bytes can be a host with an optional port; an empty `Host` is legal.
fn is_host(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:[]~%".contains(b))
}

fn asks_for_stored_only(headers: &HeaderMap) -> bool {
    headers.get(DISABLE_MODULE_FETCH).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

pub(crate) fn find(path: &str, stored_only: bool, known: &KnownPaths) -> Result<Target, Refusal> {
    if path == "/" {
        return Ok(Target::StartPage);
    }
    if let Some(page) = path.strip_prefix("/-/") {
        return match page {
            "healthz" => Ok(Target::Health),
            "readyz" => Ok(Target::Ready),
            "version" => Ok(Target::Version),
            "metrics" => Ok(Target::Metrics),
            "api/v1/findings" => Ok(Target::Findings),
            "style.css" => Ok(Target::Style),
            _ => Err(Refusal::NoSuchPage),
        };
    }
    if path == "/robots.txt" {
        return Ok(Target::Robots);
    }
    let (path, cached_only) = match path.strip_prefix("/cached-only/") {
        // The slash stays: what follows must be a path by itself, so that `//` is seen.
        Some(_) => (&path["/cached-only".len()..], true),
        None => (path, stored_only),
    };
    let path = known.read(path).map_err(Refusal::Path)?;
    Ok(Target::Protocol { path, cached_only })
}

/// Who asks, as far as that can be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Client {
    /// The address to log and to judge by.
    pub(crate) address: IpAddr,
    /// Private modules may be shown to it.
    pub(crate) is_private_ok: bool,
}

/// Finds out who asks: the peer, or what a trusted proxy says about it.
///
/// A peer that passes requests on without being trusted might speak for anybody, so it sees nothing
/// private: else a reverse proxy on the same machine would lend its loopback address to the world. So does a
/// trusted one that doesn't say for whom it speaks: `X-Forwarded-For` is the only header that is read for that.
pub(crate) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &IpPrefixes,
    private_clients: &IpPrefixes,
) -> Client {
    if !trusted.contains(peer) {
        return Client {
            address: peer,
            is_private_ok: !is_passed_on(headers) && private_clients.contains(peer),
        };
    }
    let Some(chain) = forwarded_chain(headers) else {
        return Client {
            address: peer,
            is_private_ok: !is_passed_on(headers) && private_clients.contains(peer),
        };
    };
    let mut address = peer;
    for hop in chain.iter().rev() {
        match hop {
            Some(hop) => address = *hop,
            None => return Client { address, is_private_ok: false },
        }
        if !trusted.contains(address) {
            break;
        }
    }
    Client { address, is_private_ok: private_clients.contains(address) }
}

/// Reports whether the peer asks for somebody else.
fn is_passed_on(headers: &HeaderMap) -> bool {
    [&FORWARDED_FOR, &FORWARDED, &REAL_IP, &FORWARDED_HOST, &FORWARDED_PROTO, &http::header::VIA]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Returns the addresses of `X-Forwarded-For`, oldest first; what is no address is `None`.
fn forwarded_chain(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    if !headers.contains_key(FORWARDED_FOR) {
        return None;
    }
    let mut chain = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        match value.to_str() {
            Ok(text) => chain.extend(text.split(',').map(|hop| parse_hop(hop.trim()))),
            Err(_) => chain.push(None),
        }
    }
    Some(chain)
}

fn parse_hop(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    text.parse::<std::net::SocketAddr>()
        .ok()
        .map(|address| address.ip())
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// Returns scheme and host as the client sees them, for the lines of the start page.
pub(crate) fn public_origin(
    parts: &Parts,
    peer: IpAddr,
    trusted: &IpPrefixes,
    encrypted: bool,
    fallback: &str,
) -> String {
    let believed = trusted.contains(peer);
    let forwarded = |name: &HeaderName| {
        let value = parts.headers.get(name).filter(|_| believed)?.to_str().ok()?;
        Some(value.split(',').next().unwrap_or_default().trim().to_owned())
    };
    let scheme = match forwarded(&FORWARDED_PROTO).as_deref() {
        Some("https") => "https",
        Some("http") => "http",
        _ if encrypted => "https",
        _ => "http",
    };
    let host = forwarded(&FORWARDED_HOST)
        .or_else(|| parts.headers.get(HOST)?.to_str().ok().map(str::to_owned))
        .or_else(|| parts.uri.authority().map(|authority| authority.as_str().to_owned()))
        .filter(|host| !host.is_empty() && is_host(host.as_bytes()))
        .unwrap_or_else(|| fallback.to_owned());
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().method(method).uri(uri);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            builder = builder.header("host", "proxy.example.com");
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("request").into_parts().0
    }

    fn ask(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Target, Refusal> {
        judge(
            &parts(method, uri, headers),
            false,
            &BasePath::default(),
            &Instance::named("self"),
            &KnownPaths::new(),
        )
    }

    #[test]
    fn pages_have_one_name_each() {
        for (path, want) in [
            ("/", Target::StartPage),
            ("/-/healthz", Target::Health),
            ("/-/readyz", Target::Ready),
            ("/-/version", Target::Version),
            ("/-/metrics", Target::Metrics),
            ("/-/api/v1/findings", Target::Findings),
            ("/robots.txt", Target::Robots),
        ] {
            assert_eq!(ask("GET", path, &[]), Ok(want.clone()), "{path}");
            assert_eq!(ask("HEAD", path, &[]), Ok(want), "{path}");
        }
        let explain = Target::Explain("example.com/a".parse().expect("sound"));
        assert_eq!(ask("GET", "/-/api/v1/explain?module=example.com/a", &[]), Ok(explain));
        assert_eq!(ask("GET", "/-/api/v1/explain", &[]), Err(Refusal::NoModule));
        assert_eq!(ask("GET", "/-/api/v1/findings?module=example.com/a", &[]), Err(Refusal::Query));
        for path in ["/-/", "/-/badz", "/-/healthz/", "/-//healthz", "/-/HEALTHZ", "/-/../-/healthz"] {
            assert_eq!(ask("GET", path, &[]), Err(Refusal::NoSuchPage), "{path}");
        }
    }

    #[test]
    fn what_smells_of_smuggling_is_refused() {
        for (method, headers, want) in [
            ("POST", vec![], Refusal::Method),
            ("POST", vec![("content-length", "3")], Refusal::MethodWithBody),
            ("OPTIONS", vec![], Refusal::Method),
            ("get", vec![], Refusal::Method),
            ("GET", vec![("content-length", "3")], Refusal::Body),
            ("GET", vec![("content-length", "00")], Refusal::Body),
            ("GET", vec![("transfer-encoding", "chunked")], Refusal::Body),
            ("GET", vec![("transfer-encoding", "identity")], Refusal::Body),
            ("GET", vec![("upgrade", "h2c")], Refusal::Upgrade),
            ("GET", vec![("connection", "keep-alive, Upgrade")], Refusal::Upgrade),
            ("GET", vec![("host", "a"), ("host", "a")], Refusal::Host),
            ("GET", vec![("host", "a/b")], Refusal::Host),
            ("GET", vec![("host", "a b")], Refusal::Host),
        ] {
            assert_eq!(ask(method, "/", &headers), Err(want), "{method} {headers:?}");
        }
        assert_eq!(ask("GET", "/", &[("content-length", "0")]), Ok(Target::StartPage));
    }

    #[test]
    fn an_absolute_target_must_agree_with_the_host() {
        assert_eq!(ask("GET", "http://proxy.example.com/", &[]), Ok(Target::StartPage));
        assert_eq!(ask("GET", "http://other.example.com/", &[]), Err(Refusal::Host));
        assert_eq!(
            ask("GET", "http://user@proxy.example.com/", &[("host", "user@proxy.example.com")]),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn the_base_path_is_cut_off() {
        let base: BasePath = "/x".parse().expect("fine");
        let ask = |path: &str| {
            judge(&parts("GET", path, &[]), false, &base, &Instance::named("self"), &KnownPaths::new())
        };
        assert_eq!(ask("/x/"), Ok(Target::StartPage));
        assert_eq!(ask("/x"), Ok(Target::StartPage));
        assert_eq!(ask("/x/-/healthz"), Ok(Target::Health));
        assert_eq!(ask("/-/healthz"), Err(Refusal::OutsideBasePath));
        assert!(matches!(ask("/x/example.com/a/@latest"), Ok(Target::Protocol { .. })));
        assert_eq!(ask("/x/example.com/a/@latest/?q"), Err(Refusal::Query));
    }

    #[test]
    fn stored_only_by_prefix_and_by_header() {
        let cached = |path: &str, headers: &[(&str, &str)]| match ask("GET", path, headers) {
            Ok(Target::Protocol { cached_only, .. }) => cached_only,
            other => panic!("{other:?}"),
        };
        assert!(!cached("/example.com/a/@latest", &[]));
        assert!(cached("/cached-only/example.com/a/@latest", &[]));
        assert!(cached("/example.com/a/@latest", &[("Disable-Module-Fetch", "true")]));
        assert!(!cached("/example.com/a/@latest", &[("Disable-Module-Fetch", "false")]));
        assert!(matches!(ask("GET", "/cached-only//example.com/a/@latest", &[]), Err(Refusal::Path(_))));
    }

    #[test]
    fn a_loop_is_seen() {
        let own = Instance::named("self");
        let via = format!("1.1 other, 1.1 {}", own.as_str());
        assert_eq!(ask("GET", "/example.com/a/@latest", &[("via", &via)]), Err(Refusal::Loop));
        assert!(ask("GET", "/example.com/a/@latest", &[("via", "1.1 nginx")]).is_ok());
        let probe = format!("/loop-check.invalid/{}/0/@v/list", own.as_str());
        assert_eq!(ask("GET", &probe, &[]), Err(Refusal::Loop));
        assert!(ask("GET", "/loop-check.invalid/larder-other/0/@v/list", &[]).is_ok());
    }

    #[test]
    fn who_asks_is_told_by_trusted_proxies_only() {
        let loopback = IpPrefixes::loopback();
        let trusted: IpPrefixes = "10.0.0.0/8".parse().expect("fine");
        let who = |peer: &str, forwarded: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = forwarded {
                headers.insert(FORWARDED_FOR, text.parse().expect("header"));
            }
            let client = client(peer.parse().expect("address"), &headers, &trusted, &loopback);
            (client.address.to_string(), client.is_private_ok)
        };
        for (peer, forwarded, address, fine) in [
            ("127.0.0.1", None, "127.0.0.1", true),
            ("192.0.2.1", None, "192.0.2.1", false),
            ("127.0.0.1", Some("192.0.2.1"), "127.0.0.1", false),
            ("192.0.2.1", Some("127.0.0.1"), "192.0.2.1", false),
            ("10.0.0.1", Some("192.0.2.1"), "192.0.2.1", false),
            ("10.0.0.1", Some("127.0.0.1"), "127.0.0.1", true),
            ("10.0.0.1", Some("127.0.0.1, 192.0.2.1"), "192.0.2.1", false),
            ("10.0.0.1", Some("127.0.0.1, 192.0.2.1, 10.0.0.2"), "192.0.2.1", false),
            ("10.0.0.1", Some("127.0.0.1, unknown"), "10.0.0.1", false),
            ("10.0.0.1", Some("[::1]:80"), "::1", true),
            ("10.0.0.1", Some(""), "10.0.0.1", false),
            ("10.0.0.1", None, "10.0.0.1", false),
        ] {
            assert_eq!(who(peer, forwarded), (address.to_owned(), fine), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_that_does_not_say_for_whom_speaks_for_anybody() {
        let loopback = IpPrefixes::loopback();
        let peer = [127, 0, 0, 1].into();
        for name in [FORWARDED, REAL_IP, FORWARDED_HOST, FORWARDED_PROTO, http::header::VIA] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, "127.0.0.1".parse().expect("header"));
            for trusted in [&loopback, &IpPrefixes::default()] {
                let who = client(peer, &headers, trusted, &loopback);
                assert_eq!((who.address, who.is_private_ok), (peer, false), "{name}");
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(REAL_IP, "127.0.0.1".parse().expect("header"));
        headers.insert(FORWARDED_FOR, "::1".parse().expect("header"));
        assert!(client(peer, &headers, &loopback, &loopback).is_private_ok);
    }

    #[test]
    fn the_public_origin_is_believed_from_trusted_proxies_only() {
        let trusted: IpPrefixes = "10.0.0.0/8".parse().expect("fine");
        let head =
            parts("GET", "/", &[("x-forwarded-proto", "https"), ("x-forwarded-host", "go.example.com")]);
        let origin =
            |peer: &str| public_origin(&head, peer.parse().expect("address"), &trusted, false, "x:1");
        assert_eq!(origin("10.0.0.1"), "https://go.example.com");
        assert_eq!(origin("192.0.2.1"), "http://proxy.example.com");
        let strange = parts("GET", "/", &[("x-forwarded-host", "<script>")]);
        assert_eq!(
            public_origin(&strange, "10.0.0.1".parse().expect("address"), &trusted, true, "x:1"),
            "https://x:1"
        );
    }
}
