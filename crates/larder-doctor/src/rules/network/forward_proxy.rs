//! The forward proxy between here and everything else.

use super::sight::{Sight, sights, without_port};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

/// Returns the forward proxy's URL: the probe's, or that of the variable that is set.
fn proxy_of(sight: &Sight<'_>) -> Option<(String, &'static str)> {
    if let Some(proxy) = sight.probe.and_then(|probe| probe.forward_proxy.clone()) {
        return Some((proxy, "probe forward proxy"));
    }
    let settings = sight.facts.settings.as_ref()?;
    let names = if sight.is_https() { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    settings
        .network
        .proxy_variables
        .iter()
        .find(|(name, value)| names.contains(&name.as_str()) && !value.is_empty())
        .map(|(_, value)| (without_login(value), "environment"))
}

/// Takes a login out of the text of a URL.
fn without_login(value: &str) -> String {
    let (scheme, rest) = value.split_once("://").map_or(("", value), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

fn found(sight: &Sight<'_>, cause: &'static str) -> Match {
    let mut found = sight.found(cause);
    let variable = if sight.is_https() { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    found = found.with("variable", variable);
    if let Some((proxy, source)) = proxy_of(sight) {
        let bare =
            proxy.split_once("://").map_or(proxy.as_str(), |(_, rest)| rest).trim_end_matches('/').to_owned();
        found = found
            .because(Evidence::new("forward proxy", &proxy, source))
            .with("proxy", &proxy)
            .with("proxy_address", bare);
    } else if let Some(address) = sight.address().or_else(|| looked_up(sight)) {
        found = found.with("proxy", &address).with("proxy_address", address);
    }
    if let Some((code, said)) = sight.probe.and_then(|probe| probe.connect.as_ref()) {
        found = found.because(Evidence::new(
            "answer to CONNECT",
            format!("{code} {said}"),
            "probe forward proxy",
        ));
    }
    // One forward proxy stands before many hosts: the fault is found once.
    let about = found.values.get("proxy").cloned();
    found.about = about.filter(|about| !about.is_empty()).unwrap_or_else(|| "forward proxy".to_owned());
    found
}

fn looked_up(sight: &Sight<'_>) -> Option<String> {
    match sight.trouble.innermost() {
        Trouble::NoSuchHost { host, .. }
        | Trouble::ResolverError { host, .. }
        | Trouble::ResolverTimeout { host, .. }
        | Trouble::ResolverUnreachable { host, .. } => Some(host.clone()),
        _ => None,
    }
}

/// A look-up of something that is no name of a host: the value of the variable was misread.
fn misread(sight: &Sight<'_>) -> Option<String> {
    let host = looked_up(sight)?;
    let scheme = ["http", "https", "socks", "socks5", "socks5h", "ftp", "tcp"].contains(&host.as_str());
    let (proxy, _) = proxy_of(sight).unwrap_or_default();
    let is_scheme = proxy.split_once("://").is_some_and(|(scheme, _)| scheme == host);
    (scheme || is_scheme || host.contains("//")).then_some(host)
}

/// The forward proxy can't be reached.
pub(super) fn dead(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let inner = match sight.trouble {
            Trouble::ForwardProxy { inner } => inner.innermost(),
            // What is connected to is not what the URL says, so it stands between.
            other @ (Trouble::ConnectRefused { .. } | Trouble::ConnectTimeout { .. })
                if sight.is_to_other_port() =>
            {
                other
            }
            _ => return None,
        };
        let (sure, reason) = match inner {
            _ if misread(&sight).is_some() => return None,
            Trouble::NotTls { .. } | Trouble::UnknownAuthority { .. } | Trouble::WrongName { .. } => {
                return None;
            }
            Trouble::NotInValidity { .. } | Trouble::CommonNameOnly | Trouble::SocketDenied { .. } => {
                return None;
            }
            Trouble::TooManyFiles { .. } | Trouble::BadAnswer { .. } => return None,
            Trouble::NoSuchHost { .. } => (0.93, "its name has no address"),
            Trouble::ResolverError { .. }
            | Trouble::ResolverTimeout { .. }
            | Trouble::ResolverUnreachable { .. } => (0.85, "its name can't be looked up"),
            Trouble::ConnectRefused { .. } => (0.95, "nothing listens at its address"),
            Trouble::ConnectTimeout { .. } => (0.93, "its address does not answer"),
            Trouble::Unroutable { .. } => (0.9, "there is no route to it"),
            Trouble::Stalled { .. } => (0.85, "it takes the connection and says nothing"),
            Trouble::NotHttp { .. } => (0.85, "what listens there is no HTTP proxy"),
            _ => (0.75, "it breaks off the connection"),
        };
        let found = found(&sight, "N20").sure(sure).with("reason", reason);
        Some(found.not(CauseId("N09"), "the address is the forward proxy's, not the module proxy's"))
    };
    sights(facts).filter_map(one).collect()
}

/// TLS is spoken to a forward proxy that speaks plain HTTP, or the variable's value is no URL.
pub(super) fn wrong_scheme(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::ForwardProxy { inner } = sight.trouble else { return None };
        if let Some(host) = misread(&sight) {
            let reason = format!("its value is malformed: go looked for a host named {host}");
            return Some(found(&sight, "N21").sure(0.94).with("reason", reason));
        }
        let Trouble::NotTls { .. } = **inner else { return None };
        let found = found(&sight, "N21").sure(0.96);
        Some(
            found
                .with(
                    "reason",
                    "its value begins with https://, and the proxy speaks plain HTTP at that port",
                )
                .not(CauseId("N10"), "no certificate was ever sent"),
        )
    };
    sights(facts).filter_map(one).collect()
}

/// The forward proxy wants a login.
pub(super) fn wants_login(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let said = match sight.trouble.innermost() {
            Trouble::ConnectDenied { code: Some(407), .. } | Trouble::Status { code: 407 } => 0.96,
            Trouble::ConnectDenied { code: None, text } if text.contains("Proxy Authentication") => 0.95,
            Trouble::ConnectDenied { code: None, text } if text.contains("authentication") => 0.9,
            _ => return None,
        };
        let mut found = found(&sight, "N22").sure(said);
        let offers =
            sight.probe.and_then(|probe| probe.connect.as_ref()).map_or("", |(_, words)| words.as_str());
        if !offers.is_empty() && !offers.contains("Basic") && offers.contains("Proxy-Authenticate") {
            found = found.because(Evidence::new(
                "ways to log in that go knows",
                "none of those that the proxy offers (go does Basic only)",
                "probe forward proxy",
            ));
        }
        Some(found.not(CauseId("P06"), "407 is the forward proxy's word; a module proxy says 401"))
    };
    sights(facts).filter_map(one).collect()
}

/// The forward proxy refuses to connect to this host.
pub(super) fn denies(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::ConnectDenied { code, text } = sight.trouble.innermost() else { return None };
        if *code == Some(407) || text.contains("uthentication") {
            return None;
        }
        let mut found = found(&sight, "N23");
        let host = sight.host();
        found.about = if host.is_empty() { without_port(&found.about).to_owned() } else { host };
        let code = code.map(|code| code.to_string()).unwrap_or_default();
        let sure = if code.is_empty() { 0.7 } else { 0.93 };
        let found = found.sure(sure).with("code", code).with("text", text);
        Some(found.not(CauseId("P09"), "a module proxy's refusal is printed as `reading URL: 403`"))
    };
    sights(facts).filter_map(one).collect()
}
