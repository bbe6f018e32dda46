//! The certificate authorities that git trusts: those of the system and those that the operator adds.
//!
//! git takes one file in place of the system's, so the two are put together into one.

use std::path::{Path, PathBuf};

use super::mirror::storage_fault;
use crate::error::DirectError;

/// Where systems keep all authorities in one file.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Writes one file with the system's authorities (those in `system`, if it is named) and `added`, and returns its name.
pub(super) fn together(
    folder: &Path,
    added: &[PathBuf],
    system: Option<&Path>,
) -> Result<PathBuf, DirectError> {
    write(folder, added, system)
        .map_err(|error| storage_fault("put certificate authorities together", &error))
}

fn write(folder: &Path, added: &[PathBuf], system: Option<&Path>) -> std::io::Result<PathBuf> {
    let mut text = Vec::new();
    for file in added {
        text.extend_from_slice(&fs_err::read(file)?);
        text.push(b'\n');
    }
    let usual = SYSTEM.iter().map(Path::new);
    if let Some(system) = system.into_iter().chain(usual).find_map(|file| fs_err::read(file).ok()) {
        text.extend_from_slice(&system);
    }
    let path = folder.join(".authorities.pem");
    if fs_err::read(&path).is_ok_and(|known| known == text) {
        return Ok(path);
    }
    let file = tempfile::NamedTempFile::with_prefix_in(".making-", folder)?;
    fs_err::write(file.path(), &text)?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}
