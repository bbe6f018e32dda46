//! A proxy that is asked at the wrong place, or in a spelling that it does not understand.

use std::collections::BTreeSet;

use super::{about, base_of, request_of, requests, status_of, statuses, with_symptom};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::probe::{Part, RequestProbe};
use crate::symptom::{Endpoint, Symptom};

/// A module that every public proxy has.
const WELL_KNOWN: &str = "golang.org/x/";

fn is_absent(code: u16) -> bool {
    matches!(code, 404 | 410)
}

/// Iterates over what entries said about the well-known module.
fn samples(facts: &Facts, entry: Option<usize>) -> impl Iterator<Item = &RequestProbe> {
    requests(facts).iter().filter(move |probe| {
        probe.entry == entry
            && probe.endpoint == Endpoint::List
            && probe.module.as_deref().is_some_and(|module| module.starts_with(WELL_KNOWN))
            && probe.checksum_database.is_none()
    })
}

/// Reports whether the entry that a symptom is about has the well-known module.
pub(super) fn serves_sample(facts: &Facts, symptom: &Symptom) -> bool {
    let Some(asked) = request_of(facts, symptom) else { return false };
    samples(facts, asked.entry).any(|probe| {
        base_of(&probe.url) == base_of(&asked.url) && probe.status == Some(200) && probe.trouble.is_none()
    })
}

/// P05: nothing is found because the base URL is wrong.
pub(super) fn wrong_base(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> = proven_wrong(facts);
    if found.is_empty() {
        found.extend(with_query(facts));
    }
    if found.is_empty() {
        found.extend(nothing_at_all(facts));
    }
    found
}

/// The well-known module is absent at the base, and there at a place beside it.
fn proven_wrong(facts: &Facts) -> Vec<Match> {
    let chain = facts.probes.as_ref().map(|probes| probes.chain.as_slice()).unwrap_or_default();
    let mut all = Vec::new();
    for (at, entry) in chain.iter().enumerate() {
        let at_base = |probe: &&RequestProbe| base_of(&probe.url) == entry.name.as_str();
        let Some(here) = samples(facts, Some(at)).find(|probe| at_base(probe)) else { continue };
        let Some(better) = samples(facts, Some(at)).find(|probe| {
            !at_base(probe)
                && probe.status == Some(200)
                && probe.trouble.is_none()
                && !probe.body.trim().is_empty()
        }) else {
            continue;
        };
        if here.trouble.is_none() && here.status == Some(200) {
            continue;
        }
        let mut found = Match::of(CauseId("P05"), entry.name.as_str())
            .sure(0.95)
            .with("base", entry.name.as_str())
            .with("better", base_of(&better.url))
            .because(Evidence::new(here.url.as_str(), status(here), "probe http"))
            .because(Evidence::new(better.url.as_str(), status(better), "probe http"))
            .not(CauseId("P10"), "a module that every public proxy has is missing as well");
        for (index, symptom, code) in statuses(facts) {
            if is_absent(code) && symptom.url.as_deref().is_some_and(|url| url.starts_with(&entry.name)) {
                found = with_symptom(found, index, symptom).with("base", entry.name.as_str());
            }
        }
        all.push(found);
    }
    all
}

fn status(probe: &RequestProbe) -> String {
    probe.status.map_or_else(|| "no answer".to_owned(), |code| code.to_string())
}

/// A query in `GOPROXY` is sent behind every path.
fn with_query(facts: &Facts) -> Vec<Match> {
    statuses(facts)
        .filter(|(_, symptom, code)| {
            let has_query = symptom.url.as_deref().is_some_and(|url| {
                url.split_once('?').is_some_and(|(before, _)| before.contains("/@"))
                    && !url.contains("go-get=1")
            });
            has_query && (400..500).contains(code)
        })
        .map(|(index, symptom, _)| {
            let found = Match::of(CauseId("P05"), symptom.host().unwrap_or_default()).sure(0.9).because(
                Evidence::new("URL", "a query stands behind the path of every request", symptom.seen()),
            );
            with_symptom(found, index, symptom)
        })
        .collect()
}

