//! Answers with status 200 whose content is wrong.

use larder_module::gomod;

use super::{about, is_proxy, request_of, requests, with_answer, with_symptom};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::probe::{Part, RequestProbe};
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

fn of(facts: &Facts, cause: &'static str, sure: f32, index: usize, symptom: &Symptom) -> Match {
    let found = with_symptom(Match::of(CauseId(cause), about(symptom)).sure(sure), index, symptom);
    match request_of(facts, symptom) {
        Some(probe) => with_answer(found, probe),
        None => found,
    }
}

fn looks_like_page(body: &str) -> bool {
    body.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

/// Returns what a page calls itself.
fn title(body: &str) -> Option<String> {
    let lower = body.to_ascii_lowercase();
    let at = lower.find("<title")?;
    let begin = at + lower[at..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    let title = body.get(begin..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| title.chars().take(80).collect())
}

/// P14: a page for browsers where JSON has to be.
pub(super) fn page(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Trouble::BadAnswer { text } = &symptom.trouble else { return None };
            text.contains("invalid character '<'").then_some(())?;
            let mut found = of(facts, "P14", 0.93, index, symptom)
                .not(CauseId("P18"), "the body is a page, not broken JSON");
            if let Some(probe) = request_of(facts, symptom) {
                if let Some(title) = title(&probe.body) {
                    found = found.with("title", &title).because(Evidence::new(
                        "title of the page",
                        title,
                        "probe http",
                    ));
                }
                if let Some(last) = probe.hops.last() {
                    found = found.with("url", last);
                }
            }
            Some(found)
        })
        .collect()
}

/// P15: what is served as a zip is none.
pub(super) fn no_zip(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Trouble::BadZip { text, .. } = &symptom.trouble else { return None };
            let is_broken = ["not a valid zip file", "checksum error", "unsupported compression", "deflate"];
            let is_other = symptom.stage == Stage::VersionControl || text.contains("create zip");
            if is_other || !is_broken.iter().any(|words| text.contains(words)) {
                return None;
            }
            // A zip that lies in the cache may have been spoilt there.
            let is_cached = symptom.stage == Stage::ModuleCache || symptom.says("-> unzip");
            let probe = request_of(facts, symptom);
            let sure = if is_cached { 0.45 } else { 0.82 };
            let mut found = of(facts, "P15", sure, index, symptom);
            if let Some(probe) = probe.filter(|probe| !probe.body.is_empty()) {
                let beginning: String = probe.body.chars().take(60).collect();
                found =
                    found.sure(0.93).because(Evidence::new("the zip begins with", beginning, "probe http"));
            }
            Some(found)
        })
        .collect()
}

/// P16: a go.mod that is a page or another text was stored.
pub(super) fn poisoned_go_mod(facts: &Facts) -> Vec<Match> {
    let is_unverified = facts.seen_settings.iter().any(|(_, line)| {
        line.contains("GOSUMDB=off") || line.contains("GONOSUMDB=*") || line.contains("GOFLAGS=-insecure")
    });
    facts
        .symptoms()
        .filter(|(_, symptom)| symptom.says("missing module line"))
        .map(|(index, symptom)| {
            let served = requests(facts).iter().find(|probe| {
                probe.endpoint == Endpoint::Mod
                    && (symptom.module.is_none() || probe.module == symptom.module)
                    && !probe.body.trim().is_empty()
                    && (probe.trouble.is_some() || gomod::module_path(probe.body.as_bytes()).is_none())
            });
            let cached = facts.cache.as_ref().and_then(|cache| {
                let problem = |entry: &crate::cache::CachedVersion| entry.mod_problem.clone();
                let same = |entry: &&crate::cache::CachedVersion| {
                    symptom.module.as_ref().is_none_or(|module| entry.module == *module)
                };
                cache.entries.iter().filter(same).find_map(problem)
            });
            let sure = match (served, &cached, is_unverified) {
                (Some(_), ..) | (_, Some(_), _) => 0.94,
                (None, None, true) => 0.8,
                (None, None, false) => 0.5,
            };
            let mut found = of(facts, "P16", sure, index, symptom);
            if let Some(probe) = served {
                let beginning: String = probe.body.trim().chars().take(60).collect();
                found = found.because(Evidence::new(probe.url.as_str(), beginning, "probe http"));
            }
            if let Some(line) = cached {
                found = found.because(Evidence::new("first line of the cached go.mod", line, "module cache"));
            }
            found
        })
        .chain(poisoned_in_cache(facts))
        .collect()
}

/// Poisoned files that lie in the cache, where nobody has complained yet: the go command reads them without a word of a URL.
fn poisoned_in_cache(facts: &Facts) -> Vec<Match> {
    let entries = facts.cache.as_ref().map(|cache| cache.entries.as_slice()).unwrap_or_default();
    let sums = facts.project.as_ref().map(|project| project.sums.as_slice()).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            let line = entry.mod_problem.as_ref().filter(|line| !line.trim().is_empty())?;
            let name = format!("{}/go.mod", entry.version);
            let known = sums.iter().find(|(module, version, _)| *module == entry.module && *version == name);
            // Another hash in go.sum says that the file was good once, and changed here.
            if known.is_some_and(|(_, _, h1)| entry.mod_h1.as_ref().is_some_and(|cached| cached != h1)) {
                return None;
            }
            let found = Match::of(CauseId("P16"), format!("{}@{}", entry.module, entry.version))
                .sure(0.93)
                .with("module", &entry.module)
                .with("version", &entry.version)
                .because(Evidence::new("first line of the cached go.mod", line, "module cache"));
            Some(found)
        })
        .collect()
}

