//! Generated projects: modules of old and new go lines that require each other, and main modules with all that go.mod files offer.

use std::fmt::{self, Write as _};

use larder_testkit::ModuleBuilder;
use larder_testkit::rng::Rng;

/// A project and the modules there are.
pub(crate) struct World {
    pub(crate) modules: Vec<ModuleBuilder>,
    mods: Vec<((String, String), String)>,
    /// Files of the project by their paths.
    pub(crate) files: Vec<(String, String)>,
}

const GO_LINES: &[&str] =
    &["", "go 1.13\n", "go 1.16\n", "go 1.17\n", "go 1.18\n", "go 1.20\n", "go 1.21\n", "go 1.22.3\n"];

impl World {
    pub(crate) fn generate(rng: &mut Rng) -> Self {
        let count = 4 + rng.below(14);
        let versions = 1 + rng.below(4);
        let mut world = Self { modules: Vec::new(), mods: Vec::new(), files: Vec::new() };
        for module in 0..count {
            for version in 0..versions {
                let path = format!("example.com/m{module}");
                let version = format!("v1.{version}.0");
                let go_line = *rng.pick(GO_LINES);
                let most = rng.below(4);
                let text = format!(
                    "module {path}\n{go_line}{}",
                    requirements(rng, count, versions, most, Some(module))
                );
                world.modules.push(ModuleBuilder::new(&path, &version).go_mod(&text));
                world.mods.push(((path, version), text));
            }
        }
        if rng.one_in(4) {
            world.workspace(rng, count, versions)
        } else {
            world.main(rng, "", count, versions, "app")
        }
        world
    }

    fn main(&mut self, rng: &mut Rng, folder: &str, count: usize, versions: usize, name: &str) {
        let go_line = if folder.is_empty() { *rng.pick(&GO_LINES[1..]) } else { "go 1.20\n" };
        let most = 1 + rng.below(count);
        let mut text =
            format!("module example.com/{name}\n{go_line}{}", requirements(rng, count, versions, most, None));
        let up = if folder.is_empty() { "./" } else { "../" };
        if rng.one_in(3) {
            let (from, to) = (rng.below(count), rng.below(count));
            let _ = writeln!(text, "replace example.com/m{from} => example.com/m{to} v1.0.0");
        }
        if rng.one_in(3) {
            let module = rng.below(count);
            let version = rng.below(versions);
            let local = format!("{name}-local{module}");
            let _ = writeln!(text, "replace example.com/m{module} v1.{version}.0 => {up}{local}");
            let go_line = *rng.pick(GO_LINES);
            let required = requirements(rng, count, versions, 2, Some(module));
            self.files.push((
                format!("{local}/go.mod"),
                format!("module example.com/m{module}\n{go_line}{required}"),
            ));
        }
        if rng.one_in(3) {
            let _ = writeln!(text, "exclude example.com/m{} v1.{}.0", rng.below(count), rng.below(versions));
        }
        let file = if folder.is_empty() { "go.mod".to_owned() } else { format!("{folder}/go.mod") };
        self.files.push((file, text));
    }

    fn workspace(&mut self, rng: &mut Rng, count: usize, versions: usize) {
        let mut work = "go 1.22.3\n".to_owned();
        for name in ["one", "two", "three"].iter().take(1 + rng.below(3)) {
            self.main(rng, name, count, versions, name);
            let _ = writeln!(work, "use ./{name}");
        }
        if rng.one_in(3) {
            let (from, to) = (rng.below(count), rng.below(count));
            let _ = writeln!(work, "replace example.com/m{from} => example.com/m{to} v1.0.0");
        }
        self.files.push(("go.work".to_owned(), work));
    }

    /// Returns the go.mod file of a version.
    pub(crate) fn go_mod(&self, path: &str, version: &str) -> String {
        let found = self.mods.iter().find(|((known, at), _)| known == path && at == version);
        found.unwrap_or_else(|| panic!("{path}@{version} is not there")).1.clone()
    }

    /// Returns a file of the project.
    pub(crate) fn file(&self, name: &str) -> &str {
        let found = self.files.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{name} is not there")).1
    }
}

fn requirements(rng: &mut Rng, count: usize, versions: usize, most: usize, own: Option<usize>) -> String {
    let mut text = String::new();
    let mut modules: Vec<usize> = (0..count).filter(|module| Some(*module) != own).collect();
    rng.shuffle(&mut modules);
    for module in modules.into_iter().take(most) {
        let comment = if rng.one_in(3) { " // indirect" } else { "" };
        let _ = writeln!(text, "require example.com/m{module} v1.{}.0{comment}", rng.below(versions));
    }
    text
}

/// Resolves `.` and `..` in a path.
pub(crate) fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in &self.files {
            writeln!(formatter, "--- {name}\n{text}")?;
        }
        for ((path, version), text) in &self.mods {
            writeln!(formatter, "--- {path}@{version}\n{text}")?;
        }
        Ok(())
    }
}
