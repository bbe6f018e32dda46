//! Settings of Go and of the shell, and the file they are kept in.

use larder_testkit::lab::{Case, public_proxy_host};
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::{Scenario, one, scenario};

/// A proxy of the company that has what the public one hasn't; returns its URL. Nothing points to it yet.
fn company(case: &mut Case<'_>) -> String {
    let modules =
        FakeUpstream::new().module("git.corp.example/team/lib", "v1.0.0").module("example.com/ok", "v1.0.0");
    let url = case.proxy(&modules);
    case.unset("GOPROXY");
    url.replace("proxy.example.com", "goproxy.corp.example")
}

/// A download that works through the company's proxy only.
fn private_download(case: &mut Case<'_>) {
    case.download("git.corp.example/team/lib@v1.0.0");
    case.prints(&["git.corp.example/team/lib"]);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("F01", "warned-when-written", |case| {
        let url = company(case);
        case.env("GOPROXY", "https://gone.example.com");
        // It writes, and warns.
        case.ending = larder_testkit::lab::Ending::Succeeds;
        case.go(&["env", "-w", &format!("GOPROXY={url}")]);
        case.prints(&["does not override conflicting OS environment variable"]);
        case.no_live = Some("nothing has failed yet");
    }),
    scenario("F01", "environment-wins", |case| {
        let url = company(case);
        case.env_file(&format!("GOPROXY={url}\n"));
        case.env("GOPROXY", "https://gone.example.com");
        private_download(case);
        case.silent_log = true;
        case.live_may_say = vec!["N01"];
    }),
    scenario("F02", "another-config-folder", |case| {
        let url = company(case);
        case.env_file(&format!("GOPROXY={url}\n"));
        let elsewhere = case.home().join("elsewhere").to_string_lossy().into_owned();
        case.env("XDG_CONFIG_HOME", &elsewhere);
        private_download(case);
        case.silent_log = true;
    }),
    scenario("F02", "sudo", |case| {
        let url = company(case);
        case.write("../dev/.config/go/env", &format!("GOPROXY={url}\n"));
        case.env("SUDO_USER", "dev");
        private_download(case);
        case.silent_log = true;
        case.no_live = Some("the home of another user lies where the lab can't put it");
        case.live_may_say = vec!["P11", "P10"];
    }),
    scenario("F03", "export", |case| {
        let url = company(case);
        case.env_file(&format!("export GOPROXY={url}\n"));
        private_download(case);
        case.silent_log = true;
    }),
    scenario("F03", "blanks", |case| {
        let url = company(case);
        case.env_file(&format!("GOPROXY = {url}\n"));
        private_download(case);
        case.silent_log = true;
    }),
    scenario("F03", "quotes", |case| {
        let url = company(case);
        case.env_file(&format!("GOPROXY=\"{url}\"\n"));
        case.download("git.corp.example/team/lib@v1.0.0");
        case.prints(&["first path segment in URL cannot contain colon"]);
        case.log_may_say = vec!["P02"];
        case.live_may_say = vec!["P02"];
    }),
    scenario("F03", "carriage-returns", |case| {
        case.proxy(&one());
        case.unset("GOSUMDB");
        case.env_file("GOSUMDB=off\r\n");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["invalid GOSUMDB"]);
        case.log_may_say = vec!["V07"];
        case.live_may_say = vec!["V07"];
    }),
    scenario("F04", "distribution-says-direct", |case| {
        case.needs_go(21, 99);
        case.write("go.env", "GOPROXY=direct\nGOSUMDB=off\nGOTOOLCHAIN=local\n");
        case.prelude =
            format!("mount --bind \"$CASE/home/go.env\" {}/go.env", case.client().root().display());
        case.unset("GOSUMDB");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["unrecognized import path \"example.com/ok\""]);
        case.silent_log = true;
        case.live_may_say = vec!["G09"];
    }),
    scenario("F04", "go-env-empty", |case| {
        case.needs_go(21, 99);
        case.write("go.env", "");
        case.prelude =
            format!("mount --bind \"$CASE/home/go.env\" {}/go.env", case.client().root().display());
        case.unset("GOSUMDB");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["GOPROXY list is not the empty string, but contains no entries"]);
        case.log_may_say = vec!["P04"];
        case.live_may_say = vec!["P04"];
    }),
    scenario("F04", "go-env-empty-no-database", |case| {
        case.needs_go(21, 99);
        case.proxy(&one());
        case.write("go.env", "");
        case.prelude =
            format!("mount --bind \"$CASE/home/go.env\" {}/go.env", case.client().root().display());
        case.unset("GOSUMDB");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["missing GOSUMDB"]);
        case.log_may_say = vec!["V07"];
    }),
    scenario("F05", "pattern-is-a-url", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.proxy(&one());
        case.env("GOPRIVATE", "https://git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["404 Not Found"]);
        case.silent_log = true;
    }),
    scenario("F05", "blank-after-comma", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.proxy(&one());
        case.env("GOPRIVATE", "gitlab.corp.example, git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["404 Not Found"]);
        case.silent_log = true;
    }),
    scenario("F06", "unknown-when-written", |case| {
        case.proxy(&one());
        case.go(&["env", "-w", "GONOPRIVATE=git.corp.example"]);
        case.prints(&["unknown go command variable GONOPRIVATE"]);
        case.no_live = Some("the variable is in the command only");
    }),
    scenario("F06", "ignored", |case| {
        company(case);
        case.env("GOPROXY", &format!("https://{}", public_proxy_host()));
        case.env("GOSUMCHECK", "off");
        case.env("GONOPRIVATE", "git.corp.example");
        private_download(case);
        case.silent_log = true;
        case.live_may_say = vec!["P10"];
    }),
    scenario("F07", "modules-off", |case| {
        case.proxy(&one());
        case.env("GO111MODULE", "off");
        case.go(&["mod", "download"]);
        case.prints(&["modules disabled by GO111MODULE=off"]);
    }),
    scenario("F07", "unknown-value", |case| {
        case.proxy(&one());
        case.ready_app();
        case.env("GO111MODULE", "true");
        case.go(&["build", "./..."]);
        case.prints(&["unknown environment setting GO111MODULE=true"]);
    }),
    scenario("F07", "off-and-build", |case| {
        case.proxy(&one());
        case.ready_app();
        case.env("GO111MODULE", "off");
        case.go(&["build", "."]);
        case.prints(&["cannot find package \"example.com/ok\" in any of:"]);
    }),
    scenario("F08", "vendor-for-ever", |case| {
        case.proxy(&one());
        case.ready_app();
        case.unset("GOFLAGS");
        case.env_file("GOFLAGS=-mod=vendor\n");
        case.go(&["build", "./..."]);
        case.prints(&["inconsistent vendoring"]);
        case.log_may_say = vec!["C12"];
        case.live_may_say = vec!["C12"];
    }),
    scenario("F08", "not-a-flag", |case| {
        case.proxy(&one());
        case.unset("GOFLAGS");
        case.env_file("GOFLAGS=mod=mod\n");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["parsing $GOFLAGS: non-flag \"mod=mod\""]);
    }),
    scenario("F08", "unknown-flag", |case| {
        case.proxy(&one());
        case.env("GOFLAGS", "-modcacherww");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["parsing $GOFLAGS: unknown flag -modcacherww"]);
    }),
    scenario("F09", "insecure-proxy-host", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &url.replace("proxy.example.com", "private-ca.example.com"));
        case.env("GOINSECURE", "private-ca.example.com,example.com/*");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["certificate signed by unknown authority"]);
        case.silent_log = true;
        case.live_may_say = vec!["N10"];
    }),
    scenario("F09", "old-flag", |case| {
        case.proxy(&one());
        case.app(&[], &[]);
        case.go(&["get", "-insecure", "example.com/ok@v1.0.0"]);
        case.prints(&["no longer supported; use GOINSECURE"]);
        case.no_live = Some("the flag is in the command only");
    }),
    scenario("F11", "only-interactive-shells-know", |case| {
        let url = company(case);
        case.write(".bashrc", &format!("# ...\nexport GOPROXY={url}\n"));
        private_download(case);
        case.silent_log = true;
    }),
    scenario("F12", "no-go-mod", |case| {
        case.proxy(&one());
        case.go(&["mod", "tidy"]);
        case.prints(&["go.mod file not found in current directory or any parent"]);
    }),
    scenario("F12", "get-without-go-mod", |case| {
        case.proxy(&one());
        case.go(&["get", "example.com/ok@v1.0.0"]);
        case.prints(&["go.mod file not found in current directory or any parent"]);
    }),
    scenario("F12", "download-without-go-mod", |case| {
        case.proxy(&one());
        case.go(&["mod", "download"]);
        case.prints(&["no modules specified"]);
    }),
    scenario("F12", "build-without-go-mod", |case| {
        case.proxy(&one());
        case.code(&["example.com/ok"]);
        case.go(&["build", "./..."]);
        case.prints(&["does not contain main module", "go.mod file not found"]);
    }),
    scenario("F12", "package-without-go-mod", |case| {
        case.proxy(&one());
        case.go(&["build", "example.com/ok"]);
        case.prints(&["no required module provides package example.com/ok", "go.mod file not found"]);
    }),
    scenario("F12", "install-without-version", |case| {
        case.proxy(&one());
        case.go(&["install", "example.com/ok/cmd/tool"]);
        case.prints(&["'go install' requires a version when current directory is not in a module"]);
    }),
    scenario("F12", "go-mod-in-temp-root", |case| {
        case.proxy(&one());
        case.write("../tmp/go.mod", "module example.com/app\n\ngo 1.19\n");
        case.working_folder = "../tmp".to_owned();
        case.go(&["mod", "tidy"]);
        case.prints(&["ignoring go.mod in system temp root"]);
    }),
    scenario("F12", "go-mod-in-gopath", |case| {
        case.proxy(&one());
        case.write("go/go.mod", "module example.com/app\n\ngo 1.19\n");
        case.working_folder = "go".to_owned();
        case.go(&["mod", "tidy"]);
        case.prints(&["$GOPATH/go.mod exists but should not", "ignoring go.mod in $GOPATH"]);
    }),
    scenario("F16", "merge-markers", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.19\n\n<<<<<<< HEAD\nrequire example.com/ok v1.0.0\n=======\nrequire example.com/ok v1.1.0\n>>>>>>> main\n",
        );
        case.go(&["build", "./..."]);
        case.prints(&["errors parsing go.mod:"]);
    }),
    scenario("F16", "bad-version", |case| {
        case.proxy(&one());
        case.ready_app();
        case.write("app/go.mod", "module example.com/app\n\ngo 1.19\n\nrequire example.com/ok\n");
        case.go(&["build", "./..."]);
        case.prints(&["errors parsing go.mod:"]);
    }),
    scenario("F16", "of-a-dependency", |case| {
        let broken = ModuleBuilder::new("example.com/ok", "v1.0.0")
            .go_mod("module example.com/ok\n\nrequire example.com/b\n");
        case.proxy(&FakeUpstream::new().with(&broken));
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["usage: require module/path v1.2.3"]);
    }),
];
