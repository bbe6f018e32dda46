//! Certificates for other names and other times.

use std::collections::BTreeSet;
use std::net::IpAddr;

use larder_module::time::Timestamp;

use super::sight::{Sight, owner, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

/// The first Go with modules as they are came out then: no clock that is right shows less while one of them runs.
const BEFORE_MODULES: &str = "2018-08-24T00:00:00Z";
/// A clock that is wrong by less does not matter.
const TOLERATED: i64 = 300;

/// The certificate is for other names, or has its name where nobody looks any more.
pub(super) fn wrong_name(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let (names, reason) = match sight.trouble.innermost() {
            Trouble::WrongName { valid_for, wanted }
                if valid_for.is_empty() && wanted.parse::<IpAddr>().is_ok() =>
            {
                (
                    String::new(),
                    format!("the URL has the address {wanted}, and the certificate names no address"),
                )
            }
            Trouble::WrongName { valid_for, .. } if valid_for.is_empty() => {
                (String::new(), "it names no host at all".to_owned())
            }
            Trouble::WrongName { valid_for, .. } => {
                let names = few(valid_for);
                (names.clone(), format!("it is for {names}"))
            }
            Trouble::CommonNameOnly => {
                (String::new(), "its name stands in the legacy Common Name field only".to_owned())
            }
            _ => return None,
        };
        let found = sight.found("N13").sure(0.85).with("names", names).with("reason", reason);
        Some(found.not(CauseId("N10"), "the names were judged first, and they don't fit"))
    };
    sights(facts).filter_map(one).collect()
}

/// Returns the first of many names.
fn few(names: &str) -> String {
    let all: Vec<&str> = names.split(", ").collect();
    match all.len() {
        0..=5 => names.to_owned(),
        count => format!("{} and {} more", all[..4].join(", "), count - 4),
    }
}

/// What is known about the clock of this machine.
enum Clock {
    /// Off by so many seconds (theirs minus ours).
    Off(i64, String),
    Right(String),
    Unknown,
}

fn clock(facts: &Facts) -> Clock {
    let Some(probes) = &facts.probes else { return Clock::Unknown };
    let of_hosts = probes.hosts.iter().filter_map(|probe| Some((probe.host.clone(), probe.clock_offset?)));
    let mut offsets: Vec<(String, i64)> = probes.clock_offsets.iter().cloned().chain(of_hosts).collect();
    offsets.sort_by_key(|(_, offset)| offset.abs());
    match offsets.get(offsets.len() / 2) {
        None => Clock::Unknown,
        Some((host, offset)) if offset.abs() > TOLERATED => Clock::Off(*offset, host.clone()),
        Some((host, _)) => Clock::Right(host.clone()),
    }
}

/// Counts the owners of hosts whose certificates don't fit the time.
fn owners(facts: &Facts) -> usize {
    let hosts: BTreeSet<String> = sights(facts)
        .filter(|sight| matches!(sight.trouble.innermost(), Trouble::NotInValidity { .. }))
        .map(|sight| owner(&sight.host()))
        .filter(|owner| !owner.is_empty())
        .collect();
    hosts.len()
}

fn seconds(text: &str) -> Option<i64> {
    Timestamp::parse_rfc3339(text).map(Timestamp::unix)
}

/// Reports whether the certificate would be valid at another time.
fn fits_at(limit: &str, after: bool, time: i64) -> bool {
    seconds(limit).is_some_and(|limit| if after { time <= limit } else { time >= limit })
}

fn start(sight: &Sight<'_>, cause: &'static str) -> Option<(Match, String, String, bool)> {
    let Trouble::NotInValidity { now, limit, after } = sight.trouble.innermost() else { return None };
    let mut found = sight.found(cause).with("now", now).with("limit", limit);
    if !now.is_empty() {
        found = found.because(Evidence::new("clock of this machine", now, sight.symptom.seen()));
    }
    let what = if *after { "the certificate ended" } else { "the certificate begins" };
    if !limit.is_empty() {
        found = found.because(Evidence::new(what, limit, sight.symptom.seen()));
    }
    Some((found, now.clone(), limit.clone(), *after))
}

/// The clock of this machine is wrong.
pub(super) fn wrong_clock(facts: &Facts) -> Vec<Match> {
    let many = owners(facts) > 1;
    let clock = clock(facts);
    let one = |sight: Sight<'_>| {
        let (mut found, now, limit, after) = start(&sight, "N15")?;
        // One clock is wrong for all hosts.
        "this machine".clone_into(&mut found.about);
        let found = match &clock {
            Clock::Off(offset, host) => {
                let ours = seconds(&now)?;
                let sure = if fits_at(&limit, after, ours + offset) { 0.96 } else { 0.5 };
                found.sure(sure).because(Evidence::new(
                    format!("clock of {host}"),
                    format!("{offset} s from ours"),
                    "Date header",
                ))
            }
            Clock::Right(_) => return None,
            Clock::Unknown if seconds(&now)? < seconds(BEFORE_MODULES)? => found
                .sure(0.95)
                .not(CauseId("N16"), "no go command with modules existed at the time of this clock"),
            Clock::Unknown if many => {
                found.sure(0.85).because(Evidence::new("hosts with this error", "several, unrelated", "log"))
            }
            Clock::Unknown if !after => found.sure(0.8),
            Clock::Unknown => found.sure(0.45),
        };
        Some(found.not(CauseId("N16"), "another time would do"))
    };
    sights(facts).filter_map(one).collect()
}

/// The certificate's time is over (or has not come), and the clock is right as far as anybody knows.
pub(super) fn expired(facts: &Facts) -> Vec<Match> {
    let many = owners(facts) > 1;
    let clock = clock(facts);
    let one = |sight: Sight<'_>| {
        let (found, _, limit, after) = start(&sight, "N16")?;
        let reason = if after { format!("ended {limit}") } else { format!("begins only {limit}") };
        let found = found.with("reason", reason);
        let found = match &clock {
            Clock::Off(..) => return None,
            Clock::Right(host) => {
                let agrees = Evidence::new(format!("clock of {host}"), "agrees with ours", "Date header");
                found.sure(0.95).because(agrees).not(CauseId("N15"), "the clock agrees with that of a peer")
            }
            Clock::Unknown if after && !many => found.sure(0.8),
            Clock::Unknown => found.sure(0.4),
        };
        Some(found)
    };
    sights(facts).filter_map(one).collect()
}
