//! The report: what was found, in words of one language, as data. Whoever prints renders it.

use serde::{Deserialize, Serialize};

use crate::finding::{CauseId, Evidence, Layer, Verdict};

/// The version of the JSON form; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// All that the doctor has to say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was found, the most likely root first.
    pub findings: Vec<Finding>,
    /// What it is not, and by which observation.
    pub ruled_out: Vec<RuledOut>,
    /// What was not looked at, and why.
    pub skipped: Vec<Skipped>,
    /// The way of the request, one step after the other, with a mark at the one that breaks.
    pub path: Vec<PathStep>,
    /// What was checked and found well, in words; said when nothing else was found.
    pub healthy: Vec<String>,
    /// Facts worth showing, by name.
    pub facts: serde_json::Map<String, serde_json::Value>,
    /// Settings with their origins.
    pub settings: Vec<Setting>,
}

/// A cause at hand, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The stable id.
    pub id: CauseId,
    /// Its readable name, `dns-nxdomain`.
    pub slug: &'static str,
    /// Where it lies.
    pub layer: Layer,
    /// A few words.
    pub title: String,
    /// How bad.
    pub verdict: Verdict,
    /// How sure, 0 to 1.
    pub confidence: f32,
    /// Which host, module or setting.
    pub about: String,
    /// One sentence that says what is wrong here.
    pub sentence: String,
    /// The proof.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub fix: Fix,
    /// Commands that show the same fault without Larder.
    pub by_hand: Vec<String>,
    /// The popular wrong fix, and its harm.
    pub wrong: String,
    /// Look-alikes that were excluded for this one.
    pub not: Vec<RuledOut>,
}

/// What to do about a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fix {
    /// In one sentence.
    pub summary: String,
    /// Ready to paste; empty where only a person elsewhere can act.
    pub commands: Vec<String>,
    /// What these change.
    pub changes: String,
}

/// A cause that it is not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuledOut {
    /// Which.
    pub id: CauseId,
    /// The observation that excludes it.
    pub why: String,
}

/// Something that was not looked at.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Skipped {
    /// A cause or a probe.
    pub id: String,
    /// Why.
    pub why: String,
}

/// One step of a request's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathStep {
    /// `go`, `dns proxy.example.com`, `tcp 192.0.2.1:443`, ...
    pub label: String,
    /// How it went.
    pub mark: StepMark,
    /// The measured value: `12 ms`, `NXDOMAIN`.
    pub note: String,
}

/// How a step went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepMark {
    /// It works.
    Works,
    /// It breaks here.
    Breaks,
    /// It works, and something about it is worth a warning.
    Doubtful,
    /// Not reached, or not looked at.
    NotReached,
}

/// A setting with its origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// `GOPROXY`
    pub name: String,
    /// The effective value.
    pub value: String,
    /// `environment`, `/home/me/.config/go/env`, ...
    pub origin: String,
}