/// P17: a list without versions that ends the search.
pub(super) fn empty_list(facts: &Facts) -> Vec<Match> {
    let mut all: Vec<Match> = Vec::new();
    for list in lists(facts).filter(|list| list.part == Part::Decides || list.part == Part::Passes) {
        let is_page = looks_like_page(&list.body);
        let is_empty = list.received == 0 && list.status == Some(200);
        let spare = lists(facts).find(|other| {
            other.entry > list.entry
                && other.module == list.module
                && other.trouble.is_none()
                && other.received > 0
        });
        // Whoever knows a module without versions has an answer to @latest.
        let is_unknown = requests(facts).iter().any(|other| {
            let same = other.entry == list.entry && other.module == list.module;
            same && other.endpoint == Endpoint::Latest && other.trouble.is_some()
        });
        if !is_page && !(is_empty && (spare.is_some() || is_unknown)) {
            continue;
        }
        let module = list.module.clone().unwrap_or_default();
        let what = if is_page { "a page for browsers" } else { "an empty list" };
        let mut found = with_answer(Match::of(CauseId("P17"), module.as_str()).sure(0.92), list)
            .with("module", &module)
            .with("url", &list.url)
            .with("what", what);
        if let Some(spare) = spare {
            let versions = spare.body.lines().count();
            found = found.because(Evidence::new(
                spare.url.as_str(),
                format!("{versions} versions"),
                "probe http",
            ));
        }
        let silent: Vec<usize> = facts
            .symptoms()
            .filter(|(_, symptom)| symptom.module == list.module && says_nothing_fits(symptom))
            .map(|(index, _)| index)
            .collect();
        found.verdict = if silent.is_empty() { Verdict::Warn } else { Verdict::Fail };
        found.explains.extend(silent);
        all.push(found.not(CauseId("R01"), "the list itself is at fault"));
    }
    if all.is_empty() {
        all.extend(facts.symptoms().filter_map(|(index, symptom)| {
            let is_open = ["latest", "upgrade", "patch"]
                .iter()
                .any(|query| symptom.says(&format!("query \"{query}\"")));
            (says_nothing_fits(symptom) && is_open)
                .then(|| of(facts, "P17", 0.45, index, symptom).with("what", "a list without versions"))
        }));
    }
    all
}

fn lists(facts: &Facts) -> impl Iterator<Item = &RequestProbe> {
    requests(facts).iter().filter(|probe| {
        probe.endpoint == Endpoint::List && probe.status == Some(200) && probe.part != Part::Compares
    })
}

fn says_nothing_fits(symptom: &Symptom) -> bool {
    symptom.says("no matching versions for query")
        || matches!(
            (&symptom.stage, &symptom.trouble),
            (Stage::Proxy(Endpoint::List), Trouble::BadAnswer { .. })
        )
}

/// P18: `.info` is no JSON, empty, or names another version.
pub(super) fn bad_info(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| is_proxy(symptom))
        .filter_map(|(index, symptom)| match &symptom.trouble {
            Trouble::OtherVersion { got, wanted } => Some(
                of(facts, "P18", 0.95, index, symptom)
                    .with(
                        "what",
                        if got.is_empty() { "no version".to_owned() } else { format!("version {got}") },
                    )
                    .because(Evidence::new("version in the answer", got, symptom.seen()))
                    .because(Evidence::new("version asked for", wanted, symptom.seen())),
            ),
            Trouble::BadAnswer { text } => {
                let sure = match text {
                    text if text.contains("'<'") || text.contains("go.mod") || text.contains("a page") => {
                        return None;
                    }
                    text if text.contains("unexpected end of JSON") || text.contains("no version") => 0.92,
                    _ => 0.85,
                };
                let what = if text.contains("unexpected end") { "nothing, or half of it" } else { "no JSON" };
                Some(of(facts, "P18", sure, index, symptom).with("what", what))
            }
            _ => None,
        })
        .collect()
}

/// P21: a zip holds what no module zip may hold.
pub(super) fn forbidden_file(facts: &Facts) -> Vec<Match> {
    const WORDS: &[&str] = &[
        "has unexpected file",
        "unexpected file name",
        "file path is not clean",
        "file path is not relative",
        "name collision",
        "differs from another name by case only",
        "not below the module's own folder",
        "both a file and a folder",
        "multiple entries for",
        "malformed file path",
        "go.mod file not in module root",
        "go.mod file not in the module's root",
        "should be v0 or v1, not v",
    ];
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Trouble::BadZip { file, text } = &symptom.trouble else { return None };
            let is_made_here = symptom.stage == Stage::VersionControl || symptom.says("create zip");
            let words = WORDS.iter().find(|words| text.contains(**words) || symptom.says(words))?;
            if is_made_here {
                return None;
            }
            let mut found = of(facts, "P21", 0.94, index, symptom).with("what", *words);
            if let Some(file) = file {
                found = found.with("file", file);
            }
            Some(found.not(CauseId("P15"), "it can be read as a zip"))
        })
        .collect()
}

/// P23: larger than a module may be.
pub(super) fn too_large(facts: &Facts) -> Vec<Match> {
    const WORDS: &[&str] =
        &["zip file too large", "source tree too large", "max size is 524288000", "go.mod file too large"];
    facts
        .symptoms()
        .filter(|(_, symptom)| WORDS.iter().any(|words| symptom.says(words)))
        .map(|(index, symptom)| {
            let mut found = of(facts, "P23", 0.97, index, symptom);
            if let Some(length) = request_of(facts, symptom).and_then(|probe| probe.header("content-length"))
            {
                found = found.with("size", format!("{length} bytes"));
            }
            found
        })
        .collect()
}
