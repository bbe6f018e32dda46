//! Writes a world as the go command's `cache/download` has it, and its projects.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::Path;

use super::content::Pool;
use super::shape::{Project, Shape, Universe, Versions};
use crate::Rng;
use crate::module::{escape, h1, h1_of_hashes, sha256_hex};
use crate::zip::ZipWriter;

/// The hashes of what was written: of the zip and of the go.mod, by module and version.
#[derive(Clone, Debug, Default)]
pub struct Written {
    sums: BTreeMap<(usize, usize), (String, String)>,
    bytes: BTreeMap<(usize, usize), u64>,
}

impl Written {
    /// Returns how many versions there are.
    pub fn versions(&self) -> usize {
        self.sums.len()
    }

    /// Returns how many bytes all zips have.
    pub fn bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    /// Returns how many bytes the zips have that a project needs.
    pub fn bytes_of(&self, project: &Project) -> u64 {
        project.requires.iter().map(|(module, version)| self.bytes[&(*module, *version)]).sum()
    }
}

/// Returns a path: some have capitals, some a major version, as real ones do.
fn path_of(number: usize) -> String {
    let owner = if number.is_multiple_of(5) { "BigCorp" } else { "small" };
    let major = if number.is_multiple_of(11) { "/v2" } else { "" };
    format!("example.com/{owner}/module{number}{major}")
}

fn version_of(number: usize, version: usize) -> String {
    match number {
        _ if number.is_multiple_of(11) => format!("v2.{version}.0"),
        _ if number.is_multiple_of(7) => {
            let day = 1 + version % 28;
            format!("v0.0.0-20{:02}01{day:02}030405-{number:06x}{version:06x}", 20 + version / 28)
        }
        _ => format!("v1.{version}.{}", number % 3),
    }
}

fn go_line(number: usize, version: usize, pruned_from: usize) -> &'static str {
    if version < pruned_from {
        ["1.12", "1.14", "1.16"][number % 3]
    } else {
        ["1.17", "1.18", "1.20", "1.21"][number % 4]
    }
}

fn requirements(listed: &Versions, is_direct: impl Fn(usize) -> bool) -> String {
    let mut text = String::new();
    for direct in [true, false] {
        let mut lines: Vec<String> = listed
            .iter()
            .filter(|(module, _)| is_direct(**module) == direct)
            .map(|(module, version)| {
                let mark = if direct { "" } else { " // indirect" };
                format!("\t{} {}{mark}\n", path_of(*module), version_of(*module, *version))
            })
            .collect();
        // As the go command writes them; what it asks for comes in this order.
        lines.sort();
        if !lines.is_empty() {
            text.push_str(&format!("\nrequire (\n{})\n", lines.concat()));
        }
    }
    text
}

fn imports(paths: Vec<String>) -> String {
    let lines: String = paths.into_iter().map(|path| format!("\t_ {path:?}\n")).collect();
    if lines.is_empty() { lines } else { format!("import (\n{lines})\n\n") }
}

impl Shape {
    /// Returns the module's files of code. Its first package needs little, others need that one and a module each, and
    /// `full` needs them all: who imports a module rarely needs all that its go.mod lists.
    fn packages(&self, number: usize) -> Vec<(String, String)> {
        let own = path_of(number);
        let others = |modules: &[usize], part: &str| -> Vec<String> {
            modules.iter().map(|other| format!("{}{part}", path_of(*other))).collect()
        };
        let root = format!("// Package module{number} is made up.\npackage module{number}\n\n");
        let mut files =
            vec![(format!("module{number}.go"), format!("{root}{}", imports(others(&self.core, ""))))];
        let mut all = others(&self.core, "/full");
        for other in self.imports.iter().filter(|other| !self.core.contains(other)) {
            let package = format!("with{other}");
            let needs = imports(vec![own.clone(), format!("{}/full", path_of(*other))]);
            files.push((format!("{package}/{package}.go"), format!("package {package}\n\n{needs}")));
            all.push(format!("{own}/{package}"));
        }
        all.push(own.clone());
        files.push(("full/full.go".to_owned(), format!("package full\n\n{}", imports(all))));
        // Most packages of a real module need nothing that its first one doesn't.
        for part in 0..8 {
            let needs = imports(vec![own.clone()]);
            files.push((format!("part{part}/part.go"), format!("package part{part}\n\n{needs}")));
        }
        let mut extra = others(&self.extra, "");
        extra.push(own);
        files.push(("extra/extra.go".to_owned(), format!("package extra\n\n{}", imports(extra))));
        files
    }
}

