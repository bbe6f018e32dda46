//! Which versions and packages there are.

use larder_testkit::lab::{Answer, Case, Ending};
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::{Scenario, one, scenario};

/// A project without requirements that gets a module.
fn get(case: &mut Case<'_>, modules: &FakeUpstream, module: &str, says: &[&str]) {
    case.proxy(modules);
    case.app(&[], &[]);
    case.get(module);
    case.prints(says);
}

/// A project that requires something, whose needs are asked for.
fn tidy(
    case: &mut Case<'_>,
    modules: &FakeUpstream,
    requires: &[(&str, &str)],
    imports: &[&str],
    says: &[&str],
) {
    case.proxy(modules);
    case.app(requires, imports);
    case.go(&["mod", "tidy"]);
    case.prints(says);
}

/// A module that needs another.
fn user_of(path: &str, version: &str) -> ModuleBuilder {
    let code = format!("package user\n\nimport _ \"{path}\"\n");
    ModuleBuilder::new("example.com/user", "v1.0.0")
        .go_line("1.19")
        .require(path, version)
        .file("user.go", code)
}

fn retracting() -> FakeUpstream {
    let newest = "// Deprecated: use example.com/better instead.\nmodule example.com/ok\n\ngo 1.19\n\nretract v1.0.0 // loses data\n";
    FakeUpstream::new()
        .module("example.com/ok", "v1.0.0")
        .with(&ModuleBuilder::new("example.com/ok", "v1.2.0").go_mod(newest))
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("R01", "no-such-major", |case| {
        get(case, &one(), "example.com/ok@v9", &["no matching versions for query \"v9\""])
    }),
    scenario("R01", "no-such-prefix", |case| {
        get(case, &one(), "example.com/ok@v1.7", &["no matching versions for query \"v1.7\""])
    }),
    scenario("R01", "newer-than-all", |case| {
        get(case, &one(), "example.com/ok@>v1.5.0", &["no matching versions for query \">v1.5.0\""])
    }),
    scenario("R01", "empty-repository", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "empty");
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.app(&[], &[]);
        case.get(&path);
        case.prints(&["no matching versions for query \"upgrade\""]);
    }),
    scenario("R02", "hidden-by-build", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v1.9.9")], &["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["missing go.sum entry"]);
        case.log_may_say = vec!["V11"];
    }),
    scenario("R02", "shown-by-tidy", |case| {
        tidy(case, &one(), &[("example.com/ok", "v1.9.9")], &["example.com/ok"], &["404 Not Found"]);
        case.log_may_say = vec!["P10"];
    }),
    scenario("R02", "shown-by-get", |case| {
        get(case, &one(), "example.com/ok@v1.9.9", &["v1.9.9.info: 404 Not Found"]);
        case.log_may_say = vec!["P10"];
    }),
    scenario("R02", "letter-missing", |case| {
        get(case, &one(), "example.com/ok@1.0.0", &["example.com/ok@1.0.0: invalid version"]);
    }),
    scenario("R03", "tag-without-suffix", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v2.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.app(&[], &[]);
        case.get(&format!("{path}@v2.0.0"));
        case.prints(&["module contains a go.mod file, so module path must match major version"]);
    }),
    scenario("R03", "in-go-mod", |case| {
        case.proxy(&one());
        case.app(&[("example.com/ok", "v2.0.0")], &["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["should be v0 or v1, not v2"]);
    }),
    scenario("R03", "through-the-proxy", |case| {
        let modules = one().module("example.com/ok/v2", "v2.0.0");
        get(
            case,
            &modules,
            "example.com/ok@v2.0.0",
            &["v2.0.0.info: 404 Not Found", "should be v0 or v1, not v2"],
        );
        case.log_may_say = vec!["P10", "R02"];
    }),
    scenario("R04", "no-such-major", |case| {
        get(case, &one(), "example.com/ok/v3", &["but does not contain package example.com/ok/v3"]);
        case.log_may_say = vec!["R06"];
    }),
    scenario("R04", "major-of-another-version", |case| {
        let modules = one().module("example.com/ok/v2", "v2.0.0");
        get(case, &modules, "example.com/ok/v2@v1.0.0", &["v1.0.0", "should be v2"]);
    }),
    scenario("R05", "fork", |case| {
        let fork =
            ModuleBuilder::new("example.com/fork", "v1.0.0").go_mod("module example.com/ok\n\ngo 1.19\n");
        get(case, &one().with(&fork), "example.com/fork@v1.0.0", &["but was required as: example.com/fork"]);
    }),
    scenario("R05", "required-by-a-dependency", |case| {
        let fork =
            ModuleBuilder::new("example.com/Ok", "v1.0.0").go_mod("module example.com/ok\n\ngo 1.19\n");
        let user = user_of("example.com/Ok", "v1.0.0");
        tidy(
            case,
            &one().with(&fork).with(&user),
            &[("example.com/user", "v1.0.0")],
            &["example.com/user"],
            &["but was required as: example.com/Ok"],
        );
        case.log_may_say = vec!["R13"];
        case.live_may_say = vec!["R13"];
    }),
    scenario("R06", "no-such-folder", |case| {
        get(
            case,
            &one(),
            "example.com/ok/store@v1.0.0",
            &["but does not contain package example.com/ok/store"],
        );
    }),
    scenario("R06", "not-required", |case| {
        case.proxy(&one());
        case.app(&[], &["example.com/other/store"]);
        case.go(&["build", "./..."]);
        case.prints(&["no required module provides package example.com/other/store"]);
    }),
    scenario("R06", "gone-from-the-module", |case| {
        tidy(
            case,
            &one(),
            &[("example.com/ok", "v1.1.0")],
            &["example.com/ok/old"],
            &["does not contain package example.com/ok/old"],
        );
    }),
    scenario("R07", "empty-mod", |case| {
        case.broken_proxy(&one(), |request| {
            request.path.ends_with(".mod").then(|| Answer::Reply(larder_testkit::Reply::ok("text/plain", "")))
        });
        case.env("GOSUMDB", "off");
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["missing module line", "missing module declaration"]);
        case.log_may_say = vec!["P16"];
    }),
    scenario("R08", "module-was-split", |case| {
        let parent = ModuleBuilder::new("example.com/ok", "v1.0.0")
            .file("ok.go", "package ok\n")
            .file("store/store.go", "package store\n");
        let child = ModuleBuilder::new("example.com/ok/store", "v1.0.0").file("store.go", "package store\n");
        let modules = FakeUpstream::new().with(&parent).with(&child);
        case.proxy(&modules);
        case.app(
            &[("example.com/ok", "v1.0.0"), ("example.com/ok/store", "v1.0.0")],
            &["example.com/ok/store"],
        );
        case.before(&["mod", "download", "example.com/ok@v1.0.0", "example.com/ok/store@v1.0.0"]);
        case.go(&["mod", "tidy"]);
        case.prints(&["ambiguous import: found package example.com/ok/store in multiple modules:"]);
    }),
    scenario("R09", "retracted", |case| {
        get(case, &retracting(), "example.com/ok@v1.0.0", &["retracted by module author: loses data"]);
        case.ending = Ending::Succeeds;
        case.live_may_say = vec!["nothing"];
    }),
    scenario("R09", "look-up-forbidden", |case| {
        case.broken_proxy(&retracting(), |request| {
            request.path.ends_with("/list").then(|| Answer::status(403, "no lists\n"))
        });
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.before(&["mod", "download", "example.com/ok"]);
        case.go(&["list", "-m", "-u", "-retracted", "all"]);
        case.prints(&["403 Forbidden"]);
        case.log_may_say = vec!["P09"];
        case.live_may_say = vec!["P09"];
    }),
    scenario("R10", "folder-gone", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("printf '\\nreplace example.com/ok => ../ok\\n' >> app/go.mod");
        case.go(&["build", "./..."]);
        case.prints(&["replacement directory ../ok does not exist"]);
    }),
    scenario("R10", "folder-gone-tidy", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("printf '\\nreplace example.com/ok => ../ok\\n' >> app/go.mod");
        case.go(&["mod", "tidy"]);
        case.prints(&["replacement directory ../ok does not exist"]);
    }),
    scenario("R10", "no-go-mod-in-it", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("app/ok/ok.go", "package ok\n");
        case.shell("printf '\\nreplace example.com/ok => ./ok\\n' >> app/go.mod");
        case.go(&["build", "./..."]);
        case.prints(&["ok/go.mod: no such file or directory", "ok/go.mod"]);
    }),
    scenario("R10", "no-such-version", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("printf '\\nreplace example.com/ok => example.com/fork v1.0.0\\n' >> app/go.mod");
        case.go(&["mod", "tidy"]);
        case.prints(&["(replaced by example.com/fork@v1.0.0)", "example.com/fork"]);
        case.log_may_say = vec!["P10"];
    }),
    scenario("R11", "branch-in-go-mod", |case| {
        case.proxy(&one().query("example.com/ok", "main", "v1.1.0"));
        case.app(&[("example.com/ok", "main")], &["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["updates to go.mod needed"]);
    }),
    scenario("R11", "excluded", |case| {
        case.proxy(&one());
        case.ready_app();
        case.shell("printf '\\nexclude example.com/ok v1.1.0\\n' >> app/go.mod");
        case.get("example.com/ok@v1.1.0");
        case.prints(&["excluded by go.mod"]);
    }),
    scenario("R11", "requirements-incomplete", |case| {
        let user = user_of("example.com/ok", "v1.1.0");
        case.proxy(&one().with(&user));
        case.app(&[("example.com/ok", "v1.0.0"), ("example.com/user", "v1.0.0")], &["example.com/user"]);
        case.shell("cp app/go.mod go.mod.kept");
        case.before(&["mod", "tidy"]);
        case.shell("mv go.mod.kept app/go.mod");
        case.shell(&format!(
            "echo '{}' >> app/go.sum",
            one().get("example.com/ok", "v1.0.0").sum_lines().trim_end()
        ));
        case.go(&["build", "./..."]);
        case.prints(&["updates to go.mod needed"]);
    }),
    scenario("R12", "branch-with-slash", |case| {
        get(case, &one(), "example.com/ok@feature/login", &["disallowed version string"]);
    }),
    scenario("R13", "small-letters", |case| {
        let modules = FakeUpstream::new().module("example.com/Upper", "v1.0.0");
        get(case, &modules, "example.com/upper@v1.0.0", &["404 Not Found"]);
        case.log_may_say = vec!["P10", "R02"];
        case.no_live = Some("nothing but the right spelling shows that it exists");
    }),
    scenario("R13", "server-does-not-care", |case| {
        let odd =
            ModuleBuilder::new("example.com/upper", "v1.0.0").go_mod("module example.com/Upper\n\ngo 1.19\n");
        get(
            case,
            &FakeUpstream::new().with(&odd),
            "example.com/upper@v1.0.0",
            &["but was required as: example.com/upper"],
        );
        case.log_may_say = vec!["R05"];
        case.live_may_say = vec!["R05"];
    }),
    scenario("R14", "typing-mistake", |case| {
        case.proxy(&one());
        case.app(&[], &["encodng/json"]);
        case.go(&["build", "./..."]);
        case.prints(&["package encodng/json is not in"]);
    }),
    scenario("R15", "private-below", |case| {
        let user = user_of("git.corp.example/team/secret", "v1.0.0");
        get(case, &one().with(&user), "example.com/user@v1.0.0", &["git.corp.example/team/secret"]);
    }),
    scenario("R15", "missing-below", |case| {
        let user = user_of("example.com/ok", "v1.9.9");
        tidy(
            case,
            &one().with(&user),
            &[("example.com/user", "v1.0.0")],
            &["example.com/user"],
            &["example.com/ok@v1.9.9"],
        );
    }),
];
