//! The client's checks: plan the tiles, authenticate all of them, then read hashes.
//!
//! The order is the safety. [`TilePlan`] says which tiles are wanted, the caller brings their
//! bytes, and only [`TilePlan::authenticate`] makes the [`AuthenticTiles`] from which hashes can
//! be read. It accepts nothing before the tiles at the tree's right edge give the signed root and
//! **every** other tile gives the hash that its parent holds for it. Counting the edge's hashes
//! instead of its tiles once let forged tiles through in other clients, whenever several of those
//! hashes lie in one tile; here each tile is either an edge tile, hashed whole into the root, or
//! compared with its parent, and there's no third kind.

use std::collections::HashMap;

use super::proof;
use super::tile::{self, MAX_HEIGHT, Place, Tile, TileError, subtree_hash};
use super::tree::{Hash, Node, SignedHead, TreeHead, complete_subtrees, fold_subtrees, record_hash};
use crate::dirhash::H1;

/// Why something could not be proven to stand in a signed tree.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// Tiles of that height don't exist.
    #[error("invalid tile height {0}")]
    Height(u8),
    /// The record's number isn't below the signed size.
    #[error("record {id} can't be in a tree of {size} records")]
    NotInTree {
        /// The number that was named.
        id: i64,
        /// The signed size.
        size: u64,
    },
    /// A tree was said to begin with a larger one.
    #[error("a tree of {older} records can't be the start of one of {size}")]
    NotOlder {
        /// The size of the tree that should come first.
        older: u64,
        /// The signed size.
        size: u64,
    },
    /// Not as many tiles were brought as planned.
    #[error("{found} tiles were brought for {expected} planned ones")]
    TileCount {
        /// How many tiles the plan has.
        expected: usize,
        /// How many were brought.
        found: usize,
    },
    /// A tile has the wrong length.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The tiles at the right edge don't give the signed root; one of them is wrong.
    #[error("the tiles at the tree's edge do not give its signed root")]
    WrongRoot,
    /// A tile doesn't give the hash that its parent has for it.
    #[error("{tile} does not give the hash that its parent has for it")]
    WrongTile {
        /// The tile that is wrong.
        tile: Tile,
    },
    /// The hash wasn't planned for.
    #[error("the planned tiles do not hold a needed hash")]
    NotPlanned,
    /// The text isn't the record with that number.
    #[error("the text is not record {id} of the signed tree")]
    WrongRecord {
        /// The number that was named.
        id: u64,
    },
}

/// The tiles needed to read certain hashes of a signed tree, and to authenticate themselves.
#[derive(Clone, Debug)]
pub struct TilePlan {
    head: TreeHead,
    height: u8,
    /// How many of the tiles are at the tree's right edge; they come first, lowest level first.
    edge: usize,
    tiles: Vec<Tile>,
    places: HashMap<(u32, u64), usize>,
}

impl TilePlan {
    /// Starts a plan with the tiles that give the tree's root.
    ///
    /// # Errors
    ///
    /// Fails when there are no tiles of that height.
    pub fn new(head: &TreeHead, height: u8) -> Result<Self, VerifyError> {
        if !(1..=MAX_HEIGHT).contains(&height) {
            return Err(VerifyError::Height(height));
        }
        let mut plan = Self { head: *head, height, edge: 0, tiles: Vec::new(), places: HashMap::new() };
        for level in 0.. {
            let hashes = tile::hashes_at(height, level, head.size);
            if hashes == 0 {
                break;
            }
            // A level whose tiles are all full has no hash of its own at the edge.
            plan.push(level, hashes >> height);
        }
        plan.edge = plan.tiles.len();
        Ok(plan)
    }

    fn push(&mut self, level: u32, index: u64) -> Option<Tile> {
        let tile = Tile::at(self.height, level, index, self.head.size)?;
        self.places.insert((level, index), self.tiles.len());
        self.tiles.push(tile);
        Some(tile)
    }

