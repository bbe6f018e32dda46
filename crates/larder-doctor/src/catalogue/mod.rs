//! The words of the doctor: `causes.toml` holds what is the same in every language, `en.toml` and `zh.toml` the rest.
//!
//! Texts have places: `{host}` or, with what stands there when nobody knows better, `{host|the host}`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

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
                commands: entry.cause.commands.iter().map(|line| fill(line)).collect(),
                changes: fill(&entry.words.changes),
            },
            by_hand: entry.cause.by_hand.iter().map(|line| fill(line)).collect(),
            wrong: fill(&entry.words.wrong),
            not: found.not.iter().map(|(id, why)| RuledOut { id: *id, why: why.clone() }).collect(),
        }
    }
}

/// Fills the places of a text; a place that has neither value nor default keeps its name in capitals.
#[must_use]
pub fn filled(text: &str, values: &BTreeMap<&'static str, String>) -> String {
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
        match values.get(name).filter(|value| !value.is_empty()) {
            Some(value) => out.push_str(value),
            None => out.push_str(default.unwrap_or(&name.to_uppercase())),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}
