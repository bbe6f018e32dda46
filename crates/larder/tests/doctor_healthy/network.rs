//! Chains, forward proxies, addresses and logins.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use larder_testkit::lab::{Answer, Case, DnsAnswer, ForwardProxy};
use larder_testkit::{FakeUpstream, Larder};

use crate::{Configuration, healthy, needs_ok, usual, usual_place};

/// A second proxy that serves nothing of this: it answers as a good one does about what it lacks.
fn elsewhere(case: &mut Case<'_>) -> String {
    let other = FakeUpstream::new().module("example.com/other", "v1.0.0");
    case.site("mirror.example.com", move |request| other.answer(&request.path).into())
}

fn chain(case: &mut Case<'_>, make: fn(&str, &str) -> String) {
    let good = case.proxy(&usual());
    let other = elsewhere(case);
    case.env("GOPROXY", &make(&good, &other));
    needs_ok(case);
}

fn by_forward_proxy(case: &mut Case<'_>, proxy: &str) {
    usual_place(case);
    case.env("HTTPS_PROXY", proxy);
}

/// The lab's web server at an address of the newer kind.
fn address6(case: &mut Case<'_>) {
    static ONCE: Once = Once::new();
    let address: Ipv6Addr = "2001:db8::10".parse().expect("an address");
    ONCE.call_once(|| {
        // Without `nodad` the address can't be used for a second.
        case.shell("/usr/sbin/ip -6 address add 2001:db8::10/64 dev lo nodad || /sbin/ip -6 address add 2001:db8::10/64 dev lo nodad");
        case.lab().web.listen(SocketAddr::from((address, 80)));
        case.lab().web.listen_tls(SocketAddr::from((address, 443)));
        case.lab().dns.set("six.example.com", DnsAnswer::Addresses6(vec![address]));
    });
}

