//! Repositories that try to run something, to write somewhere, to fill memory or disk, or to break what comes after them. Each is
//! answered rightly or refused with a status that is true, while others are served and memory stays flat.

mod contents;
mod forges;
mod objects;
mod trees;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use larder_module::ModuleVersion;
use larder_module::zip::{Archive, InspectOptions, inspect};
use larder_testkit::git_stage::{GitStage, HOST};
use larder_testkit::watch::{Descendants, processes_about};
use larder_testkit::{GitRepository, GitServer, LarderProcess, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const MIB: u64 = 1 << 20;
/// What the server's memory may grow by over all of them. The largest legal go.mod takes 16 MiB, the references of one repository up to
/// 128 MiB, of which the cases here need less.
const GROWTH: u64 = 160 * MIB;
/// How often the long form asks for something that is still being fetched.
const ASKS: usize = 10;
/// How long somebody else may wait meanwhile, on a machine that does a lot besides.
const PATIENCE: Duration = Duration::from_secs(5);

/// A repository and what is to be had from it.
struct Case {
    name: String,
    /// What is asked behind `@v/`.
    ask: &'static str,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    /// A zip with these files.
    Files(&'static [&'static str]),
    /// A zip with so many files.
    Zip(usize),
    /// A file that holds this.
    Text(&'static str),
    /// One of these statuses.
    Refused(&'static [u16]),
}

/// A zip with nothing but the go.mod.
const ONLY_GO_MOD: Expected = Expected::Files(&["go.mod"]);

fn case(name: &str, expected: Expected) -> Case {
    Case { name: name.to_owned(), ask: "v1.0.0.zip", expected }
}

fn module(name: &str) -> String {
    format!("{HOST}/h/{name}")
}

fn go_mod(name: &str) -> String {
    format!("module {}\n", module(name))
}

fn repository(forge: &GitServer, name: &str) -> GitRepository {
    forge.repository(&module(name))
}

/// Says why an answer is not what was expected.
fn judge(larder: &LarderProcess, case: &Case) -> Option<String> {
    let path = format!("/{}/@v/{}", module(&case.name), case.ask);
    let may_be_slow = matches!(case.expected, Expected::Refused(statuses) if statuses.contains(&504));
    let mut asked = 0;
    let answer = loop {
        asked += 1;
        match larder.try_get(&path) {
            // What takes longer than anybody waits goes on, and the client is told to ask again.
            Ok(answer) if answer.status == 504 && !may_be_slow && asked < ASKS && settings::long() => {}
            Ok(answer) => break answer,
            Err(error) => return Some(format!("{}: {error}", case.name)),
        }
    };
    let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).trim().to_owned();
    let why = match (&case.expected, answer.status) {
        (Expected::Refused(statuses), status) if statuses.contains(&status) => {
            let lines = answer.text().trim().lines().count();
            (lines > 8).then(|| format!("{lines} lines"))
        }
        (Expected::Text(expected), 200) => (!answer.text().contains(expected)).then(text),
        (Expected::Files(files), 200) => wrong_zip(&case.name, &answer.body, files.len(), files),
        (Expected::Zip(count), 200) => wrong_zip(&case.name, &answer.body, *count, &[]),
        (_, status) => Some(format!("{status} {}", text())),
    };
    let why = why.or_else(|| {
        let leaks = answer.body.windows(7).any(|window| window == b"root:x:");
        leaks.then(|| "a file of the machine is in it".to_owned())
    });
    why.map(|why| format!("{}: {why} (after {:?}, expected {:?})", case.name, answer.elapsed, case.expected))
}

fn wrong_zip(name: &str, bytes: &[u8], count: usize, files: &[&str]) -> Option<String> {
    let of = ModuleVersion::parse(&module(name), "v1.0.0").expect("a module");
    let size = bytes.len() as u64;
    match inspect(bytes, size, &of, &InspectOptions::default()) {
        Ok(report) if report.h1.is_some() => {}
        Ok(report) => return Some(format!("not a module zip: {report:?}")),
        Err(error) => return Some(format!("no zip: {error}")),
    }
    let archive = Archive::open(bytes, size).expect("it was read a moment ago");
    let prefix = format!("{of}/");
    let mut found: Vec<String> = archive
        .entries()
        .iter()
        .map(|entry| String::from_utf8_lossy(archive.name(entry)).trim_start_matches(&prefix).to_owned())
        .collect();
    found.sort();
    let mut expected: Vec<&str> = files.to_vec();
    expected.sort_unstable();
    (found.len() != count || (!files.is_empty() && found != expected))
        .then(|| format!("files {:?}", &found[..found.len().min(20)]))
}

/// Asks for what is stored, and whether all is well, until told to stop; returns how often, and the longest wait.
fn others(larder: &LarderProcess, stop: &AtomicBool) -> (usize, Duration) {
    let (mut count, mut worst) = (0, Duration::ZERO);
    let path = format!("/{}/@v/v1.0.0.zip", module("good"));
    while !stop.load(Ordering::Relaxed) {
        for path in [path.as_str(), "/-/healthz"] {
            let answer = larder.get(path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            worst = worst.max(answer.elapsed);
            count += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    (count, worst)
}

/// Asks for all of them, a few at a time; returns what is wrong.
fn ask_all(larder: &LarderProcess, cases: &[Case]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            wrong.extend(judge(larder, case));
            let took = began.elapsed();
            if took > Duration::from_secs(3) {
                settings::say(&format!("{} took {took:?}", case.name));
            }
        }
        wrong
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        hands.into_iter().flat_map(|hand| hand.join().expect("it only collects")).collect()
    })
}

fn run(build: impl Fn(&GitServer) -> Vec<Case>, git: &str) {
    let mut stage = GitStage::new(BINARY);
    let mut good = repository(&stage.forge, "good");
    let mark = good.files(&[("go.mod", &go_mod("good")), ("a.go", "package good\n")]);
    good.tag("v1.0.0", mark);
    good.save();
    let began = Instant::now();
    let cases = build(&stage.forge);
    let built = began.elapsed();
    let larder = stage.recorded(git).start();
    assert!(judge(&larder, &case("good", Expected::Files(&["go.mod", "a.go"]))).is_none());
    stage.remember_the_world(&[Path::new(env!("CARGO_MANIFEST_DIR"))]);
    let before = larder.memory("VmHWM");
    let watched = Descendants::of(larder.id());
    let stop = AtomicBool::new(false);
    let (wrong, (count, worst)) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| others(&larder, &stop));
        let wrong = ask_all(&larder, &cases);
        stop.store(true, Ordering::Relaxed);
        (wrong, beside.join().expect("others are served"))
    });
    let growth = larder.memory("VmHWM").saturating_sub(before);
    settings::say(&format!(
        "{} repositories built in {built:?}, asked in {:?}; memory grew by {} MiB; {count} others were served, the slowest in {worst:?}",
        cases.len(),
        began.elapsed() - built,
        growth / MIB
    ));
    assert!(wrong.is_empty(), "{} of {} repositories:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(growth < GROWTH, "memory grew by {} MiB", growth / MIB);
    assert!(worst < PATIENCE, "others waited for {worst:?}");
    let seen = watched.seen();
    // The recorder is a shell script.
    let known = ["larder", "git", "git-remote-http", "git-remote-https", "dash", "sh", "bash", "busybox"];
    assert!(seen.iter().all(|name| known.contains(&name.as_str())), "{seen:?}");
    stage.assert_tame();
    stage.assert_same_world();
    let running = processes_about(stage.scene.larder.folder(), &[larder.id()]);
    assert!(running.is_empty(), "{running:?}");
    drop(larder);
    let data = stage.scene.larder.data().to_string_lossy().into_owned();
    let verified = stage.scene.larder.run(&["verify", "--data", &data]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn names_in_trees() {
    run(trees::cases, "");
}

#[test]
fn trees_without_end() {
    run(trees::bombs, "local = \"4s\"");
}

#[test]
fn contents_of_files() {
    run(contents::cases, "");
}

#[test]
fn objects_and_references() {
    run(objects::cases, "");
}

#[test]
fn forges_that_lie() {
    run(forges::cases, "remote = \"20s\"");
}

#[test]
fn repositories_beyond_the_limits() {
    if !settings::long() {
        return settings::skipped(
            "repositories_beyond_the_limits",
            "it takes minutes and gibibytes; LARDER_LONG=1 runs it",
        );
    }
    let build = |forge: &GitServer| {
        let mut cases = objects::huge_cases(forge);
        cases.extend(contents::huge_cases(forge));
        cases
    };
    run(build, "repository = \"1GiB\"");
}
