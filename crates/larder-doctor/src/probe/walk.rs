//! The walk: the requests that the go command would make for a module, over the whole chain.

use std::time::Duration;

use super::ProbeFacts;
use crate::project::ProjectFacts;
use crate::settings::SettingFacts;
use crate::symptom::Symptom;
use crate::{GoVersion, Subject, System};

/// What a walk is about, and what it may look at.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    /// The place where the download fails.
    pub system: &'a System,
    /// Its settings.
    pub settings: &'a SettingFacts,
    /// Its project, if there is one.
    pub project: Option<&'a ProjectFacts>,
    /// The client, as far as it is known.
    pub go: Option<GoVersion>,
    /// What is asked about.
    pub subject: Option<&'a Subject>,
    /// Modules that the project needs and the module cache lacks, asked about where there is no subject: path, version.
    pub missing: &'a [(String, String)],
    /// How far it may go.
    pub budget: Budget,
}

/// How far a walk may go.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// How long it may take in all.
    pub time: Duration,
    /// The largest zip that is read whole.
    pub zip_bytes: u64,
    /// How many missing modules are asked about.
    pub modules: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { time: Duration::from_secs(15), zip_bytes: 32 << 20, modules: 5 }
    }
}

/// What a walk brings home.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// What was measured.
    pub facts: ProbeFacts,
    /// What went wrong on the way that the go command takes.
    pub symptoms: Vec<Symptom>,
}

/// Asks what the go command would ask, each entry of the chain by itself, side by side.
pub async fn walk(_errand: &Errand<'_>) -> Walked {
    Walked::default()
}
