//! Fetching ahead keeps nobody waiting, blames nobody, and leaves those alone who have trouble.

use std::time::Duration;

use crate::common::{Setup, World, old, on_connection};
use larder_cache::Reason;
use larder_module::request::ObjectKind::{Info, Mod, Zip};
use larder_testkit::{FakeUpstream, Fault, ModuleBuilder, RunningUpstream, sumdb::FakeSumdb};
use larder_upstream::{Concurrency, Prefetch};

const V: &str = "v1.0.0";
const A: &str = "example.com/a";
const B: &str = "example.com/b";

fn full(upstream: &RunningUpstream) -> Setup {
    Setup { prefetch: Prefetch::Full, ..Setup::chain(upstream.url()) }
}

fn mod_path(module: &str) -> String {
    format!("/{module}/@v/{V}.mod")
}

async fn two() -> RunningUpstream {
    FakeUpstream::new().with(&old(A).require(B, V)).module(B, V).start().await
}

async fn wish_failed(world: &World) {
    world
        .until("the wish failed", |world| {
            world.engine.render_metrics().contains("prefetch_wishes_total{kind=\"mod\",result=\"failed\"} 1")
        })
        .await;
}

#[tokio::test]
async fn a_storm_of_guesses_takes_no_turn_of_a_client() {
    let mut root = old(A);
    let names: Vec<String> = (0..40).map(|number| format!("example.com/stalled{number}")).collect();
    for name in &names {
        root = root.require(name, V);
    }
    let upstream = FakeUpstream::new().with(&root).module(B, V).start().await;
    for name in &names {
        upstream.add(&ModuleBuilder::new(name, V));
        upstream.set_fault_on(&mod_path(name), Fault::StallBeforeHead, None);
    }
    let world = Setup {
        concurrency: Concurrency { in_flight: 1, ahead: 4, queue: 1, ..Concurrency::default() },
        adjust: |settings| {
            settings.fetches = 1;
            settings.fetch_queue = 1;
            settings.examinations = 1;
        },
        ..full(&upstream)
    }
    .start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.until("guesses wait", |_| upstream.log().len() == 5).await;
    for kind in [Mod, Info, Zip] {
        let got =
            tokio::time::timeout(Duration::from_secs(4), world.get_as(B, V, kind, &on_connection(1))).await;
        got.expect("it doesn't wait").expect("served");
    }
    assert_eq!(upstream.log().len(), 5 + 3, "and the guesses still have no more than their own room");
}

#[tokio::test]
async fn a_client_that_asks_for_what_a_guess_waits_for_takes_a_clients_turn() {
    let upstream = FakeUpstream::new()
        .with(&old(A).require("example.com/ab", V))
        .with(&old("example.com/d").require(B, V))
        .module("example.com/ab", V)
        .module(B, V)
        .start()
        .await;
    upstream.set_fault_on(&mod_path("example.com/ab"), Fault::StallBeforeHead, None);
    let world = Setup {
        concurrency: Concurrency { in_flight: 1, ahead: 1, ..Concurrency::default() },
        ..full(&upstream)
    }
    .start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    assert!(upstream.wait_for_requests(&mod_path("example.com/ab"), 1, Duration::from_secs(10)).await);
    world.get_as("example.com/d", V, Mod, &on_connection(1)).await.expect("served");
    world
        .until("both are under way", |world| {
            world.engine.render_metrics().contains("larder_prefetch_in_flight 2\n")
        })
        .await;
    let got = tokio::time::timeout(Duration::from_secs(4), world.get_as(B, V, Mod, &on_connection(1))).await;
    got.expect("it doesn't wait").expect("served");
    assert_eq!(upstream.requests(&mod_path(B)), 1);
}

#[tokio::test]
async fn a_guess_that_failed_is_remembered_by_nobody() {
    let upstream = two().await;
    upstream.set_fault_on(&mod_path(B), Fault::Status(500), None);
    let world = Setup { breaker_failures: 1, ..full(&upstream) }.start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    assert_eq!(upstream.requests(&mod_path(B)), 1, "and it isn't tried again");
    assert!(world.store.causes(&crate::common::module(B)).is_empty());
    upstream.heal();
    assert!(world.get_as(B, V, Mod, &on_connection(1)).await.is_ok(), "its breaker is shut");
}

#[tokio::test]
async fn a_client_that_joined_a_guess_that_failed_gets_an_attempt_of_its_own() {
    let upstream = two().await;
    upstream.set_fault_on(&mod_path(B), Fault::StallBeforeHead, Some(1));
    let mut setup = full(&upstream);
    setup.timeouts.first_byte = Duration::from_millis(300);
    let world = setup.start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    assert!(upstream.wait_for_requests(&mod_path(B), 1, Duration::from_secs(10)).await);
    let got = world.get_as(B, V, Mod, &on_connection(1)).await;
    assert!(got.is_ok(), "{got:?}");
    assert_eq!(upstream.requests(&mod_path(B)), 2);
}

