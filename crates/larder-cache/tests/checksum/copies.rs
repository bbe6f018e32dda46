//! The verified copy: once an upstream is gone, any fresh client can verify everything, in any order.

use std::sync::Arc;

use bytes::Bytes;
use larder_cache::checksum::{ChecksumDatabases, Verdict, What};
use larder_module::version::ModuleVersion;
use larder_testkit::{
    Rng,
    sumdb::{FakeSumdb, Heads},
};
use larder_upstream::Chain;

use crate::{
    client::Client,
    stage::{Reach, Stage, add, get, hashes, verify, version},
};

/// In how many orders clients ask; in the cases that vary the first one, fewer.
const ORDERS: usize = 100;
const FEWER_ORDERS: usize = 20;

/// Records all over a tree of several levels, asked for while it grows and under all kinds of heads.
async fn collected(seed: u64, heads: Heads, reach: Reach) -> (Stage, Vec<ModuleVersion>) {
    println!("seed {seed}, {heads:?}, {reach:?}");
    let mut rng = Rng::new(seed);
    let sumdb = FakeSumdb::new(crate::stage::NOWHERE, seed);
    let modules: Vec<String> = (0..40).map(|number| format!("example.com/M{number}")).collect();
    for module in &modules {
        let most = if rng.one_in(10) { 9_000 } else { 300 };
        sumdb.fill(rng.below(most) as u64);
        add(&sumdb, module);
    }
    sumdb.set_heads(heads);
    let stage = Stage::with(sumdb, reach, |_| {}).await;
    let mut order = modules.clone();
    rng.shuffle(&mut order);
    for (number, module) in order.iter().enumerate() {
        assert_eq!(stage.verify(module, What::Zip).await.unwrap(), Verdict::Match);
        match number % 8 {
            3 => stage.sumdb.fill(rng.below(700) as u64),
            5 => {
                let _ = stage.get("/latest").await.unwrap();
            }
            _ => {}
        }
    }
    stage.databases.flush().await;
    stage.sumdb.stop();
    (stage, modules.iter().map(|module| version(module)).collect())
}

async fn serves_fresh_clients(
    databases: &Arc<ChecksumDatabases>,
    chain: &Chain,
    stage: &Stage,
    all: &[ModuleVersion],
    orders: usize,
) {
    let mut rng = Rng::new(7);
    for order in 0..orders {
        let mut all = all.to_vec();
        rng.shuffle(&mut all);
        let mut client = Client::new(&stage.sumdb.verifier_key(), |path: String| async move {
            let path = format!("sumdb/{}{path}", stage.sumdb.name());
            get(databases, chain, &path, false).await.ok()
        });
        for of in &all {
            let h1 = client.zip_h1(of).await;
            assert_eq!(h1.as_deref(), Ok(hashes(of.module().as_str()).0.as_str()), "order {order}, {of}");
        }
    }
}

