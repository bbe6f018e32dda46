//! Questions about names, versions and go.mod files: tables by hand, and mutations of them from a seed.

use super::{Question, tables::*};
use crate::Rng;
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Returns every pair of table entries once, then as many mutations as are asked for.
pub(super) fn questions(rng: &mut Rng, mutations: usize) -> Vec<Question> {
    let mut questions = tables();
    while questions.len() < mutations {
        questions.push(mutation(rng));
    }
    questions
}

fn tables() -> Vec<Question> {
    let mut questions = Vec::new();
    let mut ask_all = |operations: &[&'static str], inputs: &[&str]| {
        for operation in operations {
            questions.extend(inputs.iter().map(|input| Question::new(operation, [*input])));
        }
    };
    let texts: Vec<&str> = [PATHS, VERSIONS, PSEUDO_VERSIONS, FILES].concat();
    ask_all(PATH_OPERATIONS, &texts);
    ask_all(VERSION_OPERATIONS, &texts);
    let versions: Vec<&str> = [VERSIONS, PSEUDO_VERSIONS].concat();
    for version in &versions {
        questions.extend(MAJORS.iter().map(|major| Question::new("check_path_major", [*version, *major])));
        questions.extend(MAJORS.iter().map(|major| Question::new("match_path_major", [*version, *major])));
        questions.extend(PATHS.iter().map(|path| Question::new("check", [*path, *version])));
        questions.extend(versions.iter().map(|other| Question::new("semver_compare", [*version, *other])));
        questions
            .extend(TIMES.iter().map(|time| Question::new("pseudo_version", ["v1", *version, *time, "abc"])));
    }
    for glob in GLOBS {
        questions
            .extend(TARGETS.iter().map(|target| Question::new("match_prefix_patterns", [*glob, *target])));
    }
    let files = GO_MODS.iter().chain(GO_MOD_LINES);
    for text in files {
        let encoded = BASE64_STANDARD.encode(text);
        questions.extend(FILE_OPERATIONS.iter().map(|operation| Question::new(operation, [&*encoded])));
    }
    questions.extend(INFOS.iter().map(|text| Question::new("info", [*text])));
    questions.extend(URLS.iter().map(|text| Question::new("goproxy", [format!("http{text}")])));
    questions.extend(FILE_URLS.iter().map(|text| Question::new("goproxy", [format!("file:{text}")])));
    questions.extend(LISTS.iter().map(|text| Question::new("goproxy", [*text])));
    questions.push(Question::new("no_such_operation", [""]));
    questions
}

fn mutation(rng: &mut Rng) -> Question {
    let version = |rng: &mut Rng| match rng.below(4) {
        0 => mutate(rng, PSEUDO_VERSIONS),
        1 => composed_version(rng),
        _ => mutate(rng, VERSIONS),
    };
    match rng.below(20) {
        0..=3 => {
            let text = if rng.one_in(3) { mutate(rng, FILES) } else { mutate(rng, PATHS) };
            Question::new(pick(rng, PATH_OPERATIONS), [text])
        }
        4..=7 => Question::new(pick(rng, VERSION_OPERATIONS), [version(rng)]),
        8 => Question::new("check", [mutate(rng, PATHS), version(rng)]),
        9 => {
            let operation = pick(rng, &["check_path_major", "match_path_major"]);
            Question::new(operation, [version(rng), mutate(rng, MAJORS)])
        }
        10 => Question::new("semver_compare", [version(rng), version(rng)]),
        11 | 12 => Question::new("match_prefix_patterns", [mutate(rng, GLOBS), mutate(rng, TARGETS)]),
        13 => {
            let major = pick(rng, &["", "v0", "v1", "v2", "x"]);
            let revision = mutate(rng, &["abcdef123456", "ABC", ""]);
            Question::new("pseudo_version", [major.into(), version(rng), mutate(rng, TIMES), revision])
        }
        14 if rng.one_in(2) => Question::new("info", [mutate(rng, INFOS)]),
        14 => Question::new("goproxy", ["http".to_owned() + &mutate(rng, URLS)]),
        15 if rng.one_in(2) => Question::new("goproxy", ["file:".to_owned() + &mutate(rng, FILE_URLS)]),
        15 => Question::new("goproxy", [mutate(rng, LISTS)]),
        _ => Question::new(pick(rng, FILE_OPERATIONS), [BASE64_STANDARD.encode(go_mod(rng))]),
    }
}

