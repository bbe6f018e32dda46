//! Layers that hide each other, files that say nothing, names that nobody knows.

use larder_module::defaults;
use larder_module::pattern::match_prefix_patterns;

use super::intent::{is_direct, is_unreachable};
use super::scope::{ROUTING, is_about_routing};
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::rules::sayings::said;
use crate::settings::{self, FileProblem, Origin};
use crate::symptom::{Stage, Symptom};
use crate::{Facts, GoVersion};

/// Settings about which somebody asks why they have no effect.
const ASKED: &[&str] = &[
    "GOPROXY",
    "GOPRIVATE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOSUMDB",
    "GOFLAGS",
    "GOINSECURE",
    "GO111MODULE",
    "GOTOOLCHAIN",
];

/// A variable hides what `go env -w` wrote.
pub(super) fn shadowed(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> = said(
        facts,
        "F01",
        &[("warning: go env -w {name}=... does not override conflicting OS environment variable", 0.97)],
    )
    .into_iter()
    .map(|one| {
        let about = one.values.get("name").cloned().unwrap_or_default();
        Match { about, ..one.verdict(Verdict::Warn) }
    })
    .collect();
    let Some(settings) = &facts.settings else { return found };
    if facts.symptoms.is_empty() {
        return found;
    }
    for setting in settings
        .go
        .iter()
        .filter(|one| one.origin == Origin::Environment && ASKED.contains(&one.name.as_str()))
    {
        let hidden = setting
            .hides
            .iter()
            .find(|(value, origin)| matches!(origin, Origin::UserFile(_)) && *value != setting.value);
        let Some((value, origin)) = hidden else { continue };
        found.push(
            Match::of(CauseId("F01"), &setting.name)
                .verdict(Verdict::Warn)
                .sure(0.6)
                .with("name", &setting.name)
                .because(Evidence::new(&setting.name, settings::without_login(&setting.value), "environment"))
                .because(Evidence::new(&setting.name, settings::without_login(value), origin.to_string())),
        );
    }
    found
}

/// Lines of go/env that don't mean what they look like.
pub(super) fn file_syntax(facts: &Facts) -> Vec<Match> {
    let Some(settings) = &facts.settings else { return Vec::new() };
    let about_downloads = |one: &&FileProblem| ASKED.iter().any(|name| one.text.contains(name));
    let problems = settings.file_problems.iter().filter(about_downloads);
    problems.filter_map(|problem| of_line(facts, problem)).collect()
}

fn of_line(facts: &Facts, problem: &FileProblem) -> Option<Match> {
    let name = ASKED.iter().find(|name| problem.text.contains(*name))?;
    let (_, value) = problem.text.split_once('=')?;
    let value = value.trim().trim_matches(['"', '\'']);
    // Quotes and carriage returns become part of a value; other lines are not read at all.
    let breaks = matches!(problem.problem.as_str(), "quotes" | "carriage return")
        && settings_from(facts, name) == Some(&problem.path);
    let lost = !breaks && is_missed(facts, name);
    if !breaks && facts.symptoms.is_empty() {
        return None;
    }
    let mut one = Match::of(CauseId("F03"), *name)
        .verdict(if breaks || lost { Verdict::Fail } else { Verdict::Warn })
        .sure(match (breaks, lost) {
            (true, _) => 0.975,
            (_, true) => 0.985,
            _ => 0.7,
        })
        .with("name", *name)
        .with("path", &problem.path)
        .with("line", problem.line.to_string())
        .with("problem", &problem.problem)
        .with("set", super::intent::set(name, value, None))
        .because(Evidence::new(
            format!("{}:{}", problem.path, problem.line),
            settings::without_login(&format!("{:?}", problem.text)),
            problem.problem.clone(),
        ));
    for (index, symptom) in facts.symptoms().filter(|_| breaks || lost) {
        let concerns = match *name {
            _ if lost => is_about_routing(symptom),
            "GOPROXY" => symptom.stage == Stage::Settings || symptom.says("GOPROXY"),
            "GOSUMDB" => symptom.says("GOSUMDB") || symptom.says("verifier"),
            "GOPRIVATE" | "GONOPROXY" | "GONOSUMDB" => {
                matches!(symptom.stage, Stage::Proxy(_) | Stage::ChecksumDatabase(_))
            }
            _ => symptom.says(name),
        };
        if concerns {
            one = one.explains(index);
        }
    }
    Some(one)
}

/// Reports whether a download fails under Go's default for a setting that the file was meant to make.
fn is_missed(facts: &Facts, name: &str) -> bool {
    let unset = facts
        .settings
        .as_ref()
        .and_then(|settings| settings.go(name))
        .is_none_or(|setting| matches!(setting.origin, Origin::BuiltIn | Origin::SdkFile(_)));
    ROUTING.contains(&name) && unset && facts.symptoms.iter().any(is_about_routing)
}

fn settings_from<'a>(facts: &'a Facts, name: &str) -> Option<&'a String> {
    match &facts.settings.as_ref()?.go(name)?.origin {
        Origin::UserFile(path) | Origin::SdkFile(path) => Some(path),
        _ => None,
    }
}

/// Reports whether the SDK's go.env, which has held Go's defaults since 1.21, is gone or says nothing.
pub(super) fn lacks_go_env(facts: &Facts) -> bool {
    let Some(settings) = &facts.settings else { return false };
    let unset = |name: &str| {
        settings
            .go(name)
            .is_some_and(|one| one.value.is_empty() && one.origin == Origin::BuiltIn && one.hides.is_empty())
    };
    settings.sdk_file.is_some()
        && facts.go.is_some_and(GoVersion::switches_toolchains)
        && (unset("GOPROXY") || unset("GOSUMDB"))
}

