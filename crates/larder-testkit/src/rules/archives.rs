//! The operations on zips, hashes and the checksum database.

use super::names::decode;
use super::{Answer, wrong_inputs};
use fs_err::File;
use larder_module::sumdb::tree::parse_tree;
use larder_module::sumdb::{Tile, Verifier, note, record};
use larder_module::version::ModuleVersion;
use larder_module::zip::{CheckedZip, check_zip};
use larder_module::{dirhash, unicode};
use serde_json::{Value, json};

/// Answers one question, if it is about archives.
pub(super) fn answer(operation: &str, inputs: &[&str]) -> Option<Answer> {
    Some(match (operation, inputs) {
        ("mod_hash", [encoded]) => {
            decode(encoded).map(|content| dirhash::hash_mod(&content).to_string()).into()
        }
        ("zip_hash", [file]) => zip_hash(file).into(),
        ("zip_check", [file, module, version]) => zip_check(file, module, version),
        ("note_open", [text, key]) => note_open(text, key).into(),
        ("tree_parse", [text]) => {
            parse_tree(text.as_bytes()).map(|tree| json!([tree.size, tree.hash.to_string()])).into()
        }
        ("record_parse", [text]) => {
            record::parse_record(text.as_bytes()).map(|record| json!([record.id, record.text])).into()
        }
        ("tile_path_parse", [path]) => Tile::parse(path)
            .map(|tile| json!([tile.height(), tile.level(), tile.index(), tile.width()]))
            .into(),
        (known, _) if OPERATIONS.contains(&known) => wrong_inputs(known),
        _ => return None,
    })
}

const OPERATIONS: &[&str] =
    &["mod_hash", "zip_hash", "zip_check", "note_open", "tree_parse", "record_parse", "tile_path_parse"];

fn open(path: &str) -> Result<(std::fs::File, u64), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    Ok((file.into_parts().0, size))
}

fn zip_hash(path: &str) -> Result<String, String> {
    let (file, size) = open(path)?;
    let hash = dirhash::hash_zip(file, size).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

fn zip_check(path: &str, module: &str, version: &str) -> Answer {
    let check = || -> Result<CheckedZip, String> {
        let of = ModuleVersion::parse(module, version).map_err(|error| error.to_string())?;
        let (file, size) = open(path)?;
        check_zip(file, size, &of).map_err(|error| error.to_string())
    };
    match check() {
        Ok(checked) if checked.is_valid() => Answer::pass(checked_lists(&checked)),
        Ok(checked) => Answer::fail_with(&checked, checked_lists(&checked)),
        Err(reason) => Answer::fail_with(reason, checked_lists(&CheckedZip::default())),
    }
}

fn checked_lists(checked: &CheckedZip) -> Value {
    let invalid: Value = checked.invalid.iter().map(|file| unicode::lossy(&file.name)).collect();
    json!({"valid": checked.valid, "omitted": [], "invalid": invalid})
}

fn note_open(text: &str, key: &str) -> Result<String, String> {
    let key = Verifier::parse(key).map_err(|error| error.to_string())?;
    let note = note::open(text.as_bytes(), &[key]).map_err(|error| error.to_string())?;
    Ok(note.text().to_owned())
}
