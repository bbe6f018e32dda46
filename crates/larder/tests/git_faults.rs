//! What goes wrong with git itself: it hangs, floods, dies, is missing; the disk is full; the server is killed. The next question
//! is answered, nothing is corrupt, nothing keeps running.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_testkit::git_server::{GitFault, Stage};
use larder_testkit::git_stage::{GitStage, HOST};
use larder_testkit::watch::{eventually, listing, processes_about, script};
use larder_testkit::{Commit, Larder, LarderProcess, Rng, namespace, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const MIB: usize = 1 << 20;

/// A git that goes wrong in the way and at the moment that the repository's name says, until it is healed.
fn broken_git(folder: &Path) -> PathBuf {
    let program = folder.join("broken-git");
    script(
        &program,
        &format!(
            r#"[ -e '{healed}' ] && exec git "$@"
strike() {{
    case "$1" in
        hang) trap '' TERM INT HUP; while :; do sleep 600; done ;;
        flood) exec yes 'a line that is a good deal longer than one letter, so that a flood of it takes less time' ;;
        noise) exec yes 'an error that is repeated without end' >&2 ;;
        killed) kill -KILL $$ ;;
        crash) kill -SEGV $$ ;;
        ended) kill -TERM $$ ;;
        silent) exit 1 ;;
    esac
}}
for mode in hang flood noise killed crash ended silent; do
    for moment in ls-remote fetch log archive; do
        case "$* $GIT_DIR" in
            *team/"$mode-$moment".git* | *team-"$mode-$moment".git-*)
                case " $* " in *" $moment "*) strike "$mode" ;; esac ;;
        esac
    done
done
exec git "$@""#,
            healed = folder.join("healed").display()
        ),
    );
    program
}

/// Makes a repository with a version whose zip holds so many bytes that don't compress.
fn repository(stage: &GitStage, name: &str, size: usize) {
    let mut repository = stage.forge.repository(&format!("{HOST}/team/{name}"));
    let commit = Commit::on("main")
        .file("go.mod", format!("module {HOST}/team/{name}\n"))
        .file("data.bin", Rng::new(size as u64).bytes(size));
    let mark = repository.commit(commit);
    repository.tag("v1.0.0", mark);
    repository.save();
}

fn zip_of(name: &str) -> String {
    format!("/{HOST}/team/{name}/@v/v1.0.0.zip")
}

fn works(larder: &LarderProcess, name: &str) {
    for end in ["v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip", "list"] {
        let path = format!("/{HOST}/team/{name}/@v/{end}");
        let answer = larder.get(&path);
        assert!(answer.status == 200 && answer.complete, "{path}: {} {}", answer.status, answer.text());
    }
}

/// Asserts that everything in the store is what it should be.
fn verified(larder: &Larder) {
    let data = larder.data().to_string_lossy().into_owned();
    let output = larder.run(&["verify", "--data", &data]);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Returns what a fetch or an answer in the making would leave.
fn leftovers(data: &Path) -> Vec<PathBuf> {
    let is_left = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.starts_with(data.join("mirrors")) {
            [".making-", ".trash-", "tmp_", ".tmp-", "incoming-", "shallow_"]
                .iter()
                .any(|start| name.starts_with(start))
                || (name.ends_with(".lock") && name != ".lock")
        } else {
            path.starts_with(data.join("staging")) && path.is_file() && name != "owner"
        }
    };
    listing(data).into_keys().filter(is_left).collect()
}

/// Asserts that soon nothing half lies around; the store moves files to their place a moment after the answer.
fn nothing_half(data: &Path) {
    let clean = eventually(Duration::from_secs(5), || leftovers(data).is_empty());
    assert!(clean, "{:?}", leftovers(data));
}

/// Asserts that soon nothing runs on behalf of the data any more but `except`.
fn nobody_left(folder: &Path, except: &[u32]) {
    let gone = eventually(Duration::from_secs(8), || processes_about(folder, except).is_empty());
    assert!(gone, "still running: {:?}", processes_about(folder, except));
}

