//! Recordings of the real go command against real modules: `LARDER_SEQUENCES` names a folder with logs (`TIME CONNECTION FLYING PATH` a
//! line) and `LARDER_CORPUS` the `cache/download` folders that were served, separated by colons. `LARDER_RECORD` keeps them as fixtures.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use larder_module::{
    request::{ObjectKind, ProxyRequest},
    version::ModuleVersion,
};

use super::{
    simulator::{Compared, Setting, play},
    world::{Ask, Names, World},
};
use crate::prefetch::predict::facts::{ModFacts, ZipFacts};

struct Corpus(Vec<PathBuf>);

impl Corpus {
    fn file(&self, of: &ModuleVersion, kind: ObjectKind) -> Option<PathBuf> {
        let name = format!("{}/@v/{}.{kind}", of.module().escaped(), of.version().escaped());
        self.0.iter().map(|folder| folder.join(&name)).find(|file| file.exists())
    }

    fn world(&self, logs: &[PathBuf]) -> World {
        let mut world = World::default();
        for log in logs {
            let mut asks = Vec::new();
            for line in fs_err::read_to_string(log).expect("a log").lines() {
                let words: Vec<&str> = line.split(' ').collect();
                if let Ok(ProxyRequest::Object { of, kind }) = ProxyRequest::parse(words[3]) {
                    asks.push(Ask { connection: words[1].parse().expect("a number"), of, kind });
                }
            }
            world.sequences.push((stem(log), asks));
        }
        let mut work: Vec<ModuleVersion> =
            world.sequences.iter().flat_map(|(_, asks)| asks).map(|ask| ask.of.clone()).collect();
        while let Some(of) = work.pop() {
            if world.mods.contains_key(&of) {
                continue;
            }
            let Some(file) = self.file(&of, ObjectKind::Mod) else { continue };
            let data = fs_err::read(file).expect("a go.mod file");
            let facts = ModFacts::read(&data);
            work.extend(facts.requires.iter().map(|line| line.of.clone()));
            if let Some(file) = self.file(&of, ObjectKind::Zip) {
                let zip = fs_err::File::open(file).expect("a zip").into_file();
                let size = zip.metadata().expect("a size").len();
                let facts = ZipFacts::read(&zip, size, &of).expect("packages");
                world.zips.insert(of.clone(), (size, Arc::new(facts)));
            }
            world.mods.insert(of, (data.len() as u64, facts));
        }
        world
    }
}

/// Logs are named `WORLD,SEQUENCE.log`.
fn stem(log: &Path) -> String {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit(',').next().unwrap_or_default().to_owned()
}

fn world_of(log: &Path) -> String {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    stem.split(',').next().unwrap_or_default().to_owned()
}

#[allow(clippy::disallowed_methods, reason = "a test that is asked for by a variable")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn recorded_sequences() {
    let (Some(folder), Some(corpus)) = (variable("LARDER_SEQUENCES"), variable("LARDER_CORPUS")) else {
        return;
    };
    let only = variable("LARDER_ONLY").unwrap_or_default();
    let corpus = Corpus(corpus.split(':').map(PathBuf::from).collect());
    let mut worlds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs_err::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "log")
            && entry.file_name().to_string_lossy().starts_with(&only)
        {
            worlds.entry(world_of(&path)).or_default().push(path);
        }
    }
    for (name, mut logs) in worlds {
        logs.sort();
        let world = corpus.world(&logs);
        for (sequence, asks) in &world.sequences {
            show(&format!("{name} {sequence}"), &world, asks, !only.is_empty());
        }
        if let Some(record) = variable("LARDER_RECORD") {
            let text = world.write("made from runs of the real go command", &Names::new(&world));
            fs_err::write(Path::new(&record).join(format!("{name}.txt")), text).expect("a recording");
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is what it is for")]
fn show(name: &str, world: &World, asks: &[Ask], in_full: bool) {
    let direct = play(world, asks, Setting::direct());
    let ahead = play(world, asks, Setting::ahead());
    println!("{name}: direct {direct}");
    println!("{name}: {ahead}; {}", Compared { direct: &direct, ahead: &ahead });
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _, _) in &ahead.wasted {
        let (_, end) = name.rsplit_once('.').unwrap_or_default();
        *kinds.entry(end.to_owned()).or_default() += 1;
    }
    println!("   in vain: {kinds:?}; phases: {:?}", ahead.phases);
    if in_full {
        for (name, _, size) in &ahead.wasted {
            println!("   vain {name} {size}");
        }
        for name in &ahead.blind {
            println!("   blind {name}");
        }
    }
}
