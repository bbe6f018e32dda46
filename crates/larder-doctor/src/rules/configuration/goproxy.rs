//! What can be wrong with `GOPROXY` as it is written.

use larder_module::defaults;
use larder_module::goproxy::{ProxyList, ProxyListError};

use super::intent::{Known, known, line_problem};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::rules::sayings::{Saying, said};

/// What a value of `GOPROXY` is wrong in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Url,
    Junk,
    Separator,
    Empty,
    Login,
}

/// Says what is wrong with a value, worst first.
fn fault(value: &str) -> Option<Fault> {
    let quoted = |text: &str| text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
    if value.split([',', '|']).any(|entry| quoted(entry.trim())) {
        return Some(Fault::Junk);
    }
    if value.contains([';', '\u{ff0c}', '\u{ff5c}', '\u{ff1b}', '\u{3001}']) {
        return Some(Fault::Separator);
    }
    match ProxyList::parse(value) {
        Err(ProxyListError::NoEntries) => return Some(Fault::Empty),
        Err(ProxyListError::Url { .. }) => return Some(Fault::Junk),
        Err(_) => return Some(Fault::Url),
        Ok(_) => {}
    }
    for entry in entries(value) {
        let Some((scheme, rest)) = entry.split_once(':') else { continue };
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if web
            && entry.contains(":/")
            && (!rest.starts_with("//") || rest[2..].is_empty() || rest[2..].starts_with('/'))
        {
            return Some(Fault::Url);
        }
        let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("http") && authority.contains('@') {
            return Some(Fault::Login);
        }
    }
    None
}

/// The entries that the go command looks at.
fn entries(value: &str) -> impl Iterator<Item = &str> {
    let all = value.split([',', '|']).map(str::trim).filter(|entry| !entry.is_empty());
    all.take_while(|entry| !matches!(*entry, "direct" | "off"))
}

fn rule(facts: &Facts, cause: &'static str, wanted: Fault, sure: f32, sayings: &[Saying]) -> Vec<Match> {
    let mut found: Vec<Match> = said(facts, cause, sayings);
    if let Some(setting) = known(facts, "GOPROXY").filter(|setting| fault(setting.value) == Some(wanted)) {
        let instead = repaired(setting.value);
        let from_file = line_problem(facts, &setting).is_some();
        let base = Match::of(CauseId(cause), "").sure(if from_file { 0.6 } else { sure });
        if setting.origin.is_some() || !facts.symptoms.is_empty() {
            found.push(base.because(setting.evidence()));
        }
        found = found
            .into_iter()
            .map(|one| {
                let one = with_entry(one, &setting);
                one.with("origin", setting.source.clone())
                    .with("set", setting.set(&instead))
                    .with("instead", &instead)
            })
            .collect();
    }
    found
        .into_iter()
        .map(|mut one| {
            one.values.entry("set").or_insert_with(|| format!("go env -w GOPROXY={}", defaults::GOPROXY));
            Match { about: "GOPROXY".to_owned(), ..one }
        })
        .collect()
}

fn with_entry(one: Match, setting: &Known<'_>) -> Match {
    let bad = entries(setting.value).find(|entry| fault(entry).is_some()).unwrap_or(setting.value);
    one.with("entry", crate::settings::without_login(bad))
}

/// Returns the value without what is surely wrong in it; Go's default where nothing is left.
fn repaired(value: &str) -> String {
    let mut text = value.trim_end_matches('\r').replace(['"', '\''], "");
    for wide in ['\u{ff0c}', '\u{ff1b}', '\u{3001}', ';'] {
        text = text.replace(wide, ",");
    }
    text = text.replace('\u{ff5c}', "|");
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find([',', '|']).unwrap_or(rest.len());
        let (entry, separator) = (rest[..end].trim(), rest[end..].chars().next());
        let lower = entry.to_ascii_lowercase();
        if matches!(lower.as_str(), "direct" | "off") {
            out.push_str(&lower);
        } else if entry.starts_with('/') {
            out.push_str("file://");
            out.push_str(entry);
        } else {
            out.push_str(entry);
        }
        out.extend(separator);
        rest = &rest[end + separator.map_or(0, char::len_utf8)..];
    }
    if ProxyList::parse(&out).is_ok() { out } else { defaults::GOPROXY.to_owned() }
}

