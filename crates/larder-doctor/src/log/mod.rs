//! Reading what somebody pasted: escapes and prefixes away, then the grammar of the go command's errors, into symptoms.
//!
//! The grammar is that of catalogue section 2, not a list of sentences: requests, their answers, sockets, hashes, runs of git,
//! files, and only then fixed words. Memory is bounded by the number of different errors that are kept.

mod blocks;
mod files;
mod hints;
mod lines;
mod message;
mod network;
mod phrases;
mod places;
mod prefixes;
#[cfg(test)]
mod tests;
mod wraps;

use std::collections::HashSet;
use std::io::BufRead;

use crate::symptom::{Symptom, Trouble};
use crate::{Facts, GoVersion};
use blocks::Blocks;
pub use hints::setting;
use lines::Lines;
use message::Understood;
use wraps::Unwrap;

/// How many symptoms, settings and riddles are kept.
const SYMPTOMS: usize = 500;
const SETTINGS: usize = 200;
const RIDDLES: usize = 50;
const DOWNLOADS: usize = 5000;

/// What a log says.
#[derive(Debug, Default)]
pub struct LogFacts {
    /// What went wrong.
    pub symptoms: Vec<Symptom>,
    /// The client's version, if a line says it.
    pub go: Option<GoVersion>,
    /// Settings and commands that a line shows, with the line's number.
    pub seen_settings: Vec<(usize, String)>,
    /// Lines of the go command that look like a failure and that nobody understands.
    pub unexplained: Vec<String>,
}

impl LogFacts {
    /// Adds what the log says to what is known otherwise.
    #[must_use]
    pub fn into_facts(self, mut facts: Facts) -> Facts {
        facts.symptoms.extend(self.symptoms);
        facts.seen_settings.extend(self.seen_settings);
        facts.unexplained.extend(self.unexplained);
        facts.go = self.go.or(facts.go);
        facts
    }
}

/// Reads a log, line by line, in bounded memory.
///
/// # Errors
///
/// Returns an error if the log can't be read.
pub fn read(mut log: impl BufRead) -> std::io::Result<LogFacts> {
    let mut unwrap = Unwrap::for_log(log.fill_buf()?);
    let mut lines = Lines::new(log);
    let mut blocks = Blocks::default();
    let mut collected = Collected::default();
    let mut take = |number: usize, line: &str| {
        collected.note(number, line);
        if !collected.full() {
            blocks.feed(number, line, |found| collected.add(found));
        }
    };
    while lines.next(|number, line| unwrap.feed(number, line, &mut take))? {}
    unwrap.end(&mut take);
    blocks.end(|found| collected.add(found));
    collected.facts.symptoms.sort_by_key(|symptom| match symptom.source {
        crate::Source::Log { line } => line,
        crate::Source::Probe { .. } => 0,
    });
    Ok(collected.without_main())
}

#[derive(Default)]
struct Collected {
    facts: LogFacts,
    known: HashSet<String>,
    sure_of_client: u8,
    /// Errors of the network that nothing connects with modules: other programs have them, too.
    loose: Vec<Symptom>,
    /// Modules whose download the log tells of, and so not the main module.
    downloaded: HashSet<String>,
}

impl Collected {
    /// Reports whether more errors would be kept by nobody.
    const fn full(&self) -> bool {
        self.facts.symptoms.len() >= SYMPTOMS
    }

    /// Keeps an error, unless the same was said before.
    fn add(&mut self, found: Understood) {
        let symptom = found.symptom;
        if found.score == 0 {
            let quiet = ["go: warning: ", "go: to ", "go: note: "];
            if symptom.text.starts_with("go: ")
                && !quiet.iter().any(|start| symptom.text.starts_with(start))
                && self.facts.unexplained.len() < RIDDLES
                && !self.facts.unexplained.contains(&symptom.text)
            {
                self.facts.unexplained.push(symptom.text);
            }
            return;
        }
        if self.facts.symptoms.len() < SYMPTOMS && self.known.insert(identity(&symptom)) {
            if message::is_loose(&symptom) {
                if self.loose.len() < RIDDLES && !symptom.text.contains("_test.go:") {
                    self.loose.push(symptom);
                }
            } else {
                self.facts.symptoms.push(symptom);
            }
        }
    }

    /// Takes the main module out of the chains of imports: it is nobody's dependency.
    fn without_main(mut self) -> LogFacts {
        if self.facts.symptoms.is_empty() {
            // Somebody pasted no more than the end of a line, perhaps.
            self.facts.symptoms = std::mem::take(&mut self.loose);
        }
        let downloaded = |path: &str| {
            path.match_indices('/')
                .map(|(at, _)| &path[..at])
                .chain([path])
                .any(|prefix| self.downloaded.contains(prefix))
        };
        for symptom in &mut self.facts.symptoms {
            if symptom.required_by.iter().all(|path| !path.contains('@')) {
                places::foreign(&mut symptom.required_by, downloaded);
            }
        }
        self.facts
    }

    /// Keeps what a line shows besides errors.
    fn note(&mut self, number: usize, line: &str) {
        if line.len() > 4096 {
            return;
        }
        if (line.contains("go") || line.contains("GO"))
            && let Some((sure, version)) = hints::client(line)
            && sure > self.sure_of_client
        {
            self.sure_of_client = sure;
            self.facts.go = Some(version);
        }
        if let Some((_, rest)) = line.split_once("go: downloading ")
            && let Some(module) = rest.split(' ').next()
            && self.downloaded.len() < DOWNLOADS
        {
            self.downloaded.insert(module.to_owned());
        }
        if self.facts.seen_settings.len() < SETTINGS
            && hints::maybe(line)
            && let Some(seen) = hints::seen(prefixes::stripped(line).text)
            && !self.facts.seen_settings.iter().any(|(_, known)| known == seen)
        {
            self.facts.seen_settings.push((number, seen.to_owned()));
        }
    }
}

/// What makes two errors the same: all but the local port of a connection.
fn identity(symptom: &Symptom) -> String {
    let text = match symptom.text.split_once("->") {
        Some((before, after)) => {
            format!("{}->{after}", before.trim_end_matches(|char: char| char.is_ascii_digit()))
        }
        None => symptom.text.clone(),
    };
    match &symptom.trouble {
        // The hashes stand below the text.
        Trouble::Mismatch { downloaded, expected, .. } => format!("{text} {downloaded} {expected}"),
        Trouble::Command { .. } => format!("{text} {}", symptom.detail.first().map_or("", String::as_str)),
        _ => text,
    }
}
