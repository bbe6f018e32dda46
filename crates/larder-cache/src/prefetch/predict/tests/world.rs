//! The modules that an upstream has, and what a go command asked for: read from a recording.
//!
//! A recording is text, a line each: `# ` what it is; `m PATH VERSION pruned|old SIZE NUMBER..` a go.mod file and the versions it
//! requires, by their number among the `m` lines, with `i` behind an indirect one; `z NUMBER SIZE` a zip; `p NUMBER FOLDER IMPORT..` a
//! package of it; `s NAME` begins a sequence; `a CONNECTION NUMBER.KIND` a request. Names are made up, but sort as the real ones did.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use larder_module::{request::ObjectKind, version::ModuleVersion};

use crate::prefetch::predict::facts::{ModFacts, Package, Requirement, ZipFacts};

/// A request of the go command.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) connection: u64,
    pub(super) of: ModuleVersion,
    pub(super) kind: ObjectKind,
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) mods: HashMap<ModuleVersion, (u64, ModFacts)>,
    pub(super) zips: HashMap<ModuleVersion, (u64, Arc<ZipFacts>)>,
    pub(super) sequences: Vec<(String, Vec<Ask>)>,
}

impl World {
    /// Returns the size of a file, if there is one.
    pub(super) fn size(&self, of: &ModuleVersion, kind: ObjectKind) -> Option<u64> {
        match kind {
            ObjectKind::Info => self.mods.get(of).map(|_| 60),
            ObjectKind::Mod => self.mods.get(of).map(|(size, _)| *size),
            ObjectKind::Zip => self.zips.get(of).map(|(size, _)| *size),
        }
    }

    /// Reads a recording.
    pub(super) fn read(text: &str) -> Self {
        let lines = || text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let nodes: Vec<ModuleVersion> = lines()
            .filter(|words| words[0] == "m")
            .map(|words| ModuleVersion::parse(words[1], words[2]).expect("a module version"))
            .collect();
        let node = |text: &str| nodes[text.parse::<usize>().expect("a number")].clone();
        let mut world = Self::default();
        for (place, words) in lines().filter(|words| words[0] == "m").enumerate() {
            let requires = words[5..].iter().map(|word| Requirement {
                of: node(word.trim_end_matches('i')),
                indirect: word.ends_with('i'),
            });
            let facts = ModFacts { pruned: words[3] == "pruned", requires: requires.collect() };
            if words[3] != "absent" {
                world.mods.insert(nodes[place].clone(), (words[4].parse().expect("a size"), facts));
            }
        }
        let mut packages: HashMap<ModuleVersion, ZipFacts> = HashMap::new();
        for words in lines().filter(|words| words[0] == "p") {
            let folder = words[2].trim_start_matches(['.', '!']);
            let package = Package {
                is_command: words[2].starts_with('!'),
                imports: words[3..].iter().map(|word| Arc::from(*word)).collect(),
            };
            packages.entry(node(words[1])).or_default().packages.insert(folder.into(), package);
        }
        for words in lines().filter(|words| words[0] == "z") {
            let of = node(words[1]);
            let facts = packages.remove(&of).unwrap_or_default();
            world.zips.insert(of, (words[2].parse().expect("a size"), Arc::new(facts)));
        }
        for words in lines() {
            match words[0] {
                "s" => world.sequences.push((words[1].to_owned(), Vec::new())),
                "a" => {
                    let (number, kind) = words[2].split_once('.').expect("number.kind");
                    let kind = match kind {
                        "info" => ObjectKind::Info,
                        "mod" => ObjectKind::Mod,
                        _ => ObjectKind::Zip,
                    };
                    let connection = words[1].parse().expect("a number");
                    let (_, asks) = world.sequences.last_mut().expect("a sequence");
                    asks.push(Ask { connection, of: node(number), kind });
                }
                _ => {}
            }
        }
        world
    }

    /// Returns a sequence by its name.
    pub(super) fn sequence(&self, name: &str) -> &[Ask] {
        let (_, asks) = self.sequences.iter().find(|(own, _)| own == name).expect("a sequence of this name");
        asks
    }

