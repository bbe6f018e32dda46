//! What is fetched before clients ask for it, and by whose leave.

use std::time::Duration;

use crate::common::{Setup, World, cached_only, old, on_connection};
use larder_cache::{Access, Reason};
use larder_module::request::ObjectKind::{self, Info, Mod, Zip};
use larder_module::version::ModuleVersion;
use larder_testkit::{FakeUpstream, ModuleBuilder, RunningUpstream};
use larder_upstream::{Prefetch, Trail};

const V: &str = "v1.0.0";
const A: &str = "example.com/a";
const B: &str = "example.com/b";
const C: &str = "example.com/c";

/// A requires B, and B requires C.
async fn graph() -> RunningUpstream {
    FakeUpstream::new()
        .with(&old(A).require(B, V))
        .with(&old(B).require(C, V))
        .with(&ModuleBuilder::new(C, V))
        .start()
        .await
}

fn ahead(upstream: &RunningUpstream, prefetch: Prefetch) -> World {
    Setup { prefetch, ..Setup::chain(upstream.url()) }.start()
}

fn asked(upstream: &RunningUpstream, module: &str, kind: ObjectKind) -> usize {
    upstream.requests(&format!("/{module}/@v/{V}.{}", kind.extension()))
}

#[tokio::test]
async fn what_a_go_mod_file_requires_is_there_before_it_is_asked_for() {
    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Full);
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.until("C is stored", |world| world.stored(B, V, Mod) && world.stored(C, V, Mod)).await;
    world.settled(C, V, Mod).await;
    for module in [A, B, C] {
        world.get_as(module, V, Mod, &on_connection(1)).await.expect("served");
        assert_eq!(asked(&upstream, module, Mod), 1, "{module} is asked for once");
    }
}

#[tokio::test]
async fn a_hit_leads_to_the_rest_as_well() {
    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Full);
    world.get(A, V, Mod).await.expect("served");
    world.settled(A, V, Mod).await;
    assert_eq!(upstream.total(), 1, "a request of no connection leads to nothing");
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.until("C is stored", |world| world.stored(C, V, Mod)).await;
}

#[tokio::test]
async fn zips_follow_once_the_client_has_begun_with_them() {
    let named = |module| ModuleBuilder::new(module, V).go_line("1.22");
    let upstream = FakeUpstream::new()
        .with(&named(A).require(B, V).require(C, V))
        .with(&named(B).require(C, V))
        .with(&named(C))
        .start()
        .await;
    let world = ahead(&upstream, Prefetch::Full);
    for module in [A, B, C] {
        world.get_as(module, V, Mod, &on_connection(1)).await.expect("served");
    }
    for module in [A, B, C] {
        world.get_as(module, V, Info, &on_connection(1)).await.expect("served");
    }
    world.get_as(A, V, Zip, &on_connection(1)).await.expect("served");
    world.until("C's zip is stored", |world| world.stored(B, V, Zip) && world.stored(C, V, Zip)).await;
    for module in [A, B, C] {
        assert_eq!(asked(&upstream, module, Zip), 1);
    }
}

#[tokio::test]
async fn a_route_may_want_go_mod_files_only_or_nothing() {
    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Mods);
    for module in [A, B] {
        world.get_as(module, V, Mod, &on_connection(1)).await.expect("served");
    }
    world.get_as(A, V, Zip, &on_connection(1)).await.expect("served");
    world.until("C is stored", |world| world.stored(C, V, Mod)).await;
    assert_eq!(asked(&upstream, B, Zip) + asked(&upstream, C, Zip), 0);

    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Off);
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.settled(A, V, Mod).await;
    assert_eq!(upstream.total(), 1);
}

#[tokio::test]
async fn who_knows_what_will_be_asked_for_keeps_to_what_routes_want() {
    for (prefetch, expected) in
        [(Prefetch::Off, [false, false]), (Prefetch::Mods, [true, false]), (Prefetch::Full, [true, true])]
    {
        let upstream = graph().await;
        let world = ahead(&upstream, prefetch);
        let of = ModuleVersion::parse(A, V).expect("a module version");
        for (kind, expected) in [Mod, Zip].into_iter().zip(expected) {
            let body = world.engine.beforehand(&of, kind).await;
            assert_eq!(body.is_some(), expected, "{prefetch:?} {kind}");
        }
        assert_eq!(upstream.total(), expected.iter().filter(|expected| **expected).count());
    }
}

