//! Forward proxies that are set and not used, or used and not meant.

use larder_module::goproxy::{Entry, ProxyList};
use larder_upstream::{ForwardProxy, ForwardProxySettings};
use url::Url;

use super::intent::{Known, is_unreachable, proxy_variable};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::rules::sayings::said;
use crate::symptom::{Symptom, Trouble};

/// A forward proxy is set in a way that Go does not look at.
pub(super) fn not_applied(facts: &Facts) -> Vec<Match> {
    let mut found = said(facts, "N24", &[("refusing to use HTTP_PROXY value in CGI environment", 0.97)]);
    found.extend(in_cgi(facts));
    if proxy_variable(facts, ["HTTPS_PROXY", "https_proxy"]).is_none() {
        let other = proxy_variable(facts, ["ALL_PROXY", "all_proxy"])
            .or_else(|| proxy_variable(facts, ["HTTP_PROXY", "http_proxy"]));
        if let Some(other) = other {
            found.extend(facts.symptoms().filter_map(|(index, symptom)| ignored(index, symptom, &other)));
        }
    }
    found
}

/// `REQUEST_METHOD` makes Go refuse `HTTP_PROXY`, and with it every request to an `http://` proxy.
fn in_cgi(facts: &Facts) -> Option<Match> {
    let settings = facts.settings.as_ref()?;
    let has = |name: &str| settings.network.proxy_variables.iter().find(|(known, _)| known == name);
    let (_, method) = has("REQUEST_METHOD")?;
    let (name, value) = has("HTTP_PROXY").or_else(|| has("http_proxy"))?;
    let list = ProxyList::parse(settings.value("GOPROXY")).ok()?;
    let host = list.entries().iter().find_map(|one| match &one.entry {
        Entry::Url(url) if url.starts_with("http://") => Url::parse(url).ok()?.host_str().map(str::to_owned),
        _ => None,
    })?;
    if is_loopback(&host) {
        return None;
    }
    Some(
        Match::of(CauseId("N24"), &host)
            .sure(0.97)
            .with("name", name)
            .with("instead", "HTTPS_PROXY")
            .with("host", &host)
            .because(Evidence::new("REQUEST_METHOD", method, "environment"))
            .because(Evidence::new(name, crate::settings::without_login(value), "environment")),
    )
}

fn ignored(index: usize, symptom: &Symptom, other: &Known<'_>) -> Option<Match> {
    if matches!(symptom.trouble, Trouble::ForwardProxy { .. }) || !is_unreachable(symptom) {
        return None;
    }
    let https = symptom.url.as_deref().is_none_or(|url| url.starts_with("https:"));
    let plain = other.name.eq_ignore_ascii_case("HTTP_PROXY");
    if !https && plain {
        return None;
    }
    let host = symptom.host().unwrap_or_default();
    if is_loopback(host) {
        return None;
    }
    let instead = if https { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    Some(
        Match::of(CauseId("N24"), host)
            .sure(0.945)
            .explains(index)
            .with("name", other.name)
            .with("instead", instead)
            .with("set", format!("export {instead}={}", crate::settings::without_login(other.value)))
            .with("host", host)
            .because(other.evidence())
            .because(Evidence::new(instead, "not set", "environment"))
            .because(Evidence::new("the go command said", &symptom.text, symptom.seen())),
    )
}

fn is_loopback(host: &str) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    bare == "localhost" || bare.starts_with("127.") || bare == "[::1]"
}

/// `NO_PROXY` exempts too little or too much.
pub(super) fn exemption(facts: &Facts) -> Vec<Match> {
    let Some(none) = proxy_variable(facts, ["NO_PROXY", "no_proxy"]) else { return Vec::new() };
    let value = |names| proxy_variable(facts, names).map(|one| one.value.to_owned()).unwrap_or_default();
    let (http, https) = (value(["HTTP_PROXY", "http_proxy"]), value(["HTTPS_PROXY", "https_proxy"]));
    if http.is_empty() && https.is_empty() {
        return Vec::new();
    }
    let proxies = |none: &str| {
        ForwardProxy::new(&ForwardProxySettings {
            http: http.clone(),
            https: https.clone(),
            none: none.to_owned(),
        })
    };
    let as_it_is = proxies(none.value);
    let corrected = corrected(none.value);
    let as_meant = proxies(&corrected);
    let as_without = proxies("");
    let mut found = Vec::new();
    for (index, symptom) in facts.symptoms() {
        let Some(url) = symptom.url.as_deref().and_then(|url| Url::parse(url).ok()) else { continue };
        let behind = matches!(symptom.trouble, Trouble::ForwardProxy { .. } | Trouble::ConnectDenied { .. });
        if behind
            && as_it_is.for_url(&url).is_some()
            && (as_meant.for_url(&url).is_none() || names(none.value, &url))
        {
            let instead = if as_meant.for_url(&url).is_none() {
                corrected.clone()
            } else {
                with_host(&corrected, &url)
            };
            found.push(of(index, symptom, &none, &url, &instead).with("effect", "exempt"));
        } else if !behind
            && is_unreachable(symptom)
            && as_it_is.for_url(&url).is_none()
            && as_without.for_url(&url).is_some()
        {
            let instead = without_host(none.value, &url, &as_it_is, &proxies);
            found.push(of(index, symptom, &none, &url, &instead).with("effect", "too wide"));
        }
    }
    found
}

fn of(index: usize, symptom: &Symptom, none: &Known<'_>, url: &Url, instead: &str) -> Match {
    let host = url.host_str().unwrap_or_default();
    Match::of(CauseId("N25"), host)
        .sure(0.97)
        .explains(index)
        .with("host", host)
        .with("value", none.value)
        .with("name", none.name)
        .with("set", format!("export {}='{instead}'", none.name))
        .because(none.evidence())
        .because(Evidence::new("the go command said", &symptom.text, symptom.seen()))
}

/// Returns the list as its writer meant it: commas, no schemes, no paths, no quotes.
fn corrected(value: &str) -> String {
    let entries = value.split([',', ';', ' ', '|']).map(|entry| {
        let entry = entry.trim().trim_matches(['"', '\'']);
        let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest);
        let is_network = entry.split_once('/').is_some_and(|(_, bits)| bits.parse::<u8>().is_ok());
        if is_network { entry } else { entry.split('/').next().unwrap_or_default() }
    });
    entries.filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join(",")
}

/// Reports whether an entry names the host, if with another port.
fn names(value: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let list = corrected(value);
    list.split(',')
        .any(|entry| entry.split(':').next().unwrap_or_default().trim_start_matches(['*', '.']) == host)
}

fn with_host(list: &str, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let mut entries: Vec<&str> =
        list.split(',').filter(|entry| entry.split(':').next().unwrap_or_default() != host).collect();
    entries.push(host);
    entries.join(",")
}

/// Returns the list without the entries that exempt this host.
fn without_host(
    value: &str,
    url: &Url,
    now: &ForwardProxy,
    proxies: &dyn Fn(&str) -> ForwardProxy,
) -> String {
    debug_assert!(now.for_url(url).is_none(), "the host is exempt");
    let keeps = |entry: &&str| !entry.is_empty() && proxies(entry).for_url(url).is_some();
    value.split(',').map(str::trim).filter(keeps).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_meant() {
        for (value, expected) in [
            ("https://proxy.example.com", "proxy.example.com"),
            ("a.example;proxy.example.com", "a.example,proxy.example.com"),
            ("10.0.0.0/8, proxy.example.com/go", "10.0.0.0/8,proxy.example.com"),
        ] {
            assert_eq!(corrected(value), expected);
        }
    }
}