    /// Adds the tiles for one hash.
    ///
    /// # Errors
    ///
    /// Fails when the tree has no such hash.
    pub fn want(&mut self, node: Node) -> Result<(), VerifyError> {
        if !node.is_in(self.head.size) {
            return Err(VerifyError::NotPlanned);
        }
        let Place { mut level, mut index, .. } = Place::of(node, self.height);
        while !self.places.contains_key(&(level, index)) {
            let tile = self.push(level, index).ok_or(VerifyError::NotPlanned)?;
            if !tile.is_full() {
                return Err(VerifyError::NotPlanned);
            }
            (level, index) = (level + 1, index >> self.height);
        }
        Ok(())
    }

    /// Adds the tiles for a record, named by the number that a look-up gave.
    ///
    /// # Errors
    ///
    /// Fails when the number is negative or not below the tree's size.
    pub fn want_record(&mut self, id: i64) -> Result<(), VerifyError> {
        self.want(Node::leaf(self.record_number(id)?))
    }

    fn record_number(&self, id: i64) -> Result<u64, VerifyError> {
        let size = self.head.size;
        let number = u64::try_from(id).ok().filter(|number| *number < size);
        number.ok_or(VerifyError::NotInTree { id, size })
    }

    /// Adds the tiles that give the root of the tree when it had only so many records.
    ///
    /// # Errors
    ///
    /// Fails when the tree never had that many.
    pub fn want_older(&mut self, older: u64) -> Result<(), VerifyError> {
        let size = self.head.size;
        if older > size {
            return Err(VerifyError::NotOlder { older, size });
        }
        complete_subtrees(0, older).try_for_each(|node| self.want(node))
    }

    /// Returns the signed tree.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Returns the tiles to bring, each once.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Checks every tile, given in the order of [`TilePlan::tiles`], up to the signed root.
    ///
    /// # Errors
    ///
    /// Fails when anything about any tile is wrong; then nothing of them can be used or kept.
    pub fn authenticate<B: AsRef<[u8]>>(self, bytes: Vec<B>) -> Result<AuthenticTiles<B>, VerifyError> {
        if bytes.len() != self.tiles.len() {
            return Err(VerifyError::TileCount { expected: self.tiles.len(), found: bytes.len() });
        }
        for (tile, bytes) in self.tiles.iter().zip(&bytes) {
            tile.check_length(bytes.as_ref())?;
        }
        if root_of_edge(&self.tiles[..self.edge], &bytes) != self.head.hash {
            return Err(VerifyError::WrongRoot);
        }
        let unchecked = AuthenticTiles { plan: self, bytes };
        unchecked.check_inner_tiles()?;
        Ok(unchecked)
    }
}

/// Returns the root that the edge tiles give: all their hashes go into it.
fn root_of_edge<B: AsRef<[u8]>>(tiles: &[Tile], bytes: &[B]) -> Hash {
    let levels = tiles.iter().zip(bytes).rev();
    let hashes: Vec<Hash> = levels
        .flat_map(|(tile, bytes)| {
            complete_subtrees(0, u64::from(tile.width()))
                .filter_map(|node| Place::of(node, tile.height()).hash(bytes.as_ref()))
        })
        .collect();
    fold_subtrees(hashes.into_iter()).unwrap_or(Hash::EMPTY_TREE)
}

/// Tiles that were all proven to belong to a signed tree.
#[derive(Clone, Debug)]
pub struct AuthenticTiles<B> {
    plan: TilePlan,
    bytes: Vec<B>,
}

impl<B: AsRef<[u8]>> AuthenticTiles<B> {
    fn check_inner_tiles(&self) -> Result<(), VerifyError> {
        let inner = self.plan.tiles.iter().zip(&self.bytes).skip(self.plan.edge);
        for (tile, bytes) in inner {
            let parent = tile.parent(self.plan.head.size);
            let expected = parent.and_then(|parent| {
                let level = u32::try_from(parent.level()).ok()? * u32::from(tile.height());
                self.hash(Node { level, index: tile.index() })
            });
            if expected != Some(subtree_hash(bytes.as_ref())) {
                return Err(VerifyError::WrongTile { tile: *tile });
            }
        }
        Ok(())
    }

    /// Returns the signed tree.
    pub fn head(&self) -> &TreeHead {
        &self.plan.head
    }

    /// Returns a hash of the tree, if the plan's tiles hold it.
    pub fn hash(&self, node: Node) -> Option<Hash> {
        if !node.is_in(self.plan.head.size) {
            return None;
        }
        let place = Place::of(node, self.plan.height);
        let number = *self.plan.places.get(&(place.level, place.index))?;
        place.hash(self.bytes[number].as_ref())
    }

