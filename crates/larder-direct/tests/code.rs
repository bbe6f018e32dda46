//! Go's rules over repositories that are there to break them. The answers are those of the go command, as the comparison with it says.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_direct::code::{CodeModule, Memory};
use larder_direct::discover::RepositoryPlace;
use larder_direct::{DirectError, git::Repository};
use larder_testkit::{Commit, Mark};
use larder_upstream::DirectFaultKind;
use serde_json::Value;
use support::{Lab, NAME, Noted};

/// A module below the lab's repository, or at its root.
fn module(lab: &Lab, below: &str) -> CodeModule {
    module_in(lab, lab.repository(), below, "")
}

fn module_in(lab: &Lab, repository: Repository, below: &str, subdirectory: &str) -> CodeModule {
    let mut place: RepositoryPlace = support::place(&lab.forge.url(NAME));
    subdirectory.clone_into(&mut place.subdirectory);
    let ledger = lab.folder.path().join("ledger");
    let memory = Arc::new(Memory::open(ledger, repository.url(), Arc::new(Noted::default())));
    let staging = lab.folder.path().join("staging");
    fs_err::create_dir_all(&staging).expect("a temporary folder");
    let path = format!("{NAME}{below}").parse().expect("a path");
    CodeModule::new(repository, &place, path, memory, staging).expect("it is below the root")
}

