//! Projects, vendor folders, workspaces, module caches.

use larder_testkit::lab::Case;
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::{Configuration, healthy, needs_ok, usual, usual_place};

/// A workspace of the project and of one more module.
fn workspace(case: &mut Case<'_>) {
    usual_place(case);
    case.write("app/go.work", "go 1.22\n\nuse (\n\t.\n\t./tool\n)\n");
    case.write("app/tool/go.mod", "module example.com/tool\n\ngo 1.19\n\nrequire example.com/ok v1.1.0\n");
    case.write("app/tool/tool.go", "package tool\n\nimport _ \"example.com/ok\"\n");
    case.before(&["work", "sync"]);
    case.before(&["mod", "download"]);
    case.go(&["build", "./...", "./tool/..."]);
}

/// The module cache of a machine that has downloaded everything, as a proxy.
fn files_as_proxy(case: &mut Case<'_>, more: &str) {
    usual_place(case);
    case.before(&["mod", "download", "example.com/ok@v1.0.0"]);
    case.shell("cp -a go/pkg/mod/cache/download mirror && chmod -R u+w go && rm -rf go/pkg/mod");
    let mirror = format!("file://{}{more}", case.home().join("mirror").display());
    case.env("GOPROXY", &mirror);
}

fn vendored(case: &mut Case<'_>) {
    usual_place(case);
    case.before(&["mod", "vendor"]);
}

