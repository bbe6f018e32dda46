//! Proxies that answer wrongly, or whose answer is misunderstood.

use larder_testkit::lab::{Answer, Case, Request};
use larder_testkit::zip::ZipWriter;
use larder_testkit::{FakeUpstream, Reply};

use larder_testkit::settings;

use crate::{Scenario, one, scenario};

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in - Example Corp</title></head><body><form></form></body></html>\n";

/// A download from a proxy that answers some requests in a way of its own.
fn broken(case: &mut Case<'_>, ending: &'static str, answer: Answer, says: &str) {
    case.broken_proxy(&one(), move |request| request.path.ends_with(ending).then(|| answer.clone()));
    case.download("example.com/ok@v1.0.0");
    case.prints(&[says]);
}

/// The same, by `go get`, which asks for a list first.
fn broken_get(
    case: &mut Case<'_>,
    query: &str,
    answer: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    says: &[&str],
) {
    case.broken_proxy(&one(), answer);
    case.app(&[], &[]);
    case.get(query);
    case.prints(says);
}

fn text(body: &'static str) -> Answer {
    Reply::ok("text/plain; charset=utf-8", body).into()
}

/// A zip with these files, whatever is wrong with them.
fn zip_of(case: &mut Case<'_>, names: &[&str], says: &str) {
    let mut zip = ZipWriter::new(Vec::new());
    for name in names {
        zip.deflated(name, b"package ok\n").expect("memory takes everything");
    }
    let zip = zip.finish().expect("memory takes everything");
    case.broken_proxy(&one(), move |request| {
        request.path.ends_with(".zip").then(|| Reply::ok("application/zip", zip.clone()).into())
    });
    case.env("GOSUMDB", "off");
    case.download("example.com/ok@v1.0.0");
    case.prints(&[says]);
}

