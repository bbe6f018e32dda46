//! Statuses that are no success, and redirects.

use super::{about, is_proxy, request_of, requests, statuses, with_answer, with_larder, with_symptom};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::probe::{Part, RequestProbe};
use crate::rules::protocol::place;
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

/// Makes the match of a status.
fn of(facts: &Facts, cause: &'static str, sure: f32, index: usize, symptom: &Symptom, code: u16) -> Match {
    let found = Match::of(CauseId(cause), about(symptom)).sure(sure).with("status", code.to_string());
    let found = with_symptom(found, index, symptom);
    let found = match request_of(facts, symptom) {
        Some(probe) => with_answer(found, probe),
        None => found,
    };
    with_larder(facts, found, symptom)
}

/// P09: the proxy refuses by policy.
pub(super) fn forbidden(facts: &Facts) -> Vec<Match> {
    statuses(facts)
        .filter(|(_, _, code)| is_refusal(*code))
        .map(|(index, symptom, code)| {
            // A look at retractions is no download.
            let sure = match code {
                _ if symptom.says("retractions") => 0.5,
                403 | 451 => 0.8,
                _ => 0.7,
            };
            let file = match symptom.stage {
                Stage::Proxy(Endpoint::List | Endpoint::Latest) => "list of versions",
                Stage::Proxy(Endpoint::Mod) => "go.mod",
                Stage::Proxy(Endpoint::Zip) => "zip",
                _ => ".info",
            };
            let mut found = of(facts, "P09", sure, index, symptom, code)
                .with("file", file)
                .not(CauseId("N23"), "the status came with the answer to a request, not to CONNECT");
            if let Some(other) = other_agents(facts, symptom).next() {
                let why =
                    format!("with the User-Agent {} it answers {}", other.agent, other.status.unwrap_or(0));
                found = found.not(CauseId("P24"), why);
            }
            found
        })
        .collect()
}

/// Statuses by which a server says that it will not; those with a meaning of their own have their own causes.
const fn is_refusal(code: u16) -> bool {
    matches!(code, 400..=499) && !matches!(code, 401 | 404 | 407 | 408 | 410 | 425 | 429)
}

/// P10: there is no such thing at the last proxy.
pub(super) fn absent(facts: &Facts) -> Vec<Match> {
    statuses(facts)
        .filter(|(_, _, code)| matches!(code, 404 | 410))
        .map(|(index, symptom, code)| {
            let probed = request_of(facts, symptom);
            let others = requests(facts).iter().filter(|probe| {
                probe.module == symptom.module && probe.checksum_database.is_none() && probe.status.is_some()
            });
            let has_version_list = others.clone().any(|probe| {
                probe.endpoint == Endpoint::List && probe.status == Some(200) && !probe.body.trim().is_empty()
            });
            let mut found = of(facts, "P10", if probed.is_some() { 0.7 } else { 0.6 }, index, symptom, code);
            if has_version_list {
                found = found.because(Evidence::new("its list of versions", "is there", "probe http"));
            }
            if place::serves_sample(facts, symptom) {
                found = found.not(CauseId("P05"), "a well-known module is found there");
            }
            found
        })
        .collect()
}

/// P12: too many requests, or something behind the proxy is down.
pub(super) fn overloaded(facts: &Facts) -> Vec<Match> {
    statuses(facts)
        .filter(|(_, _, code)| *code == 429 || (500..600).contains(code))
        .map(|(index, symptom, code)| {
            let what = match code {
                429 => "asked too often",
                502 | 504 => "unable to reach what stands behind it",
                503 => "overloaded or down for maintenance",
                _ => "broken",
            };
            let mut found = of(facts, "P12", 0.85, index, symptom, code).with("what", what);
            let pause = request_of(facts, symptom).and_then(|probe| probe.header("retry-after"));
            if let Some(pause) = pause {
                found = found.with("pause", pause);
            }
            found
        })
        .collect()
}

/// P19: a status of caches, which only an answer to a question that nobody asked can have.
pub(super) fn odd_success(facts: &Facts) -> Vec<Match> {
    statuses(facts)
        .filter(|(_, _, code)| matches!(code, 201..=299 | 304))
        .map(|(index, symptom, code)| of(facts, "P19", 0.95, index, symptom, code))
        .collect()
}

/// P20: redirects that go nowhere.
pub(super) fn redirect(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let what = match &symptom.trouble {
                Trouble::BadRedirect { text } if text.contains("secure URL") => "leads from https to http",
                Trouble::BadRedirect { .. } => "goes on in a circle",
                Trouble::Status { code: 300..=303 | 305..=308 } if is_proxy(symptom) => "names no place",
                _ => return None,
            };
            let found = Match::of(CauseId("P20"), about(symptom)).sure(0.94).with("what", what);
            let found = with_symptom(found, index, symptom);
            Some(match request_of(facts, symptom) {
                Some(probe) => with_answer(found, probe),
                None => found,
            })
        })
        .collect()
}

/// P24: a filter in front of the proxy doesn't like the go command's User-Agent.
pub(super) fn agent_blocked(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| is_proxy(symptom))
        .filter_map(|(index, symptom)| {
            let found = match other_agents(facts, symptom)
                .find(|other| other.status == Some(200) && other.trouble.is_none())
            {
                Some(other) => {
                    let own = request_of(facts, symptom)?;
                    let answers = |probe: &RequestProbe| {
                        let status =
                            probe.status.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
                        Evidence::new(format!("User-Agent {}", probe.agent), status, "probe http")
                    };
                    Match::of(CauseId("P24"), about(symptom))
                        .sure(0.96)
                        .with("agent", &own.agent)
                        .because(answers(own))
                        .because(answers(other))
                        .not(CauseId("P09"), "another User-Agent gets the file")
                }
                None => {
                    let words = ["user-agent", "user agent", "automated", "bot detected", "not a browser"];
                    let said = |line: &String| words.iter().any(|word| line.to_lowercase().contains(word));
                    let is_refusal =
                        matches!(super::status_of(symptom), Some(400 | 403 | 406 | 418 | 429 | 503));
                    (is_refusal && symptom.detail.iter().any(said)).then_some(())?;
                    Match::of(CauseId("P24"), about(symptom)).sure(0.87)
                }
            };
            Some(with_symptom(found, index, symptom))
        })
        .collect()
}

/// Iterates over the same question, asked with other User-Agents.
fn other_agents<'a>(facts: &'a Facts, symptom: &'a Symptom) -> impl Iterator<Item = &'a RequestProbe> {
    let own = request_of(facts, symptom);
    requests(facts).iter().filter(move |probe| {
        own.is_some_and(|own| {
            probe.part == Part::Compares
                && probe.url == own.url
                && !probe.agent.is_empty()
                && probe.agent != own.agent
        })
    })
}
