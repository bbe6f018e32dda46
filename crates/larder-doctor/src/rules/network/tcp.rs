//! Routes and connections.

use super::sight::{Sight, all_of, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

/// Returns what each attempt to connect met, as proof.
fn attempts(sight: &Sight<'_>) -> Vec<Evidence> {
    let tcp = sight.probe.map(|probe| probe.tcp.as_slice()).unwrap_or_default();
    tcp.iter()
        .take(6)
        .map(|one| {
            let outcome = one.trouble.as_ref().map_or_else(|| "connected".to_owned(), Trouble::words);
            let route = one.route.as_ref().map(|route| format!("; route: {route}")).unwrap_or_default();
            Evidence::new(
                format!("connection to {}", one.address),
                format!("{outcome} ({} ms{route})", one.milliseconds),
                "probe tcp",
            )
        })
        .collect()
}

/// Adds a host that can be reached, where one is known: it tells this fault from one of the whole network.
fn beside(found: Match, sight: &Sight<'_>) -> Match {
    let Some(other) = sight.reached_elsewhere() else { return found };
    let time = other.tcp.iter().find(|one| one.trouble.is_none()).map_or(0, |one| one.milliseconds);
    found.because(Evidence::new(
        format!("connection to {}", other.host),
        format!("works ({time} ms)"),
        "probe tcp",
    ))
}

/// The kernel has no way to send.
pub(super) fn no_route(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let (sure, text) = match sight.trouble {
            Trouble::Unroutable { text, .. } => (0.9, text.clone()),
            // A route that is prohibited and a socket that is forbidden read alike.
            Trouble::SocketDenied { text } if text.contains("connect: permission denied") => {
                match route(&sight) {
                    Some("there is one") => return None,
                    Some(words) => (0.9, format!("route: {words}")),
                    None => (0.55, text.clone()),
                }
            }
            _ => return None,
        };
        let family =
            if sight.address().is_some_and(|address| address.starts_with('[')) { "IPv6" } else { "IPv4" };
        let found = all_of(sight.found("N06").sure(sure), attempts(&sight));
        let only_six = family == "IPv6" && has_only_six(&sight);
        let reason = if only_six {
            "the name has IPv6 addresses only, and there is no way to them"
        } else {
            reason(&text)
        };
        let found = found.with("reason", reason).with("family", family);
        Some(beside(found, &sight).not(CauseId("N07"), "the kernel refused at once; nothing was sent"))
    };
    sights(facts).filter_map(one).collect()
}

/// Reports whether name servers know no IPv4 address of this host.
fn has_only_six(sight: &Sight<'_>) -> bool {
    let known: Vec<_> =
        sight.probe.iter().flat_map(|probe| &probe.dns).flat_map(|answer| &answer.addresses).collect();
    !known.is_empty() && known.iter().all(|address| address.is_ipv6())
}

fn route<'a>(sight: &Sight<'a>) -> Option<&'a str> {
    sight.probe?.tcp.iter().find_map(|one| one.route.as_deref())
}

fn reason(text: &str) -> &'static str {
    if text.contains("no route to host") {
        "no route to host (an unreachable route, a dead neighbour, or a firewall that says so)"
    } else if text.contains("permission denied") {
        "a prohibited route"
    } else if text.contains("invalid argument") {
        "a blackhole route"
    } else {
        "network is unreachable"
    }
}

/// Packets vanish.
pub(super) fn dropped(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::ConnectTimeout { .. } = sight.trouble else { return None };
        let sure = if sight.reached_elsewhere().is_some() { 0.9 } else { 0.85 };
        let found = all_of(sight.found("N07").sure(sure), attempts(&sight));
        let found = found
            .not(CauseId("N03"), "the name was looked up; the connection got no answer")
            .not(CauseId("N09"), "a closed port answers at once");
        Some(beside(found, &sight))
    };
    sights(facts).filter_map(one).collect()
}

/// Nothing listens.
pub(super) fn refused(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::ConnectRefused { .. } = sight.trouble else { return None };
        let found = all_of(sight.found("N09").sure(0.85), attempts(&sight));
        Some(found.not(CauseId("N07"), "the refusal came at once, so packets arrive"))
    };
    sights(facts).filter_map(one).collect()
}

/// This machine forbids it, or has no descriptor left.
pub(super) fn denied_here(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let (sure, reason) = match sight.trouble.innermost() {
            Trouble::TooManyFiles { .. } => (0.93, "too many open files"),
            Trouble::SocketDenied { text } if text.contains("socket:") => (0.92, "a socket may not be made"),
            Trouble::SocketDenied { text } if text.contains("not permitted") => {
                (0.88, "operation not permitted")
            }
            Trouble::SocketDenied { .. } => match route(&sight) {
                Some("there is one") => (0.9, "a connection may not be made"),
                Some(_) => return None,
                None => (0.6, "a connection may not be made"),
            },
            _ if sight.symptom.says("too many open files") => (0.93, "too many open files"),
            _ if sight.symptom.says("epollcreate failed with") => (0.9, "too many open files"),
            _ => return None,
        };
        let mut found = all_of(sight.found("N27").sure(sure).with("reason", reason), attempts(&sight));
        // It is one fault of one machine, whatever host was asked.
        "this machine".clone_into(&mut found.about);
        let no_descriptors = reason == "too many open files";
        if no_descriptors {
            found.explains.extend(look_alikes(facts));
        }
        Some(match sight.trouble.innermost() {
            _ if no_descriptors => found
                .not(
                    CauseId("N14"),
                    "the certificate authorities could not be opened, which says nothing about them",
                )
                .not(CauseId("V13"), "the file may be written; there is no descriptor to open it with"),
            _ => found.not(CauseId("N07"), "the call itself was refused"),
        })
    };
    sights(facts).filter_map(one).collect()
}

/// Without descriptors go can't read resolv.conf, hosts or certificates, and says what follows from that.
fn look_alikes(facts: &Facts) -> impl Iterator<Item = usize> {
    sights(facts)
        .filter(|sight| {
            matches!(
                sight.trouble.innermost(),
                Trouble::NoSuchHost { .. }
                    | Trouble::ResolverError { .. }
                    | Trouble::ResolverUnreachable { .. }
                    | Trouble::UnknownAuthority { .. }
            )
        })
        .map(|sight| sight.index)
}
