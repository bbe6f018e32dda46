//! What came of it: counts, bytes, sources, failures.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_module::ObjectKind;
use serde_json::{Value, json};

use super::provider::{Got, Origin};

/// Something that could not be had, or is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failed {
    /// The version, or what else it is about.
    pub(crate) of: String,
    /// Which file of it.
    pub(crate) file: String,
    /// The word for why.
    pub(crate) reason: String,
    /// What a person reads.
    pub(crate) lines: Vec<String>,
    /// Who requires it, the main module's own requirement first.
    pub(crate) required_by: Vec<String>,
}

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Amount {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stored: Amount,
    pub(crate) fetched: Amount,
    pub(crate) unstored: Amount,
    pub(crate) mods: u64,
    pub(crate) zips: u64,
    /// By whom it was fetched from.
    pub(crate) sources: BTreeMap<String, Amount>,
    pub(crate) elapsed: Duration,
}

impl Tally {
    /// Counts a file that was had.
    pub(crate) fn count(&mut self, kind: ObjectKind, got: &Got) {
        match kind {
            ObjectKind::Mod => self.mods += 1,
            ObjectKind::Zip => self.zips += 1,
            ObjectKind::Info => {}
        }
        match &got.origin {
            Origin::Stored => self.stored.add(got.size),
            Origin::Fetched(source) => {
                self.fetched.add(got.size);
                self.sources.entry(source.clone()).or_default().add(got.size);
            }
            Origin::Unstored(source) => {
                self.unstored.add(got.size);
                self.sources.entry(source.clone()).or_default().add(got.size);
            }
        }
    }

    /// Returns how many files were had.
    pub(crate) fn files(&self) -> u64 {
        self.stored.files + self.fetched.files + self.unstored.files
    }

    /// Returns it for programs.
    pub(crate) fn as_json(&self) -> Value {
        let amount = |amount: &Amount| json!({"files": amount.files, "bytes": amount.bytes});
        let sources: serde_json::Map<String, Value> =
            self.sources.iter().map(|(name, of)| (name.clone(), amount(of))).collect();
        json!({
            "modules": self.zips, "go_mod_files": self.mods, "stored_already": amount(&self.stored),
            "fetched": amount(&self.fetched), "not_stored": amount(&self.unstored), "upstreams": sources,
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

impl Failed {
    /// Returns it for programs.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "of": self.of, "file": self.file, "reason": self.reason, "lines": self.lines,
            "required_by": self.required_by,
        })
    }
}

/// Writes a number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.2} GB", value / 1e9),
    }
}

/// Writes a number with its noun.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
