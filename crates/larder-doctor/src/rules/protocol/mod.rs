//! What a module proxy answers: statuses, logins, redirects, bodies, and which entry's answer counts.
//!
//! A log has the go command's words; probes add what was answered to other questions, and that is what tells causes with one
//! text apart: another module, another User-Agent, another spelling, another entry.

mod chain;
mod content;
mod login;
mod place;
mod status;

use super::{Rule, rule};
use crate::Facts;
use crate::finding::{Evidence, Match};
use crate::probe::{Part, RequestProbe};
use crate::symptom::{Endpoint, Source, Stage, Symptom, Trouble};

pub(super) const RULES: &[Rule] = &[
    rule("P05", place::wrong_base),
    rule("P06", login::unauthorized),
    rule("P07", login::netrc_not_used),
    rule("P09", status::forbidden),
    rule("P10", status::absent),
    rule("P11", chain::masked_by_direct),
    rule("P12", status::overloaded),
    rule("P13", chain::stopped),
    rule("P14", content::page),
    rule("P15", content::no_zip),
    rule("P16", content::poisoned_go_mod),
    rule("P17", content::empty_list),
    rule("P18", content::bad_info),
    rule("P19", status::odd_success),
    rule("P20", status::redirect),
    rule("P21", content::forbidden_file),
    rule("P22", place::capitals),
    rule("P23", content::too_large),
    rule("P24", status::agent_blocked),
];

/// Reports whether a proxy was asked for a module's file, or for another toolchain, which is one.
pub(super) fn is_proxy(symptom: &Symptom) -> bool {
    matches!(symptom.stage, Stage::Proxy(_) | Stage::Toolchain)
}

pub(super) fn status_of(symptom: &Symptom) -> Option<u16> {
    match symptom.trouble {
        Trouble::Status { code } => Some(code),
        _ => None,
    }
}

/// Iterates over symptoms with a status at a proxy.
pub(super) fn statuses(facts: &Facts) -> impl Iterator<Item = (usize, &Symptom, u16)> {
    facts
        .symptoms()
        .filter(|(_, symptom)| is_proxy(symptom))
        .filter_map(|(index, symptom)| Some((index, symptom, status_of(symptom)?)))
}

/// Returns what probes asked.
pub(super) fn requests(facts: &Facts) -> &[RequestProbe] {
    facts.probes.as_ref().map_or(&[], |probes| probes.requests.as_slice())
}

/// Returns the request that a symptom is about: the very one if a probe saw it, else one for the same file.
pub(super) fn request_of<'a>(facts: &'a Facts, symptom: &Symptom) -> Option<&'a RequestProbe> {
    let endpoint = match symptom.stage {
        Stage::Proxy(endpoint) => endpoint,
        _ => Endpoint::Other,
    };
    requests(facts).iter().find(|probe| {
        let same_url = symptom.url.as_deref() == Some(probe.url.as_str())
            || probe.hops.last().map(String::as_str) == symptom.url.as_deref();
        let same_file =
            probe.endpoint == endpoint && probe.module == symptom.module && probe.version == symptom.version;
        probe.part != Part::Compares && probe.checksum_database.is_none() && (same_url || same_file)
    })
}

/// Adds what is known about a symptom to a match: the words, the module, the host.
pub(super) fn with_symptom(found: Match, index: usize, symptom: &Symptom) -> Match {
    let by = match &symptom.source {
        Source::Log { .. } => "the go command said",
        Source::Probe { .. } => "the answer",
    };
    let mut found =
        found.explains(index).because(Evidence::new(by, first_line(&symptom.text), symptom.seen()));
    for (name, value) in [("module", &symptom.module), ("version", &symptom.version), ("url", &symptom.url)] {
        if let Some(value) = value {
            found = found.with(name, value);
        }
    }
    if let Some(host) = symptom.host() {
        found = found.with("host", host);
    }
    if let Some(base) = symptom.url.as_deref().map(base_of) {
        found = found.with("base", base);
    }
    for line in symptom.detail.iter().take(3) {
        found = found.because(Evidence::new(
            "server response",
            line.trim_start_matches("server response:").trim(),
            symptom.seen(),
        ));
    }
    found
}

/// Adds the headers and times of an answer that tell who gave it.
pub(super) fn with_answer(mut found: Match, probe: &RequestProbe) -> Match {
    if let Some(status) = probe.status {
        let value = format!("{status}, {} bytes, {} ms", probe.received, probe.total_ms);
        found = found.because(Evidence::new(probe.url.as_str(), value, "probe http"));
    }
    for name in ["server", "via", "x-cache", "content-type", "retry-after", "www-authenticate", "age"] {
        if let Some(value) = probe.header(name) {
            found = found.because(Evidence::new(name, value, "probe http"));
        }
    }
    for hop in probe.hops.iter().take(3) {
        found = found.because(Evidence::new("redirected to", hop.as_str(), "probe http"));
    }
    found
}

/// Adds what a Larder on the way says about the module.
pub(super) fn with_larder(facts: &Facts, mut found: Match, symptom: &Symptom) -> Match {
    let larders = facts.probes.as_ref().map(|probes| probes.larders.as_slice()).unwrap_or_default();
    for (base, words) in larders {
        if symptom.url.as_ref().is_some_and(|url| url.starts_with(base.trim_end_matches('/'))) {
            let beginning: String =
                words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
            found =
                found.because(Evidence::new(format!("Larder at {base} says"), beginning, "its explanation"));
        }
    }
    found
}

/// Returns what two requests have to have in common to be about one place: the URL up to the module.
pub(super) fn base_of(url: &str) -> &str {
    let end = url.find("/@").unwrap_or(url.len());
    let before = &url[..end];
    let Some(authority) = before.find("://").map(|at| at + 3) else { return before };
    // The module begins with the first element behind the host that has a dot; a base's path has none as a rule.
    let path = before[authority..].find('/').map_or(before.len(), |at| authority + at);
    let mut at = path;
    for element in before[path..].split('/').skip(1) {
        if element.contains('.') {
            break;
        }
        at += element.len() + 1;
    }
    if at >= before.len() { &before[..path] } else { &before[..at] }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

/// Returns what to call the thing that failed.
pub(super) fn about(symptom: &Symptom) -> String {
    match (&symptom.module, &symptom.version) {
        (Some(module), Some(version)) => format!("{module}@{version}"),
        (Some(module), None) => module.clone(),
        _ => symptom.host().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::base_of;

    #[test]
    fn a_base_ends_where_the_module_begins() {
        for (url, base) in [
            ("https://proxy.example.com/example.com/m/@v/list", "https://proxy.example.com"),
            (
                "https://proxy.example.com/api/go/x/example.com/m/@latest",
                "https://proxy.example.com/api/go/x",
            ),
            ("http://127.0.0.1:8000/s403/example.com/m/@v/v1.0.0.zip", "http://127.0.0.1:8000/s403"),
            ("https://proxy.example.com/odd/@v/list", "https://proxy.example.com"),
        ] {
            assert_eq!(base_of(url), base);
        }
    }
}
