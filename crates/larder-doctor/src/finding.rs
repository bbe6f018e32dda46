//! What a rule answers with, before it has words in anybody's language.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The stable name of a cause, `N01` to `R15`; its words lie in the catalogue.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CauseId(pub &'static str);

impl fmt::Display for CauseId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// The layer in which a cause lies, from the wire upwards.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Settings of Go, of the shell, of the container.
    Configuration,
    /// Names to addresses.
    Dns,
    /// Routes and connections.
    Tcp,
    /// Certificates and handshakes.
    Tls,
    /// The forward proxy between here and everything else.
    ForwardProxy,
    /// What a module proxy answers.
    Protocol,
    /// The module cache and the disk.
    Cache,
    /// go.mod, go.sum, go.work and vendor of the project.
    Project,
    /// Hashes and the checksum database.
    Verification,
    /// go-import pages and git.
    VersionControl,
    /// Which versions and packages there are.
    Resolution,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This makes a download fail.
    Fail,
    /// This will, or makes one fail for others.
    Warn,
    /// Worth knowing.
    Info,
}

/// One measured or read value that speaks for a finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// What was looked at: `address of proxy.example.com`, `GOPROXY`.
    pub what: String,
    /// What was seen there.
    pub value: String,
    /// By whom: `log line 12`, `probe dns`, `environment`, `/etc/resolv.conf`.
    pub source: String,
}

impl Evidence {
    /// Makes one.
    pub fn new(what: impl Into<String>, value: impl Into<String>, source: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into(), source: source.into() }
    }
}

/// A cause that a rule found at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Which cause.
    pub cause: CauseId,
    /// What tells two finds of one cause apart, such as the host or the module; equal ones become one finding.
    pub about: String,
    /// How bad.
    pub verdict: Verdict,
    /// How sure, 0 to 1: 0.95 what only this cause can say, 0.8 a text with look-alikes that were ruled out, 0.6 a text whose
    /// look-alikes were not looked at, 0.3 a possibility.
    pub confidence: f32,
    /// Indices of the symptoms in [`Facts::symptoms`](crate::Facts) that this explains.
    pub explains: Vec<usize>,
    /// The proof.
    pub evidence: Vec<Evidence>,
    /// Values for the `{name}` places in the catalogue's texts and commands.
    pub values: BTreeMap<&'static str, String>,
    /// Look-alikes that this rule excluded, each with the observation that did.
    pub not: Vec<(CauseId, String)>,
}

impl Match {
    /// Starts a match: a failure at 0.6.
    #[must_use]
    pub fn of(cause: CauseId, about: impl Into<String>) -> Self {
        Self {
            cause,
            about: about.into(),
            verdict: Verdict::Fail,
            confidence: 0.6,
            explains: Vec::new(),
            evidence: Vec::new(),
            values: BTreeMap::new(),
            not: Vec::new(),
        }
    }

    /// Sets how sure the rule is.
    #[must_use]
    pub const fn sure(mut self, confidence: f32) -> Self {
        self.confidence = confidence;
        self
    }

    /// Sets how bad it is.
    #[must_use]
    pub const fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    /// Adds a symptom that this explains.
    #[must_use]
    pub fn explains(mut self, symptom: usize) -> Self {
        self.explains.push(symptom);
        self
    }

    /// Adds a proof.
    #[must_use]
    pub fn because(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Adds a value for the catalogue's texts.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(name, value.into());
        self
    }

    /// Adds a look-alike that was ruled out, and by what.
    #[must_use]
    pub fn not(mut self, cause: CauseId, why: impl Into<String>) -> Self {
        self.not.push((cause, why.into()));
        self
    }
}
