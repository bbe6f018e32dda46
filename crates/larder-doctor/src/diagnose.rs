//! From facts to a ranked report.

use std::collections::BTreeMap;

use crate::catalogue::{Catalogue, Language};
use crate::finding::{CauseId, Match};
use crate::report::{Report, SCHEMA};
use crate::{Facts, rules};

/// Asks every rule, joins what is the same cause about the same thing, and ranks.
///
/// Where two causes explain one symptom, the surer one stays and the other is what it is not.
#[must_use]
pub fn diagnose(facts: &Facts, language: Language) -> Report {
    let catalogue = Catalogue::of(language);
    let matches = joined(rules::all().flat_map(|rule| (rule.decide)(facts)).collect());
    let mut matches = roots_only(matches);
    matches.sort_by(|a, b| {
        a.verdict
            .cmp(&b.verdict)
            .then(b.confidence.total_cmp(&a.confidence))
            .then(first_seen(a).cmp(&first_seen(b)))
    });
    Report {
        schema: SCHEMA,
        findings: matches.iter().map(|found| catalogue.finding(found)).collect(),
        ..Report::default()
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
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.confidence = known.confidence.max(found.confidence);
                known.explains.extend(found.explains);
                known.evidence.extend(found.evidence.into_iter().take(8));
                known.not.extend(found.not);
            }
        }
    }
    by_name.into_values().collect()
}

/// Drops a find all of whose symptoms are explained by a surer one.
fn roots_only(matches: Vec<Match>) -> Vec<Match> {
    let mut surest: BTreeMap<usize, f32> = BTreeMap::new();
    for found in &matches {
        for symptom in &found.explains {
            let best = surest.entry(*symptom).or_insert(found.confidence);
            *best = best.max(found.confidence);
        }
    }
    matches
        .into_iter()
        .filter(|found| {
            found.explains.is_empty()
                || found.explains.iter().any(|symptom| found.confidence >= surest[symptom])
        })
        .collect()
}
