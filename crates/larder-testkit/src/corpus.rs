//! Makes a module graph the size of a real project's, from a seed.
//!
//! Modules require only modules of higher number, versions grow, half of the go.mod files predate graph pruning, so
//! that the go command reads the older `.mod` files too, as it does for real projects.

use std::path::Path;

use crate::module::{BuiltModule, ModuleBuilder};
use crate::{FakeUpstream, Rng};

/// What the corpus looks like.
#[derive(Clone, Debug)]
pub struct CorpusOptions {
    /// How many modules.
    pub modules: usize,
    /// How many versions, of all modules together (at least `modules`).
    pub versions: usize,
    /// How many bytes the zips have together, about.
    pub bytes: u64,
    /// The seed.
    pub seed: u64,
}

impl Default for CorpusOptions {
    fn default() -> Self {
        Self { modules: 173, versions: 330, bytes: 160 << 20, seed: 1 }
    }
}

impl CorpusOptions {
    /// A small corpus for quick tests: the same shape, some megabytes.
    pub fn small() -> Self {
        Self { modules: 40, versions: 80, bytes: 4 << 20, seed: 1 }
    }
}

/// Modules and a project that needs them all.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Every version of every module.
    pub modules: Vec<BuiltModule>,
    /// The project's go.mod.
    pub go_mod: String,
    /// The project's complete go.sum.
    pub go_sum: String,
    /// The project's only file of code.
    pub main_go: String,
}

impl Corpus {
    /// Makes it.
    pub fn generate(options: &CorpusOptions) -> Self {
        let mut rng = Rng::new(options.seed);
        let counts = version_counts(options, &mut rng);
        let sizes = sizes(options, &counts, &mut rng);
        let mut modules = Vec::new();
        for number in 0..options.modules {
            let newest = counts[number];
            for version in 0..=newest {
                let required = requirements(number, &counts, &mut rng);
                // Old go.mod files make the go command read the whole graph below them.
                let go_line = if rng.one_in(2) { "1.16" } else { "1.21" };
                let size = if version == newest { sizes[number] } else { sizes[number] / 2 };
                modules.push(one(number, version, &required, go_line, size, &mut rng));
            }
        }
        let go_sum = modules.iter().map(BuiltModule::sum_lines).collect();
        let mut go_mod = "module example.com/project\n\ngo 1.21\n\nrequire (\n".to_owned();
        let mut main_go =
            "// Package project needs every module of the corpus.\npackage project\n\nimport (\n".to_owned();
        for (number, newest) in counts.iter().enumerate() {
            go_mod.push_str(&format!("\t{} {}\n", path_of(number), version_of(*newest)));
            main_go.push_str(&format!("\t_ {:?}\n", path_of(number)));
        }
        go_mod.push_str(")\n");
        main_go.push_str(")\n");
        Self { modules, go_mod, go_sum, main_go }
    }

    /// Serves it.
    pub fn upstream(&self) -> FakeUpstream {
        self.modules.iter().fold(FakeUpstream::new(), |upstream, module| upstream.built(module.clone()))
    }

    /// Writes it below a folder, as the go command's `cache/download` has it.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        self.modules.iter().try_for_each(|module| module.write_to(folder))
    }

    /// Returns the files of the project.
    pub fn project(&self) -> [(&str, &str); 3] {
        [("go.mod", &self.go_mod), ("go.sum", &self.go_sum), ("main.go", &self.main_go)]
    }

    /// Returns how many bytes the zips have that the project needs.
    pub fn zip_bytes(&self) -> usize {
        self.modules.iter().filter(|module| self.is_selected(module)).map(|module| module.zip.len()).sum()
    }

    /// Reports whether the project uses this very version.
    pub fn is_selected(&self, module: &BuiltModule) -> bool {
        self.go_mod.contains(&format!("\t{} {}\n", module.path, module.version))
    }
}

/// Returns a path; some have capitals, as real ones do.
fn path_of(number: usize) -> String {
    let owner = if number.is_multiple_of(5) { "BigCorp" } else { "small" };
    format!("example.com/{owner}/module{number}")
}

fn version_of(number: usize) -> String {
    format!("v1.{number}.0")
}

/// Returns the number of the newest version of each module, counted from 0.
fn version_counts(options: &CorpusOptions, rng: &mut Rng) -> Vec<usize> {
    let mut counts = vec![0; options.modules];
    for _ in options.modules..options.versions {
        counts[rng.below(options.modules)] += 1;
    }
    counts
}

/// Spreads the bytes as real graphs do: many small modules, few large ones.
fn sizes(options: &CorpusOptions, counts: &[usize], rng: &mut Rng) -> Vec<usize> {
    let weights: Vec<f64> = counts.iter().map(|_| (rng.fraction() * 7.0).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / total * options.bytes as f64) as usize).collect()
}

fn requirements(number: usize, counts: &[usize], rng: &mut Rng) -> Vec<(usize, usize)> {
    let higher = counts.len() - number - 1;
    if higher == 0 {
        return Vec::new();
    }
    let mut required: Vec<usize> = (0..rng.below(7)).map(|_| number + 1 + rng.below(higher)).collect();
    required.sort_unstable();
    required.dedup();
    required.into_iter().map(|other| (other, rng.below(counts[other] + 1))).collect()
}

fn one(
    number: usize,
    version: usize,
    required: &[(usize, usize)],
    go_line: &str,
    size: usize,
    rng: &mut Rng,
) -> BuiltModule {
    let mut module = ModuleBuilder::new(&path_of(number), &version_of(version)).go_line(go_line);
    let mut code = format!("// Package module{number} is made up.\npackage module{number}\n\nimport (\n");
    for (other, at) in required {
        module = module.require(&path_of(*other), &version_of(*at));
        code.push_str(&format!("\t_ {:?}\n", path_of(*other)));
    }
    code.push_str(&format!(")\n\nconst Version = {version}\n"));
    module = module.file(&format!("module{number}.go"), code);
    let mut left = size;
    let mut file = 0;
    while left > 0 {
        let length = left.min(200_000);
        module = module.file(&format!("testdata/{file}.bin"), rng.bytes(length));
        left -= length;
        file += 1;
    }
    module.build()
}

#[cfg(test)]
mod tests {
    use super::{Corpus, CorpusOptions};

    #[test]
    fn it_has_the_asked_size_and_repeats() {
        let options = CorpusOptions { modules: 20, versions: 45, bytes: 1 << 20, seed: 3 };
        let corpus = Corpus::generate(&options);
        assert_eq!(corpus.modules.len(), 45);
        let bytes = corpus.zip_bytes();
        assert!((900_000..1_300_000).contains(&bytes), "{bytes}");
        assert_eq!(corpus.go_sum, Corpus::generate(&options).go_sum);
    }
}
