//! Every cause of the catalogue is whole: a rule, words in both languages, a fixture that fires and one that must not.

use std::collections::BTreeSet;
use std::path::Path;

use larder_doctor::catalogue::{Catalogue, Language};
use larder_doctor::rules;

/// How many causes each layer has.
const CAUSES: &[(char, usize)] =
    &[('C', 16), ('F', 16), ('G', 17), ('N', 28), ('P', 24), ('R', 15), ('V', 13)];

fn ids() -> BTreeSet<String> {
    CAUSES
        .iter()
        .flat_map(|(layer, count)| (1..=*count).map(move |number| format!("{layer}{number:02}")))
        .collect()
}

/// Returns the fixtures of a cause whose name begins so.
fn fixtures(id: &str, start: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(id);
    fs_err::read_dir(folder).map_or(0, |files| {
        files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(start)).count()
    })
}

#[test]
fn there_are_129_causes_and_each_is_whole() {
    let ids = ids();
    assert_eq!(ids.len(), 129);
    let rules: BTreeSet<String> = rules::all().map(|rule| rule.cause.0.to_owned()).collect();
    let mut missing = Vec::new();
    for id in &ids {
        if !rules.contains(id) {
            missing.push(format!("{id}: no rule"));
        }
        for (language, name) in [(Language::English, "English"), (Language::Chinese, "Chinese")] {
            let Some(entry) = Catalogue::of(language).entry(id) else {
                missing.push(format!("{id}: no words in {name}"));
                continue;
            };
            let words = entry.words;
            for (what, text) in [
                ("title", &words.title),
                ("verdict", &words.verdict),
                ("proof", &words.proof),
                ("fix", &words.fix),
                ("wrong", &words.wrong),
            ] {
                if text.trim().is_empty() {
                    missing.push(format!("{id}: no {what} in {name}"));
                }
            }
            if name == "Chinese" && words.title.is_ascii() {
                missing.push(format!("{id}: the Chinese title is not Chinese"));
            }
        }
        for start in ["fires", "near"] {
            if fixtures(id, start) == 0 {
                missing.push(format!("{id}: no fixture {start}*"));
            }
        }
    }
    assert!(missing.is_empty(), "{} things are missing:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn look_alikes_are_causes_and_no_command_switches_safety_off() {
    const FORBIDDEN: &[&str] = &[
        "GOSUMDB=off",
        "GONOSUMDB=*",
        "GOINSECURE=*",
        "-insecure",
        "sslVerify=false",
        "sslVerify false",
        "-mod=mod",
        "rm go.sum",
        "rm -f go.sum",
        "chmod 777",
        "chmod -R 777",
        "setenforce 0",
        "StrictHostKeyChecking=no",
    ];
    for language in [Language::English, Language::Chinese] {
        let catalogue = Catalogue::of(language);
        for entry in catalogue.entries() {
            for other in &entry.cause.look_alikes {
                assert!(catalogue.entry(other).is_some(), "{}: {other} is no cause", entry.id);
            }
            let said = entry.cause.commands.iter().chain([&entry.words.fix, &entry.words.changes]);
            for text in said {
                let bad = FORBIDDEN.iter().find(|bad| text.contains(**bad));
                assert!(bad.is_none(), "{}: {text} suggests {bad:?}", entry.id);
            }
        }
    }
}