    /// Returns the root of the tree when it had only so many records.
    pub fn older_root(&self, older: u64) -> Option<Hash> {
        if older == 0 {
            return Some(Hash::EMPTY_TREE);
        }
        let hashes: Option<Vec<Hash>> = complete_subtrees(0, older).map(|node| self.hash(node)).collect();
        fold_subtrees(hashes?.into_iter())
    }

    /// Checks that a text is the record with that number.
    ///
    /// # Errors
    ///
    /// Fails when it isn't, or the plan has no tiles for it.
    pub fn record(&self, id: i64, text: &str) -> Result<AuthenticRecord, VerifyError> {
        let id = self.plan.record_number(id)?;
        let leaf = self.hash(Node::leaf(id)).ok_or(VerifyError::NotPlanned)?;
        if leaf != record_hash(text.as_bytes()) {
            return Err(VerifyError::WrongRecord { id });
        }
        Ok(AuthenticRecord { id, text: text.to_owned() })
    }

    /// Returns the tiles with their bytes; they may be kept for ever now.
    pub fn tiles(&self) -> impl Iterator<Item = (&Tile, &B)> {
        self.plan.tiles.iter().zip(&self.bytes)
    }
}

/// The text of a record that was proven to stand in a signed tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthenticRecord {
    id: u64,
    text: String,
}

/// Why a record doesn't say what a module's hash is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineError {
    /// No line is for exactly that module and version.
    #[error("the checksum database's record has no line for the module and version")]
    Absent,
    /// Two lines for the same thing differ.
    #[error("the checksum database's record has two different hashes for one thing")]
    Conflicting,
    /// The line's hash isn't one.
    #[error("the checksum database's record has a malformed hash")]
    Malformed,
}

impl AuthenticRecord {
    /// Returns the record's number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the text, as it is logged.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the hash that a module version's zip must have.
    ///
    /// # Errors
    ///
    /// Fails unless a line names exactly that module and version.
    pub fn zip_h1(&self, module: &str, version: &str) -> Result<H1, LineError> {
        self.hash_after(&format!("{module} {version} h1:"))
    }

    /// Returns the hash that a module version's `go.mod` must have.
    ///
    /// # Errors
    ///
    /// Fails unless a line names exactly that module and version's `go.mod`.
    pub fn go_mod_h1(&self, module: &str, version: &str) -> Result<H1, LineError> {
        self.hash_after(&format!("{module} {version}/go.mod h1:"))
    }

    fn hash_after(&self, prefix: &str) -> Result<H1, LineError> {
        let mut hashes = self.text.lines().filter_map(|line| line.strip_prefix(prefix));
        let first = hashes.next().ok_or(LineError::Absent)?;
        if hashes.any(|other| other != first) {
            return Err(LineError::Conflicting);
        }
        format!("h1:{first}").parse().map_err(|_| LineError::Malformed)
    }
}

/// How a tree head that was just seen stands to the one that was known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadOrder {
    /// Both are the same tree.
    Same,
    /// The seen tree has more records: prove that it begins with the known one.
    Newer,
    /// The seen tree has fewer records: prove that the known one begins with it.
    Older,
}

/// Proof that whoever holds a checksum database's key shows different people different logs.
///
/// Both notes carry good signatures, so they are evidence that anyone can check.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misbehaviour {
    /// The larger tree doesn't begin with the smaller one, though both are signed.
    #[error(
        "checksum database misbehaviour: two signed trees contradict each other\n{}\n{}",
        String::from_utf8_lossy(&.0.older_note).trim_end(),
        String::from_utf8_lossy(&.0.newer_note).trim_end()
    )]
    Fork(Box<Fork>),
    /// A head that has to be the newest is older than one that was seen before.
    #[error(
        "checksum database went back in time\n{}\n{}",
        String::from_utf8_lossy(known_note).trim_end(),
        String::from_utf8_lossy(seen_note).trim_end()
    )]
    Rollback {
        /// The note with the larger tree, which was known.
        known_note: Vec<u8>,
        /// The note with the smaller tree, which came later.
        seen_note: Vec<u8>,
    },
}

