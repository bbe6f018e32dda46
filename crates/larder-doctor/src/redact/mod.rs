//! Reports get pasted into public places: secrets leave always, names where asked.
//!
//! Three steps, for every text that is shown in any form. What a terminal would act upon, or what would show a text in
//! another order than it has, becomes visible (`visible`). Secrets become `***` (`secrets`); they are looked for in the
//! text without such characters, so that nobody can hide one from the search by breaking it with an escape. With
//! `--share`, names become others, each always the same (`names`).

mod names;
mod secrets;
mod shapes;
mod visible;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::Facts;
use crate::report::{Report, each_text_of};

use names::Names;
use visible::Plain;

/// What stands for a secret.
pub const HIDDEN: &str = "***";

/// Bytes of one text that are shown; nobody reads more, and one line of a log can be a gigabyte.
const LONGEST: usize = 4 << 10;

/// The shortest value of a variable that is looked for everywhere: shorter ones would take letters out of words.
const SHORTEST_KNOWN: usize = 6;

/// The shortest part of a secret that is looked for everywhere, and how many of them.
const SHORTEST_LEARNT: usize = 8;
const MOST_KNOWN: usize = 500;

/// Returns a text without anything that a terminal obeys or that nobody sees, so that what was broken apart by it is whole.
pub(crate) fn plain(text: &str) -> String {
    Plain::of(text).text().to_owned()
}

/// Returns what follows the login of a URL's part behind `://`, also where the login is no good one.
#[must_use]
pub fn behind_login(rest: &str) -> &str {
    secrets::behind_login(rest)
}

/// A report that may be shown: holding it is the proof that it went through a [`Redactor`].
#[derive(Clone, Debug)]
pub struct Shown(Report);

impl Shown {
    /// Returns the report.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.0
    }
}

/// Takes away what must not be seen. One for each report: new names are the same throughout.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    known: BTreeSet<String>,
    names: Option<Names>,
}

impl Redactor {
    /// Makes one that also knows the secrets of an environment: the values of variables whose names say so, and the
    /// logins in URLs.
    #[must_use]
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let (mut known, mut shards) = (BTreeSet::new(), Vec::new());
        for (name, value) in environment {
            if secrets::is_secret_name(name) {
                known.insert(value.trim().to_owned());
            }
            known.extend(secrets::passwords_of_urls(value));
            shards.extend(secrets::shards_of_passwords(value));
        }
        known.retain(|value| value.len() >= SHORTEST_KNOWN && !value.starts_with('/'));
        known.extend(shards);
        Self { known, names: None }
    }

    /// Learns what in these facts would be taken apart before it is seen as a secret.
    #[must_use]
    pub fn learning(mut self, facts: &Facts) -> Self {
        for symptom in &facts.symptoms {
            for text in symptom.url.iter().chain([&symptom.text]).chain(&symptom.detail) {
                self.known.extend(secrets::shards_of_passwords(text));
            }
        }
        for setting in facts.settings.iter().flat_map(|settings| &settings.go) {
            self.known.extend(secrets::shards_of_passwords(&setting.value));
        }
        self
    }

    /// Renames private names, users, internal hosts and addresses, too.
    #[must_use]
    pub fn sharing(mut self, facts: &Facts, environment: &BTreeMap<String, String>) -> Self {
        self.names = Some(Names::of(facts, environment));
        self
    }

    /// Cleans a text.
    #[must_use]
    pub fn text(&mut self, text: &str) -> String {
        self.cut(text, LONGEST)
    }

    fn cut(&mut self, text: &str, longest: usize) -> String {
        let plain = Plain::of(text);
        let hidden = secrets::spans(plain.text(), &self.known);
        let mut clean = plain.visible(&hidden);
        if let Some(names) = &mut self.names {
            clean = names.rename(&clean);
        }
        shortened(clean, longest)
    }

    /// Remembers the secrets of a text: elsewhere a part of it may stand alone, and nothing says there what it is.
    fn learn(&mut self, text: &str) {
        let plain = Plain::of(text);
        for part in secrets::spans(plain.text(), &self.known) {
            let words =
                plain.text()[part].split(|c: char| !c.is_ascii_alphanumeric() && !"_-.~+/".contains(c));
            for word in words.filter(|word| word.len() >= SHORTEST_LEARNT && secrets::is_random(word)) {
                if self.known.len() < MOST_KNOWN {
                    self.known.insert(word.to_owned());
                }
            }
        }
    }

    /// Cleans a report.
    #[must_use]
    pub fn report(&mut self, mut report: Report) -> Shown {
        report.each_text(&mut |text| self.learn(text));
        report.each_text(&mut |text| *text = self.text(text));
        Shown(report)
    }

    /// Cleans a JSON value, names of fields included.
    #[must_use]
    pub fn value(&mut self, mut value: serde_json::Value) -> serde_json::Value {
        each_text_of(&mut value, &mut |text| self.learn(text));
        each_text_of(&mut value, &mut |text| *text = self.cut(text, LONGEST * 4));
        value
    }
}

fn shortened(mut text: String, longest: usize) -> String {
    if text.len() <= longest {
        return text;
    }
    let mut end = longest;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let left_out = text.len() - end;
    text.truncate(end);
    let _infallible = write!(text, "… ({left_out} bytes more)");
    text
}

#[cfg(test)]
mod tests;
