//! Nothing unverified is published, by any way round.

use std::time::Duration;

use larder_cache::{Access, Body, Reason};
use larder_module::{
    defaults::TOOLCHAIN_MODULE,
    request::{ChecksumRequest, ObjectKind},
};
use larder_store::ObjectKey;
use larder_testkit::{
    Endpoint, FakeUpstream, Fault, ModuleBuilder, Reply, Rng, RunningUpstream,
    sumdb::{FakeSumdb, Forgery, Outage},
};
use larder_upstream::VerifyMode;

use crate::common::{Setup, World, assert_printable, module, of, read};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";

async fn stage(adjust: impl FnOnce(&mut Setup)) -> (RunningUpstream, FakeSumdb, World) {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = FakeUpstream::new().module(A, V).sumdb(&sumdb).start().await;
    let mut setup = Setup::chain(upstream.url()).verified_by(&sumdb, upstream.url());
    adjust(&mut setup);
    let world = setup.start();
    (upstream, sumdb, world)
}

#[tokio::test]
async fn zips_and_mods_are_verified_each_by_its_own_line() {
    let (_upstream, sumdb, world) = stage(|_| {}).await;
    for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
        assert!(world.get(A, V, kind).await.is_ok());
    }
    assert_eq!(sumdb.requests().iter().filter(|path| path.contains("lookup")).count(), 1);
}

#[tokio::test]
async fn other_bytes_than_recorded_are_refused_and_recorded() {
    let (upstream, _sumdb, world) = stage(|_| {}).await;
    let forged = ModuleBuilder::new(A, V).go_mod("module example.com/a\n\ngo 1.99\n").build();
    upstream.set_reply("/example.com/a/@v/v1.0.0.zip", Reply::ok("application/zip", forged.zip));
    upstream.set_reply("/example.com/a/@v/v1.0.0.mod", Reply::ok("text/plain", forged.go_mod));
    for kind in [ObjectKind::Mod, ObjectKind::Zip] {
        let failure = world.get(A, V, kind).await.expect_err("forged");
        assert_eq!(failure.reason, Reason::ChecksumMismatch);
        assert!(failure.text().matches("h1:").count() == 2, "{failure:?}");
        assert_printable(&failure);
        assert!(!world.stored(A, V, kind));
    }
    let events = world.store.events(10);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.kind == "checksum-mismatch"), "{events:?}");
    assert!(world.engine.render_metrics().contains(r#"event="checksum-mismatch"} 2"#));
    // The refusal is repeated for a minute without asking again, and then not.
    let asked = upstream.total();
    assert!(world.get(A, V, ObjectKind::Zip).await.is_err());
    assert_eq!(upstream.total(), asked);
    let honest = upstream.built(A, V).expect("built");
    upstream.set_reply("/example.com/a/@v/v1.0.0.zip", Reply::ok("application/zip", honest.zip));
    world.clock.advance(Duration::from_secs(61));
    assert!(world.get(A, V, ObjectKind::Zip).await.is_ok());
}

#[tokio::test]
async fn a_large_forged_zip_is_never_completed() {
    let honest = ModuleBuilder::new(A, V).file("data.bin", Rng::new(1).bytes(2 << 20)).build();
    let forged = ModuleBuilder::new(A, V).file("data.bin", Rng::new(2).bytes(2 << 20)).build();
    let (upstream, sumdb, world) = stage(|_| {}).await;
    sumdb.record("example.com/big", V, &honest.h1, &honest.mod_h1);
    drop(upstream);
    let upstream =
        FakeUpstream::new().built(forged).sumdb(&FakeSumdb::new("unused.example.com", 9)).start().await;
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    sumdb.record(A, V, &honest.h1, &honest.mod_h1);
    let database = FakeUpstream::new().sumdb(&sumdb).start().await;
    let other = Setup::chain(upstream.url()).verified_by(&sumdb, database.url());
    let world = world.restarted(other);
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    assert!(matches!(served.body, Body::Growing(_)));
    assert!(read(served).await.is_none(), "a forged body was completed");
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("forged");
    assert_eq!(failure.reason, Reason::ChecksumMismatch);
    assert!(!world.stored(A, V, ObjectKind::Zip));
}

#[tokio::test]
async fn an_unknown_version_is_refused_with_advice() {
    let (upstream, _sumdb, world) = stage(|_| {}).await;
    upstream.add(&ModuleBuilder::new("example.com/new", V));
    let failure = world.get("example.com/new", V, ObjectKind::Mod).await.expect_err("unknown");
    assert_eq!(failure.reason, Reason::ChecksumUnknown);
    assert!(
        failure.text().contains("just published") && failure.text().contains("private route"),
        "{failure:?}"
    );
    assert!(!failure.text().contains("GONOSUMDB"), "{failure:?}");
    assert_printable(&failure);
}

#[tokio::test]
async fn an_unknown_version_is_known_after_a_purge() {
    const NEW: &str = "example.com/new";
    let (upstream, sumdb, world) = stage(|_| {}).await;
    let built = upstream.add(&ModuleBuilder::new(NEW, V));
    assert_eq!(
        world.get(NEW, V, ObjectKind::Zip).await.expect_err("unknown").reason,
        Reason::ChecksumUnknown
    );
    sumdb.record(NEW, V, &built.h1, &built.mod_h1);
    assert_eq!(
        world.get(NEW, V, ObjectKind::Zip).await.expect_err("unknown").reason,
        Reason::ChecksumUnknown
    );
    world.engine.purge(&module(NEW)).await;
    assert!(world.get(NEW, V, ObjectKind::Zip).await.is_ok());
}

#[tokio::test]
async fn unknown_is_repeated_no_longer_than_an_absence() {
    const NEW: &str = "example.com/new";
    let (upstream, _sumdb, world) =
        stage(|setup| setup.adjust = |settings| settings.absence_freshness = Duration::from_secs(5)).await;
    upstream.add(&ModuleBuilder::new(NEW, V));
    let ask = || world.get(NEW, V, ObjectKind::Mod);
    assert!(ask().await.is_err() && ask().await.is_err());
    assert_eq!(upstream.requests("/example.com/new/@v/v1.0.0.mod"), 1);
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(ask().await.expect_err("unknown").reason, Reason::ChecksumUnknown);
    assert_eq!(upstream.requests("/example.com/new/@v/v1.0.0.mod"), 2);
}

#[tokio::test]
async fn a_database_that_lies_is_asked_again_at_once() {
    let (_upstream, sumdb, world) = stage(|_| {}).await;
    sumdb.forge(Some(Forgery::BrokenSignature));
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect_err("lies").reason, Reason::ChecksumSecurity);
    sumdb.forge(None);
    assert!(world.get(A, V, ObjectKind::Zip).await.is_ok());
}

