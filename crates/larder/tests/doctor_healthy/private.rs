//! Modules that not everybody may have.

use larder_testkit::FakeUpstream;
use larder_testkit::lab::Case;

use crate::{Configuration, healthy, usual};

/// A repository of the company with two versions; returns its module path.
fn repository(case: &mut Case<'_>) -> String {
    let (mut repository, path) = case.repository("git.corp.example", "lib");
    let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
    repository.tag("v1.0.0", first);
    let second = repository.files(&[("more.go", "package lib\n")]);
    repository.tag("v1.1.0", second);
    repository.save();
    path
}

/// A project that needs a public and a private module.
fn needs_both(case: &mut Case<'_>, path: &str) {
    case.app(&[("example.com/ok", "v1.0.0"), (path, "v1.0.0")], &["example.com/ok", path]);
    case.before(&["mod", "tidy"]);
    case.go(&["build", "./..."]);
    case.subject = Some(format!("{path}@v1.0.0"));
}

/// A proxy that serves the private module too.
fn served(case: &mut Case<'_>) -> String {
    let path = "git.corp.example/served/lib";
    let private = FakeUpstream::new().module(path, "v1.0.0");
    let public = usual();
    let answers = private.clone();
    case.broken_proxy(&public, move |request| {
        let ours = request.path.starts_with("/git.corp.example/");
        ours.then(|| answers.answer(&request.path).into())
    });
    path.to_owned()
}

pub(crate) const TABLE: &[Configuration] = &[
    healthy("private-from-the-proxy", |case| {
        let path = served(case);
        case.env("GONOSUMDB", "git.corp.example");
        needs_both(case, &path);
    }),
    healthy("private-from-the-proxy-by-all-three", |case| {
        let path = served(case);
        case.env("GOPRIVATE", "git.corp.example");
        case.env("GONOPROXY", "none");
        needs_both(case, &path);
    }),
    healthy("private-by-git", |case| {
        case.proxy(&usual());
        let path = repository(case);
        case.env("GOPRIVATE", "git.corp.example");
        needs_both(case, &path);
    }),
    healthy("private-by-git-with-patterns", |case| {
        case.proxy(&usual());
        let path = repository(case);
        case.env("GOPRIVATE", "*.corp.example,github.com/corp/*");
        case.env("GOVCS", "private:git,public:git");
        needs_both(case, &path);
    }),
    healthy("private-by-git-with-login", |case| {
        case.proxy(&usual());
        let path = repository(case);
        case.lab().forge.protect(&path, "dev", "secret", larder_testkit::git_server::Strangers::Challenged);
        case.write(
            ".gitconfig",
            "[credential]\n\thelper = \"!echo username=dev; echo password=secret; :\"\n",
        );
        case.env("GOPRIVATE", "git.corp.example");
        needs_both(case, &path);
    }),
    healthy("private-by-git-at-another-place", |case| {
        case.proxy(&usual());
        let path = repository(case);
        let other = path.replace("/lib", "/other");
        case.write(".gitconfig", &format!("[url \"https://{path}\"]\n\tinsteadOf = https://{other}\n"));
        case.env("GOPRIVATE", "git.corp.example");
        needs_both(case, &path);
    }),
    healthy("not-in-the-proxy-then-git", |case| {
        let url = case.proxy(&usual());
        let path = repository(case);
        case.env("GOPROXY", &format!("{url},direct"));
        case.env("GONOSUMDB", "git.corp.example");
        needs_both(case, &path);
    }),
    healthy("all-private", |case| {
        let path = repository(case);
        case.env("GOPRIVATE", "git.corp.example");
        case.env("GOSUMDB", "off");
        case.env("GOFLAGS", "-modcacherw -mod=mod");
        case.env("GOPROXY", "off");
        case.app(&[(&path, "v1.0.0")], &[&path]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some(format!("{path}@v1.0.0"));
    }),
    healthy("all-direct", |case| {
        let path = repository(case);
        case.env("GOPROXY", "direct");
        case.env("GOSUMDB", "off");
        case.app(&[(&path, "v1.0.0")], &[&path]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some(path);
    }),
    healthy("a-commit-without-a-tag", |case| {
        case.proxy(&usual());
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.app(&[], &[&path]);
        case.before(&["mod", "tidy"]);
        case.go(&["build", "./..."]);
        case.subject = Some(format!("{path}@latest"));
    }),
];
