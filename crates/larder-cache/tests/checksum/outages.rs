//! What happens when the database, the proxies in front of it or the disk fail.

use std::time::Duration;

use larder_cache::checksum::{ChecksumFailure, Verdict, What};
use larder_testkit::sumdb::{FakeSumdb, Outage};

use crate::stage::{NOWHERE, Reach, Stage, add, chain_of, upstreams, verify};

fn sumdb(seed: u64) -> FakeSumdb {
    let sumdb = FakeSumdb::new(NOWHERE, seed);
    sumdb.fill(900);
    for name in ["a", "b"] {
        add(&sumdb, &format!("example.com/{name}"));
    }
    sumdb
}

#[tokio::test]
async fn an_outage_is_never_taken_for_absence() {
    let outages = [
        Outage::Status(500),
        Outage::Status(503),
        Outage::Status(403),
        Outage::Status(401),
        Outage::Status(429),
        Outage::Status(204),
        Outage::Closed,
        Outage::Tiles(404),
        Outage::Tiles(500),
        Outage::Hang,
    ];
    for reach in [Reach::Directly, Reach::ThroughProxy] {
        for outage in outages {
            let stage =
                Stage::with(sumdb(1), reach, |settings| settings.ask_limit = Duration::from_millis(300))
                    .await;
            stage.sumdb.set_outage(Some(outage));
            let failure = stage.verify("example.com/a", What::Zip).await;
            let Err(ChecksumFailure::Unavailable { attempts, .. }) = &failure else {
                panic!("{reach:?} {outage:?}: {failure:?}")
            };
            assert!(
                attempts.iter().any(|error| error.to_string().starts_with(&stage.sumdb.url())),
                "{attempts:?}"
            );
            assert!(!stage.files().iter().any(|file| file.starts_with("lookup")), "{outage:?}");
            stage.sumdb.set_outage(None);
            let verdict = stage.verify("example.com/a", What::Zip).await;
            assert_eq!(verdict.unwrap(), Verdict::Match, "{reach:?} {outage:?}: comes back by itself");
        }
    }
}

#[tokio::test]
async fn the_next_source_is_asked_when_one_fails() {
    let stage = Stage::with(sumdb(2), Reach::ThroughProxy, |_| {}).await;
    let lacking = FakeSumdb::new("other.example.com", 3).start().await;
    lacking.set_supported(404);
    let broken = FakeSumdb::new(NOWHERE, 4).start().await;
    broken.set_supported(500);
    // Another key: everything it says is refused.
    let lying =
        FakeSumdb::new(NOWHERE, 5).on_demand(|module, _| Some(crate::stage::hashes(module))).start().await;
    let list = format!("{},{},{},{}", lacking.url(), broken.url(), lying.url(), stage.sumdb.url());
    let chain = chain_of(&upstreams(), &list);
    assert_eq!(verify(&stage.databases, &chain, "example.com/a", What::Zip).await.unwrap(), Verdict::Match);
    let supported = format!("/sumdb/{NOWHERE}/supported");
    assert_eq!(lacking.requests(), [supported], "nothing else is asked there");
    assert!(lying.requests().iter().any(|path| path.starts_with("/lookup/")));
}

#[tokio::test]
async fn one_proxy_that_does_not_know_is_not_the_database() {
    let ignorant = FakeSumdb::new(NOWHERE, 12).start().await;
    let stage = Stage::with(sumdb(12), Reach::ThroughProxy, |_| {}).await;
    let chain = |list: &str| chain_of(&upstreams(), list);
    let both = chain(&format!("{},{}", ignorant.url(), stage.sumdb.url()));
    assert_eq!(verify(&stage.databases, &both, "example.com/a", What::Zip).await.unwrap(), Verdict::Match);
    // Where nobody else can be reached, its word has to do.
    let alone = verify(&stage.databases, &chain(&ignorant.url()), "example.com/b", What::Zip).await;
    assert!(matches!(alone, Err(ChecksumFailure::Unknown { .. })), "{alone:?}");
}

#[tokio::test]
async fn proxies_after_direct_are_not_asked() {
    let stage = Stage::with(sumdb(6), Reach::ThroughProxy, |_| {}).await;
    let chain = chain_of(&upstreams(), &format!("direct,{}", stage.sumdb.url()));
    let failure = verify(&stage.databases, &chain, "example.com/a", What::Zip).await;
    assert!(matches!(failure, Err(ChecksumFailure::Unavailable { .. })), "{failure:?}");
    assert!(stage.sumdb.requests().is_empty());
}

#[tokio::test]
async fn partial_tiles_that_vanished_are_cut_from_full_ones() {
    let stage = Stage::new(sumdb(7)).await;
    stage.sumdb.set_heads(larder_testkit::sumdb::Heads::Oldest);
    stage.sumdb.fill(2_000);
    stage.sumdb.set_partial_tiles(false);
    assert_eq!(stage.verify("example.com/a", What::Zip).await.unwrap(), Verdict::Match);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_stops_no_verification() {
    let stage = Stage::new(sumdb(8)).await;
    for plan in ["enospc@write:1+", "erofs@replace:1+", "eio@sync-file:1+", "enospc@replace:3+"] {
        let databases = stage.another_failing(Some(plan));
        for module in ["example.com/a", "example.com/b"] {
            let verdict = verify(&databases, &stage.chain, module, What::Zip).await;
            assert_eq!(verdict.unwrap(), Verdict::Match, "{plan}");
            let path = format!("sumdb/{}/lookup/{module}@v1.0.0", stage.sumdb.name());
            assert!(crate::stage::get(&databases, &stage.chain, &path, false).await.is_ok(), "{plan}");
        }
        databases.flush().await;
        // Whatever did get there has to be true.
        stage.sumdb.set_outage(Some(Outage::Closed));
        for module in ["example.com/a", "example.com/b"] {
            match verify(&stage.another(), &stage.chain, module, What::Zip).await {
                Ok(verdict) => assert_eq!(verdict, Verdict::Match, "{plan}"),
                Err(ChecksumFailure::Unavailable { .. }) => {}
                Err(other) => panic!("{plan}: {other:?}"),
            }
        }
        stage.sumdb.set_outage(None);
    }
}

#[tokio::test]
async fn a_damaged_copy_is_repaired_or_refused_but_never_believed() {
    let stage = Stage::new(sumdb(9)).await;
    for module in ["example.com/a", "example.com/b"] {
        stage.verify(module, What::Zip).await.unwrap();
    }
    stage.databases.flush().await;
    for file in stage.files() {
        let path = stage.file(&file);
        let good = fs_err::read(&path).unwrap();
        if good.is_empty() {
            continue;
        }
        for position in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs_err::write(&path, &bad).unwrap();
            let online = stage.another();
            for module in ["example.com/a", "example.com/b"] {
                let verdict = verify(&online, &stage.chain, module, What::Zip).await;
                assert_eq!(verdict.unwrap(), Verdict::Match, "{file} at {position}");
            }
            online.flush().await;
            fs_err::write(&path, &bad).unwrap();
            stage.sumdb.set_outage(Some(Outage::Closed));
            let offline = stage.another();
            for module in ["example.com/a", "example.com/b"] {
                match verify(&offline, &stage.chain, module, What::Zip).await {
                    Ok(verdict) => assert_eq!(verdict, Verdict::Match),
                    Err(ChecksumFailure::Unavailable { .. }) => {}
                    Err(other) => panic!("{file} at {position}: {other:?}"),
                }
            }
            stage.sumdb.set_outage(None);
            fs_err::write(&path, &good).unwrap();
        }
    }
}
