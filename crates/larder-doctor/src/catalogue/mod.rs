//! The words of the doctor: `causes.toml` holds what is the same in every language, `en.toml` and `zh.toml` the rest.
//!
//! Texts have places: `{host}` or, with what stands there when nobody knows better, `{host|the host}`.

pub mod tree;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use larder_module::defaults;
use serde::Deserialize;

use crate::finding::{CauseId, Layer, Match};
use crate::report::{Finding, Fix, RuledOut};

/// A language that the doctor speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese, simplified.
    Chinese,
}

/// What is known about a cause, in one language.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which.
    pub id: CauseId,
    /// What is the same in every language.
    pub cause: &'static Cause,
    /// Its words.
    pub words: &'static Words,
}

/// The part of an entry that needs no translation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// `dns-nxdomain`
    pub slug: String,
    /// Where it lies.
    pub layer: Layer,
    /// What the go command prints, for people.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Commands that cure it.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Commands that show it without Larder.
    #[serde(default)]
    pub by_hand: Vec<String>,
    /// Causes that look alike.
    #[serde(default)]
    pub look_alikes: Vec<String>,
}

/// The words of an entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// A few words: `The name has no address`.
    pub title: String,
    /// One sentence about this case: `No name server knows {host}.`
    pub verdict: String,
    /// How to prove it.
    pub proof: String,
    /// What to do, one sentence.
    pub fix: String,
    /// What the commands change.
    #[serde(default)]
    pub changes: String,
    /// The popular wrong fix and the harm it does.
    pub wrong: String,
}

/// All entries in one language.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    causes: &'static BTreeMap<String, Cause>,
    words: &'static BTreeMap<String, Words>,
}

impl Catalogue {
    /// Returns the catalogue of a language.
    ///
    /// # Panics
    ///
    /// Panics if a catalogue file can't be read, which a test excludes.
    #[must_use]
    pub fn of(language: Language) -> Self {
        static CAUSES: OnceLock<BTreeMap<String, Cause>> = OnceLock::new();
        static ENGLISH: OnceLock<BTreeMap<String, Words>> = OnceLock::new();
        static CHINESE: OnceLock<BTreeMap<String, Words>> = OnceLock::new();
        let causes = CAUSES
            .get_or_init(|| toml::from_str(include_str!("causes.toml")).expect("causes.toml is well formed"));
        let words = match language {
            Language::English => ENGLISH
                .get_or_init(|| toml::from_str(include_str!("en.toml")).expect("en.toml is well formed")),
            Language::Chinese => CHINESE
                .get_or_init(|| toml::from_str(include_str!("zh.toml")).expect("zh.toml is well formed")),
        };
        Self { causes, words }
    }

    /// Returns an entry by id, in any case, or by slug.
    #[must_use]
    pub fn entry(self, name: &str) -> Option<Entry> {
        self.entries().find(|entry| entry.id.0.eq_ignore_ascii_case(name) || entry.cause.slug == name)
    }

    /// Iterates over all entries, in the order of their ids.
    pub fn entries(self) -> impl Iterator<Item = Entry> {
        self.causes.iter().filter_map(move |(id, cause)| {
            Some(Entry { id: CauseId(id.as_str()), cause, words: self.words.get(id)? })
        })
    }

    /// Puts a match into words.
    ///
    /// # Panics
    ///
    /// Panics for a cause without an entry, which a test excludes.
    #[must_use]
    pub fn finding(self, found: &Match) -> Finding {
        let entry = self.entry(found.cause.0).expect("every rule has its entry");
        let fill = |text: &str| filled(text, &found.values);
        let command = |line: &str| filled_command(line, &found.values);
        Finding {
            id: found.cause,
            slug: &entry.cause.slug,
            layer: entry.cause.layer,
            title: fill(&entry.words.title),
            verdict: found.verdict,
            confidence: found.confidence,
            about: found.about.clone(),
            sentence: fill(&entry.words.verdict),
            evidence: found.evidence.clone(),
            fix: Fix {
                summary: fill(&entry.words.fix),
                commands: entry.cause.commands.iter().map(|line| command(line)).collect(),
                changes: fill(&entry.words.changes),
            },
            by_hand: entry.cause.by_hand.iter().map(|line| command(line)).collect(),
            wrong: fill(&entry.words.wrong),
            not: found.not.iter().map(|(id, why)| RuledOut { id: *id, why: why.clone() }).collect(),
        }
    }
}

