//! What the module cache, or a proxy's memory, holds that is not what the world says now.

use crate::Facts;
use crate::cache::CachedVersion;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::probe::RequestProbe;
use crate::rules::sayings::{match_of, said};
use crate::symptom::{Endpoint, Trouble};

fn entries(facts: &Facts) -> impl Iterator<Item = &CachedVersion> {
    facts.cache.iter().flat_map(|cache| &cache.entries)
}

/// Makes a match about a cached version.
fn about(cause: &'static str, entry: &CachedVersion, sure: f32) -> Match {
    let escaped = larder_module::escape::escape_path(&entry.module).unwrap_or_else(|_| entry.module.clone());
    Match::of(CauseId(cause), format!("{}@{}", entry.module, entry.version))
        .sure(sure)
        .with("module", &entry.module)
        .with("escaped", escaped)
        .with("version", &entry.version)
}

/// A zip in the cache is none.
pub(super) fn zip_corrupt(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, symptom) in facts.symptoms() {
        let in_cache = symptom.says("cache/download") || symptom.says("cache\\download");
        let unzip = symptom.says("-> unzip") || symptom.says("unzip ");
        let bad =
            matches!(symptom.trouble, Trouble::BadZip { .. }) || symptom.says("zip: not a valid zip file");
        if bad && in_cache && unzip && symptom.says("not a valid zip file") {
            found.extend(match_of(
                index,
                symptom,
                "C05",
                &[("unzip {path}: zip: not a valid zip file", 0.9), ("", 0.88)],
            ));
        }
    }
    found.extend(said(facts, "C05", &[("missing ziphash", 0.9)]));
    found.extend(verified_zips(facts));
    let mut found: Vec<Match> = found.into_iter().map(named_by_version).collect();
    for entry in entries(facts) {
        if let Some(problem) = &entry.zip_problem {
            let one = about("C05", entry, 0.96).because(Evidence::new(
                "cached zip",
                problem.as_str(),
                "module cache",
            ));
            found.push(explaining(facts, one, &["not a valid zip file", "unzip", "ziphash"]));
        }
    }
    found
}

/// `go mod verify` says `M V: zip: not a valid zip file`, and reads nothing but the cache.
fn verified_zips(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let (head, _) = symptom.text.split_once(": zip: not a valid zip file")?;
            let mut words = head.split_whitespace().rev();
            let (version, module) = (words.next()?, words.next()?);
            if !version.starts_with('v') || !module.contains('.') {
                return None;
            }
            let found = match_of(index, symptom, "C05", &[("", 0.9)])?;
            Some(found.with("module", module).with("version", version))
        })
        .collect()
}

/// Names a match by module and version where both are known, as facts about the cache do.
fn named_by_version(found: Match) -> Match {
    match (found.values.get("module"), found.values.get("version")) {
        (Some(module), Some(version)) => {
            let about = format!("{module}@{version}");
            let escaped = larder_module::escape::escape_path(module).unwrap_or_else(|_| module.clone());
            Match { about, ..found }.with("escaped", escaped)
        }
        _ => found,
    }
}

/// Lets a match about a cached version explain the symptoms that are about it, or about nothing, and say one of these.
fn explaining(facts: &Facts, mut found: Match, words: &[&str]) -> Match {
    let module = found.values.get("module").cloned();
    for (index, symptom) in facts.symptoms() {
        let same = symptom.module.is_none() || symptom.module == module;
        if same && words.iter().any(|words| symptom.says(words)) {
            found.explains.push(index);
        }
    }
    found
}

fn fresh<'a>(facts: &'a Facts, module: &str, version: &str, endpoint: Endpoint) -> Option<&'a RequestProbe> {
    facts.probes.as_ref()?.requests.iter().find(|request| {
        request.endpoint == endpoint
            && request.module.as_deref() == Some(module)
            && request.version.as_deref() == Some(version)
            && request.h1.is_some()
    })
}

fn go_sum<'a>(facts: &'a Facts, module: &str, version: &str) -> Option<&'a str> {
    let sums = &facts.project.as_ref()?.sums;
    sums.iter().find(|(path, of, _)| path == module && of == version).map(|(_, _, h1)| h1.as_str())
}

/// A go.mod in the cache is not the one that go.sum knows, and the world still has that one.
pub(super) fn mod_corrupt(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, symptom) in facts.symptoms() {
        if let Trouble::Mismatch { go_mod: true, downloaded, expected, by } = &symptom.trouble
            && by == "go.sum"
        {
            let one = match_of(index, symptom, "C06", &[("", 0.7)]).map(named_by_version);
            found.extend(one.map(|one| one.with("downloaded", downloaded).with("expected", expected)));
        }
    }
    for entry in entries(facts) {
        let known = go_sum(facts, &entry.module, &format!("{}/go.mod", entry.version));
        let (Some(cached), Some(known)) = (&entry.mod_h1, known) else { continue };
        if cached == known {
            continue;
        }
        let again = fresh(facts, &entry.module, &entry.version, Endpoint::Mod);
        let sure = match again.and_then(|request| request.h1.as_deref()) {
            Some(hash) if hash == known => 0.97,
            Some(_) => continue,
            None => 0.75,
        };
        let mut one = about("C06", entry, sure)
            .with("downloaded", cached)
            .with("expected", known)
            .because(Evidence::new("cached go.mod", cached.as_str(), "module cache"))
            .because(Evidence::new("go.sum", known, "go.sum"));
        if let Some(request) = again {
            one = one.because(Evidence::new("go.mod fetched now", known, request.url.as_str())).not(
                CauseId("V02"),
                "what the proxy serves now is what go.sum says; only the cached copy differs",
            );
        }
        found.push(explaining(facts, one, &["checksum mismatch"]));
    }
    found
}