#[tokio::test]
async fn an_upstream_that_wants_fewer_requests_gets_none_ahead() {
    let upstream = FakeUpstream::new()
        .with(&old(A).require(B, V))
        .with(&old(B).require("example.com/c", V))
        .module("example.com/c", V)
        .start()
        .await;
    upstream.set_fault_on(&mod_path(B), Fault::RetryAfter(429, 30), Some(1));
    let world = full(&upstream).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    assert!(world.get_as(B, V, Mod, &on_connection(1)).await.is_ok(), "a client finds out for itself");
    world
        .until("the next guess failed", |world| {
            world.engine.render_metrics().contains("prefetch_wishes_total{kind=\"mod\",result=\"failed\"} 2")
        })
        .await;
    assert_eq!(upstream.requests(&mod_path("example.com/c")), 0);
}

#[tokio::test]
async fn a_guess_whose_body_breaks_off_leaves_no_trace() {
    let upstream = two().await;
    upstream.set_fault_on(&mod_path(B), Fault::TruncatedLength, Some(1));
    let world = full(&upstream).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    assert!(!world.stored(B, V, Mod));
    assert!(!world.engine.render_metrics().contains("event=\"aborted\""), "nobody's body broke");
    assert!(world.get_as(B, V, Mod, &on_connection(1)).await.is_ok());
}

#[tokio::test]
async fn absence_that_a_guess_met_is_true_for_clients_as_well() {
    let upstream = two().await;
    upstream.remove(B, V);
    let world = full(&upstream).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    let failure = world.get_as(B, V, Mod, &on_connection(1)).await.expect_err("absent");
    assert_eq!(failure.reason, Reason::Absent);
    assert_eq!(upstream.requests(&mod_path(B)), 1, "it was said a moment ago");
}

#[tokio::test]
async fn repositories_are_asked_for_nothing_that_nobody_waits_for() {
    let upstream = FakeUpstream::new().with(&old(A).require(B, V)).start().await;
    let world =
        Setup { prefetch: Prefetch::Full, ..Setup::chain(format!("{},direct", upstream.url())) }.start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    // It was absent at the proxy only: that is no absence of the whole chain, and nothing of it is remembered.
    world.get_as(B, V, Mod, &on_connection(1)).await.expect_err("there is no repository either");
    assert_eq!(upstream.requests(&mod_path(B)), 2);
}

#[tokio::test]
async fn what_is_fetched_ahead_is_verified_like_everything_else() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = FakeUpstream::new().with(&old(A).require(B, V)).sumdb(&sumdb).start().await;
    upstream.add(&ModuleBuilder::new(B, V));
    for module in [A, B] {
        let built = upstream.built(module, V).expect("built");
        sumdb.record(module, V, &built.h1, &built.mod_h1);
    }
    upstream.set_fault_on(&mod_path(B), Fault::FlippedByte, None);
    let world = full(&upstream).verified_by(&sumdb, upstream.url()).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    assert!(!world.stored(B, V, Mod));
    let failure = world.get_as(B, V, Mod, &on_connection(1)).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::ChecksumMismatch);
}

fn lookup_path(module: &str) -> String {
    format!("/lookup/{module}@{V}")
}

#[tokio::test]
async fn what_a_proven_file_names_is_looked_up_while_it_is_fetched() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = FakeUpstream::new().with(&old(A).require(B, V)).module(B, V).sumdb(&sumdb).start().await;
    upstream.set_fault_on(&mod_path(B), Fault::StallBeforeHead, None);
    let world = full(&upstream).verified_by(&sumdb, upstream.url()).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    world.until("it is looked up", |_| sumdb.requests().contains(&lookup_path(B))).await;
    assert_eq!(upstream.requests(&mod_path(B)), 1, "and its file hasn't come");
}

#[tokio::test]
async fn a_file_that_nobody_proved_tells_the_database_no_name() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let inside = FakeUpstream::new().with(&old("corp.example.com/a").require(B, V)).start().await;
    let upstream = FakeUpstream::new().module(B, V).sumdb(&sumdb).start().await;
    upstream.set_fault_on(&mod_path(B), Fault::Status(404), None);
    let world = Setup {
        private: vec![("corp.example.com", inside.url().to_owned())],
        ..full(&upstream).verified_by(&sumdb, upstream.url())
    }
    .start();
    // Spoken of in public, so that the private file is followed.
    world.get_as(B, V, Info, &on_connection(1)).await.expect("served");
    world.get_as("corp.example.com/a", V, Mod, &on_connection(1)).await.expect("served");
    wish_failed(&world).await;
    assert_eq!(upstream.requests(&mod_path(B)), 1, "it was fetched ahead in vain");
    assert!(!sumdb.requests().contains(&lookup_path(B)), "{:?}", sumdb.requests());
}
