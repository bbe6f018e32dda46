//! Names and their addresses.

use std::net::IpAddr;

use super::sight::{Sight, all_of, is_public_service, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::symptom::Trouble;

/// Collects what a rule finds in troubles that are not a forward proxy's.
fn each<'a>(facts: &'a Facts, decide: impl Fn(Sight<'a>) -> Option<Match>) -> Vec<Match> {
    sights(facts).filter_map(decide).collect()
}

fn server_of(sight: &Sight<'_>) -> String {
    match sight.trouble {
        Trouble::NoSuchHost { server, .. }
        | Trouble::ResolverError { server, .. }
        | Trouble::ResolverTimeout { server, .. }
        | Trouble::ResolverUnreachable { server, .. } => server.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Starts a match about a look-up.
fn about(sight: &Sight<'_>, cause: &'static str, host: &str) -> Match {
    let server = server_of(sight);
    let mut found = sight.found(cause);
    host.clone_into(&mut found.about);
    let ip = super::sight::without_port(&server).to_owned();
    let servers = sight.facts.settings.as_ref().map(|settings| &settings.network.name_servers);
    if let Some(servers) = servers.filter(|servers| !servers.is_empty()) {
        let list = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        found = found.because(Evidence::new("name servers", list, "/etc/resolv.conf"));
    }
    let found = all_of(found, sight.answers());
    found.with("host", host).with("server", server).with("server_ip", ip)
}

/// A resolver says that the name has no address.
pub(super) fn no_such_host(facts: &Facts) -> Vec<Match> {
    each(facts, |sight| {
        let Trouble::NoSuchHost { host, .. } = sight.trouble else { return None };
        let known = sight.probe.is_some_and(|probe| probe.dns.iter().any(|one| !one.addresses.is_empty()));
        let found = about(&sight, "N01", host)
            .sure(0.9)
            .not(CauseId("N02"), "the name server answered, and its answer is that there is no such name")
            .not(CauseId("N03"), "the name server answered");
        Some(if known {
            found.because(Evidence::new("another name server", "knows an address", "probe dns"))
        } else {
            found
        })
    })
}

/// A resolver says that it can't tell.
pub(super) fn server_error(facts: &Facts) -> Vec<Match> {
    each(facts, |sight| {
        let Trouble::ResolverError { host, .. } = sight.trouble else { return None };
        let found = about(&sight, "N02", host).sure(0.9);
        Some(found.not(CauseId("N01"), "the name server did not say that the name is absent"))
    })
}

/// A resolver says nothing.
pub(super) fn silent_server(facts: &Facts) -> Vec<Match> {
    each(facts, |sight| {
        let Trouble::ResolverTimeout { host, .. } = sight.trouble else { return None };
        let found = by_server(about(&sight, "N03", host).sure(0.9));
        Some(found.not(CauseId("N07"), "the look-up got no answer; no connection was tried"))
    })
    .into_iter()
    .chain(slow_servers(facts))
    .collect()
}

/// A silent server silences every name: it is found once.
fn by_server(mut found: Match) -> Match {
    if let Some(server) = found.values.get("server").filter(|server| !server.is_empty()) {
        found.about.clone_from(server);
    }
    found
}

/// A silent server before one that answers makes every look-up slow, though none fails.
fn slow_servers(facts: &Facts) -> impl Iterator<Item = Match> {
    let hosts = facts.probes.iter().flat_map(|probes| &probes.hosts);
    hosts.filter(|probe| probe.trouble.is_none()).flat_map(|probe| {
        let answered = probe.dns.iter().any(|one| !one.addresses.is_empty() && one.server != "hosts file");
        let silent = probe.dns.iter().filter(move |one| answered && !one.tcp && one.outcome == "timeout");
        silent.map(|one| {
            Match::of(CauseId("N03"), &one.server)
                .verdict(Verdict::Warn)
                .sure(0.8)
                .with("host", &probe.host)
                .with("server", &one.server)
                .with("server_ip", super::sight::without_port(&one.server))
                .because(Evidence::new(
                    format!("{} about {} {}", one.server, one.name, one.question),
                    format!("timeout ({} ms); another name server answers", one.milliseconds),
                    "probe dns",
                ))
        })
    })
}

/// No resolver can be reached.
pub(super) fn no_server(facts: &Facts) -> Vec<Match> {
    each(facts, |sight| {
        let Trouble::ResolverUnreachable { host, server, text } = sight.trouble else { return None };
        let server = server.as_deref().unwrap_or_default();
        let unnamed = server.starts_with("[::1]") || text.contains("[::1]:53");
        let reason = if unnamed {
            "no name server is set, so go asks this machine, and nothing listens here"
        } else if text.contains("refused") {
            "nothing listens there"
        } else {
            "there is no way to it"
        };
        let found = by_server(about(&sight, "N04", host).sure(0.92).with("reason", reason));
        Some(found.not(CauseId("N03"), "the failure is immediate, not silence"))
    })
}

/// A name leads to an address that is not its own.
pub(super) fn wrong_address(facts: &Facts) -> Vec<Match> {
    each(facts, |sight| {
        let host = sight.host();
        if host.is_empty()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok()
            || host.ends_with(".localhost")
        {
            return None;
        }
        let (sure, proof) = match sight.trouble {
            Trouble::ConnectRefused { .. } | Trouble::ConnectTimeout { .. } | Trouble::Unroutable { .. } => {
                elsewhere(&sight, &host).or_else(|| nowhere(&sight, &host))?
            }
            Trouble::WrongName { .. } | Trouble::CommonNameOnly => {
                elsewhere(&sight, &host).or_else(|| strangers(&sight, &host))?
            }
            _ => return None,
        };
        let found = all_of(sight.found("N05").sure(sure).because(proof), sight.answers());
        Some(found.not(CauseId("N09"), "the address itself is the fault, not what listens there"))
    })
}

/// The name leads to this machine or to nothing, which no public name does.
fn nowhere(sight: &Sight<'_>, host: &str) -> Option<(f32, Evidence)> {
    let ip = sight.ip().filter(|_| !sight.is_to_other_port())?;
    let local = ip.is_loopback() || ip.is_unspecified();
    let private = matches!(ip, IpAddr::V4(four) if four.is_private() || four.is_link_local());
    let sure = if local {
        0.86
    } else if private && is_public_service(host) {
        0.87
    } else {
        return None;
    };
    Some((sure, Evidence::new(format!("address of {host}"), ip.to_string(), sight.symptom.seen())))
}

/// A line of the hosts file or a search domain decided, and the name servers know better.
fn elsewhere(sight: &Sight<'_>, host: &str) -> Option<(f32, Evidence)> {
    let dns = &sight.probe?.dns;
    let settings = sight.facts.settings.as_ref();
    let line = settings
        .and_then(|settings| settings.network.hosts.iter().find(|(name, _)| name.eq_ignore_ascii_case(host)))
        .map(|(_, address)| *address);
    let listed = dns.iter().find(|one| one.server == "hosts file" && !one.addresses.is_empty());
    let listed = listed.map(|one| one.addresses.clone()).or_else(|| line.map(|address| vec![address]));
    let served: Vec<IpAddr> =
        dns.iter().filter(|one| one.server != "hosts file").flat_map(|one| one.addresses.clone()).collect();
    if let Some(listed) = listed {
        let differs = !served.is_empty() && listed.iter().all(|address| !served.contains(address));
        let value = listed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let sure = if differs { 0.94 } else { 0.87 };
        return Some((sure, Evidence::new(format!("line of {host}"), value, "/etc/hosts")));
    }
    let suffixed = dns.iter().find(|one| {
        !one.addresses.is_empty() && !one.name.is_empty() && !one.name.eq_ignore_ascii_case(host)
    })?;
    let absent =
        dns.iter().filter(|one| one.name.eq_ignore_ascii_case(host)).all(|one| one.addresses.is_empty());
    absent.then(|| {
        (
            0.9,
            Evidence::new(format!("name that has the address of {host}"), suffixed.name.clone(), "probe dns"),
        )
    })
}

/// Whoever answers for one of Go's public services has a certificate of somebody else.
fn strangers(sight: &Sight<'_>, host: &str) -> Option<(f32, Evidence)> {
    let Trouble::WrongName { valid_for, .. } = sight.trouble else { return None };
    is_public_service(host).then(|| {
        (
            0.88,
            Evidence::new(
                format!("certificate at the address of {host}"),
                format!("for {valid_for}"),
                sight.symptom.seen(),
            ),
        )
    })
}
