//! Positive absence: kept a minute, usable while nobody can be asked, inferred where a stored zip shows it.

use std::time::Duration;

use larder_cache::Reason;
use larder_module::request::ObjectKind;
use larder_testkit::{Endpoint, FakeUpstream, Fault, ModuleBuilder};

use crate::common::{Setup, assert_printable, module};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";

#[tokio::test]
async fn an_absence_is_kept_for_a_minute_and_dropped_by_a_purge() {
    let upstream = FakeUpstream::new().start().await;
    let world = Setup::chain(upstream.url()).start();
    for _ in 0..3 {
        let failure = world.get(A, V, ObjectKind::Info).await.expect_err("absent");
        assert_eq!(failure.reason, Reason::Absent);
        assert_printable(&failure);
    }
    assert_eq!(upstream.total(), 1);
    world.clock.advance(Duration::from_secs(40));
    let failure = world.get(A, V, ObjectKind::Info).await.expect_err("absent");
    assert_eq!(failure.learned, Some(Duration::from_secs(40)));
    assert!(failure.text().contains("asked 40 s ago: "), "{failure:?}");
    upstream.add(&ModuleBuilder::new(A, V));
    world.clock.advance(Duration::from_secs(21));
    assert!(world.get(A, V, ObjectKind::Info).await.is_ok());

    let b = "example.com/b";
    assert!(world.list(b).await.is_err());
    upstream.add(&ModuleBuilder::new(b, V));
    assert!(world.list(b).await.is_err());
    world.engine.purge(&module(b)).await;
    assert!(world.list(b).await.is_ok());
}

#[tokio::test]
async fn what_came_once_is_never_absent_again_because_of_an_old_answer() {
    let upstream = FakeUpstream::new().start().await;
    let world = Setup::chain(upstream.url()).start();
    assert!(world.get(A, V, ObjectKind::Mod).await.is_err());
    assert!(world.list(A).await.is_err());
    upstream.add(&ModuleBuilder::new(A, V));
    world.clock.advance(Duration::from_secs(61));
    world.settled(A, V, ObjectKind::Mod).await;
    assert!(world.list(A).await.is_ok());
    upstream.cut();
    let world = world.restarted(Setup::chain(upstream.url()));
    fs_err::remove_dir_all(world.store.modules_folder().join("example.com")).expect("removed");
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("gone, and nobody can be asked");
    assert_eq!(failure.reason, Reason::BadUpstream, "{failure:?}");
    assert!(world.list(A).await.is_ok());
}

#[tokio::test]
async fn failures_are_never_kept_as_absence() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(upstream.url()).start();
    for fault in [Fault::Status(500), Fault::Status(403), Fault::HtmlOk, Fault::Reset, Fault::Status(429)] {
        upstream.set_fault_everywhere(fault.clone());
        assert_ne!(world.list(A).await.expect_err("broken").reason, Reason::Absent, "{fault:?}");
        assert_ne!(world.get(A, V, ObjectKind::Info).await.expect_err("broken").reason, Reason::Absent);
        upstream.heal();
    }
    assert!(world.list(A).await.is_ok());
}

#[tokio::test]
async fn an_absence_stays_usable_while_nobody_can_be_asked() {
    let upstream = FakeUpstream::new().start().await;
    let setup = || Setup::chain(format!("{},direct", upstream.url()));
    let world = setup().start();
    assert!(world.get("example.com/a/cmd", V, ObjectKind::Info).await.is_err());
    assert!(world.list("example.com/a/cmd").await.is_err());
    assert!(world.latest("example.com/a/cmd").await.is_err());
    upstream.cut();
    world.clock.advance(Duration::from_secs(7_200));
    let world = world.restarted(setup());
    for failure in [
        world.get("example.com/a/cmd", V, ObjectKind::Info).await.expect_err("absent"),
        world.list("example.com/a/cmd").await.expect_err("absent"),
        world.latest("example.com/a/cmd").await.expect_err("absent"),
    ] {
        assert_eq!(failure.reason, Reason::Absent, "{failure:?}");
        assert_eq!(failure.learned, Some(Duration::from_secs(7_200)));
        assert!(failure.text().contains("asked 2 h ago"), "{failure:?}");
        assert!(failure.text().contains("connection refused"), "{failure:?}");
        assert_printable(&failure);
    }
    let failure = world.get("example.com/other", V, ObjectKind::Info).await.expect_err("unknown");
    assert_eq!(failure.reason, Reason::BadUpstream, "what was never learned is not absence");
}

