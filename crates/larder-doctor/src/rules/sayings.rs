//! Rules that go by the go command's own words: templates with named places, surest first.

use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::said::captures;
use crate::symptom::Symptom;

/// A template of [`captures`], and how sure its cause is when it is said.
pub(super) type Saying = (&'static str, f32);

/// Finds symptoms that say one of these, and makes a match of each.
///
/// What stands at the places of the template goes to the catalogue's texts. The match is about the place `about`, else the
/// symptom's module, else its host.
pub(super) fn said(facts: &Facts, cause: &'static str, sayings: &[Saying]) -> Vec<Match> {
    facts.symptoms().filter_map(|(index, symptom)| match_of(index, symptom, cause, sayings)).collect()
}

/// Makes a match of one symptom, if it says one of these.
pub(super) fn match_of(
    index: usize,
    symptom: &Symptom,
    cause: &'static str,
    sayings: &[Saying],
) -> Option<Match> {
    let (template, sure, line) = sayings.iter().find_map(|(template, sure)| {
        let mut lines = std::iter::once(&symptom.text).chain(&symptom.detail);
        lines.find(|line| captures(template, line).is_some()).map(|line| (*template, *sure, line))
    })?;
    let values = captures(template, line)?;
    let about =
        values.get("about").or(symptom.module.as_ref()).map(String::as_str).or_else(|| symptom.host());
    let mut found = Match::of(CauseId(cause), about.unwrap_or_default())
        .sure(sure)
        .explains(index)
        .because(Evidence::new("the go command said", line.as_str(), symptom.seen()));
    for (name, value) in
        [("module", &symptom.module), ("version", &symptom.version), ("package", &symptom.package)]
    {
        if let Some(value) = value {
            found = found.with(name, value);
        }
    }
    if let Some(host) = symptom.host() {
        found = found.with("host", host);
    }
    for (name, value) in values {
        found = found.with(name, value.trim());
    }
    Some(found)
}
