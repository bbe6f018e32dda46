//! Looking at and clearing folders of mirrors.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Returns what a folder takes on disk, in blocks as the file system counts them. What vanishes meanwhile counts nothing.
pub(super) fn size_of(folder: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs_err::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            total += metadata.blocks() * 512;
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    total
}
