//! What the rules of the network have in common: a symptom beside the probe of its host.

use std::net::IpAddr;

use larder_module::defaults;
use larder_module::hosting::{Told, told_by};

use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::probe::{HostProbe, RequestProbe};
use crate::symptom::{Symptom, Trouble};

/// A symptom, with what is known about its host.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) index: usize,
    pub(super) symptom: &'a Symptom,
    pub(super) trouble: &'a Trouble,
    pub(super) probe: Option<&'a HostProbe>,
    pub(super) facts: &'a Facts,
}

/// Iterates over all symptoms.
pub(super) fn sights(facts: &Facts) -> impl Iterator<Item = Sight<'_>> {
    facts.symptoms().map(move |(index, symptom)| {
        let trouble = &symptom.trouble;
        let probe = host_of(symptom).and_then(|host| probe_of(facts, &host));
        Sight { index, symptom, trouble, probe, facts }
    })
}

fn probe_of<'a>(facts: &'a Facts, host: &str) -> Option<&'a HostProbe> {
    let hosts = &facts.probes.as_ref()?.hosts;
    let named = || hosts.iter().filter(|probe| probe.host.eq_ignore_ascii_case(host));
    named().find(|probe| probe.trouble.is_some()).or_else(|| named().next())
}

/// Returns the name that was asked, without its port: the URL's, or the one that was looked up.
pub(super) fn host_of(symptom: &Symptom) -> Option<String> {
    if let Some(host) = symptom.host() {
        return Some(without_port(host).to_owned());
    }
    match symptom.trouble.innermost() {
        Trouble::NoSuchHost { host, .. }
        | Trouble::ResolverError { host, .. }
        | Trouble::ResolverTimeout { host, .. }
        | Trouble::ResolverUnreachable { host, .. } => Some(host.clone()),
        Trouble::WrongName { wanted, .. } if !wanted.is_empty() => Some(wanted.clone()),
        _ => None,
    }
}

pub(super) fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl<'a> Sight<'a> {
    pub(super) fn host(&self) -> String {
        host_of(self.symptom).unwrap_or_default()
    }

    /// Starts a match about this host, with what was said as its first proof.
    pub(super) fn found(&self, cause: &'static str) -> Match {
        let host = self.host();
        let about = if host.is_empty() { self.address().unwrap_or_default() } else { host.clone() };
        let text =
            if self.symptom.text.is_empty() { self.trouble.words() } else { self.symptom.text.clone() };
        let mut found = Match::of(CauseId(cause), about)
            .explains(self.index)
            .because(Evidence::new("the error", text, self.symptom.seen()))
            .with("host", host);
        let url = self.symptom.url.as_deref().unwrap_or_default();
        found = found.with("url", url).with("port", self.port());
        if let Some(module) = &self.symptom.module {
            found = found.with("module", module);
        }
        if let Some(address) = self.address() {
            found = found.with("ip", without_port(&address)).with("address", address);
        }
        found
    }

    /// Returns the address that the trouble names, with its port.
    pub(super) fn address(&self) -> Option<String> {
        match self.trouble.innermost() {
            Trouble::Unroutable { address, .. }
            | Trouble::ConnectTimeout { address }
            | Trouble::ConnectRefused { address } => Some(address.clone()).filter(|text| !text.is_empty()),
            Trouble::Reset { address: Some(address), .. } => Some(address.clone()),
            _ => self.probe.and_then(|probe| probe.tcp.first()).map(|tried| tried.address.to_string()),
        }
    }

    /// Returns the port that was asked.
    pub(super) fn port(&self) -> String {
        let usual = if self.is_https() { "443" } else { "80" };
        if let Some(authority) = self.symptom.host() {
            let named =
                authority.rsplit_once(':').filter(|(host, _)| host.ends_with(']') || !host.contains(':'));
            return named.map_or(usual, |(_, port)| port).to_owned();
        }
        let connected =
            self.address().and_then(|address| address.rsplit_once(':').map(|(_, port)| port.to_owned()));
        connected.unwrap_or_else(|| usual.to_owned())
    }

    /// Reports whether the connection was to another port than the URL's: to that of a forward proxy, then.
    pub(super) fn is_to_other_port(&self) -> bool {
        let connected =
            self.address().and_then(|address| address.rsplit_once(':').map(|(_, port)| port.to_owned()));
        self.symptom.host().is_some() && connected.is_some_and(|port| port != self.port())
    }

    pub(super) fn is_https(&self) -> bool {
        self.symptom.url.as_deref().is_none_or(|url| url.starts_with("https:"))
    }

    /// Returns the address's IP where the trouble names one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        without_port(&self.address()?).parse().ok()
    }

    /// Returns what the name servers said, as proof.
    pub(super) fn answers(&self) -> Vec<Evidence> {
        let dns = self.probe.map(|probe| probe.dns.as_slice()).unwrap_or_default();
        dns.iter()
            .take(8)
            .map(|one| {
                let over = if one.tcp { " over TCP" } else { "" };
                let what = format!("{} about {} {}{over}", one.server, one.name, one.question);
                let addresses = one.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let value = match (one.outcome.as_str(), addresses.is_empty()) {
                    ("NOERROR", true) => "NOERROR, no address".to_owned(),
                    (outcome, true) => outcome.to_owned(),
                    (outcome, false) => format!("{outcome}: {addresses}"),
                };
                Evidence::new(what, format!("{value} ({} ms)", one.milliseconds), "probe dns")
            })
            .collect()
    }

    /// Returns the request that met this.
    pub(super) fn request(&self) -> Option<&'a RequestProbe> {
        let url = self.symptom.url.as_deref()?;
        self.facts.probes.as_ref()?.requests.iter().find(|request| request.url == url)
    }

    /// Returns a host that could be reached from here, as the other half of a proof.
    pub(super) fn reached_elsewhere(&self) -> Option<&'a HostProbe> {
        let own = self.host();
        self.facts.probes.as_ref()?.hosts.iter().find(|probe| {
            probe.host != own
                && probe.forward_proxy.is_none()
                && probe.tcp.iter().any(|one| one.trouble.is_none())
        })
    }
}

/// Adds several proofs.
pub(super) fn all_of(mut found: Match, evidence: impl IntoIterator<Item = Evidence>) -> Match {
    for one in evidence {
        found = found.because(one);
    }
    found
}

/// Reports whether a host is one that everybody's authorities know: Go's own services, and code hosts that go knows by name.
pub(super) fn is_public_service(host: &str) -> bool {
    let proxy = defaults::GOPROXY.split([',', '|']).next().unwrap_or_default();
    let proxy = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    [proxy, defaults::GOSUMDB, defaults::GOSUMDB_ALIAS].contains(&host)
        || matches!(told_by(&format!("{host}/a/b")), Told::Everything { .. })
}

/// Returns the part of a name that belongs to one owner, roughly: its last two labels.
pub(super) fn owner(host: &str) -> String {
    let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
}