/// Modules of several hosts, or one that everybody has, are all absent at one base.
fn nothing_at_all(facts: &Facts) -> Vec<Match> {
    let absent: Vec<_> = statuses(facts)
        .filter(|(_, symptom, code)| {
            is_absent(*code) && symptom.url.as_deref().is_some_and(|url| !url.contains(';'))
        })
        .collect();
    let bases: BTreeSet<&str> =
        absent.iter().filter_map(|(_, symptom, _)| symptom.url.as_deref().map(base_of)).collect();
    let mut all = Vec::new();
    for base in bases {
        let here =
            || absent.iter().filter(move |(_, symptom, _)| symptom.url.as_deref().map(base_of) == Some(base));
        let modules: BTreeSet<&str> =
            here().filter_map(|(_, symptom, _)| symptom.module.as_deref()).collect();
        let hosts: BTreeSet<&str> = modules.iter().filter_map(|module| module.split('/').next()).collect();
        let well_known = modules.iter().find(|module| {
            // A version that does not exist says nothing about the base.
            let is_listed = |symptom: &Symptom| {
                symptom.version.is_none() || symptom.says("@v/list") || symptom.says("@latest")
            };
            module.starts_with(WELL_KNOWN)
                && here()
                    .any(|(_, symptom, _)| symptom.module.as_deref() == Some(**module) && is_listed(symptom))
        });
        let sure = match (well_known, modules.len(), hosts.len()) {
            (Some(_), 2.., _) => 0.8,
            (Some(_), ..) => 0.72,
            (None, 3.., 2..) => 0.7,
            _ => continue,
        };
        let serves = here().any(|(_, symptom, _)| serves_sample(facts, symptom));
        if serves {
            continue;
        }
        let mut found = Match::of(CauseId("P05"), base).sure(sure).because(Evidence::new(
            "absent there",
            modules.iter().take(4).copied().collect::<Vec<_>>().join(", "),
            "the log",
        ));
        for (index, symptom, _) in here() {
            found = with_symptom(found, *index, symptom);
        }
        all.push(found.with("base", base));
    }
    all
}

/// P22: capitals, which are written with `!`, are not understood.
pub(super) fn capitals(facts: &Facts) -> Vec<Match> {
    let absent: Vec<_> = facts
        .symptoms()
        .filter(|(_, symptom)| status_of(symptom).is_some_and(|code| is_absent(code) || code == 400))
        .filter(|(_, symptom)| super::is_proxy(symptom))
        .collect();
    let is_escaped = |symptom: &Symptom| {
        symptom
            .url
            .as_deref()
            .is_some_and(|url| url.contains("%21") || url.contains("/!") || url.contains("!"))
    };
    let escaped = absent.iter().filter(|(_, symptom)| is_escaped(symptom)).count();
    absent
        .iter()
        .filter(|(_, symptom)| is_escaped(symptom))
        .filter_map(|(index, symptom)| {
            let asked = request_of(facts, symptom);
            let other = asked.and_then(|asked| {
                requests(facts).iter().find(|probe| {
                    probe.part == Part::Compares
                        && probe.url != asked.url
                        && probe.url.replace("%21", "!") == asked.url.replace("%21", "!")
                })
            });
            let sure = match other {
                Some(other) if other.status == Some(200) => 0.96,
                Some(_) => return None,
                // All that is absent has capitals, and more than one module is.
                None if asked.is_none() && escaped == absent.len() && different(&absent) >= 2 => 0.7,
                None => return None,
            };
            let mut found = Match::of(CauseId("P22"), about(symptom)).sure(sure);
            if let (Some(asked), Some(other)) = (asked, other) {
                found = found
                    .with("asked", &asked.url)
                    .because(Evidence::new(asked.url.as_str(), status(asked), "probe http"))
                    .because(Evidence::new(other.url.as_str(), status(other), "probe http"))
                    .not(CauseId("P10"), "the other spelling of the same path is found");
            }
            Some(with_symptom(found, *index, symptom))
        })
        .collect()
}

fn different(absent: &[(usize, &Symptom)]) -> usize {
    absent.iter().filter_map(|(_, symptom)| symptom.module.as_deref()).collect::<BTreeSet<_>>().len()
}
