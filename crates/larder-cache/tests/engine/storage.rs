//! A store that can't be written keeps nobody from what was verified.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use larder_cache::Reason;
use larder_module::request::ObjectKind;
use larder_store::FailPoint;
use larder_testkit::{Endpoint, FakeUpstream, Fault, ModuleBuilder, Rng};

use crate::common::{Setup, assert_printable};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";
const KINDS: [ObjectKind; 3] = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip];

#[tokio::test]
async fn small_objects_are_served_unstored_and_large_ones_refused_until_there_is_room() {
    let large = ModuleBuilder::new("example.com/large", V).file("data.bin", Rng::new(1).bytes(2 << 20));
    for plan in ["enospc@create-file+", "enospc@reserve+", "enospc@write+", "erofs@create-file+"] {
        let upstream = FakeUpstream::new().module(A, V).module("example.com/b", V).with(&large).start().await;
        let full: FailPoint = plan.parse().expect("a plan");
        full.arm(false);
        let mut setup = Setup::chain(upstream.url());
        setup.fail_point = Some(full.clone());
        let world = setup.start();
        world.settled("example.com/b", V, ObjectKind::Zip).await;
        full.arm(true);
        for kind in KINDS {
            assert_eq!(world.get(A, V, kind).await.expect("served").outcome, "unstored", "{plan} {kind}");
            assert_eq!(world.get(A, V, kind).await.expect("served").outcome, "unstored", "{plan} {kind}");
            assert!(!world.stored(A, V, kind));
        }
        assert_eq!(upstream.requests("/example.com/a/@v/v1.0.0.zip"), 1, "it is kept in memory for a while");
        let failure = world.get("example.com/large", V, ObjectKind::Zip).await.expect_err("too large");
        assert_eq!(failure.reason, Reason::StorageFull, "{plan}");
        assert_printable(&failure);
        assert_eq!(world.get("example.com/b", V, ObjectKind::Zip).await.expect("a hit").outcome, "hit");
        assert!(world.list(A).await.is_ok());
        full.arm(false);
        world.clock.advance(Duration::from_secs(11));
        for kind in KINDS {
            world.settled(A, V, kind).await;
        }
        assert!(world.get("example.com/large", V, ObjectKind::Zip).await.is_ok());
        let staging = world.home.path().join("staging");
        let left = fs_err::read_dir(staging)
            .expect("listed")
            .filter_map(Result::ok)
            .filter_map(|process| fs_err::read_dir(process.path()).ok())
            .flat_map(|files| files.filter_map(Result::ok))
            .filter(|file| file.file_name() != "owner")
            .count();
        assert!(left <= 1, "{plan}: {left} files are left in staging");
    }
}

#[tokio::test]
async fn a_publication_that_fails_after_the_answer_is_tried_again() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let broken: FailPoint = "eio@rename-new".parse().expect("a plan");
    broken.arm(false);
    let mut setup = Setup::chain(upstream.url());
    setup.fail_point = Some(broken.clone());
    let world = setup.start();
    broken.arm(true);
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("served").outcome, "miss");
    // The flight is on the board until the publication has failed; then the object is kept unstored.
    let mut outcome = "miss";
    while outcome == "miss" {
        tokio::task::yield_now().await;
        outcome = world.get(A, V, ObjectKind::Mod).await.expect("served").outcome;
    }
    assert_eq!(outcome, "unstored", "what is not durable is never called a hit");
    world.clock.advance(Duration::from_secs(11));
    world.settled(A, V, ObjectKind::Mod).await;
}

#[tokio::test]
async fn a_store_that_can_t_be_read_is_no_reason_to_ask_upstreams() {
    let upstream = FakeUpstream::new().module(A, V).start().await;
    let world = Setup::chain(upstream.url()).start();
    let folder = world.store.modules_folder().join("example.com/a/@v/v1.0.0.zip");
    fs_err::create_dir_all(folder).expect("made");
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("a folder is no zip");
    assert_eq!(failure.reason, Reason::StoreBroken);
    assert_printable(&failure);
    assert_eq!(upstream.total(), 0);
}

/// Another process holds the write lock of the index: that must cost no client anything.
#[tokio::test]
async fn a_held_lock_on_the_index_delays_nobody() {
    let upstream = FakeUpstream::new().module(A, V).module("example.com/b", V).start().await;
    let world = Setup::chain(upstream.url()).start();
    world.settled(A, V, ObjectKind::Mod).await;
    let other = rusqlite::Connection::open(world.home.path().join("index.db")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");

    let began = Instant::now();
    let unknown: Vec<String> = (0..40).map(|number| format!("example.com/unknown{number}")).collect();
    let absences = join_all(unknown.iter().map(|path| world.list(path))).await;
    assert!(absences.iter().all(|result| result.as_ref().is_err_and(|it| it.reason == Reason::Absent)));
    upstream.set_fault(Endpoint::Latest, Fault::Status(500));
    let broken = join_all(unknown.iter().map(|path| world.latest(path))).await;
    assert!(broken.iter().all(|result| result.as_ref().is_err_and(|it| it.reason == Reason::BadUpstream)));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let began = Instant::now();
    for kind in KINDS {
        assert_eq!(world.get("example.com/b", V, kind).await.expect("served").outcome, "miss");
    }
    assert!(world.list("example.com/b").await.is_ok());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(world.get(A, V, ObjectKind::Mod).await.expect("stored").outcome, "hit");
    assert_eq!(world.list("example.com/b").await.expect("kept").outcome, "hit");
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());

    other.execute_batch("ROLLBACK").expect("unlocked");
    for kind in KINDS {
        world.settled("example.com/b", V, kind).await;
    }
}