#[tokio::test]
async fn a_folder_of_a_stored_module_is_inferred_to_be_none() {
    let a = ModuleBuilder::new(A, V)
        .file("cmd/x/main.go", "package main\n")
        .file("nested/doc.go", "package nested\n");
    let upstream = FakeUpstream::new().with(&a).start().await;
    let world = Setup::chain(upstream.url()).start();
    world.settled(A, V, ObjectKind::Zip).await;
    upstream.cut();
    for path in ["example.com/a/cmd/x", "example.com/a/cmd"] {
        for failure in [
            world.get(path, V, ObjectKind::Info).await.expect_err("inferred"),
            world.list(path).await.expect_err("inferred"),
            world.latest(path).await.expect_err("inferred"),
        ] {
            assert_eq!(failure.reason, Reason::Absent, "{path}: {failure:?}");
            assert!(failure.text().contains("inferred: "), "{failure:?}");
            assert_printable(&failure);
        }
    }
    let failure = world.get("example.com/a/later", V, ObjectKind::Info).await.expect_err("unknown");
    assert_eq!(failure.reason, Reason::BadUpstream, "a folder that the zip lacks may be a module");
    upstream.restore();
    let failure = world.get("example.com/a/cmd/x", V, ObjectKind::Info).await.expect_err("absent");
    assert!(!failure.text().contains("inferred"), "who can be asked is asked: {failure:?}");
}

#[tokio::test]
async fn the_cause_is_told_while_the_breaker_is_open() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let mut setup = Setup::chain(upstream.url());
    setup.breaker_failures = 1;
    let world = setup.start();
    upstream.set_fault(Endpoint::Mod, Fault::StatusWithBody(500, "the database is on fire".to_owned()));
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("broken");
    assert_eq!(failure.reason, Reason::BadUpstream);
    world.clock.advance(Duration::from_secs(40));
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("left alone");
    assert!(matches!(failure.reason, Reason::BreakerOpen { .. }), "{failure:?}");
    assert!(failure.text().contains("asked 40 s ago: "), "{failure:?}");
    assert!(failure.text().contains("on fire"), "{failure:?}");
    assert_printable(&failure);
}

#[tokio::test]
async fn the_cause_is_told_while_an_upstream_has_asked_for_a_pause() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(upstream.url()).start();
    upstream.set_fault(Endpoint::Mod, Fault::StatusWithBody(500, "the database is on fire".to_owned()));
    assert!(world.get(A, V, ObjectKind::Mod).await.is_err());
    upstream.set_fault(Endpoint::List, Fault::RetryAfter(429, 20));
    let failure = world.list(A).await.expect_err("limited");
    assert!(matches!(failure.reason, Reason::RateLimited { .. }), "{failure:?}");
    let asked = upstream.total();
    world.clock.advance(Duration::from_secs(15));
    let failure = world.latest(A).await.expect_err("left alone");
    assert!(matches!(failure.reason, Reason::RateLimited { .. }), "{failure:?}");
    assert_eq!(upstream.total(), asked, "nobody is asked");
    assert!(failure.text().contains("asked 15 s ago: "), "{failure:?}");
    assert!(failure.text().contains("on fire"), "{failure:?}");
    assert_printable(&failure);
    world.clock.advance(Duration::from_secs(15));
    let failure = world.latest(A).await.expect_err("left alone");
    assert!(failure.text().contains("asked 30 s ago: "), "being left alone is no new cause: {failure:?}");
}

#[tokio::test]
async fn a_kept_absence_tells_who_failed_beside_it() {
    let upstream = FakeUpstream::new().start().await;
    let world = Setup::chain(upstream.url()).start();
    assert_eq!(world.list(A).await.expect_err("absent").reason, Reason::Absent);
    upstream.set_fault(Endpoint::Mod, Fault::StatusWithBody(500, "on fire".to_owned()));
    world.clock.advance(Duration::from_secs(10));
    assert!(world.get(A, V, ObjectKind::Mod).await.is_err());
    world.clock.advance(Duration::from_secs(30));
    let failure = world.list(A).await.expect_err("absent");
    assert_eq!(failure.reason, Reason::Absent);
    assert!(failure.lines[1].starts_with("asked 40 s ago: "), "{failure:?}");
    assert!(failure.lines[2].starts_with("asked 30 s ago: "), "{failure:?}");
    assert!(failure.lines[2].contains("on fire"), "{failure:?}");
    assert_printable(&failure);
}