#[tokio::test]
async fn who_wants_nothing_fetched_or_comes_through_another_larder_causes_nothing() {
    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Full);
    let mut headers = http::HeaderMap::new();
    headers.insert("via", "1.1 larder-0123456789abcdef".parse().expect("a header"));
    let through = Access { trail: Trail::of(&headers), ..on_connection(1) };
    world.get_as(A, V, Mod, &through).await.expect("served");
    world.settled(A, V, Mod).await;
    let stored_only = Access { session: on_connection(2).session, ..cached_only() };
    world.get_as(A, V, Mod, &stored_only).await.expect("served");
    // Notes are read in order: when this one's consequences are there, the others' would be.
    let other = old("example.com/other").require("example.com/last", V);
    upstream.add(&other);
    upstream.add(&ModuleBuilder::new("example.com/last", V));
    world.get_as("example.com/other", V, Mod, &on_connection(3)).await.expect("served");
    world.until("last is stored", |world| world.stored("example.com/last", V, Mod)).await;
    assert_eq!(asked(&upstream, B, Mod), 0);
}

#[tokio::test]
async fn private_modules_come_from_their_own_chain_and_only_for_those_who_may_have_them() {
    const PRIVATE: &str = "git.corp.example/p";
    let public =
        FakeUpstream::new().with(&old(A).require(PRIVATE, V).require(C, V)).module(C, V).start().await;
    let private = FakeUpstream::new().module(PRIVATE, V).start().await;
    let setup = || Setup {
        prefetch: Prefetch::Full,
        private: vec![("git.corp.example/p", private.url().to_owned())],
        ..Setup::chain(public.url())
    };
    let world = setup().start();
    let stranger = Access { client_is_private_ok: false, ..on_connection(1) };
    world.get_as(A, V, Mod, &stranger).await.expect("served");
    world.until("C is stored", |world| world.stored(C, V, Mod)).await;
    assert_eq!(private.total(), 0, "nobody who may have it asked");
    let refused = world.get_as(PRIVATE, V, Mod, &stranger).await.expect_err("refused");
    assert_eq!(refused.reason, Reason::PrivateClients);

    let world = setup().start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.until("the private one is stored", |world| world.stored(PRIVATE, V, Mod)).await;
    assert!(public.log().iter().all(|request| !request.path.contains("corp")), "{:?}", public.log());
}

#[tokio::test]
async fn what_private_modules_name_reaches_no_public_upstream_unless_it_was_spoken_of_in_public() {
    const PRIVATE: &str = "git.corp.example/team/p";
    const HIDDEN: &str = "git.corp.example/other/secret";
    let public = FakeUpstream::new().module(A, V).module(C, V).module(HIDDEN, V).start().await;
    let private = FakeUpstream::new()
        .with(&old(PRIVATE).require(HIDDEN, V).require(A, "v1.1.0").require(C, V))
        .start()
        .await;
    public.add(&ModuleBuilder::new(A, "v1.1.0"));
    let world = Setup {
        prefetch: Prefetch::Full,
        private: vec![("git.corp.example/team", private.url().to_owned())],
        ..Setup::chain(public.url())
    }
    .start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.get_as(PRIVATE, V, Mod, &on_connection(1)).await.expect("served");
    world.until("the other version is stored", |world| world.stored(A, "v1.1.0", Mod)).await;
    let heard: Vec<_> = public.log().into_iter().map(|request| request.path).collect();
    assert!(
        heard.iter().all(|path| !path.contains("secret") && !path.contains("example.com/c")),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_client_that_asks_meanwhile_joins_what_is_under_way() {
    let upstream = graph().await;
    let world = ahead(&upstream, Prefetch::Full);
    upstream.set_delay(Duration::from_millis(200));
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    assert!(upstream.wait_for_requests(&format!("/{B}/@v/{V}.mod"), 1, Duration::from_secs(10)).await);
    let got = world.get_as(B, V, Mod, &on_connection(1)).await.expect("served");
    assert_eq!(got.outcome, "miss");
    assert_eq!(asked(&upstream, B, Mod), 1);
    let page = world.engine.render_metrics();
    world
        .until("it is counted", |world| {
            world.engine.render_metrics().contains("prefetch_wishes_total{kind=\"mod\",result=\"joined\"} 1")
        })
        .await;
    drop(page);
}
