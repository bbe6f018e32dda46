//! The writer's half of a log, in memory: it takes records and gives heads and tiles.

use super::tile::{self, Tile};
use super::tree::{Hash, Node, TreeHead, complete_subtrees, fold_subtrees, node_hash, record_hash};

/// All hashes of a growing log, level by level.
#[derive(Clone, Debug, Default)]
pub struct HashLog {
    levels: Vec<Vec<Hash>>,
}

impl HashLog {
    /// Appends a record and returns its number.
    pub fn append(&mut self, text: &[u8]) -> u64 {
        self.append_hash(record_hash(text))
    }

    /// Appends a record by its leaf hash and returns its number.
    pub fn append_hash(&mut self, leaf: Hash) -> u64 {
        let id = self.size();
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            let [.., left, right] = hashes.as_slice() else {
                break;
            };
            if !hashes.len().is_multiple_of(2) {
                break;
            }
            hash = node_hash(left, right);
        }
        id
    }

    /// Returns the number of records.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Returns the hash of a node.
    pub fn hash(&self, node: Node) -> Option<Hash> {
        let level = self.levels.get(usize::try_from(node.level).ok()?)?;
        level.get(usize::try_from(node.index).ok()?).copied()
    }

    /// Returns the head when the log had that many records, if it ever had.
    pub fn head(&self, size: u64) -> Option<TreeHead> {
        if size == 0 {
            return Some(TreeHead::EMPTY);
        }
        let hashes: Option<Vec<Hash>> = complete_subtrees(0, size).map(|node| self.hash(node)).collect();
        let hash = fold_subtrees(hashes?.into_iter())?;
        Some(TreeHead { size, hash })
    }

    /// Returns the bytes of a tile of hashes, if the log has it in that width.
    pub fn tile(&self, tile: &Tile) -> Option<Vec<u8>> {
        if tile.is_data() || !tile.is_in(self.size()) {
            return None;
        }
        let level = u32::try_from(tile.level()).ok()? * u32::from(tile.height());
        let start = tile.index() << tile.height();
        let mut bytes = Vec::with_capacity(tile.byte_length());
        for index in start..start + u64::from(tile.width()) {
            bytes.extend_from_slice(self.hash(Node { level, index })?.as_bytes());
        }
        Some(bytes)
    }

    /// Returns the tiles that a log has to publish when it has grown from one size to another.
    pub fn new_tiles(height: u8, old_size: u64, new_size: u64) -> Vec<Tile> {
        let mut tiles = Vec::new();
        for level in 0.. {
            let new = tile::hashes_at(height, level, new_size);
            if new == 0 {
                return tiles;
            }
            let old = tile::hashes_at(height, level, old_size);
            if new > old {
                let indexes = old >> height..=new >> height;
                tiles.extend(indexes.filter_map(|index| Tile::at(height, level, index, new_size)));
            }
        }
        tiles
    }
}
