//! The doctor's report in three forms. They take what a redactor has let through and nothing else.

pub(crate) mod explained;
mod layout;
pub(crate) mod manual;
mod markdown;
mod text;
mod words;

use larder_doctor::catalogue::Language;
use larder_doctor::redact::Shown;

pub(crate) use text::text;
pub(crate) use words::words;

/// Returns a report as JSON.
pub(crate) fn json(shown: &Shown) -> String {
    serde_json::to_string_pretty(shown.report()).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// Returns a report to paste into an issue.
pub(crate) fn markdown(shown: &Shown, language: Language) -> String {
    markdown::report(shown.report(), language)
}
