//! The tree of a fake checksum database: RFC 6962 hashes, kept level by level.

use base64::Engine as _;
use sha2::{Digest, Sha256};

/// An append-only log of records with the hash of every complete subtree.
#[derive(Clone, Default)]
pub struct FakeLog {
    texts: Vec<String>,
    /// `levels[k][i]` is the hash of the records `i << k .. (i + 1) << k`.
    levels: Vec<Vec<[u8; 32]>>,
}

/// The coordinates of a tile of hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TileName {
    height: u32,
    level: u32,
    number: u64,
    width: u64,
}

impl FakeLog {
    /// The number of records.
    pub fn size(&self) -> u64 {
        self.texts.len() as u64
    }

    /// The text of one record.
    pub fn text(&self, id: u64) -> &str {
        &self.texts[usize::try_from(id).expect("record numbers fit")]
    }

    /// Appends a record and returns its number.
    pub fn append(&mut self, text: &str) -> u64 {
        let id = self.size();
        self.texts.push(text.to_owned());
        let mut hash = sha256(&[&[0], text.as_bytes()]);
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            let row = &self.levels[level];
            if !row.len().is_multiple_of(2) {
                return id;
            }
            hash = node(&row[row.len() - 2], &row[row.len() - 1]);
            level += 1;
        }
    }

    /// The log of the first `size` records.
    pub fn prefix(&self, size: u64) -> Self {
        let mut prefix = Self::default();
        for id in 0..size.min(self.size()) {
            prefix.append(self.text(id));
        }
        prefix
    }

    /// The root of the tree of the first `size` records.
    ///
    /// # Panics
    ///
    /// If there are fewer records.
    pub fn root(&self, size: u64) -> [u8; 32] {
        let mut root: Option<[u8; 32]> = None;
        for (level, row) in self.levels.iter().enumerate() {
            let count = size >> level;
            if count & 1 == 1 {
                let left = row[usize::try_from(count - 1).expect("sizes fit")];
                root = Some(root.map_or(left, |right| node(&left, &right)));
            }
        }
        root.unwrap_or_else(|| sha256(&[]))
    }

    pub(super) fn tile(&self, tile: &TileName, keep_partial: bool) -> Option<Vec<u8>> {
        let row = self.levels.get((tile.height * tile.level) as usize)?;
        let start = usize::try_from(tile.number.checked_shl(tile.height)?).ok()?;
        let hashes = row.get(start..start.checked_add(usize::try_from(tile.width).ok()?)?)?;
        let full = 1 << tile.height;
        if !keep_partial && tile.width < full && row.len() as u64 >= start as u64 + full {
            return None;
        }
        Some(hashes.concat())
    }
}

/// Reads `tile/H/L/N[.p/W]`; data tiles are not served.
pub(super) fn parse_tile_path(path: &str) -> Option<TileName> {
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() < 4 || parts[0] != "tile" {
        return None;
    }
    let height: u32 = parts[1].parse().ok().filter(|height| (1..=30).contains(height))?;
    let level: u32 = parts[2].parse().ok().filter(|level| *level < 64)?;
    let mut width = 1 << height;
    if let Some(number) = parts[parts.len() - 2].strip_suffix(".p") {
        width = parts[parts.len() - 1].parse().ok()?;
        parts.pop();
        *parts.last_mut()? = number;
    }
    let mut number = 0_u64;
    for part in &parts[3..] {
        number = number.checked_mul(1000)?.checked_add(part.trim_start_matches('x').parse().ok()?)?;
    }
    Some(TileName { height, level, number, width })
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
