//! From facts to a ranked report.
//!
//! Roots come before their echoes: what a failed download leaves behind (a missing line in go.sum, a package that nobody
//! provides) is true as well, and no place to start.

use std::collections::BTreeMap;

use crate::catalogue::{Catalogue, Language};
use crate::finding::{CauseId, Match, Verdict};
use crate::report::{Report, RuledOut, SCHEMA, Setting};
use crate::symptom::Trouble;
use crate::{Facts, healthy, rules, way};

/// Causes that a failed download leaves behind it: they follow whatever failed on the way.
const ECHOES: &[&str] = &["V11", "R06", "P13", "C13"];

/// Evidence that one finding shows; a log can repeat itself ten thousand times.
const MOST_EVIDENCE: usize = 12;

/// Asks every rule, joins what is the same cause about the same thing, and ranks.
///
/// Where two causes explain one symptom, the surer one stays and the other is what it is not.
#[must_use]
pub fn diagnose(facts: &Facts, language: Language) -> Report {
    let catalogue = Catalogue::of(language);
    let matches = joined(rules::all().flat_map(|rule| (rule.decide)(facts)).collect());
    let (mut matches, mut ruled_out) = roots_only(matches, language);
    rank(&mut matches);
    for found in &matches {
        for (id, why) in &found.not {
            if !ruled_out.iter().any(|known| known.id == *id) {
                ruled_out.push(RuledOut { id: *id, why: why.clone() });
            }
        }
    }
    ruled_out.retain(|out| matches.iter().all(|found| found.cause != out.id));
    ruled_out.sort_by_key(|out| out.id);
    Report {
        schema: SCHEMA,
        path: way::ways(facts),
        findings: matches.iter().map(|found| catalogue.finding(found)).collect(),
        ruled_out,
        skipped: facts.probes.as_ref().map(|probes| probes.skipped.clone()).unwrap_or_default(),
        healthy: healthy::words(facts, language),
        unexplained: unexplained(facts, &matches),
        facts: worth_showing(facts),
        settings: settings(facts),
    }
}

/// Returns what went wrong and no finding explains: a failure must never look like health.
fn unexplained(facts: &Facts, matches: &[Match]) -> Vec<String> {
    let is_explained = |index: usize| matches.iter().any(|found| found.explains.contains(&index));
    let riddles = facts
        .symptoms()
        .filter(|(index, symptom)| symptom.trouble != Trouble::Said && !is_explained(*index))
        .map(|(_, symptom)| symptom.text.clone());
    let mut all: Vec<String> = facts.unexplained.iter().cloned().chain(riddles).collect();
    all.dedup();
    all.truncate(MOST_EVIDENCE);
    all
}

/// Sorts: what fails before what may; roots before echoes; the surer before the less sure, and of those that are about as
/// sure, the one that was seen first.
fn rank(matches: &mut [Match]) {
    let has_root = matches.iter().any(|found| found.verdict == Verdict::Fail && !is_echo(found));
    matches.sort_by(|a, b| {
        a.verdict
            .cmp(&b.verdict)
            .then((has_root && is_echo(a)).cmp(&(has_root && is_echo(b))))
            .then(sureness(b).cmp(&sureness(a)))
            .then(first_seen(a).cmp(&first_seen(b)))
            .then(b.confidence.total_cmp(&a.confidence))
            .then(a.cause.cmp(&b.cause))
    });
}

fn is_echo(found: &Match) -> bool {
    ECHOES.contains(&found.cause.0)
}

/// Steps of sureness: within one, order in time says more than a hundredth.
fn sureness(found: &Match) -> u8 {
    match found.confidence {
        sure if sure >= 0.75 => 3,
        sure if sure >= 0.55 => 2,
        sure if sure >= 0.4 => 1,
        _ => 0,
    }
}

fn first_seen(found: &Match) -> usize {
    found.explains.iter().min().copied().unwrap_or(usize::MAX)
}

/// Joins finds of one cause about one thing: the surest speaks, all evidence stays.
fn joined(matches: Vec<Match>) -> Vec<Match> {
    let mut by_name: BTreeMap<(CauseId, String), Match> = BTreeMap::new();
    for found in matches {
        match by_name.entry((found.cause, found.about.clone())) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(found);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => join(known.get_mut(), found),
        }
    }
    by_name.into_values().collect()
}

fn join(known: &mut Match, mut found: Match) {
    if found.confidence > known.confidence {
        std::mem::swap(known, &mut found);
    }
    known.verdict = known.verdict.min(found.verdict);
    known.explains.extend(found.explains);
    for evidence in found.evidence {
        if known.evidence.len() < MOST_EVIDENCE && !known.evidence.contains(&evidence) {
            known.evidence.push(evidence);
        }
    }
    for (name, value) in found.values {
        known.values.entry(name).or_insert(value);
    }
    for not in found.not {
        if !known.not.contains(&not) {
            known.not.push(not);
        }
    }
}

