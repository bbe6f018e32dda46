//! Chains that end at nobody known. Go says the same words for four causes; the chain itself tells them apart.

use std::collections::{BTreeMap, BTreeSet};

use super::sight::{Sight, is_public_service, owner, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::probe::{CertificateFacts, HostProbe, TlsProbe};
use crate::symptom::Trouble;

/// Makers of programs that look into connections, as their certificates name them.
const INSPECTORS: &[&str] = &[
    "Zscaler",
    "Netskope",
    "Fortinet",
    "FortiGate",
    "Palo Alto",
    "Blue Coat",
    "BlueCoat",
    "Umbrella",
    "Sophos",
    "Kaspersky",
    "ESET",
    "Avast",
    "AVG ",
    "Bitdefender",
    "mitmproxy",
    "Charles Proxy",
    "Fiddler",
    "PortSwigger",
    "Burp",
    "Proxyman",
    "Check Point",
    "McAfee",
    "Skyhigh",
    "Forcepoint",
    "Websense",
    "Barracuda",
    "WatchGuard",
    "SonicWall",
    "Cloudflare for Teams",
    "Gateway CA",
    "Squid",
    "Untangle",
    "Smoothwall",
    "Lightspeed",
    "Securly",
    "SSL Inspection",
    "SSL inspection",
    "TLS Inspection",
    "Decrypt",
    "Intercept",
];

/// Why it is not one of the others, for those who come next.
struct Chain<'a> {
    tls: &'a TlsProbe,
}

impl<'a> Chain<'a> {
    fn of(probe: Option<&'a HostProbe>) -> Option<Self> {
        let tls = probe?.tls.as_ref()?;
        (!tls.chain.is_empty()).then_some(Self { tls })
    }

    /// Whoever signed the last certificate that was sent.
    fn end(&self) -> &'a CertificateFacts {
        self.tls.chain.last().expect("it is not empty")
    }

    fn shown(&self) -> Evidence {
        let words: Vec<String> =
            self.tls.chain.iter().map(|one| format!("{} signed by {}", one.subject, one.issuer)).collect();
        Evidence::new("chain that the server sends", words.join("; "), "probe tls")
    }

    fn inspector(&self) -> Option<&'static str> {
        let says = |mark: &&&str| {
            self.tls.chain.iter().any(|one| one.issuer.contains(**mark) || one.subject.contains(**mark))
        };
        INSPECTORS.iter().find(says).map(|mark| mark.trim())
    }

    fn is_missing_link(&self) -> Option<f32> {
        let [leaf] = self.tls.chain.as_slice() else { return None };
        if leaf.self_signed {
            return None;
        }
        match (self.tls.complete_with_issuer, &leaf.issuer_url) {
            (Some(true), _) => Some(0.96),
            (Some(false), _) | (None, None) => None,
            (None, Some(url)) => {
                let host =
                    url.split_once("://").map_or("", |(_, rest)| rest.split(['/', ':']).next().unwrap_or(""));
                let at_home = leaf.names.iter().any(|name| owner(name) == owner(host));
                let named = host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
                (named && !at_home).then_some(0.86)
            }
        }
    }
}

/// Reports whether no certificate authority is known here, as far as anybody looked.
fn no_authority(sight: &Sight<'_>) -> bool {
    let by_probe = sight.probe.and_then(|probe| probe.tls.as_ref()).and_then(|tls| tls.authorities);
    match (by_probe, &sight.facts.settings) {
        (Some(count), _) => count == 0,
        (None, Some(settings)) => {
            let network = &settings.network;
            network.certificate_authorities.is_none() && network.authorities == 0
                // An empty part of the facts is no fact about them.
                && (network.has_resolv_conf || !network.name_servers.is_empty())
        }
        (None, None) => false,
    }
}

fn unknown<'a>(facts: &'a Facts) -> impl Iterator<Item = Sight<'a>> {
    sights(facts).filter(|sight| matches!(sight.trouble.innermost(), Trouble::UnknownAuthority { .. }))
}

/// Counts the owners of hosts that nobody vouches for.
fn owners(facts: &Facts) -> usize {
    let hosts: BTreeSet<String> =
        unknown(facts).map(|sight| owner(&sight.host())).filter(|owner| !owner.is_empty()).collect();
    hosts.len()
}

/// A company's authority, or nobody's.
pub(super) fn private_authority(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let found = sight.found("N10");
        let found = match sight.trouble.innermost() {
            Trouble::UnknownAuthority { .. } => match Chain::of(sight.probe) {
                Some(chain) => {
                    let end = chain.end();
                    let issuer = if end.issuer.is_empty() { "nobody" } else { &end.issuer };
                    let found = found.sure(0.84).because(chain.shown()).with("issuer", issuer);
                    if end.self_signed {
                        found.not(CauseId("N11"), "the chain ends at a root, so no link is missing")
                    } else {
                        found
                    }
                }
                None => {
                    let sure = if is_public_service(&sight.host()) { 0.5 } else { 0.65 };
                    match candidate(&sight.symptom.text) {
                        Some(name) => found.sure(sure).with("issuer", name).because(Evidence::new(
                            "an authority of that name is known here, with another key",
                            name,
                            sight.symptom.seen(),
                        )),
                        None => found.sure(sure),
                    }
                }
            },
            Trouble::BadCertificate { text } => found.sure(0.55).with("issuer", text),
            _ => return None,
        };
        let found = if sight.symptom.text.contains("proxyconnect") {
            found.with("role", "forward proxy")
        } else {
            found
        };
        Some(found.not(CauseId("N13"), "names are judged before signers, and they fit"))
    };
    sights(facts).filter_map(one).collect()
}

