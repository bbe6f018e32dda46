//! Forward proxies.

use larder_testkit::lab::{Case, Port};

use crate::network::something;
use crate::{Scenario, one, scenario};

/// A proxy that works, through a forward proxy that doesn't.
fn through(case: &mut Case<'_>, forward: &str, says: &str) {
    case.proxy(&one());
    case.download("example.com/ok@v1.0.0");
    case.env("HTTPS_PROXY", forward);
    case.prints(&[says]);
}

/// The same for a proxy in the clear.
fn through_plain(case: &mut Case<'_>, forward: &str, says: &str) {
    let url = case.proxy(&one());
    case.env("GOPROXY", &url.replace("https:", "http:"));
    case.download("example.com/ok@v1.0.0");
    case.env("HTTP_PROXY", forward);
    case.prints(&[says]);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("N20", "nothing-listens", |case| {
        through(
            case,
            "http://squid.corp.example:9",
            "proxyconnect tcp: dial tcp 192.0.2.30:9: connect: connection refused",
        );
    }),
    scenario("N20", "no-such-name", |case| {
        through(
            case,
            "http://gone.corp.example:3128",
            "proxyconnect tcp: dial tcp: lookup gone.corp.example",
        );
    }),
    scenario("N20", "nothing-listens-for-http", |case| {
        through_plain(
            case,
            "http://squid.corp.example:9",
            "proxyconnect tcp: dial tcp 192.0.2.30:9: connect: connection refused",
        );
    }),
    scenario("N20", "dropped", |case| {
        something(case, "dropped.corp.example", 3128, &Port::Full);
        through(case, "http://dropped.corp.example:3128", "proxyconnect tcp: dial tcp");
    }),
    scenario("N21", "https-to-a-plain-proxy", |case| {
        let reply = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        something(case, "plain.corp.example", 3128, &Port::Says(reply));
        through(
            case,
            "https://plain.corp.example:3128",
            "proxyconnect tcp: tls: first record does not look like a TLS handshake",
        );
    }),
    scenario("N21", "malformed", |case| {
        through(case, "http://[::1", "proxyconnect tcp: dial tcp: lookup http")
    }),
    scenario("N22", "login", |case| {
        through(case, "http://squid.corp.example:3129", "Proxy Authentication Required");
    }),
    scenario("N22", "wrong-login", |case| {
        through(case, "http://dev:old@squid.corp.example:3129", "Proxy Authentication Required");
    }),
    scenario("N22", "login-for-http", |case| {
        through_plain(case, "http://squid.corp.example:3129", "407 Proxy Authentication Required");
    }),
    scenario("N23", "forbidden", |case| through(case, "http://squid.corp.example:3130", "\": Forbidden")),
    scenario("N23", "bad-gateway", |case| through(case, "http://squid.corp.example:3131", "\": Bad Gateway")),
    scenario("N23", "unavailable", |case| {
        through(case, "http://squid.corp.example:3132", "\": Service Unavailable");
    }),
    scenario("N23", "gateway-timeout", |case| {
        through(case, "http://squid.corp.example:3133", "\": Gateway Timeout");
    }),
];
