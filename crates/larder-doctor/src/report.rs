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
    /// The ways of the request, one for each entry of the chain, with a mark at the step that breaks.
    pub path: Vec<Way>,
    /// What was checked and found well, in words; said when nothing else was found.
    pub healthy: Vec<String>,
    /// Words of the go command that look like a failure and that no rule knows.
    pub unexplained: Vec<String>,
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
    #[serde(serialize_with = "two_places")]
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

impl Report {
    /// Reports whether anything was found that makes, or will make, a download fail.
    #[must_use]
    pub fn found_anything(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict != Verdict::Info)
            || (self.findings.is_empty() && !self.unexplained.is_empty())
    }

    /// Reports whether something failed and no finding says why.
    #[must_use]
    pub fn is_riddle(&self) -> bool {
        !self.unexplained.is_empty() && self.findings.iter().all(|finding| finding.verdict != Verdict::Fail)
    }
}

/// The way to one entry of the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Way {
    /// Where to: an entry of `GOPROXY`, the checksum database, a host.
    pub to: String,
    /// What makes the go command go on to the next entry: `,`, `|`, or nothing.
    pub separator: String,
    /// The steps, one after the other.
    pub steps: Vec<PathStep>,
}

/// One step of a request's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathStep {
    /// A word: `dns`, `tcp`, `tls`, `info`, ...
    pub label: String,
    /// How it went.
    pub mark: StepMark,
    /// The measured value: `192.0.2.1, 12 ms`, `NXDOMAIN`.
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

/// A float of 32 bits as a JSON number is a row of odd digits otherwise.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn two_places<S: serde::Serializer>(value: &f32, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64((f64::from(*value) * 100.0).round() / 100.0)
}

impl Report {
    /// Hands every text that came from outside, or may hold something that did, to `change`.
    pub(crate) fn each_text(&mut self, change: &mut impl FnMut(&mut String)) {
        for finding in &mut self.findings {
            finding.each_text(change);
        }
        self.ruled_out.iter_mut().for_each(|out| change(&mut out.why));
        for skipped in &mut self.skipped {
            change(&mut skipped.id);
            change(&mut skipped.why);
        }
        for way in &mut self.path {
            change(&mut way.to);
            change(&mut way.separator);
            for step in &mut way.steps {
                change(&mut step.label);
                change(&mut step.note);
            }
        }
        self.healthy.iter_mut().for_each(&mut *change);
        self.unexplained.iter_mut().for_each(&mut *change);
        for setting in &mut self.settings {
            change(&mut setting.name);
            change(&mut setting.value);
            change(&mut setting.origin);
        }
        let mut facts = serde_json::Value::Object(std::mem::take(&mut self.facts));
        each_text_of(&mut facts, change);
        if let serde_json::Value::Object(facts) = facts {
            self.facts = facts;
        }
    }
}

impl Finding {
    fn each_text(&mut self, change: &mut impl FnMut(&mut String)) {
        for text in [&mut self.title, &mut self.about, &mut self.sentence, &mut self.wrong] {
            change(text);
        }
        for evidence in &mut self.evidence {
            change(&mut evidence.what);
            change(&mut evidence.value);
            change(&mut evidence.source);
        }
        change(&mut self.fix.summary);
        change(&mut self.fix.changes);
        self.fix.commands.iter_mut().for_each(&mut *change);
        self.by_hand.iter_mut().for_each(&mut *change);
        self.not.iter_mut().for_each(|out| change(&mut out.why));
    }
}

/// Hands every text of a JSON value to `change`, names of fields included.
pub(crate) fn each_text_of(value: &mut serde_json::Value, change: &mut impl FnMut(&mut String)) {
    match value {
        serde_json::Value::String(text) => change(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| each_text_of(item, change)),
        serde_json::Value::Object(fields) => {
            for (mut name, mut item) in std::mem::take(fields) {
                change(&mut name);
                each_text_of(&mut item, change);
                fields.insert(name, item);
            }
        }
        _ => {}
    }
}
