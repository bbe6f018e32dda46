//! `kill -9` at any moment: nothing half-published, nothing corrupt, nothing lost that was acknowledged.
//!
//! Acknowledged means: its "stored" line was logged, or it was served once as a hit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_testkit::module::escape;
use larder_testkit::{BuiltModule, FakeUpstream, LarderProcess, ModuleBuilder, Rng, Scenario, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

/// Every object the upstream ever had, by its request path.
type World = BTreeMap<String, Vec<u8>>;

fn add(
    scene: &Scenario,
    world: &mut World,
    path: &str,
    version: &str,
    size: usize,
    rng: &mut Rng,
) -> BuiltModule {
    let module = ModuleBuilder::new(path, version).file("m.go", "package m\n").file("d.bin", rng.bytes(size));
    let built = scene.add(&module);
    for (extension, bytes) in [("info", &built.info), ("mod", &built.go_mod), ("zip", &built.zip)] {
        world.insert(built.url_path(extension), bytes.to_vec());
    }
    built
}

/// Checks every object on disk against the truth and returns the request paths of those there.
fn on_disk(data: &Path, world: &World) -> BTreeSet<String> {
    let modules = data.join("modules");
    let mut found = BTreeSet::new();
    let mut folders = vec![modules.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = format!("/{}", path.strip_prefix(&modules).expect("it lies below").display());
            let is_object = [".info", ".mod", ".zip"].iter().any(|extension| name.ends_with(extension));
            if name.starts_with("/sumdb/") || !is_object {
                continue;
            }
            let bytes = fs_err::read(&path).expect("a readable file");
            let right = world.get(&name).unwrap_or_else(|| panic!("{name} was never asked for"));
            assert!(&bytes == right, "{name} has {} bytes, not the right {}", bytes.len(), right.len());
            found.insert(name);
        }
    }
    found
}

/// Returns what the log acknowledged, as request paths.
fn acknowledged(log: &[String], world: &World) -> BTreeSet<String> {
    let stored = log.iter().filter_map(|line| line.split_once("stored ").map(|(_, rest)| rest));
    let names = stored.filter_map(|rest| rest.split(' ').next());
    names.filter_map(|name| request_path(name, world)).collect()
}

/// Finds the object that a log line names as `module@version.kind`.
fn request_path(name: &str, world: &World) -> Option<String> {
    let (module, file) = name.split_once('@')?;
    let path = format!("/{}/@v/{}", escape(module), escape(file));
    world.contains_key(&path).then_some(path)
}

fn no_leftovers(data: &Path, id: u32) {
    for entry in fs_err::read_dir(data.join("staging")).into_iter().flatten() {
        let path = entry.expect("a readable folder").path();
        let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{id}-")));
        assert!(
            own || fs_err::read_dir(&path).map_or(0, Iterator::count) == 0,
            "{} was left over",
            path.display()
        );
    }
}

/// Asks for everything in random order until told to stop; returns what was served as a hit.
fn load(
    larder: &LarderProcess,
    paths: &[String],
    world: &World,
    stop: &AtomicBool,
    seed: u64,
) -> BTreeSet<String> {
    let hits = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let hits = &hits;
            scope.spawn(move || {
                let mut rng = Rng::new(seed.wrapping_mul(31).wrapping_add(thread));
                while !stop.load(Ordering::SeqCst) {
                    let path = rng.pick(paths);
                    let Ok(answer) = larder.try_get(path) else { continue };
                    if answer.status != 200 || !answer.complete {
                        continue;
                    }
                    assert!(answer.body == world[path], "wrong bytes with 200 for {path}");
                    if answer.header("cache-status").is_some_and(|status| status.contains("hit")) {
                        hits.lock().expect("no panic").insert(path.clone());
                    }
                }
            });
        }
    });
    hits.into_inner().expect("no panic")
}