/// An SDK whose go.env is gone, or says other things than Go's.
pub(super) fn distribution_defaults(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    let empty = ["GOPROXY list is not the empty string", "missing GOSUMDB"];
    let said: Vec<usize> = facts
        .symptoms()
        .filter(|(_, symptom)| {
            // What probes meet under assumed defaults is no cause here: go itself asks nobody.
            empty.iter().any(|words| symptom.says(words))
                || (lacks_go_env(facts) && is_about_routing(symptom))
        })
        .map(|(index, _)| index)
        .collect();
    let both = empty.iter().all(|words| facts.symptoms.iter().any(|symptom| symptom.says(words)));
    let path =
        facts.settings.as_ref().and_then(|settings| settings.sdk_file.as_ref()).map_or("", |(path, _)| path);
    if lacks_go_env(facts) || (both && facts.settings.is_none()) {
        let sure = if lacks_go_env(facts) { 0.97 } else { 0.9 };
        let mut one = Match::of(CauseId("F04"), "go.env").sure(sure).with("path", path);
        if let Some((path, exists)) = facts.settings.as_ref().and_then(|settings| settings.sdk_file.as_ref())
        {
            let state = if *exists { "without GOPROXY or GOSUMDB" } else { "missing" };
            one = one.with("state", state).because(Evidence::new(path, state, "file system"));
        }
        for index in said {
            let symptom = &facts.symptoms[index];
            one = one.explains(index).because(Evidence::new(
                "the go command said",
                &symptom.text,
                symptom.seen(),
            ));
        }
        found.push(one.not(CauseId("P04"), "nobody set an empty GOPROXY"));
    }
    found.extend(other_defaults(facts));
    found
}

/// A packager's go.env goes direct, and that is what fails.
fn other_defaults(facts: &Facts) -> Option<Match> {
    let settings = facts.settings.as_ref()?;
    let setting = settings.go("GOPROXY")?;
    let Origin::SdkFile(path) = &setting.origin else { return None };
    if setting.value == defaults::GOPROXY {
        return None;
    }
    let failed: Vec<usize> = facts
        .symptoms()
        .filter(|(_, symptom)| is_direct(symptom) || is_unreachable(symptom))
        .map(|(index, _)| index)
        .collect();
    let first = *failed.first()?;
    let symptom = &facts.symptoms[first];
    let direct = setting.value == "direct" && is_direct(symptom);
    // Without git nobody wanted to go direct; a repository that refuses may well be where the module is.
    let without_git = symptom.says("executable file not found");
    let mut one = Match::of(CauseId("F04"), "go.env")
        .verdict(if direct && without_git { Verdict::Fail } else { Verdict::Info })
        .sure(if direct && without_git { 0.975 } else { 0.5 })
        .with("path", path)
        .with("state", format!("GOPROXY={}", setting.value))
        .because(Evidence::new("GOPROXY", settings::without_login(&setting.value), path));
    if direct && without_git {
        one.explains = failed;
    }
    Some(one)
}

/// A name that Go does not know.
pub(super) fn unknown_variable(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> = said(facts, "F06", &[("unknown go command variable {name}", 0.97)]);
    let own = facts.settings.as_ref().map(|settings| settings.unknown.as_slice()).unwrap_or_default();
    let own = own.iter().map(|one| (one.name.clone(), one.value.clone(), one.origin.to_string()));
    let shown = facts.seen_settings.iter().filter_map(|(line, text)| {
        let (name, value) = crate::log::setting(text)?;
        settings::meant(name).map(|_| (name.to_owned(), value.to_owned(), format!("log line {line}")))
    });
    for (name, value, source) in own.chain(shown) {
        if facts.symptoms.is_empty() {
            continue;
        }
        let missed: Vec<usize> = facts
            .symptoms()
            .filter(|(_, symptom)| is_missed_pattern(facts, symptom, &name, &value))
            .map(|(index, _)| index)
            .collect();
        let mut one = Match::of(CauseId("F06"), &name).verdict(Verdict::Warn).sure(0.75).with("name", &name);
        if !missed.is_empty() {
            one = one.verdict(Verdict::Fail).sure(0.96);
            one.explains = missed;
        }
        found.push(one.because(Evidence::new(&name, value, source)));
    }
    found
        .into_iter()
        .map(|one| {
            let name = one.values.get("name").cloned().unwrap_or_default();
            let name = name.split(['=', ' ']).next().unwrap_or_default().to_owned();
            let meant = settings::meant(&name).unwrap_or_default();
            let one = if meant.is_empty() { one } else { one.with("meant", meant) };
            Match { about: name.clone(), ..one.with("name", name) }
        })
        .collect()
}

/// Reports whether the module that failed would have been private, had the variable been the one that was meant.
fn is_missed_pattern(facts: &Facts, symptom: &Symptom, name: &str, value: &str) -> bool {
    let meant = settings::meant(name).unwrap_or_default();
    let concerns = match meant {
        "GOPRIVATE" | "GONOPROXY" => matches!(symptom.stage, Stage::Proxy(_) | Stage::ChecksumDatabase(_)),
        "GONOSUMDB" => matches!(symptom.stage, Stage::ChecksumDatabase(_)),
        _ => false,
    };
    let module = symptom.module.as_deref().unwrap_or_default();
    let set = facts.settings.as_ref().map_or("", |settings| settings.value(meant));
    concerns && match_prefix_patterns(value, module) && !match_prefix_patterns(set, module)
}
