//! The checksum database: whether it can be asked, whether it knows the module, and whether it can be believed.

use super::protocol::{about, base_of, requests, status_of, with_answer, with_symptom};
use super::{Rule, rule};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::probe::{Part, RequestProbe};
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

pub(super) const RULES: &[Rule] = &[
    rule("V04", unknown_to_the_public),
    rule("V05", unreachable),
    rule("V06", supported_fails),
    rule("V08", garbage),
    rule("V09", misbehaves),
    rule("V10", module_missing),
];

/// Iterates over failures of asking the database, with what it was asked.
fn asked(facts: &Facts) -> impl Iterator<Item = (usize, &Symptom, &str)> {
    facts.symptoms().filter_map(|(index, symptom)| match &symptom.stage {
        Stage::ChecksumDatabase(what) => Some((index, symptom, what.as_str())),
        _ => None,
    })
}

fn of(facts: &Facts, cause: &'static str, sure: f32, index: usize, symptom: &Symptom) -> Match {
    let found = with_symptom(Match::of(CauseId(cause), about(symptom)).sure(sure), index, symptom);
    match probe_of(facts, symptom) {
        Some(probe) => with_answer(found, probe),
        None => found,
    }
}

fn probe_of<'a>(facts: &'a Facts, symptom: &Symptom) -> Option<&'a RequestProbe> {
    requests(facts)
        .iter()
        .find(|probe| probe.checksum_database.is_some() && Some(&probe.url) == symptom.url.as_ref())
}

/// Reports whether a URL leads to a database behind a proxy.
fn is_proxied(symptom: &Symptom) -> bool {
    symptom.url.as_deref().is_some_and(|url| url.contains("/sumdb/"))
}

/// V04: a private module's checksum is asked of a public database.
fn unknown_to_the_public(facts: &Facts) -> Vec<Match> {
    asked(facts)
        .filter(|(_, symptom, what)| *what == "lookup" && matches!(status_of(symptom), Some(404 | 410)))
        .map(|(index, symptom, _)| {
            let wants_login = [
                "could not read Username",
                "terminal prompts disabled",
                "Authentication failed",
                "not found: repository",
                "Repository not found",
                "could not read Password",
                "Permission denied",
            ]
            .iter()
            .any(|words| symptom.says(words));
            let is_new = ["unknown revision", "invalid version", "fetch timed out", "timeout"]
                .iter()
                .any(|words| symptom.says(words));
            let module = symptom.module.clone().unwrap_or_default();
            let pattern = pattern_for(&module);
            let served = requests(facts).iter().find(|probe| {
                probe.entry.is_some()
                    && probe.endpoint == Endpoint::Zip
                    && probe.module.as_deref() == Some(&module)
                    && probe.status == Some(200)
            });
            let sure = match (wants_login, is_new) {
                (true, _) => 0.95,
                (false, true) => 0.5,
                (false, false) => 0.85,
            };
            let (setting, by) = match served {
                Some(probe) => ("GONOSUMDB", format!("{} serves it", base_of(&probe.url))),
                None => ("GONOSUMDB", "a proxy of the chain may serve it".to_owned()),
            };
            let mut found = of(facts, "V04", sure, index, symptom)
                .with("pattern", &pattern)
                .with("setting", setting)
                .with("value", joined_value(facts, &pattern))
                .with("by", by);
            if wants_login {
                found = found.not(CauseId("G03"), "that git ran on the server, not here");
            }
            if let Some(probe) = served {
                found = found.because(Evidence::new(probe.url.as_str(), "200", "probe http"));
            }
            found
        })
        .collect()
}

/// Returns the pattern that covers a module and its neighbours: `git.corp.example/team`.
fn pattern_for(module: &str) -> String {
    module.split('/').take(2).collect::<Vec<_>>().join("/")
}

/// Adds a pattern to what holds now; setting `GONOSUMDB` switches off its falling back to `GOPRIVATE`.
fn joined_value(facts: &Facts, pattern: &str) -> String {
    let known = facts.settings.as_ref().map_or("", |settings| match settings.value("GONOSUMDB") {
        "" => settings.value("GOPRIVATE"),
        value => value,
    });
    if known.is_empty() { pattern.to_owned() } else { format!("{known},{pattern}") }
}

