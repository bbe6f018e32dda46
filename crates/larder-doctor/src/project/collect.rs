//! Reads the project that the failing process works in.

use std::path::{Path, PathBuf};

use larder_module::gomod::{GoMod, Replace};
use larder_module::gosum;
use larder_module::gowork::GoWork;

use super::{ProjectFacts, vendored};
use crate::settings::SettingFacts;
use crate::system::{System, plain};

/// Reads go.mod, go.work, go.sum and vendor as the go command would find them.
#[must_use]
pub fn collect(system: &System, settings: &SettingFacts) -> ProjectFacts {
    let mut facts = ProjectFacts::default();
    if settings.value("GO111MODULE") == "off" {
        return facts;
    }
    let flags = Flags::of(settings);
    let work = workspace(system, settings, &mut facts);
    let Some(path) = find_go_mod(system, &mut facts) else { return facts };
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    // Another file may stand for go.mod; then go.sum lies beside that one.
    let path = flags.mod_file.as_ref().map_or(path, |file| plain(&system.folder.join(file)));
    facts.go_mod = Some(path.to_string_lossy().into_owned());
    let go_mod = read_go_mod(system, &path, &mut facts);
    read_go_sum(system, &path, work.as_ref().map(|(path, _)| path.as_path()), &mut facts);
    if let Some((work_path, work)) = &work {
        let root = work_path.parent().unwrap_or_else(|| Path::new("/"));
        facts.in_workspace = Some(work.uses.iter().any(|used| same_folder(&root.join(used), &folder)));
        add_workspace(system, root, work, &mut facts);
    }
    vendored::read(system, &folder, work.as_ref(), &flags, &go_mod, &mut facts);
    if facts.vendor_used.as_ref().is_none_or(|(used, _)| !used) {
        facts.missing_sums = missing_sums(&facts);
    }
    facts
}

/// What `GOFLAGS` says about modules.
pub(super) struct Flags {
    /// The value of `-mod`.
    pub(super) mode: Option<String>,
    /// The value of `-modfile`.
    pub(super) mod_file: Option<String>,
}