pub(crate) const TABLE: &[Configuration] = &[
    healthy("one-proxy", |case| {
        usual_place(case);
    }),
    healthy("one-proxy-then-off", |case| {
        chain(case, |good, _| format!("{good},off"));
    }),
    healthy("pipes", |case| {
        chain(case, |good, other| format!("{good}|{other}"));
    }),
    healthy("pipes-second-has-it", |case| {
        chain(case, |good, other| format!("{other}|{good}|direct"));
    }),
    healthy("commas-then-direct", |case| {
        chain(case, |good, other| format!("{other},{good},direct"));
    }),
    healthy("first-says-no-and-for-how-long", |case| {
        let good = case.proxy(&usual());
        let other = case.site("mirror.example.com", |_| {
            let reply = larder_testkit::Reply::not_found("example.com/ok");
            Answer::Reply(reply.header("Cache-Control", "public, max-age=600").header("Age", "17"))
        });
        case.env("GOPROXY", &format!("{other},{good}"));
        needs_ok(case);
    }),
    healthy("blanks-in-the-list", |case| {
        chain(case, |good, other| format!("{good}/, {other} ,direct"));
    }),
    healthy("in-the-clear", |case| {
        let url = case.proxy(&usual()).replace("https://", "http://");
        case.env("GOPROXY", &url);
        needs_ok(case);
    }),
    healthy("another-port", |case| {
        let url = case.proxy(&usual()).replace("example.com/", "example.com:8443/");
        case.env("GOPROXY", &url);
        needs_ok(case);
    }),
    healthy("forward-proxy", |case| by_forward_proxy(case, "http://squid.corp.example:3128")),
    healthy("forward-proxy-without-scheme", |case| by_forward_proxy(case, "squid.corp.example:3128")),
    healthy("forward-proxy-with-login", |case| {
        by_forward_proxy(case, "http://dev:secret@squid.corp.example:3129");
    }),
    healthy("forward-proxy-but-not-for-ours", |case| {
        usual_place(case);
        // The proxy refuses all; nobody asks it.
        case.env("HTTPS_PROXY", "http://squid.corp.example:3130");
        case.env("NO_PROXY", "localhost,127.0.0.1,.corp.example,example.com,.example.com");
    }),
    healthy("forward-proxy-for-http-only", |case| {
        usual_place(case);
        case.env("HTTP_PROXY", "http://squid.corp.example:3130");
        case.env("ALL_PROXY", "socks5://squid.corp.example:1080");
    }),
    healthy("forward-proxy-on-loopback", |case| {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| ForwardProxy::Open.start(SocketAddr::from((Ipv4Addr::LOCALHOST, 3128))));
        by_forward_proxy(case, "http://127.0.0.1:3128");
        case.env("no_proxy", "localhost");
    }),
    healthy("goproxy-on-loopback", |case| {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| case.lab().web.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 8081))));
        let url = case.proxy(&usual()).replace("https://proxy.example.com", "http://127.0.0.1:8081");
        case.env("GOPROXY", &url);
        case.env("HTTP_PROXY", "http://squid.corp.example:3130");
        needs_ok(case);
    }),
    healthy("newer-addresses-only", |case| {
        address6(case);
        let url = case.proxy(&usual()).replace("https://proxy", "http://six");
        case.env("GOPROXY", &url);
        needs_ok(case);
    }),
    healthy("newer-address-as-it-is", |case| {
        address6(case);
        let url = case.proxy(&usual()).replace("https://proxy.example.com", "http://[2001:db8::10]");
        case.env("GOPROXY", &url);
        needs_ok(case);
    }),
    healthy("login-by-netrc", |case| {
        let modules = usual();
        let url = case.broken_proxy(&modules, |request| {
            let known = request.header("authorization") == Some("Basic ZGV2OnMzY3JldA==");
            (!known).then(|| {
                Answer::Reply(
                    larder_testkit::Reply::status(401, "text/plain", "who are you?\n")
                        .header("WWW-Authenticate", "Basic realm=\"corp\""),
                )
            })
        });
        assert!(url.starts_with("https://proxy.example.com/"), "{url}");
        case.write(".netrc", "machine proxy.example.com\nlogin dev\npassword s3cret\n");
        needs_ok(case);
    }),
    healthy("login-in-the-url", |case| {
        let modules = usual();
        let url = case.broken_proxy(&modules, |request| {
            let known = request.header("authorization") == Some("Basic ZGV2OnMzY3JldA==");
            (!known).then(|| Answer::status(401, "who are you?\n"))
        });
        case.env("GOPROXY", &url.replace("https://", "https://dev:s3cret@"));
        needs_ok(case);
    }),
    healthy("database-through-the-proxy", |case| {
        let modules = usual();
        let sumdb = case.checksums(&modules);
        let key = sumdb.verifier_key();
        let url = case.broken_proxy(&modules, move |request| {
            let path = request.path.strip_prefix("/sumdb/sum.example.com")?;
            let path = path.replace("%21", "!").replace("%2B", "+").replace("%40", "@");
            let reply = sumdb.answer(&path);
            Some(Answer::Reply(larder_testkit::Reply::status(
                reply.status,
                "text/plain; charset=utf-8",
                reply.body,
            )))
        });
        assert!(!url.is_empty());
        // No URL: only the proxy knows where the database is.
        case.env("GOSUMDB", &key);
        needs_ok(case);
    }),
    healthy("redirects-to-another-host", |case| {
        let modules = usual();
        let served = modules.clone();
        let store = case.site("mirror.example.com", move |request| served.answer(&request.path).into());
        case.broken_proxy(&modules, move |request| {
            request.path.ends_with(".zip").then(|| Answer::redirect(&format!("{store}{}", request.path)))
        });
        needs_ok(case);
    }),
    healthy("odd-content-types", |case| {
        let modules = usual();
        let served = modules.clone();
        case.broken_proxy(&modules, move |request| {
            let mut reply = served.answer(&request.path);
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            let reply = reply.header("Content-Type", "application/octet-stream");
            Some(Answer::Reply(reply.header("Cache-Control", "no-store").header("Server", "nginx/1.25")))
        });
        needs_ok(case);
    }),
    healthy("slow-proxy", |case| {
        let modules = usual();
        case.broken_proxy(&modules, |_| {
            std::thread::sleep(Duration::from_millis(400));
            None
        });
        needs_ok(case);
    }),
    healthy("proxy-without-latest", |case| {
        case.broken_proxy(&usual(), |request| {
            request.path.ends_with("/@latest").then(|| Answer::status(404, "not found\n"))
        });
        needs_ok(case);
    }),
    healthy("larder-itself", |case| {
        let upstream = case.proxy(&usual());
        let larder = Larder::new(env!("CARGO_BIN_EXE_larder"))
            .upstream(&upstream)
            .env("GOSUMDB", case.variable("GOSUMDB"))
            .env("SSL_CERT_FILE", case.variable("SSL_CERT_FILE"));
        let process = larder.start();
        case.env("GOPROXY", process.url());
        case.hold(process);
        needs_ok(case);
    }),
    healthy("larder-itself-and-private", |case| {
        let upstream = case.proxy(&usual());
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        let larder = Larder::new(env!("CARGO_BIN_EXE_larder"))
            .upstream(&upstream)
            .env("GOSUMDB", case.variable("GOSUMDB"))
            .env("GOPRIVATE", "git.corp.example")
            .env("GIT_SSL_CAINFO", case.variable("GIT_SSL_CAINFO"))
            .env("SSL_CERT_FILE", case.variable("SSL_CERT_FILE"));
        let process = larder.start();
        case.env("GOPROXY", process.url());
        case.env("GONOSUMDB", "git.corp.example");
        case.hold(process);
        case.app(
            &[("example.com/ok", "v1.0.0"), (path.as_str(), "v1.0.0")],
            &["example.com/ok", path.as_str()],
        );
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some(format!("{path}@v1.0.0"));
    }),
];