/// Returns the authority that Go tried in vain: `while trying to verify candidate authority certificate "NAME"`.
fn candidate(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("candidate authority certificate \"")?;
    rest.split('"').next().filter(|name| !name.is_empty())
}

/// The server does not send the certificate between its own and the root.
pub(super) fn missing_link(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let chain = Chain::of(sight.probe)?;
        let sure = chain.is_missing_link()?;
        if no_authority(&sight) || chain.inspector().is_some() {
            return None;
        }
        let leaf = chain.end();
        let url = leaf.issuer_url.clone().unwrap_or_default();
        let mut found = sight
            .found("N11")
            .sure(sure)
            .because(chain.shown())
            .because(Evidence::new("certificates that the server sends", "1", "probe tls"))
            .with("issuer", &leaf.issuer)
            .with("issuer_url", &url);
        if chain.tls.complete_with_issuer == Some(true) {
            found = found.because(Evidence::new(
                format!("the chain with the certificate from {url}"),
                "is trusted",
                "probe tls",
            ));
        }
        Some(found.not(CauseId("N10"), "the missing certificate leads to a known authority"))
    };
    unknown(facts).filter_map(one).collect()
}

/// Somebody between looks into connections and signs in the servers' stead.
pub(super) fn inspected(facts: &Facts) -> Vec<Match> {
    let shared = shared_issuers(facts);
    let many = owners(facts) > 1;
    let one = |sight: Sight<'_>| {
        if no_authority(&sight) {
            return None;
        }
        let found = sight.found("N12");
        let Some(chain) = Chain::of(sight.probe) else {
            let sure = match (is_public_service(&sight.host()), many) {
                (true, true) => 0.68,
                (true, false) => 0.62,
                _ => return None,
            };
            return Some(found.sure(sure));
        };
        let issuer = chain.end().issuer.clone();
        let mut found = found.with("issuer", &issuer).because(chain.shown());
        // Whoever inspects does so for all hosts.
        issuer.clone_into(&mut found.about);
        if let Some(maker) = chain.inspector() {
            return Some(found.sure(0.93).because(Evidence::new(
                "maker of the certificate",
                maker,
                "probe tls",
            )));
        }
        if let Some(hosts) = shared.get(&issuer).filter(|hosts| hosts.len() > 1) {
            let hosts = hosts.iter().cloned().collect::<Vec<_>>().join(", ");
            let found = found.because(Evidence::new(
                format!("hosts whose chain ends at {issuer}"),
                hosts,
                "probe tls",
            ));
            return Some(found.sure(0.92).not(CauseId("N10"), "unrelated hosts share this signer"));
        }
        is_public_service(&sight.host()).then(|| {
            found.sure(0.88).not(CauseId("N10"), "this host has a certificate of a public authority")
        })
    };
    unknown(facts).filter_map(one).collect()
}

/// Returns, by the issuer at the end of a chain that nobody knows, the owners of hosts that show it.
fn shared_issuers(facts: &Facts) -> BTreeMap<String, BTreeSet<String>> {
    let mut shared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for probe in facts.probes.iter().flat_map(|probes| &probes.hosts) {
        let nobody = matches!(
            probe.tls.as_ref().and_then(|tls| tls.trouble.as_ref()),
            Some(Trouble::UnknownAuthority { .. })
        );
        if let Some(chain) = Chain::of(Some(probe)).filter(|_| nobody) {
            shared.entry(chain.end().issuer.clone()).or_default().insert(owner(&probe.host));
        }
    }
    shared
}

/// This machine knows no authority at all.
pub(super) fn no_authorities(facts: &Facts) -> Vec<Match> {
    let many = owners(facts) > 1;
    let one = |sight: Sight<'_>| {
        let git = [
            "error setting certificate verify locations",
            "Problem with the SSL CA cert",
            "error adding trust anchors",
        ]
        .iter()
        .any(|words| sight.symptom.says(words));
        let loading =
            sight.symptom.says("failed to load system roots") && !sight.symptom.says("too many open files");
        let is_unknown = matches!(sight.trouble.innermost(), Trouble::UnknownAuthority { .. });
        let sure = if is_unknown && no_authority(&sight) {
            0.97
        } else if git || (loading && is_unknown) {
            0.93
        } else if is_unknown && sight.probe.is_none() && is_public_service(&sight.host()) {
            if many { 0.66 } else { 0.58 }
        } else {
            return None;
        };
        let mut found = sight.found("N14").sure(sure);
        "this machine".clone_into(&mut found.about);
        if no_authority(&sight) {
            found = found
                .because(Evidence::new("certificate authorities of this machine", "none", "probe tls"))
                .not(CauseId("N10"), "no authority is known at all, so none can be missing")
                .not(CauseId("N12"), "no chain could be trusted here");
        }
        let unreadable =
            sight.probe.and_then(|probe| probe.tls.as_ref()).map(|tls| &tls.unreadable_authorities);
        for place in unreadable.into_iter().flatten() {
            found = found.because(Evidence::new(
                "place named in the environment",
                format!("{place} can't be read"),
                "SSL_CERT_FILE, SSL_CERT_DIR",
            ));
        }
        Some(found)
    };
    sights(facts).filter_map(one).collect()
}