impl Flags {
    fn of(settings: &SettingFacts) -> Self {
        let flag = |name: &str| {
            settings.value("GOFLAGS").split_whitespace().rev().find_map(|word| {
                let (key, value) = word.trim_start_matches('-').split_once('=')?;
                (key == name).then(|| value.to_owned())
            })
        };
        Self { mode: flag("mod"), mod_file: flag("modfile").filter(|file| !file.is_empty()) }
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    let clean = |path: &Path| path.components().collect::<PathBuf>();
    clean(one) == clean(other) || plain(one) == plain(other)
}

/// Looks for a file in the working folder and in those above it.
fn find_above(system: &System, name: &str) -> Option<PathBuf> {
    system.folder.ancestors().map(|folder| folder.join(name)).find(|path| system.path(path).is_file())
}

fn find_go_mod(system: &System, facts: &mut ProjectFacts) -> Option<PathBuf> {
    let found = find_above(system, "go.mod")?;
    let temporary = system.variable("TMPDIR").unwrap_or("/tmp");
    if found.parent() == Some(Path::new(temporary)) {
        facts.ignored_go_mod = Some(found.to_string_lossy().into_owned());
        return None;
    }
    Some(found)
}

fn workspace(
    system: &System,
    settings: &SettingFacts,
    facts: &mut ProjectFacts,
) -> Option<(PathBuf, GoWork)> {
    let path = match settings.value("GOWORK") {
        "off" => return None,
        "" | "auto" => find_above(system, "go.work")?,
        named => PathBuf::from(named),
    };
    facts.go_work = Some(path.to_string_lossy().into_owned());
    let bytes = fs_err::read(system.path(&path)).ok()?;
    let work = match GoWork::parse(&bytes) {
        Ok(work) => work,
        Err(error) => {
            facts
                .go_mod_problems
                .extend(error.0.iter().map(|line| format!("go.work:{}: {}", line.line, line.fault)));
            return None;
        }
    };
    let root = path.parent().unwrap_or_else(|| Path::new("/"));
    facts.missing_uses = work
        .uses
        .iter()
        .filter(|used| !system.path(plain(&root.join(used)).join("go.mod")).is_file())
        .cloned()
        .collect();
    Some((path, work))
}

/// Adds what the other modules of a workspace bring in: their lines of go.sum, themselves, and what go.work replaces.
fn add_workspace(system: &System, root: &Path, work: &GoWork, facts: &mut ProjectFacts) {
    let mut replaced: Vec<_> = work.replace.iter().map(|line| replacement(system, root, line)).collect();
    for used in &work.uses {
        let folder = plain(&root.join(used));
        if let Ok(bytes) = fs_err::read(system.path(folder.join("go.sum"))) {
            facts.sums.extend(sums(&bytes));
        }
        let bytes = fs_err::read(system.path(folder.join("go.mod"))).unwrap_or_default();
        let module = GoMod::parse_lax(&bytes).ok().and_then(|parsed| parsed.module);
        replaced.extend(module.map(|module| (module, used.clone(), true)));
    }
    replaced.append(&mut facts.replaces);
    facts.replaces = replaced;
}

fn read_go_mod(system: &System, path: &Path, facts: &mut ProjectFacts) -> GoMod {
    let bytes = fs_err::read(system.path(path)).unwrap_or_default();
    let parsed = match GoMod::parse_strict(&bytes) {
        Ok(parsed) => parsed,
        Err(error) => {
            facts
                .go_mod_problems
                .extend(error.0.iter().map(|line| format!("go.mod:{}: {}", line.line, line.fault)));
            GoMod::parse_lax(&bytes).unwrap_or_default()
        }
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    facts.module.clone_from(&parsed.module);
    facts.go_line.clone_from(&parsed.go);
    facts.toolchain_line.clone_from(&parsed.toolchain);
    facts.requires =
        parsed.require.iter().map(|line| (line.path.clone(), line.version.clone(), line.indirect)).collect();
    facts.replaces = parsed.replace.iter().map(|line| replacement(system, folder, line)).collect();
    parsed
}

fn replacement(system: &System, folder: &Path, line: &Replace) -> (String, String, bool) {
    let what = if line.old_version.is_empty() {
        line.old_path.clone()
    } else {
        format!("{}@{}", line.old_path, line.old_version)
    };
    if line.new_version.is_empty() {
        let there = system.path(plain(&folder.join(&line.new_path)).join("go.mod")).is_file();
        return (what, line.new_path.clone(), there);
    }
    (what, format!("{}@{}", line.new_path, line.new_version), true)
}

fn read_go_sum(system: &System, go_mod: &Path, work: Option<&Path>, facts: &mut ProjectFacts) {
    let path = go_mod.with_extension("sum");
    let real = system.path(&path);
    facts.go_sum_writable = if real.exists() { writable(&real) } else { real.parent().is_some_and(writable) };
    if let Ok(bytes) = fs_err::read(&real) {
        facts.has_go_sum = true;
        facts.go_sum_problems = go_sum_problems(&bytes);
        facts.sums.extend(sums(&bytes));
    }
    if let Some(bytes) = work.and_then(|path| fs_err::read(system.path(path.with_extension("work.sum"))).ok())
    {
        facts.sums.extend(sums(&bytes));
    }
}

/// Reads the sound lines, whatever the others are like.
fn sums(bytes: &[u8]) -> Vec<(String, String, String)> {
    match gosum::parse(bytes) {
        Ok(lines) => lines.into_iter().map(|line| (line.module, line.version, line.hash)).collect(),
        Err(_) => String::from_utf8_lossy(bytes)
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let found = (words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.to_owned());
                words.next().is_none().then_some(found)
            })
            .collect(),
    }
}

fn go_sum_problems(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields = line.split_whitespace().count();
        if fields == 0 || fields == 3 {
            continue;
        }
        let shown: String = line.chars().take(60).collect();
        problems.push(format!("go.sum:{}: {fields} fields, not 3: {shown}", index + 1));
    }
    problems.truncate(20);
    problems
}

/// Reports whether this process may write there; an immutable file or a read-only mount says no even to root.
pub(crate) fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Lists requirements for which go.sum has no line of their go.mod; replaced ones count under their replacement.
fn missing_sums(facts: &ProjectFacts) -> Vec<String> {
    let known: std::collections::HashSet<(&str, &str)> =
        facts.sums.iter().map(|(module, version, _)| (module.as_str(), version.as_str())).collect();
    let mut missing = Vec::new();
    for (module, version, _) in &facts.requires {
        let exact = format!("{module}@{version}");
        let replaced = facts.replaces.iter().find(|(what, _, _)| *what == exact || what == module);
        let (module, version) = match replaced {
            Some((_, by, _)) => match by.rsplit_once('@') {
                Some((module, version)) => (module.to_owned(), version.to_owned()),
                None => continue,
            },
            None => (module.clone(), version.clone()),
        };
        let of_mod = format!("{version}/go.mod");
        if !known.contains(&(module.as_str(), version.as_str()))
            && !known.contains(&(module.as_str(), of_mod.as_str()))
        {
            missing.push(format!("{module}@{version}"));
        }
    }
    missing
}
