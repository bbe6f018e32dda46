//! What a list of patterns matches, and why a pattern that was meant to match doesn't.

use larder_module::pattern::{Patterns, match_glob, match_prefix_patterns};
use serde::Serialize;

use crate::catalogue::Language;

/// What one pattern says about a path.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PatternAnswer {
    /// The pattern, as written.
    pub pattern: String,
    /// Whether it matches.
    pub matches: bool,
    /// Why it does not, where it looks as if it were meant to.
    pub mismatch: Option<Mismatch>,
    /// What to write instead.
    pub instead: Option<String>,
}

/// Why a pattern does not match.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// A blank before or after it, which is part of it.
    Blank,
    /// A carriage return at its end.
    CarriageReturn,
    /// It has a scheme.
    Scheme,
    /// `;` does not separate patterns.
    Semicolon,
    /// Quotes are part of it.
    Quotes,
    /// It has a port, and module paths have none.
    Port,
    /// Capital letters differ.
    Case,
    /// It begins with a dot.
    LeadingDot,
    /// `*.example.com` matches hosts below, not `example.com` itself.
    OnlyBelow,
    /// It ends within a path element.
    PartOfElement,
    /// It has more elements than the path.
    TooLong,
    /// It is malformed.
    Malformed,
    /// It is about something else.
    Other,
}

impl PatternAnswer {
    /// Returns the answer in words.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        super::words::pattern(self, language)
    }
}

/// Says what each pattern of a list does with a path.
#[must_use]
pub fn patterns(list: &str, path: &str) -> Vec<PatternAnswer> {
    list.split(',').filter(|pattern| !pattern.is_empty()).map(|pattern| answer(pattern, path)).collect()
}

/// Returns the first pattern of a list that matches.
pub(super) fn first_match(list: &str, path: &str) -> Option<String> {
    list.split(',').find(|pattern| match_prefix_patterns(pattern, path)).map(str::to_owned)
}

fn answer(pattern: &str, path: &str) -> PatternAnswer {
    if match_prefix_patterns(pattern, path) {
        return PatternAnswer { pattern: pattern.to_owned(), matches: true, mismatch: None, instead: None };
    }
    let (mismatch, instead) = why_not(pattern, path);
    PatternAnswer { pattern: pattern.to_owned(), matches: false, mismatch: Some(mismatch), instead }
}

/// Tries one repair after the other, from spelling to shape; the first that makes the pattern match is the reason.
fn why_not(pattern: &str, path: &str) -> (Mismatch, Option<String>) {
    let lower = path.to_lowercase();
    let fits = |repaired: &str| !repaired.is_empty() && match_prefix_patterns(repaired, path);
    let mut text = pattern.to_owned();
    for (mismatch, repair) in REPAIRS {
        let repaired = repair(&text);
        if repaired == text {
            continue;
        }
        if fits(&repaired) {
            return (*mismatch, Some(repaired));
        }
        // Two faults in one pattern: keep what is repaired and look for the next.
        text = repaired;
    }
    if !text.is_empty() && match_prefix_patterns(&text.to_lowercase(), &lower) {
        let elements = text.split('/').count();
        let instead = path.split('/').take(elements).collect::<Vec<_>>().join("/");
        return (Mismatch::Case, Some(instead));
    }
    if Patterns::parse(&text).malformed().next().is_some() {
        return (Mismatch::Malformed, None);
    }
    shape(&text, path)
}

type Repair = fn(&str) -> String;

const REPAIRS: &[(Mismatch, Repair)] = &[
    (Mismatch::CarriageReturn, |text| text.trim_end_matches('\r').to_owned()),
    (Mismatch::Blank, |text| text.trim().to_owned()),
    (Mismatch::Quotes, |text| text.trim_matches(['"', '\'']).to_owned()),
    (Mismatch::Semicolon, |text| text.replace(';', ",")),
    (Mismatch::Scheme, |text| {
        text.split(',')
            .map(|one| one.split_once("://").map_or(one, |(_, rest)| rest))
            .collect::<Vec<_>>()
            .join(",")
    }),
    (Mismatch::Port, |text| {
        let (host, rest) = text.split_once('/').map_or((text, ""), |(host, rest)| (host, rest));
        let bare = host.split(':').next().unwrap_or_default();
        if rest.is_empty() { bare.to_owned() } else { format!("{bare}/{rest}") }
    }),
];

