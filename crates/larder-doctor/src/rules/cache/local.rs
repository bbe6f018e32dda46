//! Vendor, workspaces and working offline: what the project says instead of the network.

use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::rules::sayings::{match_of, said};
use crate::symptom::Symptom;

/// vendor/modules.txt and go.mod disagree.
pub(super) fn vendor_inconsistent(facts: &Facts) -> Vec<Match> {
    let mut found =
        said(facts, "C12", &[("inconsistent vendoring in {path}:", 0.97), ("inconsistent vendoring", 0.95)]);
    let Some(project) = &facts.project else { return found };
    let used = project.vendor_used.as_ref().filter(|(used, _)| *used);
    if !project.vendor_differences.is_empty() && used.is_some() {
        let mut one = Match::of(CauseId("C12"), "").sure(0.93);
        for difference in project.vendor_differences.iter().take(6) {
            one = one.because(Evidence::new("vendor/modules.txt", difference.as_str(), "go.mod"));
        }
        found.push(one);
    } else if let (None, Some((_, why))) = (project.vendor, used) {
        let evidence =
            Evidence::new("vendor", format!("there is no vendor folder, and {why} asks for it"), "project");
        found.push(Match::of(CauseId("C12"), "").sure(0.9).because(evidence));
    }
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// The vendor folder forbids the question.
pub(super) fn vendor_hides_network(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "C13",
        &[
            ("import lookup disabled by -mod=vendor", 0.96),
            ("cannot query module due to -mod=vendor", 0.96),
            ("can't determine available upgrades using the vendor directory", 0.96),
            ("can't determine available versions using the vendor directory", 0.96),
            ("module lookup disabled by -mod=vendor", 0.96),
            ("using the vendor directory", 0.85),
            ("is explicitly required in go.mod, but not marked as explicit in vendor", 0.3),
        ],
    );
    for (index, symptom) in facts.symptoms() {
        if symptom.says("cannot find package")
            && (symptom.says("/vendor/") || symptom.says("/vendor)"))
            && !symptom.says("from $GOPATH")
        {
            found.extend(match_of(
                index,
                symptom,
                "C13",
                &[("cannot find package \"{package}\" in", 0.9), ("", 0.88)],
            ));
        }
    }
    found
}

/// There is a vendor folder, and this go line does not use it.
pub(super) fn vendor_ignored(facts: &Facts) -> Vec<Match> {
    let Some(project) = &facts.project else { return Vec::new() };
    let (Some(true), Some((false, why))) = (project.vendor, &project.vendor_used) else { return Vec::new() };
    if why.starts_with("-mod=") {
        return Vec::new();
    }
    let asked: Vec<usize> =
        facts.symptoms().filter(|(_, symptom)| wanted_network(symptom)).map(|(index, _)| index).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let mut one = Match::of(CauseId("C14"), "").sure(0.93).with("why", why).because(Evidence::new(
        "vendor",
        format!("ignored: {why}"),
        project.go_mod.clone().unwrap_or_default(),
    ));
    one.explains = asked;
    vec![one]
}

fn wanted_network(symptom: &Symptom) -> bool {
    symptom.url.is_some()
        || symptom.says("disabled by GOPROXY=off")
        || symptom.says("no such host")
        || symptom.says("dial tcp")
}

/// A go.work above does not know this module, or names folders that are gone.
pub(super) fn workspace_shadow(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "C15",
        &[
            ("is not one of the workspace modules listed in go.work", 0.97),
            ("cannot load module {path} listed in go.work file", 0.97),
            // Up to Go 1.19 without a word about go.work; a replacement would say `reading`.
            ("go: open {path}/go.mod: no such file or directory", 0.85),
            ("-mod may only be set to readonly", 0.95),
            ("invalid GOWORK: not an absolute path", 0.97),
            ("the path provided to GOWORK must be an absolute path", 0.97),
            ("does not contain modules listed in go.work or their selected dependencies", 0.96),
            ("'go mod vendor' cannot be run in workspace mode", 0.97),
            ("go.work file requires go", 0.6),
            ("go.work:{line}:", 0.7),
        ],
    );
    found.extend(workspace_settings(facts));
    let Some(project) = &facts.project else { return found };
    let path = project.go_work.clone().unwrap_or_default();
    if project.in_workspace == Some(false) {
        let module = project.go_mod.clone().unwrap_or_default();
        found.push(Match::of(CauseId("C15"), "").sure(0.88).with("path", &path).because(Evidence::new(
            "go.work",
            format!("{path} does not use {module}"),
            "project",
        )));
    }
    for used in &project.missing_uses {
        let evidence = Evidence::new("go.work", format!("uses {used}, which has no go.mod"), path.as_str());
        found.push(Match::of(CauseId("C15"), "").sure(0.93).with("path", &path).because(evidence));
    }
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// Settings that no workspace can have.
fn workspace_settings(facts: &Facts) -> Option<Match> {
    let settings = facts.settings.as_ref()?;
    let work = settings.value("GOWORK");
    let has_workspace = facts.project.as_ref().is_some_and(|project| project.go_work.is_some());
    let (name, why) = if !matches!(work, "" | "off" | "auto") && !work.starts_with('/') {
        ("GOWORK", "is no absolute path")
    } else if has_workspace
        && settings.value("GOFLAGS").split_whitespace().any(|flag| flag.trim_start_matches('-') == "mod=mod")
    {
        ("GOFLAGS", "-mod=mod can't be used in a workspace")
    } else {
        return None;
    };
    let setting = settings.go(name)?;
    let evidence = Evidence::new(name, format!("{}: {why}", setting.value), setting.origin.to_string());
    Some(Match::of(CauseId("C15"), "").sure(0.95).with("path", work).because(evidence))
}

/// `GOPROXY=off`, or a file tree, does not have all that is needed.
pub(super) fn offline_incomplete(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "C16",
        &[
            ("module lookup disabled by GOPROXY=off", 0.92),
            ("reading file://{path}: no such file or directory", 0.93),
            ("reading file://{path}: The system cannot find", 0.93),
        ],
    );
    let Some(settings) = &facts.settings else { return found };
    if let Some(setting) = settings.go("GOPROXY").filter(|setting| setting.value == "off") {
        found = found
            .into_iter()
            .map(|one| one.because(Evidence::new("GOPROXY", "off", setting.origin.to_string())))
            .collect();
    }
    found.into_iter().map(|one| one.verdict(Verdict::Fail)).collect()
}
