//! `--bundle FILE`: all facts, to attach to an issue. It is always as free of names as `--share` makes a report.

use std::path::Path;

use larder_doctor::redact::Redactor;
use larder_doctor::{Facts, diagnose};
use serde_json::json;

use super::{Desk, Outcome};
use crate::render;

/// Writes the facts, and what was made of them, as JSON.
pub(super) fn write(desk: &Desk<'_>, facts: &Facts, file: &Path) -> Result<(), Outcome> {
    let environment = desk.environment_map();
    let mut redactor = Redactor::of(&environment).learning(facts).sharing(facts, &environment);
    let report = diagnose(facts, desk.language);
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({"id": finding.id, "about": finding.about, "confidence": finding.confidence}))
        .collect();
    let bundle = redactor.value(json!({
        "schema": larder_doctor::SCHEMA,
        "larder": env!("CARGO_PKG_VERSION"),
        "found": found,
        "facts": facts,
    }));
    let text = format!("{bundle:#}\n");
    fs_err::write(file, text).map_err(|error| Outcome::usage(&error, None))?;
    render::note(format_args!("{} {}", render::doctor::words(desk.language).bundled, file.display()));
    Ok(())
}