async fn serves_clients_of_the_folder(stage: &Stage, all: &[ModuleVersion], orders: usize) {
    assert!(stage.file("supported").is_file());
    let mut rng = Rng::new(8);
    for order in 0..orders {
        let mut all = all.to_vec();
        rng.shuffle(&mut all);
        let mut client = Client::new(&stage.sumdb.verifier_key(), |path: String| async move {
            fs_err::read(stage.file(path.trim_start_matches('/'))).ok().map(Bytes::from)
        });
        for of in &all {
            let h1 = client.zip_h1(of).await;
            assert_eq!(h1.as_deref(), Ok(hashes(of.module().as_str()).0.as_str()), "order {order}, {of}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_clients_verify_everything_in_any_order_without_an_upstream() {
    let cases = [
        (1, Heads::Mixed, Reach::ThroughProxy),
        (2, Heads::Growing, Reach::Directly),
        (3, Heads::Oldest, Reach::Directly),
        (4, Heads::Newest, Reach::ThroughProxy),
    ];
    for (seed, heads, reach) in cases {
        let orders = if seed == 1 { ORDERS } else { FEWER_ORDERS };
        let (stage, all) = collected(seed, heads, reach).await;
        serves_fresh_clients(&stage.databases, &stage.chain, &stage, &all, orders).await;
        let restarted = stage.another();
        serves_fresh_clients(&restarted, &stage.chain, &stage, &all, orders).await;
        serves_clients_of_the_folder(&stage, &all, orders).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_head_under_every_look_up() {
    let (stage, all) = collected(5, Heads::Mixed, Reach::Directly).await;
    let latest = stage.get("/latest").await.unwrap();
    for of in &all {
        let path = format!("/lookup/{}@{}", of.module().escaped(), of.version().escaped());
        assert!(stage.get(&path).await.unwrap().ends_with(&latest));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_folder_agree() {
    let sumdb = FakeSumdb::new("sums.example.com", 6).on_demand(|module, _| Some(hashes(module)));
    sumdb.fill(3_000);
    sumdb.set_heads(Heads::Growing);
    let stage = Stage::new(sumdb).await;
    let other = stage.another();
    let modules: Vec<String> = (0..60).map(|number| format!("example.com/m{number}")).collect();
    for pair in modules.chunks_exact(2) {
        let (one, two) = tokio::join!(
            verify(&stage.databases, &stage.chain, &pair[0], What::Zip),
            verify(&other, &stage.chain, &pair[1], What::Zip),
        );
        assert_eq!((one.unwrap(), two.unwrap()), (Verdict::Match, Verdict::Match));
        stage.sumdb.fill(150);
    }
    stage.databases.flush().await;
    other.flush().await;
    stage.sumdb.stop();
    let all: Vec<ModuleVersion> = modules.iter().map(|module| version(module)).collect();
    serves_clients_of_the_folder(&stage, &all, FEWER_ORDERS).await;
    serves_fresh_clients(&stage.another(), &stage.chain, &stage, &all, FEWER_ORDERS).await;
}

#[tokio::test]
async fn a_lost_head_file_does_not_turn_the_clock_back() {
    let (stage, all) = collected(9, Heads::Growing, Reach::Directly).await;
    fs_err::remove_file(stage.file("latest")).unwrap();
    serves_fresh_clients(&stage.another(), &stage.chain, &stage, &all, FEWER_ORDERS).await;
}

/// Records each of which was verified alone and at another time, put together in one folder as the go command leaves them:
/// without the file of the newest head.
async fn scattered(seed: u64) -> (Stage, Vec<ModuleVersion>) {
    let sumdb = FakeSumdb::new("sums.example.com", seed);
    sumdb.fill(700);
    let whole = Stage::new(sumdb.clone()).await;
    let modules = ["example.com/a", "example.com/b", "example.com/c"];
    for module in modules {
        add(&sumdb, module);
        let one = Stage::new(sumdb.clone()).await;
        one.verify(module, What::Zip).await.unwrap();
        one.databases.flush().await;
        for file in one.files().iter().filter(|file| *file != "latest") {
            fs_err::create_dir_all(whole.file(file).parent().unwrap()).unwrap();
            fs_err::copy(one.file(file), whole.file(file)).unwrap();
        }
        sumdb.fill(90_000);
    }
    whole.sumdb.stop();
    (whole, modules.map(version).to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_many_heads_are_served_each_under_one_that_proves_it() {
    let (stage, all) = scattered(10).await;
    let databases = stage.another();
    for of in &all {
        for order in [vec![of.clone()], vec![of.clone(), of.clone()]] {
            serves_fresh_clients(&databases, &stage.chain, &stage, &order, 1).await;
        }
        let verdict = verify(&databases, &stage.chain, of.module().as_str(), What::Zip).await;
        assert_eq!(verdict.unwrap(), Verdict::Match);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_whose_tiles_are_not_here_does_not_count() {
    let (stage, all) = collected(11, Heads::Mixed, Reach::Directly).await;
    fs_err::remove_file(stage.file("latest")).unwrap();
    stage.sumdb.fill(5_000);
    let newer = stage.sumdb.head(stage.sumdb.size());
    let path = stage.file(&format!("lookup/{}@{}", all[0].module().escaped(), all[0].version().escaped()));
    let lookup = fs_err::read_to_string(&path).unwrap();
    let (record, _) = lookup.split_once("\n\n").unwrap();
    fs_err::write(&path, format!("{record}\n\n{newer}")).unwrap();
    serves_fresh_clients(&stage.another(), &stage.chain, &stage, &all, FEWER_ORDERS).await;
}
