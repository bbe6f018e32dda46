//! What the service does when nobody lies.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use larder_cache::{
    Access, Reason,
    checksum::{ChecksumDatabases, ChecksumFailure, ChecksumSettings, Verdict, What},
};
use larder_module::defaults;
use larder_testkit::sumdb::{FakeSumdb, Heads, Outage};

use crate::stage::{
    NOWHERE, PATIENCE, Reach, Stage, add, chain_of, get, get_as, open_store, patterns, upstreams, verify,
    version,
};

#[tokio::test]
async fn hashes_are_confirmed_or_refused() {
    let sumdb = FakeSumdb::new("sums.example.com", 1);
    sumdb.fill(300);
    add(&sumdb, "example.com/a");
    let stage = Stage::new(sumdb).await;
    for what in [What::Zip, What::Mod] {
        assert_eq!(stage.verify("example.com/a", what).await.unwrap(), Verdict::Match);
    }
    let other = crate::stage::hashes("example.com/b").0.parse().unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let refused =
        stage.databases.verify(&version("example.com/a"), What::Zip, &other, &stage.chain, deadline).await;
    let Err(ChecksumFailure::Mismatch { database, expected, got }) = refused else { panic!("{refused:?}") };
    assert_eq!((database.as_str(), &got), ("sums.example.com", &other));
    assert_eq!(expected.to_string(), crate::stage::hashes("example.com/a").0);
    let lookups = stage.sumdb.requests().iter().filter(|path| path.starts_with("/lookup/")).count();
    assert_eq!(lookups, 1, "one record serves zip and go.mod");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_look_ups_at_once() {
    let sumdb = FakeSumdb::new(NOWHERE, 2);
    let modules: Vec<String> = (0..500).map(|number| format!("example.com/m{number}")).collect();
    for module in &modules {
        sumdb.fill(7);
        add(&sumdb, module);
    }
    sumdb.set_heads(Heads::Mixed);
    let stage = Stage::with(sumdb, Reach::ThroughProxy, |_| {}).await;
    let began = std::time::Instant::now();
    let both =
        modules.iter().flat_map(|module| [stage.verify(module, What::Zip), stage.verify(module, What::Mod)]);
    for verdict in join_all(both).await {
        assert_eq!(verdict.unwrap(), Verdict::Match);
    }
    println!("1,000 questions about 500 modules: {:?}", began.elapsed());
    let requests = stage.sumdb.requests();
    let count = |prefix: &str| requests.iter().filter(|path| path.starts_with(prefix)).count();
    assert_eq!(count("/supported"), 1);
    assert_eq!(count("/lookup/"), 500);
    println!("{} tiles were asked for", count("/tile/"));
    stage.databases.flush().await;
    stage.sumdb.stop();
    let again = stage.another();
    for module in &modules {
        assert_eq!(verify(&again, &stage.chain, module, What::Zip).await.unwrap(), Verdict::Match);
    }
}

#[tokio::test]
async fn unknown_is_positive_and_short() {
    let sumdb = FakeSumdb::new("sums.example.com", 3);
    sumdb.fill(10);
    let stage = Stage::with(sumdb, Reach::Directly, |settings| {
        settings.unknown_freshness = Duration::from_millis(200)
    })
    .await;
    for _ in 0..3 {
        let unknown = stage.verify("example.com/new", What::Zip).await;
        let Err(ChecksumFailure::Unknown { said, .. }) = unknown else { panic!("{unknown:?}") };
        assert!(said.contains("no such version"), "{said}");
    }
    assert_eq!(stage.sumdb.requests(), ["/lookup/example.com/new@v1.0.0"]);
    add(&stage.sumdb, "example.com/new");
    tokio::time::sleep(Duration::from_millis(210)).await;
    assert_eq!(stage.verify("example.com/new", What::Zip).await.unwrap(), Verdict::Match);
}

#[tokio::test]
async fn private_names_stay_inside() {
    let sumdb =
        FakeSumdb::new("sums.example.com", 4).on_demand(|module, _| Some(crate::stage::hashes(module)));
    let stage = Stage::with(sumdb, Reach::Directly, |settings| {
        settings.skip = patterns("git.corp.example,quiet.example");
        settings.private = patterns("*.internal.example,git.corp.example");
    })
    .await;
    for module in ["git.corp.example/a", "a.internal.example/b/c"] {
        assert_eq!(stage.verify(module, What::Zip).await.unwrap(), Verdict::NotApplicable);
        let failure = stage.get(&format!("/lookup/{module}@v1.0.0")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Denied);
        assert!(failure.private);
        let text = failure.lines.join("\n");
        assert!(text.contains("GONOSUMDB='*.internal.example,git.corp.example,quiet.example'"), "{text}");
        assert!(text.contains("GOPRIVATE alone"), "{text}");
    }
    // Who may not see private modules learns no pattern but the one that was hit, and none of a private route.
    let outside = Access { client_is_private_ok: false, ..Access::trusted("outside") };
    for (module, reason, pattern) in [
        ("quiet.example/a", Reason::Denied, "GONOSUMDB=quiet.example"),
        ("git.corp.example/a", Reason::PrivateClients, "private route"),
        ("a.internal.example/b/c", Reason::PrivateClients, "private route"),
    ] {
        let path = format!("sumdb/sums.example.com/lookup/{module}@v1.0.0");
        let failure = get_as(&stage.databases, &stage.chain, &path, &outside).await.unwrap_err();
        let text = failure.lines.join("\n");
        assert_eq!(failure.reason, reason, "{text}");
        assert!(failure.private && text.contains(pattern), "{text}");
        assert!(!text.contains("*.internal") && !text.contains("=git.corp"), "{text}");
    }
    assert!(stage.sumdb.requests().is_empty(), "{:?}", stage.sumdb.requests());
    assert_eq!(stage.verify("corp.example/public", What::Zip).await.unwrap(), Verdict::Match);
}

#[tokio::test]
async fn no_setting_skips_toolchains() {
    let sumdb =
        FakeSumdb::new("sums.example.com", 5).on_demand(|module, _| Some(crate::stage::hashes(module)));
    let stage = Stage::with(sumdb, Reach::Directly, |settings| {
        settings.skip = patterns("golang.org,*");
        settings.private = patterns("golang.org/*");
    })
    .await;
    assert_eq!(stage.verify(defaults::TOOLCHAIN_MODULE, What::Zip).await.unwrap(), Verdict::Match);
    assert_eq!(stage.verify("golang.org/x/mod", What::Zip).await.unwrap(), Verdict::NotApplicable);
    stage.sumdb.set_outage(Some(Outage::Status(503)));
    let other = stage.another();
    // The record is in the verified copy: it needs nobody.
    stage.databases.flush().await;
    let again = verify(&other, &stage.chain, defaults::TOOLCHAIN_MODULE, What::Zip).await;
    assert_eq!(again.unwrap(), Verdict::Match);
}

#[tokio::test]
async fn toolchains_are_verified_by_the_public_database_when_there_is_no_other() {
    // It carries the public database's name, but nobody has the public database's key.
    let proxy =
        FakeSumdb::new(defaults::GOSUMDB, 6).on_demand(|module, _| Some(crate::stage::hashes(module)));
    let proxy = proxy.start().await;
    let folder = tempfile::tempdir().unwrap();
    let upstreams = upstreams();
    let databases =
        ChecksumDatabases::new(ChecksumSettings::new(None), &open_store(&folder, None), &upstreams);
    let chain = chain_of(&upstreams, &proxy.url());
    let modules = verify(&databases, &chain, "example.com/a", What::Zip).await;
    assert_eq!(modules.unwrap(), Verdict::NotApplicable);
    assert!(proxy.requests().is_empty());
    let toolchain = verify(&databases, &chain, defaults::TOOLCHAIN_MODULE, What::Zip).await;
    assert!(matches!(toolchain, Err(ChecksumFailure::Security { .. })), "{toolchain:?}");
    assert_eq!(proxy.requests()[0], "/supported");
    // And it is not served: the setting says that clients shall not use it.
    let failure = get(&databases, &chain, &format!("sumdb/{}/supported", defaults::GOSUMDB), false).await;
    assert_eq!(failure.unwrap_err().reason, Reason::Absent);
}

#[tokio::test]
async fn other_databases_are_not_asked() {
    let sumdb = FakeSumdb::new("sums.example.com/with/path", 7);
    add(&sumdb, "example.com/a");
    let stage = Stage::new(sumdb).await;
    for path in ["supported", "latest", "lookup/example.com/a@v1.0.0", "tile/8/0/000.p/1"] {
        for database in ["other.example.com", "sums.example.com", "sums.example.com/with", "127.0.0.1"] {
            let answer =
                get(&stage.databases, &stage.chain, &format!("sumdb/{database}/{path}"), false).await;
            assert_eq!(answer.unwrap_err().reason, Reason::Absent, "{database} {path}");
        }
    }
    assert!(stage.sumdb.requests().is_empty());
    assert_eq!(stage.get("/supported").await.unwrap(), "");
    assert!(stage.sumdb.requests().is_empty(), "said from here");
    assert!(stage.get("/lookup/example.com/a@v1.0.0").await.is_ok());
}

#[tokio::test]
async fn latest_is_asked_anew_after_its_freshness() {
    let sumdb = FakeSumdb::new("sums.example.com", 8);
    sumdb.fill(700);
    let stage =
        Stage::with(sumdb, Reach::Directly, |settings| settings.head_freshness = Duration::from_millis(100))
            .await;
    let first = stage.get("/latest").await.unwrap();
    assert_eq!(first, stage.sumdb.head(700));
    stage.sumdb.fill(1);
    assert_eq!(stage.get("/latest").await.unwrap(), first);
    tokio::time::sleep(Duration::from_millis(110)).await;
    let newest = stage.sumdb.head(701);
    assert_eq!(stage.get("/latest").await.unwrap(), newest);
    tokio::time::sleep(Duration::from_millis(110)).await;
    stage.sumdb.set_latest_size(Some(5));
    assert_eq!(stage.get("/latest").await.unwrap(), newest, "never back");
    stage.sumdb.stop();
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(stage.get("/latest").await.unwrap(), newest, "and not away");
}

#[tokio::test]
async fn tiles_are_served_within_the_signed_tree_only() {
    let sumdb = FakeSumdb::new("sums.example.com", 9);
    sumdb.fill(70_000);
    let stage = Stage::new(sumdb).await;
    for (path, width) in [("/tile/8/0/000", 256), ("/tile/8/0/273.p/112", 112), ("/tile/8/0/273.p/5", 5)] {
        assert_eq!(stage.get(path).await.unwrap().len(), width * 32, "{path}");
        let from_database = stage.sumdb.answer(path).body;
        assert_eq!(stage.get(path).await.unwrap(), from_database, "{path}");
    }
    for path in ["/tile/8/1/001.p/17", "/tile/8/2/000.p/1", "/tile/8/1/000"] {
        assert_eq!(stage.get(path).await.unwrap(), stage.sumdb.answer(path).body, "{path}");
    }
    for path in [
        "/tile/8/0/273.p/113",
        "/tile/8/0/274.p/1",
        "/tile/8/3/000.p/1",
        "/tile/8/0/x999/999",
        "/tile/8/63/000",
    ] {
        assert_eq!(stage.get(path).await.unwrap_err().reason, Reason::Absent, "{path}");
    }
    stage.sumdb.forget_requests();
    for path in ["/tile/8/data/000", "/tile/2/0/000", "/tile/9/0/000"] {
        assert_eq!(stage.get(path).await.unwrap_err().reason, Reason::Absent, "{path}");
    }
    assert!(stage.sumdb.requests().is_empty());
    stage.databases.flush().await;
    stage.sumdb.stop();
    let again = stage.another();
    let path = format!("sumdb/{}/tile/8/0/000", stage.sumdb.name());
    assert_eq!(get(&again, &stage.chain, &path, true).await.unwrap().len(), 256 * 32);
}

#[tokio::test]
async fn cached_only_asks_nobody() {
    let sumdb = FakeSumdb::new("sums.example.com", 10);
    add(&sumdb, "example.com/a");
    let stage = Stage::new(sumdb).await;
    for path in ["latest", "lookup/example.com/a@v1.0.0", "tile/8/0/000.p/1"] {
        let path = format!("sumdb/sums.example.com/{path}");
        let answer = get(&stage.databases, &stage.chain, &path, true).await;
        assert_eq!(answer.unwrap_err().reason, Reason::CachedOnly, "{path}");
    }
    assert!(stage.sumdb.requests().is_empty());
}

#[tokio::test]
async fn a_waiter_that_gives_up_stops_nothing() {
    let sumdb = FakeSumdb::new("sums.example.com", 11);
    add(&sumdb, "example.com/a");
    let stage = Stage::new(sumdb).await;
    stage.sumdb.set_delay(Duration::from_millis(50));
    let (databases, chain) = (Arc::clone(&stage.databases), stage.chain.clone());
    let hash = crate::stage::hashes("example.com/a").0.parse().unwrap();
    let soon = tokio::time::Instant::now() + Duration::from_millis(5);
    let late = databases.verify(&version("example.com/a"), What::Zip, &hash, &chain, soon).await;
    assert!(matches!(late, Err(ChecksumFailure::Unavailable { .. })), "{late:?}");
    assert_eq!(stage.verify("example.com/a", What::Zip).await.unwrap(), Verdict::Match);
    let lookups = stage.sumdb.requests().iter().filter(|path| path.starts_with("/lookup/")).count();
    assert_eq!(lookups, 1);
}