#[test]
fn git_goes_wrong_at_every_step() {
    let stage = GitStage::new(BINARY);
    let folder = stage.scene.larder.folder().to_owned();
    let mut cases = Vec::new();
    for (mode, status) in [
        ("hang", 504),
        ("flood", 502),
        ("noise", 504),
        ("killed", 502),
        ("crash", 502),
        ("ended", 502),
        ("silent", 502),
    ] {
        for moment in ["ls-remote", "fetch", "log", "archive"] {
            // What floods an archive fills gibibytes first, and is refused like any module that is too large.
            match (mode, moment) {
                ("flood", "archive") if settings::long() => cases.push((format!("{mode}-{moment}"), 404)),
                ("flood", "archive") => {}
                // Each of these keeps a processor busy to its deadline.
                ("noise", "fetch" | "log") if !settings::long() => {}
                _ => cases.push((format!("{mode}-{moment}"), status)),
            }
        }
    }
    for (name, _) in &cases {
        repository(&stage, name, 1000);
    }
    repository(&stage, "good", 1000);
    let program = broken_git(&folder);
    let larder = stage
        .larder(&program, "remote = \"8s\"\nlocal = \"8s\"\nrefs = \"1m\"\nprocesses = 16", &stage.mapping())
        .start();
    works(&larder, "good");
    let ask = &|name: &str| {
        let path = zip_of(name);
        let answer = larder.get(&path);
        (answer.status, answer.text(), answer.elapsed)
    };
    let judge = &|(name, expected): &(String, u16)| {
        let (status, text, elapsed) = ask(name);
        // A list may be a quarter of a gibibyte, an archive two; a busy machine doesn't get that far before the deadline.
        let slow_flood = matches!(name.as_str(), "flood-ls-remote" | "flood-archive") && status == 504;
        let right = (status == *expected || slow_flood) && text.trim().lines().count() <= 8;
        (!right).then(|| format!("{name}: {status} after {elapsed:?}, not {expected}: {}", text.trim()))
    };
    // Those that wait for their deadline wait together, the others follow one by one.
    let (slow, quick): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, status)| *status == 504);
    let mut wrong: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = slow.into_iter().map(|case| scope.spawn(move || judge(case))).collect();
        works(&larder, "good");
        asked.into_iter().filter_map(|thread| thread.join().expect("an answer")).collect()
    });
    wrong.extend(quick.into_iter().filter_map(judge));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    settings::say(&format!("{} ways for git to go wrong", cases.len()));
    nobody_left(&folder, &[larder.id()]);

    fs_err::write(folder.join("healed"), "").expect("a temporary folder");
    // The failures were remembered for a second at most.
    for (name, _) in cases.iter().filter(|(name, _)| name != "flood-archive") {
        let path = zip_of(name);
        let healed = eventually(Duration::from_secs(10), || larder.get(&path).status == 200);
        assert!(healed, "{path}: {}", larder.get(&path).text());
    }
    nothing_half(larder.data());
    drop(larder);
    verified(&stage.scene.larder);
}

#[test]
fn there_is_no_git() {
    let stage = GitStage::new(BINARY);
    repository(&stage, "lib", 1000);
    let folder = stage.scene.larder.folder();
    let plain_file = folder.join("not-a-program");
    fs_err::write(&plain_file, "#!/bin/sh\nexec git \"$@\"\n").expect("a temporary folder");
    for program in [Path::new("/nonexistent/git"), &plain_file, folder] {
        let larder = stage.larder(program, "", &stage.mapping()).start();
        let answer = larder.get(&zip_of("lib"));
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.text().contains(&*program.to_string_lossy()), "{}", answer.text());
        assert_eq!(larder.get("/-/healthz").status, 200);
    }
    works(&stage.larder(Path::new("git"), "", &stage.mapping()).start(), "lib");
}

