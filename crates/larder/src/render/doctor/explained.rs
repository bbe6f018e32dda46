//! The route of a path as a page.

use std::fmt::Write;

use larder_doctor::catalogue::Language;
use larder_doctor::explain::{Explanation, Route, Whom};
use larder_doctor::redact::Redactor;
use serde_json::json;

use super::layout::{COLUMNS, wrapped};
use super::words::words;

/// A line of a page, and what it is.
pub(crate) enum Line {
    Heading(String),
    Item(String),
    Below(String),
}

impl Line {
    /// Takes away what must not be seen.
    pub(crate) fn cleaned(self, redactor: &mut Redactor) -> Self {
        match self {
            Self::Heading(text) => Self::Heading(redactor.text(&text)),
            Self::Item(text) => Self::Item(redactor.text(&text)),
            Self::Below(text) => Self::Below(redactor.text(&text)),
        }
    }
}

/// Returns the page: the steps with the settings that decided them, who is asked, and who learns what.
pub(crate) fn page(explanation: &Explanation, language: Language) -> Vec<Line> {
    let words = words(language);
    let title = match &explanation.version {
        Some(version) => format!("{}@{version}", explanation.module),
        None => explanation.module.clone(),
    };
    let go = explanation.go.map(|go| format!(" ({go})")).unwrap_or_default();
    let mut lines = vec![Line::Heading(format!("{title}{go}"))];
    for step in &explanation.steps {
        lines.push(Line::Item(step.sentence(language)));
        for setting in &step.settings {
            lines.push(Line::Below(format!("{}={} ({})", setting.name, setting.value, setting.origin)));
        }
    }
    if let Route::Asked { path, stations } = &explanation.route {
        lines.push(Line::Heading(format!("{} {path}", words.asked)));
        for station in stations {
            let whom = match &station.whom {
                Whom::Proxy(url) => url.as_str(),
                Whom::Direct => "direct",
                Whom::Off => "off",
            };
            let after = match (station.after_absence, station.after_failure) {
                (_, true) => words.after_any,
                (true, false) => words.after_absent,
                (false, false) => "",
            };
            lines.push(Line::Item(format!("{whom} {after}").trim_end().to_owned()));
        }
    }
    if !explanation.leaks.is_empty() {
        lines.push(Line::Heading(words.learns.to_owned()));
        lines.extend(explanation.leaks.iter().map(|leak| Line::Item(leak.sentence(language))));
    }
    lines
}

/// Returns a page as text.
pub(crate) fn text(page: &[Line]) -> String {
    let mut out = String::new();
    let mut number = 0;
    for line in page {
        let (indent, mark, text) = match line {
            Line::Heading(text) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                number = 0;
                (0, String::new(), text)
            }
            Line::Item(text) => {
                number += 1;
                (2, format!("{number:>2}. "), text)
            }
            Line::Below(text) => (6, String::new(), text),
        };
        for (row, part) in wrapped(text, COLUMNS - indent - mark.len()).iter().enumerate() {
            let mark = if row == 0 { mark.clone() } else { " ".repeat(mark.len()) };
            let _infallible = writeln!(out, "{:indent$}{mark}{part}", "");
        }
    }
    out.trim_end().to_owned()
}

/// Returns a page as Markdown.
pub(crate) fn markdown(page: &[Line]) -> String {
    let mut out = String::new();
    let mut number = 0;
    for line in page {
        let _infallible = match line {
            Line::Heading(text) => {
                number = 0;
                writeln!(out, "\n## {}\n", super::markdown::plain(text))
            }
            Line::Item(text) => {
                number += 1;
                writeln!(out, "{number}. {}", super::markdown::plain(text))
            }
            Line::Below(text) => writeln!(out, "   - {}", super::markdown::code(text)),
        };
    }
    out.trim().to_owned()
}

/// Returns an explanation as JSON, each step with its sentence.
pub(crate) fn json(explanation: &Explanation, language: Language) -> serde_json::Value {
    let mut value = json!(explanation);
    value["schema"] = larder_doctor::SCHEMA.into();
    for (place, step) in explanation.steps.iter().enumerate() {
        value["steps"][place]["sentence"] = step.sentence(language).into();
    }
    for (place, leak) in explanation.leaks.iter().enumerate() {
        value["leaks"][place]["sentence"] = leak.sentence(language).into();
    }
    value
}
