//! Names, routes, connections, TLS, forward proxies.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("N01", "no-such-name", |case| {
        case.checksums(&one());
        case.env("GOPROXY", "https://gone.example.com");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["no such host"]);
    }),
    scenario("N16", "expired", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &url.replace("proxy.example.com", "expired.example.com"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["certificate has expired or is not yet valid"]);
    }),
];
