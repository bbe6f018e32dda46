//! Vendored modules, workspaces, and work without a network.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("C12", "requirement-changed", |case| {
        case.proxy(&one());
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.app(&[("example.com/ok", "v1.1.0")], &["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["inconsistent vendoring in"]);
    }),
    scenario("C12", "made-by-hand", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("app/vendor/example.com/ok/ok.go", "package ok\n");
        case.go(&["build", "./..."]);
        case.prints(&["inconsistent vendoring in"]);
    }),
    scenario("C12", "told-to-vendor-without", |case| {
        case.proxy(&one());
        case.ready_app();
        case.env("GOFLAGS", "-mod=vendor");
        case.go(&["build", "./..."]);
        case.prints(&["inconsistent vendoring in"]);
        case.log_may_say = vec!["F08"];
        case.live_may_say = vec!["F08"];
    }),
    scenario("C13", "import-not-vendored", |case| {
        case.proxy(&one().module("example.com/more", "v1.0.0"));
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.code(&["example.com/ok", "example.com/more"]);
        case.go(&["build", "./..."]);
        case.prints(&["vendor"]);
    }),
    scenario("C13", "query-with-vendor", |case| {
        case.proxy(&one());
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.go(&["list", "-m", "-u", "all"]);
        case.prints(&[
            "can't determine available upgrades using the vendor directory",
            "can't compute 'all' using the vendor directory",
        ]);
    }),
    scenario("C13", "versions-with-vendor", |case| {
        case.proxy(&one());
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.go(&["list", "-m", "-versions", "example.com/ok"]);
        case.prints(&["can't determine available versions using the vendor directory"]);
    }),
    scenario("C13", "latest-with-vendor", |case| {
        case.proxy(&one());
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.go(&["list", "-m", "example.com/ok@latest"]);
        case.prints(&["cannot query module due to -mod=vendor"]);
    }),
    scenario("C14", "old-go-line", |case| {
        case.proxy(&one());
        case.ready_app();
        case.before(&["mod", "vendor"]);
        case.shell("sed -i 's/^go .*/go 1.13/' app/go.mod");
        case.clean();
        case.env("GOPROXY", "off");
        case.go(&["build", "./..."]);
        case.prints(&["module lookup disabled by GOPROXY=off"]);
        case.log_may_say = vec!["C16"];
    }),
    scenario("C15", "not-in-the-workspace", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("other/go.mod", "module example.com/other\n\ngo 1.19\n");
        case.write("go.work", "go 1.19\n\nuse ./other\n");
        case.go(&["build", "."]);
        case.prints(&["go.work"]);
    }),
    scenario("C15", "pattern-not-in-the-workspace", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("other/go.mod", "module example.com/other\n\ngo 1.19\n");
        case.write("go.work", "go 1.19\n\nuse ./other\n");
        case.go(&["build", "./..."]);
        case.prints(&["does not contain modules listed in go.work or their selected dependencies"]);
    }),
    scenario("C15", "folder-gone", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("go.work", "go 1.19\n\nuse (\n\t./app\n\t./gone\n)\n");
        case.go(&["build", "./..."]);
        case.prints(&["cannot load module", "gone/go.mod: no such file or directory"]);
    }),
    scenario("C15", "mod-mod", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("go.work", "go 1.19\n\nuse ./app\n");
        case.go(&["build", "-mod=mod", "./..."]);
        case.prints(&["-mod may only be set to readonly"]);
    }),
    scenario("C15", "relative-setting", |case| {
        case.proxy(&one());
        case.ready_app();
        case.env("GOWORK", "go.work");
        case.go(&["build", "./..."]);
        case.prints(&["not an absolute path", "must be an absolute path"]);
    }),
    scenario("C15", "vendor-of-a-module", |case| {
        case.needs_go(24, 99);
        case.proxy(&one());
        case.ready_app();
        case.write("go.work", "go 1.19\n\nuse ./app\n");
        case.go(&["mod", "vendor"]);
        case.prints(&["'go mod vendor' cannot be run in workspace mode"]);
    }),
    scenario("C16", "off-and-cold", |case| {
        case.proxy(&one());
        case.ready_app();
        case.clean();
        case.env("GOPROXY", "off");
        case.go(&["build", "./..."]);
        case.prints(&["module lookup disabled by GOPROXY=off"]);
    }),
    scenario("C16", "get-when-off", |case| {
        case.proxy(&one());
        case.app(&[], &[]);
        case.env("GOPROXY", "off");
        case.get("example.com/ok@v1.0.0");
        case.prints(&["module lookup disabled by GOPROXY=off"]);
    }),
    scenario("C16", "file-tree-lacks-it", |case| {
        case.checksums(&one());
        case.write("mirror/example.com/other/@v/list", "v1.0.0\n");
        let mirror = format!("file://{}", case.home().join("mirror").display());
        case.env("GOPROXY", &mirror);
        case.download("example.com/ok@v1.0.0");
        case.prints(&["no such file or directory"]);
    }),
];
