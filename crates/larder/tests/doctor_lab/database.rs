//! The checksum database: not to be had, or not to be believed.

use larder_testkit::FakeUpstream;
use larder_testkit::lab::{Answer, Case};
use larder_testkit::sumdb::Forgery;

use crate::{Scenario, one, scenario};

/// Sets where the database is, with the key of the case's.
fn at(case: &mut Case<'_>, url: &str) {
    case.proxy(&one());
    let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
    case.env("GOSUMDB", &format!("{key} {url}"));
    case.download("example.com/ok@v1.0.0");
}

/// Names the key alone: where the database is, the client asks its proxies first.
fn key_only(case: &mut Case<'_>) {
    let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
    case.env("GOSUMDB", &key);
}

fn forged(case: &mut Case<'_>, forgery: Forgery, says: &[&str]) {
    case.proxy(&one());
    let sumdb = case.checksums(&one());
    sumdb.fill(3);
    sumdb.forge(Some(forgery));
    case.download("example.com/ok@v1.0.0");
    case.prints(says);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("V04", "private-module", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.checksums(&FakeUpstream::new());
        case.env("GOPROXY", "https://proxy.example.com");
        case.env("GONOPROXY", "git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["/lookup/"]);
    }),
    scenario("V04", "private-proxy", |case| {
        // The proxy of the company serves it; nobody else knows it.
        let private = FakeUpstream::new().module("git.corp.example/team/lib", "v1.0.0");
        case.proxy(&private);
        case.checksums(&FakeUpstream::new());
        case.download("git.corp.example/team/lib@v1.0.0");
        case.prints(&["/lookup/git.corp.example/team/lib@v1.0.0: 404 Not Found"]);
    }),
    scenario("V04", "gone-with-words-of-git", |case| {
        let private = FakeUpstream::new().module("git.corp.example/team/lib", "v1.0.0");
        case.proxy(&private);
        let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
        let url = case.site("sum.example.com", |request| {
            let words = "not found: git.corp.example/team/lib@v1.0.0: invalid version: git ls-remote -q origin in /tmp/gopath/pkg/mod/cache/vcs/5b863d3c5f6d03d8b2e5e1b6a6c5b2ed6c2b4f0c3a8d64d4a6d5f1a6d0b7a2f1: exit status 128:\n\tfatal: could not read Username for 'https://git.corp.example': terminal prompts disabled\n";
            if request.path.starts_with("/lookup/") { Answer::status(410, words) } else { Answer::status(404, "not found\n") }
        });
        case.env("GOSUMDB", &format!("{key} {url}"));
        case.download("git.corp.example/team/lib@v1.0.0");
        case.prints(&["410 Gone"]);
    }),
    scenario("V05", "nothing-listens", |case| {
        at(case, "https://sum.example.com:9");
        case.prints(&["connection refused"]);
        case.log_may_say = vec!["N09"];
        case.live_may_say = vec!["N09"];
    }),
    scenario("V05", "no-such-host", |case| {
        at(case, "https://gone.example.com");
        case.prints(&["no such host"]);
        case.log_may_say = vec!["N01"];
        case.live_may_say = vec!["N01"];
    }),
    scenario("V05", "unknown-authority", |case| {
        at(case, "https://private-ca.example.com");
        case.prints(&["certificate signed by unknown authority"]);
        case.log_may_say = vec!["N10"];
        case.live_may_say = vec!["N10"];
    }),
    scenario("V06", "supported-is-forbidden", |case| {
        case.broken_proxy(&one(), |request| {
            request.path.starts_with("/sumdb/").then(|| Answer::status(403, "no such thing here\n"))
        });
        key_only(case);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["/supported: 403 Forbidden"]);
    }),
    scenario("V06", "supported-is-an-error", |case| {
        case.broken_proxy(&one(), |request| {
            request.path.starts_with("/sumdb/").then(|| Answer::status(500, "oops\n"))
        });
        key_only(case);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["/supported: 500 Internal Server Error"]);
    }),
    scenario("V08", "page", |case| {
        forged(case, Forgery::Html, &["malformed record data", "invalid", "malformed"])
    }),
    scenario("V08", "other-key", |case| {
        forged(
            case,
            Forgery::WrongKey,
            &["invalid signature", "note has no verifiable signatures", "reading tree note"],
        )
    }),
    scenario("V08", "no-signature", |case| forged(case, Forgery::NoSignature, &["note", "malformed"])),
    scenario("V09", "two-histories", |case| {
        let modules = one();
        case.proxy(&modules);
        let sumdb = case.checksums(&modules);
        sumdb.fill(20);
        case.before(&["mod", "download", "example.com/ok@v1.0.0"]);
        sumdb.fork_at(1);
        sumdb.fill(40);
        let built = modules.get("example.com/ok", "v1.1.0");
        sumdb.record(&built.path, &built.version, &built.h1, &built.mod_h1);
        case.download("example.com/ok@v1.1.0");
        case.prints(&["server misbehavior detected", "SECURITY ERROR"]);
    }),
    scenario("V10", "record-of-another-module", |case| {
        case.needs_go(26, 99);
        case.proxy(&one());
        let sumdb = case.checksums(&one());
        sumdb.record(
            "example.com/other",
            "v1.0.0",
            "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        );
        sumdb.forge(Some(Forgery::RecordOf {
            module: "example.com/other".to_owned(),
            version: "v1.0.0".to_owned(),
        }));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["checksum missing from sumdb response"]);
    }),
];