async fn versions(module: &CodeModule) -> String {
    let versions = module.versions().await.expect("a list");
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Returns the version that an answer names, or why there is none.
fn named(answer: Result<Bytes, DirectError>) -> String {
    match answer {
        Ok(body) => {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            body["Version"].as_str().expect("a version").to_owned()
        }
        Err(error) => {
            assert!(error.is_absence(), "{error:?}");
            error.text
        }
    }
}

async fn latest(module: &CodeModule) -> String {
    named(module.latest().await)
}

async fn query(module: &CodeModule, text: &str) -> String {
    named(module.query(&text.parse().expect("a query")).await)
}

async fn info(module: &CodeModule, version: &str) -> String {
    named(module.info(&version.parse().expect("a version")).await)
}

/// Returns what stands behind the base in a pseudo-version of a commit.
fn of_commit(remote: &mut larder_testkit::GitRepository, mark: Mark) -> String {
    let hash = remote.hash(mark);
    let date = remote.git(&["log", "-1", "--format=%cd", "--date=format-local:%Y%m%d%H%M%S", &hash]);
    format!("{date}-{}", &hash[..12])
}

#[tokio::test]
async fn tags_become_versions() {
    let lab = Lab::start();
    let mut remote = lab.forge.repository(NAME);
    let first = remote.files(&[("go.mod", &format!("module {NAME}\n"))]);
    for tag in [
        "v1.0.0",
        "v1.2.0-rc.1",
        "v1.10.0",
        "v0.9.0",
        "v1",
        "v1.3",
        "1.2.3",
        "v01.2.3",
        "v2.0.0",
        "sub/v1.0.0",
    ] {
        remote.tag(tag, first);
    }
    remote.tag("v1.4.0-20240101000000-abcdefabcdef", first);
    remote.tag("v0.0.0-20240101000000-abcdefabcdef", first);
    let tip = remote.files(&[("a.go", "package a\n")]);
    remote.tag("v1.5.0+meta", tip);
    let after = of_commit(&mut remote, tip);
    let module = module(&lab, "");
    assert_eq!(
        versions(&module).await,
        "v0.9.0 v1.0.0 v1.2.0-rc.1 v1.4.0-20240101000000-abcdefabcdef v1.10.0"
    );
    assert_eq!(latest(&module).await, "v1.10.0");
    for (text, expected) in [
        ("v1", "v1.10.0"),
        ("v1.2", "no matching versions for query \"v1.2\""),
        ("v0", "v0.9.0"),
        ("v1.0", "v1.0.0"),
        ("1.2.3", "v1.10.0"),
        ("v01.2.3", "v1.10.0"),
        ("v1.0.0+none", "v1.0.0"),
        ("v2.0.0", "module contains a go.mod file, so module path must match major version"),
        ("none", "unknown revision none"),
    ] {
        let answer = query(&module, text).await;
        assert!(answer.contains(expected), "{text}: {answer}");
    }
    // The tag with metadata counts for what comes after it, and only for that.
    assert_eq!(query(&module, "main").await, format!("v1.10.1-0.{after}"));
    let answer = query(&module, "v1.5.0+meta").await;
    assert!(answer.starts_with("v1.5.1-0."), "{answer}");
}

#[tokio::test]
async fn what_is_retracted_is_not_the_latest() {
    let lab = Lab::start_with(|settings| settings.refs_freshness = Duration::ZERO);
    let mut remote = lab.forge.repository(NAME);
    let text = |more: &str| format!("module {NAME}\n{more}");
    let first = remote.files(&[("go.mod", &text(""))]);
    remote.tag("v1.0.0", first);
    let second = remote.files(&[("go.mod", &text("retract v1.1.0\n"))]);
    remote.tag("v1.1.0", second);
    remote.save();
    assert_eq!(latest(&module(&lab, "")).await, "v1.0.0");
    assert_eq!(versions(&module(&lab, "")).await, "v1.0.0 v1.1.0");
    assert_eq!(info(&module(&lab, ""), "v1.1.0").await, "v1.1.0");
    let third = remote.files(&[("go.mod", &text("retract [v1.0.0, v1.2.0]\n"))]);
    remote.tag("v1.2.0", third);
    let after = remote.files(&[("a.go", "package a\n")]);
    let after = of_commit(&mut remote, after);
    let module = module(&lab, "");
    // Nothing but the newest commit is left, and what was taken back is no base for it.
    assert_eq!(latest(&module).await, format!("v0.0.0-{after}"));
    assert!(query(&module, "v1").await.contains("no matching versions"));
}

#[tokio::test]
async fn versions_without_modules_are_incompatible() {
    let lab = Lab::start();
    let mut remote = lab.forge.repository(NAME);
    let old = remote.files(&[("a.go", "package a\n")]);
    for tag in ["v1.0.0", "v2.0.0", "v2.1.0", "v3.0.0"] {
        remote.tag(tag, old);
    }
    let own = remote.files(&[("v4/go.mod", &format!("module {NAME}/v4\n"))]);
    remote.tag("v4.0.0", own);
    let aware = remote.files(&[("go.mod", &format!("module {NAME}/v5\n"))]);
    remote.tag("v5.0.0", aware);
    remote.save();
    let module = module(&lab, "");
    let expected = "v1.0.0 v2.0.0+incompatible v2.1.0+incompatible v3.0.0+incompatible v4.0.0+incompatible";
    assert_eq!(versions(&module).await, expected);
    assert_eq!(query(&module, "v2.1.0").await, "v2.1.0+incompatible");
    assert_eq!(query(&module, "v2").await, "v2.1.0+incompatible");
    assert_eq!(info(&module, "v3.0.0+incompatible").await, "v3.0.0+incompatible");
    let body = module.go_mod(&"v3.0.0+incompatible".parse().expect("a version")).await.expect("made up");
    assert_eq!(body, format!("module {NAME}\n"));
    assert!(
        info(&module, "v1.0.0+incompatible")
            .await
            .contains("+incompatible suffix not allowed: major version v1")
    );
    assert!(info(&module, "v5.0.0+incompatible").await.contains("has post-v5 module path"));
}

#[tokio::test]
async fn a_module_has_its_folder() {
    let lab = Lab::start();
    let mut remote = lab.forge.repository(NAME);
    let commit = Commit::on("main")
        .file("go.mod", format!("module {NAME}\n"))
        .file("sub/go.mod", "module example.com/fork\n")
        .file("sub/v2/go.mod", format!("module {NAME}/sub/v2\n"))
        .file("broken/go.mod", "go 1.21\n")
        .file("plain/a.go", "package plain\n");
    let mark = remote.commit(commit);
    for tag in ["v1.0.0", "sub/v1.1.0", "sub/v2.0.0", "broken/v1.0.0", "plain/v1.0.0"] {
        remote.tag(tag, mark);
    }
    remote.save();
    assert_eq!(versions(&module(&lab, "/sub")).await, "v1.1.0");
    assert_eq!(versions(&module(&lab, "/sub/v2")).await, "v2.0.0");
    let version = "v1.1.0".parse().expect("a version");
    let served = module(&lab, "/sub").go_mod(&version).await.expect("served unchanged");
    assert_eq!(served, "module example.com/fork\n", "a fork may be used in a replacement");
    let version = "v2.0.0".parse().expect("a version");
    assert_eq!(
        module(&lab, "/sub/v2").go_mod(&version).await.expect("a .mod"),
        format!("module {NAME}/sub/v2\n")
    );
    assert!(info(&module(&lab, "/broken"), "v1.0.0").await.contains("broken/go.mod is missing module path"));
    let missing = format!("missing {NAME}/plain/go.mod at revision plain/v1.0.0");
    assert!(info(&module(&lab, "/plain"), "v1.0.0").await.contains(&missing));
    assert!(info(&module(&lab, "/v2"), "v2.0.0").await.contains("unknown revision v2.0.0"));
    assert_eq!(versions(&module(&lab, "/nowhere")).await, "");
    // A page may say that the root's modules lie in a folder.
    let moved = module_in(&lab, lab.repository(), "", "sub");
    assert_eq!(info(&moved, "v1.1.0").await, "v1.1.0");
}

#[tokio::test]
async fn pseudo_versions_have_to_be_true() {
    let lab = Lab::start();
    let mut remote = lab.forge.repository(NAME);
    let first = remote.files(&[("go.mod", &format!("module {NAME}\n"))]);
    remote.tag("v1.1.0", first);
    let tip = remote.files(&[("a.go", "package a\n")]);
    let side = remote.commit(Commit::on("side").orphan().file("go.mod", format!("module {NAME}\n")));
    remote.tag("v1.9.0", side);
    let (first, tip) = (of_commit(&mut remote, first), of_commit(&mut remote, tip));
    let (date, hash) = tip.split_once('-').expect("both");
    let module = module(&lab, "");
    assert_eq!(query(&module, "main").await, format!("v1.1.1-0.{tip}"));
    assert_eq!(query(&module, &hash[..8]).await, format!("v1.1.1-0.{tip}"));
    for (version, expected) in [
        (format!("v1.1.1-0.{tip}"), "v1.1.1-0."),
        (format!("v0.0.0-{tip}"), "v0.0.0-"),
        (format!("v1.0.0-{tip}"), "major version without preceding tag must be v0, not v1"),
        (format!("v1.1.1-0.{first}"), "tag (v1.1.0) found on revision"),
        (format!("v1.9.1-0.{tip}"), "is not a descendent of preceding tag (v1.9.0)"),
        (format!("v1.5.1-0.{tip}"), "preceding tag (v1.5.0) not found"),
        (
            format!("v1.1.1-0.20200101000000-{hash}"),
            "does not match version-control timestamp (expected 2024",
        ),
        (format!("v1.1.1-0.{date}-{}", &hash[..11]), "revision is shorter than canonical (expected "),
        (format!("v1.1.1-0.{date}-abcdefabcdef"), "unknown revision abcdefabcdef"),
        (format!("v2.0.0-{tip}+incompatible"), "module contains a go.mod file"),
    ] {
        let answer = info(&module, &version).await;
        assert!(answer.contains(expected), "{version}: {answer}");
    }
    let version = format!("v1.5.1-0.{tip}").parse().expect("a version");
    let error = module.go_mod(&version).await.expect_err("checked for every file");
    assert_eq!(error.kind, DirectFaultKind::Invalid);
    assert!(module.zip(&version).await.is_err());
}

#[tokio::test]
async fn an_empty_repository_has_nothing() {
    let lab = Lab::start();
    let _remote = lab.forge.repository(NAME);
    let module = module(&lab, "");
    assert_eq!(versions(&module).await, "");
    assert!(latest(&module).await.contains("no commits"));
}
