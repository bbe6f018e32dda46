//! A full disk and a disk without inodes: hits go on, small objects are served unstored, large ones say why not, and
//! everything recovers by itself.
//!
//! The store lies on a small tmpfs in a mount namespace that only Larder sees; the test looks into it through
//! `/proc/<id>/root`. Where the machine doesn't permit that, the tests say so and don't run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_testkit::{BuiltModule, FakeUpstream, LarderProcess, ModuleBuilder, Rng, Scenario, namespace};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const MIB: usize = 1 << 20;

/// Starts Larder with its data on a tmpfs of these options; `mountpoint` must exist.
fn start_on_tmpfs(scene: &Scenario, options: &str) -> (LarderProcess, PathBuf) {
    let data = scene.larder.data().to_owned();
    fs_err::create_dir_all(&data).unwrap();
    let script = format!("mount -t tmpfs -o {options} larder-test '{}' && exec \"$@\"", data.display());
    let larder = scene.larder.clone().wrapper(&["unshare", "-m", "sh", "-c", &script, "sh"]).start();
    let inside = PathBuf::from(format!("/proc/{}/root{}", larder.id(), data.display()));
    (larder, inside)
}

fn module(name: &str, size: usize) -> ModuleBuilder {
    let data = Rng::new(name.len() as u64 + size as u64).bytes(size);
    ModuleBuilder::new(&format!("example.com/{name}"), "v1.0.0")
        .file("m.go", "package m\n")
        .file("d.bin", data)
}

/// What is asked before, while and after the disk is full.
struct Objects {
    stored: BuiltModule,
    small: BuiltModule,
    large: BuiltModule,
}

fn objects(scene: &Scenario) -> Objects {
    Objects {
        stored: scene.add(&module("stored", MIB)),
        small: scene.add(&module("small", 50_000)),
        large: scene.add(&module("large", 3 * MIB)),
    }
}

fn right(module: &BuiltModule, extension: &str) -> Vec<u8> {
    match extension {
        "info" => module.info.to_vec(),
        "mod" => module.go_mod.to_vec(),
        _ => module.zip.to_vec(),
    }
}

fn served(larder: &LarderProcess, module: &BuiltModule) {
    for extension in ["info", "mod", "zip"] {
        let answer = larder.get(&module.url_path(extension));
        assert_eq!(answer.status, 200, "{}: {}", module.url_path(extension), answer.text());
        assert!(answer.complete && answer.body == right(module, extension), "{}", module.url_path(extension));
    }
}

/// Waits until all of a module is durable: not before is it served as a hit.
fn kept(larder: &LarderProcess, module: &BuiltModule) {
    for extension in ["info", "mod", "zip"] {
        let path = module.url_path(extension);
        let is_hit = || larder.get(&path).header("cache-status").is_some_and(|status| status.contains("hit"));
        assert!((0..10_000).any(|_| is_hit()), "{path} is never a hit");
    }
}

/// Goes through the whole story; `fill` and `empty` take the room and give it back.
fn story(
    scene: &Scenario,
    larder: &LarderProcess,
    inside: &Path,
    fill: impl Fn(&Path),
    empty: impl Fn(&Path),
) {
    let objects = objects(scene);
    served(larder, &objects.stored);
    kept(larder, &objects.stored);
    fill(inside);

    served(larder, &objects.stored);
    served(larder, &objects.small);
    let unstored = larder.get(&objects.small.url_path("mod"));
    assert_eq!(unstored.status, 200, "{}", unstored.text());
    let large = larder.get(&objects.large.url_path("zip"));
    assert_eq!(large.status, 507, "{}", large.text());
    let text = large.text().to_lowercase();
    assert!(["disk", "space", "inode", "full", "room"].iter().any(|word| text.contains(word)), "{text}");
    served(larder, &objects.stored);
    assert_eq!(larder.get("/-/healthz").status, 200);

    empty(inside);
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = larder.get(&objects.large.url_path("zip"));
        if answer.status == 200 && answer.complete {
            assert!(answer.body == right(&objects.large, "zip"));
            break;
        }
        assert!(Instant::now() < end, "no recovery: {} {}", answer.status, answer.text());
        std::thread::sleep(Duration::from_millis(100));
    }
    let small = larder.get(&objects.small.url_path("zip"));
    assert_eq!(small.status, 200, "{}", small.text());
    nothing_staged(inside);
}

/// Only the file that says whose staging folder it is may be left.
fn nothing_staged(inside: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let mut left = Vec::new();
        for folder in fs_err::read_dir(inside.join("staging")).into_iter().flatten().flatten() {
            let files = fs_err::read_dir(folder.path()).into_iter().flatten().flatten();
            left.extend(files.map(|file| file.path()).filter(|path| !path.ends_with("owner")));
        }
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left in staging: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk() {
    if !namespace::mounts("a_full_disk") {
        return;
    }
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let (larder, inside) = start_on_tmpfs(&scene, "size=16m");
    let fill = |folder: &Path| {
        // Whatever one big write leaves, small ones take.
        for (number, size) in [8 * MIB, MIB, 64 << 10, 4 << 10].into_iter().enumerate() {
            let bytes = vec![0; size];
            for more in 0..1000 {
                let file = folder.join(format!("filler-{number}-{more}"));
                if fs_err::write(&file, &bytes).is_err() {
                    break;
                }
            }
        }
    };
    story(&scene, &larder, &inside, fill, remove_fillers);
}

#[test]
fn a_disk_without_inodes() {
    if !namespace::mounts("a_disk_without_inodes") {
        return;
    }
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let (larder, inside) = start_on_tmpfs(&scene, "size=64m,nr_inodes=200");
    let fill = |folder: &Path| {
        for number in 0..1000 {
            if fs_err::write(folder.join(format!("filler-{number}")), b"").is_err() {
                return;
            }
        }
        panic!("the inodes never ran out");
    };
    story(&scene, &larder, &inside, fill, remove_fillers);
}

fn remove_fillers(folder: &Path) {
    for entry in fs_err::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("filler-") {
            fs_err::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn a_disk_that_is_full_at_the_start() {
    if !namespace::mounts("a_disk_that_is_full_at_the_start") {
        return;
    }
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let data = scene.larder.data().to_owned();
    fs_err::create_dir_all(&data).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k larder-test '{0}' && {{ head -c 1000000 /dev/zero >'{0}/filler' 2>/dev/null; exec \"$@\"; }}",
        data.display()
    );
    let larder = scene.larder.clone().wrapper(&["unshare", "-m", "sh", "-c", &script, "sh"]);
    let why = larder.try_start().expect_err("it can't start without room");
    assert!(why.contains("ExitStatus(unix_wait_status(512))"), "exit code 2: {why}");
    let lines: Vec<&str> = why.lines().filter(|line| line.contains("error")).collect();
    assert_eq!(lines.len(), 1, "one clear line: {why}");
}
