//! The vendor folder: whether the go command uses it, and whether it says what go.mod says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder_module::gomod::GoMod;
use larder_module::gowork::GoWork;

use super::ProjectFacts;
use super::collect::Flags;
use crate::GoVersion;
use crate::system::System;

/// Fills in what there is to say about vendor.
pub(super) fn read(
    system: &System,
    folder: &Path,
    work: Option<&(PathBuf, GoWork)>,
    flags: &Flags,
    go_mod: &GoMod,
    facts: &mut ProjectFacts,
) {
    let root = work.and_then(|(path, _)| path.parent()).unwrap_or(folder);
    let vendor = root.join("vendor");
    if system.path(&vendor).is_dir() {
        facts.vendor = Some(system.path(vendor.join("modules.txt")).is_file());
    }
    let line = work.map_or_else(|| go_mod.go.clone(), |(_, work)| work.go.clone());
    facts.vendor_used = used(flags, facts.vendor.is_some(), line.as_deref(), work.is_some());
    let applies = facts.vendor_used.as_ref().is_some_and(|(used, _)| *used);
    if applies
        && work.is_none()
        && GoVersion::parse(line.as_deref().unwrap_or("1.16")).is_none_or(|go| go.minor >= 14)
    {
        let text = fs_err::read(system.path(vendor.join("modules.txt"))).unwrap_or_default();
        facts.vendor_differences = differences(&Listed::read(&String::from_utf8_lossy(&text)), go_mod);
    }
}

/// Decides as the go command does: by flag, else by the folder and the go line.
fn used(flags: &Flags, there: bool, line: Option<&str>, workspace: bool) -> Option<(bool, String)> {
    if let Some(mode) = &flags.mode {
        return (there || mode == "vendor").then(|| (mode == "vendor", format!("-mod={mode} in GOFLAGS")));
    }
    if !there {
        return None;
    }
    let least = if workspace { 22 } else { 14 };
    let file = if workspace { "go.work" } else { "go.mod" };
    Some(match line.and_then(GoVersion::parse) {
        Some(version) if version.minor >= least => {
            (true, format!("{file} says go 1.{} and there is a vendor folder", version.minor))
        }
        Some(version) => (false, format!("{file} says go 1.{}, older than 1.{least}", version.minor)),
        None => (false, format!("{file} has no go line")),
    })
}

/// What modules.txt says.
#[derive(Debug, Default)]
struct Listed {
    /// Version by module path.
    versions: BTreeMap<String, String>,
    explicit: std::collections::BTreeSet<String>,
    /// Replacement, `path` or `path version`, by `module` or `module version`.
    replaced: BTreeMap<String, String>,
}

impl Listed {
    fn read(text: &str) -> Self {
        let mut listed = Self::default();
        let mut current = None;
        for line in text.lines() {
            if let Some(marks) = line.strip_prefix("## ") {
                if let Some(module) = &current
                    && marks.split(';').any(|mark| mark.trim() == "explicit")
                {
                    listed.explicit.insert(String::clone(module));
                }
                continue;
            }
            let Some(module_line) = line.strip_prefix("# ") else { continue };
            let (left, right) = module_line
                .split_once(" => ")
                .map_or((module_line, None), |(left, right)| (left, Some(right)));
            let mut words = left.split_whitespace();
            let (Some(path), version) = (words.next(), words.next()) else { continue };
            current = version.map(|_| path.to_owned());
            if let Some(version) = version {
                listed.versions.insert(path.to_owned(), version.to_owned());
            }
            if let Some(right) = right {
                listed.replaced.insert(left.to_owned(), right.trim().to_owned());
            }
        }
        listed
    }

    fn replacement(&self, path: &str, version: &str) -> Option<&String> {
        self.replaced.get(&format!("{path} {version}")).or_else(|| self.replaced.get(path))
    }
}

fn differences(listed: &Listed, go_mod: &GoMod) -> Vec<String> {
    let mut out = Vec::new();
    for line in &go_mod.require {
        let name = format!("{}@{}", line.path, line.version);
        match listed.versions.get(&line.path) {
            Some(version) if *version != line.version => {
                out.push(format!("{name}: go.mod requires it, vendor/modules.txt has {version}"));
            }
            Some(_) if listed.explicit.contains(&line.path) => {}
            _ => out.push(format!(
                "{name}: required in go.mod, but not marked as explicit in vendor/modules.txt"
            )),
        }
    }
    let required = |path: &str| go_mod.require.iter().any(|line| line.path == path);
    for path in listed.explicit.iter().filter(|path| !required(path)) {
        out.push(format!("{path}: marked as explicit in vendor/modules.txt, but not required in go.mod"));
    }
    for line in &go_mod.replace {
        let by = format!("{} {}", line.new_path, line.new_version).trim().to_owned();
        let version = if line.old_version.is_empty() {
            listed.versions.get(&line.old_path).map_or("", String::as_str)
        } else {
            &line.old_version
        };
        if listed.replacement(&line.old_path, version).is_some_and(|known| *known != by) {
            out.push(format!(
                "{}: replaced by {by} in go.mod, by something else in vendor/modules.txt",
                line.old_path
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# example.com/a v1.0.0\n## explicit; go 1.20\nexample.com/a\n# example.com/b v1.1.0\nexample.com/b\n# example.com/c v1.0.0 => ../c\n## explicit\n";

    fn go_mod(text: &str) -> GoMod {
        GoMod::parse_strict(text.as_bytes()).expect("sound")
    }

    #[test]
    fn what_agrees_has_no_differences() {
        let same = go_mod(
            "module m.example.com\ngo 1.21\nrequire example.com/a v1.0.0\nrequire example.com/c v1.0.0\nreplace example.com/c => ../c\n",
        );
        assert_eq!(differences(&Listed::read(TEXT), &same), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_named() {
        let other = go_mod(
            "module m.example.com\ngo 1.21\nrequire example.com/a v1.2.0\nrequire example.com/b v1.1.0\nreplace example.com/c => ../d\n",
        );
        let found = differences(&Listed::read(TEXT), &other);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].contains("example.com/a@v1.2.0"), "{found:#?}");
        assert!(found[1].contains("not marked as explicit"), "{found:#?}");
    }

    #[test]
    fn the_go_line_decides_unless_a_flag_does() {
        let flags = |mode: Option<&str>| Flags { mode: mode.map(str::to_owned), mod_file: None };
        for (mode, there, line, workspace, expected) in [
            (None, true, Some("1.14"), false, Some(true)),
            (None, true, Some("1.13"), false, Some(false)),
            (None, true, None, false, Some(false)),
            (None, false, Some("1.21"), false, None),
            (None, true, Some("1.21"), true, Some(false)),
            (None, true, Some("1.22.1"), true, Some(true)),
            (Some("vendor"), false, None, false, Some(true)),
            (Some("mod"), true, Some("1.21"), false, Some(false)),
            (Some("mod"), false, Some("1.21"), false, None),
        ] {
            let decided = used(&flags(mode), there, line, workspace);
            assert_eq!(
                decided.as_ref().map(|(used, _)| *used),
                expected,
                "{mode:?} {there} {line:?} {workspace}"
            );
        }
    }
}
