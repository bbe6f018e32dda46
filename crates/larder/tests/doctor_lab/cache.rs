//! The module cache and the disk under it.

use larder_testkit::git::GitRepository;
use larder_testkit::lab::{Answer, Case, Ending};
use larder_testkit::upstream::Reply;
use larder_testkit::{FakeUpstream, ModuleBuilder, Rng};

use crate::{Scenario, one, scenario};

const ZIP: &str = "go/pkg/mod/cache/download/example.com/ok/@v/v1.0.0";

/// A module too large for a small disk.
fn large() -> FakeUpstream {
    FakeUpstream::new().with(
        &ModuleBuilder::new("example.com/ok", "v1.0.0")
            .file("ok.go", "package ok\n")
            .file("data.bin", Rng::new(1).bytes(300_000)),
    )
}

fn download(case: &mut Case<'_>, says: &[&str]) {
    case.download("example.com/ok@v1.0.0");
    case.prints(says);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("C01", "owned-by-root", |case| {
        case.proxy(&one());
        case.without_rights();
        case.prelude = "mkdir -p \"$CASE/home/go\"; chown 0:0 \"$CASE/home/go\"".to_owned();
        download(case, &["permission denied"]);
    }),
    scenario("C01", "lock-owned-by-root", |case| {
        case.proxy(&one());
        case.without_rights();
        case.before(&["mod", "download", "example.com/ok@v1.0.0"]);
        case.prelude = "chown -R 0:0 \"$CASE/home/go/pkg/mod/cache\"".to_owned();
        case.download("example.com/ok@v1.1.0");
        case.prints(&["permission denied"]);
    }),
    scenario("C01", "read-only-mount", |case| {
        case.proxy(&one());
        case.prelude = "mkdir -p \"$CASE/home/go\"; mount -t tmpfs -o ro tmpfs \"$CASE/home/go\"".to_owned();
        download(case, &["read-only file system"]);
    }),
    scenario("C01", "sumdb-folder-owned-by-root", |case| {
        case.proxy(&one());
        case.without_rights();
        case.prelude = "cd \"$CASE/home\"; mkdir -p go/pkg/sumdb/sum.example.com; chown 65534:65534 go go/pkg; : > go/pkg/sumdb/sum.example.com/latest; chown -R 0:0 go/pkg/sumdb".to_owned();
        download(case, &["sum.example.com/latest: permission denied"]);
    }),
    scenario("C02", "disk-full", |case| {
        case.proxy(&large());
        case.prelude =
            "mkdir -p \"$CASE/home/go\"; mount -t tmpfs -o size=96k tmpfs \"$CASE/home/go\"".to_owned();
        download(case, &["no space left on device"]);
    }),
    scenario("C02", "no-inodes", |case| {
        case.proxy(&one());
        case.prelude =
            "mkdir -p \"$CASE/home/go\"; mount -t tmpfs -o nr_inodes=7 tmpfs \"$CASE/home/go\"".to_owned();
        download(case, &["no space left on device"]);
    }),
    scenario("C03", "cache-is-a-file", |case| {
        case.proxy(&one());
        case.write("modules", "");
        let file = case.home().join("modules").to_string_lossy().into_owned();
        case.env("GOMODCACHE", &file);
        download(case, &["not a directory"]);
    }),
    scenario("C03", "cache-is-relative", |case| {
        case.proxy(&one());
        case.env("GOMODCACHE", "modules");
        download(case, &["GOMODCACHE entry is relative"]);
    }),
    scenario("C03", "path-with-tilde", |case| {
        case.proxy(&one());
        case.env("GOPATH", "~/go");
        download(case, &["GOPATH entry cannot start with shell metacharacter '~'"]);
    }),
    scenario("C03", "path-is-relative", |case| {
        case.proxy(&one());
        case.env("GOPATH", "go");
        download(case, &["GOPATH entry is relative"]);
    }),
    scenario("C03", "no-home", |case| {
        case.proxy(&one());
        case.unset("HOME");
        download(case, &["module cache not found: neither GOMODCACHE nor GOPATH is set"]);
    }),
    scenario("C03", "no-home-no-build-cache", |case| {
        case.proxy(&one());
        case.ready_app();
        case.unset("HOME");
        case.unset("GOCACHE");
        let cache = case.module_cache().to_string_lossy().into_owned();
        case.env("GOMODCACHE", &cache);
        case.go(&["build", "./..."]);
        case.prints(&["build cache is required, but could not be located"]);
    }),
    scenario("C04", "somebody-has-the-lock", |case| {
        case.proxy(&one());
        case.write(&format!("{ZIP}.lock"), "");
        let lock = fs_err::File::options()
            .write(true)
            .open(case.home().join(format!("{ZIP}.lock")))
            .expect("it was just written");
        lock.file().lock().expect("nobody else has it");
        case.hold(lock);
        case.download("example.com/ok@v1.0.0");
        case.ending = Ending::Hangs;
        case.limit = std::time::Duration::from_secs(3);
        case.silent_log = true;
    }),
    scenario("C05", "zip-overwritten", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell(&format!("chmod -R u+w go; rm -r go/pkg/mod/example.com; echo rubbish > {ZIP}.zip"));
        case.go(&["build", "./..."]);
        case.prints(&["zip: not a valid zip file"]);
    }),
    scenario("C05", "zip-overwritten-hash-gone", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell(&format!(
            "chmod -R u+w go; rm -r go/pkg/mod/example.com {ZIP}.ziphash; echo rubbish > {ZIP}.zip"
        ));
        case.go(&["mod", "download"]);
        case.prints(&["zip: not a valid zip file"]);
        case.log_may_say = vec!["P15"];
    }),
    scenario("C05", "found-by-verify", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell(&format!("echo rubbish > {ZIP}.zip"));
        case.go(&["mod", "verify"]);
        case.prints(&["zip: not a valid zip file"]);
    }),
    scenario("C06", "mod-overwritten", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell(&format!("printf 'module example.com/ok\\n\\ngo 1.18\\n' > {ZIP}.mod"));
        case.go(&["build", "./..."]);
        case.prints(&["verifying example.com/ok@v1.0.0/go.mod: checksum mismatch"]);
        case.log_may_say = vec!["V02", "V01"];
    }),
    scenario("C07", "file-edited", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("chmod -R u+w go; echo '// debugging' >> go/pkg/mod/example.com/ok@v1.0.0/ok.go");
        case.go(&["mod", "verify"]);
        case.prints(&["dir has been modified"]);
    }),
    scenario("C07", "file-deleted", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("chmod -R u+w go; rm go/pkg/mod/example.com/ok@v1.0.0/ok.go");
        case.go(&["build", "./..."]);
        case.prints(&["ok@v1.0.0", "does not contain package"]);
        case.log_may_say = vec!["R06"];
    }),
    scenario("C08", "removed-without-rights", |case| {
        case.unset("GOFLAGS");
        case.proxy(&one());
        case.without_rights();
        case.before(&["mod", "download", "example.com/ok@v1.0.0"]);
        case.program = Some("rm".to_owned());
        let cache = case.module_cache().to_string_lossy().into_owned();
        case.go(&["-rf", &cache]);
        case.prints(&["Permission denied"]);
        case.no_live = Some("removing is not the go command's work");
    }),
    scenario("C08", "clean-with-packages", |case| {
        case.needs_go(21, 99);
        case.proxy(&one());
        case.ready_app();
        case.go(&["clean", "-modcache", "./..."]);
        case.prints(&["clean -modcache cannot be used with package arguments"]);
    }),
    scenario("C09", "repositories-of-another-user", |case| {
        // Later clients name the repository's owner to git themselves.
        case.needs_go(19, 20);
        let path = tagged(case, "v1.0.0");
        case.without_rights();
        case.before(&["mod", "download", &format!("{path}@v1.0.0")]);
        case.shell("chmod -R u+w go; rm -rf go/pkg/mod/cache/download go/pkg/mod/git.corp.example");
        case.prelude = "chown -R 1000:1000 \"$CASE/home/go/pkg/mod/cache/vcs\"; chmod -R a+rwX \"$CASE/home/go/pkg/mod/cache/vcs\"".to_owned();
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["'origin' does not appear to be a git repository", "dubious ownership"]);
    }),
    scenario("C10", "new-tag-not-listed", |case| {
        case.broken_proxy(&one(), |request| {
            request
                .path
                .ends_with("/list")
                .then(|| Reply::ok("text/plain", "v1.0.0\n").header("Age", "2710").into())
        });
        case.app(&[], &[]);
        case.get("example.com/ok@v1.1");
        case.prints(&["no matching versions for query \"v1.1\""]);
        case.log_may_say = vec!["R01", "P17"];
        case.live_may_say = vec!["R01"];
    }),
    scenario("C11", "absence-remembered", |case| {
        let path = tagged(case, "v1.0.0");
        case.broken_proxy(&FakeUpstream::new(), |_| {
            let reply = Reply::not_found("unknown revision v1.0.0");
            Some(Answer::Reply(reply.header("Cache-Control", "public, max-age=1800").header("Age", "240")))
        });
        case.unset("GOPRIVATE");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["404 Not Found"]);
        case.log_may_say = vec!["P10", "R02", "G13"];
    }),
];

/// A repository with a tag, taken directly.
fn tagged(case: &mut Case<'_>, tag: &str) -> String {
    let (mut repository, path): (GitRepository, String) = case.repository("git.corp.example", "lib");
    let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
    repository.tag(tag, first);
    repository.save();
    case.env("GOPRIVATE", "git.corp.example");
    path
}
