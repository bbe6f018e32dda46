//! Files that were put into the store by hand: believed by their marks while the checksum database can't be asked.

use std::time::{Duration, Instant};

use larder_cache::Reason;
use larder_module::{defaults::TOOLCHAIN_MODULE, request::ObjectKind};
use larder_testkit::{
    ModuleBuilder,
    sumdb::{FakeSumdb, Outage, RunningSumdb},
};
use larder_upstream::VerifyMode;

use crate::common::{Setup, World, cached_only};

const V: &str = "v1.0.0";
const MODULES: [&str; 4] = ["example.com/a", "example.com/b", "example.com/c", "example.com/d"];
/// One moment of waiting for the database, with room for a slow machine, and far less than a client waits.
const SHORTLY: Duration = Duration::from_secs(6);

fn setup(sumdb: &RunningSumdb) -> Setup {
    let mut setup = Setup::chain("off");
    setup.verify = VerifyMode::Required;
    setup.sumdb = Some(sumdb.gosumdb());
    setup
}

/// A store with copied modules whose records the database has.
async fn copied() -> (RunningSumdb, World) {
    let sumdb = FakeSumdb::new("sum.example.com", 1).start().await;
    let world = setup(&sumdb).start();
    for module in MODULES {
        let built = ModuleBuilder::new(module, V).build();
        built.write_to(world.store.modules_folder()).expect("copied");
        sumdb.record(module, V, &built.h1, &built.mod_h1);
    }
    (sumdb, world)
}

#[tokio::test]
async fn a_silent_database_holds_up_nothing_that_is_stored() {
    let (sumdb, world) = copied().await;
    sumdb.set_outage(Some(Outage::Hang));
    let began = Instant::now();
    for module in MODULES {
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            assert_eq!(world.get(module, V, kind).await.expect("stored").outcome, "hit");
        }
    }
    assert!(began.elapsed() < SHORTLY, "{:?}", began.elapsed());
}

#[tokio::test]
async fn cached_only_asks_no_database_and_leaves_the_question_open() {
    let (sumdb, world) = copied().await;
    for module in MODULES {
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            let got = world.get_as(module, V, kind, &cached_only()).await.expect("stored");
            assert_eq!(got.outcome, "hit");
        }
    }
    assert!(sumdb.requests().is_empty(), "{:?}", sumdb.requests());
    world.clock.advance(Duration::from_secs(11));
    let forged = ModuleBuilder::new(MODULES[0], V).go_mod("module example.com/a\n\ngo 1.99\n").build();
    forged.write_to(world.store.modules_folder()).expect("copied");
    // Who may have it asked about finds out.
    assert!(world.get(MODULES[0], V, ObjectKind::Zip).await.is_err());
    assert!(world.get(MODULES[1], V, ObjectKind::Zip).await.is_ok());
    assert!(sumdb.requests().iter().any(|path| path.starts_with("/lookup/")));
}

#[tokio::test]
async fn a_toolchain_is_not_believed_by_its_marks_whoever_asks() {
    let version = "v0.0.1-go1.99.0.linux-amd64";
    let (sumdb, world) = copied().await;
    let toolchain = ModuleBuilder::new(TOOLCHAIN_MODULE, version).file("bin/go", "#!/bin/sh\n").build();
    toolchain.write_to(world.store.modules_folder()).expect("copied");
    let access = cached_only();
    let ask = || world.get_as(TOOLCHAIN_MODULE, version, ObjectKind::Zip, &access);
    assert_eq!(ask().await.expect_err("unverified").reason, Reason::CachedOnly);
    assert!(sumdb.requests().is_empty(), "{:?}", sumdb.requests());
    sumdb.record(TOOLCHAIN_MODULE, version, &toolchain.h1, &toolchain.mod_h1);
    assert!(world.get(TOOLCHAIN_MODULE, version, ObjectKind::Zip).await.is_ok());
    assert!(ask().await.is_ok());
}
