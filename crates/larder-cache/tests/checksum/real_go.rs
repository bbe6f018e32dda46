//! The real go command behind the verified copy, while the upstream database is gone.

use std::sync::Arc;

use larder_cache::{
    Content,
    checksum::{ChecksumDatabases, Verdict, What},
};
use larder_module::{dirhash::H1, version::ModuleVersion};
use larder_testkit::{
    Corpus, CorpusOptions, FakeUpstream, GoCommand, Reply,
    sumdb::{FakeSumdb, Heads},
};
use larder_upstream::Chain;
use tokio::time::Instant;

use crate::stage::{NOWHERE, PATIENCE, Reach, Stage, get};

/// A proxy whose modules come from the corpus and whose checksum database is the service's.
fn front(corpus: &Corpus, name: &str, databases: &Arc<ChecksumDatabases>, chain: &Chain) -> FakeUpstream {
    let (databases, chain, database) = (Arc::clone(databases), chain.clone(), name.to_owned());
    let runtime = tokio::runtime::Handle::current();
    let answer = move |path: &str| {
        let path = format!("sumdb/{database}{path}");
        let (databases, chain) = (Arc::clone(&databases), chain.clone());
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let _ = sender.send(get(&databases, &chain, &path, false).await);
        });
        let answer = receiver.recv().ok()?;
        answer.ok().map(|body| Reply::status(200, "text/plain; charset=utf-8", body))
    };
    corpus.upstream().handler(&format!("/sumdb/{name}"), Arc::new(answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_command_verifies_behind_the_copy_and_from_the_folder() {
    let Some(go) = GoCommand::find() else {
        println!("skipped: this machine has no go command");
        return;
    };
    let corpus = Corpus::generate(&CorpusOptions { modules: 12, versions: 20, bytes: 200_000, seed: 1 });
    let sumdb = FakeSumdb::new(NOWHERE, 1);
    for built in &corpus.modules {
        sumdb.fill(900);
        sumdb.record(&built.path, &built.version, &built.h1, &built.mod_h1);
    }
    sumdb.set_heads(Heads::Mixed);
    let stage = Stage::with(sumdb, Reach::ThroughProxy, |_| {}).await;
    for built in &corpus.modules {
        let of = ModuleVersion::parse(&built.path, &built.version).unwrap();
        for (what, hash) in [(What::Zip, &built.h1), (What::Mod, &built.mod_h1)] {
            let hash: H1 = hash.parse().unwrap();
            let verdict =
                stage.databases.verify(&of, what, &hash, &stage.chain, Instant::now() + PATIENCE).await;
            assert_eq!(verdict.unwrap(), Verdict::Match);
        }
    }
    stage.databases.flush().await;
    stage.sumdb.stop();
    let front = front(&corpus, stage.sumdb.name(), &stage.databases, &stage.chain).start().await;
    corpus.write_to(&stage.folder.path().join("modules")).unwrap();
    let folder = format!("file://{}/modules", stage.folder.path().display());
    let files = [("go.mod", corpus.go_mod.as_str()), ("main.go", corpus.main_go.as_str())];
    for (number, proxy) in [front.to_string(), folder].into_iter().enumerate() {
        let go = go.clone().fresh_module_cache().proxy(proxy).env("GOSUMDB", stage.sumdb.verifier_key());
        let (project, key) = (go.project(&format!("p{number}"), &files), stage.sumdb.verifier_key());
        let sums = tokio::task::spawn_blocking(move || {
            go.run(&project, &["mod", "download", "all"]).expect_success();
            go.run(&project, &["mod", "tidy"]).expect_success();
            let cache = go.module_cache().join("cache/download/sumdb");
            assert!(cache.is_dir(), "it did verify ({key})");
            fs_err::read_to_string(project.join("go.sum")).unwrap()
        })
        .await
        .unwrap();
        assert!(!sums.is_empty());
    }
    assert_eq!(Content::ChecksumTile.label(), "sumdb-tile");
}
