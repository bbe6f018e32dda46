//! Hashes that differ, and what go.sum lacks.

use super::sayings::{match_of, said};
use super::{Rule, rule};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::probe::RequestProbe;
use crate::symptom::{Endpoint, Symptom, Trouble};

pub(super) const RULES: &[Rule] = &[
    rule("V01", retagged),
    rule("V02", go_sum_or_mirror_wrong),
    rule("V03", database_mismatch),
    rule("V11", missing_sum),
    rule("V12", malformed_go_sum),
    rule("V13", go_sum_not_writable),
];

/// A mismatch with go.sum, and what is known about where the bytes came from.
struct Mismatched<'a> {
    index: usize,
    symptom: &'a Symptom,
    go_mod: bool,
    downloaded: &'a str,
    expected: &'a str,
}

fn mismatches(facts: &Facts) -> impl Iterator<Item = Mismatched<'_>> {
    facts.symptoms().filter_map(|(index, symptom)| match &symptom.trouble {
        Trouble::Mismatch { go_mod, downloaded, expected, by } if by == "go.sum" => {
            Some(Mismatched { index, symptom, go_mod: *go_mod, downloaded, expected })
        }
        _ => None,
    })
}

impl Mismatched<'_> {
    fn found(&self, cause: &'static str, sure: f32) -> Option<Match> {
        let one = match_of(self.index, self.symptom, cause, &[("", sure)])?;
        Some(
            one.with("downloaded", self.downloaded)
                .with("expected", self.expected)
                .because(Evidence::new("downloaded", self.downloaded, self.symptom.seen()))
                .because(Evidence::new("go.sum", self.expected, self.symptom.seen())),
        )
    }

    /// Returns the proxies' answers about this version, hashed.
    fn answers<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = (&'a RequestProbe, &'a str)> {
        let endpoint = if self.go_mod { Endpoint::Mod } else { Endpoint::Zip };
        facts.probes.iter().flat_map(|probes| &probes.requests).filter_map(move |request| {
            let same = request.endpoint == endpoint
                && request.module == self.symptom.module
                && request.version == self.symptom.version;
            request.h1.as_deref().filter(|_| same).map(|h1| (request, h1))
        })
    }
}

/// Reports whether the go command fetched this module from its repository, and by which observation.
fn went_direct(facts: &Facts, symptom: &Symptom) -> Option<(&'static str, String)> {
    let module = symptom.module.as_deref().unwrap_or_default();
    if let Some(settings) = &facts.settings {
        for name in ["GONOPROXY", "GOPRIVATE"] {
            if !module.is_empty()
                && larder_module::pattern::match_prefix_patterns(settings.value(name), module)
            {
                return Some((name, settings.value(name).to_owned()));
            }
        }
        if settings.value("GOPROXY") == "direct" {
            return Some(("GOPROXY", "direct".to_owned()));
        }
    }
    facts.seen_settings.iter().find_map(|(_, line)| {
        let (_, value) = line.split_once("GOPROXY=")?;
        value.trim_matches(['"', '\'']).starts_with("direct").then(|| ("GOPROXY", "direct".to_owned()))
    })
}

/// The tag was moved: the repository has other bytes than go.sum and the proxies.
fn retagged(facts: &Facts) -> Vec<Match> {
    mismatches(facts)
        .filter_map(|one| {
            let (setting, value) = went_direct(facts, one.symptom)?;
            let agreeing = one.answers(facts).find(|(_, h1)| *h1 == one.expected);
            let found = one.found("V01", if agreeing.is_some() { 0.95 } else { 0.85 })?;
            let found =
                found.because(Evidence::new(setting, value, "settings: the module came from its repository"));
            Some(match agreeing {
                Some((request, _)) => found
                    .because(Evidence::new("a proxy", one.expected, request.url.as_str()))
                    .not(CauseId("V02"), "a proxy still has the bytes that go.sum knows"),
                None => found,
            })
        })
        .collect()
}

