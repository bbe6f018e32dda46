//! What was fetched ahead and nobody asked for: counted, bounded, and never confused with what somebody did ask for.

use std::time::Duration;

use crate::common::{Setup, World, old, on_connection};
use larder_cache::EngineSettings;
use larder_module::request::ObjectKind::Mod;
use larder_testkit::{FakeUpstream, ModuleBuilder, RunningUpstream};
use larder_upstream::Prefetch;

const V: &str = "v1.0.0";
const A: &str = "example.com/a";
const B: &str = "example.com/b";
const C: &str = "example.com/c";

/// A requires B and C.
async fn graph() -> RunningUpstream {
    let (b, c) = (ModuleBuilder::new(B, V), ModuleBuilder::new(C, V));
    FakeUpstream::new().with(&old(A).require(B, V).require(C, V)).with(&b).with(&c).start().await
}

fn setup(upstream: &RunningUpstream, adjust: fn(&mut EngineSettings)) -> Setup {
    Setup { prefetch: Prefetch::Full, adjust, ..Setup::chain(upstream.url()) }
}

/// Has B and C fetched ahead, asks for B, and waits until the index knows.
async fn one_of_two_is_used(upstream: &RunningUpstream, adjust: fn(&mut EngineSettings)) -> World {
    let world = setup(upstream, adjust).start();
    world.get_as(A, V, Mod, &on_connection(1)).await.expect("served");
    let both = "larder_prefetch_fetched_total{kind=\"mod\"} 2";
    world.until("both are stored", |world| world.engine.render_metrics().contains(both)).await;
    world.get_as(B, V, Mod, &on_connection(1)).await.expect("served");
    let used = "larder_prefetch_used_total{kind=\"mod\"} 1";
    world.until("one is used", |world| world.engine.render_metrics().contains(used)).await;
    assert!(world.engine.shutdown(Duration::from_secs(5)).await);
    world
}

fn unused(world: &World) -> Vec<String> {
    world.store.unused().iter().map(|unused| unused.key.to_string()).collect()
}

#[tokio::test]
async fn the_mark_of_what_nobody_asked_for_survives_a_restart() {
    let upstream = graph().await;
    let world = one_of_two_is_used(&upstream, |_| {}).await;
    assert_eq!(unused(&world), [format!("{C}@{V}.mod")]);
    upstream.cut();
    let world = world.restarted(setup(&upstream, |_| {}));
    let left = "larder_prefetch_unused{kind=\"mod\"} 1";
    world.until("it is counted", |world| world.engine.render_metrics().contains(left)).await;
    assert_eq!(world.get(C, V, Mod).await.expect("served").outcome, "hit");
    assert!(world.engine.shutdown(Duration::from_secs(5)).await);
    assert_eq!(unused(&world), [] as [&str; 0], "whoever asks, it was asked for");
}

#[tokio::test]
async fn what_nobody_asked_for_is_removed_beyond_its_share() {
    let upstream = graph().await;
    let world = one_of_two_is_used(&upstream, |_| {}).await;
    let world = world.restarted(setup(&upstream, |settings| settings.prefetch.unused_bytes = 1));
    world.until("C is gone", |world| !world.stored(C, V, Mod)).await;
    assert!(world.stored(A, V, Mod) && world.stored(B, V, Mod), "they were asked for");
    world
        .until("it is counted", |world| {
            world.engine.render_metrics().contains("larder_prefetch_removed_total{kind=\"mod\"} 1")
        })
        .await;
    assert!(world.get(C, V, Mod).await.is_ok(), "and it can be had all the same");
    assert_eq!(upstream.requests(&format!("/{C}/@v/{V}.mod")), 2);
}

#[tokio::test]
async fn what_nobody_asked_for_is_removed_when_it_is_old() {
    let upstream = graph().await;
    let world = one_of_two_is_used(&upstream, |_| {}).await;
    world.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let world = world.restarted(setup(&upstream, |_| {}));
    world.until("C is gone", |world| !world.stored(C, V, Mod)).await;
    assert!(world.stored(A, V, Mod) && world.stored(B, V, Mod));
}
