//! Measurements, by hand: `cargo test -p larder-store --test measure -- --ignored --nocapture`.
//!
//! They print figures and judge nothing, because a loaded machine says nothing about the code.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::*;
use larder_module::request::ObjectKind;
use larder_store::{Store, Verification};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn publish_times(store: &Store, path: &str, kind: ObjectKind, len: usize, count: usize) -> Duration {
    let bytes = vec![42; len];
    let mut publication = publication(Verification::Verified);
    publication.h1 = Some(larder_module::dirhash::hash_mod(b"x"));
    let times = (0..count)
        .map(|number| {
            let key = key(&format!("{path}/m{}", number / 4), &format!("v1.{number}.0"), kind);
            let started = Instant::now();
            put_as(store, &key, &bytes, &publication).unwrap();
            started.elapsed()
        })
        .collect();
    median(times)
}

#[test]
#[ignore = "a measurement"]
fn publications() {
    for (name, folder) in [("memory", quick_folder()), ("disk", tempfile::tempdir().unwrap())] {
        let store = open(folder.path());
        let info = publish_times(&store, "example.com/info", ObjectKind::Info, 100, 100);
        let go_mod = publish_times(&store, "example.com/mod", ObjectKind::Mod, 1_000, 100);
        let zip = publish_times(&store, "example.com/zip", ObjectKind::Zip, 1 << 20, 50);
        println!("{name}: median publication of .info {info:?}, .mod {go_mod:?}, 1 MiB .zip {zip:?}");
    }
}

#[test]
#[ignore = "a measurement"]
fn lookups() {
    let folder = quick_folder();
    let store = open(folder.path());
    let keys: Vec<_> =
        (0..200).map(|n| key("example.com/a", &format!("v1.{n}.0"), ObjectKind::Zip)).collect();
    for key in &keys {
        put(&store, key, &[1; 1_000]).unwrap();
    }
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(1) {
        for key in &keys {
            assert!(store.sound_object(key).unwrap().is_some());
        }
        count += 200;
    }
    println!("{} look-ups a second on one thread", f64::from(count) / started.elapsed().as_secs_f64());
}

/// All rows, and the files of every tenth version: opening looks at none of them.
#[test]
#[ignore = "a measurement; makes 300,000 names and 3,000,000 rows"]
fn a_large_store() {
    let versions: usize = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let (modules, rows) = (folder.path().join("modules"), folder.path().join("index.db"));
    drop(open(folder.path()));
    let started = Instant::now();
    fill(&modules, versions);
    fill_index(&rows, versions);
    println!("made {versions} versions in {:?}", started.elapsed());
    for _ in 0..3 {
        let started = Instant::now();
        let store = open(folder.path());
        println!(
            "opened in {:?}, index of {} bytes",
            started.elapsed(),
            fs_err::metadata(&rows).unwrap().len()
        );
        println!("resident: {}", resident());
        let key = key("example.com/m77770", "v1.3.0", ObjectKind::Info);
        let started = Instant::now();
        assert!(store.object(&key).unwrap().unwrap().row.is_some());
        println!("first look-up {:?}", started.elapsed());
        let started = Instant::now();
        for number in 0..10_000_usize {
            let module = (number * 7_919) % (versions / 100) * 10;
            let key = common::key(&format!("example.com/m{module}"), "v1.3.0", ObjectKind::Info);
            assert!(store.object(&key).unwrap().unwrap().row.is_some());
        }
        println!("10,000 scattered look-ups in {:?}", started.elapsed());
        let started = Instant::now();
        assert_eq!(store.versions(&module("example.com/m50")).unwrap().len(), 10);
        println!("versions of a module in {:?}, resident {}", started.elapsed(), resident());
    }
}

#[test]
#[ignore = "a measurement"]
fn scrubbing() {
    let folder = quick_folder();
    let store = open(folder.path());
    let mut rng = larder_testkit::Rng::new(1);
    for number in 0..40 {
        let built = larder_testkit::ModuleBuilder::new("example.com/a", &format!("v1.{number}.0"))
            .file("data.bin", rng.bytes(5 << 20))
            .build();
        put_module(&store, &built);
    }
    let records = |_: &larder_module::version::ModuleVersion| None;
    let options = larder_store::ScrubOptions { records: &records, resume: false, add_rows: false };
    let started = Instant::now();
    let report = store.scrub(&options, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let rate = report.bytes as f64 / 1e6 / started.elapsed().as_secs_f64();
    println!("scrubbed {} objects at {rate:.0} MB/s, {}", report.objects, resident());
    assert_eq!(report.wrong, 0);
}

fn fill(modules: &Path, versions: usize) {
    let seeds = modules.parent().unwrap().join("seeds");
    fs_err::create_dir_all(&seeds).unwrap();
    for number in (0..versions / 10).step_by(10) {
        let folder = modules.join(format!("example.com/m{number}/@v"));
        fs_err::create_dir_all(&folder).unwrap();
        for version in 0..10 {
            let seed = seeds.join(version.to_string());
            if number % 5_000 == 0 {
                drop(fs_err::remove_file(&seed));
                fs_err::write(&seed, format!("{{\"Version\":\"v1.{version}.0\"}}")).unwrap();
            }
            for kind in ["info", "mod", "zip"] {
                fs_err::hard_link(&seed, folder.join(format!("v1.{version}.0.{kind}"))).unwrap();
            }
        }
    }
}

fn fill_index(rows: &Path, versions: usize) {
    let connection = rusqlite::Connection::open(rows).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    {
        let mut insert = connection
            .prepare(
                "INSERT INTO objects (name, size, sha256, h1, source, first_seen, verified, seal)
                 VALUES (?1, ?2, ?3, ?4, 'https://proxy.example.com', 0, ?5, ?6)",
            )
            .unwrap();
        for number in 0..versions / 10 {
            for version in 0..10 {
                for kind in ["info", "mod", "zip"] {
                    let name = format!("example.com/m{number}/@v/v1.{version}.0.{kind}");
                    let content = format!("{{\"Version\":\"v1.{version}.0\"}}");
                    let (size, sha256, seal) = sealed(&name, content.as_bytes());
                    insert.execute(rusqlite::params![name, size, sha256, None::<String>, 3, seal]).unwrap();
                }
            }
        }
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// What the index writes for an object without an `h1:` that needs no verification.
fn sealed(name: &str, content: &[u8]) -> (i64, [u8; 32], [u8; 8]) {
    use sha2::{Digest as _, Sha256};
    let size = i64::try_from(content.len()).unwrap();
    let sha256: [u8; 32] = Sha256::digest(content).into();
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([0]);
    hasher.update(size.to_le_bytes());
    hasher.update(sha256);
    hasher.update(3_i64.to_le_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    (size, sha256, digest[..8].try_into().unwrap())
}

fn resident() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("").to_owned()
}
