//! Hashes of the log's tree, tree heads, and where a hash stands in the tree.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::lenient;
use super::note::{self, NoteError, Verifier};

/// The length of a hash in bytes.
pub const HASH_SIZE: usize = 32;

/// The largest text that a tree head may have.
const MAX_HEAD_TEXT: usize = 1_000_000;

/// The line that every tree head starts with.
const HEAD_PREFIX: &[u8] = b"go.sum database tree\n";

/// The hash of a record, of an inner node, or of a whole tree.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash([u8; HASH_SIZE]);

impl Hash {
    /// The root of the tree without records.
    pub const EMPTY_TREE: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Wraps the bytes of a hash.
    pub const fn from_bytes(bytes: [u8; HASH_SIZE]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; HASH_SIZE] {
        &self.0
    }

    /// Reads base64 as Go does, line breaks and unused bits included.
    pub fn from_base64(text: &[u8]) -> Option<Self> {
        lenient::decode(text)?.try_into().ok().map(Self)
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&lenient::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = TreeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_base64(text.as_bytes()).ok_or(TreeError::Hash)
    }
}

/// Returns the leaf hash of a record's text.
pub fn record_hash(text: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(text).finalize().into())
}

/// Returns the hash of the node over two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0; 1 + 2 * HASH_SIZE];
    input[0] = 1;
    input[1..=HASH_SIZE].copy_from_slice(&left.0);
    input[1 + HASH_SIZE..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

/// Why a text is no tree head or no hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TreeError {
    /// The text does not have the three lines of a tree head.
    #[error("malformed tree head")]
    Malformed,
    /// The size is not a canonical decimal of at most 63 bits.
    #[error("malformed size in a tree head")]
    Size,
    /// The hash is not the base64 of 32 bytes.
    #[error("malformed hash")]
    Hash,
}

/// How many records a log has, and the root hash over them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TreeHead {
    /// The number of records, at most `i64::MAX`.
    pub size: u64,
    /// The root over them.
    pub hash: Hash,
}

impl TreeHead {
    /// The head of the log without records.
    pub const EMPTY: Self = Self { size: 0, hash: Hash::EMPTY_TREE };
}

impl fmt::Display for TreeHead {
    /// Writes the text that gets signed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "go.sum database tree\n{}\n{}\n", self.size, self.hash)
    }
}

/// Reads the text of a tree head.
///
/// Lines after the third are left for later versions of the format and ignored, as the format
/// asks for.
///
/// # Errors
///
/// Fails where Go's reader fails.
pub fn parse_tree(text: &[u8]) -> Result<TreeHead, TreeError> {
    let body = text.strip_prefix(HEAD_PREFIX).ok_or(TreeError::Malformed)?;
    if text.len() > MAX_HEAD_TEXT || body.iter().filter(|byte| **byte == b'\n').count() < 2 {
        return Err(TreeError::Malformed);
    }
    let mut lines = body.splitn(3, |byte| *byte == b'\n');
    let size = lines.next().and_then(parse_size).ok_or(TreeError::Size)?;
    let hash = lines.next().and_then(Hash::from_base64);
    Ok(TreeHead { size, hash: hash.ok_or(TreeError::Hash)? })
}

fn parse_size(text: &[u8]) -> Option<u64> {
    let canonical = match text {
        [] => false,
        [b'0'] => true,
        [first, rest @ ..] => matches!(first, b'1'..=b'9') && rest.iter().all(u8::is_ascii_digit),
    };
    if !canonical {
        return None;
    }
    let size: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    u64::try_from(size).ok()
}

/// A tree head whose signature was checked, with the note that carries it.
///
/// Holding one is the proof of the signature: only [`SignedHead::open`] makes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedHead {
    head: TreeHead,
    note: Arc<[u8]>,
}

impl SignedHead {
    /// Checks the note against the one pinned key and reads the head in it.
    ///
    /// # Errors
    ///
    /// Fails when the note isn't signed by that key or its text is no tree head.
    pub fn open(message: &[u8], key: &Verifier) -> Result<Self, HeadError> {
        let opened = note::open(message, std::slice::from_ref(key))?;
        let head = parse_tree(opened.text().as_bytes())?;
        Ok(Self { head, note: message.into() })
    }

    /// Returns the size and root that were signed.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Returns the number of records.
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// Returns the note exactly as it arrived.
    pub fn note(&self) -> &[u8] {
        &self.note
    }
}

/// Why a message is no signed tree head.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The note is malformed or not signed by the pinned key.
    #[error("the tree head's signature was refused")]
    Note(#[from] NoteError),
    /// The signed text is no tree head.
    #[error("the signed text is no tree head")]
    Tree(#[from] TreeError),
}

/// Where a hash stands: `level` 0 are the records, and node `index` of a level covers the records
/// from `index << level` up to the next node's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// The height above the records.
    pub level: u32,
    /// The number within the level, from the left.
    pub index: u64,
}

impl Node {
    /// Returns the leaf of a record.
    pub const fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// Reports whether a tree of that size has the node, complete.
    pub fn is_in(self, size: u64) -> bool {
        self.level < 64 && (u128::from(self.index) + 1) << self.level <= u128::from(size)
    }
}

/// Returns the complete subtrees that make up the records from `low` up to `high`, left to right.
///
/// `low` has to be a multiple of the largest power of two below the range's length, as it is for
/// every subtree that a proof visits; 0 always is.
pub fn complete_subtrees(low: u64, high: u64) -> impl Iterator<Item = Node> {
    let mut next = low;
    std::iter::from_fn(move || {
        if next >= high {
            return None;
        }
        let level = (high - next).ilog2();
        let node = Node { level, index: next >> level };
        next += 1 << level;
        Some(node)
    })
}

/// Returns the hash over complete subtrees, given left to right, smallest last.
pub fn fold_subtrees(hashes: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    hashes.rev().reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads_as_go_does() {
        let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let good = |text: String| parse_tree(text.as_bytes()).map(|head| head.size);
        let head = |size: &str, hash: &str| format!("go.sum database tree\n{size}\n{hash}\n");
        assert_eq!(good(head("0", hash)), Ok(0));
        assert_eq!(good(head("9223372036854775807", hash)), Ok(i64::MAX as u64));
        assert_eq!(good(head("7", hash) + "later\nlines\n"), Ok(7));
        assert_eq!(good(head("7", &format!("{hash}\r"))), Ok(7));
        for size in ["", "-1", "+1", "01", "1 ", "9223372036854775808", "x", "-0"] {
            assert_eq!(good(head(size, hash)), Err(TreeError::Size), "{size:?}");
        }
        assert_eq!(good(head("7", &hash[1..])), Err(TreeError::Hash));
        assert_eq!(good(format!("go.sum database tree\n7\n{hash}")), Err(TreeError::Malformed));
        assert_eq!(good(format!("go.sum database tree v2\n7\n{hash}\n")), Err(TreeError::Malformed));
        let long = head("7", hash) + &"x".repeat(MAX_HEAD_TEXT);
        assert_eq!(good(long), Err(TreeError::Malformed));
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(Hash(Sha256::digest(b"").into()), Hash::EMPTY_TREE);
    }

    #[test]
    fn splits_a_tree_into_complete_subtrees() {
        let nodes: Vec<(u32, u64)> = complete_subtrees(0, 13).map(|node| (node.level, node.index)).collect();
        assert_eq!(nodes, [(3, 0), (2, 2), (0, 12)]);
        assert_eq!(complete_subtrees(0, 0).count(), 0);
        assert_eq!(complete_subtrees(0, i64::MAX as u64).count(), 63);
    }
}