/// Drops a find all of whose symptoms are explained by a surer one that is at least as bad.
fn roots_only(matches: Vec<Match>, language: Language) -> (Vec<Match>, Vec<RuledOut>) {
    let mut surest: BTreeMap<usize, Vec<(Verdict, f32, CauseId)>> = BTreeMap::new();
    for found in &matches {
        for symptom in &found.explains {
            surest.entry(*symptom).or_default().push((found.verdict, found.confidence, found.cause));
        }
    }
    let better = |found: &Match, symptom: &usize| {
        surest[symptom]
            .iter()
            .find(|(verdict, confidence, _)| *verdict <= found.verdict && *confidence > found.confidence)
            .map(|(_, _, cause)| *cause)
    };
    let mut ruled_out = Vec::new();
    let mut kept = Vec::new();
    for found in matches {
        let winners: Vec<_> = found.explains.iter().map(|symptom| better(&found, symptom)).collect();
        match winners.first() {
            Some(Some(winner)) if winners.iter().all(Option::is_some) => {
                if *winner != found.cause {
                    let why = match language {
                        Language::English => format!("{winner} explains the same words better"),
                        Language::Chinese => format!("{winner} 能更好地解释同样的现象"),
                    };
                    ruled_out.push(RuledOut { id: found.cause, why });
                }
            }
            _ => kept.push(found),
        }
    }
    (kept, ruled_out)
}

fn settings(facts: &Facts) -> Vec<Setting> {
    let Some(known) = &facts.settings else { return Vec::new() };
    let go = known.go.iter().map(|setting| Setting {
        name: setting.name.clone(),
        value: setting.value.clone(),
        origin: setting.origin.to_string(),
    });
    let network = known.network.proxy_variables.iter().map(|(name, value)| Setting {
        name: name.clone(),
        value: value.clone(),
        origin: "environment".to_owned(),
    });
    go.chain(network).collect()
}

fn worth_showing(facts: &Facts) -> serde_json::Map<String, serde_json::Value> {
    let mut shown = serde_json::Map::new();
    let mut show = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            shown.insert(name.to_owned(), value.into());
        }
    };
    show(
        "subject",
        facts.subject.as_ref().map(|subject| match &subject.version {
            Some(version) => format!("{}@{version}", subject.module),
            None => subject.module.clone(),
        }),
    );
    show("go", facts.go.map(|go| go.to_string()));
    if let Some(settings) = &facts.settings {
        show("go_program", settings.go_program.clone());
        show("go_root", settings.go_root.clone());
        show("container", settings.network.container.clone());
        let servers: Vec<String> = settings.network.name_servers.iter().map(ToString::to_string).collect();
        show("name_servers", Some(servers.join(", ")));
        show("certificate_authorities", settings.network.certificate_authorities.clone());
    }
    if let Some(project) = &facts.project {
        show("go_mod", project.go_mod.clone());
        show("go_work", project.go_work.clone());
        show("main_module", project.module.clone());
        show("go_line", project.go_line.clone());
    }
    show("module_cache", facts.cache.as_ref().and_then(|cache| cache.folder.clone()));
    if !facts.repeats.is_empty() {
        shown.insert("repeats".to_owned(), serde_json::json!(facts.repeats));
    }
    if !facts.symptoms.is_empty() {
        shown.insert("symptoms".to_owned(), facts.symptoms.len().into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Evidence;

    fn found(cause: &'static str, confidence: f32, explains: &[usize]) -> Match {
        let mut found = Match::of(CauseId(cause), "x").sure(confidence);
        found.explains = explains.to_vec();
        found
    }

    fn ids(matches: &[Match]) -> Vec<&'static str> {
        matches.iter().map(|found| found.cause.0).collect()
    }

    #[test]
    fn the_surer_explanation_of_the_same_words_stays_and_the_other_is_ruled_out() {
        let (kept, ruled_out) =
            roots_only(vec![found("N10", 0.6, &[0]), found("N12", 0.8, &[0])], Language::English);
        assert_eq!(ids(&kept), ["N12"]);
        assert_eq!(ruled_out[0].id.0, "N10");
    }

    #[test]
    fn a_surer_piece_of_information_hides_no_failure() {
        let info = found("F05", 0.95, &[0]).verdict(Verdict::Info);
        let (kept, _) = roots_only(vec![found("P10", 0.6, &[0]), info], Language::English);
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn roots_come_before_echoes_and_equals_in_the_order_of_time() {
        let mut matches = vec![
            found("V11", 0.95, &[0]),
            found("P10", 0.8, &[3]),
            found("N01", 0.9, &[2]),
            found("N09", 0.3, &[1]),
            found("F05", 0.95, &[]).verdict(Verdict::Info),
        ];
        rank(&mut matches);
        assert_eq!(ids(&matches), ["N01", "P10", "N09", "V11", "F05"]);
    }

    #[test]
    fn an_echo_alone_is_no_echo() {
        let mut matches = vec![found("N09", 0.5, &[1]).verdict(Verdict::Warn), found("V11", 0.9, &[0])];
        rank(&mut matches);
        assert_eq!(ids(&matches), ["V11", "N09"]);
    }

    #[test]
    fn one_cause_about_one_thing_is_one_finding() {
        let one = found("N01", 0.6, &[0]).because(Evidence::new("a", "1", "log line 1"));
        let two = found("N01", 0.9, &[4]).because(Evidence::new("a", "2", "log line 5")).with("host", "h");
        let joined = joined(vec![one.clone(), two, one]);
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].confidence, joined[0].evidence.len()), (0.9, 2));
        assert_eq!(joined[0].values["host"], "h");
    }
}