#[test]
fn the_server_is_killed_during_a_fetch() {
    let rounds = if settings::long() { 40 } else { 4 };
    let mut rng = Rng::new(settings::seed(7));
    let stage = GitStage::new(BINARY);
    let folder = stage.scene.larder.folder().to_owned();
    let larder = stage.larder(Path::new("git"), "", &stage.mapping());
    for round in 0..rounds {
        let name = format!("lib{round}");
        repository(&stage, &name, MIB);
        let process = larder.start();
        let stalled_at = rng.below(MIB) as u64;
        stage.forge.fault(HOST, Some(Stage::Fetch), GitFault::Stall(stalled_at), None);
        stage.forge.forget();
        let path = zip_of(&name);
        std::thread::scope(|scope| {
            scope.spawn(|| process.try_get(&path));
            let begun = |asked: &[larder_testkit::git_server::Asked]| {
                asked.iter().any(|asked| asked.stage == Stage::Fetch && asked.status == 200)
            };
            assert!(stage.forge.wait_until(Duration::from_secs(20), begun), "no fetch was begun");
            std::thread::sleep(Duration::from_millis(rng.below(100) as u64));
            process.signal(rustix::process::Signal::KILL);
        });
        drop(process);
        nobody_left(&folder, &[]);
        stage.forge.heal();
        let process = larder.start();
        works(&process, &name);
        for earlier in 0..round {
            works(&process, &format!("lib{earlier}"));
        }
        nothing_half(process.data());
        drop(process);
        verified(&larder);
    }
    settings::say(&format!("{rounds} kills during a fetch"));
}

#[test]
fn the_connection_ends_in_the_middle_of_a_fetch() {
    let stage = GitStage::new(BINARY);
    repository(&stage, "lib", MIB);
    let larder = stage.larder(Path::new("git"), "", &stage.mapping()).start();
    for at in [0, 1, 100, 5_000, 500_000] {
        stage.forge.fault(HOST, Some(Stage::Fetch), GitFault::Cut(at), None);
        let answer = larder.get(&zip_of("lib"));
        assert_eq!(answer.status, 502, "cut at {at}: {}", answer.text());
        stage.forge.heal();
    }
    let healed = eventually(Duration::from_secs(10), || larder.get(&zip_of("lib")).status == 200);
    assert!(healed, "{}", larder.get(&zip_of("lib")).text());
    nothing_half(larder.data());
}

#[test]
fn the_disk_is_full_in_the_middle_of_a_fetch() {
    if !namespace::mounts("the_disk_is_full_in_the_middle_of_a_fetch") {
        return;
    }
    let stage = GitStage::new(BINARY);
    repository(&stage, "small", 1000);
    repository(&stage, "large", 24 * MIB);
    let data = stage.scene.larder.data().to_owned();
    fs_err::create_dir_all(&data).expect("a temporary folder");
    let mount = format!("mount -t tmpfs -o size=128m larder-test '{}' && exec \"$@\"", data.display());
    let larder = stage
        .larder(Path::new("git"), "", &stage.mapping())
        .wrapper(&["unshare", "-m", "sh", "-c", &mount, "sh"])
        .start();
    let inside = PathBuf::from(format!("/proc/{}/root{}", larder.id(), data.display()));
    let filler = inside.join("filler");
    fs_err::write(&filler, vec![0; 112 * MIB]).expect("room for it");

    let answer = larder.get(&zip_of("large"));
    assert_eq!(answer.status, 507, "{}", answer.text());
    // What the broken fetch took is given back, and there is room for others.
    nothing_half(&inside);
    works(&larder, "small");

    fs_err::remove_file(&filler).expect("our own file");
    let end = Instant::now() + Duration::from_secs(20);
    while larder.get(&zip_of("large")).status != 200 {
        assert!(Instant::now() < end, "no recovery: {}", larder.get(&zip_of("large")).text());
        std::thread::sleep(Duration::from_millis(100));
    }
    works(&larder, "large");
    nothing_half(&inside);
}
