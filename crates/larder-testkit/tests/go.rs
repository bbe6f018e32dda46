//! The fakes satisfy the real go command with verification on; without that, the end-to-end suites prove nothing.

use larder_testkit::sumdb::FakeSumdb;
use larder_testkit::{Corpus, CorpusOptions, GoCommand, settings};

#[test]
fn the_go_command_downloads_and_builds_the_corpus() {
    let Some(go) = GoCommand::find() else {
        return settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
    };
    let corpus = Corpus::generate(&CorpusOptions { modules: 12, versions: 30, bytes: 200_000, seed: 5 });
    let sumdb = FakeSumdb::new("sum.example.com", 5);
    let upstream = corpus.upstream().sumdb(&sumdb).start_blocking();
    let go = go.proxy(upstream.url()).env("GOSUMDB", sumdb.verifier_key()).fresh_module_cache();
    let [go_mod, _, main] = corpus.project();
    let project = go.project("p", &[go_mod, main]);
    go.run(&project, &["mod", "download"]).expect_success();
    go.run(&project, &["build", "-mod=mod", "./..."]).expect_success();
    assert!(upstream.log().iter().any(|request| request.path.starts_with("/sumdb/sum.example.com/lookup/")));
    let sums = fs_err::read_to_string(project.join("go.sum")).unwrap();
    assert!(sums.lines().all(|line| corpus.go_sum.contains(line)), "{sums}");
}
