//! Tiles: the pieces in which a checksum database hands out its tree.
//!
//! A tile of height `h` at level `l` holds up to 2^h neighbouring hashes of tree level `h * l`.
//! Its path is `tile/H/L/NNN[.p/W]`, where `N` is written in groups of three digits.

use std::fmt;
use std::str::FromStr;

use super::tree::{HASH_SIZE, Hash, Node, node_hash};

/// The height that the `go` command uses.
pub const DEFAULT_HEIGHT: u8 = 8;

/// The largest height that a path may name.
pub const MAX_HEIGHT: u8 = 30;

/// The level number under which record texts are served instead of hashes.
const DATA_LEVEL: i64 = -1;

/// The coordinates of a tile; they are always ones that a path can name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tile {
    height: u8,
    level: i64,
    index: u64,
    width: u32,
}

/// Why coordinates or bytes are no tile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TileError {
    /// The path is not one of a tile, or not its canonical form.
    #[error("malformed tile path {0:?}")]
    Path(String),
    /// The bytes aren't as many hashes as the tile is wide.
    #[error("{tile} has {found} bytes, want {expected}")]
    Length {
        /// The tile in question.
        tile: Tile,
        /// How many bytes it has to have.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A tile was to be cut from one that doesn't contain it.
    #[error("{wanted} can't be cut from {wider}")]
    NotWithin {
        /// The tile that was wanted.
        wanted: Tile,
        /// The tile that was there.
        wider: Tile,
    },
}

impl Tile {
    /// Returns the tile of hashes with these coordinates, unless no path can name it.
    pub fn new(height: u8, level: u32, index: u64, width: u32) -> Option<Self> {
        let known = (1..=MAX_HEIGHT).contains(&height) && i64::try_from(index).is_ok();
        (known && (1..=1 << height).contains(&width)).then_some(Self {
            height,
            level: i64::from(level),
            index,
            width,
        })
    }

