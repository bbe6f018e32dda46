//! With nothing left upstream, everything stored is still served, and nothing is called absent that is only out of
//! reach.

use std::time::{Duration, Instant};

use larder_testkit::upstream::{latest_path, list_path};
use larder_testkit::{Corpus, CorpusOptions, Scenario};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

fn corpus() -> Corpus {
    Corpus::generate(&CorpusOptions { modules: 8, versions: 16, bytes: 200_000, seed: 2 })
}

/// Fetches every object, and the two answers, of half of the modules.
fn warm(larder: &larder_testkit::LarderProcess, corpus: &Corpus) {
    for module in &corpus.modules {
        for extension in ["info", "mod", "zip"] {
            let answer = larder.get(&module.url_path(extension));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

fn all_served(larder: &larder_testkit::LarderProcess, corpus: &Corpus) {
    for module in &corpus.modules {
        for (extension, right) in [("info", &module.info), ("mod", &module.go_mod), ("zip", &module.zip)] {
            let started = Instant::now();
            let answer = larder.get(&module.url_path(extension));
            assert_eq!(answer.status, 200, "{} {}", module.url_path(extension), answer.text());
            assert!(answer.complete && answer.body == right.as_ref(), "{}", module.url_path(extension));
            assert!(started.elapsed() < Duration::from_secs(1), "a hit never waits for an upstream");
        }
        let list = larder.get(&list_path(&module.path));
        assert_eq!(list.status, 200, "{}", list.text());
        assert!(list.text().lines().any(|line| line == module.version), "{}", list.text());
        let latest = larder.get(&latest_path(&module.path));
        assert_eq!(latest.status, 200, "{}", latest.text());
    }
}

#[test]
fn hits_survive_the_loss_of_the_upstream() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    let larder = scene.larder.start();
    warm(&larder, &corpus);
    scene.upstream.cut();
    all_served(&larder, &corpus);
}

#[test]
fn hits_survive_a_restart_into_the_dark() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    let mut larder = scene.larder.start();
    warm(&larder, &corpus);
    // A kill might hit before the last object is on the disk; the crash suite has that.
    larder.terminate(Duration::from_secs(20)).expect("it stops when asked");
    scene.upstream.cut();
    // Not even the name of the upstream can be resolved now.
    let larder = scene.larder.clone().upstream("https://proxy.example.invalid").start();
    all_served(&larder, &corpus);
    assert_eq!(larder.get("/-/healthz").status, 200);
}

#[test]
fn what_is_out_of_reach_is_not_called_absent() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    let larder = scene.larder.start();
    scene.upstream.cut();
    let never_asked = &corpus.modules[0];
    for path in [
        never_asked.url_path("info"),
        never_asked.url_path("mod"),
        never_asked.url_path("zip"),
        list_path(&never_asked.path),
        latest_path(&never_asked.path),
    ] {
        let answer = larder.get(&path);
        assert!(matches!(answer.status, 502..=504), "{path}: {} {}", answer.status, answer.text());
        assert!(
            answer.text().contains(&scene.upstream.host()),
            "{path} names the upstream: {}",
            answer.text()
        );
    }
}

#[test]
fn an_absence_that_was_learned_stays_usable() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    let larder = scene.larder.clone().env("LARDER_ANSWERS_NEGATIVE", "1s").start();
    assert_eq!(larder.get("/example.com/nothing/@latest").status, 404);
    assert_eq!(larder.get("/example.com/nothing/@v/list").status, 404);
    scene.upstream.cut();
    std::thread::sleep(Duration::from_millis(1100)); // the minute of a negative answer, shortened, has to pass
    for path in ["/example.com/nothing/@latest", "/example.com/nothing/@v/list"] {
        let answer = larder.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
}

#[test]
fn only_what_is_stored_is_asked_for_under_cached_only() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    // What goes with the first zip would else be fetched ahead, perhaps only now.
    let larder = scene.larder.clone().env("LARDER_PREFETCH_MODE", "off").start();
    let stored = &corpus.modules[0];
    let other = corpus.modules.iter().find(|module| module.path != stored.path).unwrap();
    assert_eq!(larder.get(&stored.url_path("zip")).status, 200);
    scene.upstream.forget();
    assert_eq!(larder.get(&format!("/cached-only{}", stored.url_path("zip"))).status, 200);
    let absent = larder.get(&format!("/cached-only{}", other.url_path("zip")));
    assert_eq!(absent.status, 404, "{}", absent.text());
    let header = [("Disable-Module-Fetch", "true")];
    assert_eq!(larder.request("GET", &other.url_path("mod"), &header).unwrap().status, 404);
    assert_eq!(scene.upstream.total(), 0, "the upstream is not asked");
}

#[test]
fn a_copied_module_cache_is_served() {
    let corpus = corpus();
    let scene = Scenario::new(BINARY, corpus.upstream());
    corpus.write_to(&scene.larder.data().join("modules")).unwrap();
    let larder = scene.larder.start();
    all_served(&larder, &corpus);
    let zips =
        corpus.modules.iter().filter(|module| scene.upstream.requests(&module.url_path("zip")) > 0).count();
    assert_eq!(zips, 0, "what was copied in is not fetched again");
}