fn login(request: &Request) -> Option<Answer> {
    // dev:secret
    let right = request.header("authorization") == Some("Basic ZGV2OnNlY3JldA==");
    let challenge =
        Reply::status(401, "text/plain", "log in, please\n").header("WWW-Authenticate", "Basic realm=\"go\"");
    (!right).then(|| challenge.into())
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("P05", "prefix-missing", |case| {
        // An artifact manager: the repository lies below a prefix, the root knows nothing.
        let modules = one();
        let url = case.site("proxy.example.com", move |request| {
            match request.path.strip_prefix("/repository/go-proxy") {
                Some(rest) => modules.answer(rest).into(),
                None => Answer::status(404, "404 page not found\n"),
            }
        });
        case.checksums(&one());
        case.env("GOPROXY", &url);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["404 Not Found"]);
        case.log_may_say = vec!["P10", "R02"];
        case.live_may_say = vec!["P10", "R02"];
    }),
    scenario("P05", "query-behind", |case| {
        let url = case.broken_proxy(&one(), |request| {
            request.path.contains('?').then(|| Answer::status(404, "404 page not found\n"))
        });
        case.env("GOPROXY", &format!("{url}?repo=go"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["404 Not Found"]);
        case.log_may_say = vec!["P10", "R02"];
        case.live_may_say = vec!["P10", "R02"];
    }),
    scenario("P06", "login-wanted", |case| {
        case.broken_proxy(&one(), login);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["401 Unauthorized"]);
    }),
    scenario("P06", "wrong-password", |case| {
        let url = case.broken_proxy(&one(), login);
        case.env("GOPROXY", &url.replace("https://", "https://dev:outdated@"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["401 Unauthorized"]);
    }),
    scenario("P07", "port-not-in-netrc", |case| {
        case.needs_go(21, 99);
        let url = case.broken_proxy(&one(), login);
        case.env("GOPROXY", &url.replace("proxy.example.com", "proxy.example.com:8443"));
        case.write(".netrc", "machine proxy.example.com login dev password secret\n");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["401 Unauthorized"]);
        case.log_may_say = vec!["P06"];
    }),
    scenario("P07", "password-missing-in-netrc", |case| {
        case.broken_proxy(&one(), login);
        case.write(".netrc", "machine proxy.example.com login dev\n");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["401 Unauthorized"]);
        case.log_may_say = vec!["P06"];
    }),
    scenario("P07", "in-the-clear", |case| {
        let url = case.broken_proxy(&one(), login);
        case.env("GOPROXY", &url.replace("https://", "http://"));
        case.write(".netrc", "machine proxy.example.com login dev password secret\n");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["401 Unauthorized"]);
        case.log_may_say = vec!["P06"];
    }),
    scenario("P09", "quarantined", |case| {
        broken(
            case,
            ".zip",
            Answer::status(403, "example.com/ok v1.0.0 is quarantined: CVE-2025-12345\n"),
            "403 Forbidden",
        );
    }),
    scenario("P09", "all-forbidden", |case| {
        broken(case, "", Answer::Reply(Reply::status(403, "text/html", PAGE)), "403 Forbidden")
    }),
    scenario("P10", "unknown-module", |case| {
        case.proxy(&one());
        case.app(&[], &[]);
        case.get("example.com/unknown@v1.0.0");
        case.prints(&["404 Not Found"]);
        case.log_may_say = vec!["R02"];
    }),
    scenario("P10", "gone", |case| {
        broken(case, "", Answer::status(410, "gone: example.com/ok was withdrawn\n"), "410 Gone");
        case.log_may_say = vec!["R02"];
    }),
    scenario("P10", "latest-of-unknown", |case| {
        case.proxy(&one());
        case.app(&[], &[]);
        case.get("example.com/unknown");
        case.prints(&["404 Not Found"]);
    }),
    scenario("P11", "git-speaks-last", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &format!("{url},direct"));
        case.app(&[], &[]);
        let path = format!("git.corp.example/nobody{}/misspelt", case.lab().number());
        case.lab().forge.page(
            &path,
            larder_testkit::git_server::Page::import(&path, "git", &format!("https://{path}.git")),
        );
        case.get(&path);
        case.prints(&["misspelt"]);
        case.log_may_say = vec!["G05", "G03", "G09"];
    }),
    scenario("P11", "page-speaks-last", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &format!("{url},direct"));
        case.app(&[], &[]);
        case.get("example.com/misspelt");
        case.prints(&["unrecognized import path \"example.com/misspelt\""]);
        case.log_may_say = vec!["G09"];
    }),
    scenario("P12", "too-many-requests", |case| {
        broken(case, ".zip", Answer::status(429, "slow down\n"), "429 Too Many Requests")
    }),
    scenario("P12", "internal-error", |case| {
        broken(case, ".info", Answer::status(500, "oops\n"), "500 Internal Server Error")
    }),
    scenario("P12", "bad-gateway", |case| {
        broken(
            case,
            ".mod",
            Answer::Reply(Reply::status(502, "text/html", "<html><body>nginx</body></html>")),
            "502 Bad Gateway",
        )
    }),
    scenario("P12", "unavailable", |case| {
        broken(case, "", Answer::status(503, "maintenance\n"), "503 Service Unavailable")
    }),
    scenario("P12", "gateway-timeout", |case| {
        broken(case, ".zip", Answer::status(504, "upstream took too long\n"), "504 Gateway Timeout")
    }),
    scenario("P13", "first-is-dead", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &format!("https://proxy.example.com:9,{url}"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["connection refused"]);
        case.log_may_say = vec!["N09"];
        case.live_may_say = vec!["N09"];
    }),
    scenario("P13", "first-forbids", |case| {
        let good = case.proxy(&one());
        let bad = case.site("goproxy.corp.example", |_| Answer::status(403, "not approved\n"));
        case.env("GOPROXY", &format!("{bad},{good}"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["403 Forbidden"]);
        case.log_may_say = vec!["P09"];
        case.live_may_say = vec!["P09"];
    }),
    scenario("P14", "login-page", |case| {
        broken(case, "", Answer::page(PAGE), "invalid character '<' looking for beginning of value")
    }),
    scenario("P14", "redirected-to-login", |case| {
        let portal = case.site("intranet.corp.example", |_| Answer::page(PAGE));
        broken(
            case,
            "",
            Answer::redirect(&format!("{portal}/login")),
            "invalid character '<' looking for beginning of value",
        );
    }),
    scenario("P15", "page-as-zip", |case| {
        broken(case, ".zip", Answer::page(PAGE), "zip: not a valid zip file")
    }),
    scenario("P15", "empty-zip", |case| broken(case, ".zip", text(""), "zip: not a valid zip file")),
    scenario("P15", "half-a-zip", |case| {
        let zip = one().get("example.com/ok", "v1.0.0").zip.slice(..120);
        broken(case, ".zip", Reply::ok("application/zip", zip).into(), "zip: not a valid zip file");
    }),
    scenario("P15", "build", |case| {
        case.proxy(&one());
        case.ready_app();
        case.clean();
        case.broken_proxy(&one(), |request| request.path.ends_with(".zip").then(|| Answer::page(PAGE)));
        case.go(&["build", "./..."]);
        case.prints(&["zip: not a valid zip file"]);
    }),
    scenario("P16", "page-as-mod", |case| {
        broken_get(
            case,
            "example.com/ok@v1.0.0",
            |request| request.path.ends_with(".mod").then(|| Answer::page(PAGE)),
            &["missing module line", "missing module declaration", "parsing go.mod"],
        );
        case.env("GOSUMDB", "off");
        case.log_may_say = vec!["R07"];
    }),
    scenario("P16", "still-there-with-a-good-proxy", |case| {
        case.broken_proxy(&one(), |request| request.path.ends_with(".mod").then(|| Answer::page(PAGE)));
        case.env("GOSUMDB", "off");
        case.app(&[], &[]);
        case.shell("cd app; go get example.com/ok@v1.0.0 2>/dev/null || true");
        case.proxy(&one());
        case.env("GOSUMDB", "off");
        case.get("example.com/ok@v1.0.0");
        case.prints(&["missing module line", "missing module declaration", "parsing go.mod"]);
        case.log_may_say = vec!["R07"];
    }),
    scenario("P17", "empty-list", |case| {
        let answer = |request: &Request| match request.path.as_str() {
            path if path.ends_with("/list") => Some(text("")),
            path if path.ends_with("/@latest") => Some(Answer::status(404, "not found\n")),
            _ => None,
        };
        broken_get(case, "example.com/ok", answer, &["no matching versions for query \"upgrade\""]);
        case.log_may_say = vec!["R01"];
        case.live_may_say = vec!["R01"];
    }),
    scenario("P17", "page-as-list", |case| {
        let answer = |request: &Request| match request.path.as_str() {
            path if path.ends_with("/list") => Some(Answer::page(PAGE)),
            path if path.ends_with("/@latest") => Some(Answer::status(404, "not found\n")),
            _ => None,
        };
        broken_get(case, "example.com/ok@v1", answer, &["no matching versions for query \"v1\""]);
        case.log_may_say = vec!["R01"];
    }),
    scenario("P18", "empty-info", |case| broken(case, ".info", text(""), "unexpected end of JSON input")),
    scenario("P18", "other-version", |case| {
        broken(
            case,
            ".info",
            text("{\"Version\":\"v9.9.9\",\"Time\":\"2024-01-02T03:04:05Z\"}"),
            "proxy returned info for version v9.9.9 instead of requested version",
        );
    }),
    scenario("P18", "empty-object", |case| {
        broken(case, ".info", text("{}"), "proxy returned info for version")
    }),
    scenario("P19", "no-content", |case| {
        broken(case, ".info", Answer::Reply(Reply::status(204, "text/plain", "")), "204 No Content")
    }),
    scenario("P19", "partial", |case| {
        broken(
            case,
            ".zip",
            Answer::Reply(Reply::status(206, "application/zip", "PK")),
            "206 Partial Content",
        )
    }),
    scenario("P19", "not-modified", |case| {
        broken(case, ".mod", Answer::Reply(Reply::status(304, "text/plain", "")), "304 Not Modified")
    }),
    scenario("P20", "loop", |case| {
        let modules = one();
        let number = case.lab().number();
        let place = format!("/loop-{number}");
        case.lab().web.site(&format!("*{place}"), {
            let place = place.clone();
            move |request| Answer::redirect(&format!("{place}{}", request.path))
        });
        case.scrub(&place, "");
        case.checksums(&modules);
        case.env("GOPROXY", &format!("https://proxy.example.com{place}"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["stopped after 10 redirects"]);
    }),
    scenario("P20", "to-plain-http", |case| {
        let url = case.proxy(&one()).replace("https://", "http://");
        case.broken_proxy(&one(), move |request| Some(Answer::redirect(&format!("{url}{}", request.path))));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["redirected from secure URL"]);
    }),
    scenario("P20", "to-nowhere", |case| {
        broken(case, "", Answer::Reply(Reply::status(302, "text/plain", "")), "302")
    }),
    scenario("P21", "prefix-of-another", |case| {
        zip_of(case, &["ok-1.0.0/go.mod", "ok-1.0.0/ok.go"], "unexpected file")
    }),
    scenario("P21", "unclean-path", |case| zip_of(case, &["example.com/ok@v1.0.0/../ok.go"], "ok.go")),
    scenario("P21", "names-differ-in-case", |case| {
        zip_of(
            case,
            &["example.com/ok@v1.0.0/Ok.go", "example.com/ok@v1.0.0/ok.go"],
            "case-insensitive file name collision",
        );
    }),
    scenario("P22", "escape-not-undone", |case| {
        let modules = FakeUpstream::new().module("example.com/Upper", "v1.0.0");
        case.broken_proxy(&modules, |request| {
            request.path.contains("%21").then(|| Answer::status(404, "404 page not found\n"))
        });
        case.download("example.com/Upper@v1.0.0");
        case.prints(&["404 Not Found"]);
        case.log_may_say = vec!["P10", "R02"];
    }),
    scenario("P23", "zip-too-large", |case| {
        if !settings::long() {
            case.skip("half a gibibyte is sent in long runs only");
        }
        case.broken_proxy(&one(), |request| {
            request.path.ends_with(".zip").then(|| Answer::Zeros("application/zip".to_owned(), 600 << 20))
        });
        case.download("example.com/ok@v1.0.0");
        case.prints(&["downloaded zip file too large"]);
    }),
    scenario("P23", "go-mod-too-large", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let large = format!(
            "module {path}\n\n{}",
            "// Nobody reads this line, or any of the many others.\n".repeat(330_000)
        );
        let first = repository.files(&[("go.mod", &large), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["too large"]);
    }),
    scenario("P24", "agent-refused", |case| {
        case.broken_proxy(&one(), |request| {
            let agent = request.header("user-agent").unwrap_or("");
            (agent.starts_with("Go-http-client") || agent.starts_with("GoCommand")).then(|| Answer::Reply(Reply::status(403, "text/html", "<html><head><title>Attention Required!</title></head><body>Request blocked.</body></html>")))
        });
        case.download("example.com/ok@v1.0.0");
        case.prints(&["403 Forbidden"]);
        case.log_may_say = vec!["P09"];
    }),
];
