//! One fetch for all, hits without anybody, and truth about failures.

use std::{sync::Arc, time::Duration};

use crate::common::{Setup, World, assert_printable, cached_only, of, read};
use larder_cache::{Access, Reason};
use larder_module::request::ObjectKind;
use larder_store::ObjectKey;
use larder_testkit::{Endpoint, FakeUpstream, Fault, ModuleBuilder, RunningUpstream};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";
const KINDS: [ObjectKind; 3] = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip];

async fn plain() -> (RunningUpstream, World) {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(upstream.url()).start();
    (upstream, world)
}

#[tokio::test]
async fn an_object_is_fetched_once_and_then_served_without_anybody() {
    let (upstream, world) = plain().await;
    let built = upstream.built(A, V).expect("built");
    for (kind, bytes) in KINDS.into_iter().zip([&built.info, &built.go_mod, &built.zip]) {
        let first = world.get(A, V, kind).await.expect("served");
        assert_eq!((&first.body[..], first.outcome), (&bytes[..], "miss"));
        world.settled(A, V, kind).await;
        let again = world.get(A, V, kind).await.expect("served");
        assert_eq!(&again.body[..], &bytes[..]);
        assert_eq!(again.etag, first.etag, "one entity tag, hit or miss");
        assert_eq!(upstream.requests(&built.url_path(kind.extension())), 1);
    }
    upstream.cut();
    for kind in KINDS {
        assert_eq!(world.get(A, V, kind).await.expect("served").outcome, "hit");
    }
    let world = world.restarted(Setup::chain(upstream.url()));
    for kind in KINDS {
        assert_eq!(world.get(A, V, kind).await.expect("served").outcome, "hit");
    }
}

#[tokio::test]
async fn metadata_never_costs_a_zip() {
    let (upstream, world) = plain().await;
    world.get(A, V, ObjectKind::Info).await.expect("served");
    world.get(A, V, ObjectKind::Mod).await.expect("served");
    assert_eq!(upstream.total(), 2);
    assert!(!world.stored(A, V, ObjectKind::Zip));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_share_one_fetch_and_the_first_may_leave() {
    let (upstream, world) = plain().await;
    let built = upstream.built(A, V).expect("built");
    upstream.set_delay(Duration::from_millis(150));
    let version = of(A, V);
    let first = tokio::spawn({
        let (engine, version) = (Arc::clone(&world.engine), version.clone());
        async move { engine.object(&version, ObjectKind::Zip, &Access::trusted("first")).await.map(drop) }
    });
    assert!(upstream.wait_for_requests(&built.url_path("zip"), 1, Duration::from_secs(10)).await);
    first.abort();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let (engine, version) = (Arc::clone(&world.engine), version.clone());
            tokio::spawn(async move {
                let access = Access::trusted("caller");
                let served = engine.object(&version, ObjectKind::Zip, &access).await.expect("served");
                read(served).await.expect("whole").body
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("no panic"), &built.zip[..]);
    }
    assert_eq!(upstream.requests(&built.url_path("zip")), 1);
}

#[tokio::test]
async fn a_failure_is_not_shared_with_later_callers() {
    let (upstream, world) = plain().await;
    upstream.set_fault(Endpoint::Mod, Fault::Status(500));
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("broken");
    assert_eq!(failure.reason, Reason::BadUpstream);
    assert_printable(&failure);
    assert!(failure.text().contains(&upstream.host()), "{failure:?}");
    upstream.heal();
    assert!(world.get(A, V, ObjectKind::Mod).await.is_ok());
}

#[tokio::test]
async fn every_fault_has_its_reason_and_is_never_absence() {
    for (status, reason) in [
        (401, Reason::Denied),
        (403, Reason::Denied),
        (400, Reason::BadUpstream),
        (500, Reason::BadUpstream),
        (502, Reason::BadUpstream),
        (504, Reason::UpstreamTimeout),
    ] {
        let (upstream, world) = plain().await;
        upstream.set_fault_everywhere(Fault::Status(status));
        for kind in KINDS {
            let failure = world.get(A, V, kind).await.expect_err("refused");
            assert_eq!(failure.reason, reason, "{status} {kind}");
            assert_printable(&failure);
            assert!(!world.stored(A, V, kind));
        }
    }
    for status in [404, 410] {
        let (upstream, world) = plain().await;
        upstream.set_fault_everywhere(Fault::Status(status));
        let failure = world.get(A, V, ObjectKind::Info).await.expect_err("absent");
        assert_eq!(failure.reason, Reason::Absent);
        assert!(failure.lines[0].starts_with("not found: "), "{failure:?}");
    }
}

#[tokio::test]
async fn bad_content_is_the_upstreams_fault_and_not_stored() {
    for fault in [Fault::HtmlOk, Fault::HtmlDisguised, Fault::BrokenZip, Fault::OtherModule, Fault::EmptyBody]
    {
        let (upstream, world) = plain().await;
        upstream.set_fault_everywhere(fault.clone());
        // Another module's go.mod is a go.mod; only the checksum database can tell.
        for kind in [ObjectKind::Info, ObjectKind::Zip] {
            let failure = world.get(A, V, kind).await.expect_err("refused");
            assert_eq!(failure.reason, Reason::BadUpstream, "{fault:?} {kind}");
            assert_printable(&failure);
            assert!(!world.stored(A, V, kind));
        }
    }
}

#[tokio::test]
async fn a_pipe_reaches_past_bad_content_and_a_comma_does_not() {
    let bad = FakeUpstream::new().module(A, V).fault(Endpoint::Zip, Fault::BrokenZip).start().await;
    let good = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(format!("{bad}|{good}")).start();
    assert!(world.get(A, V, ObjectKind::Zip).await.is_ok());
    let world = Setup::chain(format!("{bad},{good}")).start();
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::BadUpstream);
    assert_eq!(good.total(), 1);
}

