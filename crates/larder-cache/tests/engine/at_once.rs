//! What is served without waiting, and what is not.

use std::time::Duration;

use larder_cache::{Access, Body, Served};
use larder_module::request::{ObjectKind, ProxyRequest};
use larder_testkit::{FakeUpstream, ModuleBuilder};

use crate::common::{Setup, World, read};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";
const PATHS: [&str; 5] = [
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/v1.0.0.mod",
    "/example.com/a/@v/v1.0.0.zip",
    "/example.com/a/@v/list",
    "/example.com/a/@latest",
];

fn at_once(world: &World, path: &str, access: &Access) -> Option<Served> {
    world.engine.at_once(&ProxyRequest::parse(path).expect("a path"), access)
}

async fn filled(setup: Setup) -> World {
    let world = setup.start();
    for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
        world.settled(A, V, kind).await;
    }
    world.list(A).await.expect("served");
    world.latest(A).await.expect("served");
    world
}

#[tokio::test]
async fn what_is_at_hand_is_what_the_other_methods_serve() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(upstream.url()).start();
    let trusted = Access::trusted("at once");
    for path in PATHS {
        assert!(at_once(&world, path, &trusted).is_none(), "{path} has to be fetched");
    }
    assert_eq!(upstream.total(), 0);
    drop(world);
    let world = filled(Setup::chain(upstream.url())).await;
    for (path, kind) in PATHS.into_iter().zip([ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip]) {
        let quick = read(at_once(&world, path, &trusted).expect("at hand")).await.expect("whole");
        let usual = world.get(A, V, kind).await.expect("served");
        assert_eq!((quick.body, quick.outcome, quick.etag), (usual.body, "hit", usual.etag), "{path}");
    }
    for (path, usual) in [(PATHS[3], world.list(A).await), (PATHS[4], world.latest(A).await)] {
        let quick = read(at_once(&world, path, &trusted).expect("at hand")).await.expect("whole");
        let usual = usual.expect("served");
        assert_eq!((quick.body, quick.outcome, quick.etag), (usual.body, "hit", usual.etag), "{path}");
    }
    let page = world.engine.render_metrics();
    assert!(page.contains(r#"larder_requests_total{kind="list",outcome="hit"} 2"#), "{page}");
}

#[tokio::test]
async fn an_answer_that_is_no_longer_fresh_is_not() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = filled(Setup::chain(upstream.url())).await;
    world.clock.advance(Duration::from_secs(61));
    let trusted = Access::trusted("at once");
    assert!(at_once(&world, PATHS[3], &trusted).is_none() && at_once(&world, PATHS[4], &trusted).is_none());
    assert!(at_once(&world, PATHS[1], &trusted).is_some(), "objects have no age");
    world.engine.purge(&A.parse().expect("a path")).await;
    assert!(at_once(&world, PATHS[4], &trusted).is_none());
}

#[tokio::test]
async fn a_private_module_is_for_private_clients() {
    let inside = FakeUpstream::new().module(A, V).start().await;
    let mut setup = Setup::chain("off");
    setup.private = vec![(A, inside.url().to_owned())];
    let world = filled(setup).await;
    let stranger = Access { client_is_private_ok: false, ..Access::trusted("stranger") };
    for path in PATHS {
        assert!(at_once(&world, path, &stranger).is_none(), "{path}");
        assert!(at_once(&world, path, &Access::trusted("friend")).expect("at hand").private, "{path}");
    }
}

#[tokio::test]
async fn larger_objects_are_files_from_the_first_hit_on() {
    let large = ModuleBuilder::new(A, V).file("data.bin", noise(200_000));
    let upstream = FakeUpstream::new().with(&large).start().await;
    let world = filled(Setup::chain(upstream.url())).await;
    let served = at_once(&world, PATHS[2], &Access::trusted("at once")).expect("at hand");
    assert!(matches!(served.body, Body::File { len, .. } if len > 100_000), "{served:?}");
    let served = at_once(&world, PATHS[1], &Access::trusted("at once")).expect("at hand");
    assert!(matches!(served.body, Body::Memory(_)), "{served:?}");
}

/// Bytes that hardly get smaller.
fn noise(len: u32) -> Vec<u8> {
    (0..len)
        .map(|index| {
            (index.wrapping_mul(2_654_435_761) >> 15) as u8 ^ (index.wrapping_mul(40_503) >> 7) as u8
        })
        .collect()
}
