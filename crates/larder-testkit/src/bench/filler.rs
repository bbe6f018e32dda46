//! Stand-ins for what a real module cache lacks: a module cache keeps only what its go command asked for, but whoever
//! looks ahead may ask for a version that was not selected, and must pay for it as it would pay a real upstream.

use crate::Rng;
use crate::module::{h1_of_hashes, sha256_hex};
use crate::zip::ZipWriter;

const PIECE: usize = 1 << 20;

/// Makes a module zip of about that many bytes, and its `h1:`.
pub fn zip(module: &str, version: &str, go_mod: &[u8], size: u64) -> std::io::Result<(Vec<u8>, String)> {
    let mut zip = ZipWriter::new(Vec::new());
    let mut hashes = Vec::new();
    let mut content = Rng::new(size).bytes(PIECE.min(usize::try_from(size).unwrap_or(PIECE)));
    let name = format!("{module}@{version}/go.mod");
    zip.deflated(&name, go_mod)?;
    hashes.push((name, sha256_hex(go_mod)));
    let mut left = size;
    while left > 0 {
        content.truncate(usize::try_from(left).unwrap_or(PIECE));
        let name = format!("{module}@{version}/filler{}.bin", hashes.len());
        zip.stored(&name, &content)?;
        hashes.push((name, sha256_hex(&content)));
        left -= content.len() as u64;
    }
    Ok((zip.finish()?, h1_of_hashes(hashes)))
}