    /// Reads a path such as `tile/8/0/x001/234.p/56`.
    ///
    /// # Errors
    ///
    /// Fails where Go's reader fails: only the canonical form of a path is one.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let tile = Self::parse_parts(path).filter(|tile| tile.path() == path);
        tile.ok_or_else(|| TileError::Path(path.to_owned()))
    }

    fn parse_parts(path: &str) -> Option<Self> {
        let (height, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (level, rest) = rest.split_once('/')?;
        let height = height.parse().ok().filter(|height| (1..=MAX_HEIGHT).contains(height))?;
        let level = match level {
            "data" => DATA_LEVEL,
            _ => level.parse().ok().filter(|level| *level >= 0)?,
        };
        let full = 1 << height;
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => {
                let width = width.parse().ok()?;
                (groups, Some(width).filter(|width| (1..full).contains(width))?)
            }
            None => (rest, full),
        };
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        i64::try_from(index).ok()?;
        Some(Self { height, level, index, width })
    }

    /// Returns the path, which has no leading slash.
    pub fn path(&self) -> String {
        let mut index = self.index;
        let mut groups = format!("{:03}", index % 1000);
        while index >= 1000 {
            index /= 1000;
            groups = format!("x{:03}/{groups}", index % 1000);
        }
        let level = match self.level {
            DATA_LEVEL => "data".to_owned(),
            level => level.to_string(),
        };
        let partial = match self.is_full() {
            true => String::new(),
            false => format!(".p/{}", self.width),
        };
        format!("tile/{}/{level}/{groups}{partial}", self.height)
    }

    /// Returns the height: a full tile has 2^height hashes.
    pub fn height(&self) -> u8 {
        self.height
    }

    /// Returns the level, counted in tiles; -1 stands for the record texts.
    pub fn level(&self) -> i64 {
        self.level
    }

    /// Returns the number within the level, from the left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns how many hashes (or records) the tile has.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Reports whether the tile holds record texts instead of hashes.
    pub fn is_data(&self) -> bool {
        self.level == DATA_LEVEL
    }

    /// Reports whether the tile is complete, so that it never changes.
    pub fn is_full(&self) -> bool {
        self.width == 1 << self.height
    }

    /// Returns the complete tile at the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: 1 << self.height, ..*self }
    }

    /// Returns the number of bytes of a tile of hashes.
    pub fn byte_length(&self) -> usize {
        self.width as usize * HASH_SIZE
    }

    /// Reports whether a log of that many records has the tile in this width.
    ///
    /// Levels far above any tree, which paths can name, are in none.
    pub fn is_in(&self, size: u64) -> bool {
        let level = self.level.max(0).saturating_mul(i64::from(self.height));
        let shift = u32::try_from(level).unwrap_or(u32::MAX);
        let hashes = size.checked_shr(shift).unwrap_or(0);
        let end = (u128::from(self.index) << self.height) + u128::from(self.width);
        end <= u128::from(hashes)
    }

    /// Cuts this tile's bytes out of those of a wider tile at the same place.
    ///
    /// A partial tile may vanish from a server once the full one exists, whose start it is.
    ///
    /// # Errors
    ///
    /// Fails when the other tile is elsewhere or narrower, or its bytes are too few or too many.
    pub fn cut<'a>(&self, wider: &Self, bytes: &'a [u8]) -> Result<&'a [u8], TileError> {
        let same_place = self.full() == wider.full();
        if !same_place || self.width > wider.width || self.is_data() {
            return Err(TileError::NotWithin { wanted: *self, wider: *wider });
        }
        wider.check_length(bytes)?;
        Ok(&bytes[..self.byte_length()])
    }

    /// Checks that the bytes are as many as the tile's hashes take.
    pub(super) fn check_length(&self, bytes: &[u8]) -> Result<(), TileError> {
        if bytes.len() == self.byte_length() {
            return Ok(());
        }
        Err(TileError::Length { tile: *self, expected: self.byte_length(), found: bytes.len() })
    }

    /// Returns the tile in the width that a tree of that size gives it, if the tree has any of it.
    pub(super) fn at(height: u8, level: u32, index: u64, size: u64) -> Option<Self> {
        let hashes = hashes_at(height, level, size);
        let start = index.checked_mul(1 << height)?;
        let width = hashes.checked_sub(start)?.min(1 << height);
        Self::new(height, level, index, u32::try_from(width).ok()?)
    }

    /// Returns the tile of the next level that holds this tile's hash.
    pub(super) fn parent(&self, size: u64) -> Option<Self> {
        let level = u32::try_from(self.level).ok()? + 1;
        Self::at(self.height, level, self.index >> self.height, size)
    }
}

/// Returns how many hashes a tree of that size has at a level of tiles.
pub(super) fn hashes_at(height: u8, level: u32, size: u64) -> u64 {
    size.checked_shr(u32::from(height) * level).unwrap_or(0)
}

/// Where in a tile a node's hash is found: over which of its hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) level: u32,
    pub(super) index: u64,
    pub(super) start: usize,
    pub(super) count: usize,
}

impl Place {
    /// Returns the place of a node in tiles of that height.
    pub(super) fn of(node: Node, height: u8) -> Self {
        let height = u32::from(height);
        let within = node.level % height;
        // The node is in a tree of at most 2^63 records, so no bit is lost.
        let first = node.index << within;
        let index = first >> height;
        Self {
            level: node.level / height,
            index,
            start: usize::try_from(first - (index << height)).unwrap_or(usize::MAX),
            count: 1 << within,
        }
    }

    /// Returns the hash over the place's part of the tile, if the tile has it.
    pub(super) fn hash(&self, bytes: &[u8]) -> Option<Hash> {
        let start = self.start.checked_mul(HASH_SIZE)?;
        let end = start.checked_add(self.count * HASH_SIZE)?;
        Some(subtree_hash(bytes.get(start..end)?))
    }
}