#[test]
fn kill_at_random_moments() {
    let rounds = if settings::long() { 1_000 } else { 200 };
    let mut rng = Rng::new(settings::seed(42));
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let mut world = World::new();
    let mut must_be_there = BTreeSet::new();
    let mut waits = Vec::new();
    let mut seen = 0;
    for round in 0..rounds {
        let mut fresh = Vec::new();
        for number in 0..6 {
            let path = format!("example.com/Round{round}/m{number}");
            let size = if number == 0 { 1_500_000 } else { 3_000 };
            let built = add(&scene, &mut world, &path, "v1.0.0", size, &mut rng);
            fresh.extend(["info", "mod", "zip"].map(|extension| built.url_path(extension)));
        }
        let larder = scene.larder.start();
        waits.push(larder.ready_after());
        no_leftovers(larder.data(), larder.id());
        let stop = AtomicBool::new(false);
        let moment = Duration::from_millis(2 + rng.below(70) as u64);
        let seed = rng.next_u64();
        let hits = std::thread::scope(|scope| {
            let loading = scope.spawn(|| load(&larder, &fresh, &world, &stop, seed));
            std::thread::sleep(moment);
            larder.signal(rustix::process::Signal::KILL);
            stop.store(true, Ordering::SeqCst);
            loading.join().expect("no wrong bytes")
        });
        let data = larder.data().to_owned();
        must_be_there.extend(acknowledged(&larder.kill(), &world));
        must_be_there.extend(hits);
        let there = on_disk(&data, &world);
        let lost: Vec<_> = must_be_there.difference(&there).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        seen += there.len();
        if round % 10 == 9 {
            serve_all(&scene, &must_be_there, &world);
            // A new store now and then keeps the rounds short.
            fs_err::remove_dir_all(&data).expect("the folder is ours");
            must_be_there.clear();
        }
    }
    waits.sort();
    let median = waits[waits.len() / 2];
    settings::say(&format!(
        "{rounds} kills, {seen} objects looked at, ready again after {median:?} (median), {:?} (worst)",
        waits[waits.len() - 1]
    ));
    assert!(seen > rounds, "the kills came too early to prove anything");
    assert!(median < Duration::from_secs(1), "ready again only after {median:?}");
}

/// With the upstream gone, everything acknowledged is served.
fn serve_all(scene: &Scenario, paths: &BTreeSet<String>, world: &World) {
    scene.upstream.cut();
    let larder = scene.larder.start();
    for path in paths {
        let answer = larder.get(path);
        assert!(
            answer.status == 200 && answer.body == world[path],
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    drop(larder);
    scene.upstream.restore();
}

/// The same with the kill placed before each durable step of one publication.
#[test]
fn kill_at_each_durable_step() {
    let mut rng = Rng::new(1);
    let mut world = World::new();
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let built = add(&scene, &mut world, "example.com/one", "v1.0.0", 1_200_000, &mut rng);
    let mut steps = 0;
    for step in 1..400 {
        let _ = fs_err::remove_dir_all(scene.larder.data());
        let doomed = scene.larder.clone().env("LARDER_FAIL_POINT", format!("kill@{step}"));
        let mut survived = false;
        let mut log = Vec::new();
        if let Ok(mut larder) = doomed.try_start() {
            for extension in ["mod", "info", "zip"] {
                if let Ok(answer) = larder.try_get(&built.url_path(extension)) {
                    let right = &world[&built.url_path(extension)];
                    assert!(answer.status != 200 || !answer.complete || &answer.body == right, "step {step}");
                }
            }
            // The index row is written behind the answer, so give the kill a moment to strike.
            survived = larder.wait(Duration::from_millis(300)).is_none();
            log = larder.kill();
        }
        let there = on_disk(scene.larder.data(), &world);
        let lost: Vec<_> = acknowledged(&log, &world).difference(&there).cloned().collect();
        assert!(lost.is_empty(), "step {step} lost {lost:?}");
        let again = scene.larder.start();
        no_leftovers(again.data(), again.id());
        for extension in ["info", "mod", "zip"] {
            let answer = again.get(&built.url_path(extension));
            assert_eq!(answer.status, 200, "step {step}: {}", answer.text());
            assert!(answer.body == world[&built.url_path(extension)], "step {step}");
        }
        steps = step;
        if survived {
            break;
        }
    }
    settings::say(&format!("a kill at each of {} durable steps", steps - 1));
    assert!((10..399).contains(&steps), "{steps} steps: the fail points are not in force");
}
