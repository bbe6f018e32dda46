//! Collecting the facts of one run: settings first, because they decide what all others look at.

use std::io::BufRead;
use std::time::{Duration, Instant};

use crate::cache::{self, CacheFacts};
use crate::probe::{self, Budget, Errand, Walked};
use crate::project::{self, ProjectFacts};
use crate::repeat::{self, Repeated};
use crate::report::Skipped;
use crate::{Facts, Subject, Symptom, System, log, settings};

/// What is to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What is asked about; without it, what this project needs.
    pub subject: Option<Subject>,
    /// How far the probes of the network may go; none for no network at all.
    pub network: Option<Budget>,
    /// How often the network is asked; 0 counts as once.
    pub repeat: u32,
}

/// Bytes of cached zips that are read: what is local has to be told at once.
const CACHE_BYTES: u64 = 24 << 20;

/// Modules of the project whose cached files are looked at.
const MOST_WANTED: usize = 400;

/// Looks at the place where a download fails.
pub async fn examine(system: &System, look: Look) -> Facts {
    let mut facts = Facts { subject: look.subject, ..Facts::default() };
    settings::collect(system, &mut facts);
    if let Some(settings) = facts.settings.as_mut() {
        settings::compare(system, settings).await;
    }
    let settings = facts.settings.clone().unwrap_or_default();
    let project = project::collect(system, &settings);
    let wanted = wanted(facts.subject.as_ref(), &project);
    let cache = cache::collect(system, &settings, &wanted, CACHE_BYTES);
    let missing = missing(&project, &cache);
    facts.project = Some(project);
    facts.cache = Some(cache);
    let Some(budget) = look.network else {
        facts.skip("network", "not asked for");
        return facts;
    };
    let errand = Errand {
        system,
        settings: &settings,
        project: facts.project.as_ref(),
        go: facts.go,
        subject: facts.subject.as_ref(),
        missing: facts
            .project
            .as_ref()
            .and_then(|project| project.go_mod.as_ref())
            .map(|_| missing.as_slice()),
        budget,
    };
    let (walked, repeats) = walks(&errand, look.repeat).await;
    facts.symptoms.extend(walked.symptoms);
    facts.probes = Some(walked.facts);
    facts.repeats = repeats;
    facts
}

/// How much longer than it should a walk may take before it is left behind.
const GRACE: Duration = Duration::from_millis(700);

/// A walk keeps its own time; a step of it that doesn't must not hold up the report.
async fn in_time(errand: &Errand<'_>) -> Walked {
    let limit = errand.budget.time;
    tokio::time::timeout(limit + GRACE, probe::walk(errand)).await.unwrap_or_else(|_| {
        let mut walked = Walked::default();
        let why = format!("it did not end within {} s", limit.as_secs());
        walked.facts.skipped.push(Skipped { id: "network".to_owned(), why });
        walked
    })
}

/// Walks as often as was asked for, as long as there is time; what went wrong on any walk counts.
async fn walks(errand: &Errand<'_>, times: u32) -> (Walked, Vec<Repeated>) {
    let start = Instant::now();
    let mut walked = in_time(errand).await;
    let mut all = vec![walked.facts.clone()];
    for _ in 1..times {
        let left = errand.budget.time.saturating_sub(start.elapsed());
        if left.is_zero() {
            break;
        }
        let again = in_time(&Errand { budget: Budget { time: left, ..errand.budget }, ..*errand }).await;
        let is_new = |new: &Symptom| {
            !walked.symptoms.iter().any(|known| known.url == new.url && known.trouble == new.trouble)
        };
        let new: Vec<Symptom> = again.symptoms.into_iter().filter(is_new).collect();
        if walked.symptoms.is_empty() && !new.is_empty() {
            // What failed explains itself with the facts of its own walk.
            walked.facts = again.facts.clone();
        }
        walked.symptoms.extend(new);
        all.push(again.facts);
    }
    let repeats = if times > 1 { repeat::compare(&all) } else { Vec::new() };
    (walked, repeats)
}

/// Returns the versions whose cached files matter, what was asked about first.
fn wanted(subject: Option<&Subject>, project: &ProjectFacts) -> Vec<(String, String)> {
    let asked = subject.and_then(|asked| Some((asked.module.clone(), asked.version.clone()?)));
    let required = project.requires.iter().map(|(module, version, _)| (module.clone(), version.clone()));
    asked.into_iter().chain(required).take(MOST_WANTED).collect()
}