/// An entry is no URL of a proxy.
pub(super) fn invalid_url(facts: &Facts) -> Vec<Match> {
    rule(
        facts,
        "P01",
        Fault::Url,
        0.95,
        &[
            ("invalid proxy URL missing scheme: {entry}", 0.97),
            ("invalid proxy URL scheme (must be https, http, file): {entry}", 0.97),
            ("invalid file:// proxy URL with non-path elements: {entry}", 0.97),
            ("no Host in request URL", 0.95),
            ("unsupported protocol scheme", 0.8),
        ],
    )
}

/// Quotes, credentials and escapes that break an entry.
pub(super) fn junk(facts: &Facts) -> Vec<Match> {
    rule(
        facts,
        "P02",
        Fault::Junk,
        0.95,
        &[
            ("parse \"{entry}\": first path segment in URL cannot contain colon", 0.96),
            ("first path segment in URL cannot contain colon", 0.96),
            ("invalid port {port} after host", 0.93),
            ("invalid URL escape {text}", 0.93),
            ("invalid character \" \" in host name", 0.93),
            ("net/url: invalid control character in URL", 0.93),
            ("net/url: invalid userinfo", 0.95),
        ],
    )
}

/// A separator that is none.
pub(super) fn separator(facts: &Facts) -> Vec<Match> {
    const ODD: &[&str] =
        &[";direct", ";off", ";http", "%3Bdirect", "%3Bhttp", "%EF%BC%8C", "\u{ff0c}", "%EF%BD%9C", "%3B"];
    let mut found = rule(facts, "P03", Fault::Separator, 0.93, &[]);
    for (index, symptom) in facts.symptoms() {
        let Some(url) = symptom.url.as_deref() else { continue };
        let base = url.split("/@").next().unwrap_or(url);
        let Some(odd) = ODD.iter().find(|odd| base.contains(**odd)) else { continue };
        let evidence =
            Evidence::new("URL that was asked", crate::settings::without_login(url), symptom.seen());
        let one = Match::of(CauseId("P03"), "GOPROXY").sure(0.96).explains(index).because(evidence);
        let entry = crate::settings::without_login(base);
        found.push(
            one.with("entry", entry)
                .with("odd", *odd)
                .not(CauseId("P10"), "the URL holds what was meant as a separator"),
        );
    }
    found
}

/// A list without entries.
pub(super) fn empty(facts: &Facts) -> Vec<Match> {
    let mut found = rule(
        facts,
        "P04",
        Fault::Empty,
        0.94,
        &[("GOPROXY list is not the empty string, but contains no entries", 0.95)],
    );
    // A go.env that is gone explains this and more.
    if super::layers::lacks_go_env(facts) || facts.symptoms.iter().any(|one| one.says("missing GOSUMDB")) {
        found = found.into_iter().map(|one| one.sure(0.7)).collect();
    }
    found
}

/// A login in an `http://` URL.
pub(super) fn login_refused(facts: &Facts) -> Vec<Match> {
    rule(
        facts,
        "P08",
        Fault::Login,
        0.94,
        &[
            ("refusing to pass credentials to insecure URL: {entry}", 0.97),
            ("refusing to pass credentials to insecure URL", 0.97),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_faults() {
        for (value, expected, instead) in [
            (defaults::GOPROXY, None, defaults::GOPROXY),
            ("direct", None, "direct"),
            ("proxy.example.com", None, "proxy.example.com"),
            ("file:///srv/go", None, "file:///srv/go"),
            ("https://u:p@proxy.example.com | direct", None, "https://u:p@proxy.example.com|direct"),
            (
                "https://proxy.example.com,direct,;",
                Some(Fault::Separator),
                "https://proxy.example.com,direct,,",
            ),
            ("DIRECT", Some(Fault::Url), "direct"),
            ("/srv/go", Some(Fault::Url), "file:///srv/go"),
            ("ftp://x", Some(Fault::Url), defaults::GOPROXY),
            ("http:/h", Some(Fault::Url), "http:/h"),
            ("\"https://proxy.example.com\"", Some(Fault::Junk), "https://proxy.example.com"),
            ("https://u:p#w@proxy.example.com", Some(Fault::Junk), defaults::GOPROXY),
            ("https://proxy.example.com;direct", Some(Fault::Separator), "https://proxy.example.com,direct"),
            (
                "https://proxy.example.com\u{ff0c}direct",
                Some(Fault::Separator),
                "https://proxy.example.com,direct",
            ),
            (",", Some(Fault::Empty), defaults::GOPROXY),
            ("http://u:p@proxy.example.com", Some(Fault::Login), "http://u:p@proxy.example.com"),
        ] {
            assert_eq!(fault(value), expected, "{value}");
            assert_eq!(repaired(value), instead, "{value}");
        }
    }
}
