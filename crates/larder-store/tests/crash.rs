//! The process dies: at random moments, at each durable step, at each system call.
//!
//! This program starts itself again as the victim (the ignored test), which publishes objects and prints those that it
//! acknowledges. The parent kills it, opens the store and looks: nothing corrupt, nothing half there, nothing lost that
//! was acknowledged. What an object must contain follows from its name.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use common::*;
use larder_module::request::ObjectKind;
use larder_store::{FailPoint, ObjectKey, Store, Verification};
use larder_testkit::Rng;

const VICTIM: &str = "victim";

/// Whoever has a store open here reads it, whoever starts a process writes it: until a process runs its own program it has the locks of
/// this one's stores too, and a victim would find its store taken.
static NOBODY_STARTS: RwLock<()> = RwLock::new(());

fn nobody_starts() -> RwLockReadGuard<'static, ()> {
    NOBODY_STARTS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The content of an object, which a reader can make again.
fn expected(key: &ObjectKey) -> Vec<u8> {
    let name = key.relative_path();
    let seed = name.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    let mut rng = Rng::new(seed);
    let len = match key.kind() {
        ObjectKind::Zip => 20_000 + rng.below(60_000),
        ObjectKind::Info | ObjectKind::Mod => 50 + rng.below(500),
    };
    rng.bytes(len)
}

fn publish_version(store: &Store, path: &str, version: &str, mut acknowledge: impl FnMut(&ObjectKey)) {
    for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
        let key = key(path, version, kind);
        let bytes = expected(&key);
        let verified =
            if kind == ObjectKind::Zip { Verification::Unverified } else { Verification::NotApplicable };
        let mut publication = publication(verified);
        publication.h1 = (kind == ObjectKind::Zip).then(|| larder_module::dirhash::hash_mod(&bytes));
        put_as(store, &key, &bytes, &publication).expect("it is published");
        acknowledge(&key);
    }
}

/// Reads its orders from standard input: folder, plan, first number, how many versions.
///
/// The plan counts from the moment when the store is open; behind an exclamation mark from the start.
#[test]
#[ignore = "started by the tests of this program"]
fn victim() {
    let mut orders = std::io::stdin().lines();
    let mut order = || orders.next().expect("an order").expect("an order");
    let (root, plan) = (order(), order());
    let (first, count): (u64, u64) = (order().parse().unwrap(), order().parse().unwrap());
    let fail_point = match plan.trim_start_matches('!') {
        "" => FailPoint::counting(),
        plan => plan.parse::<FailPoint>().expect("a plan"),
    };
    fail_point.arm(plan.starts_with('!'));
    let mut options = options(Path::new(&root));
    options.fail_point = Some(fail_point.clone());
    let store = Store::open(options.exclusive()).expect("the store opens");
    println!("\nready");
    fail_point.arm(true);
    for number in first..first + count {
        publish_version(&store, &format!("example.com/m{}", number % 7), &format!("v1.{number}.0"), |key| {
            println!("stored {} {} {}", key.of().module(), key.of().version(), key.kind());
        });
    }
    println!("steps {}", fail_point.steps());
    std::io::stdout().flush().unwrap();
}

fn start(root: &Path, plan: &str, first: u64, count: u64, under: &[&str]) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = match under {
        [] => Command::new(&program),
        [wrapper, arguments @ ..] => {
            let mut command = Command::new(wrapper);
            command.args(arguments).arg(&program);
            command
        }
    };
    let started = NOBODY_STARTS.write().unwrap_or_else(PoisonError::into_inner);
    let mut child = command
        .args(["--exact", VICTIM, "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the victim starts");
    drop(started);
    let orders = format!("{}\n{plan}\n{first}\n{count}\n", root.display());
    child.stdin.take().unwrap().write_all(orders.as_bytes()).expect("the victim takes its orders");
    child
}

/// Waits for the end of a victim; returns what it acknowledged and how many steps it counted.
fn outcome(child: &mut Child, lines: impl Iterator<Item = std::io::Result<String>>) -> (Vec<ObjectKey>, u64) {
    let outcome = parse_acknowledged(lines);
    child.wait().expect("the victim ends");
    outcome
}

