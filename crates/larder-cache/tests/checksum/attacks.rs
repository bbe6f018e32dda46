//! Every lie that a database or a proxy can tell, through the whole service: refused, and nothing of it stored.

use larder_cache::checksum::{ChecksumFailure, Verdict, What};
use larder_testkit::{
    Rng,
    sumdb::{FakeSumdb, Forgery, Heads},
};

use crate::stage::{Reach, Stage, add, hashes, verify};

const ASKED: &str = "example.com/asked";
const OTHER: &str = "example.com/other";

fn sumdb(size: u64) -> FakeSumdb {
    let sumdb = FakeSumdb::new("sums.example.com", size);
    let before = size.saturating_sub(2) / 3;
    sumdb.fill(before);
    add(&sumdb, ASKED);
    if size >= 2 {
        add(&sumdb, OTHER);
        sumdb.fill(size - before - 2);
    }
    sumdb
}

fn assert_refused(answer: &Result<Verdict, ChecksumFailure>, what: &str) {
    match answer {
        Err(ChecksumFailure::Security { .. } | ChecksumFailure::Unavailable { .. }) => {}
        other => panic!("{what}: {other:?}"),
    }
}

fn assert_nothing_stored(stage: &Stage, what: &str) {
    assert_eq!(stage.files(), Vec::<String>::new(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_forged_tile_is_one_too_many() {
    let mut rng = Rng::new(1);
    for size in [1, 2, 3, 255, 256, 257, 513, 700, 1_000, 5_000, 65_536, 66_000, 70_000] {
        let clean = Stage::new(sumdb(size)).await;
        assert_eq!(clean.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match, "{size}");
        let asked: Vec<String> = clean.sumdb.requests();
        let tiles: Vec<&str> = asked.iter().filter_map(|path| path.strip_prefix("/tile/")).collect();
        assert!(!tiles.is_empty());
        for tile in tiles {
            let path = format!("tile/{tile}");
            let bits = clean.sumdb.answer(&format!("/{path}")).body.len() * 8;
            for bit in [0, bits - 1, rng.below(bits), rng.below(bits)] {
                // Another process with an empty folder, the same database.
                let stage = Stage::new(clean.sumdb.clone()).await;
                stage.sumdb.forge(Some(Forgery::TileBit { path: path.clone(), bit }));
                let what = format!("size {size}, {path}, bit {bit}");
                let answer = stage.verify(ASKED, What::Zip).await;
                assert!(matches!(answer, Err(ChecksumFailure::Security { .. })), "{what}: {answer:?}");
                stage.databases.flush().await;
                assert!(!stage.files().iter().any(|file| file.starts_with("lookup")), "{what}");
                assert!(!stage.files().contains(&path), "{what}");
                stage.sumdb.forge(None);
                assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match, "{what}: heals");
            }
        }
    }
}

#[tokio::test]
async fn forged_look_ups_are_refused() {
    let line = format!("{ASKED} v1.0.0 {}\n", hashes("example.com/evil").0);
    let forgeries = [
        Forgery::LinesAfterRecord(line.clone()),
        Forgery::LinesAfterSignatures(line.clone()),
        Forgery::LinesInRecord(line.clone()),
        Forgery::RecordOf { module: OTHER.to_owned(), version: "v1.0.0".to_owned() },
        Forgery::RecordId(0),
        Forgery::RecordId(-1),
        Forgery::RecordId(i64::MAX),
        Forgery::RecordId(1_000),
        Forgery::WrongKey,
        Forgery::NoSignature,
        Forgery::BrokenSignature,
        Forgery::Html,
    ];
    for reach in [Reach::Directly, Reach::ThroughProxy] {
        for forgery in &forgeries {
            let fake = FakeSumdb::new(crate::stage::NOWHERE, 3);
            fake.fill(600);
            add(&fake, ASKED);
            add(&fake, OTHER);
            fake.fill(300);
            let stage = Stage::with(fake, reach, |_| {}).await;
            stage.sumdb.forge(Some(forgery.clone()));
            let what = format!("{reach:?} {forgery:?}");
            assert_refused(&stage.verify(ASKED, What::Zip).await, &what);
            assert!(stage.get(&format!("/lookup/{ASKED}@v1.0.0")).await.is_err(), "{what}");
            stage.databases.flush().await;
            assert!(
                !stage.files().iter().any(|file| file.starts_with("lookup")),
                "{what}: {:?}",
                stage.files()
            );
            stage.sumdb.forge(None);
            assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match, "{what}: heals");
        }
    }
}

#[tokio::test]
async fn forgeries_before_any_tile_leave_nothing_behind() {
    for forgery in [Forgery::WrongKey, Forgery::NoSignature, Forgery::BrokenSignature] {
        let stage = Stage::new(sumdb(700)).await;
        stage.sumdb.forge(Some(forgery.clone()));
        assert_refused(&stage.verify(ASKED, What::Zip).await, &format!("{forgery:?}"));
        assert!(stage.get("/latest").await.is_err());
        assert!(stage.get("/tile/8/0/000").await.is_err());
        stage.databases.flush().await;
        assert_nothing_stored(&stage, &format!("{forgery:?}"));
    }
}

#[tokio::test]
async fn lines_that_no_tree_bears_out_are_not_served() {
    // Extra lines in the signed head and a repeated signature are legal; neither gives go.sum lines.
    let line = format!("{ASKED} v1.0.0 {}\n", hashes("example.com/evil").0);
    for forgery in [Forgery::LinesInHead(line), Forgery::DoubledSignature] {
        let stage = Stage::new(sumdb(700)).await;
        stage.sumdb.forge(Some(forgery.clone()));
        assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match, "{forgery:?}");
        let evil = hashes("example.com/evil").0.parse().unwrap();
        let deadline = tokio::time::Instant::now() + crate::stage::PATIENCE;
        let of = crate::stage::version(ASKED);
        let answer = stage.databases.verify(&of, What::Zip, &evil, &stage.chain, deadline).await;
        assert!(matches!(answer, Err(ChecksumFailure::Mismatch { .. })), "{forgery:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_record_without_the_asked_line_confirms_nothing() {
    let fake = FakeSumdb::new("sums.example.com", 4);
    let (zip, go_mod) = hashes(ASKED);
    fake.record_text(ASKED, "v1.0.0", &format!("{ASKED} v1.0.0/go.mod {go_mod}\n"));
    fake.record_text("example.com/b", "v1.0.0", &format!("{ASKED} v1.0.0 {zip}\n"));
    fake.record_text("example.com/c", "v1.0.0", "example.com/c v1.0.0 h2:unheard-of\n");
    fake.record_text("example.com/d", "v1.0.0", &format!("example.com/d v1.0.0-pre {zip}\n"));
    let stage = Stage::new(fake).await;
    assert_refused(&stage.verify(ASKED, What::Zip).await, "only the go.mod line");
    assert_eq!(stage.verify(ASKED, What::Mod).await.unwrap(), Verdict::Match);
    for module in ["example.com/b", "example.com/c", "example.com/d"] {
        for what in [What::Zip, What::Mod] {
            assert_refused(&stage.verify(module, what).await, module);
        }
    }
}

#[tokio::test]
async fn a_fork_is_seen_refused_and_recorded() {
    for (size, keep) in [(700, 300), (700, 699), (5_000, 256), (70_000, 66_000), (3, 1)] {
        let fake = sumdb(size).on_demand(|module, _| Some(hashes(module)));
        let stage = Stage::new(fake).await;
        assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match);
        stage.databases.flush().await;
        let latest = fs_err::read(stage.file("latest")).unwrap();
        let files = stage.files();
        stage.sumdb.fork_at(keep);
        stage.sumdb.fill(size);
        let what = format!("{size} forked at {keep}");
        let new = stage.verify("example.com/new", What::Zip).await;
        assert!(matches!(new, Err(ChecksumFailure::Security { .. })), "{what}: {new:?}");
        stage.databases.flush().await;
        assert_eq!(fs_err::read(stage.file("latest")).unwrap(), latest, "{what}: the head stays");
        assert_eq!(stage.files(), files, "{what}: nothing is stored");
        let events = stage.store.events(10);
        let fork = events.iter().find(|event| event.kind == "checksum-fork").expect("the evidence is kept");
        assert!(fork.detail.contains(&format!("\n{size}\n")), "{what}: {}", fork.detail);
        // What was verified stays verified, also for the next process, which sees the fork as well.
        assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match);
        let restarted = stage.another();
        let again = verify(&restarted, &stage.chain, "example.com/new", What::Zip).await;
        assert!(matches!(again, Err(ChecksumFailure::Security { .. })), "{what}: {again:?}");
        assert_eq!(verify(&restarted, &stage.chain, ASKED, What::Zip).await.unwrap(), Verdict::Match);
    }
}

