//! Questions about names, versions and go.mod files: tables by hand, and mutations of them from a seed.

use super::Question;
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
    questions.extend(files.map(|text| Question::new("gomod", [BASE64_STANDARD.encode(text)])));
    questions.push(Question::new("no_such_operation", [""]));
    questions
}

fn mutation(rng: &mut Rng) -> Question {
    let version = |rng: &mut Rng| match rng.below(4) {
        0 => mutate(rng, PSEUDO_VERSIONS),
        1 => composed_version(rng),
        _ => mutate(rng, VERSIONS),
    };
    match rng.below(16) {
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
        _ => Question::new("gomod", [BASE64_STANDARD.encode(go_mod(rng))]),
    }
}

/// Builds a version from pieces, so that more of them are nearly valid than mutations would leave.
fn composed_version(rng: &mut Rng) -> String {
    const NUMBERS: &[&str] =
        &["0", "1", "2", "9", "10", "99", "09", "18446744073709551616", "1000", "999", ""];
    const TAILS: &[&str] = &[
        "",
        "-pre",
        "-0",
        "-0.",
        "-pre.0.",
        "-pre.",
        "-",
        ".0.",
        "-rc.1",
        "-01",
        "+incompatible",
        "+meta",
        "-0.0.",
    ];
    const DATES: &[&str] =
        &["20200101000000", "20201301000000", "20200229235959", "2020010100000", "00000000000000", ""];
    const REVISIONS: &[&str] = &["-abcdef123456", "-ABC", "-", "", "-a-b", "-abc.d"];
    const BUILDS: &[&str] = &["", "", "+incompatible", "+meta", "+a.b", "+", "+01"];
    let mut text = format!("v{}.{}.{}", pick(rng, NUMBERS), pick(rng, NUMBERS), pick(rng, NUMBERS));
    for pieces in [TAILS, DATES, REVISIONS, BUILDS] {
        text.push_str(pick(rng, pieces));
    }
    text
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
    const ODD: &[char] = &[
        '\0',
        '\t',
        '\n',
        '\r',
        '\u{b}',
        '\u{7f}',
        '\u{85}',
        '\u{a0}',
        '\u{ad}',
        'é',
        'ß',
        'ſ',
        '\u{130}',
        '\u{212a}',
        '\u{301}',
        'Ⅷ',
        '²',
        '日',
        '\u{2028}',
        '\u{3000}',
        '\u{200b}',
        '\u{feff}',
        '\u{fffd}',
        '\u{e000}',
        '\u{10400}',
        '\u{1f600}',
        '\u{31350}',
        '\u{323b0}',
        '\u{e0100}',
        '\u{10ffff}',
        'ª',
        'ǅ',
        'ʰ',
        '٣',
    ];
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
        let line = if rng.one_in(3) { mutate(rng, GO_MOD_LINES) } else { pick(rng, GO_MOD_LINES).to_owned() };
        let block = if rng.one_in(4) { pick(rng, BLOCKS) } else { "" };
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

const PATH_OPERATIONS: &[&str] = &[
    "check_path",
    "check_import_path",
    "check_file_path",
    "escape_path",
    "unescape_path",
    "escape_version",
    "unescape_version",
    "split_path_version",
];

const VERSION_OPERATIONS: &[&str] = &[
    "canonical_version",
    "semver_valid",
    "semver_canonical",
    "semver_major",
    "semver_major_minor",
    "semver_prerelease",
    "semver_build",
    "is_pseudo",
    "pseudo_time",
    "pseudo_rev",
    "pseudo_base",
    "escape_version",
    "unescape_version",
];

const PATHS: &[&str] = &[
    "",
    "/",
    ".",
    "..",
    "-",
    "a",
    "a.b",
    "a.b/",
    "/a.b",
    "a.b//c",
    "a.b/c",
    "A.b/c",
    "a.b/C",
    "-a.b/c",
    "a.b/-c",
    "example.com/a/v1",
    "example.com/a/v2",
    "example.com/a/v02",
    "example.com/a/v2.0",
    "example.com/a/v0",
    "example.com/v2",
    "example.com/a/v",
    "example.com/a/v10",
    "example.com/a/v99999999999999999999",
    "example.com/a/v2/",
    "v2",
    "/v2",
    "x/v2",
    "gopkg.in/yaml.v2",
    "gopkg.in/yaml.v0",
    "gopkg.in/yaml.v00",
    "gopkg.in/yaml.v01",
    "gopkg.in/yaml.v1-unstable",
    "gopkg.in/yaml",
    "gopkg.in/yaml.v",
    "gopkg.in/yaml.v-unstable",
    "gopkg.in/.v1",
    "gopkg.in/a/yaml.v2",
    "gopkg.in/",
    "gopkg.in/yaml.v2/v3",
    "gopkg.in",
    "github.com/BurntSushi/toml",
    "github.com/!burnt!sushi/toml",
    "github.com/!Burnt",
    "github.com/!!a",
    "github.com/a!",
    "github.com/!1",
    "example.com/con",
    "example.com/CON.txt",
    "example.com/aux.x.y",
    "example.com/com1",
    "example.com/com0",
    "example.com/COM10",
    "example.com/lpt9.",
    "example.com/nul~1",
    "example.com/a~1",
    "example.com/a~1.txt",
    "example.com/a~",
    "example.com/~1",
    "example.com/a~1~x",
    "example.com/a.~1",
    "example.com/.a",
    "example.com/a.",
    "example.com/...",
    "example.com/a+b",
    "example.com/a b",
    "example.com/a@b",
    "example.com/é",
    "example.com/\u{212a}",
    "example.com:80/a",
    "example_com.x/a",
    "1.2/3",
    "golang.org/toolchain",
    "rsc.io/quote/v3",
    "example.com/a/v2-unstable",
    "example.com/a.v2",
    "localhost/a",
    "a.b/c\\d",
    "a.b/%20",
    "a.b/\u{0}",
    "con.x/a",
    "a.b/prn",
];

const FILES: &[&str] = &[
    "go.mod",
    "a/b.txt",
    "a//b",
    "a/",
    "/a",
    "é.go",
    "日本/x",
    "a\u{301}",
    "Ⅷ",
    "ª",
    "a b",
    "a'b",
    "a\"b",
    "a*b",
    "a:b",
    "a<b",
    "a|b",
    "a?b",
    "a`b",
    "a\\b",
    "!#$%&()+,-.=@[]^_{}~ ",
    "-a",
    ".a",
    "a.",
    ".",
    "..",
    "...",
    "a/../b",
    "CON",
    "con.go",
    "a~1",
    "a/nul.x/b",
    "LPT1.tar.gz",
    "com\u{b9}",
    "\u{17f}",
    "\u{1e9e}",
    "\u{31350}",
    "\u{323b0}",
    "\u{fffd}",
    "a\nb",
    "a\u{7f}b",
    "²",
];

const VERSIONS: &[&str] = &[
    "",
    "v",
    "v0",
    "v1",
    "v1.2",
    "v1.2.3",
    "v01.2.3",
    "v1.02.3",
    "v1.2.03",
    "v1.2.3-pre",
    "v1.2.3-pre.1",
    "v1.2.3-0",
    "v1.2.3-01",
    "v1.2.3-0a",
    "v1.2.3-a..b",
    "v1.2.3-",
    "v1.2.3+",
    "v1.2.3+meta",
    "v1.2.3+meta.01",
    "v1.2.3-pre+meta",
    "v1.2.3+a+b",
    "v1.2.3+incompatible",
    "v2.0.0+incompatible",
    "v2.0.0-rc.1+incompatible",
    "v2.3.4",
    "v1.2+meta",
    "v1-pre",
    "1.2.3",
    "V1.2.3",
    "v1.2.3.4",
    "v1.2.",
    "v1.",
    "v.1",
    "v1.2.3 ",
    " v1.2.3",
    "v1.2.3-é",
    "v18446744073709551616.0.0",
    "v1.2.3-18446744073709551616",
    "master",
    "latest",
    "v1.2.3-RC1",
    "v1.2.3-!r!c1",
    "v1.2.3-rc.10",
    "v1.2.3-rc.9",
    "v1.2.3-rc-9",
    "v1.2.3-9.rc",
    "v1.2.3--",
    "v1.2.3---",
    "v0.0.0",
    "v0.0.0-",
    "v0.0.0-x!",
    "v10.0.0",
    "v2.0.0",
    "v1.0.0-alpha.beta",
    "v1.0.0-alpha.1",
    "v1.0.0+incompatible",
];

const PSEUDO_VERSIONS: &[&str] = &[
    "v0.0.0-20200101000000-abcdef123456",
    "v1.0.0-20200101000000-abcdef123456",
    "v2.0.0-20200101000000-abcdef123456",
    "v1.2.0-20200101000000-abcdef123456",
    "v1.2.4-0.20200101000000-abcdef123456",
    "v1.2.0-0.20200101000000-abcdef123456",
    "v1.2.100-0.20200101000000-abcdef123456",
    "v1.2.10-0.20200101000000-abcdef123456",
    "v1.2.1-0.20200101000000-abcdef123456",
    "v1.2.3-pre.0.20200101000000-abcdef123456",
    "v1.2.3-pre.20200101000000-abcdef123456",
    "v1.2.3-0.0.20200101000000-abcdef123456",
    "v2.2.4-0.20200101000000-abcdef123456+incompatible",
    "v2.0.0-20200101000000-abcdef123456+incompatible",
    "v2.3.4-pre.0.20200101000000-abcdef123456+incompatible",
    "v1.2.4-0.20200101000000-abcdef123456+meta.1",
    "v0.0.0-20201301000000-abcdef123456",
    "v0.0.0-20200230000000-abcdef123456",
    "v0.0.0-20000229246060-abcdef123456",
    "v0.0.0-00010101000000-000000000000",
    "v0.0.0-00000101000000-0",
    "v0.0.0-19000229000000-a",
    "v0.0.0-2020010100000-abcdef123456",
    "v0.0.0-202001010000000-abcdef123456",
    "v0.0.0-20200101000000-",
    "v0.0.0-20200101000000-abc-def",
    "v0.0.0-20200101000000",
    "v0.0.0-20200101000000-abc.def",
    "v1.2.3-20200101000000-abcdef123456",
    "v1.2.3-a-b.0.20200101000000-abcdef123456",
    "v1.0.18446744073709551616-0.20200101000000-abc",
    "v1-20200101000000-abc",
    "v1.0.0-0.20200101000000-ABC",
    "v1.0.0-x.00.20200101000000-abc",
    "v1.0.0-.0.20200101000000-abc",
];

const MAJORS: &[&str] = &[
    "",
    "/",
    ".",
    "/v1",
    "/v2",
    "/v3",
    "/v0",
    "/v02",
    ".v0",
    ".v1",
    ".v2",
    ".v1-unstable",
    ".v2-unstable",
    "/v2-unstable",
    "v2",
    "-unstable",
    ".v-unstable",
    "/v10",
    ".v",
    "v0 or v1",
];

const GLOBS: &[&str] = &[
    "",
    ",",
    "*",
    "*/*",
    "?",
    "example.com",
    "example.com/",
    "example.com//",
    "/example.com",
    "example.com/*",
    "*.example.com",
    "*.com/a?c",
    "example.com/[a-c]*",
    "[^x]*",
    "[!x]*",
    "[]a]",
    "[a-]",
    "[-a]",
    "[a",
    "a[",
    "a\\",
    "\\*",
    "[\\]]",
    "[a-c-e]",
    "é?",
    "[é-ü]",
    "a*b*c",
    "**",
    "*x*",
    "x,example.com",
    "[,example.com",
    "example.com,[",
    " example.com",
    "*,",
    "a/b/c",
    "git.*/x",
    "[[]a",
    "[*]",
    "*[",
    "*\\",
];

const TARGETS: &[&str] = &[
    "",
    "/",
    "example.com",
    "example.com/",
    "example.com/a",
    "example.com/abc/d",
    "git.example.com/a/b",
    "a",
    "a/b",
    "a/b/c",
    "abc",
    "axbxc",
    "ab",
    "b",
    "]",
    "-",
    "!x",
    "*",
    "[",
    "é",
    "éü",
    "x/y/z",
    "aaaa/bbbb",
    "\\",
    "\u{fffd}",
    "日/本",
];

const TIMES: &[&str] = &[
    "2020-01-02T03:04:05Z",
    "2020-01-02T03:04:05+01:00",
    "2020-12-31T23:59:59-24:60",
    "0000-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2020-02-29T00:00:00Z",
    "2019-02-29T00:00:00Z",
    "2020-01-02T3:04:05Z",
    "2020-01-02T03:04:05,5Z",
    "2020-01-02T03:04:05.123456789123Z",
    "2020-01-02T03:04:60Z",
    "2020-01-02T24:04:05Z",
    "2020-13-02T03:04:05Z",
    "2020-00-02T03:04:05Z",
    "2020-01-00T03:04:05Z",
    "2020-1-02T03:04:05Z",
    "2020-01-02 03:04:05Z",
    "2020-01-02T03:04:05",
    "2020-01-02T03:04:05z",
    "",
    "1900-02-29T00:00:00Z",
    "2000-02-29T00:00:00.Z",
    "2020-01-02T03:04:05+0100",
    "2020-01-02T03:04:05 01:00",
    "2020-01-02T03:04:05Z ",
];

const PIECES: &[&str] = &[
    "/v2",
    ".v2",
    "-unstable",
    "+incompatible",
    "v0.0.0-",
    "-0.",
    ".0.",
    "20200101000000",
    "con",
    "~1",
    "!",
    "!a",
    "..",
    "//",
    "/*",
    "\\\"",
    "\"",
    "`",
    "[^",
    "[",
    "]",
    "(",
    ")",
    "=>",
    ",",
    "\n\n",
    "// ",
    "Deprecated:",
    "indirect",
    "v1.2.3",
    " ",
    "0",
    "9",
    "00",
    "*",
];

const BLOCKS: &[&str] = &[
    "require (\n",
    "retract (\n",
    "module (\n",
    "// why\nretract (\n",
    "// Deprecated: b\nmodule ( // c\n",
    "ignore (\n",
    "go (\n",
    "tool(\n",
    "exclude (\n",
    "replace ( // x\n",
    "require x (\n",
    "foo (\n",
    "require (// indirect\n",
    "require ( )\n",
    "require () x\n",
    "( (\n",
];

const GO_MODS: &[&str] = &[
    "module example.com/a\n\ngo 1.21\n\nrequire (\n\texample.com/b v1.2.3\n\texample.com/c/v2 v2.0.0 // indirect\n)\n",
    "// Deprecated: use example.com/b.\nmodule example.com/a\n",
    "// First.\n//\n// Deprecated: use\n// example.com/b.\n//\n// Last.\nmodule example.com/a // and\n",
    "module example.com/a\n\n// Published by accident.\nretract v1.0.0\n\nretract (\n\t[v1.1.0, v1.2.0] // broken\n\n\t// too old\n\tv0.1.0\n\tv0.2.0\n)\n",
    "module example.com/a\nreplace example.com/b => ../b\nexclude example.com/b v1.0.0\ntoolchain go1.21.1\ntool example.com/b/cmd/c\nignore ./x\n",
    "require a v1.0.0\nunknown \"x\\\ny\" // indirect\n",
    "// lone\n\nunknown \"x\\\ny\" // indirect\nmodule a // z\n",
    "retract (\n\n\tv1.0.0\n\n\n\t// a\n\n\t// b\n\tv1.1.0 // c\n\n)\n// tail",
    "module \"example.com/\\u0061\"\r\n// x\r\ngo 1.21.x\r\n",
];

const GO_MOD_LINES: &[&str] = &[
    "",
    "module example.com/a",
    "module \"a b\"",
    "module `a`",
    "module 'a'",
    "module a b",
    "module",
    "module a//b",
    "module a/*b*/",
    "module (",
    ")",
    "(",
    "go 1.21",
    "go 1.21.0",
    "go 1.21rc1",
    "go 1.21.x",
    "go v1.21.3",
    "go v1.21",
    "go 1",
    "go 1.021",
    "go 1.21 2",
    "go \"1.21\"",
    "go 1.21.3-foo",
    "go 1.",
    "go 01.2",
    "go 1.0.05",
    "go 1.2.3.4",
    "toolchain go1.21",
    "toolchain x y",
    "require a v1",
    "require a v1.2",
    "require a v1.2.3+meta",
    "require a v2.0.0+incompatible",
    "require a/v2 v2.0.0",
    "require a/v2 v2.0.0+incompatible",
    "require a v2.0.0",
    "require a/v1 v1.0.0",
    "require gopkg.in/a.v1 v0.0.0-20200101000000-abc",
    "require gopkg.in/a v1.0.0",
    "require \"a\" \"v1.0.0\"",
    "require a master",
    "require a",
    "require a v1.0.0 // indirect",
    "require a v1.0.0 //indirect",
    "require a v1.0.0 // indirect; x",
    "require a v1.0.0 // indirect x",
    "require a v1.0.0 // indirect;",
    "require a v1.0.0 // not indirect",
    "require a v1.0.0//\u{3000}indirect",
    "require a v1.0.0 // // indirect",
    "a v1.0.0",
    "b v1.0.0 // indirect",
    "exclude a v1",
    "replace a => b",
    "retract v1.0.0",
    "retract v1",
    "retract x",
    "retract",
    "retract \"v1.0.0\"",
    "retract [v1.0.0, v1.1.0]",
    "retract [v1.0.0,v1.1.0] x",
    "retract [v1.0.0",
    "retract [ ] , x ]",
    "retract v1.0.0 // why",
    "retract `x`",
    "retract ( )",
    "v1.0.0",
    "[v1.0.0, v1.1.0] // b",
    "// comment",
    "// Deprecated: x",
    "//",
    "//\n// Deprecated:   y\n//",
    "// Deprecated:",
    "/* x */",
    "ignore",
    "ignore a",
    "ignore \"a b\"",
    "ignore a b",
    "ignore `a`",
    "tool a",
    "foo \"bar",
    "foo \"\\",
    "foo `a\nb`",
    "foo \u{7}",
    "\u{feff}",
    "foo \u{a0}",
    "foo \u{ad}",
    "[a]",
    "{",
    ",",
    "foo \"\\q\"",
    "module \"\\x41\\101\\U00000042\\n\"",
    "module \"\\ud800\"",
    "module \"\\'\"",
    "module \"\\xff\"",
    "module \u{fffd}",
    "\t module\ta ",
    "module a\\",
    "x ( y ) z",
    "x ( ) // c",
    "x () y // c",
    "x ( // c",
    "module \u{301}a",
    "module 日本",
    "foo \u{2028}",
];