#[tokio::test]
async fn a_client_waits_only_so_long_and_the_next_joins() {
    let upstream = FakeUpstream::new().module(A, V).delay(Duration::from_millis(400)).start().await;
    let mut setup = Setup::chain(upstream.url());
    setup.adjust = |settings| settings.status_budget = Duration::from_millis(50);
    let world = setup.start();
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("slow");
    assert_eq!(failure.reason, Reason::StillFetching);
    assert!(failure.text().contains(&upstream.host()), "{failure:?}");
    assert_printable(&failure);
    let mut rounds = 0;
    while world.get(A, V, ObjectKind::Zip).await.is_err() {
        rounds += 1;
        assert!(rounds < 200, "it never comes");
    }
    assert_eq!(upstream.requests("/example.com/a/@v/v1.0.0.zip"), 1);
}

#[tokio::test]
async fn too_many_fetches_are_turned_away_and_hits_are_not() {
    let upstream = FakeUpstream::new().module(A, V).module("example.com/b", V).start().await;
    let mut setup = Setup::chain(upstream.url());
    setup.adjust = |settings| {
        settings.fetches = 1;
        settings.fetch_queue = 0;
    };
    let world = setup.start();
    world.settled(A, V, ObjectKind::Mod).await;
    upstream.set_delay(Duration::from_secs(1));
    let busy = tokio::spawn({
        let engine = Arc::clone(&world.engine);
        async move { engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("busy")).await.is_ok() }
    });
    assert!(upstream.wait_for_requests("/example.com/a/@v/v1.0.0.zip", 1, Duration::from_secs(5)).await);
    let failure = world.get("example.com/b", V, ObjectKind::Mod).await.expect_err("saturated");
    assert!(matches!(failure.reason, Reason::Saturated { .. }), "{failure:?}");
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("a hit").outcome, "hit");
    assert!(busy.await.expect("no panic"));
}

#[tokio::test]
async fn cached_only_never_asks_anybody() {
    let (upstream, world) = plain().await;
    let failure = world.get_as(A, V, ObjectKind::Mod, &cached_only()).await.expect_err("not stored");
    assert_eq!(failure.reason, Reason::CachedOnly);
    assert!(failure.lines[0].contains("temporarily unavailable"), "{failure:?}");
    assert_eq!(upstream.total(), 0);
    world.settled(A, V, ObjectKind::Mod).await;
    assert_eq!(world.get_as(A, V, ObjectKind::Mod, &cached_only()).await.expect("stored").outcome, "hit");
}