fn parse_acknowledged(lines: impl Iterator<Item = std::io::Result<String>>) -> (Vec<ObjectKey>, u64) {
    let mut acknowledged = Vec::new();
    let mut steps = 0;
    for line in lines.map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["stored", path, version, kind] => {
                let kind = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip]
                    .into_iter()
                    .find(|known| known.to_string() == kind);
                acknowledged.extend(kind.map(|kind| key(path, version, kind)));
            }
            ["steps", count] => steps = count.parse().unwrap_or(0),
            _ => {}
        }
    }
    (acknowledged, steps)
}

/// Opens the store after a crash and looks at everything in it.
fn examine(root: &Path, acknowledged: &[ObjectKey], context: &str) -> usize {
    let _held = nobody_starts();
    let started = Instant::now();
    let store = Store::open(options(root).exclusive()).expect("the store opens after a crash");
    assert!(started.elapsed() < Duration::from_secs(1), "{context}: opening took {:?}", started.elapsed());
    assert_eq!(staged(root), [] as [&str; 0], "{context}: the sweep leaves nothing");
    for key in acknowledged {
        let object = store.sound_object(key).unwrap();
        assert!(object.is_some(), "{context}: {key} was acknowledged and is lost");
    }
    let mut objects = 0;
    for number in 0..7 {
        let module = module(&format!("example.com/m{number}"));
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            for version in store.versions_with(&module, kind).unwrap() {
                let key = key(module.as_str(), version.as_str(), kind);
                let object = store.sound_object(&key).unwrap().expect("it was listed");
                assert_eq!(content(&object), expected(&key), "{context}: {key} is corrupt");
                if kind == ObjectKind::Zip {
                    assert!(object.marks.unverified, "{context}: {key} lost its mark");
                    assert!(object.marks.ziphash.is_some(), "{context}: {key} lost its hash");
                }
                objects += 1;
            }
        }
        list_names_only_what_is_there(&store, &module, context);
    }
    objects
}

fn list_names_only_what_is_there(store: &Store, module: &larder_module::path::ModulePath, context: &str) {
    let list = store.modules_folder().join(module.as_str()).join("@v/list");
    let Ok(text) = fs_err::read_to_string(list) else { return };
    assert!(text.is_empty() || text.ends_with('\n'), "{context}: a cut list");
    let versions = store.versions(module).unwrap();
    for line in text.lines() {
        assert!(versions.iter().any(|version| version.as_str() == line), "{context}: {line} is listed only");
    }
}

#[test]
fn killed_at_random_moments() {
    kill_at_random_moments(50);
}

#[test]
#[ignore = "takes minutes; for the long run"]
fn killed_a_thousand_times() {
    for _ in 0..20 {
        kill_at_random_moments(50);
    }
}