/// The evidence of a fork.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fork {
    /// The signed head with the smaller tree.
    pub older_note: Vec<u8>,
    /// The signed head with the larger tree.
    pub newer_note: Vec<u8>,
    /// The root that the larger tree has for the smaller one's size.
    pub found: Hash,
    /// The consistency proof for that root; empty when both trees have one size.
    pub proof: Vec<Hash>,
}

/// Compares two signed heads by size, and by root where the sizes are equal.
///
/// # Errors
///
/// Fails when two different roots of one size are signed.
pub fn compare_heads(known: &SignedHead, seen: &SignedHead) -> Result<HeadOrder, Misbehaviour> {
    match seen.size().cmp(&known.size()) {
        std::cmp::Ordering::Less => Ok(HeadOrder::Older),
        std::cmp::Ordering::Greater => Ok(HeadOrder::Newer),
        std::cmp::Ordering::Equal if known.head() == seen.head() => Ok(HeadOrder::Same),
        std::cmp::Ordering::Equal => Err(Misbehaviour::Fork(Box::new(Fork {
            older_note: known.note().to_vec(),
            newer_note: seen.note().to_vec(),
            found: seen.head().hash,
            proof: Vec::new(),
        }))),
    }
}

/// Refuses a head that is older than the known one, where only the newest will do.
///
/// An old head under a look-up is no misbehaviour, proxies keep answers; a stored head that
/// shrinks is.
///
/// # Errors
///
/// Fails when the seen head is older or contradicts the known one.
pub fn refuse_rollback(known: &SignedHead, seen: &SignedHead) -> Result<HeadOrder, Misbehaviour> {
    match compare_heads(known, seen)? {
        HeadOrder::Older => {
            Err(Misbehaviour::Rollback { known_note: known.note().to_vec(), seen_note: seen.note().to_vec() })
        }
        order => Ok(order),
    }
}

/// Why two heads weren't shown to be of one log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConsistencyError {
    /// The tiles don't belong to the newer tree or weren't planned for this.
    #[error("the tiles do not show whether two trees are consistent")]
    Verify(#[from] VerifyError),
    /// The trees contradict each other.
    #[error(transparent)]
    Misbehaviour(#[from] Misbehaviour),
}

/// Checks that the newer tree begins with the older one.
///
/// The tiles are those of a plan for the newer head that wants the older size.
///
/// # Errors
///
/// Fails with the evidence when it doesn't.
pub fn check_consistency<B: AsRef<[u8]>>(
    tiles: &AuthenticTiles<B>,
    older: &SignedHead,
    newer: &SignedHead,
) -> Result<(), ConsistencyError> {
    if tiles.head() != newer.head() {
        return Err(VerifyError::NotPlanned.into());
    }
    if older.size() > newer.size() {
        return Err(ConsistencyError::Verify(VerifyError::NotOlder {
            older: older.size(),
            size: newer.size(),
        }));
    }
    let found = tiles.older_root(older.size()).ok_or(VerifyError::NotPlanned)?;
    if found == older.head().hash {
        return Ok(());
    }
    let proof = proof::prove_tree(newer.size(), older.size(), |node| tiles.hash(node));
    Err(ConsistencyError::Misbehaviour(Misbehaviour::Fork(Box::new(Fork {
        older_note: older.note().to_vec(),
        newer_note: newer.note().to_vec(),
        found,
        proof: proof.unwrap_or_default(),
    }))))
}

/// Returns the tiles without which a head can't be advanced from one size to another.
///
/// Whoever holds the tiles that prove some records, or smaller trees, under the old head, and
/// these, can prove the same under the new one: full tiles stay as they are, so all that changes
/// is the old right edge, which gets wider or gets parents, and the new right edge itself.
pub fn edge_tiles(height: u8, old_size: u64, new_size: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for level in 0.. {
        let hashes = tile::hashes_at(height, level, new_size);
        if hashes == 0 {
            break;
        }
        let old = old_size.checked_sub(1).map(|last| tile::hashes_at(height, level, last) >> height);
        let new = hashes >> height;
        let indexes = old.into_iter().filter(|old| *old != new).chain([new]);
        tiles.extend(indexes.filter_map(|index| Tile::at(height, level, index, new_size)));
    }
    tiles
}
