//! Whatever bytes come, the readers of names and files answer and do not panic.
//!
//! What they accept is compared elsewhere; here only relations that must hold for every input are checked.

use larder_module::{
    ModulePath, ModuleVersion, ProxyRequest, Query, Version, escape, gomod::GoMod, goproxy::ProxyList, gosum,
    gowork::GoWork, info::Info, path, pattern, pseudo, request::RequestError, semver, time::Timestamp,
    unicode, version::canonical_version,
};
use proptest::prelude::*;

/// Text that looks like a piece of what is read, now and then broken.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        2 => "[ -~]{0,4}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let cut = any::<(proptest::sample::Index, u8)>();
    prop_oneof![
        3 => text().prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        2 => (text(), cut).prop_map(|(text, (at, byte))| {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
    ]
}

const PIECES: &[&str] = &[
    "example.com",
    "/a",
    "/v2",
    "gopkg.in/",
    ".v1",
    "-unstable",
    "/@v/",
    "/@latest",
    "list",
    ".info",
    ".mod",
    ".zip",
    "%21",
    "%2f",
    "%",
    "!a",
    "!",
    "..",
    "//",
    "v1.2.3",
    "v0.0.0-20200101000000-abcdef123456",
    "-0.",
    "+incompatible",
    "-pre",
    ".0.",
    "18446744073709551616",
    "sumdb/",
    "/lookup/",
    "/tile/8/0/001",
    "/supported",
    "module ",
    "go 1.21",
    "require ",
    "retract ",
    "replace ",
    " => ",
    "(\n",
    ")\n",
    "[",
    "]",
    ",",
    "\"",
    "\\",
    "`",
    "// indirect",
    "// Deprecated: ",
    "\n",
    "\n\n",
    " ",
    "{",
    "}",
    "\"Version\":",
    "\"v1.0.0\"",
    "\"Time\":",
    "\"2020-01-02T03:04:05Z\"",
    "null",
    "*",
    "?",
    "[^",
    "https://",
    "file:///",
    "direct",
    "off",
    "|",
    "h1:",
    "é",
    "\u{212a}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names(text in text(), other in text()) {
        let _ = (path::check_import_path(&text), path::check_file_path(&text), path::check(&text, &other));
        let _ = (path::check_path_major(&text, &other), semver::compare(&text, &other));
        let _ = (escape::escape_version(&text), escape::unescape_version(&text));
        prop_assert_eq!(path::check_path(&text).is_ok(), text.parse::<ModulePath>().is_ok());
        if let Some((prefix, major)) = path::split_path_version(&text) {
            prop_assert_eq!(format!("{prefix}{major}"), text.as_str());
        }
        if let Ok(module) = text.parse::<ModulePath>() {
            prop_assert_eq!(ModulePath::unescape(&module.escaped()), Ok(module));
        }
        if let Ok(query) = text.parse::<Query>() {
            prop_assert_eq!(escape::unescape_version(&query.escaped()), Ok(text));
        }
    }

    #[test]
    fn versions(text in text(), seconds in -62_167_219_200_i64..253_402_300_799) {
        let canonical = canonical_version(&text);
        prop_assert_eq!(canonical.is_empty(), !semver::is_valid(&text));
        prop_assert_eq!(&canonical_version(&canonical), &canonical);
        if let Ok(version) = canonical.parse::<Version>() {
            let escaped = version.escaped();
            prop_assert_eq!(escape::unescape_version(&escaped), Ok(version.to_string()));
        }
        let _ = (pseudo::pseudo_version_time(&text), pseudo::pseudo_version_revision(&text));
        let _ = pseudo::pseudo_version_base(&text);
        let time = Timestamp::from_unix(seconds);
        prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Some(time));
        let made = pseudo::pseudo_version("v1", &canonical, time, "abcdef123456");
        prop_assert!(pseudo::is_pseudo_version(&made), "{}", made);
        prop_assert_eq!(pseudo::pseudo_version_time(&made), Ok(time));
        let older = semver::canonical(&canonical) + semver::build(&canonical);
        prop_assert_eq!(pseudo::pseudo_version_base(&made), Ok(older));
        let _ = Timestamp::parse_rfc3339(&text);
    }

    #[test]
    fn patterns_and_lists(text in text(), other in text()) {
        let _ = pattern::match_glob(&text, &other);
        let one = pattern::match_prefix_patterns(&text, &other);
        // Each glob as it is written: one slash is trimmed off its end, and reading it twice would trim two.
        prop_assert_eq!(text.split(',').any(|glob| pattern::match_prefix_patterns(glob, &other)), one);
        prop_assert_eq!(pattern::Patterns::parse(&text).matches(&other), one);
        if let Ok(list) = ProxyList::parse(&text) {
            prop_assert!(!list.entries().is_empty());
        }
    }

    #[test]
    fn requests(text in text()) {
        match ProxyRequest::parse(&text) {
            // What was understood holds no path that could leave a folder.
            Ok(ProxyRequest::Object { of, kind }) => {
                let key = format!("{}/@v/{}.{kind}", of.module().escaped(), of.version().escaped());
                prop_assert!(key.split('/').all(|element| !matches!(element, "" | "." | "..")), "{}", key);
                prop_assert!(key.is_ascii() && !key.contains(['\\', '%', '\0']), "{}", key);
                prop_assert_eq!(ProxyRequest::parse(&key), Ok(ProxyRequest::Object { of, kind }));
            }
            Ok(ProxyRequest::Query { module, query }) => {
                let again = format!("{}/@v/{}.info", module.escaped(), query.escaped());
                let canonical = query.as_str().parse::<Version>();
                prop_assert!(canonical.is_err() || ModuleVersion::parse(module.as_str(), query.as_str()).is_err());
                prop_assert_eq!(ProxyRequest::parse(&again), Ok(ProxyRequest::Query { module, query }));
            }
            Ok(_) => {}
            Err(error) => {
                let _: (String, _) = (error.to_string(), RequestError::fault(&error));
            }
        }
    }

    #[test]
    fn files(bytes in bytes()) {
        let lax = GoMod::parse_lax(&bytes);
        if let Ok(strict) = GoMod::parse_strict(&bytes) {
            let lax = lax.expect("whatever main modules may say, dependencies may");
            prop_assert_eq!((lax.module, lax.require, lax.retract), (strict.module, strict.require, strict.retract));
        }
        let _ = (GoWork::parse(&bytes), gosum::parse(&bytes), Info::parse(&bytes));
        let text = unicode::lossy(&bytes);
        prop_assert_eq!(std::str::from_utf8(&bytes).is_ok(), text.as_bytes() == bytes);
    }
}

