//! The catalogue as a manual: `doctor list` and `doctor show`.

use std::collections::BTreeMap;
use std::fmt::Write;

use larder_doctor::catalogue::{Catalogue, Entry, Language, filled};
use serde_json::json;

use super::layout::{COLUMNS, cut, wrapped, wrapped_command};
use super::words::{layer, words};

/// Returns a text of the catalogue with its places named.
pub(crate) fn plain(text: &str) -> String {
    filled(text, &BTreeMap::new())
}

/// Returns one line for each cause.
pub(crate) fn list(catalogue: Catalogue) -> String {
    let mut out = String::new();
    for entry in catalogue.entries() {
        let line = format!("{:<4} {:<26} {}", entry.id.0, entry.cause.slug, plain(&entry.words.title));
        let _infallible = writeln!(out, "{}", cut(&line, COLUMNS));
    }
    out
}

/// Returns the list as a table.
pub(crate) fn markdown_list(catalogue: Catalogue) -> String {
    let mut out = "| id | name | what |\n|---|---|---|\n".to_owned();
    for entry in catalogue.entries() {
        let title = plain(&entry.words.title).replace('|', "\\|");
        let _infallible = writeln!(out, "| {} | {} | {title} |", entry.id, entry.cause.slug);
    }
    out
}

/// The parts of an entry: heading, prose, commands or quoted lines.
fn parts(entry: &Entry, language: Language) -> Vec<(&'static str, String, Vec<String>, bool)> {
    let words = words(language);
    let filled = |lines: &[String]| lines.iter().map(|line| plain(line)).collect::<Vec<_>>();
    vec![
        (words.looks_like, String::new(), filled(&entry.cause.texts), false),
        (words.proof, plain(&entry.words.proof), filled(&entry.cause.by_hand), true),
        (words.fix, plain(&entry.words.fix), filled(&entry.cause.commands), true),
        (words.wrong, plain(&entry.words.wrong), Vec::new(), false),
        (words.look_alikes, entry.cause.look_alikes.join(", "), Vec::new(), false),
    ]
}

/// Returns the page of one cause.
pub(crate) fn show(entry: &Entry, language: Language) -> String {
    let mut out = format!("{} {}: {}\n", entry.id, entry.cause.slug, plain(&entry.words.title));
    let mut prose = |indent: usize, text: &str| {
        for line in wrapped(text, COLUMNS - indent) {
            let _infallible = writeln!(out, "{:indent$}{line}", "");
        }
    };
    prose(2, &plain(&entry.words.verdict));
    prose(2, &format!("({})", layer(entry.cause.layer, language)));
    for (heading, text, lines, commands) in parts(entry, language) {
        if text.is_empty() && lines.is_empty() {
            continue;
        }
        prose(0, "");
        prose(2, heading);
        if !text.is_empty() {
            prose(4, &text);
        }
        for line in &lines {
            if commands {
                for (number, part) in wrapped_command(line, COLUMNS - 8).iter().enumerate() {
                    prose(6, &format!("{}{part}", if number == 0 { "$ " } else { "  " }));
                }
            } else {
                prose(4, line);
            }
        }
    }
    out
}

/// Returns the page of one cause as Markdown.
pub(crate) fn markdown_show(entry: &Entry, language: Language) -> String {
    let mut out = format!("## {} {}: {}\n\n", entry.id, entry.cause.slug, plain(&entry.words.title));
    let _infallible = writeln!(out, "{}", plain(&entry.words.verdict));
    for (heading, text, lines, _) in parts(entry, language) {
        if text.is_empty() && lines.is_empty() {
            continue;
        }
        let _infallible = writeln!(out, "\n### {heading}\n");
        if !text.is_empty() {
            let _infallible = writeln!(out, "{text}");
        }
        if !lines.is_empty() {
            let _infallible = writeln!(out, "\n```\n{}\n```", lines.join("\n"));
        }
    }
    out
}

/// Returns the page of one cause as JSON.
pub(crate) fn json(entry: &Entry) -> serde_json::Value {
    let filled = |lines: &[String]| lines.iter().map(|line| plain(line)).collect::<Vec<_>>();
    json!({
        "schema": larder_doctor::SCHEMA,
        "id": entry.id,
        "slug": entry.cause.slug,
        "layer": entry.cause.layer,
        "title": plain(&entry.words.title),
        "sentence": plain(&entry.words.verdict),
        "texts": filled(&entry.cause.texts),
        "proof": plain(&entry.words.proof),
        "by_hand": filled(&entry.cause.by_hand),
        "fix": {"summary": plain(&entry.words.fix), "commands": filled(&entry.cause.commands),
                "changes": plain(&entry.words.changes)},
        "wrong": plain(&entry.words.wrong),
        "look_alikes": entry.cause.look_alikes,
    })
}
