//! Collecting the facts of one run: settings first, because they decide what all others look at.

use std::io::BufRead;

use crate::probe::{self, Budget, Errand};
use crate::report::Skipped;
use crate::{Facts, Subject, System, log};

/// What is to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What is asked about; without it, what this project needs.
    pub subject: Option<Subject>,
    /// How far the probes of the network may go; none for no network at all.
    pub network: Option<Budget>,
}

/// Looks at the place where a download fails.
pub async fn examine(system: &System, look: Look) -> Facts {
    let mut facts = Facts { subject: look.subject, ..Facts::default() };
    crate::settings::collect(system, &mut facts);
    let Some(budget) = look.network else {
        return facts;
    };
    let settings = facts.settings.clone().unwrap_or_default();
    let errand = Errand {
        system,
        settings: &settings,
        project: facts.project.as_ref(),
        go: facts.go,
        subject: facts.subject.as_ref(),
        missing: &[],
        budget,
    };
    let walked = probe::walk(&errand).await;
    facts.symptoms.extend(walked.symptoms);
    facts.probes = Some(walked.facts);
    facts
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
