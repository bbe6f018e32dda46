//! What machines and people do to a log before anybody reads it must not change what it says: every `fires*.log` of the
//! fixtures is put into the clothes of forges, builders, containers, terminals and mails, and names the same cause first.

use std::path::Path;

use larder_doctor::catalogue::Language;
use larder_doctor::{Facts, diagnose, log};

type Dress = (&'static str, fn(&str) -> String);

/// Clothes that must change nothing at all.
const CLOTHES: &[Dress] = &[
    ("github", |log| each(log, |line| format!("2026-01-01T00:00:00.1234567Z {line}"))),
    ("github client", |log| {
        each(log, |line| format!("build\tRun go build\t2026-01-01T00:00:00.1234567Z {line}"))
    }),
    ("gitlab", |log| each(log, |line| format!("2026-01-01T00:00:00.123456Z 01E {line}"))),
    ("jenkins", |log| each(log, |line| format!("[2026-01-01T00:00:00.123Z] {line}"))),
    ("kubernetes", |log| each(log, |line| format!("2026-01-01T00:00:00.123456789Z stderr F {line}"))),
    ("teamcity", |log| each(log, |line| format!("[12:00:00]W:\t [Step 1/3] {line}"))),
    ("buildkit", |log| each(log, |line| format!("#12 3.456 {line}"))),
    ("compose", |log| each(log, |line| format!("web-1  | {line}"))),
    ("quoted", |log| each(log, |line| format!("> {line}"))),
    ("indented", |log| each(log, |line| format!("    {line}"))),
    ("fenced", |log| format!("Hello,\n\nthis fails:\n\n```\n{log}\n```\n\nAny ideas? Thanks!\n")),
    ("windows", |log| each(log, |line| format!("{line}\r"))),
    ("padded", |log| each(log, |line| format!("{line}{}", " ".repeat(60)))),
    ("coloured", |log| each(log, |line| format!("\u{1b}[31m{line}\u{1b}[0m"))),
    ("colour without escape", |log| each(log, |line| format!("[31m{line}[0m"))),
    ("unknown prefix", |log| each(log, |line| format!("runner-7 <build:{}> {line}", 12))),
    ("docker's JSON", |log| {
        each(log, |line| serde_json::json!({"log": format!("{line}\n"), "stream": "stderr"}).to_string())
    }),
    ("one JSON string", |log| {
        serde_json::json!({"level": "error", "msg": format!("it failed:\n{log}")}).to_string()
    }),
    ("HTML", |log| {
        log.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
    }),
    ("typographic", |log| log.replace(" \"", " \u{201c}").replace('"', "\u{201d}")),
    ("system log", |log| each(log, |line| format!("Jan  2 15:04:05 ci dockerd[12]: {line}"))),
    ("progress", |log| {
        each(log, |line| format!("{line}\ngo: downloading example.com/other v1.0.0\nremote: Counting objects: 10%\rremote: Counting objects: 20%\r"))
            .replacen("go: downloading example.com/other v1.0.0\n", "", usize::MAX)
    }),
    ("twice", |log| format!("{log}\n{log}")),
    ("UTF-16", |log| log.to_owned()),
];

/// Clothes in which something may get lost.
const TIGHT: &[Dress] = &[
    ("wrapped at 80", |log| wrapped(log, 80)),
    ("wrapped at 120", |log| wrapped(log, 120)),
    ("beginnings cut", |log| each(log, |line| line.strip_prefix("go: ").unwrap_or(line).to_owned())),
    ("indentation lost", |log| each(log, |line| line.trim_start().to_owned())),
];

fn each(log: &str, dress: impl Fn(&str) -> String) -> String {
    log.lines().map(|line| dress(line) + "\n").collect()
}

fn wrapped(log: &str, columns: usize) -> String {
    each(log, |line| {
        let chars: Vec<char> = line.chars().collect();
        chars.chunks(columns).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
    })
}

fn first(name: &str, text: &str) -> Vec<String> {
    let bytes: Vec<u8> = if name == "UTF-16" {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        text.as_bytes().to_vec()
    };
    let facts = log::read(bytes.as_slice()).expect("memory can be read").into_facts(Facts::default());
    diagnose(&facts, Language::English).findings.iter().map(|finding| finding.id.0.to_owned()).collect()
}

/// Puts every fixture into every dress; answers with how many there were and what went wrong.
fn try_on(clothes: &[Dress]) -> (usize, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    let mut wrong = Vec::new();
    let mut folders: Vec<_> =
        fs_err::read_dir(&root).expect("there are fixtures").flatten().map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in fs_err::read_dir(&folder).expect("a folder").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with("fires") || !name.ends_with(".log") {
                continue;
            }
            let Ok(text) = fs_err::read_to_string(file.path()) else { continue };
            for (dress, put_on) in clothes {
                count += 1;
                let found = first(dress, &put_on(&text));
                if found.first() != Some(&id) {
                    wrong.push(format!("{id}/{name} {dress}: {found:?}"));
                }
            }
        }
    }
    (count, wrong)
}

#[test]
fn clothes_change_nothing() {
    let (count, wrong) = try_on(CLOTHES);
    assert!(wrong.len() * 200 <= count, "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tight_clothes_change_little() {
    let (count, wrong) = try_on(TIGHT);
    assert!(wrong.len() * 20 <= count, "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