#[tokio::test]
async fn private_modules_are_for_private_clients_and_go_to_their_chain_only() {
    let public = FakeUpstream::new().module(A, V).start().await;
    let inside = FakeUpstream::new().module("corp.example.com/x", V).start().await;
    let mut setup = Setup::chain(public.url());
    setup.private = vec![("corp.example.com", inside.url().to_owned())];
    let world = setup.start();
    let stranger = Access { client_is_private_ok: false, ..Access::trusted("stranger") };
    let failure =
        world.get_as("corp.example.com/x", V, ObjectKind::Mod, &stranger).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::PrivateClients);
    assert!(failure.private && failure.text().contains("private_clients"), "{failure:?}");
    let got = world.get("corp.example.com/x", V, ObjectKind::Mod).await.expect("served");
    assert!(got.private);
    let failure = world.get("corp.example.com/y", V, ObjectKind::Mod).await.expect_err("absent");
    assert!(failure.private);
    assert_eq!(public.total(), 0, "a private name reached a public upstream");
}

#[tokio::test]
async fn look_ups_off_say_so() {
    let world = Setup::chain("off").start();
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("off");
    assert_eq!(failure.reason, Reason::LookupsOff);
    assert_printable(&failure);
    let upstream = FakeUpstream::new().start().await;
    let world = Setup::chain(format!("{upstream},off")).start();
    let failure = world.get(A, V, ObjectKind::Mod).await.expect_err("absent");
    assert_eq!(failure.reason, Reason::Absent);
    assert!(failure.text().contains("look-ups are off"), "{failure:?}");
}

#[tokio::test]
async fn what_was_damaged_on_the_disk_is_fetched_anew() {
    let (upstream, world) = plain().await;
    for kind in KINDS {
        world.settled(A, V, kind).await;
    }
    for kind in KINDS {
        let path = world.store.modules_folder().join(ObjectKey::new(of(A, V), kind).relative_path());
        let mut bytes = fs_err::read(&path).expect("stored");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs_err::remove_file(&path).expect("removed");
        fs_err::write(&path, bytes).expect("written");
    }
    let built = upstream.built(A, V).expect("built");
    let world = world.restarted(Setup::chain(upstream.url()));
    for (kind, bytes) in KINDS.into_iter().zip([&built.info, &built.go_mod, &built.zip]) {
        let got = world.get(A, V, kind).await.expect("served");
        assert_eq!((&got.body[..], got.outcome), (&bytes[..], "miss"), "{kind}");
    }
    assert_eq!(world.store.events(10).len(), 3);
}

#[tokio::test]
async fn a_copied_module_cache_is_served_after_being_examined() {
    let upstream = FakeUpstream::new().start().await;
    let world = Setup::chain(upstream.url()).start();
    let built = ModuleBuilder::new(A, V).build();
    built.write_to(world.store.modules_folder()).expect("copied");
    let other = ModuleBuilder::new("example.com/other", V).build();
    let bad = world.store.modules_folder().join("example.com/bad/@v");
    fs_err::create_dir_all(&bad).expect("made");
    fs_err::write(bad.join("v1.0.0.zip"), &other.zip).expect("copied");
    for kind in KINDS {
        assert_eq!(world.get(A, V, kind).await.expect("served").outcome, "hit");
    }
    assert_eq!(upstream.total(), 0);
    let failure = world.get("example.com/bad", V, ObjectKind::Zip).await.expect_err("not there");
    assert_eq!(failure.reason, Reason::Absent, "the wrong zip was moved aside and the upstream asked");
}

#[tokio::test]
async fn shutting_down_serves_hits_and_starts_nothing() {
    let (upstream, world) = plain().await;
    world.settled(A, V, ObjectKind::Mod).await;
    assert!(world.engine.shutdown(Duration::from_secs(5)).await);
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("a hit").outcome, "hit");
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("stopping");
    assert_eq!(failure.reason, Reason::ShuttingDown);
    assert_eq!(upstream.total(), 1);
}

#[tokio::test]
async fn figures_tell_hits_from_misses() {
    let (_upstream, world) = plain().await;
    world.get(A, V, ObjectKind::Mod).await.expect("served");
    world.settled(A, V, ObjectKind::Mod).await;
    let page = world.engine.render_metrics();
    assert!(page.contains(r#"larder_requests_total{kind="mod",outcome="miss"} "#), "{page}");
    assert!(page.contains(r#"larder_requests_total{kind="mod",outcome="hit"} "#), "{page}");
    assert!(page.contains("larder_upstream_fetch_seconds"), "{page}");
    assert!(page.contains(r#"state="closed"} 1"#), "{page}");
}
