//! go.sum and the checksum database.

use larder_testkit::lab::{Answer, Case};
use larder_testkit::upstream::Reply;
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::{Scenario, one, scenario};

/// What somebody has made of the module, under the same name.
fn tampered() -> FakeUpstream {
    FakeUpstream::new()
        .with(&ModuleBuilder::new("example.com/ok", "v1.0.0").file("ok.go", "package ok\n\n// more\n"))
}

/// A project whose go.sum is right, an empty cache, and a proxy that has changed its mind since.
fn changed(case: &mut Case<'_>) {
    case.proxy(&one());
    case.ready_app();
    case.clean();
    let url = case.site("mirror.example.com", |request| tampered().answer(&request.path).into());
    case.env("GOPROXY", &url);
    case.go(&["mod", "download"]);
    case.prints(&["verifying example.com/ok@v1.0.0: checksum mismatch"]);
    case.log_may_say = vec!["V01"];
}

fn setting(case: &mut Case<'_>, value: &str, says: &str) {
    case.proxy(&one());
    case.env("GOSUMDB", value);
    case.download("example.com/ok@v1.0.0");
    case.prints(&[says]);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("V01", "tag-moved", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.app(&[(&path, "v1.0.0")], &[&path]);
        case.before(&["mod", "tidy"]);
        case.clean();
        let second = repository.files(&[("lib.go", "package lib\n\nconst Fixed = true\n")]);
        repository.tag("v1.0.0", second);
        repository.save();
        case.go(&["mod", "download"]);
        case.prints(&["checksum mismatch"]);
        case.log_may_say = vec!["V02"];
    }),
    scenario("V02", "mirror-changed-its-mind", changed),
    scenario("V02", "without-database", |case| {
        changed(case);
        case.env("GOSUMDB", "off");
    }),
    scenario("V02", "go-sum-from-a-bad-mirror", |case| {
        case.proxy(&tampered());
        let verified = case.variable("GOSUMDB").to_owned();
        case.env("GOSUMDB", "off");
        case.ready_app();
        case.clean();
        case.proxy(&one());
        let _ = verified;
        case.go(&["mod", "download"]);
        case.prints(&["checksum mismatch"]);
        case.log_may_say = vec!["V01"];
    }),
    scenario("V03", "zip-altered", |case| {
        case.proxy(&one());
        let url = case.site("mirror.example.com", |request| tampered().answer(&request.path).into());
        case.env("GOPROXY", &url);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["reported by the checksum server", "sum.example.com:"]);
    }),
    scenario("V03", "mod-altered", |case| {
        case.broken_proxy(&one(), |request| {
            request
                .path
                .ends_with(".mod")
                .then(|| Reply::ok("text/plain", "module example.com/ok\n\ngo 1.18\n").into())
        });
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["verifying go.mod: checksum mismatch"]);
    }),
    scenario("V03", "page-as-mod", |case| {
        case.broken_proxy(&one(), |request| {
            request.path.ends_with(".mod").then(|| Answer::page("<html><body>Please sign in</body></html>\n"))
        });
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["checksum mismatch"]);
        case.live_may_say = vec!["P14", "P16"];
    }),
    scenario("V07", "insecure-suffix", |case| {
        setting(case, "sum.example.com+insecure", "malformed verifier id")
    }),
    scenario("V07", "url-as-key", |case| {
        setting(case, "sum.example.com+https://sum.example.com", "invalid GOSUMDB")
    }),
    scenario("V07", "unknown-word", |case| setting(case, "disabled", "invalid GOSUMDB")),
    scenario("V07", "three-words", |case| {
        setting(
            case,
            "sum.example.com+1+AAAA https://sum.example.com off",
            "invalid GOSUMDB: too many fields",
        )
    }),
    scenario("V07", "carriage-return", |case| setting(case, "off\r", "invalid GOSUMDB")),
    scenario("V11", "no-go-sum", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["missing go.sum entry"]);
    }),
    scenario("V11", "only-go-mod-lines", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("sed -i '/go.mod/!d' app/go.sum");
        case.go(&["build", "./..."]);
        case.prints(&["missing go.sum entry for module providing package example.com/ok"]);
    }),
    scenario("V11", "list-all", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.go(&["list", "-m", "all"]);
        case.prints(&["missing go.sum entry"]);
    }),
    scenario("V12", "merge-markers", |case| {
        case.needs_go(24, 99);
        case.proxy(&one());
        case.ready_app();
        case.shell("printf '<<<<<<< HEAD\\n=======\\n>>>>>>> main\\n' >> app/go.sum");
        case.go(&["build", "./..."]);
        case.prints(&["malformed go.sum"]);
    }),
    scenario("V12", "short-line", |case| {
        case.needs_go(24, 99);
        case.proxy(&one());
        case.ready_app();
        case.shell("echo 'example.com/ok v1.1.0' >> app/go.sum");
        case.go(&["mod", "download"]);
        case.prints(&["malformed go.sum"]);
    }),
    scenario("V13", "owned-by-root", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.without_rights();
        case.prelude = "cd \"$CASE/home/app\"; : > go.sum; chown 0:0 go.sum; chmod 444 go.sum".to_owned();
        case.go(&["mod", "download", "example.com/ok"]);
        case.prints(&["updating go.sum: open"]);
    }),
    scenario("V13", "read-only-mount", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.prelude =
            "mount --bind \"$CASE/home/app\" \"$CASE/home/app\"; mount -o remount,bind,ro \"$CASE/home/app\""
                .to_owned();
        case.go(&["mod", "download", "example.com/ok"]);
        case.prints(&["go.sum: read-only file system"]);
    }),
];
