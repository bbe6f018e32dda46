//! What a repository's server has to do for Larder: one list where the last one is no longer fresh, one clone's worth for a crowd.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use larder_testkit::git::{self, Commit};
use larder_testkit::{FakeUpstream, GitServer, Larder, LarderProcess, Rng, Scenario, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const LIB: &str = "git.corp.example/team/lib";

/// A Larder that is told where the repositories are, so that the server's traffic is git's alone.
fn larder(scene: &Scenario, forge: &GitServer, fresh: &str) -> Larder {
    scene.larder.clone().config(&format!(
        "[answers]\nfresh = \"{fresh}\"\nnegative = \"1s\"\n[git]\nrefs = \"{fresh}\"\n[upstream]\nca = [\"{}\"]\n\
         [[route]]\nmatch = [\"git.corp.example\"]\nchain = \"direct\"\nprivate = true\n\
         [[repository]]\nmatch = [\"git.corp.example/*/*\"]\nurl = \"https://{}/git.corp.example/{{1}}/{{2}}.git\"\n",
        forge.authority_file().display(),
        forge.address()
    ))
}

fn runs(larder: &LarderProcess) -> u64 {
    let metrics = larder.get("/-/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("larder_git_runs_total "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no such figure in {metrics}"))
}

/// Ten versions, each of which changes a twentieth of the files.
fn ten_versions(forge: &GitServer) {
    let mut lib = forge.repository(LIB);
    let mut rng = Rng::new(settings::seed(5));
    for version in 0..10 {
        let files: Vec<usize> =
            if version == 0 { (0..200).collect() } else { (0..10).map(|_| rng.below(200)).collect() };
        let start = Commit::on("main").file("go.mod", format!("module {LIB}\n"));
        let commit = files
            .iter()
            .fold(start, |commit, file| commit.file(&format!("data/{file}.bin"), rng.bytes(4096)));
        let mark = lib.commit(commit);
        lib.tag(&format!("v1.{version}.0"), mark);
    }
    lib.save();
}

#[test]
fn a_list_costs_one_question_when_it_is_no_longer_fresh_and_none_before() {
    const FRESH: Duration = Duration::from_secs(4);
    let forge = GitServer::start();
    ten_versions(&forge);
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let larder = larder(&scene, &forge, "4s").start();
    let list = format!("/{LIB}/@v/list");
    let first = larder.get(&list);
    assert_eq!((first.status, first.text().lines().count()), (200, 10), "{}", first.text());
    let (asked, runs_before, heard) = (Instant::now(), runs(&larder), forge.log().len());
    for _ in 0..20 {
        assert_eq!(larder.get(&list).body, first.body);
    }
    let (runs_within, heard_within) = (runs(&larder), forge.log().len());
    if asked.elapsed() < FRESH / 2 {
        assert_eq!((runs_within, heard_within), (runs_before, heard), "within its freshness");
    } else {
        settings::say("this machine is too slow to ask twenty times within two seconds");
    }
    std::thread::sleep(FRESH.saturating_sub(asked.elapsed()) + Duration::from_millis(200));
    let (runs_before, before) = (runs(&larder), forge.traffic(LIB));
    assert_eq!(larder.get(&list).body, first.body);
    let after = forge.traffic(LIB);
    assert_eq!(runs(&larder) - runs_before, 1, "after its freshness");
    assert_eq!(after.listings - before.listings, 1);
    assert_eq!(after.fetches, 0, "a list needs no objects");
}

#[test]
fn a_crowd_at_ten_versions_costs_one_clone() {
    let forge = GitServer::start();
    ten_versions(&forge);
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let target = scene.larder.folder().join("clone");
    let cloned = git::command(scene.larder.folder())
        .env("GIT_SSL_CAINFO", forge.authority_file())
        .args(["clone", "--quiet", "--bare", &forge.url(LIB)])
        .arg(&target)
        .status();
    assert!(cloned.is_ok_and(|status| status.success()));
    let clone = forge.traffic(LIB).bytes;
    forge.forget();
    let larder = larder(&scene, &forge, "60s").start();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let version = next.fetch_add(1, Ordering::Relaxed) % 10;
                let answer = larder.get(&format!("/{LIB}/@v/v1.{version}.0.zip"));
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.complete);
            });
        }
    });
    let cost = forge.traffic(LIB);
    let ratio = cost.bytes as f64 / clone as f64;
    settings::say(&format!(
        "100 clients, 10 versions: {ratio:.2} of a clone's {clone} bytes, {cost:?}, {} runs of git",
        runs(&larder)
    ));
    assert!(ratio < 1.1, "{ratio:.2} of a clone: {cost:?}");
    assert!(cost.fetches <= 4, "{cost:?}");
}
