//! Settings that are made and don't reach the process that fails: other users, containers, shells.

use larder_module::goproxy::{Entry, ProxyList};
use url::Url;

use super::intent::{is_unreachable, known};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::settings::{Origin, without_login};
use crate::symptom::{Source, Stage, Symptom, Trouble};

/// Names whose absence sends downloads elsewhere.
pub(super) const ROUTING: &[&str] = &["GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB"];

/// `go env -w` was run by somebody else than who runs the build.
pub(super) fn wrong_user(facts: &Facts) -> Vec<Match> {
    let Some(settings) = &facts.settings else { return Vec::new() };
    let failed: Vec<usize> =
        facts.symptoms().filter(|(_, symptom)| is_about_routing(symptom)).map(|(index, _)| index).collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let own = settings.user_file.as_ref().map_or("none", |(path, _)| path.as_str());
    let mut found = Vec::new();
    for (path, names) in &settings.other_user_files {
        let missing: Vec<&str> = ROUTING
            .iter()
            .copied()
            .filter(|name| names.iter().any(|set| set == name))
            .filter(|name| {
                settings.go(name).is_none_or(|one| matches!(one.origin, Origin::BuiltIn | Origin::SdkFile(_)))
            })
            .collect();
        if missing.is_empty() {
            continue;
        }
        let mut one = Match::of(CauseId("F02"), "")
            .sure(0.985)
            .with("path", path)
            .with("own", own)
            .with("names", missing.join(", "))
            .because(Evidence::new(path, format!("sets {}", missing.join(", ")), "file system"))
            .because(Evidence::new("GOENV of this process", own, "settings"));
        one.explains.clone_from(&failed);
        found.push(one);
    }
    // Where settings were collected, GOENV always has a value; without a home folder it is `off` by itself.
    let homeless =
        settings.go("GOENV").is_some_and(|one| one.value == "off" && one.origin == Origin::BuiltIn);
    if homeless && found.is_empty() {
        let evidence = Evidence::new("HOME", "not set: no go/env file, no netrc", "environment");
        let one = Match::of(CauseId("F02"), "").verdict(Verdict::Info).sure(0.5).because(evidence);
        found.push(one.with("own", "none").with("names", "all settings"));
    }
    found
}

pub(super) fn is_about_routing(symptom: &Symptom) -> bool {
    matches!(
        symptom.stage,
        Stage::Proxy(_) | Stage::ChecksumDatabase(_) | Stage::GoImport | Stage::VersionControl
    ) || is_unreachable(symptom)
}

/// The image is built without what the machine has.
pub(super) fn container(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    let failed: Vec<usize> = facts
        .symptoms()
        .filter(|(_, symptom)| is_about_routing(symptom) || symptom.says("missing go.sum entry"))
        .map(|(index, _)| index)
        .collect();
    for (line, text) in &facts.seen_settings {
        let Some((_, rest)) = text.split_once("build-args [") else { continue };
        let names = rest.split(']').next().unwrap_or_default();
        let relevant = names
            .split([' ', ','])
            .any(|name| name.starts_with("GO") || name.to_uppercase().ends_with("_PROXY"));
        if !relevant || failed.is_empty() {
            continue;
        }
        let mut one = Match::of(CauseId("F10"), "").sure(0.965).with("names", names).because(Evidence::new(
            "docker build said",
            text,
            format!("log line {line}"),
        ));
        one.explains.clone_from(&failed);
        found.push(one);
    }
    found.extend(unset_in_container(facts));
    found
}

/// A container that reaches nobody and was given no forward proxy: possible, no more.
fn unset_in_container(facts: &Facts) -> Option<Match> {
    let settings = facts.settings.as_ref()?;
    let container = settings.network.container.as_ref()?;
    let lost = facts.symptoms.iter().find(|symptom| {
        matches!(
            symptom.trouble,
            Trouble::NoSuchHost { .. } | Trouble::ConnectTimeout { .. } | Trouble::Unroutable { .. }
        )
    })?;
    if !settings.network.proxy_variables.is_empty() {
        return None;
    }
    Some(
        Match::of(CauseId("F10"), "")
            .verdict(Verdict::Info)
            .sure(0.35)
            .with("names", "HTTPS_PROXY")
            .because(Evidence::new("container", container, "file system"))
            .because(Evidence::new("forward proxy", "none is set in here", "environment"))
            .because(Evidence::new("the go command said", &lost.text, lost.seen())),
    )
}

/// The settings are made where the process that fails does not read them.
pub(super) fn shell(facts: &Facts) -> Vec<Match> {
    let mut found = other_process(facts);
    found.extend(start_file(facts));
    found
}

/// A start file of a shell sets what this process lacks, and it fails for want of it.
fn start_file(facts: &Facts) -> Option<Match> {
    let settings = facts.settings.as_ref()?;
    let (path, name, value) = settings.shell_files.iter().find(|(_, name, _)| {
        ROUTING.contains(&name.as_str())
            && settings.go(name).is_none_or(|one| matches!(one.origin, Origin::BuiltIn | Origin::SdkFile(_)))
    })?;
    let failed: Vec<usize> =
        facts.symptoms().filter(|(_, symptom)| is_about_routing(symptom)).map(|(index, _)| index).collect();
    let first = &facts.symptoms[*failed.first()?];
    let mut one = Match::of(CauseId("F11"), name)
        .sure(0.985)
        .with("host", first.host().unwrap_or_default())
        .with("chain", without_login(settings.value("GOPROXY")))
        .with("set", super::intent::set(name, &without_login(value), None))
        .because(Evidence::new(path, format!("sets {name}={}", without_login(value)), "file system"))
        .because(Evidence::new(name, without_login(settings.value(name)), settings.origin(name)))
        .because(Evidence::new("what failed", &first.text, first.seen()));
    one.explains = failed;
    Some(one)
}

/// The process that failed asked somebody whom this shell's settings don't name.
fn other_process(facts: &Facts) -> Vec<Match> {
    let Some(setting) = known(facts, "GOPROXY").filter(|one| one.origin.is_some()) else { return Vec::new() };
    let Ok(list) = ProxyList::parse(setting.value) else { return Vec::new() };
    let hosts: Vec<String> = list
        .entries()
        .iter()
        .filter_map(|one| match &one.entry {
            Entry::Url(url) => Url::parse(url).ok()?.host_str().map(str::to_owned),
            Entry::Direct | Entry::Off => None,
        })
        .collect();
    let mut found: Vec<Match> = Vec::new();
    for (index, symptom) in facts.symptoms() {
        let from_log = matches!(symptom.source, Source::Log { .. });
        if !from_log || !matches!(symptom.stage, Stage::Proxy(_)) {
            continue;
        }
        let Some(url) = symptom.url.as_deref().and_then(|url| Url::parse(url).ok()) else { continue };
        let Some(host) = url.host_str().filter(|host| !hosts.iter().any(|known| known == host)) else {
            continue;
        };
        // A redirect or a mirror behind a name looks the same; only a value of this shell is sure not to reach others.
        let sure = if setting.origin == Some(&Origin::Environment) { 0.945 } else { 0.6 };
        found.push(
            Match::of(CauseId("F11"), host)
                .sure(sure)
                .explains(index)
                .with("host", host)
                .with("chain", without_login(setting.value))
                .with("set", super::intent::set("GOPROXY", &without_login(setting.value), None))
                .because(setting.evidence())
                .because(Evidence::new(
                    "the failing process asked",
                    without_login(url.as_str()),
                    symptom.seen(),
                )),
        );
    }
    found
}
