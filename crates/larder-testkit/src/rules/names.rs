//! The operations on names, versions and go.mod files.

use super::{Answer, wrong_inputs};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use larder_module::{
    escape,
    gomod::{GoDebug, GoMod, Replace},
    goproxy::{Entry, ProxyList, Separator},
    gowork::GoWork,
    info::Info,
    path, pattern, pseudo, semver,
    time::Timestamp,
    version::canonical_version,
};
use serde_json::{Value, json};

/// Answers one question, if it is about names.
pub(super) fn answer(operation: &str, inputs: &[&str]) -> Option<Answer> {
    let answer = match inputs {
        [input] => answer_one(operation, input),
        [first, second] => answer_two(operation, first, second),
        [major, older, time, revision] if operation == "pseudo_version" => {
            Some(match Timestamp::parse_rfc3339(time) {
                Some(time) => Answer::pass(pseudo::pseudo_version(major, older, time, revision)),
                None => Answer::fail("not RFC 3339"),
            })
        }
        _ => None,
    };
    // An operation that exists is not unknown for want of inputs.
    answer.or_else(|| OPERATIONS.contains(&operation).then(|| wrong_inputs(operation)))
}

const OPERATIONS: &[&str] = &[
    "check_path",
    "check_import_path",
    "check_file_path",
    "check",
    "escape_path",
    "unescape_path",
    "escape_version",
    "unescape_version",
    "split_path_version",
    "check_path_major",
    "match_path_major",
    "canonical_version",
    "match_prefix_patterns",
    "semver_valid",
    "semver_canonical",
    "semver_major",
    "semver_major_minor",
    "semver_prerelease",
    "semver_build",
    "semver_compare",
    "is_pseudo",
    "pseudo_time",
    "pseudo_rev",
    "pseudo_base",
    "pseudo_version",
    "gomod",
    "gomod_strict",
    "gowork",
    "info",
    "goproxy",
];

fn answer_one(operation: &str, input: &str) -> Option<Answer> {
    Some(match operation {
        "check_path" => path::check_path(input).into(),
        "check_import_path" => path::check_import_path(input).into(),
        "check_file_path" => path::check_file_path(input).into(),
        "escape_path" => escape::escape_path(input).into(),
        "unescape_path" => escape::unescape_path(input).map(|path| path.to_string()).into(),
        "escape_version" => escape::escape_version(input).into(),
        "unescape_version" => escape::unescape_version(input).into(),
        "split_path_version" => match path::split_path_version(input) {
            Some((prefix, major)) => Answer::pass(json!([prefix, major])),
            None => Answer::fail("invalid version suffix"),
        },
        "canonical_version" => Answer::pass(canonical_version(input)),
        "semver_valid" => Answer::pass(semver::is_valid(input)),
        "semver_canonical" => Answer::pass(semver::canonical(input)),
        "semver_major" => Answer::pass(semver::major(input)),
        "semver_major_minor" => Answer::pass(semver::major_minor(input)),
        "semver_prerelease" => Answer::pass(semver::prerelease(input)),
        "semver_build" => Answer::pass(semver::build(input)),
        "is_pseudo" => Answer::pass(pseudo::is_pseudo_version(input)),
        "pseudo_time" => pseudo::pseudo_version_time(input).map(|time| time.to_string()).into(),
        "pseudo_rev" => pseudo::pseudo_version_revision(input).into(),
        "pseudo_base" => pseudo::pseudo_version_base(input).into(),
        "gomod" => gomod(input),
        "gomod_strict" => gomod_strict(input),
        "gowork" => gowork(input),
        "info" => info(input),
        "goproxy" => goproxy(input),
        _ => return None,
    })
}

fn answer_two(operation: &str, first: &str, second: &str) -> Option<Answer> {
    Some(match operation {
        "check" => path::check(first, second).into(),
        "check_path_major" => path::check_path_major(first, second).into(),
        "match_path_major" => Answer::pass(path::match_path_major(first, second)),
        "match_prefix_patterns" => Answer::pass(pattern::match_prefix_patterns(first, second)),
        "semver_compare" => Answer::pass(semver::compare(first, second) as i8),
        _ => return None,
    })
}

/// Decodes base64 as Go does: line ends don't count, nor do bits left over.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text.replace(['\r', '\n'], ""))
}

fn gomod(encoded: &str) -> Answer {
    read(encoded, GoMod::parse_lax, |file| go_mod_out(&file))
}

/// Decodes a file and reads it.
fn read<F, E: ToString>(
    encoded: &str,
    parse: impl FnOnce(&[u8]) -> Result<F, E>,
    out: impl FnOnce(F) -> Value,
) -> Answer {
    match decode(encoded) {
        Ok(data) => parse(&data).map(out).into(),
        Err(error) => Answer::fail(error),
    }
}

fn go_mod_out(file: &GoMod) -> Value {
    let require = file.require.iter().map(|line| json!([line.path, line.version, line.indirect]));
    let exclude = file.exclude.iter().map(|line| json!([line.path, line.version]));
    let retract = file.retract.iter().map(|line| json!([line.low, line.high, &*line.rationale]));
    json!({
        "require": require.collect::<Value>(),
        "replace": replace_out(&file.replace),
        "exclude": exclude.collect::<Value>(),
        "retract": retract.collect::<Value>(),
        "deprecated": file.deprecated,
        "module": file.module.as_deref().unwrap_or_default(),
        "go": file.go.as_deref().unwrap_or_default(),
        "toolchain": file.toolchain.as_deref().unwrap_or_default(),
    })
}

fn replace_out(replace: &[Replace]) -> Value {
    replace
        .iter()
        .map(|line| json!([line.old_path, line.old_version, line.new_path, line.new_version]))
        .collect()
}

fn godebug_out(godebug: &[GoDebug]) -> Value {
    godebug.iter().map(|line| json!([line.key, line.value])).collect()
}

/// Not among the operations that others ask for; it is here to be compared.
fn gomod_strict(encoded: &str) -> Answer {
    read(encoded, GoMod::parse_strict, |file| {
        json!([go_mod_out(&file), godebug_out(&file.godebug), file.tool, file.ignore])
    })
}

/// Not among the operations that others ask for; it is here to be compared.
fn gowork(encoded: &str) -> Answer {
    read(encoded, GoWork::parse, |file| {
        let (go, toolchain) = (file.go.unwrap_or_default(), file.toolchain.unwrap_or_default());
        json!([go, toolchain, godebug_out(&file.godebug), file.uses, replace_out(&file.replace)])
    })
}

/// Not among the operations that others ask for; it is here to be compared.
fn info(text: &str) -> Answer {
    let info = Info::parse(text.as_bytes());
    // Go's zero time stands for none.
    let zero = Timestamp::parse_compact("00010101000000");
    info.map(|info| {
        let time = info.time.filter(|time| Some(*time) != zero);
        json!([info.version.as_str(), time.map(|time| time.to_string()).unwrap_or_default()])
    })
    .into()
}

/// Not among the operations that others ask for; it is here to be compared.
fn goproxy(list: &str) -> Answer {
    let read = ProxyList::parse(list);
    read.map(|list| {
        let entries = list.entries().iter().map(|entry| {
            let text = match &entry.entry {
                Entry::Url(url) => url,
                Entry::Direct => "direct",
                Entry::Off => "off",
            };
            let separator = match entry.separator {
                Separator::Comma => ",",
                Separator::Pipe => "|",
                Separator::End => "",
            };
            json!([text, separator])
        });
        entries.collect::<Value>()
    })
    .into()
}
