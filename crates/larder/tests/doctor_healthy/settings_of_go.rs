//! Where settings come from, and settings that are unusual on purpose.

use larder_testkit::lab::Case;

use crate::{Configuration, healthy, needs_ok, usual, usual_place};

/// Moves what the case has in its environment into a file, in the form of `go env -w`.
fn as_file(case: &mut Case<'_>) -> String {
    let text: String =
        ["GOPROXY", "GOSUMDB"].map(|name| format!("{name}={}\n", case.variable(name))).concat();
    case.unset("GOPROXY");
    case.unset("GOSUMDB");
    text
}

pub(crate) const TABLE: &[Configuration] = &[
    healthy("mod-mod-on-purpose", |case| {
        usual_place(case);
        case.env("GOFLAGS", "-mod=mod");
    }),
    healthy("flags-of-all-kinds", |case| {
        usual_place(case);
        case.env("GOFLAGS", "-modcacherw -trimpath -buildvcs=false -tags=netgo,osusergo '-ldflags=-s -w'");
    }),
    healthy("readonly-on-purpose", |case| {
        usual_place(case);
        case.env("GOFLAGS", "-mod=readonly -modcacherw");
    }),
    healthy("settings-in-the-file", |case| {
        case.proxy(&usual());
        let text = as_file(case);
        case.env_file(&text);
        needs_ok(case);
    }),
    healthy("settings-in-another-config-folder", |case| {
        case.proxy(&usual());
        let text = as_file(case);
        case.write("config/go/env", &text);
        let folder = case.home().join("config").to_string_lossy().into_owned();
        case.env("XDG_CONFIG_HOME", &folder);
        needs_ok(case);
    }),
    healthy("settings-in-a-file-of-its-own", |case| {
        case.proxy(&usual());
        let text = as_file(case);
        case.write("my-go-settings", &text);
        let file = case.home().join("my-go-settings").to_string_lossy().into_owned();
        case.env("GOENV", &file);
        needs_ok(case);
    }),
    healthy("settings-of-the-machine", |case| {
        case.needs_go(21, 99);
        case.proxy(&usual());
        let text = as_file(case);
        case.write("go.env", &format!("{text}GOTOOLCHAIN=local\n"));
        case.env("GOENV", "off");
        let place = case.client().root().join("go.env").to_string_lossy().into_owned();
        let url = "mount --bind \"$CASE/home/go.env\"";
        case.prelude = format!("{url} {place}");
        case.app(&[], &["fmt"]);
        case.go(&["mod", "download", "example.com/ok@v1.0.0"]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
    }),
    healthy("no-file-of-settings", |case| {
        usual_place(case);
        // What stands there would break everything; nobody reads it.
        case.env_file("GOPROXY=https://gone.example.com\nGOFLAGS=-mod=vendor\n");
        case.env("GOENV", "off");
    }),
    healthy("the-same-in-file-and-environment", |case| {
        usual_place(case);
        case.env_file(&format!("GOPROXY={}\n", case.variable("GOPROXY")));
    }),
    healthy("comments-in-the-file", |case| {
        usual_place(case);
        case.env_file("# set by the company\n\nGOTELEMETRY=off\nCGO_ENABLED=0\n");
    }),
    healthy("own-toolchain-only", |case| {
        usual_place(case);
        case.env("GOTOOLCHAIN", "local");
    }),
    healthy("toolchain-line-is-this-client", |case| {
        case.needs_go(21, 99);
        case.proxy(&usual());
        case.unset("GOTOOLCHAIN");
        let version = case.client().version().to_owned();
        case.write(
            "app/go.mod",
            &format!(
                "module example.com/app\n\ngo {version}\n\ntoolchain go{version}\n\nrequire example.com/ok v1.0.0\n"
            ),
        );
        case.code(&["example.com/ok"]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
    }),
    healthy("older-toolchain-line", |case| {
        case.needs_go(22, 99);
        case.proxy(&usual());
        case.env("GOTOOLCHAIN", "auto");
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.21.0\n\ntoolchain go1.21.5\n\nrequire example.com/ok v1.0.0\n",
        );
        case.code(&["example.com/ok"]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
    }),
    healthy("modules-on", |case| {
        usual_place(case);
        case.env("GO111MODULE", "on");
    }),
    healthy("no-database", |case| {
        usual_place(case);
        case.env("GOSUMDB", "off");
    }),
    healthy("private-patterns-that-match-nothing-here", |case| {
        usual_place(case);
        case.env("GOPRIVATE", "git.corp.example,*.internal.example/team");
        case.env("GOINSECURE", "legacy.corp.example");
        case.env("GOVCS", "public:git|hg,private:all");
        case.env("GOAUTH", "netrc");
    }),
    healthy("variables-of-others", |case| {
        usual_place(case);
        for (name, value) in [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GOPHERS", "many"),
            ("GOMAXPROCS", "2"),
            ("GODEBUG", "http2client=0"),
            ("GOTMPDIR", ""),
            ("GOLANG_VERSION", "1.26.8"),
            ("GOGC", "50"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent"),
            ("LANG", "de_DE.UTF-8"),
            ("SUDO_USER", "dev"),
        ] {
            case.env(name, value);
        }
    }),
];