/// Returns the hash over a power of two of hashes, without recursion or much memory.
pub(super) fn subtree_hash(bytes: &[u8]) -> Hash {
    let mut pending: Vec<(u32, Hash)> = Vec::with_capacity(MAX_HEIGHT as usize + 1);
    for hash in bytes.chunks_exact(HASH_SIZE).filter_map(Hash::from_slice) {
        let mut top = (0, hash);
        while let Some((level, left)) = pending.pop_if(|(level, _)| *level == top.0) {
            top = (level + 1, node_hash(&left, &top.1));
        }
        pending.push(top);
    }
    let hashes = pending.into_iter().map(|(_, hash)| hash);
    super::tree::fold_subtrees(hashes).unwrap_or(Hash::EMPTY_TREE)
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Self::parse(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths_as_go_does() {
        let good: &[(&str, [i64; 4])] = &[
            ("tile/4/0/001", [4, 0, 1, 16]),
            ("tile/4/0/001.p/5", [4, 0, 1, 5]),
            ("tile/3/5/x123/x456/078", [3, 5, 123_456_078, 8]),
            ("tile/3/5/x123/x456/078.p/2", [3, 5, 123_456_078, 2]),
            ("tile/1/0/x003/x057/500", [1, 0, 3_057_500, 2]),
            ("tile/3/5/123.p/6", [3, 5, 123, 6]),
            ("tile/8/data/000", [8, -1, 0, 256]),
            ("tile/30/0/000", [30, 0, 0, 1 << 30]),
            ("tile/8/9223372036854775807/000", [8, i64::MAX, 0, 256]),
            ("tile/8/0/x009/x223/x372/x036/x854/x775/807", [8, 0, i64::MAX, 256]),
        ];
        for (path, [height, level, index, width]) in good {
            let tile = Tile::parse(path).unwrap();
            assert_eq!(i64::from(tile.height()), *height, "{path}");
            assert_eq!(tile.level(), *level, "{path}");
            assert_eq!(tile.index(), index.cast_unsigned(), "{path}");
            assert_eq!(i64::from(tile.width()), *width, "{path}");
            assert_eq!(tile.path(), *path);
        }
        for path in [
            "",
            "tile",
            "tile/8/0",
            "tile/8/0/",
            "tile/0/0/000",
            "tile/31/0/000",
            "tile/8/-1/000",
            "tile/08/0/000",
            "tile/8/00/000",
            "tile/8/0/0",
            "tile/8/0/0000",
            "tile/8/0/x000",
            "tile/8/0/x000/001",
            "tile/8/0/001/002",
            "tile/8/0/000.p/0",
            "tile/8/0/000.p/256",
            "tile/8/0/000.p/05",
            "tile/8/0/000.p/+5",
            "tile/8/0/000.p",
            "tile/8/0/000/",
            "tile/8/0/+01",
            "tile/8/0/-01",
            "tile/8/0.p/3",
            "tile/8/data.p/3",
            "/tile/8/0/000",
            "tile/8/9223372036854775808/000",
            "tile/8/0/x009/x223/x372/x036/x854/x775/808",
            "tile/8/0/xx00/001",
            "tile/8/0/000.p/1.p/1",
            "tile/8/0/x018/x446/x744/x073/x709/x551/617",
        ] {
            assert!(Tile::parse(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn cuts_only_from_the_same_place() {
        let wide = Tile::parse("tile/2/0/000").unwrap();
        let narrow = Tile::parse("tile/2/0/000.p/3").unwrap();
        let bytes = [7; 4 * HASH_SIZE];
        assert_eq!(narrow.cut(&wide, &bytes).unwrap().len(), 3 * HASH_SIZE);
        assert!(wide.cut(&narrow, &bytes[HASH_SIZE..]).is_err());
        assert!(narrow.cut(&wide, &bytes[1..]).is_err());
        let elsewhere = Tile::parse("tile/2/0/001").unwrap();
        assert!(narrow.cut(&elsewhere, &bytes).is_err());
    }

    #[test]
    fn knows_what_a_tree_has() {
        let is_in = |path: &str, size| Tile::parse(path).unwrap().is_in(size);
        assert!(is_in("tile/8/0/000.p/5", 5));
        assert!(!is_in("tile/8/0/000.p/5", 4));
        assert!(is_in("tile/8/1/000.p/1", 256));
        assert!(!is_in("tile/8/1/000.p/1", 255));
        assert!(!is_in("tile/8/9223372036854775807/000.p/1", u64::MAX));
        assert!(is_in("tile/8/data/000.p/5", 5));
    }
}
