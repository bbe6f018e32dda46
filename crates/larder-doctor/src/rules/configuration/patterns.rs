//! Private patterns: those that don't match what they were meant for, and those that match too well.

use larder_module::defaults;
use larder_module::goproxy::{Entry, ProxyList};
use larder_module::pattern::match_prefix_patterns;

use super::intent::{Known, is_direct, known, set};
use crate::Facts;
use crate::explain::{Mismatch, PatternAnswer, patterns};
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::settings::{Origin, without_login};
use crate::symptom::{Stage, Symptom};

/// A pattern was meant for a module and does not match it.
pub(super) fn no_match(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, symptom) in facts.symptoms().filter(|(_, symptom)| went_public(symptom)) {
        let Some(module) = module_of(symptom) else { continue };
        let names: &[&str] = match symptom.stage {
            Stage::ChecksumDatabase(_) => &["GONOSUMDB", "GOPRIVATE"],
            _ => &["GONOPROXY", "GOPRIVATE"],
        };
        let lists: Vec<Known<'_>> = names.iter().filter_map(|name| known(facts, name)).collect();
        if lists.iter().any(|list| match_prefix_patterns(list.value, module)) {
            continue;
        }
        let miss = lists.iter().find_map(|list| Some((list, near(list.value, module)?)));
        if let Some((list, answer)) = miss {
            found.push(of_miss(index, symptom, module, list, &answer));
        }
    }
    found
}

/// The path that was asked for; of a package path, the whole of it.
fn module_of(symptom: &Symptom) -> Option<&str> {
    symptom.module.as_deref().or(symptom.package.as_deref()).filter(|module| module.contains('.'))
}

fn went_public(symptom: &Symptom) -> bool {
    matches!(symptom.stage, Stage::Proxy(_) | Stage::ChecksumDatabase(_)) || is_direct(symptom)
}

fn near(list: &str, module: &str) -> Option<PatternAnswer> {
    patterns(list, module).into_iter().find(|answer| {
        answer.instead.is_some() && answer.mismatch.is_some_and(|mismatch| mismatch != Mismatch::Other)
    })
}

/// Tells a slip of the pen from a pattern that may be about another module of the same host.
fn is_meant(answer: &PatternAnswer) -> bool {
    match answer.mismatch {
        Some(Mismatch::PartOfElement) => false,
        Some(Mismatch::TooLong) => answer.pattern.ends_with("/*"),
        _ => true,
    }
}

fn of_miss(index: usize, symptom: &Symptom, module: &str, list: &Known<'_>, answer: &PatternAnswer) -> Match {
    let instead = answer.instead.clone().unwrap_or_default();
    let whole: Vec<String> = list
        .value
        .split(',')
        .map(|one| if one == answer.pattern { instead.clone() } else { one.trim().to_owned() })
        .collect();
    let (name, origin) = match list.origin {
        Some(Origin::FallsBackTo(name)) => (name.as_str(), None),
        origin => (list.name, origin),
    };
    let meant = is_meant(answer);
    let base = Match::of(CauseId("F05"), module)
        .verdict(if meant { Verdict::Fail } else { Verdict::Info })
        .sure(if meant { 0.955 } else { 0.4 });
    let base = if meant { base.explains(index) } else { base };
    base.with("module", module)
        .with("pattern", format!("{:?}", answer.pattern))
        .with("instead", &instead)
        .with("name", name)
        .with("set", set(name, &whole.join(","), origin))
        .because(list.evidence())
        .because(Evidence::new("the go command said", &symptom.text, symptom.seen()))
        .not(CauseId("V04"), format!("{name} names it, in a form that does not match"))
        .not(CauseId("P10"), format!("{name} names it, in a form that does not match"))
}

/// `GOPRIVATE` alone makes the go command pass by the proxy that serves the private module.
pub(super) fn private_hides_proxy(facts: &Facts) -> Vec<Match> {
    let Some(private) = known(facts, "GOPRIVATE").filter(|setting| !setting.value.is_empty()) else {
        return Vec::new();
    };
    let own_list = known(facts, "GONOPROXY").is_some_and(|setting| {
        !setting.value.is_empty() && !matches!(setting.origin, Some(Origin::FallsBackTo(_)))
    });
    let proxy = known(facts, "GOPROXY").and_then(|setting| own_proxy(setting.value));
    let (false, Some(proxy)) = (own_list, proxy) else { return Vec::new() };
    let mut found: Vec<Match> = Vec::new();
    for (index, symptom) in facts.symptoms().filter(|(_, symptom)| is_direct(symptom)) {
        let Some(module) = module_of(symptom).filter(|module| match_prefix_patterns(private.value, module))
        else {
            continue;
        };
        let served = served(facts, module);
        let base = Match::of(CauseId("F17"), module)
            .verdict(if served { Verdict::Fail } else { Verdict::Info })
            .sure(if served { 0.96 } else { 0.5 })
            .with("module", module)
            .with("pattern", private.value)
            .with("proxy", &proxy)
            .because(private.evidence())
            .because(Evidence::new("the go command said", &symptom.text, symptom.seen()));
        found.push(if served { base.explains(index) } else { base });
    }
    found
}

/// The first proxy of a chain that is nobody's public one.
fn own_proxy(chain: &str) -> Option<String> {
    let list = ProxyList::parse(chain).ok()?;
    let public = ProxyList::parse(defaults::GOPROXY).ok()?;
    let urls = list.entries().iter().filter_map(|one| match &one.entry {
        Entry::Url(url) if !public.entries().iter().any(|known| known.entry == one.entry) => {
            Some(without_login(url))
        }
        _ => None,
    });
    urls.into_iter().next()
}

/// Reports whether a probe saw a proxy of the chain serve the module.
fn served(facts: &Facts, module: &str) -> bool {
    facts.probes.as_ref().is_some_and(|probes| {
        probes.requests.iter().any(|request| {
            request.entry.is_some()
                && request.module.as_deref() == Some(module)
                && request.checksum_database.is_none()
                && request.status == Some(200)
                && request.trouble.is_none()
        })
    })
}