/// A megabyte of what makes naive readers slow or overflow the stack.
#[test]
fn long_inputs_take_no_long_time() {
    for piece in [
        "(", "(\n", "// x\n", "\"", "a ", "[", "\\", "\"\\\n\"", "x\n", "{\"a\":", "*a", "!", "%21", "/",
        "\u{fffd}", "\t",
    ] {
        let long = piece.repeat(1_000_000 / piece.len());
        let bytes = long.as_bytes();
        let _ = (GoMod::parse_lax(bytes), GoWork::parse(bytes), gosum::parse(bytes), Info::parse(bytes));
        let _ = (ProxyRequest::parse(&long), ProxyList::parse(&long), path::check_file_path(&long));
        let _ = (
            semver::is_valid(&long),
            pseudo::is_pseudo_version(&long),
            canonical_version(&format!("v1.0.0-{long}")),
        );
    }
}

/// What go.mod files are made of, whole and broken.
const GO_MOD_PIECES: &[&str] = &[
    "module",
    "go",
    "require",
    "retract",
    "ignore",
    "replace",
    "unknown",
    "example.com/m",
    "example.com/a/v2",
    "1.24",
    "1.23",
    "1.24rc1",
    "v1.24.x",
    "v1.0.0",
    "v2.0.0",
    "v1",
    "=>",
    "[",
    ",",
    "]",
    "(",
    ")",
    "\"",
    "`",
    "\"x\\\ny\"",
    "\"example.com/q\"",
    "'",
    "// indirect",
    "// Deprecated: old",
    "//",
    "/*",
    "\\",
    "\u{7}",
    "\u{feff}",
    "\r",
    "\n",
    "\n",
    "\n",
    "\n\n",
    "\nrequire example.com/x v1.0.0\n",
    "\nretract v1.0.0\n",
    "\nretract [v1.0.0, v1.1.0] // why\n",
    "\nrequire (\n",
    "\nretract (\n",
    "\nmodule (\n",
    "\n)\n",
    "\nmodule example.com/m\n",
    "\ngo 1.24\n",
    "\nignore ./a\n",
];

fn go_mod_file() -> impl Strategy<Value = String> {
    let pieces = proptest::collection::vec(
        (proptest::sample::select(GO_MOD_PIECES), proptest::sample::select(&[" ", " ", "\t", ""][..])),
        0..30,
    );
    pieces.prop_map(|pieces| pieces.into_iter().flat_map(|(piece, space)| [piece, space]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_outline_of_a_go_mod_is_what_the_whole_reading_says(text in go_mod_file(), most in 0_usize..4) {
        match (GoMod::parse_lax(text.as_bytes()), GoMod::parse_outline(text.as_bytes(), most)) {
            (Ok(whole), Ok(outline)) => {
                let mut expected = GoMod { require: Vec::new(), ignore: Vec::new(), ..whole };
                expected.retract.truncate(most);
                for retract in &mut expected.retract {
                    retract.rationale = "".into();
                }
                prop_assert_eq!(outline, expected);
            }
            (whole, outline) => prop_assert_eq!(whole.err(), outline.err()),
        }
    }
}