#[tokio::test]
async fn without_the_database_nothing_new_is_served_but_everything_stored_is() {
    let (_upstream, sumdb, world) = stage(|_| {}).await;
    world.settled(A, V, ObjectKind::Mod).await;
    sumdb.set_outage(Some(Outage::Status(500)));
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("stored").outcome, "hit");
    // The record is held, so the zip can be verified still.
    assert!(world.get(A, V, ObjectKind::Zip).await.is_ok());
}

#[tokio::test]
async fn the_database_being_down_is_said_and_not_taken_for_anything_else() {
    let (upstream, sumdb, world) = stage(|_| {}).await;
    sumdb.set_outage(Some(Outage::Status(500)));
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("unverifiable");
    assert_eq!(failure.reason, Reason::ChecksumUnavailable);
    assert!(failure.text().contains(&upstream.host()), "{failure:?}");
    assert_printable(&failure);
    assert!(!world.stored(A, V, ObjectKind::Mod));
    sumdb.set_outage(None);
    assert!(world.get(A, V, ObjectKind::Mod).await.is_ok());
}

#[tokio::test]
async fn a_version_that_came_is_never_called_absent_because_the_database_is_down() {
    const NEW: &str = "v1.1.0";
    let (upstream, sumdb, world) = stage(|_| {}).await;
    sumdb.set_outage(Some(Outage::Status(500)));
    for kind in [ObjectKind::Mod, ObjectKind::Zip] {
        let failure = world.get(A, NEW, kind).await.expect_err("not published yet");
        assert_eq!(failure.reason, Reason::Absent);
    }
    upstream.add(&ModuleBuilder::new(A, NEW));
    world.clock.advance(Duration::from_secs(61));
    for kind in [ObjectKind::Mod, ObjectKind::Zip] {
        for _ in 0..2 {
            let failure = world.get(A, NEW, kind).await.expect_err("unverifiable");
            assert_eq!(failure.reason, Reason::ChecksumUnavailable, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn when_reachable_serves_and_marks_and_checks_later() {
    let (upstream, sumdb, world) = stage(|setup| setup.verify = VerifyMode::WhenReachable).await;
    sumdb.set_outage(Some(Outage::Status(500)));
    world.settled(A, V, ObjectKind::Zip).await;
    let marked = |world: &World| {
        let key = ObjectKey::new(of(A, V), ObjectKind::Zip);
        world.store.object(&key).expect("readable").expect("stored").marks.unverified
    };
    assert!(marked(&world));
    // A route that demands verification doesn't serve it on trust.
    let again = |verify| {
        let mut setup = Setup::chain(upstream.url()).verified_by(&sumdb, upstream.url());
        setup.verify = verify;
        setup
    };
    let world = world.restarted(again(VerifyMode::Required));
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("unverified");
    assert_eq!(failure.reason, Reason::ChecksumUnavailable);
    sumdb.set_outage(None);
    assert_eq!(world.get(A, V, ObjectKind::Zip).await.expect("verified now").outcome, "hit");
    assert!(!marked(&world));
}

#[tokio::test]
async fn modules_outside_the_database_are_not_looked_up() {
    let (upstream, sumdb, world) = stage(|setup| setup.nosumdb = "example.com/quiet").await;
    upstream.add(&ModuleBuilder::new("example.com/quiet", V));
    assert!(world.get("example.com/quiet", V, ObjectKind::Zip).await.is_ok());
    assert!(sumdb.requests().iter().all(|path| !path.contains("quiet")));
}

#[tokio::test]
async fn the_database_learns_no_name_that_no_upstream_has() {
    let (upstream, sumdb, world) = stage(|_| {}).await;
    for fault in [None, Some(Fault::Status(500)), Some(Fault::Status(403))] {
        match fault {
            Some(fault) => upstream.set_fault_everywhere(fault),
            None => upstream.heal(),
        }
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            assert!(world.get("corp.example.com/secret", V, kind).await.is_err());
        }
    }
    assert!(sumdb.requests().is_empty(), "{:?}", sumdb.requests());
}

#[tokio::test]
async fn toolchains_are_verified_whatever_is_set() {
    let version = "v0.0.1-go1.99.0.linux-amd64";
    let toolchain = ModuleBuilder::new(TOOLCHAIN_MODULE, version).file("bin/go", "#!/bin/sh\n");
    let build = || FakeUpstream::new().with(&toolchain);
    // No database at all.
    let upstream = build().start().await;
    let world = Setup::chain(upstream.url()).start();
    let failure = world.get(TOOLCHAIN_MODULE, version, ObjectKind::Zip).await.expect_err("unverifiable");
    assert_eq!(failure.reason, Reason::ChecksumUnavailable);
    // A database, but every way of switching it off.
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = build().sumdb(&sumdb).start().await;
    let setup = || {
        let mut setup = Setup::chain(upstream.url()).verified_by(&sumdb, upstream.url());
        setup.verify = VerifyMode::Off;
        setup.nosumdb = "golang.org";
        setup
    };
    let world = setup().start();
    sumdb.set_outage(Some(Outage::Status(500)));
    let failure = world.get(TOOLCHAIN_MODULE, version, ObjectKind::Zip).await.expect_err("unverifiable");
    assert_eq!(failure.reason, Reason::ChecksumUnavailable);
    // One that was put into the store by hand is not believed either.
    toolchain.build().write_to(world.store.modules_folder()).expect("copied");
    let failure = world.get(TOOLCHAIN_MODULE, version, ObjectKind::Zip).await.expect_err("unverifiable");
    assert_eq!(failure.reason, Reason::ChecksumUnavailable);
    sumdb.set_outage(None);
    assert!(world.get(TOOLCHAIN_MODULE, version, ObjectKind::Zip).await.is_ok());
}

#[tokio::test]
async fn a_wrong_object_in_the_store_is_moved_aside() {
    let (_upstream, _sumdb, world) = stage(|_| {}).await;
    let forged = ModuleBuilder::new(A, V).go_mod("module example.com/a\n\ngo 1.99\n").build();
    forged.write_to(world.store.modules_folder()).expect("copied");
    for kind in [ObjectKind::Mod, ObjectKind::Zip] {
        let got = world.get(A, V, kind).await.expect("fetched anew");
        assert_eq!(got.outcome, "miss");
        assert!(got.body != forged.zip && got.body != forged.go_mod);
    }
}

#[tokio::test]
async fn a_private_name_is_not_looked_up_for_a_client() {
    let (upstream, sumdb, world) = stage(|setup| {
        setup.private = vec![("corp.example.com", "off".to_owned())];
    })
    .await;
    let request = ChecksumRequest::Lookup {
        module: module("corp.example.com/x"),
        version: V.parse().expect("a version"),
    };
    let ask = |access: Access| {
        let (engine, request) = (std::sync::Arc::clone(&world.engine), request.clone());
        async move { engine.checksum("sum.example.com", &request, &access).await.expect_err("refused") }
    };
    let failure = ask(Access::trusted("inside")).await;
    assert_eq!(failure.reason, Reason::PrivateLookup);
    assert!(failure.text().contains("GONOSUMDB=corp.example.com"), "{failure:?}");
    assert_printable(&failure);
    let failure = ask(Access { client_is_private_ok: false, ..Access::trusted("outside") }).await;
    assert_eq!(failure.reason, Reason::PrivateClients);
    assert!(!failure.text().contains("GONOSUMDB"), "{failure:?}");
    assert!(sumdb.requests().is_empty() && upstream.total() == 0);
}

#[tokio::test]
async fn a_lying_mod_is_refused_though_it_is_a_go_mod() {
    let (upstream, _sumdb, world) = stage(|_| {}).await;
    upstream.set_fault(Endpoint::Mod, Fault::OtherModule);
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::ChecksumMismatch);
}