pub(crate) const TABLE: &[Configuration] = &[
    healthy("vendor", vendored),
    healthy("vendor-without-network", |case| {
        vendored(case);
        case.env("GOPROXY", "off");
        case.clean();
        case.subject = None;
    }),
    healthy("vendor-by-flag", |case| {
        vendored(case);
        case.env("GOFLAGS", "-mod=vendor -modcacherw");
    }),
    healthy("vendor-not-used", |case| {
        vendored(case);
        case.env("GOFLAGS", "-mod=mod -modcacherw");
    }),
    healthy("workspace", workspace),
    healthy("workspace-vendor", |case| {
        case.needs_go(22, 99);
        workspace(case);
        case.before(&["work", "vendor"]);
    }),
    healthy("workspace-whose-modules-need-each-other", |case| {
        usual_place(case);
        case.write(
            "app/go.work",
            "go 1.22\n\nuse (\n\t.\n\t./lib\n)\n\nreplace example.com/lib v0.0.0 => ./lib\n",
        );
        case.write("app/lib/go.mod", "module example.com/lib\n\ngo 1.19\n");
        case.write("app/lib/lib.go", "package lib\n");
        case.app(
            &[("example.com/ok", "v1.0.0"), ("example.com/lib", "v0.0.0")],
            &["example.com/ok", "example.com/lib"],
        );
    }),
    healthy("another-file-for-go-mod", |case| {
        usual_place(case);
        case.shell("cd app && mv go.mod tools.mod && mv go.sum tools.sum");
        case.write("app/go.mod", "module example.com/app\n\ngo 1.19\n\nrequire example.com/never v1.0.0\n");
        case.env("GOFLAGS", "-modfile=tools.mod -modcacherw");
    }),
    healthy("workspace-off", |case| {
        usual_place(case);
        case.write("go.work", "go 1.22\n\nuse ./elsewhere\n");
        case.env("GOWORK", "off");
    }),
    healthy("workspace-from-below", |case| {
        workspace(case);
        case.working_folder = "app/tool".to_owned();
        case.go(&["build", "."]);
    }),
    healthy("folder-below-the-project", |case| {
        usual_place(case);
        case.write("app/internal/deep/deep.go", "package deep\n");
        case.working_folder = "app/internal/deep".to_owned();
        case.go(&["build", "."]);
    }),
    healthy("no-project", |case| {
        case.proxy(&usual());
        case.write("empty/README", "nothing here\n");
        case.working_folder = "empty".to_owned();
        case.go(&["mod", "download", "example.com/ok@v1.0.0"]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
    }),
    healthy("project-that-needs-nothing", |case| {
        case.proxy(&usual());
        case.app(&[], &[]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/ok".to_owned());
    }),
    healthy("no-go-here", usual_place_).then(|case| case.env("PATH", "")),
    healthy("no-go-and-no-home", usual_place_)
        .then(|case| {
            case.env("PATH", "/nonexistent");
            let cache = case.module_cache().to_string_lossy().into_owned();
            case.env("GOMODCACHE", &cache);
            case.unset("HOME");
        })
        .warm_only(),
    healthy("offline-with-everything", |case| {
        usual_place(case);
        case.env("GOPROXY", "off");
        case.subject = None;
    })
    .warm_only(),
    healthy("offline-with-everything-and-no-database", |case| {
        usual_place(case);
        case.env("GOPROXY", "off");
        case.env("GOSUMDB", "off");
        case.subject = None;
    })
    .warm_only(),
    healthy("files-as-proxy", |case| {
        files_as_proxy(case, "");
    }),
    healthy("files-as-proxy-and-no-database", |case| {
        files_as_proxy(case, ",off");
        case.env("GONOSUMDB", "*");
    }),
    healthy("files-of-a-build-as-proxy", |case| {
        usual_place(case);
        case.shell("cp -a go/pkg/mod/cache/download mirror && chmod -R u+w go && rm -rf go/pkg/mod");
        let mirror = format!("file://{}", case.home().join("mirror").display());
        case.env("GOPROXY", &mirror);
        // What a build leaves in the cache is enough for a build, not for a download by name.
        case.subject = None;
    }),
    healthy("cache-that-nobody-may-write", |case| {
        usual_place(case);
        case.prelude = "mount --bind go/pkg/mod go/pkg/mod && mount -o remount,bind,ro go/pkg/mod".to_owned();
        case.prelude = case.prelude.replace("go/pkg/mod", "\"$CASE/home/go/pkg/mod\"");
        case.subject = None;
    })
    .warm_only(),
    healthy("cache-of-another-user", |case| {
        usual_place(case);
        case.shell("chmod -R a-w go/pkg/mod");
    })
    .warm_only(),
    healthy("cache-elsewhere", |case| {
        let cache = case.folder().join("tmp/modules").to_string_lossy().into_owned();
        case.env("GOMODCACHE", &cache);
        usual_place(case);
        case.shell("mkdir -p go/pkg/mod");
    }),
    healthy("gopath-with-two-places", |case| {
        let places = format!("{0}/go:{0}/more", case.home().display());
        case.env("GOPATH", &places);
        usual_place(case);
    }),
    healthy("replaced-by-a-folder", |case| {
        case.proxy(&usual());
        case.write("ok/go.mod", "module example.com/ok\n\ngo 1.19\n");
        case.write("ok/ok.go", "package ok\n");
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.19\n\nrequire example.com/ok v1.0.0\n\nreplace example.com/ok => ../ok\n",
        );
        case.code(&["example.com/ok"]);
        case.go(&["build", "./..."]);
    }),
    healthy("replaced-and-nowhere-else", |case| {
        case.proxy(&usual());
        case.write("mine/go.mod", "module mine.example/only/here\n\ngo 1.19\n");
        case.write("mine/mine.go", "package here\n");
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.19\n\nrequire mine.example/only/here v0.0.0\n\nreplace mine.example/only/here => ../mine\n",
        );
        case.code(&["mine.example/only/here"]);
        case.go(&["build", "./..."]);
    }),
    healthy("replaced-by-a-module", |case| {
        let fork = ModuleBuilder::new("example.com/fork", "v1.2.0").go_mod("module example.com/ok\n");
        case.proxy(&usual().with(&fork));
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.19\n\nrequire example.com/ok v1.0.0\n\nreplace example.com/ok => example.com/fork v1.2.0\n",
        );
        case.code(&["example.com/ok"]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/fork@v1.2.0".to_owned());
    }),
    healthy("excluded-version", |case| {
        case.proxy(&usual());
        case.write(
            "app/go.mod",
            "module example.com/app\n\ngo 1.19\n\nrequire example.com/ok v1.0.0\n\nexclude example.com/ok v1.1.0\n",
        );
        case.code(&["example.com/ok"]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
    }),
    healthy("retracted-version-not-used", |case| {
        let newest = ModuleBuilder::new("example.com/ok", "v1.2.0")
            .go_mod("module example.com/ok\n\ngo 1.19\n\nretract v1.1.0 // broken\n");
        case.proxy(&usual().with(&newest));
        needs_ok(case);
    }),
    healthy("odd-paths-and-versions", |case| {
        let modules = FakeUpstream::new()
            .module("example.com/ok", "v1.0.0")
            .module("github.com/Upper/Cased", "v0.1.0-RC.1")
            .module("example.com/two/v2", "v2.3.4")
            .module("gopkg.in/yaml.v3", "v3.0.1")
            .module("example.com/pseudo", "v0.0.0-20240102030405-0123456789ab")
            .with(
                &ModuleBuilder::new("example.com/old", "v4.1.0+incompatible")
                    .go_mod("module example.com/old\n"),
            );
        case.proxy(&modules);
        case.app(
            &[
                ("github.com/Upper/Cased", "v0.1.0-RC.1"),
                ("example.com/two/v2", "v2.3.4"),
                ("gopkg.in/yaml.v3", "v3.0.1"),
                ("example.com/pseudo", "v0.0.0-20240102030405-0123456789ab"),
                ("example.com/old", "v4.1.0+incompatible"),
            ],
            &[
                "github.com/Upper/Cased",
                "example.com/two/v2",
                "gopkg.in/yaml.v3",
                "example.com/pseudo",
                "example.com/old",
            ],
        );
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("github.com/Upper/Cased@v0.1.0-RC.1".to_owned());
    }),
    healthy("transitive-needs", |case| {
        let modules = usual()
            .with(
                &ModuleBuilder::new("example.com/top", "v1.0.0")
                    .require("example.com/mid", "v1.0.0")
                    .file("top.go", "package top\n\nimport _ \"example.com/mid\"\n"),
            )
            .with(&ModuleBuilder::new("example.com/mid", "v1.0.0").require("example.com/ok", "v1.0.0"))
            .module("example.com/mid", "v1.3.0");
        case.proxy(&modules);
        case.app(&[("example.com/top", "v1.0.0")], &["example.com/top"]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some("example.com/top@v1.0.0".to_owned());
    }),
    healthy("more-lines-in-go-sum-than-needed", |case| {
        usual_place(case);
        case.before(&["get", "example.com/ok@v1.1.0"]);
        case.before(&["get", "example.com/ok@v1.0.0"]);
    }),
    healthy("windows-line-ends", |case| {
        usual_place(case);
        case.shell("sed -i 's/$/\\r/' app/go.mod app/go.sum");
    }),
];

fn usual_place_(case: &mut Case<'_>) {
    usual_place(case);
}
