//! Other versions of Go: asked for, and not to be had.

use larder_testkit::lab::{Answer, Case};
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::{Scenario, one, scenario};

/// A project that wants a Go nobody has, where go may switch.
fn wants_newer(case: &mut Case<'_>) {
    case.needs_go(21, 99);
    case.app(&[], &[]);
    case.shell("sed -i 's/^go .*/go 1.99.9/' app/go.mod");
    case.env("GOTOOLCHAIN", "auto");
    case.go(&["build", "./..."]);
}

fn toolchain() -> FakeUpstream {
    let version = format!("v0.0.1-go1.99.9.{}", platform());
    FakeUpstream::new()
        .with(&ModuleBuilder::new("golang.org/toolchain", &version).file("bin/go", "#!/bin/sh\n"))
}

fn platform() -> &'static str {
    if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-amd64" }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("F13", "not-at-the-proxy", |case| {
        case.proxy(&one());
        wants_newer(case);
        case.prints(&["toolchain not available"]);
    }),
    scenario("F13", "off", |case| {
        case.proxy(&one());
        wants_newer(case);
        case.env("GOPROXY", "off");
        case.prints(&["toolchain not available"]);
    }),
    scenario("F13", "named-in-the-environment", |case| {
        case.needs_go(21, 99);
        case.proxy(&one());
        case.ready_app();
        case.env("GOTOOLCHAIN", "go1.99.9");
        case.go(&["build", "./..."]);
        case.prints(&["toolchain not available"]);
    }),
    scenario("F13", "forbidden-at-the-proxy", |case| {
        case.broken_proxy(&one(), |request| {
            request
                .path
                .starts_with("/golang.org/toolchain")
                .then(|| Answer::status(403, "toolchains are not mirrored here\n"))
        });
        wants_newer(case);
        case.prints(&["golang.org/toolchain"]);
        case.log_may_say = vec!["P09"];
        case.live_may_say = vec!["P09"];
    }),
    scenario("F13", "invalid-name", |case| {
        case.needs_go(21, 99);
        case.proxy(&one());
        case.ready_app();
        case.env("GOTOOLCHAIN", "1.22");
        case.go(&["build", "./..."]);
        case.prints(&["invalid GOTOOLCHAIN \"1.22\""]);
    }),
    scenario("F13", "not-in-path", |case| {
        case.needs_go(21, 99);
        case.proxy(&one());
        case.ready_app();
        case.env("GOTOOLCHAIN", "go1.99.9+path");
        case.go(&["build", "./..."]);
        case.prints(&["cannot find \"go1.99.9\" in PATH"]);
    }),
    scenario("F14", "database-off", |case| {
        case.proxy(&toolchain());
        case.env("GOSUMDB", "off");
        wants_newer(case);
        case.prints(&["checksum database disabled by GOSUMDB=off"]);
    }),
    scenario("F14", "nobody-is-asked", |case| {
        case.proxy(&toolchain());
        case.env("GONOSUMDB", "*");
        case.env(
            "GOSUMDB",
            &format!(
                "{} https://gone.example.com",
                case.variable("GOSUMDB").split(' ').next().unwrap_or_default()
            ),
        );
        wants_newer(case);
        case.prints(&["no such host"]);
        case.log_may_say = vec!["V05", "N01"];
        case.live_may_say = vec!["V05", "N01"];
    }),
    scenario("F15", "go-line-too-new", |case| {
        case.proxy(&one());
        wants_newer(case);
        case.env("GOTOOLCHAIN", "local");
        case.prints(&["requires go >= 1.99.9"]);
    }),
    scenario("F15", "dependency-too-new", |case| {
        case.needs_go(21, 99);
        case.proxy(
            &FakeUpstream::new().with(&ModuleBuilder::new("example.com/ok", "v1.0.0").go_line("1.99")),
        );
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["requires go >= 1.99"]);
    }),
    scenario("F15", "old-client-new-version-form", |case| {
        case.needs_go(19, 20);
        case.proxy(&one());
        case.app(&[], &[]);
        case.shell("sed -i 's/^go .*/go 1.21.0/' app/go.mod");
        case.go(&["build", "./..."]);
        case.prints(&["invalid go version '1.21.0': must match format 1.23"]);
    }),
    scenario("F15", "old-client-toolchain-line", |case| {
        case.needs_go(19, 20);
        case.proxy(&one());
        case.app(&[], &[]);
        case.shell("printf '\\ntoolchain go1.22.1\\n' >> app/go.mod");
        case.go(&["build", "./..."]);
        case.prints(&["unknown directive: toolchain"]);
    }),
];