/// Builds a version from pieces, so that more of them are nearly valid than mutations would leave.
fn composed_version(rng: &mut Rng) -> String {
    let mut text = format!("v{}.{}.{}", pick(rng, NUMBERS), pick(rng, NUMBERS), pick(rng, NUMBERS));
    for pieces in [TAILS, DATES, REVISIONS, BUILDS] {
        // The first piece is the one that makes a pseudo-version.
        text.push_str(if rng.one_in(2) { pieces[0] } else { pick(rng, pieces) });
    }
    text
}

/// Returns what asks about a single character: as part of a file name, and of a go.mod file.
pub(super) fn about(c: char) -> [Question; 2] {
    let line = format!("require a v1.0.0 // indirect{c}\nmodule a{c}b");
    [Question::new("check_file_path", [c]), Question::new("gomod", [BASE64_STANDARD.encode(line)])]
}

/// Returns one of the items.
pub(super) fn pick<T: Copy>(rng: &mut Rng, items: &[T]) -> T {
    *rng.pick(items)
}

/// Changes one of the seeds in one to four places, or leaves it.
pub(super) fn mutate(rng: &mut Rng, seeds: &[&str]) -> String {
    let mut text: Vec<char> = pick(rng, seeds).chars().collect();
    for _ in 0..rng.below(5) {
        let at = rng.below(text.len() + 1);
        match rng.below(8) {
            0 => text.truncate(at),
            1 | 2 if at < text.len() => {
                text.remove(at);
            }
            3 if at < text.len() => text[at] = character(rng),
            4 => {
                let other: Vec<char> = pick(rng, seeds).chars().collect();
                let from = rng.below(other.len() + 1);
                text.truncate(at);
                text.extend(&other[from..]);
            }
            5 => {
                let end = at + rng.below(text.len() - at + 1);
                let piece = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
            6 => {
                let piece: Vec<char> = pick(rng, PIECES).chars().collect();
                text.splice(at..at, piece);
            }
            _ => text.insert(at, character(rng)),
        }
        // Doubling may not run away.
        text.truncate(400);
    }
    text.into_iter().collect()
}

fn character(rng: &mut Rng) -> char {
    match rng.below(10) {
        0..=6 => char::from(b' ' + u8::try_from(rng.below(95)).unwrap_or_default()),
        7 | 8 => pick(rng, ODD),
        _ => u32::try_from(rng.below(0x11_0000)).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'),
    }
}

/// Puts lines together to a go.mod file, now and then with broken bytes in it.
fn go_mod(rng: &mut Rng) -> Vec<u8> {
    let mut text = String::new();
    if rng.one_in(3) {
        text = mutate(rng, GO_MODS);
    }
    for _ in 0..rng.below(8) {
        let line = match rng.below(8) {
            0 => mutate(rng, GO_MOD_LINES),
            1 => pick(rng, GO_MOD_LINES).to_owned(),
            2 | 3 => mutate(rng, GOOD_LINES),
            _ => pick(rng, GOOD_LINES).to_owned(),
        };
        let block = if rng.one_in(6) { pick(rng, BLOCKS) } else { "" };
        text.push_str(block);
        text.push_str(&line);
        text.push_str(pick(rng, &["\n", "\n", "\n", "\r\n", " // indirect\n", "// c\n", "\n\n", ""]));
        if !block.is_empty() && !rng.one_in(8) {
            text.push_str(pick(rng, &[")\n", ") // e\n", "\n)\n", ") x\n"]));
        }
    }
    let mut bytes = text.into_bytes();
    if rng.one_in(8) && !bytes.is_empty() {
        let at = rng.below(bytes.len());
        bytes[at] = rng.next_u64().to_le_bytes()[0];
    }
    bytes
}