/// Fills the places of a text; a place that has neither value nor default keeps its name in capitals.
#[must_use]
pub fn filled(text: &str, values: &BTreeMap<&'static str, String>) -> String {
    fill(text, |name, _| value(name, values).map(str::to_owned))
}

/// Fills the places of a command, so that a shell takes each value as what it is: a log can say anything, and the command
/// is there to be pasted.
#[must_use]
pub fn filled_command(command: &str, values: &BTreeMap<&'static str, String>) -> String {
    fill(command, |name, before| {
        let value = value(name, values)?;
        // A word that begins with a dash would be an option.
        let is_option = value.starts_with('-') && before.ends_with([' ', '"', '\'']);
        (!is_option && !value.chars().any(char::is_control)).then(|| quoted(value, open_quote(before)))
    })
}

fn fill(text: &str, value: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((place, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        let (name, default) = place.split_once('|').map_or((place, None), |(name, text)| (name, Some(text)));
        let written = &text[..text.len() - after.len() - 1];
        match value(name, written) {
            Some(value) => out.push_str(&value),
            None => out.push_str(default.unwrap_or(&name.to_uppercase())),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Returns what stands at a place: the match's value, or one of Go's own defaults.
fn value<'a>(name: &str, values: &'a BTreeMap<&'static str, String>) -> Option<&'a str> {
    let known = values.get(name).map(String::as_str).filter(|value| !value.is_empty());
    known.or_else(|| match name {
        "public_chain" => Some(defaults::GOPROXY),
        "public_proxy" => defaults::GOPROXY.split(',').next(),
        "public_sumdb" => Some(defaults::GOSUMDB),
        "public_sumdb_alias" => Some(defaults::GOSUMDB_ALIAS),
        _ => None,
    })
}

/// Returns the quote that is open at the end of a command's beginning.
fn open_quote(before: &str) -> Option<char> {
    let mut open = None;
    for c in before.chars() {
        match (c, open) {
            ('\'' | '"', None) => open = Some(c),
            (c, Some(quote)) if c == quote => open = None,
            _ => {}
        }
    }
    open
}

fn quoted(value: &str, open: Option<char>) -> String {
    match open {
        Some('"') => value.chars().fold(String::new(), |mut out, c| {
            if matches!(c, '"' | '$' | '`' | '\\') {
                out.push('\\');
            }
            out.push(c);
            out
        }),
        Some(_) => value.replace('\'', "'\\''"),
        None => {
            let safe = |c: char| c.is_ascii_alphanumeric() || "._/:@%+,=~^-".contains(c);
            if value.chars().all(safe) {
                value.to_owned()
            } else {
                format!("'{}'", value.replace('\'', "'\\''"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_command_is_one_word_whatever_it_says() {
        let values = |value: &str| BTreeMap::from([("module", value.to_owned())]);
        for (command, value, filled) in [
            ("go get {module}@v1", "example.com/m", "go get example.com/m@v1"),
            ("go get {module}", "x; rm -rf ~", "go get 'x; rm -rf ~'"),
            ("go get {module}", "it's", "go get 'it'\\''s'"),
            (
                "go env -w 'GOPROXY={module}'",
                "https://a.example|direct",
                "go env -w 'GOPROXY=https://a.example|direct'",
            ),
            ("echo '{module}'", "a'b", "echo 'a'\\''b'"),
            ("grep \"{module} v1\" go.sum", "$(id)`id`\"", "grep \"\\$(id)\\`id\\`\\\" v1\" go.sum"),
            ("git ls-remote {module}", "--upload-pack=x", "git ls-remote MODULE"),
            ("go get {module}", "a\nb", "go get MODULE"),
        ] {
            assert_eq!(filled_command(command, &values(value)), filled, "{command} {value}");
        }
    }

    #[test]
    fn a_place_without_a_value_says_its_default_or_its_name() {
        let none = BTreeMap::new();
        assert_eq!(filled("a {host|the host} {port} {x|}b {", &none), "a the host PORT b {");
    }
}
