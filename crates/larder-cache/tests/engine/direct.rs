//! Version control behind the engine: its answers, its refusals, and that it keeps names to itself.

use std::time::Duration;

use larder_cache::Reason;
use larder_module::request::{ChecksumRequest, ObjectKind};
use larder_testkit::{FakeUpstream, Fault, ModuleBuilder, sumdb::FakeSumdb};
use larder_upstream::{DirectFaultKind, VerifyMode};

use crate::common::{Setup, assert_printable, module};
use crate::repositories::FakeRepositories;

const A: &str = "git.corp.example/a";
const V: &str = "v1.0.0";
const KINDS: [ObjectKind; 3] = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip];

fn path(kind: ObjectKind) -> String {
    format!("/{A}/@v/{V}.{kind}")
}

fn repositories() -> (std::sync::Arc<FakeRepositories>, larder_testkit::BuiltModule) {
    let repositories = FakeRepositories::new();
    let built = ModuleBuilder::new(A, V).file("a.go", "package a\n").build();
    repositories.has(&path(ObjectKind::Info), built.info.clone());
    repositories.has(&path(ObjectKind::Mod), built.go_mod.clone());
    repositories.has(&path(ObjectKind::Zip), built.zip.clone());
    repositories.has(&format!("/{A}/@v/list"), "v1.0.0\n");
    repositories.has(&format!("/{A}/@latest"), built.info.clone());
    repositories.has(&format!("/{A}/@v/main.info"), built.info.clone());
    (repositories, built)
}

fn setup(chain: &str, repositories: &std::sync::Arc<FakeRepositories>) -> Setup {
    Setup { repositories: Some(std::sync::Arc::clone(repositories)), ..Setup::chain(chain) }
}

