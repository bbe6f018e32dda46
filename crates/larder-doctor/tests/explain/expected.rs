//! What an explanation says will happen, given how everybody answers.

use std::collections::BTreeMap;

use larder_doctor::explain::{ChecksumRoute, Decision, Explanation, Login, Route, Station, Whom};

use crate::recorder::{Event, Manners};

enum Outcome {
    Served,
    Absent,
    Failed,
}

/// Returns who will be asked, in order.
pub(crate) fn events(
    explanation: &Explanation,
    manners: &BTreeMap<String, Manners>,
    tree: &str,
) -> Vec<Event> {
    let mut events = Vec::new();
    let Route::Asked { stations, .. } = &explanation.route else { return events };
    for station in stations {
        let mut outcome = ask(explanation, station, manners, tree, &mut events);
        if matches!(outcome, Outcome::Served) && explanation.checksum != ChecksumRoute::NotAsked {
            // Nobody here knows a hash, and what can't be checked is a failure of the entry that it came from.
            checksum(explanation, manners, &mut events);
            outcome = Outcome::Failed;
        }
        match outcome {
            Outcome::Served => break,
            Outcome::Absent if station.after_absence => {}
            Outcome::Failed if station.after_failure => {}
            Outcome::Absent | Outcome::Failed => break,
        }
    }
    let mut seen = Vec::new();
    for event in events {
        if !seen.contains(&event) {
            seen.push(event);
        }
    }
    seen
}

fn ask(
    explanation: &Explanation,
    station: &Station,
    manners: &BTreeMap<String, Manners>,
    tree: &str,
    events: &mut Vec<Event>,
) -> Outcome {
    let url = match &station.whom {
        Whom::Proxy(url) => url,
        Whom::Off => return Outcome::Absent,
        Whom::Direct => {
            direct(explanation, events);
            return Outcome::Failed;
        }
    };
    if let Some(folder) = url.strip_prefix("file://") {
        return if folder == tree { Outcome::Served } else { Outcome::Absent };
    }
    let host = host(url);
    if is_refused(explanation, &host) {
        return Outcome::Failed;
    }
    if url.starts_with("https:") {
        events.push(Event::Tunnel(host));
        return Outcome::Failed;
    }
    events.push(Event::Module(host.clone()));
    by_status(manners.get(&host).map_or(404, |one| one.module))
}

/// A login that is not sent without TLS fails before anybody is asked.
fn is_refused(explanation: &Explanation, wanted: &str) -> bool {
    explanation.steps.iter().any(
        |step| matches!(&step.decision, Decision::Login { host, login: Login::UrlRefused } if host == wanted),
    )
}

fn by_status(status: u16) -> Outcome {
    match status {
        200 => Outcome::Served,
        404 | 410 => Outcome::Absent,
        _ => Outcome::Failed,
    }
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn direct(explanation: &Explanation, events: &mut Vec<Event>) {
    let decisions = || explanation.steps.iter().map(|step| &step.decision);
    let refused = decisions().any(|one| {
        matches!(
            one,
            Decision::BadVersionControlRules { .. }
                | Decision::VersionControl { system: Some(_), allowed: false, .. }
        )
    });
    for decision in decisions() {
        match decision {
            Decision::Repository { host, .. } if !refused => events.push(Event::Tunnel(host.clone())),
            Decision::GoImport { url, .. } => {
                events.push(Event::Tunnel(host(url)));
                if decisions().any(|one| matches!(one, Decision::Insecure { .. })) {
                    events.push(Event::Page(host(url)));
                }
            }
            _ => {}
        }
    }
}

fn checksum(explanation: &Explanation, manners: &BTreeMap<String, Manners>, events: &mut Vec<Event>) {
    let (name, proxies, ends_in_direct) = match &explanation.checksum {
        ChecksumRoute::NotAsked | ChecksumRoute::Refused => return,
        ChecksumRoute::At { url, .. } => {
            let host = host(url);
            events.push(if url.starts_with("https:") { Event::Tunnel(host) } else { Event::Database(host) });
            return;
        }
        ChecksumRoute::Through { name, proxies, ends_in_direct } => (name, proxies, *ends_in_direct),
    };
    let mut failed = false;
    for station in proxies {
        let Whom::Proxy(url) = &station.whom else { continue };
        let host = host(url);
        let outcome = if url.starts_with("file:") {
            Outcome::Absent
        } else if is_refused(explanation, &host) {
            Outcome::Failed
        } else if url.starts_with("https:") {
            events.push(Event::Tunnel(host.clone()));
            Outcome::Failed
        } else {
            events.push(Event::Supported(host.clone()));
            by_status(manners.get(&host).map_or(404, |one| one.supported))
        };
        match outcome {
            Outcome::Served => return events.push(Event::Lookup(host)),
            Outcome::Absent => {}
            Outcome::Failed if station.after_failure => failed = true,
            Outcome::Failed => return,
        }
    }
    if ends_in_direct || !failed {
        events.push(Event::Tunnel(name.clone()));
    }
}
