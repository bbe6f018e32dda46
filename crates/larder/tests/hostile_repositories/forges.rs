//! Forges that send elsewhere, change their mind, or want a login in the middle.

use larder_testkit::GitServer;
use larder_testkit::git_server::{GitFault, Stage, Strangers};

use crate::{Case, Expected, case, go_mod, module, repository};

fn simple(forge: &GitServer, name: &str) {
    let mut repository = repository(forge, name);
    let mark = repository.files(&[("go.mod", &go_mod(name))]);
    repository.tag("v1.0.0", mark);
    repository.save();
}

pub(crate) fn cases(forge: &GitServer) -> Vec<Case> {
    let mut cases = Vec::new();
    simple(forge, "secret");
    let plain = format!("http://{}/{}.git", forge.plain_address(), module("secret"));
    let unreachable = || Expected::Refused(&[403, 404, 502]);
    for (name, target) in [
        ("sent-to-http", plain.as_str()),
        ("sent-to-metadata", "http://169.254.169.254/latest/meta-data"),
        ("sent-to-a-private-address", "https://10.0.0.1/secret.git"),
        ("sent-to-a-file", "file:///etc"),
        ("sent-to-ext", "ext::sh -c touch% pwned-7f3a91"),
        ("sent-to-itself", ""),
    ] {
        simple(forge, name);
        for stage in [Stage::Advertisement, Stage::Fetch] {
            let name = format!("{name}-{}", if stage == Stage::Fetch { "later" } else { "first" });
            simple(forge, &name);
            forge.fault(&module(&name), Some(stage), GitFault::Redirect(target.to_owned()), None);
            cases.push(case(&name, unreachable()));
        }
    }
    for (name, status, expected) in [
        ("login-midway", 401, &[403, 502][..]),
        ("forbidden-midway", 403, &[403, 502]),
        ("gone-midway", 404, &[403, 404, 502]),
        ("trouble-midway", 500, &[502]),
        ("noise-midway", 200, &[502]),
    ] {
        simple(forge, name);
        let fault = GitFault::Status(status, "\u{1b}[31mnot\r\nwhat\0you think\n".repeat(1000));
        forge.fault(&module(name), Some(Stage::Fetch), fault, None);
        cases.push(Case { name: name.to_owned(), ask: "v1.0.0.zip", expected: Expected::Refused(expected) });
    }
    simple(forge, "noise-for-a-list");
    forge.fault(
        &module("noise-for-a-list"),
        Some(Stage::Listing),
        GitFault::Status(200, "0000\u{1b}]0;x\u{7}".repeat(10_000)),
        None,
    );
    cases.push(Case { ask: "list", ..case("noise-for-a-list", Expected::Refused(&[502])) });
    simple(forge, "hidden");
    forge.protect(&module("hidden"), "somebody", "canary-password", Strangers::Denied);
    cases.push(case("hidden", Expected::Refused(&[403])));
    simple(forge, "challenged");
    forge.protect(&module("challenged"), "somebody", "canary-password", Strangers::Challenged);
    cases.push(case("challenged", Expected::Refused(&[403])));
    cases.extend(other_objects(forge));
    cases
}

/// The list names commits that the server then doesn't give, or gives others for.
fn other_objects(forge: &GitServer) -> Vec<Case> {
    simple(forge, "other-references");
    // Nobody else's objects come where these were promised: the answers to fetches are those of another repository.
    let other = format!("https://{}/{}.git", forge.address(), module("secret"));
    forge.fault(&module("other-references"), Some(Stage::Fetch), GitFault::Redirect(other), None);
    let hidden = {
        let mut repository = repository(forge, "hidden-commit");
        let mark = repository.files(&[("go.mod", &go_mod("hidden-commit"))]);
        repository.tag("v1.0.0", mark);
        let hash = repository.hash(mark);
        repository.git(&["config", "uploadpack.hideRefs", "refs/tags"]);
        hash
    };
    let _ = hidden;
    vec![
        case("other-references", Expected::Refused(&[403, 404, 502])),
        case("hidden-commit", Expected::Refused(&[404])),
    ]
}