#[tokio::test]
async fn all_that_a_client_asks_for_comes_from_the_repository_and_its_bytes_are_final() {
    let (repositories, built) = repositories();
    let world = setup("direct", &repositories).start();
    assert_eq!(world.list(A).await.expect("a list").text(), "v1.0.0");
    assert_eq!(world.latest(A).await.expect("an answer").body, built.info);
    assert_eq!(world.query(A, "main").await.expect("an answer").body, built.info);
    for (kind, bytes) in KINDS.into_iter().zip([&built.info, &built.go_mod, &built.zip]) {
        assert_eq!(&world.get(A, V, kind).await.expect("served").body, bytes, "{kind}");
        world.settled(A, V, kind).await;
    }
    let other = ModuleBuilder::new(A, V).go_mod("module git.corp.example/a\n\ngo 1.20\n").build();
    repositories.has(&path(ObjectKind::Mod), other.go_mod);
    repositories.has(&path(ObjectKind::Zip), other.zip);
    let world = world.restarted(setup("direct", &repositories));
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("served").body, built.go_mod);
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect("served").body, built.zip);
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_says_what_the_forge_said() {
    for (kind, reason) in [
        (DirectFaultKind::Absent, Reason::Absent),
        (DirectFaultKind::Invalid, Reason::Absent),
        (DirectFaultKind::LoginNeeded, Reason::Denied),
        (DirectFaultKind::Refused, Reason::Denied),
        (DirectFaultKind::CredentialsRefused, Reason::UpstreamCredentials),
        (DirectFaultKind::Unreachable, Reason::BadUpstream),
        (DirectFaultKind::Broken, Reason::BadUpstream),
        (DirectFaultKind::TimedOut, Reason::UpstreamTimeout),
        (DirectFaultKind::Saturated, Reason::Saturated { retry_after: Duration::from_secs(10) }),
        (DirectFaultKind::StorageFull, Reason::StorageFull),
    ] {
        let repositories = FakeRepositories::new();
        let said = "remote: Not for you\nfatal: Could not read from remote repository.";
        for path in
            [path(ObjectKind::Info), path(ObjectKind::Zip), format!("/{A}/@v/list"), format!("/{A}/@latest")]
        {
            repositories.fails(&path, kind, "https://git.corp.example/a: what happened", Some(said));
        }
        let world = setup("direct", &repositories).start();
        for failure in [
            world.get(A, V, ObjectKind::Info).await.expect_err("refused"),
            world.get(A, V, ObjectKind::Zip).await.expect_err("refused"),
            world.list(A).await.expect_err("refused"),
            world.latest(A).await.expect_err("refused"),
        ] {
            assert_eq!(failure.reason, reason, "{kind:?}");
            assert_printable(&failure);
            let text = failure.lines.join("\n");
            for part in
                ["\ndirect: https://git.corp.example/a: what happened\n", "| remote: Not for you\n| fatal: "]
            {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_chain_that_ends_with_direct_asks_it_only_after_absence() {
    let (repositories, built) = repositories();
    let upstream = FakeUpstream::new().start().await;
    let world = setup(&format!("{upstream},direct"), &repositories).start();
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("served").body, built.go_mod);
    upstream.set_fault_everywhere(Fault::Status(500));
    let asked = repositories.asked().len();
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect_err("broken").reason, Reason::BadUpstream);
    assert_eq!(repositories.asked().len(), asked);
    let world = setup(&format!("{upstream}|direct"), &repositories).start();
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect("served").body, built.zip);
    upstream.heal();
    // Both said so: absence. One of them failed: failure, naming both.
    let world = setup(&format!("{upstream},direct"), &repositories).start();
    assert_eq!(world.list("git.corp.example/b").await.expect_err("absent").reason, Reason::Absent);
    repositories.fails("/git.corp.example/c/@v/list", DirectFaultKind::Unreachable, "no way there", None);
    let failure = world.list("git.corp.example/c").await.expect_err("unknown");
    assert_eq!(failure.reason, Reason::BadUpstream);
    assert!(
        failure.text().contains("HTTP 404") && failure.text().contains("direct: no way there"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_private_name_is_told_to_version_control_alone() {
    let (repositories, _) = repositories();
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = FakeUpstream::new().sumdb(&sumdb).start().await;
    let mut setup = setup(upstream.url(), &repositories).verified_by(&sumdb, upstream.url());
    setup.private = vec![("git.corp.example", "direct".to_owned())];
    assert_eq!(setup.verify, VerifyMode::Required);
    let world = setup.start();
    for kind in KINDS {
        assert!(world.get(A, V, kind).await.expect("served").private);
    }
    assert!(
        world.list(A).await.is_ok() && world.latest(A).await.is_ok() && world.query(A, "main").await.is_ok()
    );
    assert!(world.get("git.corp.example/b", V, ObjectKind::Zip).await.is_err());
    let request = ChecksumRequest::Lookup { module: module(A), version: V.parse().expect("a version") };
    let access = larder_cache::Access::trusted("test");
    let failure = world.engine.checksum("sum.example.com", &request, &access).await.expect_err("private");
    assert_eq!(failure.reason, Reason::PrivateLookup);
    assert!(failure.text().contains("GONOSUMDB=git.corp.example"), "{failure:?}");
    assert!(repositories.asked().iter().all(|(_, private)| *private));
    let leaked: Vec<_> =
        sumdb.requests().into_iter().filter(|path| path.contains("git.corp.example")).collect();
    assert!(leaked.is_empty() && upstream.total() == 0, "{leaked:?}");
}

#[tokio::test]
async fn findings_about_private_modules_are_shown_to_private_clients() {
    let mut setup = Setup::chain("off");
    setup.private = vec![("git.corp.example", "direct".to_owned())];
    let world = setup.start();
    for (kind, subject) in [
        ("checksum-security", "sum.example.com"),
        ("quarantined", "example.com/a@v1.0.0.zip"),
        ("tag-moved", "git.corp.example/a@v1.0.0"),
        ("tag-moved", "no path at all@v1.0.0"),
    ] {
        assert!(world.store.record_change(kind, subject, "first"));
        assert!(!world.store.record_change(kind, subject, "first"), "it is no change");
    }
    assert!(world.store.record_change("tag-moved", "git.corp.example/a@v1.0.0", "second"));
    let all = world.engine.findings(true, 9).await;
    assert_eq!((all.len(), all[0].detail.as_str()), (5, "second"));
    assert_eq!(world.engine.findings(true, 2).await, all[..2]);
    let shown = world.engine.findings(false, 9).await;
    let subjects: Vec<_> = shown.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["example.com/a@v1.0.0.zip", "sum.example.com"]);
}

#[tokio::test]
async fn a_module_is_explained_without_asking_anybody() {
    let upstream = FakeUpstream::new().start().await;
    let mut setup = Setup::chain(format!("{}|direct", upstream.url()));
    setup.private = vec![("git.corp.example", "direct".to_owned())];
    let world = setup.start();
    let access = larder_cache::Access::trusted("test");
    let explained = world.engine.explain(&module("example.com/a"), &access).await.expect("public");
    let hops: Vec<_> = explained.chain.iter().map(|hop| (hop.kind, hop.separator)).collect();
    assert_eq!(hops, [("proxy", "|"), ("direct", "")]);
    assert_eq!((explained.private, explained.stored, explained.causes.len()), (false, 0, 0));
    assert_eq!(upstream.total(), 0);
    let stranger = larder_cache::Access { client_is_private_ok: false, ..access.clone() };
    let failure = world.engine.explain(&module(A), &stranger).await.expect_err("private");
    assert_eq!(failure.reason, Reason::PrivateClients);
    let explained = world.engine.explain(&module(A), &access).await.expect("may see it");
    assert_eq!((explained.private, explained.patterns), (true, vec!["git.corp.example".to_owned()]));
}

#[tokio::test]
async fn its_word_on_the_latest_version_is_final() {
    let repositories = FakeRepositories::new();
    repositories.has(&format!("/{A}/@v/list"), "v1.0.0\n");
    let world = setup("direct", &repositories).start();
    assert_eq!(world.latest(A).await.expect_err("absent").reason, Reason::Absent);
    assert_eq!(repositories.asked(), [(format!("/{A}/@latest"), false)]);
}

#[tokio::test]
async fn a_new_tag_is_seen_as_soon_as_the_list_is_no_longer_fresh() {
    let (repositories, _) = repositories();
    let world = setup("direct", &repositories).start();
    assert_eq!(world.list(A).await.expect("a list").text(), "v1.0.0");
    repositories.has(&format!("/{A}/@v/list"), "v1.0.0\nv1.1.0\n");
    world.clock.advance(Duration::from_secs(59));
    let list = world.list(A).await.expect("a list");
    assert_eq!((list.text(), list.outcome), ("v1.0.0", "hit"));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.list(A).await.expect("a list").text(), "v1.0.0\nv1.1.0");
}

#[tokio::test]
async fn old_answers_serve_while_the_repository_cannot_be_asked() {
    let (repositories, built) = repositories();
    let world = setup("direct", &repositories).start();
    assert!(world.list(A).await.is_ok() && world.latest(A).await.is_ok());
    for path in [format!("/{A}/@v/list"), format!("/{A}/@latest")] {
        repositories.fails(&path, DirectFaultKind::Unreachable, "no way there", None);
    }
    world.clock.advance(Duration::from_secs(7_200));
    let list = world.list(A).await.expect("stale");
    assert_eq!((list.text(), list.outcome), ("v1.0.0", "stale"));
    assert_eq!(world.latest(A).await.expect("stale").body, built.info);
}

#[tokio::test]
async fn a_client_that_waited_long_enough_is_told_and_the_work_goes_on() {
    let (repositories, built) = repositories();
    let mut setup = setup("direct", &repositories);
    setup.adjust = |settings| settings.status_budget = Duration::from_millis(50);
    let world = setup.start();
    repositories.close();
    for kind in [ObjectKind::Zip, ObjectKind::Info] {
        assert_eq!(world.get(A, V, kind).await.expect_err("slow").reason, Reason::StillFetching);
    }
    assert_eq!(world.list(A).await.expect_err("slow").reason, Reason::StillFetching);
    let asked = repositories.asked().len();
    repositories.open();
    world.settled_at_last(A, V, ObjectKind::Zip).await;
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect("served").body, built.zip);
    assert_eq!(repositories.asked().len(), asked, "the work that was begun was enough");
}