#[tokio::test]
async fn a_smaller_fork_is_seen_too() {
    let fake = sumdb(900).on_demand(|module, _| Some(hashes(module)));
    let stage = Stage::new(fake).await;
    assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match);
    // The tiles of the tree that was known: a database that went back can't be made to hand them out.
    for tile in ["000", "001", "002", "003.p/132"] {
        assert!(stage.get(&format!("/tile/8/0/{tile}")).await.is_ok());
    }
    for (keep, more) in [(500, 100), (600, 0), (300, 598)] {
        stage.sumdb.fork_at(keep);
        stage.sumdb.fill(more);
        let new = stage.verify(&format!("example.com/new{keep}"), What::Zip).await;
        assert!(matches!(new, Err(ChecksumFailure::Security { .. })), "forked at {keep}: {new:?}");
        assert!(stage.get("/latest").await.is_ok());
    }
    assert!(stage.store.events(10).iter().any(|event| event.kind == "checksum-fork"));
}

#[tokio::test]
async fn a_newer_fork_under_an_old_record_is_found_later() {
    let fake = sumdb(900);
    let stage = Stage::new(fake).await;
    assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match);
    stage.sumdb.fork_at(800);
    stage.sumdb.fill(500);
    // The record stands in the kept tree, so it is good whatever head it comes under.
    assert_eq!(stage.verify(OTHER, What::Zip).await.unwrap(), Verdict::Match);
    let found = async {
        while !stage.store.events(10).iter().any(|event| event.kind == "checksum-fork") {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::stage::PATIENCE, found)
        .await
        .expect("the fork is found without anybody waiting");
}

#[tokio::test]
async fn older_heads_are_no_attack() {
    let stage = Stage::new(sumdb(900)).await;
    assert_eq!(stage.verify(OTHER, What::Zip).await.unwrap(), Verdict::Match);
    stage.sumdb.set_heads(Heads::Oldest);
    assert_eq!(stage.verify(ASKED, What::Zip).await.unwrap(), Verdict::Match);
    assert!(stage.store.events(10).is_empty());
    let latest = stage.get("/latest").await.unwrap();
    assert_eq!(latest, stage.sumdb.head(900), "the head did not go back");
}