/// go.sum, or the mirror, is the odd one out.
fn go_sum_or_mirror_wrong(facts: &Facts) -> Vec<Match> {
    mismatches(facts)
        .filter_map(|one| {
            let answers: Vec<(&RequestProbe, &str)> = one.answers(facts).collect();
            let mut found = one.found("V02", if one.go_mod { 0.65 } else { 0.8 })?;
            let others = answers.iter().filter(|(_, h1)| *h1 != one.expected).count();
            let agree = answers.len() - others;
            for (request, h1) in answers.iter().take(4) {
                found = found.because(Evidence::new("a proxy, now", *h1, request.url.as_str()));
            }
            let (odd, sure) = match (agree, others) {
                (0, 0) => return Some(found),
                (0, _) => ("go.sum", 0.9),
                (_, 0) => ("what was downloaded", 0.7),
                _ => ("one mirror", 0.92),
            };
            found = found.sure(sure).with("odd", odd);
            Some(found)
        })
        .collect()
}

/// What was downloaded is not what the checksum database has.
fn database_mismatch(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Trouble::Mismatch { downloaded, expected, by, .. } = &symptom.trouble else { return None };
            if by == "go.sum" {
                return None;
            }
            let one = match_of(index, symptom, "V03", &[("", 0.93)])?;
            Some(
                one.with("downloaded", downloaded)
                    .with("expected", expected)
                    .with("database", by)
                    .because(Evidence::new("downloaded", downloaded.as_str(), symptom.seen()))
                    .because(Evidence::new(by.as_str(), expected.as_str(), symptom.seen()))
                    .not(CauseId("V02"), "go.sum has no line of this version: the database was asked"),
            )
        })
        .collect()
}

/// go.sum lacks lines.
fn missing_sum(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "V11",
        &[
            ("missing go.sum entry for module providing package {package}", 0.92),
            ("missing go.sum entry for go.mod file", 0.92),
            ("missing go.sum entry", 0.92),
        ],
    );
    let Some(project) = &facts.project else { return found };
    let adds_itself =
        facts.settings.as_ref().is_some_and(|settings| settings.value("GOFLAGS").contains("-mod=mod"));
    if adds_itself
        || project.missing_sums.is_empty()
        || project.vendor_used.as_ref().is_some_and(|(used, _)| *used)
    {
        return found;
    }
    let sure = if project.has_go_sum { 0.7 } else { 0.85 };
    let mut one = Match::of(CauseId("V11"), "").sure(sure).with("module", &project.missing_sums[0]);
    if !project.has_go_sum {
        one = one.because(Evidence::new("go.sum", "there is none", "project"));
    }
    for missing in project.missing_sums.iter().take(5) {
        one = one.because(Evidence::new("go.sum", format!("no line of {missing}"), "go.mod requires it"));
    }
    for found in &mut found {
        found.about.clear();
    }
    found.push(one);
    found
}

/// go.sum has lines that are none.
fn malformed_go_sum(facts: &Facts) -> Vec<Match> {
    let mut found =
        said(facts, "V12", &[("malformed go.sum:", 0.97), ("go.sum:{line}: wrong number of fields", 0.97)]);
    for one in &mut found {
        one.about.clear();
    }
    if let Some(project) = &facts.project
        && !project.go_sum_problems.is_empty()
    {
        let mut one = Match::of(CauseId("V12"), "").sure(0.95);
        for problem in project.go_sum_problems.iter().take(5) {
            one = one.because(Evidence::new("go.sum", problem.as_str(), "project"));
        }
        one.explains =
            facts.symptoms().filter(|(_, symptom)| symptom.says("go.sum")).map(|(index, _)| index).collect();
        found.push(one);
    }
    found
}

/// go.sum has to grow and can't.
fn go_sum_not_writable(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "V13",
        &[("updating go.sum: open {path}: {problem}", 0.96), ("updating go.sum: {problem}", 0.94)],
    );
    found.retain(|one| one.values.get("problem").is_none_or(|text| !text.contains("too many open files")));
    for one in &mut found {
        one.about.clear();
    }
    if let Some(project) = &facts.project
        && project.go_mod.is_some()
        && !project.go_sum_writable
        && !project.missing_sums.is_empty()
    {
        found.push(Match::of(CauseId("V13"), "").sure(0.8).because(Evidence::new(
            "go.sum",
            "can't be written",
            "project",
        )));
    }
    found
}