impl Universe {
    /// Writes every version of every module below a folder.
    pub fn write(&self, tree: &Path) -> std::io::Result<Written> {
        let pool = Pool::new(self.options.seed);
        let mut rng = Rng::new(self.options.seed ^ 0xf111);
        let project = self.project();
        let total: f64 = project.requires.keys().map(|module| self.shapes[*module].weight).sum();
        let mut written = Written::default();
        for (number, shape) in self.shapes.iter().enumerate() {
            let folder = tree.join(escape(&path_of(number))).join("@v");
            fs_err::create_dir_all(&folder)?;
            let mut list = String::new();
            for version in 0..shape.versions {
                let name = version_of(number, version);
                if !number.is_multiple_of(7) || number.is_multiple_of(11) {
                    list.push_str(&format!("{name}\n"));
                }
                let share = 0.4 + 0.6 * (version + 1) as f64 / shape.versions as f64;
                let size = (self.options.bytes as f64 * shape.weight / total * share) as usize;
                let sums = self.write_version(&folder, number, version, size, &pool, &mut rng)?;
                let zip = folder.join(format!("{name}.zip"));
                written.bytes.insert((number, version), fs_err::metadata(zip)?.len());
                written.sums.insert((number, version), sums);
            }
            fs_err::write(folder.join("list"), list)?;
        }
        Ok(written)
    }

    fn write_version(
        &self,
        folder: &Path,
        number: usize,
        version: usize,
        size: usize,
        pool: &Pool,
        rng: &mut Rng,
    ) -> std::io::Result<(String, String)> {
        let shape = &self.shapes[number];
        let name = version_of(number, version);
        let is_direct = |module| shape.imports.contains(&module) || shape.extra.contains(&module);
        let go_mod = format!(
            "module {}\n\ngo {}\n{}",
            path_of(number),
            go_line(number, version, shape.pruned_from),
            requirements(&self.listed[number][version], is_direct)
        );
        let prefix = format!("{}@{name}", path_of(number));
        let mut own = vec![("go.mod".to_owned(), go_mod.clone())];
        own.extend(shape.packages(number));
        let file = fs_err::File::create(folder.join(format!("{name}.zip")))?;
        let mut zip = ZipWriter::new(BufWriter::new(file));
        let mut hashes = Vec::new();
        for (file, text) in own {
            let file = format!("{prefix}/{file}");
            zip.deflated(&file, text.as_bytes())?;
            hashes.push((file, sha256_hex(text.as_bytes())));
        }
        let mut left = size;
        while left > 0 {
            let content = pool.pick(left, rng);
            let count = hashes.len();
            let end = if rng.one_in(4) { "md" } else { "go" };
            let file = format!("{prefix}/internal/part{}/file{count}.{end}", count / 20);
            zip.packed(&file, content)?;
            hashes.push((file, content.sha256.clone()));
            left = left.saturating_sub(content.packed_len() + 200); // two headers with the name
        }
        zip.finish()?;
        let sums = (h1_of_hashes(hashes), h1(&[("go.mod".to_owned(), go_mod.as_bytes())]));
        let info = format!("{{\"Version\":{name:?},\"Time\":\"2024-01-02T03:04:05Z\"}}");
        fs_err::write(folder.join(format!("{name}.info")), info)?;
        fs_err::write(folder.join(format!("{name}.mod")), go_mod)?;
        fs_err::write(folder.join(format!("{name}.ziphash")), &sums.0)?;
        Ok(sums)
    }

    /// Writes a main module that needs all that it lists, and beside it the same one cut down to a small command.
    pub fn write_project(&self, project: &Project, written: &Written, folder: &Path) -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let go_mod = self.go_mod(project);
        let main =
            imports(project.direct.iter().map(|module| format!("{}/full", path_of(*module))).collect());
        fs_err::write(folder.join("go.mod"), go_mod)?;
        fs_err::write(folder.join("go.sum"), go_sum(project, written))?;
        fs_err::write(folder.join("main.go"), format!("package main\n\n{main}func main() {{}}\n"))
    }

    /// Writes the project cut down to a command that needs few of the modules.
    pub fn write_small(&self, project: &Project, written: &Written, folder: &Path) -> std::io::Result<()> {
        let command = folder.join("cmd/tool");
        fs_err::create_dir_all(&command)?;
        let main = imports(project.small.iter().map(|module| path_of(*module)).collect());
        fs_err::write(folder.join("go.mod"), self.go_mod(project))?;
        fs_err::write(folder.join("go.sum"), go_sum(project, written))?;
        fs_err::write(command.join("main.go"), format!("package main\n\n{main}func main() {{}}\n"))
    }

    fn go_mod(&self, project: &Project) -> String {
        let requirements = requirements(&project.requires, |module| project.direct.contains(&module));
        format!("module example.com/project\n\ngo 1.21\n{requirements}")
    }
}

/// Returns a go.sum as `go mod tidy` leaves it: go.mod files that are read, zips that are used.
fn go_sum(project: &Project, written: &Written) -> String {
    let mut lines = Vec::new();
    for (number, version) in &project.read {
        let (zip, go_mod) = &written.sums[&(*number, *version)];
        let name = format!("{} {}", path_of(*number), version_of(*number, *version));
        if project.requires.get(number) == Some(version) {
            lines.push(format!("{name} {zip}\n"));
        }
        lines.push(format!("{name}/go.mod {go_mod}\n"));
    }
    lines.sort();
    lines.concat()
}