/// V05: the database can't be reached, though proxies can.
fn unreachable(facts: &Facts) -> Vec<Match> {
    asked(facts)
        .filter_map(|(index, symptom, what)| {
            let code = status_of(symptom);
            let is_transport = !matches!(
                symptom.trouble,
                Trouble::Status { .. }
                    | Trouble::BadAnswer { .. }
                    | Trouble::Said
                    | Trouble::FileTrouble { .. }
                    | Trouble::Mismatch { .. }
            );
            let is_down = what != "supported" && code.is_some_and(|code| !matches!(code, 401 | 404 | 410));
            let supports = what == "supported" && is_transport;
            if supports || !(is_transport || is_down) {
                return None;
            }
            // The same trouble elsewhere is the network's, not the database's.
            let is_everywhere = facts.symptoms().any(|(other, known)| {
                let elsewhere = !matches!(known.stage, Stage::ChecksumDatabase(_));
                other != index
                    && elsewhere
                    && std::mem::discriminant(known.trouble.innermost())
                        == std::mem::discriminant(symptom.trouble.innermost())
            });
            let sure = match (is_everywhere, is_transport, is_proxied(symptom)) {
                (true, ..) => 0.5,
                (false, true, false) => 0.97,
                (false, _, true) => 0.8,
                (false, false, false) => 0.9,
            };
            let mut found = of(facts, "V05", sure, index, symptom)
                .with("why", symptom.trouble.words())
                .not(CauseId("V03"), "no hash was compared");
            for probe in
                requests(facts).iter().filter(|probe| probe.checksum_database.as_deref() == Some("supported"))
            {
                let status = probe.status.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
                found = found.because(Evidence::new(probe.url.as_str(), status, "probe http"));
            }
            Some(found)
        })
        .collect()
}

/// V06: a proxy answers the question whether it carries the database with something else than yes or no.
fn supported_fails(facts: &Facts) -> Vec<Match> {
    asked(facts)
        .filter_map(|(index, symptom, what)| {
            let code = status_of(symptom).filter(|_| what == "supported")?;
            Some(
                of(facts, "V06", 0.96, index, symptom)
                    .with("status", code.to_string())
                    .not(CauseId("P09"), "the module itself was served"),
            )
        })
        .collect()
}

/// V08: the answer is no record, or nobody known has signed it.
fn garbage(facts: &Facts) -> Vec<Match> {
    const WORDS: &[&str] = &[
        "malformed record data",
        "no verifiable signatures",
        "invalid signature for key",
        "malformed note",
        "malformed tree note",
        "invalid note",
        "malformed tile",
    ];
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let words = WORDS.iter().find(|words| symptom.says(words))?;
            let what = match *words {
                "no verifiable signatures" | "invalid signature for key" => {
                    "is signed with another key than the one this machine knows"
                }
                _ => "is no record of a checksum database",
            };
            Some(of(facts, "V08", 0.95, index, symptom).with("what", what))
        })
        .collect()
}

/// V09: two trees under one key.
fn misbehaves(facts: &Facts) -> Vec<Match> {
    const WORDS: &[&str] =
        &["server misbehavior detected", "inconsistent tree", "downloaded inconsistent tile"];
    facts
        .symptoms()
        .filter(|(_, symptom)| WORDS.iter().any(|words| symptom.says(words)))
        .map(|(index, symptom)| of(facts, "V09", 0.98, index, symptom))
        .collect()
}

/// V10: the answer does not hold the module that was asked for.
fn module_missing(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| symptom.says("checksum missing from sumdb response"))
        .map(|(index, symptom)| {
            let mut found = of(facts, "V10", 0.97, index, symptom);
            if facts.go.is_some_and(|go| !go.ends_git_options()) {
                // Older clients take such an answer without a word.
                found = found.verdict(Verdict::Warn);
            }
            let other = requests(facts).iter().find(|probe| {
                probe.part == Part::Compares && probe.checksum_database.as_deref() == Some("lookup")
            });
            if let Some(other) = other {
                let value = if other.trouble.is_none() { "has the module" } else { "does not help" };
                found = found.because(Evidence::new(other.url.as_str(), value, "probe http"));
            }
            found
        })
        .collect()
}
