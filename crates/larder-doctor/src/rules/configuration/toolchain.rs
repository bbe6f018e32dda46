//! Another Go is wanted: it can't be had, can't be checked, or this one is too old.

use larder_module::defaults;

use super::intent::known;
use crate::Facts;
use crate::GoVersion;
use crate::finding::{CauseId, Evidence, Match};
use crate::rules::sayings::{match_of, said};
use crate::symptom::{Stage, Trouble};

/// The toolchain that is asked for can't be downloaded or found.
pub(super) fn unavailable(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F13",
        &[
            ("download {toolchain} for {platform}: toolchain not available", 0.97),
            ("toolchain not available", 0.95),
            ("invalid GOTOOLCHAIN \"{toolchain}\"", 0.98),
            ("cannot find \"{toolchain}\" in PATH", 0.97),
            ("invalid toolchain: {toolchain}", 0.9),
        ],
    );
    for (index, symptom) in facts.symptoms().filter(|(_, symptom)| symptom.stage == Stage::Toolchain) {
        // Names, connections and certificates have causes of their own, which hold for modules, too.
        if matches!(
            symptom.trouble,
            Trouble::Status { .. } | Trouble::FileTrouble { .. } | Trouble::BadZip { .. }
        ) && !symptom.says("exec go")
        {
            found.extend(match_of(index, symptom, "F13", &[("download {toolchain}: ", 0.93), ("", 0.9)]));
        }
    }
    found.extend(invalid_setting(facts));
    let wanted = facts
        .project
        .as_ref()
        .and_then(|project| project.toolchain_line.clone().or_else(|| project.go_line.clone()));
    found
        .into_iter()
        .map(|mut one| {
            if let Some(line) = &wanted {
                one = one.because(Evidence::new("go.mod asks for", line, "go.mod"));
            }
            if let Some(setting) = known(facts, "GOTOOLCHAIN").filter(|setting| !setting.value.is_empty()) {
                one = one.because(setting.evidence());
            }
            let about = one.values.get("toolchain").cloned().unwrap_or_default();
            let about = about.split(" for ").next().unwrap_or_default().to_owned();
            if !about.is_empty() {
                one = one.with("toolchain", &about);
            }
            Match { about, ..one }
        })
        .collect()
}

/// `GOTOOLCHAIN` is `local`, `auto`, `path`, or a version's name with one of two suffixes.
fn invalid_setting(facts: &Facts) -> Option<Match> {
    let setting = known(facts, "GOTOOLCHAIN").filter(|setting| setting.origin.is_some())?;
    facts.go.filter(|go| go.switches_toolchains())?;
    let (base, suffix) =
        setting.value.split_once('+').map_or((setting.value, ""), |(base, suffix)| (base, suffix));
    let named = matches!(base, "" | "local") || base.starts_with("go1") || base.contains("-go1");
    let alone = matches!(base, "auto" | "path") && suffix.is_empty();
    if alone || (named && matches!(suffix, "" | "auto" | "path")) {
        return None;
    }
    let one = Match::of(CauseId("F13"), setting.value).sure(0.96).with("toolchain", setting.value);
    Some(one.because(setting.evidence()))
}

/// Toolchains are checked with the checksum database even where modules are not.
pub(super) fn needs_checksums(facts: &Facts) -> Vec<Match> {
    let mut found = said(facts, "F14", &[("checksum database disabled by GOSUMDB=off", 0.98)]);
    for (index, symptom) in facts.symptoms() {
        if symptom.says("exec go1.") && symptom.says("permission denied") {
            found.extend(match_of(
                index,
                symptom,
                "F14",
                &[("exec {toolchain}: permission denied", 0.96), ("", 0.9)],
            ));
            continue;
        }
        let toolchain = symptom.module.as_deref() == Some(defaults::TOOLCHAIN_MODULE)
            || symptom.says(&format!("{}@", defaults::TOOLCHAIN_MODULE));
        let checks = matches!(symptom.stage, Stage::ChecksumDatabase(_)) || symptom.says("invalid GOSUMDB");
        let exempt = known(facts, "GONOSUMDB").filter(|setting| !setting.value.is_empty());
        if toolchain
            && checks
            && let Some(setting) = exempt
        {
            let found_here = match_of(index, symptom, "F14", &[("", 0.8)]);
            found.extend(found_here.map(|one| one.because(setting.evidence())));
        }
    }
    if let Some(setting) = known(facts, "GOSUMDB").filter(|_| !found.is_empty()) {
        found = found.into_iter().map(|one| one.because(setting.evidence())).collect();
    }
    found.into_iter().map(|one| Match { about: "toolchain".to_owned(), ..one }).collect()
}

/// go.mod wants a newer Go than this one.
pub(super) fn too_old(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F15",
        &[
            ("requires go >= {needed} (running go {have};", 0.97),
            ("requires go >= {needed} (running go {have})", 0.97),
            ("requires newer Go version {needed}", 0.95),
            ("invalid go version '{needed}': must match format 1.23", 0.97),
            ("unknown directive: toolchain", 0.96),
            ("unknown directive: godebug", 0.93),
            ("unknown directive: tool", 0.93),
            ("note: module requires Go {needed}", 0.9),
            ("module requires Go {needed}", 0.85),
            ("requires Go {needed} or later", 0.85),
        ],
    );
    if let Some(have) = facts.go {
        found = found.into_iter().map(|one| one.with("have", have.to_string())).collect();
        found.extend(by_go_line(facts, have));
    }
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// The go line is newer than the client, which may not fetch another.
fn by_go_line(facts: &Facts, have: GoVersion) -> Option<Match> {
    let project = facts.project.as_ref()?;
    let line = project.go_line.as_deref()?;
    let needed = GoVersion::parse(line)?;
    let switches = have.switches_toolchains()
        && known(facts, "GOTOOLCHAIN").is_some_and(|setting| {
            !matches!(setting.value, "local" | "") && !setting.value.starts_with("go")
        });
    // Before 1.21 a newer go line was only a hint.
    if needed <= have || switches || !have.switches_toolchains() || known(facts, "GOTOOLCHAIN").is_none() {
        return None;
    }
    let file = project.go_mod.clone().unwrap_or_else(|| "go.mod".to_owned());
    Some(
        Match::of(CauseId("F15"), "")
            .sure(0.9)
            .with("needed", line)
            .with("have", have.to_string())
            .because(Evidence::new("go line", line, file))
            .because(Evidence::new("go version", have.to_string(), "VERSION")),
    )
}
