//! The order of entries: errors that hide an earlier answer, and entries that are never asked.

use super::{requests, with_answer, with_symptom};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::probe::{Part, RequestProbe};
use crate::symptom::{Stage, Symptom, Trouble};

/// Reports whether a symptom is about a repository that the go command asked by itself.
fn is_direct(symptom: &Symptom) -> bool {
    match symptom.stage {
        Stage::VersionControl | Stage::GoImport => true,
        // What a server quotes of its own repository is not ours.
        Stage::Proxy(_) | Stage::ChecksumDatabase(_) => false,
        _ => symptom.says("unknown revision") || symptom.says("unrecognized import path"),
    }
}

/// P11: a proxy had said "absent" or failed, and the error shown is of the repository that was asked after it.
pub(super) fn masked_by_direct(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| is_direct(symptom))
        .filter_map(|(index, symptom)| {
            let module = symptom.module.as_deref().or(symptom.package.as_deref())?;
            let passed: Vec<&RequestProbe> = requests(facts)
                .iter()
                .filter(|probe| probe.part != Part::Compares && probe.part != Part::NotReached)
                .filter(|probe| {
                    probe.entry.is_some() && probe.checksum_database.is_none() && probe.trouble.is_some()
                })
                .filter(|probe| probe.module.as_deref().is_some_and(|known| same_tree(known, module)))
                .collect();
            let shown = facts.symptoms().filter(|(_, other)| {
                let is_refusal = matches!(other.trouble, Trouble::Status { code: 404 | 410 | 500..=599 });
                is_refusal
                    && matches!(other.stage, Stage::Proxy(_))
                    && other.module.as_deref().is_some_and(|known| same_tree(known, module))
            });
            let traced: Vec<(usize, &Symptom)> = shown.collect();
            let first = passed
                .first()
                .map(|probe| probe.url.as_str())
                .or_else(|| traced.first().and_then(|(_, other)| other.url.as_deref()))?;
            let mut found = Match::of(CauseId("P11"), module)
                .sure(if passed.is_empty() { 0.86 } else { 0.98 })
                .with("proxy", super::base_of(first))
                .not(CauseId("G05"), "the repository is only asked because the proxies had said no");
            let mut seen = std::collections::BTreeSet::new();
            for probe in passed {
                if seen.insert(probe.entry) {
                    found = with_answer(found, probe);
                }
            }
            for (other, said) in traced {
                found = found.explains(other).because(Evidence::new(
                    "the proxy said",
                    said.text.as_str(),
                    said.seen(),
                ));
            }
            Some(with_symptom(found, index, symptom))
        })
        .collect()
}

/// Reports whether two paths are one module's, or a package's of it.
fn same_tree(one: &str, other: &str) -> bool {
    let below = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

/// P13: an entry fails, a comma stands after it, and so an entry that has it is never asked.
pub(super) fn stopped(facts: &Facts) -> Vec<Match> {
    let Some(probes) = &facts.probes else { return Vec::new() };
    let mut all: Vec<Match> = Vec::new();
    for spare in probes.requests.iter().filter(|probe| probe.part == Part::NotReached) {
        if spare.trouble.is_some() || spare.status != Some(200) {
            continue;
        }
        let failing = probes.requests.iter().find(|probe| {
            probe.part == Part::Decides
                && probe.endpoint == spare.endpoint
                && probe.module == spare.module
                && probe.version == spare.version
                && probe.checksum_database == spare.checksum_database
                && probe.trouble.as_ref().is_some_and(stops)
                && probe.entry < spare.entry
        });
        let Some(failing) = failing else { continue };
        let name = |entry: Option<usize>| {
            entry
                .and_then(|at| probes.chain.get(at))
                .map_or_else(|| "an entry".to_owned(), |entry| entry.name.clone())
        };
        let about = name(failing.entry);
        if all.iter().any(|known| known.about == about) {
            continue;
        }
        let words = failing.trouble.as_ref().map(Trouble::words).unwrap_or_default();
        all.push(
            Match::of(CauseId("P13"), about.as_str())
                .sure(0.9)
                .verdict(Verdict::Fail)
                .with("entry", &about)
                .with("spare", name(spare.entry))
                .with(
                    "list",
                    probes
                        .chain
                        .iter()
                        .map(|entry| format!("{}|", entry.name))
                        .collect::<String>()
                        .trim_end_matches('|'),
                )
                .because(Evidence::new(failing.url.as_str(), words, "probe http"))
                .because(Evidence::new(spare.url.as_str(), "200", "probe http"))
                .not(CauseId("P10"), "a later entry has it"),
        );
    }
    all
}

/// Reports whether a comma does not lead on after this.
fn stops(trouble: &Trouble) -> bool {
    !matches!(trouble, Trouble::Status { code: 404 | 410 } | Trouble::BadZip { .. })
}