    /// Writes a recording, with made-up names.
    pub(super) fn write(&self, what: &str, names: &Names) -> String {
        // Packages count only where nobody reads the module graph.
        let builds =
            self.sequences.iter().filter(|(_, asks)| asks.len() < 100 || asks[0].kind == ObjectKind::Zip);
        let built: std::collections::HashSet<_> = builds
            .flat_map(|(_, asks)| asks)
            .filter(|ask| ask.kind == ObjectKind::Zip)
            .map(|ask| &ask.of)
            .collect();
        let mut nodes: Vec<&ModuleVersion> = self.mods.keys().collect();
        nodes.extend(self.mods.values().flat_map(|(_, facts)| facts.requires.iter().map(|line| &line.of)));
        nodes.extend(self.sequences.iter().flat_map(|(_, asks)| asks).map(|ask| &ask.of));
        nodes.sort();
        nodes.dedup();
        let numbers: HashMap<&ModuleVersion, usize> =
            nodes.iter().zip(0..).map(|(of, number)| (*of, number)).collect();
        let mut text = format!("# {what}\n");
        for of in &nodes {
            let (path, version) = names.of(of);
            match self.mods.get(of) {
                Some((size, facts)) => {
                    let age = if facts.pruned { "pruned" } else { "old" };
                    let _ = write!(text, "m {path} {version} {age} {size}");
                    for line in &facts.requires {
                        let _ =
                            write!(text, " {}{}", numbers[&line.of], if line.indirect { "i" } else { "" });
                    }
                    text.push('\n');
                }
                None => {
                    let _ = writeln!(text, "m {path} {version} absent 0");
                }
            }
        }
        let mut zips: Vec<_> = self.zips.iter().filter(|(of, _)| numbers.contains_key(of)).collect();
        zips.sort_by_key(|(of, _)| *of);
        for (of, (size, facts)) in zips {
            let number = numbers[of];
            let _ = writeln!(text, "z {number} {size}");
            for (folder, package) in facts.packages.iter().filter(|_| built.contains(of)) {
                let mark = if package.is_command { "!" } else { "." };
                let _ = write!(text, "p {number} {mark}{}", names.folder(folder));
                for import in &package.imports {
                    let _ = write!(text, " {}", names.import(import));
                }
                text.push('\n');
            }
        }
        for (name, asks) in &self.sequences {
            let _ = writeln!(text, "s {name}");
            for ask in asks.iter().filter(|ask| numbers.contains_key(&ask.of)) {
                let _ = writeln!(text, "a {} {}.{}", ask.connection, numbers[&ask.of], ask.kind);
            }
        }
        text
    }
}

/// Made-up names that sort as the real ones.
#[derive(Debug, Default)]
pub(super) struct Names {
    elements: HashMap<String, String>,
    versions: HashMap<ModuleVersion, String>,
}

impl Names {
    /// Makes names for all of a world.
    pub(super) fn new(world: &World) -> Self {
        let mut elements: Vec<&str> = Vec::new();
        let mut versions: Vec<&ModuleVersion> = world.mods.keys().collect();
        versions
            .extend(world.mods.values().flat_map(|(_, facts)| facts.requires.iter().map(|line| &line.of)));
        versions.extend(world.sequences.iter().flat_map(|(_, asks)| asks).map(|ask| &ask.of));
        versions.sort_by(|a, b| {
            let order = larder_module::semver::compare(a.version().as_str(), b.version().as_str());
            a.module().cmp(b.module()).then(order)
        });
        versions.dedup();
        elements.extend(versions.iter().flat_map(|of| of.module().as_str().split('/')));
        for (_, facts) in world.zips.values() {
            for (folder, package) in &facts.packages {
                elements.extend(folder.split('/'));
                elements.extend(package.imports.iter().flat_map(|import| import.split('/')));
            }
        }
        elements.sort_unstable();
        elements.dedup();
        let mut names = Self::default();
        for (number, element) in elements.into_iter().enumerate() {
            let is_kept = element == "internal" || is_major(element);
            let name = if is_kept { element.to_owned() } else { format!("e{number:05}") };
            names.elements.insert(element.to_owned(), name);
        }
        for (number, of) in versions.into_iter().enumerate() {
            let major = of.version().as_str().split('.').next().unwrap_or("v1");
            let end = if of.version().as_str().ends_with("+incompatible") { "+incompatible" } else { "" };
            names.versions.insert(of.clone(), format!("{major}.{number}.0{end}"));
        }
        names
    }

    fn of(&self, of: &ModuleVersion) -> (String, String) {
        (self.import(of.module().as_str()), self.versions[of].clone())
    }

    fn folder(&self, folder: &str) -> String {
        let elements = folder.split('/').filter(|element| !element.is_empty());
        elements.map(|element| self.elements[element].as_str()).collect::<Vec<_>>().join("/")
    }

    fn import(&self, path: &str) -> String {
        // `gopkg.in` is the one place where the version stands in the last element.
        match path.strip_prefix("gopkg.in/") {
            Some(_) => {
                let major =
                    path.rsplit_once(".v").map_or("", |(_, major)| major.split('/').next().unwrap_or(""));
                format!("example.com/{}-v{major}", self.folder(path))
                    .replace("-v1", "")
                    .replace("-v", "/v")
                    .replace("/v0", "")
            }
            None => format!("example.com/{}", self.folder(path)),
        }
    }
}

fn is_major(element: &str) -> bool {
    element
        .strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
