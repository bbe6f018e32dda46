//! Doing without the file of the newest head: it was lost, or the folder was copied from the go command, which keeps that file
//! elsewhere.
//!
//! The stored look-ups have heads, each of another moment, and the tiles that are held may prove a record under one head and not under
//! another. The head that counts is then the newest under which everything proves, so that clients can walk from one record to the
//! next; where there is none, a record that can't be had otherwise is served under any signed head that holds it.

use std::{
    collections::BTreeMap,
    iter::once,
    sync::{Arc, Mutex, PoisonError},
};

use larder_module::{
    sumdb::{record::parse_lookup, tile::Tile, tree::SignedHead, verify::compare_heads},
    version::ModuleVersion,
};

use super::{
    database::{Database, Known, names},
    files::lookup_path,
    tiles::{Reach, Wanted},
};

/// How many heads are tried, the largest first.
const CANDIDATES: usize = 8;
/// How many records stand for all of them.
const SAMPLE: usize = 64;
/// How many heads are remembered under which something may be proven.
const OTHERS: usize = 32;

/// What the stored look-ups hold.
#[derive(Default)]
struct Found {
    heads: BTreeMap<u64, SignedHead>,
    ids: Vec<i64>,
}

/// Signed heads beside the one that counts.
#[derive(Default)]
pub(super) struct OtherHeads(Mutex<Vec<SignedHead>>);

impl OtherHeads {
    fn all(&self) -> Vec<SignedHead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, head: &SignedHead) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.head() != head.head());
        all.insert(0, head.clone());
        all.truncate(OTHERS);
    }
}

impl Database {
    /// Finds the newest head among the stored look-ups, so that a lost file can't turn the clock back: of those whose tiles
    /// are here, if everything proves under one, else of all.
    pub(super) async fn recover_head(&self) -> Option<SignedHead> {
        let found: Arc<Mutex<Found>> = Arc::default();
        let (finds, key) = (Arc::clone(&found), self.verifier().clone());
        self.files
            .walk_lookups(move |bytes| {
                let Ok(lookup) = parse_lookup(bytes) else { return };
                let Ok(head) = SignedHead::open(&lookup.head_note, &key) else { return };
                let mut found = finds.lock().unwrap_or_else(PoisonError::into_inner);
                found.heads.insert(head.size(), head);
                found.ids.push(lookup.id);
            })
            .await;
        let Found { heads, mut ids } =
            std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        let newest_first: Vec<SignedHead> = heads.into_values().rev().collect();
        newest_first.iter().take(OTHERS).rev().for_each(|head| self.heads.others.add(head));
        ids.sort_unstable();
        let step = ids.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<i64> = ids.iter().copied().step_by(step).chain(ids.last().copied()).collect();
        for head in newest_first.iter().take(CANDIDATES) {
            if self.proves_all(head, &sample).await {
                return Some(head.clone());
            }
        }
        newest_first.into_iter().next()
    }

    async fn proves_all(&self, head: &SignedHead, ids: &[i64]) -> bool {
        for id in ids {
            if self.tiles.prove(head.head(), Wanted::record(*id), Reach::Here).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Proves a stored look-up under whatever signed head the tiles that are here allow, its own first.
    ///
    /// That this head and the one that counts tell the same history could not be checked; so this is for the time when
    /// nobody can be asked.
    pub(super) async fn held_aside(&self, of: &ModuleVersion) -> Option<Arc<Known>> {
        let bytes = self.files.read(lookup_path(of)).await?;
        let lookup = parse_lookup(&bytes).ok()?;
        let own = SignedHead::open(&lookup.head_note, self.verifier()).ok()?;
        let kept = self.head().await;
        let others = self.heads.others.all();
        for head in once(&own).chain(&others) {
            let is_fork = kept.as_ref().is_some_and(|kept| compare_heads(kept, head).is_err());
            let has_it = u64::try_from(lookup.id).is_ok_and(|id| id < head.size());
            if is_fork || !has_it {
                continue;
            }
            let proven = self.tiles.prove(head.head(), Wanted::record(lookup.id), Reach::Here).await;
            let Ok(record) =
                proven.map_err(drop).and_then(|proven| proven.record(lookup.id, &lookup.text).map_err(drop))
            else {
                continue;
            };
            if !names(&record, of) {
                return None;
            }
            self.heads.others.add(head);
            return Some(Arc::new(Known { record, head: head.clone(), from: None, is_aside: true }));
        }
        None
    }

    /// Returns a tile that is held and proven under another head than the one that counts.
    pub(super) async fn tile_aside(&self, tile: &Tile) -> Option<bytes::Bytes> {
        for head in self.heads.others.all() {
            if tile.is_in(head.size())
                && let Ok((bytes, _)) = self.tiles.tile(head.head(), tile, Reach::Here).await
            {
                return Some(bytes);
            }
        }
        None
    }
}