#[expect(clippy::print_stdout, reason = "a failure has to be repeatable")]
fn kill_at_random_moments(rounds: u64) {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let folder = quick_folder();
    let mut acknowledged = Vec::new();
    let mut found = 0;
    for round in 0..rounds {
        let mut child = start(folder.path(), "", round * 100_000, 100_000, &[]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The moments lie a random number of acknowledged objects and then a random part of one object later.
        let objects = rng.below(40);
        let mut early: Vec<std::io::Result<String>> = Vec::new();
        while early.iter().flatten().filter(|line| line.starts_with("stored")).count() < objects {
            early.push(Ok(lines.next().expect("the victim lives").unwrap()));
        }
        std::thread::sleep(Duration::from_micros(rng.below(3_000) as u64));
        child.kill().unwrap();
        let (stored, _) = outcome(&mut child, early.into_iter().chain(lines));
        assert!(stored.len() >= objects);
        acknowledged.extend(stored);
        found = examine(folder.path(), &acknowledged, &format!("seed {seed}, round {round}"));
    }
    assert!(found >= acknowledged.len());
    println!("{rounds} kills, {} objects acknowledged, {found} found", acknowledged.len());
}

#[test]
fn killed_at_each_step() {
    let total = {
        let folder = quick_folder();
        let mut child = start(folder.path(), "", 0, 1, &[]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (acknowledged, steps) = outcome(&mut child, lines);
        assert_eq!(acknowledged.len(), 3);
        steps
    };
    assert!(total > 30, "{total} steps can't be all");
    for step in 1..=total {
        let folder = quick_folder();
        let mut child = start(folder.path(), &format!("kill@{step}"), 0, 1, &[]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (acknowledged, steps) = outcome(&mut child, lines);
        assert_eq!(steps, 0, "the victim died at step {step}");
        examine(folder.path(), &acknowledged, &format!("killed at step {step} of {total}"));
        // The next process finishes the work.
        {
            let _held = nobody_starts();
            publish_version(&open(folder.path()), "example.com/m0", "v1.0.0", |_| {});
        }
        assert_eq!(examine(folder.path(), &[], "finished"), 3);
    }
    println!("killed at each of {total} steps");
}

#[test]
fn killed_at_each_step_of_opening() {
    let folder = quick_folder();
    let mut acknowledged = Vec::new();
    for step in 1.. {
        // Each victim opens what the one before left.
        let mut child = start(folder.path(), &format!("!kill@{step}"), 0, 0, &[]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (_, steps) = outcome(&mut child, lines);
        if steps > 0 {
            assert!(step > 4, "{step} steps can't be all");
            break;
        }
        if step == 1 {
            let _held = nobody_starts();
            publish_version(&open(folder.path()), "example.com/m0", "v1.0.0", |key| {
                acknowledged.push(key.clone());
            });
        }
        let count = examine(folder.path(), &acknowledged, &format!("killed at step {step} of opening"));
        assert_eq!(count, 3);
    }
}

#[test]
fn killed_at_each_system_call() {
    let can_trace = Command::new("strace")
        .args(["-e", "inject=none", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
        || Command::new("strace").arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !can_trace {
        eprintln!("skipped: strace is not installed or may not trace");
        return;
    }
    let mut kills = 0;
    for call in
        ["openat", "pwrite64", "fdatasync", "fsync", "renameat2", "rename", "mkdir", "unlink", "ftruncate"]
    {
        for number in 1.. {
            let folder = quick_folder();
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            let mut child =
                start(folder.path(), "", 0, 1, &["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]);
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let (acknowledged, steps) = outcome(&mut child, lines);
            if steps > 0 {
                break; // there is no such call any more
            }
            examine(folder.path(), &acknowledged, &format!("killed at {call} {number}"));
            kills += 1;
        }
    }
    println!("killed at {kills} system calls");
    assert!(kills > 30, "{kills} calls can't be all");
}

/// Cuts the power: the file system forgets what was not synced. It needs root, loop devices and ext4.
#[test]
#[ignore = "for the long run"]
fn power_cuts() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args([
            "-m",
            program.to_str().unwrap(),
            "--exact",
            "power_cuts_in_private",
            "--ignored",
            "--nocapture",
        ])
        .output();
    let output = output.expect("unshare is there");
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("no loop device") {
        eprintln!("skipped: no ext4 can be mounted here");
        return;
    }
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

#[test]
#[ignore = "started by power_cuts where a mount stays private"]
fn power_cuts_in_private() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
    fs_err::create_dir(&mount).unwrap();
    let run = |script: &str| {
        let script =
            script.replace("IMAGE", image.to_str().unwrap()).replace("MOUNT", mount.to_str().unwrap());
        Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
    };
    // A long commit interval, so that nothing gets to the disk by itself.
    let mount_it = "mount -o loop,commit=300 IMAGE MOUNT";
    if !run(&format!("truncate -s 256M IMAGE && mkfs.ext4 -q IMAGE && {mount_it}")) {
        println!("no loop device");
        return;
    }
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let root = mount.join("data");
    let mut acknowledged = Vec::new();
    for round in 0..40 {
        let mut child = start(&root, "", round * 100_000, 100_000, &[]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let objects = 1 + rng.below(30);
        let mut early: Vec<std::io::Result<String>> = Vec::new();
        while early.iter().flatten().filter(|line| line.starts_with("stored")).count() < objects {
            early.push(Ok(lines.next().expect("the victim lives").unwrap()));
        }
        // What was printed up to here was acknowledged while the power was on.
        let (stored, _) = parse_acknowledged(early.into_iter());
        acknowledged.extend(stored);
        let cut = "python3 -c 'import fcntl,os,struct; \
            fcntl.ioctl(os.open(\"MOUNT\", os.O_RDONLY), 0x8004587d, struct.pack(\"I\", 2))'";
        assert!(run(cut), "the power is cut");
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);
        assert!(run(&format!("umount MOUNT && {mount_it}")), "it is mounted again");
        examine(&root, &acknowledged, &format!("seed {seed}, power cut {round}"));
    }
    println!("40 power cuts, {} objects acknowledged", acknowledged.len());
    assert!(run("umount MOUNT"));
}
