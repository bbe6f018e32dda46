//! Inclusion and consistency proofs as RFC 6962 defines them.
//!
//! Verification from tiles doesn't need them: the tiles hold the hashes themselves. They are what
//! one shows to others, above all as the evidence of a fork.

use super::tree::{Hash, Node, TreeHead, complete_subtrees, fold_subtrees, node_hash};

/// Why a proof can't be made or doesn't hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// The record or older tree is not within the tree.
    #[error("not within a tree of that size")]
    Range,
    /// A hash that the proof needs isn't known.
    #[error("a hash is missing")]
    Missing,
    /// The proof doesn't lead to the root.
    #[error("invalid transparency proof")]
    Invalid,
}

/// Returns the hashes that prove a record to be in a tree of that size.
///
/// # Errors
///
/// Fails when there's no such record or a hash is missing.
pub fn prove_record(
    size: u64,
    record: u64,
    mut hash: impl FnMut(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    if record >= size {
        return Err(ProofError::Range);
    }
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if record < middle {
            proof.push(subtree(middle, high, &mut hash)?);
            high = middle;
        } else {
            proof.push(subtree(low, middle, &mut hash)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that a tree has the leaf as its record with that number.
///
/// # Errors
///
/// Fails when the proof doesn't show it.
pub fn check_record(proof: &[Hash], tree: &TreeHead, record: u64, leaf: Hash) -> Result<(), ProofError> {
    if record >= tree.size {
        return Err(ProofError::Range);
    }
    let mut sides = Vec::new();
    let (mut low, mut high) = (0, tree.size);
    while high - low > 1 {
        let middle = low + split(high - low);
        sides.push(record < middle);
        if record < middle {
            high = middle;
        } else {
            low = middle;
        }
    }
    if sides.len() != proof.len() {
        return Err(ProofError::Invalid);
    }
    let root = proof.iter().zip(sides.iter().rev()).fold(leaf, |below, (other, is_left)| match is_left {
        true => node_hash(&below, other),
        false => node_hash(other, &below),
    });
    match root == tree.hash {
        true => Ok(()),
        false => Err(ProofError::Invalid),
    }
}

/// Returns the hashes that prove a tree of `size` to begin with the tree of `older` records.
///
/// # Errors
///
/// Fails when the older tree is empty or larger, or a hash is missing.
pub fn prove_tree(
    size: u64,
    older: u64,
    mut hash: impl FnMut(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    if older == 0 || older > size {
        return Err(ProofError::Range);
    }
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while older != high {
        let middle = low + split(high - low);
        if older <= middle {
            proof.push(subtree(middle, high, &mut hash)?);
            high = middle;
        } else {
            proof.push(subtree(low, middle, &mut hash)?);
            low = middle;
        }
    }
    if low > 0 {
        proof.push(subtree(low, high, &mut hash)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that a tree begins with an older one.
///
/// # Errors
///
/// Fails when the proof doesn't show it.
pub fn check_tree(proof: &[Hash], tree: &TreeHead, older: &TreeHead) -> Result<(), ProofError> {
    if older.size == 0 || older.size > tree.size {
        return Err(ProofError::Range);
    }
    let mut sides = Vec::new();
    let (mut low, mut high) = (0, tree.size);
    while older.size != high {
        let middle = low + split(high - low);
        sides.push(older.size <= middle);
        if older.size <= middle {
            high = middle;
        } else {
            low = middle;
        }
    }
    let (start, steps) = match (low, proof) {
        (0, steps) => (older.hash, steps),
        (_, [start, steps @ ..]) => (*start, steps),
        (_, []) => return Err(ProofError::Invalid),
    };
    if steps.len() != sides.len() {
        return Err(ProofError::Invalid);
    }
    let (mut old_root, mut new_root) = (start, start);
    for (other, is_left) in steps.iter().zip(sides.iter().rev()) {
        if *is_left {
            new_root = node_hash(&new_root, other);
        } else {
            old_root = node_hash(other, &old_root);
            new_root = node_hash(other, &new_root);
        }
    }
    match (old_root, new_root) == (older.hash, tree.hash) {
        true => Ok(()),
        false => Err(ProofError::Invalid),
    }
}

/// Returns the largest power of two below a count of at least two.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn subtree(low: u64, high: u64, hash: &mut impl FnMut(Node) -> Option<Hash>) -> Result<Hash, ProofError> {
    let hashes: Option<Vec<Hash>> = complete_subtrees(low, high).map(hash).collect();
    let root = fold_subtrees(hashes.ok_or(ProofError::Missing)?.into_iter());
    root.ok_or(ProofError::Range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sumdb::log::HashLog;

    #[test]
    fn proofs_hold_for_their_trees_and_no_others() {
        let mut log = HashLog::default();
        let leaves: Vec<Hash> = (0..70_u32)
            .map(|number| {
                let text = number.to_be_bytes();
                log.append(&text);
                crate::sumdb::tree::record_hash(&text)
            })
            .collect();
        for size in 1..=log.size() {
            let tree = log.head(size).unwrap();
            for (record, leaf) in (0..size).zip(&leaves) {
                let proof = prove_record(size, record, |node| log.hash(node)).unwrap();
                check_record(&proof, &tree, record, *leaf).unwrap();
                let other = leaves[(record as usize + 1) % leaves.len()];
                assert!(check_record(&proof, &tree, record, other).is_err());
                refuse_changed(&proof, |changed| check_record(changed, &tree, record, *leaf));
            }
            for older in 1..=size {
                let old = log.head(older).unwrap();
                let proof = prove_tree(size, older, |node| log.hash(node)).unwrap();
                check_tree(&proof, &tree, &old).unwrap();
                let forged = TreeHead { hash: leaves[0], ..old };
                assert_eq!(check_tree(&proof, &tree, &forged).is_err(), old.hash != leaves[0]);
                refuse_changed(&proof, |changed| check_tree(changed, &tree, &old));
            }
            assert_eq!(prove_record(size, size, |_| None), Err(ProofError::Range));
            assert_eq!(prove_tree(size, size + 1, |_| None), Err(ProofError::Range));
            assert_eq!(prove_tree(size, 0, |_| None), Err(ProofError::Range));
        }
    }

    fn refuse_changed(proof: &[Hash], check: impl Fn(&[Hash]) -> Result<(), ProofError>) {
        let mut longer = proof.to_vec();
        longer.push(Hash::EMPTY_TREE);
        assert!(check(&longer).is_err());
        if let [_, shorter @ ..] = proof {
            assert!(check(shorter).is_err());
            let mut changed = proof.to_vec();
            let mut bytes = *changed[0].as_bytes();
            bytes[31] ^= 1;
            changed[0] = Hash::from_bytes(bytes);
            assert!(check(&changed).is_err());
        }
    }
}
