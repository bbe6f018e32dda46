//! TLS: handshakes that break and certificates that nobody trusts.

use larder_testkit::lab::{Case, Port};

use crate::network::{asks, something};
use crate::{Scenario, one, scenario};

/// A proxy on the same web server, whose certificate has a fault.
fn twin(case: &mut Case<'_>, host: &str, says: &str) {
    let url = case.proxy(&one());
    asks(case, &url.replace("proxy.example.com", host));
    case.prints(&[says]);
}

const UNKNOWN: &str = "certificate signed by unknown authority";
const VALIDITY: &str = "certificate has expired or is not yet valid";

fn port(case: &mut Case<'_>, host: &str, what: &Port, says: &str) {
    something(case, host, 443, what);
    asks(case, &format!("https://{host}"));
    case.prints(&[says]);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("N08", "reset-after-hello", |case| {
        port(case, "reset.example.com", &Port::ResetAfterHello, "connection reset by peer");
    }),
    scenario("N10", "private-authority", |case| twin(case, "private-ca.example.com", UNKNOWN)),
    scenario("N10", "self-signed", |case| twin(case, "self-signed.example.com", UNKNOWN)),
    scenario("N11", "leaf-only", |case| {
        twin(case, "leaf-only.example.com", UNKNOWN);
        case.log_may_say = vec!["N10"];
    }),
    scenario("N12", "inspected", |case| {
        let url = case.proxy(&one());
        let database = case.variable("GOSUMDB").replace("sum.example.com", "inspected.example.org");
        asks(case, &url.replace("proxy.example.com", "inspected.example.com"));
        let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
        let url = database.split(' ').nth(1).unwrap_or_default().to_owned();
        case.env("GOSUMDB", &format!("{key} {url}"));
        case.prints(&[UNKNOWN]);
        case.log_may_say = vec!["N10"];
    }),
    scenario("N13", "other-name", |case| {
        twin(case, "wrong-name.example.com", "certificate is valid for www.example.net, not wrong-name");
    }),
    scenario("N13", "common-name", |case| {
        twin(case, "common-name.example.com", "certificate relies on legacy Common Name field");
    }),
    scenario("N14", "no-bundle", |case| {
        case.proxy(&one());
        case.download("example.com/ok@v1.0.0");
        case.env("SSL_CERT_FILE", "/dev/null");
        case.env("SSL_CERT_DIR", "/nonexistent");
        case.prints(&[UNKNOWN]);
        case.log_may_say = vec!["N10"];
    }),
    scenario("N15", "before-it-begins", |case| twin(case, "not-yet.example.com", VALIDITY)),
    scenario("N16", "expired", |case| twin(case, "expired.example.com", VALIDITY)),
    scenario("N17", "version", |case| {
        port(case, "old.example.com", &Port::alert(70), "protocol version not supported");
    }),
    scenario("N17", "handshake-failure", |case| {
        port(case, "choosy.example.com", &Port::alert(40), "remote error: tls: handshake failure");
    }),
    scenario("N17", "client-certificate", |case| {
        port(case, "mutual.example.com", &Port::alert(116), "remote error: tls: certificate required");
    }),
    scenario("N18", "plain-http", |case| {
        let reply = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        let words = "server gave HTTP response to HTTPS client";
        port(case, "plain.example.com", &Port::Says(reply), words);
    }),
    scenario("N18", "no-http-at-all", |case| {
        let banner = Port::Says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
        port(case, "shell.example.com", &banner, "first record does not look like a TLS handshake");
    }),
    scenario("N18", "http-to-tls", |case| {
        asks(case, "http://proxy.example.com:443/x");
        case.prints(&["malformed HTTP response", "EOF"]);
    }),
    scenario("N18", "http-to-tls-that-explains", |case| {
        let reply =
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n".to_vec();
        something(case, "explains.example.com", 443, &Port::Says(reply));
        asks(case, "http://explains.example.com:443/x");
        case.prints(&["400 Bad Request"]);
    }),
    scenario("N19", "closes", |case| {
        port(case, "closes.example.com", &Port::CloseAtOnce, "EOF");
        // What is sent into a closed connection comes back as a reset, now and then.
        case.says.push("connection reset by peer".to_owned());
        case.log_may_say = vec!["N08"];
        case.live_may_say = vec!["N08"];
    }),
    scenario("N19", "silent", |case| {
        port(case, "mute.example.com", &Port::Silent, "TLS handshake timeout");
    }),
];