/// The extracted folder was edited.
pub(super) fn folder_edited(facts: &Facts) -> Vec<Match> {
    let mut found =
        said(facts, "C07", &[("dir has been modified ({path})", 0.97), ("dir has been modified", 0.95)]);
    for (index, symptom) in facts.symptoms() {
        let gone = symptom.says("no such file or directory") || symptom.says("cannot find the path");
        let inside =
            symptom.says("pkg/mod/") && symptom.text.contains("@v") && !symptom.says("cache/download");
        if gone && inside && !symptom.says("replace") {
            found.extend(match_of(index, symptom, "C07", &[("open {path}: no such file", 0.85), ("", 0.8)]));
        }
    }
    for entry in entries(facts) {
        if let Some(problem) = &entry.folder_problem {
            let one = about("C07", entry, 0.95).because(Evidence::new(
                "extracted folder",
                problem.as_str(),
                "module cache",
            ));
            found.push(explaining(facts, one, &["has been modified", "no such file or directory"]));
        }
    }
    found
}

/// The list does not have a version that can be had.
pub(super) fn stale_list(facts: &Facts) -> Vec<Match> {
    let Some(probes) = &facts.probes else { return Vec::new() };
    let lists: Vec<&RequestProbe> = complete_lists(&probes.requests).collect();
    let mut found = Vec::new();
    for list in &lists {
        let had = probes.requests.iter().find(|request| {
            request.endpoint == Endpoint::Info
                && request.status == Some(200)
                && request.module == list.module
                && request
                    .version
                    .as_deref()
                    .is_some_and(|version| listable(version) && !lists_version(list, version))
        });
        let newer = lists.iter().find_map(|other| {
            let better = other.entry > list.entry && other.module == list.module;
            let newest = other
                .body
                .lines()
                .filter(|version| listable(version))
                .max_by(|a, b| larder_module::semver::compare(a, b))?;
            (better && !lists_version(list, newest)).then(|| (newest.to_owned(), other.url.clone()))
        });
        let exact = had.and_then(|request| Some((request.version.clone()?, request.url.clone())));
        let (Some((version, url)), Some(module)) = (exact.or(newer), &list.module) else { continue };
        found.push(
            Match::of(CauseId("C10"), module)
                .sure(0.8)
                .verdict(Verdict::Warn)
                .with("module", module)
                .with("version", &version)
                .with("url", &list.url)
                .because(Evidence::new("list", format!("{} has no {version}", list.url), "probe http"))
                .because(Evidence::new(version.as_str(), format!("there at {url}"), "probe http")),
        );
    }
    found
}

fn complete_lists(requests: &[RequestProbe]) -> impl Iterator<Item = &RequestProbe> {
    requests.iter().filter(|request| {
        request.endpoint == Endpoint::List
            && request.status == Some(200)
            && request.trouble.is_none()
            && request.received == request.body.len() as u64
            && request.body.lines().any(larder_module::semver::is_valid)
    })
}

fn listable(version: &str) -> bool {
    larder_module::semver::is_valid(version) && !larder_module::pseudo::is_pseudo_version(version)
}

fn lists_version(list: &RequestProbe, version: &str) -> bool {
    list.body.lines().any(|line| line.trim() == version)
}

/// A proxy remembers that there was no such version, and meanwhile there is one.
pub(super) fn negative_memory(facts: &Facts) -> Vec<Match> {
    let Some(probes) = &facts.probes else { return Vec::new() };
    let mut found = Vec::new();
    for absent in &probes.requests {
        let (Some(404 | 410), Some(module), Some(version)) = (absent.status, &absent.module, &absent.version)
        else {
            continue;
        };
        let elsewhere = probes.requests.iter().find(|other| {
            other.endpoint == absent.endpoint
                && other.status == Some(200)
                && other.module == absent.module
                && other.version == absent.version
                && other.entry != absent.entry
        });
        if !facts.symptoms.iter().any(|symptom| symptom.module.as_ref() == Some(module)) {
            continue; // The go command goes on from here to where it is.
        }
        let tag = format!("refs/tags/{version}");
        let tagged = probes
            .git
            .iter()
            .find(|run| run.status == Some(0) && run.said.iter().any(|line| line.ends_with(&tag)));
        let proof =
            elsewhere.map(|other| other.url.clone()).or_else(|| tagged.map(|run| run.command.clone()));
        let Some(proof) = proof else { continue };
        let remembered =
            absent.header("age").is_some_and(|age| age != "0") || absent.header("cache-control").is_some();
        if elsewhere.is_some() && tagged.is_none() && !remembered {
            continue; // Another proxy may simply carry what this one does not.
        }
        let mut one = Match::of(CauseId("C11"), format!("{module}@{version}"))
            .sure(if remembered { 0.9 } else { 0.75 })
            .with("module", module)
            .with("version", version)
            .with("url", &absent.url)
            .because(Evidence::new(
                format!("{module}@{version}"),
                format!("status {} at {}", absent.status.unwrap_or(0), absent.url),
                "probe http",
            ))
            .because(Evidence::new(format!("{module}@{version}"), format!("there: {proof}"), "probe"));
        for header in ["age", "cache-control"] {
            if let Some(value) = absent.header(header) {
                one = one.because(Evidence::new(header, value, absent.url.as_str()));
            }
        }
        let version = version.clone();
        for (index, symptom) in facts.symptoms() {
            if symptom.module.as_ref() == Some(module) && symptom.version.as_ref() == Some(&version) {
                one.explains.push(index);
            }
        }
        found.push(one.not(CauseId("P10"), "the version exists: somebody else has it"));
    }
    found
}
