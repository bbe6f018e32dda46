//! Recordings of the real go command against real modules: `LARDER_SEQUENCES` names a folder with logs (`TIME CONNECTION FLYING PATH` a
//! line) and `LARDER_CORPUS` the `cache/download` folders that were served, separated by colons. `LARDER_RECORD` keeps them as fixtures.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use larder_module::{
    request::{ObjectKind, ProxyRequest},
    version::ModuleVersion,
};

use super::{
    simulator::{Setting, play},
    world::{Ask, Names, World},
};
use crate::prefetch::predict::facts::{ModFacts, ZipFacts};

struct Corpus(Vec<PathBuf>);

impl Corpus {
    fn file(&self, of: &ModuleVersion, kind: ObjectKind) -> Option<PathBuf> {
        let name = format!("{}/@v/{}.{kind}", of.module().escaped(), of.version().escaped());
        self.0.iter().map(|folder| folder.join(&name)).find(|file| file.exists())
    }

    fn world(&self, log: &str) -> World {
        let mut world = World::default();
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let Ok(ProxyRequest::Object { of, kind }) = ProxyRequest::parse(words[3]) {
                world.asks.push(Ask { connection: words[1].parse().expect("a number"), of, kind });
            }
        }
        let mut work: Vec<ModuleVersion> = world.asks.iter().map(|ask| ask.of.clone()).collect();
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

#[test]
#[allow(clippy::print_stdout, reason = "this is what it is for")]
fn recorded_sequences() {
    let (Ok(folder), Ok(corpus)) = (std::env::var("LARDER_SEQUENCES"), std::env::var("LARDER_CORPUS")) else {
        return;
    };
    let only = std::env::var("LARDER_ONLY").unwrap_or_default();
    let corpus = Corpus(corpus.split(':').map(PathBuf::from).collect());
    let mut logs: Vec<_> =
        fs_err::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    logs.sort();
    for log in logs.iter().filter(|path| path.extension().is_some_and(|end| end == "log")) {
        let name = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(&only) {
            continue;
        }
        let world = corpus.world(&fs_err::read_to_string(log).expect("a log"));
        let setting = Setting { delay: 100_000, streams: 32, unpack: 35_000, hop: 500, predict: false };
        let direct = play(&world, setting);
        let outcome = play(&world, Setting { predict: true, ..setting });
        println!("{name}: direct {direct}");
        println!(
            "{name}: {outcome}: 1/{:.2} of direct, {:.0} % more requests, {:.1} % more bytes",
            direct.time as f64 / outcome.time as f64,
            (outcome.requests as f64 / direct.requests as f64 - 1.0) * 100.0,
            (outcome.bytes as f64 / direct.bytes as f64 - 1.0) * 100.0
        );
        let mut kinds: HashMap<String, usize> = HashMap::new();
        for (name, _, _) in &outcome.wasted {
            let (_, end) = name.rsplit_once('.').unwrap_or_default();
            *kinds.entry(end.to_owned()).or_default() += 1;
        }
        println!("   in vain: {kinds:?}; phases: {:?}", outcome.phases);
        if !only.is_empty() {
            for (name, _, size) in &outcome.wasted {
                println!("   vain {name} {size}");
            }
            for name in &outcome.blind {
                println!("   blind {name}");
            }
        }
        if let Ok(record) = std::env::var("LARDER_RECORD") {
            let text = world.write(&name, world.asks.len() < 100, &Names::new(&world));
            fs_err::write(PathBuf::from(record).join(format!("{name}.txt")), text).expect("a recording");
        }
    }
}
