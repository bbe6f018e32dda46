//! Modules that come from version control: go-import pages and git.

use larder_testkit::git_server::Strangers;

use crate::{Scenario, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("G03", "login-wanted", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.lab().forge.protect(&path, "dev", "secret", Strangers::Challenged);
        case.env("GOPRIVATE", "git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["could not read Username"]);
    }),
    scenario("G13", "no-such-tag", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.download(&format!("{path}@v1.0.7"));
        case.prints(&["unknown revision v1.0.7"]);
    }),
];
