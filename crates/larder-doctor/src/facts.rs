//! Everything that is known about a failure before anybody judges it.
//!
//! It can be written and read as JSON: fixtures of rules are such files, and so is what `--bundle` keeps.

use serde::{Deserialize, Serialize};

use crate::GoVersion;
use crate::cache::CacheFacts;
use crate::probe::ProbeFacts;
use crate::project::ProjectFacts;
use crate::settings::SettingFacts;
use crate::symptom::Symptom;

/// What was asked about.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subject {
    /// A module path, or a package path below one.
    pub module: String,
    /// A version or a query.
    pub version: Option<String>,
}

/// All facts. A part that nobody collected is empty or none, which is no fact about it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// What was asked about, if anything.
    pub subject: Option<Subject>,
    /// The client: from `$GOROOT/VERSION`, `go version`, or a log that says so.
    pub go: Option<GoVersion>,
    /// Go's settings, the network settings of the process, and where each is from.
    pub settings: Option<SettingFacts>,
    /// go.mod, go.work, go.sum, vendor.
    pub project: Option<ProjectFacts>,
    /// The module cache and the disks under it.
    pub cache: Option<CacheFacts>,
    /// What probes measured.
    pub probes: Option<ProbeFacts>,
    /// How answers varied, where the same was asked several times.
    pub repeats: Vec<crate::repeat::Repeated>,
    /// What went wrong, in the order it was seen.
    pub symptoms: Vec<Symptom>,
    /// Commands and settings that a log shows somebody using, such as `export GOSUMDB=off`, with the line.
    pub seen_settings: Vec<(usize, String)>,
    /// A failure of the go command that left no symptom anybody knows.
    pub unexplained: Vec<String>,
}

impl Facts {
    /// Iterates over the symptoms with their indices.
    pub fn symptoms(&self) -> impl Iterator<Item = (usize, &Symptom)> {
        self.symptoms.iter().enumerate()
    }
}