fn shape(pattern: &str, path: &str) -> (Mismatch, Option<String>) {
    let host = path.split('/').next().unwrap_or_default();
    if let Some(domain) = pattern.strip_prefix("*.")
        && match_prefix_patterns(domain, path)
    {
        return (Mismatch::OnlyBelow, Some(format!("{domain},{pattern}")));
    }
    if let Some(domain) = pattern.strip_prefix('.') {
        if match_prefix_patterns(domain, path) {
            return (Mismatch::LeadingDot, Some(domain.to_owned()));
        }
        if host.ends_with(pattern) {
            return (Mismatch::LeadingDot, Some(format!("*{pattern}")));
        }
    }
    let bare = pattern.trim_end_matches('/');
    if bare.matches('/').count() > path.matches('/').count() {
        let elements = path.matches('/').count() + 1;
        let cut: Vec<&str> = bare.split('/').take(elements).collect();
        let cut = cut.join("/");
        if match_glob(&cut, path).unwrap_or(false) {
            return (Mismatch::TooLong, Some(cut));
        }
        return (Mismatch::Other, None);
    }
    if match_prefix_patterns(&format!("{bare}*"), path) && !bare.ends_with('*') {
        let elements = bare.matches('/').count() + 1;
        let whole: Vec<&str> = path.split('/').take(elements).collect();
        return (Mismatch::PartOfElement, Some(whole.join("/")));
    }
    (Mismatch::Other, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_patterns_do_not_match() {
        for (list, path, mismatch, instead) in [
            ("https://example.com", "example.com/ok", Mismatch::Scheme, Some("example.com")),
            (" example.com", "example.com/ok", Mismatch::Blank, Some("example.com")),
            ("a;example.com", "example.com/ok", Mismatch::Semicolon, Some("a,example.com")),
            ("Example.com", "example.com/ok", Mismatch::Case, Some("example.com")),
            ("example.com/ok", "example.com/OK", Mismatch::Case, Some("example.com/OK")),
            (".example.com", "example.com/ok", Mismatch::LeadingDot, Some("example.com")),
            (".example.com", "git.example.com/ok", Mismatch::LeadingDot, Some("*.example.com")),
            ("*.example.com", "example.com/ok", Mismatch::OnlyBelow, Some("example.com,*.example.com")),
            ("example.com:443", "example.com/ok", Mismatch::Port, Some("example.com")),
            ("example.com/o", "example.com/ok", Mismatch::PartOfElement, Some("example.com/ok")),
            ("example.com/ok/*", "example.com/ok", Mismatch::TooLong, Some("example.com/ok")),
            ("example.com\r", "example.com/ok", Mismatch::CarriageReturn, Some("example.com")),
            ("\"example.com\"", "example.com/ok", Mismatch::Quotes, Some("example.com")),
            ("other.example", "example.com/ok", Mismatch::Other, None),
            ("[example.com", "example.com/ok", Mismatch::Malformed, None),
        ] {
            let answers = patterns(list, path);
            assert_eq!(answers.len(), 1, "{list:?}");
            assert!(!answers[0].matches, "{list:?}");
            assert_eq!(answers[0].mismatch, Some(mismatch), "{list:?}");
            assert_eq!(answers[0].instead.as_deref(), instead, "{list:?}");
        }
        for list in ["example.com", "example.com/", "example.com/*", "*.com", "exam*", "*/ok", "*"] {
            assert!(patterns(list, "example.com/ok")[0].matches, "{list}");
        }
    }
}
