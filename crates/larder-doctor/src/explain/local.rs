//! What is decided before anybody could be asked: the path, the module mode, the project.

use larder_module::defaults;
use larder_module::path::{check_import_path, check_path};

use super::{Decision, Work};
use crate::project::ProjectFacts;

/// What comes of it.
pub(super) enum Outcome {
    Refused,
    Local,
    Ask { path: String, version: Option<String> },
}

pub(super) fn decide(work: &mut Work<'_>, module: &str) -> Outcome {
    let toolchain = matches!(module, "go" | "toolchain");
    let path = if toolchain { defaults::TOOLCHAIN_MODULE } else { module };
    if let Err(fault) = check_import_path(path) {
        let fault = fault.fault.to_string();
        work.step(Decision::MalformedPath { path: path.to_owned(), fault }, &[]);
        return Outcome::Refused;
    }
    let first = path.split('/').next().unwrap_or_default();
    if !first.contains('.') && !is_local(work, path) {
        work.step(Decision::StandardLibrary { path: path.to_owned() }, &[]);
        return Outcome::Local;
    }
    if let Err(fault) = check_path(path)
        && !is_local(work, path)
    {
        let fault = fault.fault.to_string();
        work.step(Decision::MalformedPath { path: path.to_owned(), fault }, &[]);
        return Outcome::Refused;
    }
    work.step(Decision::WellFormed { path: path.to_owned() }, &[]);
    if !modules_are_on(work) || !flags_are_sound(work) {
        return Outcome::Refused;
    }
    match work.facts.project.as_ref() {
        Some(project) if !toolchain => in_project(work, project, path),
        _ => ask(work, path),
    }
}

fn ask(work: &Work<'_>, path: &str) -> Outcome {
    Outcome::Ask { path: path.to_owned(), version: work.version.map(str::to_owned) }
}

/// Reports whether the project knows the path itself, which needs no dot then.
fn is_local(work: &Work<'_>, path: &str) -> bool {
    work.facts.project.as_ref().is_some_and(|project| {
        project.module.as_deref().is_some_and(|own| larder_module::hosting::has_path_prefix(path, own))
            || replacement(project, path, work.version).is_some()
    })
}

fn modules_are_on(work: &mut Work<'_>) -> bool {
    match work.value("GO111MODULE") {
        "" | "on" => true,
        "auto" => {
            let no_module = work.facts.project.as_ref().is_some_and(|project| project.go_mod.is_none());
            if no_module {
                work.step(Decision::NoModuleHere, &["GO111MODULE"]);
            }
            true
        }
        "off" => {
            work.step(Decision::ModulesDisabled, &["GO111MODULE"]);
            false
        }
        other => {
            let value = other.to_owned();
            work.step(Decision::UnknownModuleMode { value }, &["GO111MODULE"]);
            false
        }
    }
}

fn flags_are_sound(work: &mut Work<'_>) -> bool {
    let flags = work.value("GOFLAGS");
    for word in flags.split_ascii_whitespace() {
        let bare = word.trim_matches(['\'', '"']);
        let name = bare.strip_prefix("--").or_else(|| bare.strip_prefix('-'));
        if name.is_none_or(|name| name.is_empty() || name.starts_with(['-', '=']))
            && !flags.contains(['\'', '"'])
        {
            work.step(Decision::BadFlags { word: word.to_owned() }, &["GOFLAGS"]);
            return false;
        }
        if name.is_some_and(|name| name.starts_with("mod=") || name.starts_with("modfile=")) {
            work.step(Decision::ModFlag { flag: bare.to_owned() }, &["GOFLAGS"]);
        }
    }
    true
}

fn in_project(work: &mut Work<'_>, project: &ProjectFacts, path: &str) -> Outcome {
    if let Some(file) = &project.go_work {
        let uses_module = project.in_workspace.unwrap_or(true);
        work.step(Decision::Workspace { file: file.clone(), uses_module }, &["GOWORK"]);
    }
    if project.module.as_deref() == Some(path) {
        // Whoever names a version asks for it like any other module's.
        let released = work.version.is_some();
        work.step(Decision::OwnModule { released }, &[]);
        return if released { ask(work, path) } else { Outcome::Local };
    }
    if let Some((by, there)) = replacement(project, path, work.version) {
        return replaced(work, by, there);
    }
    let required = project.requires.iter().any(|(module, ..)| module == path);
    if let Some(own) =
        project.module.as_deref().filter(|own| larder_module::hosting::has_path_prefix(path, own))
        && !required
    {
        let module = own.to_owned();
        work.step(Decision::OwnPackage { module }, &[]);
    }
    match &project.vendor_used {
        Some((true, why)) => work.step(Decision::Vendored { why: why.clone() }, &["GOFLAGS"]),
        Some((false, why)) => work.step(Decision::NotVendored { why: why.clone() }, &["GOFLAGS"]),
        None => {}
    }
    ask(work, path)
}

/// Returns what replaces a module: a rule for its version goes before one for all versions.
fn replacement<'p>(project: &'p ProjectFacts, path: &str, version: Option<&str>) -> Option<(&'p str, bool)> {
    let known = version.or_else(|| {
        let required = project.requires.iter().find(|(module, ..)| module == path)?;
        Some(required.1.as_str())
    });
    let exact = known.map(|version| format!("{path}@{version}"));
    let find = |what: &str| project.replaces.iter().find(|(replaced, ..)| replaced == what);
    let found = exact.and_then(|exact| find(&exact)).or_else(|| find(path))?;
    Some((found.1.as_str(), found.2))
}

fn replaced(work: &mut Work<'_>, by: &str, there: bool) -> Outcome {
    if by.starts_with("./") || by.starts_with("../") || by.starts_with('/') || matches!(by, "." | "..") {
        work.step(Decision::ReplacedByFolder { folder: by.to_owned(), there }, &[]);
        return Outcome::Local;
    }
    work.step(Decision::Replaced { by: by.to_owned() }, &[]);
    let (path, version) = by.rsplit_once('@').map_or((by, None), |(path, version)| (path, Some(version)));
    Outcome::Ask { path: path.to_owned(), version: version.map(str::to_owned) }
}