/// Returns the versions that the project needs whole and that are neither cached, nor vendored, nor replaced.
///
/// A line in go.sum for the zip says that it was needed once; many requirements are there for their go.mod only.
fn missing(project: &ProjectFacts, cache: &CacheFacts) -> Vec<(String, String)> {
    if project.vendor_used.as_ref().is_some_and(|(used, _)| *used) {
        return Vec::new();
    }
    let is_cached = |module: &str, version: &str| {
        cache.entries.iter().any(|entry| {
            entry.module == module
                && entry.version == version
                && (entry.ziphash.is_some() || entry.zip_h1.is_some())
        })
    };
    let needs_zip = |module: &str, version: &str| {
        project.sums.iter().any(|(known, at, _)| known == module && at == version)
            || project.missing_sums.contains(&format!("{module}@{version}"))
    };
    let is_replaced = |module: &str| {
        project.replaces.iter().any(|(what, _, _)| what.split('@').next().unwrap_or(what) == module)
    };
    project
        .requires
        .iter()
        .filter(|(module, version, _)| {
            needs_zip(module, version) && !is_cached(module, version) && !is_replaced(module)
        })
        .map(|(module, version, _)| (module.clone(), version.clone()))
        .collect()
}

/// Reads a log into facts of its own: nothing of the machine that reads it.
///
/// # Errors
///
/// Returns an error if the log can't be read.
pub fn read_log(text: impl BufRead) -> std::io::Result<Facts> {
    let read = log::read(text)?;
    Ok(Facts {
        go: read.go,
        symptoms: read.symptoms,
        seen_settings: read.seen_settings,
        unexplained: read.unexplained,
        probes: None,
        ..Facts::default()
    })
}

impl Facts {
    /// Adds what a log says to what was looked at.
    #[must_use]
    pub fn with_log(mut self, log: Self) -> Self {
        self.go = log.go.or(self.go);
        let probed = std::mem::replace(&mut self.symptoms, log.symptoms);
        self.symptoms.extend(probed);
        self.seen_settings.extend(log.seen_settings);
        self.unexplained.extend(log.unexplained);
        self
    }

    /// Notes that something was not looked at.
    pub fn skip(&mut self, id: impl Into<String>, why: impl Into<String>) {
        let probes = self.probes.get_or_insert_default();
        probes.skipped.push(Skipped { id: id.into(), why: why.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CachedVersion;

    #[test]
    fn missing_is_what_go_sum_wants_whole_and_nobody_has() {
        let line = |module: &str| (module.to_owned(), "v1.0.0".to_owned(), "h1:x".to_owned());
        let required = |module: &str| (module.to_owned(), "v1.0.0".to_owned(), false);
        let mut project = ProjectFacts {
            requires: ["a.example/cached", "a.example/wanted", "a.example/go-mod-only", "a.example/replaced"]
                .map(required)
                .to_vec(),
            sums: ["a.example/cached", "a.example/wanted", "a.example/replaced"].map(line).to_vec(),
            replaces: vec![("a.example/replaced".to_owned(), "../here".to_owned(), true)],
            ..ProjectFacts::default()
        };
        let cache = CacheFacts {
            entries: vec![CachedVersion {
                module: "a.example/cached".to_owned(),
                version: "v1.0.0".to_owned(),
                ziphash: Some("h1:x".to_owned()),
                ..CachedVersion::default()
            }],
            ..CacheFacts::default()
        };
        assert_eq!(missing(&project, &cache), [("a.example/wanted".to_owned(), "v1.0.0".to_owned())]);
        project.vendor_used = Some((true, "go 1.21".to_owned()));
        assert!(missing(&project, &cache).is_empty());
    }

    #[test]
    fn what_a_log_says_comes_before_what_was_measured() {
        let said = crate::Symptom { text: "said".to_owned(), ..crate::Symptom::default() };
        let measured = crate::Symptom { text: "measured".to_owned(), ..crate::Symptom::default() };
        let here = Facts { symptoms: vec![measured], ..Facts::default() };
        let all = here.with_log(Facts { symptoms: vec![said], ..Facts::default() });
        let texts: Vec<_> = all.symptoms.iter().map(|symptom| symptom.text.as_str()).collect();
        assert_eq!(texts, ["said", "measured"]);
    }
}
